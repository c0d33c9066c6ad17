/** The npm package `lru-cache`: one thread, values by reference, a limit in entries. */
import { LRUCache } from 'lru-cache';
import type { Store, StoreOptions } from './store.js';

export function openLruCache<V>({ entries }: StoreOptions<V>): Store<V> {
  const lru = new LRUCache<string, V & {}>({ max: entries });
  return {
    get: (key) => lru.get(key),
    set: (key, value) => lru.set(key, value as V & {}),
    has: (key) => lru.has(key),
    delete: (key) => lru.delete(key),
    increment(key) {
      const sum = ((lru.get(key) ?? 0) as number) + 1;
      lru.set(key, sum as V & {});
      return sum;
    },
    getMany: (keys) => keys.map((key) => lru.get(key)),
    setMany(pairs) {
      for (const [key, value] of pairs) lru.set(key, value as V & {});
    },
    inBatch: (work) => work(),
    check: () => (lru.size > entries ? `it holds ${lru.size} entries` : undefined),
    close: () => lru.clear(),
  };
}
