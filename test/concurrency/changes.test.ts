/** A mirror made of changes alone equals the cache that other threads write. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { attachCache, type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { Cache } from '#engine/cache.js';
import { readCacheOptions } from '#engine/config.js';
import { Mirror } from '../support/changes-mirror.js';
import { SHORT_TTL_MS } from '../support/changes-writes.mjs';
import { freshSeed } from '../support/fuzz-random.mjs';

const WRITER = new URL('changes-worker.mjs', import.meta.url);
const READER = new URL('changes-reader.mjs', import.meta.url);
const WRITERS = 2;

interface Plan {
  readonly name: string;
  readonly options: CacheOptions;
  readonly keys: number;
  readonly writes: number;
  /** Namespaces that are written in, too, and cleared. */
  readonly namespaces?: readonly string[];
  /** Whether the mirror looks on for a while before it reads, so that it is overrun. */
  readonly late?: true;
}

const PLANS: Plan[] = [
  { name: 'ample', options: { memory: '64mb', partitions: 4 }, keys: 3000, writes: 20_000 },
  { name: 'evicting', options: { memory: '2mb', partitions: 2 }, keys: 3000, writes: 20_000 },
  { name: 'few', options: { maxEntries: 300, partitions: 1 }, keys: 2000, writes: 20_000 },
  {
    name: 'overrun',
    options: { memory: '16mb', partitions: 2 },
    keys: 1000,
    writes: 20_000,
    late: true,
  },
  {
    name: 'namespaces',
    options: { memory: '64mb', partitions: 4 },
    keys: 300,
    writes: 20_000,
    namespaces: ['users', 'posts'],
  },
  {
    name: 'namespaces, several arenas, evicting',
    options: { memory: '4mb', partitions: 2, arenas: 2 },
    keys: 1000,
    writes: 20_000,
    namespaces: ['users', 'posts'],
  },
  {
    name: 'namespaces, overrun',
    options: { memory: '16mb', partitions: 2 },
    keys: 300,
    writes: 20_000,
    namespaces: ['users', 'posts'],
    late: true,
  },
];

describe.each(PLANS)('$name', ({ options, keys, writes, late, namespaces }) => {
  test('the mirror equals the cache', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    for (let i = 0; i < keys; i += 3) cache.set(`key ${i}`, `before ${i}`);
    const seed = freshSeed();
    const changes = cache.changes({ bytes: late ? '128kb' : '512kb' });
    const workers = Array.from({ length: WRITERS }, (_, self) => {
      const workerData = { handle: cache.share(), seed: seed + self, keys, writes, namespaces };
      return new Worker(WRITER, { workerData });
    });
    const done = Promise.all(workers.map((worker) => once(worker, 'exit'))).then(() => {
      changes.close();
    });
    // Another reader, so that the log stays when the first one is closed.
    const mirror = new Mirror(cache, cache.changes(), namespaces);
    if (late) await done;
    else for await (const _ of changes) mirror.catchUp(100);
    await done;
    const over = Date.now() + SHORT_TTL_MS + 1;
    while (Date.now() < over);
    while (mirror.catchUp());
    expect(mirror.difference(), `seed ${seed}`).toBeUndefined();
    expect(cache.checkIntegrity()).toBeUndefined();
    const { counts, reasons } = mirror;
    if (late) {
      expect(counts.overrun).toBeGreaterThan(0);
    } else {
      expect(counts.set).toBeGreaterThan(100);
      expect(counts.expire).toBeGreaterThan(0);
    }
    if (options.maxEntries) expect(reasons.evicted).toBeGreaterThan(100);
  });
});

test('a reader that ended with its thread keeps the log on until its slot is reaped', async () => {
  const arenas = ArenaSet.create(readCacheOptions({ memory: '8mb', partitions: 4 }).arena);
  using cache = new Cache(arenas, 0);
  const worker = new Worker(READER, { workerData: { handle: cache.share() } });
  await once(worker, 'message');
  expect(cache.stats().logPages).toBe(4);
  for (let i = 0; i < 50_000; i++) cache.set(`key ${i % 100}`, i);
  await worker.terminate();
  arenas.reapThreads();
  expect(cache.stats().logPages).toBe(0);
  // Its readers do not go to the next one who gets the slot.
  using _ = attachCache(cache.share());
  cache.changes().close();
  expect(cache.stats().logPages).toBe(0);
  expect(cache.checkIntegrity()).toBeUndefined();
});
