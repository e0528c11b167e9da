import websocket from '@fastify/websocket';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type { Engine } from '../engine.js';
import { isRefusal } from '#machines/run/run.decide.js';
import { actAsPerson, handBack, keepControl, type TakeoverDeps } from '../runs/takeover.js';
import { liveInputSchema, type LiveFrame, type LiveInput } from '../runtimes/live-view.js';
import type { Admission, Tickets } from './live-tickets.js';

interface LiveRoute {
  Params: { id: string };
  Querystring: { ticket?: string };
}

/** More than this waits to be sent: the viewer is slow, and gets the next picture instead. */
const MOST_WAITING_BYTES = 1024 * 1024;
const MOST_WAITING_ACTS = 50;
const MOST_INPUT_BYTES = 64 * 1024;

export interface LiveDeps {
  readonly engine: Engine;
  readonly tickets: Tickets;
  readonly takeovers: TakeoverDeps;
  /** Tells the rows that a person's act is to be waited for. */
  readonly wrote: (runId: string, seq: number) => void;
}

/**
 * `/runs/:id/live/socket?ticket=`: pictures (binary, JPEG) and facts (text, JSON) of a run; takes inputs. To be called while
 * the server is put together: whoever awaits a plugin there leaves the routes before it without an error handler.
 */
export function mountLiveSocket(fastify: FastifyInstance, deps: LiveDeps): void {
  void fastify.register(async (scope) => {
    await scope.register(websocket, { options: { maxPayload: MOST_INPUT_BYTES } });
    scope.get<LiveRoute>('/runs/:id/live/socket', { websocket: true }, (socket, request) => {
      const admission = deps.tickets.take(request.query.ticket);
      if (admission?.runId === request.params.id) serveViewer(socket, admission, deps);
      else socket.close(NO_TICKET, 'the ticket is not valid any more');
    });
  });
  closeUpgraded(fastify);
}

/** Node gives an upgraded connection out of its hands, also one that was refused: nobody else would close it. */
function closeUpgraded(fastify: FastifyInstance): void {
  const sockets = new Set<Duplex>();
  fastify.server.on('upgrade', (_request: unknown, socket: Duplex) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  fastify.addHook('preClose', (done) => {
    for (const socket of sockets) socket.destroy();
    done();
  });
}

/** Of the private range of RFC 6455, after HTTP's 401. */
const NO_TICKET = 4401;

function serveViewer(socket: WebSocket, { runId, actor, lease }: Admission, deps: LiveDeps): void {
  const tell = (message: object) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  tell({ type: 'hello', runId, control: lease !== undefined });
  const view = deps.engine.drivers.watch(runId, (frame) => sendFrame(socket, frame, tell));
  let acting = Promise.resolve();
  let waiting = 0;
  let gone = false;
  socket.on('message', (data: Buffer) => {
    const message = messageOf(data);
    if (!message) return tell({ type: 'acted', outcome: 'refused', message: 'this is no input' });
    if (lease === undefined)
      return tell({ type: 'acted', outcome: 'refused', message: 'you are looking on' });
    if (waiting >= MOST_WAITING_ACTS)
      return tell({ type: 'acted', outcome: 'refused', message: 'not so fast' });
    const person = { runId, lease, actor };
    waiting++;
    acting = acting.then(async () => {
      waiting--;
      // Whoever went away does nothing any more, and keeps no lease.
      if (!gone) tell(await ('command' in message ? giveBack(person, deps) : act(message, person, deps)));
    });
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    gone = true;
    void view.close().catch(() => undefined);
  });
}

function sendFrame(socket: WebSocket, frame: LiveFrame, tell: (message: object) => void): void {
  if (socket.readyState !== socket.OPEN || socket.bufferedAmount > MOST_WAITING_BYTES) return;
  const { image, ...facts } = frame;
  tell({ type: 'screen', ...facts });
  socket.send(image);
}

const messageSchema = z.union([liveInputSchema, z.strictObject({ command: z.literal('handback') })]);

function messageOf(data: Buffer): z.infer<typeof messageSchema> | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(data.toString())).data;
  } catch {
    return undefined;
  }
}

interface Person {
  readonly runId: string;
  readonly lease: string;
  readonly actor: string;
}
const contextOf = ({ runId, actor }: Person) => ({ actor, causationid: `live:${runId}` });

/** The person has done what was to be done: the run goes on where it stood. */
async function giveBack(person: Person, { engine, wrote }: LiveDeps): Promise<object> {
  try {
    const { runId, lease } = person;
    const state = await handBack(engine.log, runId, { lease }, contextOf(person));
    if (isRefusal(state))
      return { type: 'acted', outcome: 'refused', code: state.refused, message: state.message };
    wrote(runId, state.seq);
    return { type: 'hello', runId, control: false };
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): object {
  const { code = 'failed', message } = error as { code?: string; message: string };
  return { type: 'acted', outcome: 'refused', code, message };
}

/** What a person did, through the driver that an agent would use, and recorded like it. */
async function act(
  input: LiveInput,
  person: Person,
  { engine, takeovers, wrote }: LiveDeps,
): Promise<object> {
  try {
    const { runId, lease } = person;
    const step = engine.drivers.personStep(runId, input);
    // Whoever is at work keeps the controls; whoever goes away loses them when the lease runs out.
    const context = contextOf(person);
    await keepControl(engine.log, runId, lease, context);
    const { outcome, state, data } = await actAsPerson(takeovers, runId, { lease, ...step }, context);
    wrote(runId, state.seq);
    const { failure } = data as { failure?: { code: string; message: string } };
    return { type: 'acted', outcome, ...(failure && { code: failure.code, message: failure.message }) };
  } catch (error) {
    return refusal(error);
  }
}
