/**
 * Leases and rate limits with several threads at once: a lease never has two holders and its fences
 * only grow, and no bucket gives more than it holds and what came in.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Cache, type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';

const WORKER = new URL('leases-worker.mjs', import.meta.url);
const WORKERS = 4;
const BOARD_BYTES = 16;

interface Tally {
  held: number;
  allowed: number;
  refused: number;
  faults: string[];
}

/** What each worker ends with. */
async function run(cache: Cache, board: SharedArrayBuffer, data: object): Promise<Tally[]> {
  return await Promise.all(
    Array.from({ length: WORKERS }, async (_, self) => {
      const workerData = { handle: cache.share(), board, self, workers: WORKERS, ...data };
      const [tally] = await once(new Worker(WORKER, { workerData }), 'message');
      return tally as Tally;
    }),
  );
}

const PLANS: [string, CacheOptions, boolean][] = [
  ['a cache', { memory: '8mb', partitions: 1 }, false],
  ['a namespace', { memory: '8mb', partitions: 2 }, true],
  ['decoded values and two arenas', { memory: '16mb', arenas: 2, decoded: true }, false],
];

describe.each(PLANS)('in %s', (_, options, space) => {
  test('a lease has one holder at a time', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    const board = new SharedArrayBuffer(BOARD_BYTES);
    const rounds = 3000;
    const tallies = await run(cache, board, { role: 'hold', rounds, space });
    expect(tallies.flatMap(({ faults }) => faults).slice(0, 5)).toEqual([]);
    expect(new Int32Array(board)[1]).toBe(WORKERS * rounds);
    expect(Math.max(...tallies.map(({ refused }) => refused))).toBeGreaterThan(0);
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  test('a limit is kept', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    // In a second nothing to speak of comes in: whatever is allowed was there.
    const limit = { capacity: 20_000, refillPerSecond: 0.01 };
    const board = new SharedArrayBuffer(BOARD_BYTES);
    const tallies = await run(cache, board, { role: 'take', takeMs: 500, limit, space });
    const allowed = tallies.reduce((sum, tally) => sum + tally.allowed, 0);
    expect(allowed).toBe(limit.capacity);
    expect(Math.max(...tallies.map(({ refused }) => refused))).toBeGreaterThan(0);
    const keyspace = space ? cache.namespace('leases') : cache;
    expect(keyspace.limit('bucket', limit)).toMatchObject({ allowed: false, remaining: 0 });
  });
});
