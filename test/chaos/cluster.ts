import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { joinEmbeddedServer } from '../../src/log/embedded/embedded-server.js';
import { natsPidOf } from '../support/embedded.js';
import { skyagent, start as startProgram, type Ended, type Program } from '../support/server-cli.js';
import { makeHome } from '../support/server-home.js';

export type Kind = 'gateway' | 'worker';

/** One process of the deployment, over all its lives. */
export interface Member {
  readonly name: string;
  readonly kind: Kind;
  readonly state: 'starting' | 'up' | 'frozen' | 'down';
}

/** Several processes that share one home and one nats-server. */
export interface Cluster {
  /** Where the read models are. */
  readonly database: string;
  readonly nats: { readonly url: string; readonly token: string };
  /** Where the gateway listens now; a place where nobody does, while there is none. */
  readonly url: () => string;
  members(kind: Kind, state?: Member['state']): Member[];
  /** Ends a process with a signal. It stays away until it is started again. */
  end(member: Member, signal: NodeJS.Signals): Promise<void>;
  start(member: Member): Promise<void>;
  freeze(member: Member, ms: number): Promise<void>;
  killNats(): Promise<void>;
  freezeNats(ms: number): Promise<void>;
  /** Runs `skyagent …` in this home. */
  run(...args: string[]): Promise<Ended>;
  /** Processes that ended although nobody ended them. */
  readonly crashes: readonly string[];
  /** How long each start took, in milliseconds. */
  readonly startsMs: readonly number[];
  /** All that the processes have said, over all their lives. */
  said(): string;
  /** What each process is doing, and the last it said. */
  describe(): string;
  /** Thaws what is frozen and starts what is down. */
  heal(): Promise<void>;
  /** Leaves nothing behind: no process, no file. */
  stop(): Promise<void>;
}

interface Life {
  readonly name: string;
  readonly kind: Kind;
  state: Member['state'];
  program?: Program | undefined;
  url?: string | undefined;
  starting?: Promise<void> | undefined;
}

export interface ClusterOptions {
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
}

const NOBODY = 'http://127.0.0.1:1';
const RESTART_MS = 100;
const ROLES: Readonly<Record<Kind, string>> = { gateway: 'gateway,projector', worker: 'worker' };

export async function startCluster({ workers, env }: ClusterOptions): Promise<Cluster> {
  const home = await makeHome();
  // The chaos itself is a user of nats-server too, so that its keeper stays when all processes are dead at once.
  const server = await joinEmbeddedServer(home.home).catch(async (error: unknown) => {
    await home.remove();
    throw error;
  });
  const crashes: string[] = [];
  const startsMs: number[] = [];
  const programs: Program[] = [];
  const freezer = createFreezer();
  let stopping = false;
  const members: Life[] = [
    { name: 'gateway', kind: 'gateway', state: 'down' },
    ...Array.from({ length: workers }, (_, index): Life => ({
      name: `worker ${index + 1}`,
      kind: 'worker',
      state: 'down',
    })),
  ];

  /** A start may fail while nats-server is away, as it would for a person; it is tried again. */
  async function launch(member: Life): Promise<void> {
    member.state = 'starting';
    const startedAt = Date.now();
    const settings = { SKYAGENT_PORT: '0', ...env, SKYAGENT_ROLES: ROLES[member.kind] };
    while (!stopping && member.state === 'starting') {
      const program = startProgram(home, ['serve'], { env: settings });
      member.program = program;
      programs.push(program);
      const ready = await readiness(program);
      if (ready) {
        startsMs.push(Date.now() - startedAt);
        Object.assign(member, { url: ready.url, state: 'up' });
        watch(member, program);
      } else await sleep(RESTART_MS);
    }
  }

  function watch(member: Life, program: Program): void {
    void program.ended.then(({ code, stderr }) => {
      if (member.program !== program || member.state === 'down' || stopping) return;
      crashes.push(`${member.name} ended with ${code}: ${stderr.slice(-2000)}`);
      member.state = 'down';
      void start(member);
    });
  }

  /** Whoever is up already, because somebody else has started it, is left alone. */
  function start(member: Life): Promise<void> {
    if (member.state === 'up' || member.state === 'frozen') return Promise.resolve();
    member.starting ??= launch(member).finally(() => (member.starting = undefined));
    return member.starting;
  }

  async function end(member: Life, signal: NodeJS.Signals): Promise<void> {
    Object.assign(member, { state: 'down', url: undefined });
    member.program?.child.kill(signal);
    await member.program?.ended;
    await member.starting;
  }

  async function freeze(member: Life, ms: number): Promise<void> {
    const { program } = member;
    member.state = 'frozen';
    await freezer.freeze(program!.child.pid!, ms);
    if (member.program === program && member.state === 'frozen') member.state = 'up';
  }

  const cluster: Cluster = {
    database: join(home.home, 'readmodels.db'),
    nats: { url: server.url, token: server.token },
    crashes,
    startsMs,
    url: () => members[0]!.url ?? NOBODY,
    members: (kind, state) =>
      members.filter((member) => member.kind === kind && (state ?? member.state) === member.state),
    start,
    end,
    freeze,
    killNats: async () => void send(await natsPidOf(server.pid), 'SIGKILL'),
    freezeNats: async (ms) => freezer.freeze(await natsPidOf(server.pid), ms),
    run: (...args) => skyagent(home, args, { env: { ...env } }),
    said: () => programs.map(({ output }) => `${output.stdout}${output.stderr}`).join(''),
    describe: () =>
      members
        .map(({ name, state, program }) => `${name}, ${state}: ${program?.output.stderr.slice(-1500)}`)
        .join('\n'),
    heal: async () => {
      freezer.thawAll();
      await Promise.all(members.map((member) => (member.state === 'down' ? start(member) : member.starting)));
    },
    stop: async () => {
      stopping = true;
      freezer.thawAll();
      await Promise.all(members.map((member) => end(member, 'SIGKILL')));
      server.release();
      await home.remove();
    },
  };
  await Promise.all(members.map(start));
  return cluster;
}

/** Where a program serves once it does; nothing, when it ended before. */
function readiness({ child, ended, output }: Program): Promise<{ url: string | undefined } | undefined> {
  return new Promise((resolve) => {
    child.stderr?.on('data', () => {
      const ready = /^ready(?: on (\S+))? \(/m.exec(output.stderr);
      if (ready) resolve({ url: ready[1] });
    });
    void ended.then(() => resolve(undefined));
  });
}

interface Freezer {
  freeze(pid: number, ms: number): Promise<void>;
  thawAll(): void;
}

/** Stops processes for a while. Whatever happens meanwhile, each one is thawed. */
function createFreezer(): Freezer {
  const frozen = new Map<number, () => void>();
  return {
    freeze: async (pid, ms) => {
      if (frozen.has(pid) || !send(pid, 'SIGSTOP')) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        frozen.set(pid, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      frozen.delete(pid);
      send(pid, 'SIGCONT');
    },
    thawAll: () => {
      for (const thaw of frozen.values()) thaw();
    },
  };
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
