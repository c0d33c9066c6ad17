/**
 * A namespace is cleared by one thread, again and again, while others write and read it: what was
 * written before a clear is gone after it, what was written after it is there, and nothing else is
 * touched.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';

const WORKER = new URL('namespaces-worker.mjs', import.meta.url);
const WRITERS = 2;
const WRITES = 15_000;

const PLANS: [string, CacheOptions][] = [
  ['ample', { memory: '64mb', partitions: 4 }],
  ['one partition, policy none', { memory: '8mb', partitions: 1, policy: 'none' }],
  ['decoded', { memory: '64mb', partitions: 4, decoded: true }],
  ['two arenas', { memory: '64mb', partitions: 2, arenas: 2 }],
];

describe.each(PLANS)('%s', (_, options) => {
  test('a clear is before or after each write', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    const rounds = new SharedArrayBuffer(8);
    // Each writer ends with as many as it wrote, so that the one who clears ends after the last.
    const count = WRITERS * WRITES;
    const tallies = await Promise.all(
      Array.from({ length: WRITERS + 1 }, async (_, self) => {
        const role = self === 0 ? 'clear' : 'write';
        const own = { role, self, count: self === 0 ? count : WRITES };
        const workerData = { handle: cache.share(), rounds, ...own };
        const [tally] = await once(new Worker(WORKER, { workerData }), 'message');
        return tally as { clears: number; present: number; gone: number };
      }),
    );
    const sum = (field: 'clears' | 'present' | 'gone') =>
      tallies.reduce((total, tally) => total + tally[field], 0);
    expect(sum('clears')).toBeGreaterThan(0);
    expect(sum('present')).toBeGreaterThan(0);
    expect(sum('gone')).toBeGreaterThan(0);
    expect(cache.checkIntegrity()).toBeUndefined();
    const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
    expect(posts.size).toBe(WRITERS * 50);
    expect([...users.keys()].length).toBe(users.size);
    expect(cache.stats()).toMatchObject({ evictions: 0, entries: users.size + posts.size });
    users.clear();
    expect(users.stats()).toMatchObject({ entries: 0, bytes: 0, sets: WRITERS * WRITES });
  });
});
