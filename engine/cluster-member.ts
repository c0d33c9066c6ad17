/**
 * What makes a cache a member of a cluster, as the engine knows it. The cluster itself is the
 * server's business: `clusterMember` of `slabring/server` returns a provider.
 */
import type { Key } from './api.js';
import type { ArenaSet } from './arena-set.js';
import type { Store } from './handles/store.js';

/** What arenas of a member have that others have not. */
export interface MemberArenas {
  readonly slots: true;
  /** Its number in the stamps of writes. */
  readonly node: number;
  readonly tombstoneMs: number;
}

/** The cache that becomes a member. */
export interface MemberGround {
  readonly arenas: ArenaSet;
  /** Time to live of entries that are stored without one; 0: none. */
  readonly defaultTtlMs: number;
  /** Ends this thread's use of the cache. */
  closeCache(): void;
}

/** The option `cluster` of `attachCache`: what `memberThread` of `slabring/server` returns. */
export interface MembershipProvider<M extends Membership = Membership> {
  /** Joins in the background. To be called once. */
  join(ground: MemberGround): M;
}

/** The option `cluster` of `openCache`: what `clusterMember` of `slabring/server` returns. */
export interface ClusterProvider<M extends Membership = Membership> extends MembershipProvider<M> {
  readonly arenas: MemberArenas;
  /** Slots of threads that the membership takes beside those of the cache. */
  readonly threads: number;
}

/**
 * `cache.cluster`: the keys of the whole cluster, with the methods of the cache as promises. Each
 * command runs here when this member owns its key, and where the key is otherwise.
 */
export interface Membership extends Store<'async'> {
  /**
   * Resolves when this member has joined, or begun alone where nobody answered, and every slot is
   * served, or some seconds after that: then some are not.
   * @throws SlabringError `OPTION`, `OOM`: it cannot take part, and why
   */
  ready(): Promise<unknown>;
  /** Whether the synchronous methods of the cache may read the key now. */
  canRead(key: Key): boolean;
  /** Whether they may write it. */
  canWrite(key: Key): boolean;
  /**
   * Closes the cache in this thread and answers the commands on their way. In the thread that
   * called `openCache` it then hands over what others have not, and leaves the cluster.
   * `cache.close()` does so too, without a promise.
   */
  close(): Promise<void>;
}
