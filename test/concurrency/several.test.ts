/**
 * Threads that write, read and move several keys in one step, in whatever order they name them:
 * nobody waits for ever, and nobody sees a step that is half done.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';
import { hammerMs } from '../support/hammer.js';

const WORKER = new URL('several-worker.mjs', import.meta.url);
const THREADS = 3;
/** About 500 ms of them. */
const TURNS = 6000;

const PLANS: [string, CacheOptions][] = [
  ['ample', { memory: '64mb', partitions: 8 }],
  ['policy none', { memory: '64mb', partitions: 8, policy: 'none' }],
  ['one partition', { memory: '16mb', partitions: 1 }],
  ['two partitions that evict', { memory: '1mb', partitions: 2, policy: 'lru' }],
  ['two partitions that refuse', { memory: '1mb', partitions: 2, policy: 'none' }],
];

interface Tally {
  sets: number;
  wholes: number;
  moves: number;
  appended: number;
  refused: number;
}

describe.each(PLANS)('%s', (name, options) => {
  test('steps on several keys are whole', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    const evicts = name.endsWith('evict');
    const refuses = name.endsWith('refuse');
    cache.set('place 0', 'the token');
    // What else is there is in the way, and goes first.
    if (evicts || refuses) {
      for (let i = 0; i < 3000; i++) {
        try {
          cache.set(`filling ${i}`, 'x'.repeat(200));
        } catch {
          break;
        }
      }
      if (refuses) for (let i = 0; i < 400; i++) cache.delete(`filling ${i}`);
    }
    const turns = Math.round((TURNS * hammerMs(500)) / 500);
    const tallies = await Promise.all(
      Array.from({ length: THREADS }, async (_, self) => {
        const workerData = { handle: cache.share(), self, threads: THREADS, turns, evicts };
        const [tally] = await once(new Worker(WORKER, { workerData }), 'message');
        return tally as Tally;
      }),
    );
    const sum = (field: keyof Tally) => tallies.reduce((total, tally) => total + tally[field], 0);
    expect(cache.checkIntegrity()).toBeUndefined();
    expect(sum('sets')).toBeGreaterThan(0);
    expect(sum('wholes')).toBeGreaterThan(0);
    if (!evicts) {
      expect(sum('moves')).toBeGreaterThan(0);
      // No byte of an append was lost.
      expect(cache.byteLength('all')).toBe(sum('appended'));
    }
    if (refuses) expect(sum('refused')).toBeGreaterThan(0);
    else expect(sum('refused')).toBe(0);
  });
});
