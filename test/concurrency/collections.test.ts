/**
 * Threads that share lists, sets, hashes and sorted sets: sums are exact, what is taken from a
 * queue is taken once and in order, moves lose nothing, and nobody reads a collection that is half
 * changed. HAMMER_SECONDS makes each run longer, HAMMER_SEED repeats one.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { freshSeed } from '../support/fuzz-random.mjs';
import { hammerMs } from '../support/hammer.js';
import { Caller } from './caller.mjs';
import { prepare, QUEUES } from './collections.mjs';

const MIB = 1024 ** 2;
const WORKER = new URL('collections-worker.mjs', import.meta.url);
const THREADS = 3;
/** About a second of them. */
const TURNS = 5000;

type Plan = Omit<ArenaOptions, 'maxThreads' | 'maxValueBytes'>;

const PLANS: Record<string, Plan> = {
  '8 partitions': { memoryBytes: 64 * MIB, partitions: 8, policy: 'none' },
  'one partition': { memoryBytes: 64 * MIB, partitions: 1, policy: 'adaptive' },
  'never packed': {
    ...{ memoryBytes: 64 * MIB, partitions: 4, policy: 'none' as const },
    ...{ packedItems: 0, packedBytes: 0 },
  },
  '2 partitions that evict': { memoryBytes: 1.5 * MIB, partitions: 2, policy: 'lru' },
};

interface Tally {
  counted: number;
  scored: number;
  pushed: number;
  taken: string[];
  moves: number;
  wholes: number;
  refused: number;
}

test.each(Object.entries(PLANS))('%s', { timeout: 600_000 }, async (name, plan) => {
  const seed = process.env.HAMMER_SEED ? Number(process.env.HAMMER_SEED) : freshSeed();
  const vanishes = name.endsWith('evict');
  const arena = Arena.create({ ...plan, maxValueBytes: MIB, maxThreads: THREADS + 1 });
  const caller = new Caller(arena);
  // Memory is full from the beginning.
  for (let i = 0; vanishes && arena.stats().evictions === 0; i++) {
    caller.call('SET', `full ${i}`, Buffer.alloc(3000));
  }
  prepare(caller);
  const turns = Math.round((TURNS * hammerMs(1000)) / 1000);
  const workers = Array.from({ length: THREADS }, (_, self) => {
    const workerData = { handle: arena.handle, self, threads: THREADS, turns, seed, vanishes };
    return new Worker(WORKER, { workerData });
  });
  let over = false;
  const ended = Promise.all(
    workers.map(async (worker) => (await once(worker, 'message'))[0] as Tally),
  ).finally(() => {
    over = true;
  });
  const look = async (): Promise<void> => {
    while (!over) {
      arena.kernel.upkeep(arena.slot, Date.now());
      expect(arena.checkIntegrity()).toBeUndefined();
      // Filling: what is evicted, if anything is.
      if (vanishes) caller.tryCall('SET', `filling ${Date.now()}`, Buffer.alloc(3000));
      await nextTurn();
    }
  };
  const [tallies] = await Promise.all([ended, look()]).catch((error: Error) => {
    throw new Error(`${error.message} (HAMMER_SEED=${seed})`, { cause: error });
  });
  expect(arena.checkIntegrity()).toBeUndefined();
  const sum = (field: Exclude<keyof Tally, 'taken'>): number =>
    tallies.reduce((total, tally) => total + tally[field], 0);
  const taken = tallies.flatMap((tally) => tally.taken);
  QUEUES.forEach((queue, i) => {
    // In parts: all of it may be too long for a reply.
    for (;;) {
      const left = (caller.call('LPOP', queue, 50) ?? []) as [number, number][];
      if (left.length === 0) break;
      for (const [producer, number] of left) taken.push(`${i} ${producer} ${number}`);
    }
  });
  // Each was taken once, or is there still.
  expect(new Set(taken).size).toBe(taken.length);
  expect(sum('wholes')).toBeGreaterThan(turns / 20);
  if (vanishes) {
    expect(taken.length).toBeLessThanOrEqual(sum('pushed'));
    expect(arena.stats().evictions).toBeGreaterThan(0);
    return;
  }
  expect(sum('refused')).toBe(0);
  expect(sum('moves')).toBeGreaterThan(turns / 20);
  expect(taken.length).toBe(sum('pushed'));
  const counts = caller.call('HVALS', 'counts') as number[];
  expect(counts.reduce((total, one) => total + one, 0)).toBe(sum('counted'));
  const scores = caller.call('ZRANGE', 'scores', 0, -1, 8) as (string | number)[];
  const numbers = scores.filter((one) => typeof one === 'number');
  expect(numbers.reduce((total, one) => total + one, 0)).toBe(sum('scored'));

  arena.close();
});
