import type { EventLog, StoredEvent, Timer, WakeUp } from '../../src/log/event-log.js';
import { createMemoryLog } from '../../src/log/memory.log.js';
import { gate } from './wait.js';

/** A log that a test can take away from one worker: until it is back, nothing is answered and nothing arrives. */
export interface CutOffLog extends EventLog {
  cut(): void;
  comeBack(): void;
}

export function cutOff(log: EventLog): CutOffLog {
  let back = Promise.resolve();
  let open: () => void = () => undefined;
  const held =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await back;
      return call(...args);
    };
  return {
    ...log,
    append: held((...of: Parameters<EventLog['append']>) => log.append(...of)),
    read: held((...of: Parameters<EventLog['read']>) => log.read(...of)),
    head: held((runId: string) => log.head(runId)),
    watchControl: (onControl) => log.watchControl((runId) => void back.then(() => onControl(runId))),
    cut: () => {
      const waiting = gate();
      back = waiting.promise;
      open = () => waiting.open();
    },
    comeBack: () => {
      open();
    },
  };
}

/** How a delivery was settled by the worker that got it. */
export interface Delivery {
  settled: 'acked' | 'released' | 'held';
}

/** A log whose queue is in the hands of the test. */
export interface QueueByHand extends EventLog {
  deliver(event: StoredEvent, deliveries: number): Delivery;
}

export function queueByHand(log: EventLog): QueueByHand {
  const handlers: ((wakeUp: WakeUp) => Promise<void>)[] = [];
  return {
    ...log,
    claimWakeUps: (_partition, onWakeUp) => {
      handlers.push(onWakeUp);
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
    deliver: (event, deliveries) => {
      const delivery: Delivery = { settled: 'held' };
      const settle = (how: Delivery['settled']) => () => {
        delivery.settled = how;
      };
      void handlers[0]!({
        event,
        deliveries,
        extend: () => undefined,
        ack: settle('acked'),
        release: settle('released'),
      });
      return delivery;
    },
  };
}

/** A log whose timers ring when the test says so. */
export function timersByHand(): { log: EventLog; timers: Timer[]; ring: (name: string) => Promise<void> } {
  const memory = createMemoryLog();
  const timers: Timer[] = [];
  const handlers: Parameters<EventLog['claimTimers']>[0][] = [];
  const log: EventLog = {
    ...memory,
    setTimer: (timer) => {
      timers.push(timer);
      return Promise.resolve();
    },
    claimTimers: (onDue) => {
      handlers.push(onDue);
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  };
  const ring = async (name: string): Promise<void> => {
    const timer = timers.find((each) => each.name === name)!;
    await handlers.at(-1)!({ ...timer, ack: () => undefined, release: () => undefined });
  };
  return { log, timers, ring };
}
