import type { NatsConnection } from '@nats-io/transport-node';

/** What is known of one connection over all its reconnections. */
export interface Link {
  /** Whether all that was sent before has reached the server, over a connection that was not lost meanwhile. */
  reached(): Promise<boolean>;
  onLost(work: () => void): void;
  onReconnected(work: () => void): void;
}

/** Follows a connection until it is closed. */
export function watchLink(connection: NatsConnection): Link {
  const lost: (() => void)[] = [];
  const reconnected: (() => void)[] = [];
  let losses = 0;
  let up = true;

  async function watch(): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue;
      up = type === 'reconnect';
      if (!up) losses++;
      for (const work of up ? reconnected : lost) work();
    }
  }
  void watch();

  return {
    onLost: (work) => void lost.push(work),
    onReconnected: (work) => void reconnected.push(work),
    reached: async () => {
      const before = losses;
      if (!up) return false;
      try {
        await connection.flush();
        return before === losses;
      } catch {
        return false;
      }
    },
  };
}
