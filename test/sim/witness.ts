import type { SimProcess, VirtualTime } from './virtual-time.js';

/** Something a driver did in the world: it began with a step, or it carried out an act of it. */
export interface Deed {
  readonly what: 'began' | 'acted';
  readonly key: string;
  readonly runId: string;
  readonly stepId: string;
  readonly unsafe: boolean;
  readonly process: SimProcess;
  readonly order: number;
  readonly at: number;
}

/** What the world has seen. It counts acts by their idempotency key and asks nobody. */
export interface Witness {
  readonly deeds: readonly Deed[];
  see(deed: Pick<Deed, 'what' | 'key' | 'runId' | 'stepId' | 'unsafe' | 'process'>): void;
  readonly acts: (key: string) => number;
}

export function createWitness(time: VirtualTime): Witness {
  const deeds: Deed[] = [];
  return {
    deeds,
    see: (deed) => {
      deeds.push({ ...deed, order: time.tick(), at: time.now() });
    },
    acts: (key) => deeds.filter((deed) => deed.what === 'acted' && deed.key === key).length,
  };
}
