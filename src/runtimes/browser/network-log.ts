import type { BrowserContext, Page, Request, Response } from 'playwright-core';
import type { Evidence } from '#events/shapes.js';
import type { EgressProxy } from './egress.proxy.js';

/** One request of a page and how it was answered. `url` is whole, and never leaves the run's folder. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly type: string;
  readonly status?: number | undefined;
  /** Chromium's name of a network error, or `blocked: …` when the way out refused. */
  readonly networkError?: string | undefined;
}

/** What a run's browser asks the network for, as long as it is open. */
export interface Network {
  /** How the document that a tab shows was answered; nothing, when it came over no network. */
  documentOf(page: Page): SeenRequest | undefined;
  /** Resolves when no document is on its way to a tab, and when it has come. */
  settled(page: Page): Promise<void>;
  /** Hears of every request once it was answered, until the function that this returns is called. */
  listen(heard: (seen: SeenRequest, from: Page | undefined, isDocument: boolean) => void): () => void;
}

type Answer = Pick<SeenRequest, 'status' | 'networkError'>;

export function followNetwork(context: BrowserContext, egress: EgressProxy): Network {
  const documents = new WeakMap<Page, SeenRequest>();
  const pending = new WeakMap<Page, Pending>();
  const listeners = new Set<Parameters<Network['listen']>[0]>();
  const pendingOf = (page: Page): Pending => {
    const known = pending.get(page) ?? createPending();
    pending.set(page, known);
    return known;
  };

  /** Documents of tabs that a click opens: they are asked for, and may have come, before the tab is known. */
  let early: { request: Request; answer: Answer }[] = [];

  function onAnswer(request: Request, answer: Answer): void {
    const page = pageOf(request);
    if (!page && request.isNavigationRequest()) early.push({ request, answer });
    else tell(request, page, answer);
  }

  function adopt(): void {
    const waiting = early;
    early = [];
    for (const { request, answer } of waiting) onAnswer(request, answer);
  }

  function tell(request: Request, page: Page | undefined, answer: Answer): void {
    const isDocument = page !== undefined && isOfTab(request, page);
    const seen = { method: request.method(), url: request.url(), type: request.resourceType(), ...answer };
    for (const hear of listeners) hear(seen, page, isDocument);
    if (!isDocument || isRedirect(seen)) return;
    // One that became a download, or that another took the place of, leaves the tab as it was.
    if (answer.networkError !== 'ERR_ABORTED') documents.set(page, seen);
    pendingOf(page).end(request);
  }

  context.on('request', (request) => {
    const page = pageOf(request);
    if (page && isOfTab(request, page)) pendingOf(page).begin(request);
  });
  context.on('response', (response: Response) => {
    const problem = egress.saidIn(response.headers());
    onAnswer(
      response.request(),
      problem === undefined ? { status: response.status() } : { networkError: problem },
    );
  });
  context.on('requestfailed', (request) => {
    const error = (request.failure()?.errorText ?? 'failed').replace(/^net::/, '');
    const ofTunnel = error === 'ERR_TUNNEL_CONNECTION_FAILED';
    const why = ofTunnel ? egress.problemOf(URL.parse(request.url())?.host ?? '') : undefined;
    onAnswer(request, { networkError: why ?? error });
  });

  // A page that comes over no network, such as about:blank, has no answer.
  context.on('page', (page) => {
    page.on('framenavigated', (frame) => {
      if (frame === page.mainFrame() && LOCAL.test(frame.url())) documents.delete(page);
    });
  });

  return {
    documentOf: (page) => {
      adopt();
      return documents.get(page);
    },
    settled: (page) => pending.get(page)?.settled() ?? Promise.resolve(),
    listen: (heard) => {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
  };
}

const LOCAL = /^(about|data|blob):/;

/** The tab a request is of; nothing for one of a service worker, or one that began before its tab was known. */
function pageOf(request: Request): Page | undefined {
  try {
    return request.frame().page();
  } catch {
    return undefined;
  }
}

/** Whether a request is for the document of a tab itself, and not of a frame in it. */
const isOfTab = (request: Request, page: Page): boolean =>
  request.isNavigationRequest() && request.frame() === page.mainFrame();

const isRedirect = ({ status }: SeenRequest): boolean =>
  status !== undefined && status >= 300 && status < 400 && status !== 304;

interface Pending {
  begin(request: Request): void;
  end(request: Request): void;
  settled(): Promise<void>;
}

function createPending(): Pending {
  let underway: Request | undefined;
  let waiting: (() => void)[] = [];
  return {
    // A navigation takes the place of the one before it, which then gets no answer.
    begin: (request) => {
      underway = request;
    },
    end: (request) => {
      if (underway !== request) return;
      underway = undefined;
      for (const resume of waiting.splice(0)) resume();
    },
    settled: () => (underway ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve()),
  };
}

/** What the tabs of one step asked for. */
export interface NetworkLog {
  readonly requests: readonly SeenRequest[];
  /** An address as the log may hold it. */
  readonly tell: (url: string) => string;
  /** Documents of the tabs, and requests that may have changed something, for the log. */
  evidence(): Evidence[];
  stop(): void;
}

const MOST_REQUESTS = 2_000;
const MOST_EVIDENCE = 200;
const CHANGING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const TOLD: ReadonlySet<string> = new Set(['document', 'fetch', 'xhr']);

/** `plain`: addresses that stand in the plan, and may be told with their queries. */
export function createNetworkLog(
  network: Network,
  tabs: readonly Page[],
  plain: ReadonlySet<string>,
): NetworkLog {
  const all: { seen: SeenRequest; from: Page; isDocument: boolean }[] = [];
  const stop = network.listen((seen, from, isDocument) => {
    // What may have changed something is never left out.
    if (from && (CHANGING.has(seen.method) || all.length < MOST_REQUESTS))
      all.push({ seen, from, isDocument });
  });
  // A tab that a click opens asks before it is known to be one of this step's.
  const own = () => all.filter(({ from }) => tabs.includes(from));
  const tell = (url: string) => tellable(url, plain);
  return {
    stop,
    tell,
    get requests() {
      return own().map(({ seen }) => seen);
    },
    evidence: () =>
      own()
        .flatMap(({ seen, isDocument }) => evidenceOf(seen, isDocument, tell))
        .slice(0, MOST_EVIDENCE),
  };
}

function evidenceOf(seen: SeenRequest, isDocument: boolean, tell: (url: string) => string): Evidence[] {
  const { method, status, networkError } = seen;
  const answer = {
    url: tell(seen.url),
    ...(status !== undefined && { status }),
    ...(networkError !== undefined && { networkError }),
  };
  return [
    ...(isDocument && !isRedirect(seen) ? [{ kind: 'page' as const, ...answer }] : []),
    ...(CHANGING.has(method) && TOLD.has(seen.type) ? [{ kind: 'request' as const, method, ...answer }] : []),
  ];
}

/**
 * An address as the log may hold it: a form that is sent by GET writes what was typed into the query, so the values of a
 * query are left out, unless the plan itself gives the address.
 */
export function tellable(url: string, plain: ReadonlySet<string>): string {
  if (plain.has(url)) return url;
  const parsed = URL.parse(url);
  if (!parsed) return 'about:invalid';
  if (!WEB.has(parsed.protocol)) return parsed.protocol === 'about:' ? url : parsed.protocol;
  const names = [...new Set(parsed.searchParams.keys())];
  const query = names.length > 0 ? `?${names.map((name) => `${encodeURIComponent(name)}=…`).join('&')}` : '';
  return `${parsed.origin}${parsed.pathname}${query}`;
}
const WEB: ReadonlySet<string> = new Set(['http:', 'https:', 'ws:', 'wss:']);
