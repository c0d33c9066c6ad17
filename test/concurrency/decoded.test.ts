/**
 * Threads keep decoded values while another one writes: nobody sees a counter go back, nor one that
 * is older than a `set` that has returned.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openCache } from 'slabring';
import { describe, expect, test } from 'vitest';
import { freshSeed } from '../support/fuzz-random.mjs';
import { hammerMs, watch } from '../support/hammer.js';
import { BOARD_WORDS, counterOf, KEYS, keyOf, READY, Reader, STOP } from './decoded.mjs';

const WORKER = new URL('decoded-worker.mjs', import.meta.url);
const LEAST_LOOKS = 500;

function ended(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

describe.each([
  ['with room for all', { memory: '64mb', partitions: 4 }],
  ['while entries are evicted and moved', { memory: '2mb', partitions: 1 }],
  ['with structures', { memory: '64mb', structures: true }],
] as const)('%s', (_, options) => {
  test('a kept value is never behind a set that has returned', { timeout: 600_000 }, async () => {
    using cache = openCache({ ...options, policy: 's3fifo', decoded: true });
    for (let number = 0; number < KEYS; number++) cache.set(keyOf(number), counterOf(0));
    const board = new SharedArrayBuffer(4 * BOARD_WORDS);
    const words = new Int32Array(board);
    const seed = freshSeed();
    const ms = hammerMs(500);
    const unwatch = watch(board, ms + 60_000, `decoded values with seed ${seed}`);
    const workers = ['write', 'read'].map((role) => {
      return new Worker(WORKER, { workerData: { handle: cache.share(), board, seed, role } });
    });
    const counts = Promise.all(workers.map(ended));
    let failure: unknown;
    counts.catch((error) => {
      failure = error;
    });
    const reader = new Reader(cache, words);
    let looks = 0;
    try {
      while (!failure && Atomics.load(words, READY) < workers.length) await nextTurn();
      const end = Date.now() + ms;
      while (!failure && (Date.now() < end || looks < LEAST_LOOKS)) {
        for (let i = 0; i < 20; i++, looks++) reader.look();
        await nextTurn();
      }
    } finally {
      Atomics.store(words, STOP, 1);
      Atomics.notify(words, STOP);
      await unwatch();
    }
    expect(Math.min(...(await counts))).toBeGreaterThan(0);
    // Most reads were served from what was kept: otherwise this tests nothing.
    expect(reader.again).toBeGreaterThan(reader.reads / 4);
    expect(cache.checkIntegrity()).toBeUndefined();
  });
});
