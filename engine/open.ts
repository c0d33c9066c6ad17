/** Opening a cache, and opening the same one in another thread. */
import { ArenaSet, type ArenaSetHandle } from './arena-set.js';
import { Cache } from './cache.js';
import { type CacheOptions, readCacheOptions } from './config.js';
import { SlabringError } from './errors.js';
import { show } from './units.js';

/**
 * What `cache.share()` returns: passes through `workerData` and `postMessage` to the other threads
 * of the process.
 */
export interface CacheHandle {
  readonly slabring: 'cache';
  readonly arenas: ArenaSetHandle;
  readonly defaultTtlMs: number;
}

/**
 * Makes a new, empty cache.
 * @throws SlabringError `OPTION`, naming the option that is wrong and what is allowed
 */
export function openCache(options?: CacheOptions): Cache {
  const { arena, defaultTtlMs } = readCacheOptions(options);
  return new Cache(ArenaSet.create(arena), defaultTtlMs);
}

/**
 * Opens the cache that another thread of this process shared, with the same entries and options.
 * @throws SlabringError `OPTION` when `handle` is not what `share()` returned, or all `maxThreads`
 * are in use
 */
export function attachCache(handle: CacheHandle): Cache {
  if (typeof handle !== 'object' || handle === null || handle.slabring !== 'cache') {
    throw new SlabringError(
      'OPTION',
      `attachCache takes the handle that cache.share() returned, not ${show(handle)}`,
    );
  }
  return new Cache(ArenaSet.attach(handle.arenas), handle.defaultTtlMs);
}
