/**
 * Writes and reads large values beside others that do, and small ones among them. `workerData`:
 * { handle, board, seed, self, namespace }. With a namespace it writes there, and clears it now and
 * then. Ends with a message: how many operations there were.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { Random } from '../support/fuzz-random.mjs';
import { checkLarge, largeBytes, READY, STOP } from './large.mjs';

const { handle, board, seed, self, namespace } = workerData;
const words = new Int32Array(board);
const cache = attachCache(handle);
const keys = namespace === undefined ? cache : cache.namespace(namespace);
const random = new Random(seed + self);
const done = { writes: 0, reads: 0 };
// Made before: the time is for writing them, and for reading.
const made = Array.from({ length: 8 }, (_, i) => largeBytes(1000 * self + i, random));
Atomics.add(words, READY, 1);
Atomics.notify(words, READY);

function write(key) {
  const value = random.pick(made);
  if (random.chance(0.3)) checkLarge(keys.swap(key, value));
  else keys.setBytes(key, value);
  done.writes++;
}

function read(key) {
  const way = random.below(4);
  if (way === 0) checkLarge(keys.take(key));
  else if (way === 1) checkLarge(keys.getVersioned(key)?.value);
  else checkLarge(keys.get(key));
  done.reads++;
}

while (Atomics.load(words, STOP) === 0) {
  const key = random.chance(0.8) ? 'large' : `large ${random.below(3)}`;
  if (random.chance(0.5)) write(key);
  else read(key);
  if (namespace !== undefined && random.chance(0.05)) keys.clear();
  for (let i = 0; i < 50; i++) keys.set(`small ${random.below(20_000)}`, 'x'.repeat(i * 9));
}
cache.close();
parentPort.postMessage(done);
