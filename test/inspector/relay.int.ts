import { createRequire } from 'node:module';
import { networkInterfaces } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { createRelay, type Relay } from '../../src/inspector/relay.js';
import { eventually } from '../support/server-home.js';
import { storedRun } from './stored-run.js';

const ORIGIN = 'http://viewer.test';
/** `run.created` is the actor; every later event is an event and a snapshot. */
const HISTORY = ['run.created', 'run.started', 'step.succeeded', 'run.succeeded'];
const T0 = Date.parse('2026-11-22T09:00:00.000Z');

interface Message {
  readonly type: string;
  readonly createdAt: string;
  readonly rootId: string;
  readonly sessionId: string;
  readonly definition?: string;
  readonly event?: { type: string };
  readonly snapshot?: { status: string; value: unknown; context: { steps: unknown[] } };
}

let relay: Relay;
let open: { terminate(): unknown }[];
beforeEach(async () => {
  relay = await createRelay(0, [ORIGIN]);
  open = [];
});
afterEach(async () => {
  for (const each of open) await each.terminate();
  await relay.close();
});

/** The library's own receiver, on a thread: it reconnects for ever and has no way to be closed. */
function receiver(): Message[] {
  const messages: Message[] = [];
  const library = pathToFileURL(createRequire(import.meta.url).resolve('@statelyai/inspect')).href;
  const code = `const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.library).then(({ createWebSocketReceiver }) =>
      createWebSocketReceiver({ server: workerData.url }).subscribe((message) => parentPort.postMessage(message)));`;
  const thread = new Worker(code, { eval: true, workerData: { library, url: relay.url } });
  thread.on('message', (message: Message) => messages.push(message));
  open.push(thread);
  return messages;
}

const arrived = (messages: readonly Message[], count: number) =>
  eventually(() => Promise.resolve(messages.length >= count), `${count} messages`);

/** How a connection with these headers ends: `open`, or why it was refused. */
function connects(url: string, origin?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, origin === undefined ? {} : { origin });
    open.push(socket);
    socket.once('open', () => resolve('open'));
    socket.once('error', (error) => resolve(error.message));
  });
}

describe('a viewer of the inspection protocol', () => {
  it('reads a replayed run completely, with the library’s own receiver', async () => {
    for (const stored of storedRun()) relay.feed(stored);
    const messages = receiver();
    await arrived(messages, 7);
    expect(messages.map(({ type, event }) => [type, event?.type])).toEqual([
      ['@xstate.actor', undefined],
      ['@xstate.event', 'run.started'],
      ['@xstate.snapshot', 'run.started'],
      ['@xstate.event', 'step.succeeded'],
      ['@xstate.snapshot', 'step.succeeded'],
      ['@xstate.event', 'run.succeeded'],
      ['@xstate.snapshot', 'run.succeeded'],
    ]);
    expect(messages.map(({ snapshot }) => snapshot?.value).filter(Boolean)).toEqual([
      'queued',
      { active: 'executing' },
      { active: 'validating' },
      'succeeded',
    ]);
    expect(messages.map(({ rootId, sessionId }) => [rootId, sessionId])).toEqual(
      Array.from({ length: 7 }, () => ['run_1', 'run_1']),
    );
  });

  it('is told when each thing happened, not when it was sent', async () => {
    for (const stored of storedRun()) relay.feed(stored);
    const messages = receiver();
    await arrived(messages, 7);
    expect(messages.map(({ createdAt }) => createdAt)).toEqual(
      [0, 1, 1, 2, 2, 3, 3].map((second) => String(T0 + second * 1000)),
    );
  });

  it('gets the whole machine as the actor’s definition', async () => {
    relay.feed(storedRun()[0]!);
    const messages = receiver();
    await arrived(messages, 1);
    const [actor] = messages;
    expect(actor).toMatchObject({
      _version: '0.7.2',
      name: 'run_1',
      id: null,
      snapshot: { status: 'active', value: 'queued', children: {}, historyValue: {}, tags: [] },
    });
    const definition = JSON.parse(actor!.definition!) as { id: string; initial: string; states: object };
    expect([definition.id, definition.initial]).toEqual(['run', 'queued']);
    expect(Object.keys(definition.states)).toEqual([
      'queued',
      'active',
      'pausing',
      'paused',
      'cancelling',
      'succeeded',
      'failed',
      'cancelled',
    ]);
  });

  it('sees what happens while it is connected', async () => {
    const [created, ...later] = storedRun();
    relay.feed(created!);
    const messages = receiver();
    await arrived(messages, 1);
    for (const stored of later) relay.feed(stored);
    await arrived(messages, 7);
    expect(messages.at(-1)!.snapshot).toMatchObject({ status: 'done', value: 'succeeded' });
  });

  it('is not shown a run whose beginning the relay has not seen', async () => {
    for (const stored of storedRun('run_2').slice(1)) relay.feed(stored);
    for (const stored of storedRun('run_1')) relay.feed(stored);
    const messages = receiver();
    await arrived(messages, 7);
    expect(new Set(messages.map(({ rootId }) => rootId))).toEqual(new Set(['run_1']));
  });

  it('sees as many messages as the history has transitions', () => {
    expect(storedRun().map(({ body }) => (body as { type: string }).type.replace('skyagent.', ''))).toEqual(
      HISTORY,
    );
  });
});

describe('who may connect', () => {
  it('is a program without an origin, and a page of an origin that was named', async () => {
    expect(await connects(relay.url)).toBe('open');
    expect(await connects(relay.url, ORIGIN)).toBe('open');
  });

  it.each([
    'https://evil.example',
    'http://viewer.test:8080',
    'https://viewer.test',
    'null',
    'http://127.0.0.1',
  ])('is no page of %s', async (origin) => {
    expect(await connects(relay.url, origin)).toBe('Unexpected server response: 401');
  });

  it('is nobody on another machine: it listens on loopback alone', async () => {
    const { port } = new URL(relay.url);
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => `ws://${address}:${port}`);
    const elsewhere = await Promise.all([...others, `ws://127.0.0.2:${port}`].map((url) => connects(url)));
    expect(elsewhere.filter((how) => !/ECONNREFUSED|EADDRNOTAVAIL/.test(how))).toEqual([]);
  });

  it('is not disturbed by one who sends rubbish', async () => {
    const rude = new WebSocket(relay.url);
    open.push(rude);
    await new Promise((resolve) => rude.once('open', resolve));
    rude.send('x'.repeat(100_000));
    rude.send('{');
    for (const stored of storedRun()) relay.feed(stored);
    const messages = receiver();
    await arrived(messages, 7);
    expect(messages).toHaveLength(7);
  });
});
