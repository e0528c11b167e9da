import { hash as digest } from 'node:crypto';
import { FIRST_PREVHASH, type Envelope, type UnhashedEnvelope } from '#events/envelope.js';

export const sha256 = (data: string | Uint8Array): string => digest('sha256', data, 'hex');

/**
 * RFC 8785 canonical JSON of a JSON value: `JSON.stringify` already writes numbers and strings as it wants them, so only
 * the members need sorting (by UTF-16 code units, which is the default order). A member that is `undefined` is left out.
 * Half a surrogate pair, which the RFC refuses, is written as its escape, so that no page text can stop a run.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  let members = '';
  for (const key of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined) members += `${members && ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${members}}`;
}

/** SHA-256 over the canonical JSON of a value, in hexadecimal. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));

/** An envelope with its hash: SHA-256 over RFC 8785 canonical JSON of the envelope without `hash`. */
export function seal(envelope: UnhashedEnvelope): Envelope {
  const text = canonicalJson(envelope);
  const hash = sha256(text);
  const sealed = { ...envelope, hash };
  texts.set(sealed, `{"hash":"${hash}",${text.slice(1)}`);
  return sealed;
}

/** What is hashed is what is stored: an envelope that was sealed here is not put into words a second time. */
const texts = new WeakMap<Envelope, string>();
export const textOf = (envelope: Envelope): string => texts.get(envelope) ?? JSON.stringify(envelope);

/** A stored event whose hash, or whose link to the event before it, does not hold. */
export class BrokenChainError extends Error {
  readonly code = 'log-broken-chain';
  constructor(
    readonly runId: string,
    readonly rev: number,
    detail: string,
  ) {
    super(`run ${runId}: the hash chain is broken at revision ${rev}: ${detail}`);
    this.name = 'BrokenChainError';
  }
}

let checkingHashes = true;
/** For the tests that show what the chain is for: from now on this process takes every body as it is. */
export const stopCheckingHashes = (): void => {
  checkingHashes = false;
};

/** Checks one link: revision, hash of the body as it was stored, and the hash of the event before it. */
export function checkLink(
  body: Envelope,
  previous: { readonly rev: number; readonly hash: string } | undefined,
): void {
  if (!checkingHashes) return;
  const { hash, ...unhashed } = body;
  const expectedRev = (previous?.rev ?? 0) + 1;
  if (body.rev !== expectedRev)
    throw new BrokenChainError(body.subject, body.rev, `expected revision ${expectedRev}`);
  if (body.prevhash !== (previous?.hash ?? FIRST_PREVHASH)) {
    throw new BrokenChainError(body.subject, body.rev, 'prevhash is not the hash of the event before it');
  }
  if (digestOf(unhashed) !== hash) {
    throw new BrokenChainError(body.subject, body.rev, 'the body does not have the hash it states');
  }
}
