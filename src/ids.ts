import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

const POOL_BYTES = 4096;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** Random bytes one at a time, fetched from the system many at a time: an id takes sixteen of them. */
function randomByte(): number {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]!;
}

/** A ULID: 26 characters that sort by the time they were made. */
export const newId = (): string => ulid(Date.now(), () => randomByte() / 256);
