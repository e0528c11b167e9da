import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { FIRST_PREVHASH, type Envelope, type UnhashedEnvelope } from '#events/envelope.js';

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** RFC 8785 canonical JSON. */
export const canonicalJson = (value: unknown): string => canonicalize(value) ?? 'null';

/** SHA-256 over the canonical JSON of a value, in hexadecimal. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));

/** An envelope with its hash: SHA-256 over RFC 8785 canonical JSON of the envelope without `hash`. */
export const seal = (envelope: UnhashedEnvelope): Envelope => ({ ...envelope, hash: digestOf(envelope) });

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

/** Checks one link: revision, hash of the body as it was stored, and the hash of the event before it. */
export function checkLink(
  body: Envelope,
  previous: { readonly rev: number; readonly hash: string } | undefined,
): void {
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
