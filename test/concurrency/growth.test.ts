/**
 * Keys are looked up while their partition's table splits its segments and doubles its directory.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Arena } from '#engine/arena.js';
import { freshSeed } from '../support/fuzz-random.mjs';
import { hammerMs, watch } from '../support/hammer.js';
import { BOARD_WORDS, Finder, isRemoved } from './growth.mjs';

const WORKER = new URL('growth-worker.mjs', import.meta.url);
const MIB = 1024 ** 2;
/** Enough for each of four partitions to split more than once. */
const LEAST_KEYS = 120_000;
/** What fits in memory. */
const MOST_KEYS = 3_000_000;

/** What a worker ends with. */
function count(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe.each([1, 4])('with %i partition(s)', (partitions) => {
  test('a key is found from its insertion on, whatever moves', { timeout: 600_000 }, async () => {
    const options = { partitions, policy: 'none', maxValueBytes: 1024, maxThreads: 4 } as const;
    const arena = Arena.create({ ...options, memoryBytes: 256 * MIB });
    const board = new SharedArrayBuffer(4 * BOARD_WORDS);
    const words = new Int32Array(board);
    const seed = freshSeed();
    const ms = hammerMs(500);
    const unwatch = watch(board, ms + 60_000, `growing with seed ${seed}`);
    const workers = ['grow', 'find'].map((role) => {
      const workerData = { handle: arena.handle, board, role, seed: seed + 1, most: MOST_KEYS };
      return new Worker(WORKER, { workerData });
    });
    const counts = Promise.all(workers.map(count));
    let failure: unknown;
    counts.catch((error) => {
      failure = error;
    });
    const finder = new Finder(arena, board, seed);
    try {
      const end = Date.now() + ms;
      while (!failure && (Date.now() < end || finder.done < LEAST_KEYS)) {
        finder.look();
        await nextTurn();
      }
    } finally {
      Atomics.store(words, 0, 1);
      Atomics.notify(words, 0);
      await unwatch();
    }
    const [grown, found] = (await counts) as [number, number];
    const stats = arena.stats();
    expect(found).toBeGreaterThan(0);
    expect(finder.found).toBeGreaterThan(0);
    expect(stats.tableSplits).toBeGreaterThan(4);
    expect(arena.checkIntegrity()).toBeUndefined();
    const removed = Array.from({ length: grown }, (_, i) => i).filter(isRemoved).length;
    expect(stats.entries).toBeGreaterThanOrEqual(grown - removed);
  });
});
