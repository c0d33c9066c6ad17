/** The candidate: the embedded cache. */
import { Worker } from 'node:worker_threads';
import { openCache } from '../../engine/index.js';
import type { Store, StoreOptions } from './store.js';

const MIB = 1024 ** 2;
/** More than an entry of any of the kinds needs, index included: only `maxEntries` is to evict. */
const BYTES_PER_ENTRY = 400;

/** Decoded values that are kept: the hot keys, and room. */
const DECODED_ENTRIES = 2000;

export function openSlabring<V>(options: StoreOptions<V>): Store<V> {
  const { kind, entries, evicts, decoded, besideWriter } = options;
  const cache = openCache({
    memory: 64 * MIB + entries * BYTES_PER_ENTRY,
    ...(evicts && { maxEntries: entries }),
    ...(decoded && { decoded: { entries: DECODED_ENTRIES } }),
  });
  const writer = besideWriter
    ? new Worker(new URL('./slabring-writer.js', import.meta.url), { workerData: cache.share() })
    : undefined;
  const isBytes = kind.name === 'bytes';
  return {
    get: isBytes
      ? (key) => cache.getBytes(key) as V | undefined
      : (key) => cache.get(key) as V | undefined,
    set: isBytes
      ? (key, value) => cache.setBytes(key, value as Uint8Array)
      : (key, value) => cache.set(key, value),
    has: (key) => cache.has(key),
    delete: (key) => cache.delete(key),
    increment: (key) => cache.increment(key) as number,
    getMany: (keys) => cache.getMany<V>(keys),
    setMany: (pairs) => cache.setMany(pairs),
    inBatch: (work) => work(),
    check() {
      const { evictions } = cache.stats();
      if (!evicts && evictions > 0) return `it evicted ${evictions} entries, with room for all`;
      return cache.checkIntegrity();
    },
    async close() {
      await writer?.terminate();
      cache.close();
    },
  };
}
