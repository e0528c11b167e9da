import type { Envelope } from '#events/envelope.js';

const MOST = 1024;

/**
 * First events that this process sealed a moment ago, by hash. The worker of the same process need not decode and verify
 * them again; whoever gets other bytes finds nothing here.
 */
const fresh = new Map<string, Envelope>();

/** To be called before the append: the wake-up may be faster than the acknowledgement. */
export function keepFresh(envelope: Envelope): void {
  fresh.set(envelope.hash, envelope);
  for (const hash of fresh.keys()) {
    if (fresh.size <= MOST) break;
    fresh.delete(hash);
  }
}

export function takeFresh(hash: string): Envelope | undefined {
  const envelope = fresh.get(hash);
  fresh.delete(hash);
  return envelope;
}
