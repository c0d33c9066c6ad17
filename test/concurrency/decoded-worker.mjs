/**
 * A thread of decoded.test.ts. `workerData`: { handle, board, seed, role }. The writer counts up
 * the counters and writes other keys in between; a reader reads. Ends with a message: how often.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { Random } from '../support/fuzz-random.mjs';
import { COUNTS, counterOf, KEYS, keyOf, READY, Reader, STOP } from './decoded.mjs';

const { handle, board, seed, role } = workerData;
const words = new Int32Array(board);
const cache = attachCache(handle);
const random = new Random(seed);
let rounds = 0;
Atomics.add(words, READY, 1);

function write() {
  const number = random.below(KEYS);
  const key = keyOf(number);
  const count = Atomics.load(words, COUNTS + number) + 1;
  if (random.chance(0.05)) cache.delete(key);
  if (random.chance(0.05)) cache.expire(key, '1h');
  cache.set(key, counterOf(count));
  Atomics.store(words, COUNTS + number, count);
  cache.set(`other ${random.below(20_000)}`, { rounds });
}

const reader = new Reader(cache, words);
while (Atomics.load(words, STOP) === 0) {
  for (let i = 0; i < 20; i++, rounds++) {
    if (role === 'write') write();
    else reader.look();
  }
}
cache.close();
parentPort.postMessage(rounds);
