/** Opening a cache, and opening the same one in another thread. */
import { ArenaSet, type ArenaSetHandle } from './arena-set.js';
import { Cache } from './cache.js';
import type { ClusterProvider, Membership, MembershipProvider } from './cluster-member.js';
import { type CacheOptions, readCacheOptions } from './config.js';
import { type DecodedConfig, type DecodedOptions, readDecodedOption } from './decoded.js';
import { SlabringError } from './errors.js';
import { checkOptionNames, show } from './units.js';

/**
 * What `cache.share()` returns: passes through `workerData` and `postMessage` to the other threads
 * of the process.
 */
export interface CacheHandle {
  readonly slabring: 'cache';
  readonly arenas: ArenaSetHandle;
  readonly defaultTtlMs: number;
  readonly decoded?: DecodedConfig | undefined;
}

/** Options of `attachCache`. */
export interface AttachOptions {
  /**
   * What this thread keeps of decoded values. Default: as the thread that opened the cache.
   */
  decoded?: boolean | DecodedOptions;
  /**
   * For `cache.cluster` in this thread, where the cache is a member of a cluster: what
   * `memberThread` of `slabring/server` returns. Default: none.
   */
  cluster?: MembershipProvider | undefined;
}

/** A cache that is a member of a cluster. */
export type MemberCache<M extends Membership = Membership> = Cache & { readonly cluster: M };

/**
 * Makes a new, empty cache.
 * @throws SlabringError `OPTION`, naming the option that is wrong and what is allowed
 */
export function openCache<M extends Membership>(
  options: CacheOptions & { cluster: ClusterProvider<M> },
): MemberCache<M>;
export function openCache(options?: CacheOptions): Cache;
export function openCache(options?: CacheOptions): Cache {
  const { arena, defaultTtlMs, decoded, cluster } = readCacheOptions(options);
  return new Cache(ArenaSet.create(arena), defaultTtlMs, decoded, cluster);
}

/**
 * Opens the cache that another thread of this process shared, with the same entries and options.
 * @throws SlabringError `OPTION` when `handle` is not what `share()` returned, or all `maxThreads`
 * are in use; when `decoded` or `cluster` is wanted of a cache that was opened without
 */
export function attachCache<M extends Membership>(
  handle: CacheHandle,
  options: AttachOptions & { cluster: MembershipProvider<M> },
): MemberCache<M>;
export function attachCache(handle: CacheHandle, options?: AttachOptions): Cache;
export function attachCache(handle: CacheHandle, options: AttachOptions = {}): Cache {
  if (typeof handle !== 'object' || handle === null || handle.slabring !== 'cache') {
    throw new SlabringError(
      'OPTION',
      `attachCache takes the handle that cache.share() returned, not ${show(handle)}`,
    );
  }
  checkOptionNames(options, ['decoded', 'cluster'], 'attachCache');
  const wanted = readDecodedOption(options.decoded);
  if (wanted !== undefined && handle.arenas?.facts?.stampBits === 0) {
    throw new SlabringError(
      'OPTION',
      'decoded can be had by attachCache only where openCache was called with it',
    );
  }
  const { cluster } = options;
  if (cluster !== undefined && handle.arenas?.facts?.slotBytes === 0) {
    throw new SlabringError(
      'OPTION',
      'cluster can be had by attachCache only where openCache was called with it',
    );
  }
  const decoded = options.decoded === undefined ? handle.decoded : wanted;
  return new Cache(ArenaSet.attach(handle.arenas), handle.defaultTtlMs, decoded, cluster);
}
