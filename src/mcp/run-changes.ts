import { InMemoryServerEventBus, type ServerEvent, type ServerEventBus } from '@modelcontextprotocol/server';
import type { Api } from './api.js';

const LOOK_MS = 1_000;
/** How many of the newest runs are looked at. */
const LOOKED_AT = 200;

/**
 * What `subscriptions/listen` of 2026-07-28 hears of: that a run has changed, by the address of its resource and nothing
 * else. The runs are looked at only while somebody listens.
 */
export function createRunChanges(api: Api): ServerEventBus & { close(): void } {
  const bus = new InMemoryServerEventBus();
  const revs = new Map<string, number>();
  let listeners = 0;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const { runs } = await api.get<{ runs: { id: string; rev: number }[] }>(`/runs?limit=${LOOKED_AT}`);
    for (const { id, rev } of runs) {
      if (revs.has(id) && revs.get(id) !== rev)
        bus.publish({ kind: 'resource_updated', uri: `skyagent://runs/${id}` });
      revs.set(id, rev);
    }
  }
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    revs.clear();
  };

  return {
    publish: (event: ServerEvent) => bus.publish(event),
    subscribe: (listener) => {
      const end = bus.subscribe(listener);
      listeners++;
      void look().catch(() => undefined);
      timer ??= setInterval(() => void look().catch(() => undefined), LOOK_MS).unref();
      return () => {
        end();
        if (--listeners === 0) stop();
      };
    },
    close: stop,
  };
}
