/**
 * Writes while another thread walks: keys that come, grow, change, go. `workerData`: { handle,
 * board, seed, self }. Ends with a message: how many writes there were.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { Random } from '../support/fuzz-random.mjs';
import { changingValue, READY, STOP } from './walk.mjs';

/** Enough for a split of each of four partitions; walks over more take long beside us. */
const MOST_KEYS = 30_000;

const { handle, board, seed, self } = workerData;
const words = new Int32Array(board);
const cache = attachCache(handle);
const random = new Random(seed + self);
let writes = 0;
Atomics.add(words, READY, 1);
Atomics.notify(words, READY);
while (Atomics.load(words, STOP) === 0) {
  for (let i = 0; i < 100; i++, writes++) {
    // The span grows, and the table with it.
    const number = random.below(Math.min(1000 + writes, MOST_KEYS));
    const key = `changing ${self} ${number}`;
    if (random.chance(0.3)) cache.delete(key);
    else cache.set(key, changingValue(key, random.chance(0.01) ? 3000 : random.pick([1, 10, 70])));
  }
}
cache.close();
parentPort.postMessage(writes);
