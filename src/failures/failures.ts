import type { Artifact, Failure, Json } from '#events/shapes.js';

/** Every failure code of a run, with its kind and what a person can do about it. Pinned by a test. */
export const FAILURES = {
  'bad-expression': [
    'input',
    'correct the {{ … }} expression; it is JSONata over inputs, steps, mission and item',
  ],
  'bad-arguments': ['input', 'correct the step’s `with`; the message names the field'],
  'unknown-tool': ['input', 'use one of the tools the message lists'],
  'unknown-server': ['input', 'name a server of the file that SKYAGENT_MCP_SERVERS says'],
  'tool-not-approved': ['policy', 'look at the tool and approve it, as the message says'],
  'tool-changed': ['policy', 'look at what the tool is now and approve it again, as the message says'],
  'tool-failed': ['runtime', 'read what the tool says in the file that the message names'],
  'server-failed': ['infrastructure', 'the MCP server went away or did not answer; a retry starts it again'],
  'unknown-template': ['input', 'see GET /templates or `skyagent templates`'],
  'too-many-steps': ['input', 'ask for less at a time, or raise limits.maxSteps'],
  'approval-stale': ['policy', 'look at what the step would do now, and approve that'],
  'quota-exceeded': [
    'policy',
    'keep less, remove files with fs.remove, or raise SKYAGENT_RUN_MAX_BYTES or SKYAGENT_RUN_MAX_FILES',
  ],
  'no-text': ['input', 'give a file whose text can be selected, or type it into one'],
  'not-an-invoice': ['input', 'take the file out of the folder, or correct it'],
  'not-readable': ['input', 'open the file yourself: it is damaged, or not what its name says'],
  'too-heavy': ['input', 'give a smaller file, or less of it'],
  'path-refused': ['policy', 'use a relative path inside the run’s folder'],
  'file-not-found': ['input', 'list the folder with fs.list to see what there is'],
  'host-blocked': ['policy', 'allow the host in metadata.allowHosts or SKYAGENT_ALLOW_HOSTS if it is meant'],
  'page-status': ['site', 'check the address in a browser; the site answered with an error'],
  'page-unreachable': ['site', 'check the address and the network; the page could not be loaded'],
  'element-not-found': ['site', 'look at the screenshot: the page does not show what the action needs'],
  'element-ambiguous': ['input', 'name the element more exactly, or say which one by nth'],
  'element-not-ready': ['site', 'look at the screenshot: the element is there, but cannot be used'],
  'action-failed': ['site', 'look at the screenshot: the page did not let the action be done'],
  'no-such-tab': ['site', 'look at what the action before should have opened'],
  'page-hangs': ['site', 'the page’s own script does not end; leave out what begins it'],
  'never-idle': ['site', 'wait for a text or an element instead: this page goes on asking the network'],
  'dialog-loop': ['site', 'the page asks without end; leave it out'],
  'tls-failed': ['site', 'the site does not prove who it is; check its address and its certificate'],
  'too-many-redirects': ['site', 'check the address: the site sends the browser round and round'],
  'no-download': ['site', 'check in a browser what gives the file'],
  'download-too-large': ['policy', 'raise maxBytes if the file is meant to be so large'],
  'extract-mismatch': ['site', 'look at the page: what it shows does not fit the schema'],
  'assertion-failed': ['validation', 'look at the screenshot: the page is not as the script expects'],
  'no-article': ['site', 'the page has no main text to extract; use extract with "as": "text"'],
  'skyvern-refused': ['infrastructure', 'check SKYVERN_API_KEY: Skyvern does not take it'],
  'skyvern-unavailable': ['infrastructure', 'check SKYVERN_BASE_URL and that Skyvern is up'],
  'skyvern-failed': ['runtime', 'look at the run in Skyvern; a retry may help'],
  'task-unreachable': ['model', 'look at the run in Skyvern: it found no way to do what was asked'],
  'task-canceled': [
    'human',
    'somebody canceled the run in Skyvern; run the mission again if it is still wanted',
  ],
  'agent-out-of-actions': ['model', 'raise maxActions, or ask for less at a time'],
  'agent-stuck': ['model', 'look at the screenshots: the model does not get any further'],
  'agent-loop': ['model', 'say the instruction more exactly: the model goes round in circles'],
  'task-given-up': ['model', 'look at the screenshots: the model found no way to do what was asked'],
  'no-driver': ['runtime', 'configure the driver that the step names, or leave it out of `drivers`'],
  'no-browser': ['infrastructure', 'run `skyagent doctor`; set SKYAGENT_CHROMIUM to a Chrome or Chromium'],
  'browser-crashed': ['infrastructure', 'the browser went away; a retry starts a new one'],
  'needs-model': ['model', 'submit a plan or a template; a task in words needs a configured model'],
  'needs-desktop': [
    'runtime',
    'start one with `skyagent desktop-daemon`, or let `skyagent doctor --fix` install what a screen of its own needs',
  ],
  'no-such-desktop': ['input', 'name a desktop that is connected; `skyagent desktops` lists them'],
  'desktop-lost': ['infrastructure', 'the desktop went away; a retry waits until it is there again'],
  'desktop-failed': ['runtime', 'read the message: the desktop could not do the action'],
  'no-display': ['infrastructure', 'run `skyagent doctor`: the desktop has no screen that can be used'],
  'screen-locked': ['human', 'unlock the screen of the desktop, and run the mission again'],
  'outside-screen': ['input', 'stay inside the screen, or declare the `frame` that places are counted in'],
  'unknown-key': ['input', 'use a name such as enter, f5, page_up, ctrl or a single letter'],
  'no-such-window': ['site', 'look at the screenshot: the window is not there'],
  'window-ambiguous': ['input', 'name the window more exactly'],
  'app-not-allowed': [
    'policy',
    'allow it with --allow-app (metadata.allowApps) or SKYAGENT_DESKTOP_APPS; on another machine, when its daemon is started: --app',
  ],
  'folder-not-allowed': [
    'policy',
    'allow the folder with --allow-folder (metadata.allowFolders) or SKYAGENT_DESKTOP_FOLDERS; on another machine, when its daemon is started: --folder',
  ],
  'app-failed': ['runtime', 'start the application by hand to see what it says'],
  'ocr-unavailable': ['infrastructure', 'install tesseract on the machine of the desktop'],
  'not-seen': ['site', 'look at the screenshot: the screen does not show what was waited for'],
  'no-planner': ['model', 'submit a plan or a template; planning an objective needs a configured model'],
  'check-failed': ['validation', 'look at the evidence: what was produced is not what was expected'],
  'step-timeout': ['timeout', 'raise timeoutMs, or make the step smaller'],
  'run-quarantined': [
    'infrastructure',
    'run `skyagent verify --run <id>`; what it did before can be forked into a new run',
  ],
  'step-crashed': ['infrastructure', 'this is a fault of SkyAgentOS; the log of the worker says more'],
} as const satisfies Record<string, readonly [Failure['kind'], string]>;
export type FailureCode = keyof typeof FAILURES;

