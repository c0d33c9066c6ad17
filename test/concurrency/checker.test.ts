/**
 * A cache that may evict never answers OOM, though all of its other partitions be locked for
 * milliseconds: here by integrity walks.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { openCache } from '#engine/index.js';

const ROUNDS = 5;
const CHECKER = new URL('checker-worker.mjs', import.meta.url);
/** Fill one partition of the cache, so that the other one must ask it for pages. */
const MANY = 140_000;
const FEW = 30;

test('sets beside integrity walks', { timeout: 60_000 }, async () => {
  const cache = openCache({ memory: '8mb', partitions: 2, maxNamespaces: 0 });
  const changes = cache.changes();
  const many: string[] = [];
  const few: string[] = [];
  for (let i = 0; many.length < MANY; i++) {
    const key = `key ${i}`;
    (changes.partitionOf(key) === 0 ? many : few).push(key);
  }
  changes.close();
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(CHECKER, { workerData: { handle: cache.share(), flag } });
  let failure: unknown;
  worker.once('error', (error) => {
    failure = error;
  });
  const ended = once(worker, 'exit');
  await once(worker, 'message');
  for (let round = 0; round < ROUNDS; round++) {
    Atomics.store(flag, 0, 0);
    for (const key of few.slice(0, FEW)) cache.delete(key);
    const { evictions } = cache.stats();
    for (const key of many) {
      cache.setBytes(key, Buffer.alloc(32));
      if (cache.stats().evictions > evictions) break;
    }
    expect(cache.stats().evictions).toBeGreaterThan(evictions);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    for (let i = 0; i < FEW; i++) cache.setBytes(few[i]!, Buffer.alloc(200 + 150 * i));
  }
  await worker.terminate();
  await ended;
  expect(failure).toBeUndefined();
  cache.reapThreads();
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});
