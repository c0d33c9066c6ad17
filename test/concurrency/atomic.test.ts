/**
 * Threads that transfer coins between accounts, several commands in one step (ATOMIC): the total is
 * always the same, whoever looks. Guards let nothing be lost between a read and a write.
 * ATOMIC_TRANSFERS sets how many transfers the threads of each run make together, HAMMER_SEED
 * repeats a run.
 */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { freshSeed } from '../support/fuzz-random.mjs';
import { checkTotals, GUARDED, PLACES, prepare } from './atomic.mjs';
import { Caller } from './caller.mjs';

const KIB = 1024;
const WORKER = new URL('atomic-worker.mjs', import.meta.url);
const THREADS = 3;
const TRANSFERS = Number(process.env.ATOMIC_TRANSFERS ?? 40_000);

type Plan = Pick<ArenaOptions, 'memoryBytes' | 'partitions' | 'policy'>;

const PLANS: Record<string, Plan> = {
  '16 partitions': { memoryBytes: 16_000 * KIB, partitions: 16, policy: 'none' },
  'one partition': { memoryBytes: 4000 * KIB, partitions: 1, policy: 'adaptive' },
  'two partitions of little memory': { memoryBytes: 900 * KIB, partitions: 2, policy: 'none' },
};

interface Tally {
  counted: number;
  conflicts: number;
  made: number;
  reads: number;
}

async function run(plan: Plan, transfers: number, canary: boolean): Promise<void> {
  const seed = process.env.HAMMER_SEED ? Number(process.env.HAMMER_SEED) : freshSeed();
  const arena = Arena.create({ ...plan, maxValueBytes: 64 * KIB, maxThreads: THREADS + 1 });
  const caller = new Caller(arena);
  prepare(caller);
  const workers = Array.from({ length: THREADS }, (_, self) => {
    const share = Math.ceil(transfers / THREADS);
    return new Worker(WORKER, {
      workerData: { handle: arena.handle, self, transfers: share, seed, canary },
    });
  });
  let over = false;
  const ended = Promise.all(
    workers.map(async (worker) => (await once(worker, 'message'))[0] as Tally),
  ).finally(() => {
    over = true;
  });
  const look = async (): Promise<void> => {
    for (let i = 0; !over; i++) {
      checkTotals(caller, i % 2 === 0);
      if (i % 10 === 0) expect(arena.checkIntegrity()).toBeUndefined();
      await nextTurn();
    }
  };
  try {
    const [tallies] = await Promise.all([ended, look()]);
    checkTotals(caller, true);
    const sum = (field: keyof Tally): number =>
      tallies.reduce((total, tally) => total + tally[field], 0);
    const counts = caller.call('MGET', ...GUARDED) as number[];
    expect(counts.reduce((total, one) => total + one, 0)).toBe(sum('counted'));
    expect(sum('made')).toBe(Math.min(PLACES, caller.call('GET', 'places') as number));
    for (let i = 0; i < PLACES; i++) {
      expect(caller.call('LLEN', `place ${i}`)).toBeLessThanOrEqual(1);
    }
    expect(sum('reads')).toBeGreaterThan(transfers / 100);
    expect(arena.checkIntegrity()).toBeUndefined();
  } catch (error) {
    throw new Error(`${(error as Error).message} (HAMMER_SEED=${seed})`, { cause: error });
  } finally {
    over = true;
    await Promise.all(workers.map((worker) => worker.terminate()));
    arena.close();
  }
}

test.each(Object.entries(PLANS))('%s', { timeout: 3_600_000 }, (_name, plan) =>
  run(plan, TRANSFERS, false),
);

test('canary: transfers in two steps are seen half done', async () => {
  await expect(run(PLANS['16 partitions']!, 1_000_000, true)).rejects.toThrow(/coins/);
});
