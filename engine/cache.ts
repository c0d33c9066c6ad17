/**
 * The embedded cache: its keys (keyspace.ts, string-keys.ts) and what it is besides: counters,
 * namespaces, changes, sharing.
 */
import type { ArenaStats } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import type { Changes, ChangesOptions } from './changes.js';
import type { Membership, MembershipProvider } from './cluster-member.js';
import type { DecodedConfig } from './decoded.js';
import { Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { type CacheEvents, Observers } from './events.js';
import { FullKeyspace } from './full-keyspace.js';
import type { Store } from './handles/store.js';
import * as jobs from './jobs/cache-jobs.js';
import {
  checkOpen,
  type Keyspace,
  partitionIn,
  plainValueIn,
  type SharedParts,
} from './keyspace.js';
import { Many } from './many.js';
import { Namespace, type NamespaceOptions, readNamespaceTtl } from './namespace.js';
import type { CacheHandle } from './open.js';
import { Single } from './single.js';
import { checkName, Spaces } from './space.js';
import { openStructures } from './structures.js';

/** A cache as one thread has it open. Made by `openCache` and `attachCache`. */
export class Cache extends FullKeyspace implements Store<'sync'> {
  /**
   * The keys of the whole cluster that this cache is a member of. undefined: it is in none, or was
   * attached without `cluster`.
   */
  readonly cluster: Membership | undefined;
  readonly #arenas: ArenaSet;
  readonly #defaultTtlMs: number;
  readonly #shared: SharedParts;
  readonly #stopUpkeep: () => void;
  readonly #observers: Observers;
  readonly #jobs: jobs.CacheJobs;
  readonly #spaces: Spaces;
  /** Those that this thread has asked for, by time to live and name. */
  readonly #namespaces = new Map<string, Namespace>();

  /** Use `openCache` or `attachCache`. The cache owns the arenas: `close` closes them. */
  constructor(
    arenas: ArenaSet,
    defaultTtlMs: number,
    decoded?: DecodedConfig,
    cluster?: MembershipProvider,
  ) {
    // One region serves all: structures are the same, wherever their values are.
    const structures = openStructures(arenas.arenas[0]!);
    const shared: SharedParts = {
      arenas,
      many: new Many(arenas, () => checkOpen(shared), structures),
      single: new Single(new Desk(arenas.arenas[0]!)),
      structures,
      decoded,
      kept: [],
      closed: false,
    };
    super(shared, defaultTtlMs);
    this.#arenas = arenas;
    this.#defaultTtlMs = defaultTtlMs;
    this.#shared = shared;
    this.#spaces = new Spaces(arenas);
    this.#observers = new Observers({
      arenas: arenas.arenas,
      currentValue: (key, namespace) => plainValueIn(this.#keyspaceOf(namespace), key),
      partitionOf: (key, namespace) => partitionIn(this.#keyspaceOf(namespace), key),
      spaces: this.#spaces,
      structures,
    });
    this.#stopUpkeep = arenas.startUpkeep();
    this.#jobs = new jobs.CacheJobs(arenas, defaultTtlMs);
    this.cluster = cluster?.join({ arenas, defaultTtlMs, closeCache: () => this.#close() });
  }

  /**
   * How many entries there are, without those of namespaces. Expired ones count until their memory
   * has been taken back.
   */
  override get size(): number {
    const { entries, namespaceEntries } = this.stats();
    return entries - namespaceEntries;
  }

  /**
   * The namespace of that name, which all threads have in common, and which is made if need be:
   * keys of its own, with counters of their own, that `clear` removes all at once.
   * @throws SlabringError `OPTION` for a wrong name or option, when there are `maxNamespaces`, or
   *   in a cluster
   */
  namespace(name: string, options: NamespaceOptions = {}): Namespace {
    checkOpen(this.#shared);
    this.#refuseToMember('namespace', 'its keys would stay on this member');
    const ttlMs = readNamespaceTtl(options, this.#defaultTtlMs);
    if (typeof name !== 'string') checkName(name);
    const key = `${ttlMs} ${name}`;
    const known = this.#namespaces.get(key);
    if (known !== undefined) return known;
    const namespace = new Namespace(name, this.#spaces.open(name), this.#shared, ttlMs);
    this.#namespaces.set(key, namespace);
    return namespace;
  }

  /**
   * The names of all namespaces, of whichever thread, in the order in which they were made. None
   * ever goes.
   */
  namespaces(): string[] {
    checkOpen(this.#shared);
    return this.#spaces.names();
  }

  /** Counters and sizes of the whole cache, namespaces included, all threads together. */
  stats(): ArenaStats {
    checkOpen(this.#shared);
    for (const kept of this.#shared.kept) kept.countHits();
    return this.#arenas.stats();
  }

  /**
   * Walks all of the cache's memory; the first broken rule as text, or `undefined` when all is
   * well. For tests.
   */
  checkIntegrity(): string | undefined {
    checkOpen(this.#shared);
    return this.#arenas.checkIntegrity();
  }

  /**
   * `checkIntegrity` by other threads, while this one goes on; `onProgress` counts partitions.
   * @throws SlabringError `OPTION`, `CLOSED`, `INTERNAL`; the reason of an aborted signal
   */
  verify(options?: jobs.JobOptions): Promise<jobs.BrokenRule | undefined> {
    return this.#jobs.verify(options);
  }

  /**
   * Stores the entries of a file, by other threads. Not in a cluster, whose other members have part
   * of the keys.
   * @throws ImportError at a wrong entry; SlabringError as `verify`
   */
  async importFile(path: string | URL, options?: jobs.ImportOptions): Promise<jobs.ImportResult> {
    this.#refuseToMember('importFile', 'other members have part of the keys');
    return this.#jobs.importFile(path, options);
  }

  /**
   * Writes all entries but lists, sets, hashes and sorted sets into a file that `importFile` reads,
   * by another thread.
   * @throws SlabringError `WRONGTYPE` for what the format cannot say; as `verify`
   */
  exportFile(path: string | URL, options?: jobs.ExportOptions): Promise<jobs.ExportResult> {
    return this.#jobs.exportFile(path, options);
  }

  /**
   * Repairs what ended threads left locked, and frees their slots; how many. Done when needed
   * anyway. Without /proc, which tells, say which worker has ended by its `threadId`.
   */
  reapThreads(endedThreadId?: number): number {
    checkOpen(this.#shared);
    return this.#arenas.reapThreads(endedThreadId);
  }

  /**
   * What becomes of entries from now on, whichever thread does it: in order for each key, with
   * values. The log that it reads is on while somebody reads it.
   * @throws SlabringError `OPTION`; `OOM` when there is no memory for the log
   */
  changes(options?: ChangesOptions): Changes {
    checkOpen(this.#shared);
    return this.#observers.changes(options);
  }

  /**
   * Calls `listener` at each `event` of the cache, whichever thread caused it, a moment later in
   * this one. An error that it throws is an uncaught exception. The function returned takes the
   * listener away.
   */
  on<Name extends keyof CacheEvents>(
    event: Name,
    listener: (change: CacheEvents[Name]) => void,
  ): () => void {
    checkOpen(this.#shared);
    return this.#observers.on(event, listener);
  }

  /**
   * Removes all entries, those of namespaces too. Not in a cluster.
   * @throws SlabringError `OPTION`
   */
  clear(): void {
    checkOpen(this.#shared);
    this.#refuseToMember('clear', 'other members would give back their copies');
    for (const kept of this.#shared.kept) kept.forget();
    this.#arenas.clear();
  }

  /**
   * For `workerData` or `postMessage`: `attachCache(handle)` opens this cache in another thread.
   */
  share(): CacheHandle {
    checkOpen(this.#shared);
    return {
      slabring: 'cache',
      arenas: this.#arenas.handle,
      defaultTtlMs: this.#defaultTtlMs,
      decoded: this.#shared.decoded,
    };
  }

  /**
   * Ends this thread's use of the cache; other threads keep theirs. The memory is freed when no
   * thread has it open and no handle is left. Calling it again does nothing; any other call then
   * throws `CLOSED`. In a cluster, what the thread that called `openCache` closes leaves it, in the
   * background: `cluster.close()` tells when that is done.
   */
  close(): void {
    this.#close();
    // What goes wrong, its hooks are told.
    void this.cluster?.close();
  }

  #close(): void {
    if (this.#shared.closed) return;
    this.#observers.close();
    this.#jobs.close();
    this.#shared.closed = true;
    this.#stopUpkeep();
    for (const kept of this.#shared.kept) kept.close();
    this.#arenas.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refuseToMember(method: string, why: string): void {
    if (this.#arenas.facts.slotBytes === 0) return;
    throw new SlabringError('OPTION', `${method} is not for a member of a cluster: ${why}`);
  }

  /** The namespace of a change; the cache itself for keys of none. */
  #keyspaceOf(namespace: string | undefined): Keyspace {
    return namespace === undefined ? this : this.namespace(namespace);
  }
}
