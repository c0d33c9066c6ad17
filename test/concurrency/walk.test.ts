/** One thread walks over all entries while others write: what is not touched is seen each time. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Cache, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';
import { freshSeed } from '../support/fuzz-random.mjs';
import { hammerMs, watch } from '../support/hammer.js';
import { BOARD_WORDS, isChangingValue, READY, STOP } from './walk.mjs';

const WORKER = new URL('walk-worker.mjs', import.meta.url);
const UNTOUCHED = 12_000;
const WRITERS = 2;
const LEAST_WALKS = 4;

function ended(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** One walk; the changing keys that it saw. */
function walk(cache: Cache, wantsValues: boolean): number {
  const seen = new Set<string>();
  let untouched = 0;
  for (const found of wantsValues ? cache.entries() : cache.keys()) {
    const [key, value] = (wantsValues ? found : [found]) as [string, unknown];
    if (seen.has(key)) throw new Error(`${key} comes twice`);
    seen.add(key);
    if (key.startsWith('untouched ')) {
      untouched++;
      if (wantsValues && value !== Number(key.slice(10))) throw new Error(`${key} is ${value}`);
    } else if (!/^changing [01] \d+$/.test(key)) {
      throw new Error(`torn key ${key}`);
    } else if (wantsValues && !isChangingValue(key, value)) {
      throw new Error(`torn value of ${key}`);
    }
  }
  expect(untouched).toBe(UNTOUCHED);
  return seen.size - untouched;
}

describe.each([1, 4])('with %i partition(s)', (partitions) => {
  test('every untouched key is seen in each walk', { timeout: 600_000 }, async () => {
    using cache = openCache({ memory: '512mb', partitions, policy: 'none' });
    for (let i = 0; i < UNTOUCHED; i++) cache.set(`untouched ${i}`, i);
    const board = new SharedArrayBuffer(4 * BOARD_WORDS);
    const words = new Int32Array(board);
    const seed = freshSeed();
    const ms = hammerMs(500);
    const unwatch = watch(board, ms + 60_000, `walking with seed ${seed}`);
    const workers = Array.from({ length: WRITERS }, (_, self) => {
      return new Worker(WORKER, { workerData: { handle: cache.share(), board, seed, self } });
    });
    const counts = Promise.all(workers.map(ended));
    let failure: unknown;
    counts.catch((error) => {
      failure = error;
    });
    let walks = 0;
    let changing = 0;
    try {
      while (!failure && Atomics.load(words, READY) < WRITERS) await nextTurn();
      const splits = cache.stats().tableSplits;
      const end = Date.now() + ms;
      const isEnough = () => walks >= LEAST_WALKS && cache.stats().tableSplits > splits;
      while (!failure && (!isEnough() || Date.now() < end)) {
        changing += walk(cache, walks % 2 === 0);
        walks++;
        await nextTurn();
      }
    } finally {
      Atomics.store(words, STOP, 1);
      Atomics.notify(words, STOP);
      await unwatch();
    }
    expect(Math.min(...(await counts))).toBeGreaterThan(0);
    expect(changing).toBeGreaterThan(1000);
    expect(cache.checkIntegrity()).toBeUndefined();
  });
});
