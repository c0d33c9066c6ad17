/** `Map`, the least that a cache in one thread can be: no limit, no expiry, values by reference. */
import { Packr } from 'msgpackr';
import type { Store } from './store.js';

export function openMap<V>(): Store<V> {
  const map = new Map<string, V>();
  return {
    get: (key) => map.get(key),
    set: (key, value) => map.set(key, value),
    has: (key) => map.has(key),
    delete: (key) => map.delete(key),
    increment(key) {
      const sum = ((map.get(key) ?? 0) as number) + 1;
      map.set(key, sum as V);
      return sum;
    },
    getMany: (keys) => keys.map((key) => map.get(key)),
    setMany(entries) {
      for (const [key, value] of entries) map.set(key, value);
    },
    inBatch: (work) => work(),
    check: () => undefined,
    close: () => map.clear(),
  };
}

/** A Map of packed values: what it costs to hand out copies without the cache. */
export function openPackedMap<V>(): Store<V> {
  const packr = new Packr({ useRecords: false });
  const map = new Map<string, Uint8Array>();
  const get = (key: string): V | undefined => {
    const packed = map.get(key);
    return packed === undefined ? undefined : (packr.unpack(packed) as V);
  };
  const set = (key: string, value: V): void => {
    map.set(key, packr.pack(value));
  };
  return {
    get,
    set,
    has: (key) => map.has(key),
    delete: (key) => map.delete(key),
    increment(key) {
      const sum = ((get(key) ?? 0) as number) + 1;
      set(key, sum as V);
      return sum;
    },
    getMany: (keys) => keys.map(get),
    setMany(entries) {
      for (const [key, value] of entries) set(key, value);
    },
    inBatch: (work) => work(),
    check: () => undefined,
    close: () => map.clear(),
  };
}
