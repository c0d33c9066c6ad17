/** What the embedded cache is compared with, and the cache itself, behind one shape. */
import { Unavailable } from '../case.js';
import type { Kind } from '../kinds.js';

/**
 * A store of values of one kind. A process has one store only, so V8 sees every call of these
 * methods go to one function and inlines it: the shape costs nothing.
 */
export interface Store<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  has(key: string): boolean;
  delete(key: string): boolean;
  /** Adds 1 to an integer and returns the sum; an absent key counts as 0. */
  increment(key: string): number;
  getMany(keys: readonly string[]): (V | undefined)[];
  setMany(entries: readonly (readonly [string, V])[]): void;
  /** Runs work that writes, as one transaction where the store is faster with one. */
  inBatch(work: () => number): number;
  /** What is wrong with the store as a whole. */
  check(): string | undefined;
  close(): void | Promise<void>;
}

export interface StoreOptions<V> {
  readonly kind: Kind<V>;
  /** Room for so many entries; with `evicts`, for no more. */
  readonly entries: number;
  readonly evicts: boolean;
  /** For the candidate only: keep decoded values; another thread writes other keys. */
  readonly decoded: boolean;
  readonly besideWriter: boolean;
}

/**
 * The names of the stores, the candidate first. `Map+msgpackr` packs what it stores, so that
 * readers get copies.
 */
export const STORES = ['slabring', 'Map', 'Map+msgpackr', 'lru-cache', 'lmdb'] as const;
export type StoreName = (typeof STORES)[number];

/** @throws Unavailable when the store's package or binary is not here */
export async function openStore<V>(name: string, options: StoreOptions<V>): Promise<Store<V>> {
  // Loaded by need: a process shall hold nothing but the store that it times.
  switch (name as StoreName) {
    case 'slabring':
      return (await import('./slabring.js')).openSlabring(options);
    case 'Map':
      return (await import('./map.js')).openMap();
    case 'Map+msgpackr':
      return (await import('./map.js')).openPackedMap();
    case 'lru-cache':
      return (await load('lru-cache', () => import('./lru-cache.js'))).openLruCache(options);
    case 'lmdb':
      return (await load('lmdb', () => import('./lmdb.js'))).openLmdb(options);
  }
  throw new Error(`there is no store ${name}`);
}

async function load<M>(name: string, importModule: () => Promise<M>): Promise<M> {
  try {
    return await importModule();
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new Unavailable(`${name} cannot be loaded here: ${reason}`);
  }
}
