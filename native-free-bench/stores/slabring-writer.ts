/** A thread that writes keys that nobody times, some 100,000 a second: a neighbour. */
import { workerData } from 'node:worker_threads';
import { attachCache, type CacheHandle } from '../../engine/index.js';

const KEYS = 10_000;
const AT_ONCE = 100;
const PAUSE_MS = 1;

const cache = attachCache(workerData as CacheHandle);
const never = new Int32Array(new SharedArrayBuffer(4));
for (let i = 0; ; i++) {
  cache.set(`neighbour ${i % KEYS}`, { written: i });
  // It sleeps as a thread with other work does, and so that it is not stopped with a lock held.
  if (i % AT_ONCE === 0) Atomics.wait(never, 0, 0, PAUSE_MS);
}
