import type { BrowserContext, Page } from 'playwright-core';
import { fail } from '../../failures/failures.js';
import { PERSON_STEP, type StepTask } from '../driver.js';
import type { BrowserHost, HeldBrowser } from './browser-host.js';
import type { EgressRules } from './egress.js';
import { createEgressProxy, type EgressProxy } from './egress.proxy.js';
import { followNetwork, type Network } from './network-log.js';
import type { SessionStore } from './session-state.js';
import { within } from './within.js';

/** The browser of one run: its cookies, its tabs, its way out. It outlives the steps, and a pause. */
export interface BrowserSession {
  readonly runId: string;
  readonly context: BrowserContext;
  readonly egress: EgressProxy;
  readonly network: Network;
  readonly rules: EgressRules;
  readonly broken: boolean;
  /** Aborted when the browser goes away under the run's feet. */
  readonly gone: AbortSignal;
  /** The tab that was used last. */
  front: Page | undefined;
  /** A tab for a step: its own of an earlier attempt, else one that a step it needs has left, else a new one. */
  takePage(stepId: string, needs: readonly string[]): Promise<Page>;
  /** The step has ended; its tabs stay as they are, for the next step and for a person to look at. */
  leavePages(stepId: string, pages: readonly Page[]): void;
  /** Opens the page again that was in front when the session was last saved, if no tab is open. */
  restoreFront(): Promise<void>;
  /** Writes cookies and storage down, to be found again after a crash. */
  save(): Promise<void>;
  close(how: Parting): Promise<void>;
}

/** What becomes of what a closing session holds: kept for the run, forgotten with it, or out of date and left as it was. */
export type Parting = 'keep' | 'forget' | 'abandon';

export type SessionTask = Pick<StepTask, 'runId' | 'mission' | 'signal'>;

const VIEWPORT = { width: 1280, height: 800 };
/** Tabs that steps have left and that stay open. */
const MOST_IDLE_TABS = 8;
/** Patience with a page that hangs: all in all a browser has to be gone within 5 s. */
const SAVE_MS = 1_500;
const RESTORE_MS = 10_000;
const CLOSE_MS = 1_500;

export interface SessionDeps {
  readonly host: BrowserHost;
  readonly store: SessionStore;
  /** Internal hosts that every mission may open. */
  readonly allowHosts: readonly string[];
}

export async function openSession(deps: SessionDeps, task: SessionTask): Promise<BrowserSession> {
  const { metadata } = task.mission;
  const rules: EgressRules = {
    allowHosts: [...deps.allowHosts, ...(metadata.allowHosts ?? [])],
    onlyHosts: metadata.onlyHosts,
  };
  const saved = await deps.store.load(task.runId);
  const profile = metadata.profile === undefined ? undefined : await deps.store.loadProfile(metadata.profile);
  const held = await deps.host.acquire();
  let egress: EgressProxy | undefined;
  try {
    egress = await createEgressProxy(rules);
    const storage = saved?.storage ?? profile;
    const context = await held.browser
      .newContext({
        viewport: VIEWPORT,
        acceptDownloads: true,
        proxy: { server: egress.url },
        ...(storage && { storageState: storage }),
      })
      .catch(wentAway);
    return sessionOf(deps, task, { held, egress, rules, context, lastUrl: saved?.url });
  } catch (error) {
    held.release();
    await egress?.close();
    throw error;
  }
}

interface Parts {
  readonly held: HeldBrowser;
  readonly egress: EgressProxy;
  readonly rules: EgressRules;
  readonly context: BrowserContext;
  readonly lastUrl: string | undefined;
}

function sessionOf(
  { store }: SessionDeps,
  { runId, mission }: SessionTask,
  { held, egress, rules, context, lastUrl }: Parts,
): BrowserSession {
  const idle = new Map<string, Page[]>();
  const leftBy = new WeakMap<Page, string>();
  const { profile } = mission.metadata;
  let closed = false;
  let lastSaved = '';
  const gone = new AbortController();
  context.once('close', () => {
    closed = true;
    gone.abort(new Error('the browser has been closed'));
  });
  context.on('page', (page) => page.once('crash', () => void page.close().catch(() => undefined)));

  const open = (pages: readonly Page[] | undefined): Page[] =>
    (pages ?? []).filter((page) => !page.isClosed());

  function reuse(stepId: string, needs: readonly string[]): Page | undefined {
    for (const from of [stepId, ...needs.toReversed()]) {
      const page = open(idle.get(from)).at(-1);
      if (page) return page;
    }
    return undefined;
  }

  /** A tab in use is nobody's to take or to close, also not a person's who used it meanwhile. */
  function takeAway(page: Page): void {
    for (const [stepId, pages] of idle)
      idle.set(
        stepId,
        pages.filter((each) => each !== page),
      );
  }

  /** A person acts on what is to be seen. */
  const frontFor = (stepId: string): Page | undefined =>
    stepId === PERSON_STEP && session.front?.isClosed() === false ? session.front : undefined;

  function closeOldTabs(): void {
    const all = [...idle.values()].flatMap(open);
    for (const page of all.slice(0, Math.max(0, all.length - MOST_IDLE_TABS)))
      if (page !== session.front) void page.close().catch(() => undefined);
  }

  const session: BrowserSession = {
    runId,
    context,
    egress,
    network: followNetwork(context, egress),
    rules,
    get broken() {
      return closed || !held.browser.isConnected();
    },
    gone: gone.signal,
    front: undefined,
    takePage: async (stepId, needs) => {
      const page = frontFor(stepId) ?? reuse(stepId, needs) ?? (await context.newPage().catch(wentAway));
      takeAway(page);
      session.front = page;
      return page;
    },
    leavePages: (stepId, pages) => {
      for (const page of open(pages)) {
        // A tab that a person has used is still the one of the step that left it.
        const of = stepId === PERSON_STEP ? (leftBy.get(page) ?? stepId) : stepId;
        const left = open(idle.get(of)).filter((each) => each !== page);
        // The newest last: the tabs that have lain for longest are the first to go.
        idle.delete(of);
        idle.set(of, [...left, page]);
        leftBy.set(page, of);
      }
      closeOldTabs();
    },
    restoreFront: async () => {
      if (session.front || lastUrl === undefined || !/^https?:/.test(lastUrl)) return;
      const page = await session.takePage(PERSON_STEP, []);
      await page.goto(lastUrl, { timeout: RESTORE_MS, waitUntil: 'commit' }).catch(() => undefined);
      session.leavePages(PERSON_STEP, [page]);
    },
    save: async () => {
      if (session.broken) return;
      const storage = await within(SAVE_MS, context.storageState());
      if (!storage) return;
      const url = session.front?.isClosed() === false ? session.front.url() : undefined;
      const text = JSON.stringify({ storage, url });
      if (text === lastSaved) return;
      await store.save(runId, { storage, url });
      if (profile !== undefined) await store.saveProfile(profile, storage);
      lastSaved = text;
    },
    close: async (how) => {
      if (how !== 'abandon') await session.save().catch(() => undefined);
      closed = true;
      await within(
        CLOSE_MS,
        context.close().catch(() => undefined),
      );
      await egress.close();
      held.release();
      if (how === 'forget') await store.forget(runId);
    },
  };
  return session;
}

const wentAway = (error: unknown): never => {
  throw fail('browser-crashed', 'the browser went away before the step began', {
    cause: (error as Error).message.split('\n')[0]!,
  });
};
