import { STATUS_CODES } from 'node:http';
import type { Page } from 'playwright-core';
import { fail, type FailureCode } from '../../failures/failures.js';
import { sanitised } from './sanitised.js';
import { bounds, LOAD_TIMEOUT_MS, type Script } from './script.js';

/** Fails when a tab shows what a server calls an error, unless the step expects that very status. */
export async function checkDocument(script: Script): Promise<void> {
  const { page, network, session } = script;
  await arrived(script, page);
  const document = session.network.documentOf(page);
  if (!document || script.judged.has(document)) return;
  script.judged.add(document);
  if (document.networkError !== undefined)
    throw reason(script, network.tell(document.url), document.networkError);
  const { status } = document;
  if (status === undefined || status < 400 || expectedStatuses(script).has(status)) return;
  throw fail(
    'page-status',
    `${network.tell(document.url)} answered HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trim(),
    {
      evidence: [...network.evidence(), ...script.evidence],
    },
  );
}

/** Waits for the document that an action has sent for. */
async function arrived(script: Script, page: Page): Promise<void> {
  const { signal } = bounds(script, {}, LOAD_TIMEOUT_MS);
  const late = AbortSignal.any([signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)]);
  await new Promise<void>((resolve) => {
    if (late.aborted) return resolve();
    late.addEventListener('abort', () => resolve(), { once: true });
    void script.session.network.settled(page).then(resolve);
  });
  signal.throwIfAborted();
}

function expectedStatuses({ task }: Script): Set<number> {
  return new Set(
    (task.step.expect ?? []).flatMap((check) =>
      'status' in check ? [check.status] : 'page' in check && check.page.status ? [check.page.status] : [],
    ),
  );
}

/** Playwright words it `page.goto: net::ERR_CONNECTION_REFUSED at http://…` and adds a call log. */
export function notReached(script: Script, url: string, error: unknown): Error {
  const message = (error as Error).message.split('\n')[0]!;
  if (script.task.signal.aborted || /has been closed|crashed/i.test(message)) return error as Error;
  const name = /net::(ERR_[A-Z0-9_]+)/.exec(message)?.[1];
  if (name === 'ERR_TUNNEL_CONNECTION_FAILED' || name === 'ERR_ABORTED') {
    const why = script.session.network.documentOf(script.page)?.networkError;
    if (why !== undefined) return reason(script, script.network.tell(url), why);
  }
  return reason(
    script,
    script.network.tell(url),
    name ?? (/Timeout/.test(message) ? 'time-out' : sanitised(message)),
  );
}

const CODES: readonly (readonly [RegExp, FailureCode])[] = [
  [/^ERR_(CERT|SSL)_/, 'tls-failed'],
  [/^ERR_TOO_MANY_REDIRECTS$/, 'too-many-redirects'],
];

function reason(script: Script, url: string, why: string): Error {
  const evidence = [...script.network.evidence(), ...script.evidence];
  const [, blocked] = /^blocked: (.*)$/s.exec(why) ?? [];
  if (blocked !== undefined) return fail('host-blocked', `the page was not opened: ${blocked}`, { evidence });
  const [, code] = CODES.find(([pattern]) => pattern.test(why)) ?? [];
  return fail(code ?? 'page-unreachable', `${url} could not be loaded: ${why}`, { evidence });
}
