/** Threads that write and read large values of the same keys, in memory that is short. */
// Sleeps: the threads are to work for so long.
import { setImmediate as nextTurn, setTimeout as passed } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { hammerMs, watch } from '../support/hammer.js';
import { compileKernel } from '../support/hammer-kernel.js';
import { BOARD_WORDS, checkLarge, largeBytes, READY, STOP } from './large.mjs';

const WORKER = new URL('large-worker.mjs', import.meta.url);
const WORKERS = 2;
/** What a broken kernel may take to show it. */
const CANARY_MS = 60_000;

interface Done {
  readonly writes: number;
  readonly reads: number;
}

function ended(worker: Worker): Promise<Done> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Lets the threads work for so long, or until one of them fails. */
async function hammer(
  options: CacheOptions,
  ms: number,
  { module, namespace }: { module?: WebAssembly.Module; namespace?: string } = {},
): Promise<Done[]> {
  using cache = openCache({ memory: '24mb', maxValue: '5mb', ...options });
  const shared = cache.share();
  const arenas = shared.arenas.arenas.map((arena) => (module ? { ...arena, module } : arena));
  const handle = { ...shared, arenas: { ...shared.arenas, arenas } };
  const board = new SharedArrayBuffer(4 * BOARD_WORDS);
  const words = new Int32Array(board);
  const seed = freshSeed();
  const unwatch = watch(board, ms + 60_000, `large values with seed ${seed}`);
  const workers = Array.from({ length: WORKERS }, (_, self) => {
    return new Worker(WORKER, { workerData: { handle, board, seed, self, namespace } });
  });
  const all = Promise.all(workers.map(ended));
  const over = new AbortController();
  try {
    let failed = false;
    all.catch(() => {
      failed = true;
    });
    while (!failed && Atomics.load(words, READY) < WORKERS) await nextTurn();
    await Promise.race([passed(ms, undefined, { signal: over.signal }), all]);
  } finally {
    over.abort();
    Atomics.store(words, STOP, 1);
    Atomics.notify(words, STOP);
    await unwatch();
  }
  const done = await all;
  expect(cache.checkIntegrity()).toBeUndefined();
  checkLarge((namespace === undefined ? cache : cache.namespace(namespace)).get('large'));
  return done;
}

describe('large values are whole', () => {
  test.each<CacheOptions>([
    { policy: 'clock', partitions: 1 },
    { policy: 'adaptive', partitions: 4 },
  ])('%j', { timeout: 600_000 }, async (options) => {
    for (const { writes, reads } of await hammer(options, hammerMs(2000))) {
      expect(Math.min(writes, reads)).toBeGreaterThan(0);
    }
  });

  test.each<CacheOptions>([
    { policy: 'clock', partitions: 1 },
    { policy: 'none', partitions: 4, memory: '128mb' },
    { policy: 'lru', arenas: 2, memory: '48mb' },
  ])('in a namespace that is cleared: %j', { timeout: 600_000 }, async (options) => {
    const namespace = 'users';
    for (const { writes, reads } of await hammer(options, hammerMs(2000), { namespace })) {
      expect(Math.min(writes, reads)).toBeGreaterThan(0);
    }
  });
});

test('canary: nobody looks whether the value is still there', { timeout: 600_000 }, async () => {
  const edit = { file: 'large.ts', from: 'return foundChain == <u64>chain;', to: 'return true;' };
  const module = await compileKernel(/^$/, [edit]);
  const policy = { policy: 'clock', partitions: 1 } as const;
  await expect(hammer(policy, CANARY_MS, { module })).rejects.toThrow(/torn value|cannot be read/);
});

test('a value with a page of another one is found out', () => {
  const bytes = largeBytes(5, new Random(1));
  checkLarge(bytes);
  const page = 8 * 65_520 - 5;
  expect(() => checkLarge(bytes.fill(0, page, page + 65_520))).toThrow(/torn value/);
});