export interface FailureDetails {
  readonly cause?: string | undefined;
  readonly evidence?: Failure['evidence'];
}

export function failure(code: FailureCode, message: string, details: FailureDetails = {}): Failure {
  const [kind, hint] = FAILURES[code];
  const { cause, evidence } = details;
  return {
    kind,
    code,
    message: shortened(message),
    ...(cause !== undefined && { cause: shortened(cause) }),
    ...(evidence && { evidence }),
    hint,
  };
}

/** Cut without leaving half of a surrogate pair, which canonical JSON has no form for. */
const shortened = (text: string): string => text.slice(0, 2000).toWellFormed();

/** A step, a plan or a check did not work, for a reason a person can act on. */
export class StepFailedError extends Error {
  readonly code: string;
  constructor(
    readonly failure: Failure,
    readonly artifacts: readonly Artifact[] = [],
    /** The driver knows that nothing was changed: also a step that is not safe to repeat may be begun again. */
    readonly untouched = false,
  ) {
    super(failure.message);
    this.name = 'StepFailedError';
    this.code = failure.code;
  }
}

/** The driver stopped between two acts, as it was asked to: the attempt goes on later from `progress`. */
export class SuspendedError extends Error {
  readonly code = 'suspended';
  constructor(
    readonly progress: Json,
    readonly artifacts: readonly Artifact[] = [],
  ) {
    super('the step was suspended');
    this.name = 'SuspendedError';
  }
}

/** The driver lost sight of the world in the middle of a change: nobody knows yet whether it was made. */
export class InDoubtError extends Error {
  readonly code: string;
  constructor(
    readonly failure: Failure,
    readonly artifacts: readonly Artifact[] = [],
  ) {
    super(failure.message);
    this.name = 'InDoubtError';
    this.code = failure.code;
  }
}

export const fail = (
  code: FailureCode,
  message: string,
  details?: FailureDetails,
  artifacts?: readonly Artifact[],
) => new StepFailedError(failure(code, message, details), artifacts);
