import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { DesktopCommand, DesktopLease } from '#events/desktop.js';
import type { DesktopLink } from '../runtimes/desktop/link.js';
import { createOwnDesktop } from '../runtimes/desktop/own-desktop.js';

/**
 * Measures the computer-use daemon as a run uses it, over HTTP, on a virtual screen of 1280×800: round trips, pictures, texts
 * typed exactly into xterm, the time from a cancel to the last letter, memory.
 */
const { values } = parseArgs({
  options: { texts: { type: 'string', default: '100' }, rounds: { type: 'string', default: '200' } },
});
const TEXTS = Number(values.texts);
const ROUNDS = Number(values.rounds);
const TEXT_LENGTH = 1000;
const LEASE: DesktopLease = { run: 'bench', epoch: 1, control: 0 };
const LETTERS = Array.from(
  Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('') +
    'äöüßéèñçøåŁžЖщюαβγ漢字한글€→√🎉',
);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

const folder = await mkdtemp(join(tmpdir(), 'skyagent-bench-'));
await writeFile(join(folder, 'listen.sh'), 'stty -ixon -icanon -echo; exec cat > "$1"\n');
const own = createOwnDesktop({
  home: folder,
  apps: [`listen=xterm -u8 -e sh ${join(folder, 'listen.sh')}`],
  report: () => undefined,
});

async function act(link: DesktopLink, action: DesktopCommand['action'], id: string = randomUUID()) {
  return link.act({ v: 1, id, action, lease: LEASE }, new AbortController().signal);
}

async function timed(what: string, rounds: number, work: (round: number) => Promise<unknown>): Promise<void> {
  const times: number[] = [];
  for (let round = -5; round < rounds; round++) {
    const from = performance.now();
    await work(Math.abs(round));
    if (round >= 0) times.push(performance.now() - from);
  }
  say(
    `${what.padEnd(34)} p50 ${percentile(times, 0.5).toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms`,
  );
}

/** A terminal that writes what it is typed into a file. */
async function listen(link: DesktopLink, file: string): Promise<void> {
  const answer = await act(link, { launch: { app: 'listen', args: [join(folder, file)] } });
  if (!answer.ok) throw new Error(answer.error.message);
  while (!(await readdir(folder)).includes(file)) await sleep(50);
  await act(link, { wait: { window: { app: 'xterm' } } });
  await sleep(500);
  await act(link, { focusWindow: { window: { app: 'xterm' } } });
}
const read = (file: string) => readFile(join(folder, file), 'utf8').catch(() => '');

async function typeTexts(link: DesktopLink): Promise<void> {
  await listen(link, 'texts.txt');
  let wanted = '';
  let exact = 0;
  const from = performance.now();
  for (let round = 0; round < TEXTS; round++) {
    const text = Array.from(
      { length: TEXT_LENGTH },
      () => LETTERS[Math.floor(Math.random() * LETTERS.length)]!,
    ).join('');
    wanted += text;
    const answer = await act(link, { type: { text } });
    for (let wait = 0; wait < 100 && (await read('texts.txt')).length < wanted.length; wait++)
      await sleep(20);
    if (answer.ok && (await read('texts.txt')) === wanted) exact++;
    else wanted = await read('texts.txt');
  }
  const each = (performance.now() - from) / TEXTS;
  say(
    `${`${TEXT_LENGTH} characters typed`.padEnd(34)} ${exact} of ${TEXTS} exact, ${each.toFixed(0)} ms each`,
  );
  await act(link, { closeWindow: { window: { app: 'xterm' } } });
}

/** Time until the daemon says that it has stopped, and whether a letter came after that. */
async function stopTexts(link: DesktopLink, rounds: number): Promise<void> {
  await listen(link, 'stopped.txt');
  const times: number[] = [];
  let late = 0;
  for (let round = 0; round < rounds; round++) {
    const typing = act(link, { type: { text: 'stop '.repeat(2000) } }, `stop-${round}`);
    await sleep(150);
    const from = performance.now();
    await link.cancel(`stop-${round}`);
    await typing;
    times.push(performance.now() - from);
    await sleep(150);
    const length = (await read('stopped.txt')).length;
    await sleep(200);
    if ((await read('stopped.txt')).length !== length) late++;
  }
  say(
    `${'from a cancel to no input'.padEnd(34)} p50 ${percentile(times, 0.5).toFixed(1)} ms, most ${Math.max(...times).toFixed(1)} ms; ${late} of ${rounds} had a letter come later`,
  );
  await act(link, { closeWindow: { window: { app: 'xterm' } } });
}

/** Of a process and those below it: what each has for itself, and its share of what it shares (PSS), in MB. */
async function memoryOf(pid: number, depth = 0): Promise<{ name: string; mb: number }[]> {
  const [command, rollup, children] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, 'utf8'),
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
    readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'),
  ]);
  const [, kb] = /^Pss:\s+(\d+)/m.exec(rollup) ?? [];
  const [, script] = /(desktop-daemon\/[\w./-]+)/.exec(command) ?? [];
  const own = script === undefined ? [] : [{ name: script, mb: Number(kb) / 1024 }];
  const below = await Promise.all(
    children
      .trim()
      .split(' ')
      .filter(Boolean)
      .map((child) => memoryOf(Number(child), depth + 1).catch(() => [])),
  );
  return [...own, ...below.flat()];
}

try {
  const link = await own.link();
  await link.control({ do: 'acquire', lease: LEASE, ttlMs: 3_600_000 });
  await timed('move', ROUNDS, (round) => act(link, { move: { to: { x: 100 + (round % 500), y: 200 } } }));
  await timed('click', ROUNDS, () => act(link, { click: { at: { x: 900, y: 700 } } }));
  await timed('key', ROUNDS, () => act(link, { key: { key: 'shift' } }));
  await timed('windows', ROUNDS, () => act(link, { windows: {} }));
  await listen(link, 'shown.txt');
  await act(link, { type: { text: 'What a screen shows. '.repeat(60) } });
  await timed('screenshot, PNG', 50, () => act(link, { screenshot: {} }));
  await timed('screenshot, JPEG', 50, () => act(link, { screenshot: { format: 'jpeg' } }));
  await act(link, { closeWindow: { window: { app: 'xterm' } } });
  await typeTexts(link);
  await stopTexts(link, 20);
  const memory = (await memoryOf(process.pid)).filter(({ name }) => name.startsWith('desktop-daemon'));
  const total = memory.reduce((sum, { mb }) => sum + mb, 0);
  say(
    `${'memory (PSS)'.padEnd(34)} ${total.toFixed(0)} MB: ${memory.map(({ name, mb }) => `${name} ${mb.toFixed(0)}`).join(', ')}`,
  );
} finally {
  await own.close();
  await rm(folder, { recursive: true, force: true });
}
