/** What the cache, a namespace of it and a client have in common. */
import type {
  CopyOptions,
  Duration,
  IncrementOptions,
  Key,
  KeyDescription,
  KeyScanOptions,
  KeyType,
  LimitOptions,
  LimitResult,
  ScanPage,
  SetOptions,
  TimeLeft,
  TtlOptions,
  Versioned,
} from '../api.js';
import type { AtomicCommand, AtomicOptions, AtomicResult } from './atomic.js';
import type { Hash } from './hash.js';
import type { List } from './list.js';
import type { Members } from './members.js';
import type { Mode, Reply, Walk } from './runner.js';
import type { SortedSet } from './sorted.js';

type Entries = Iterable<readonly [Key, unknown]>;
type Optional<M extends Mode, T> = Reply<M, T | undefined>;

/**
 * The methods that the embedded cache and its namespaces (`Store<'sync'>`) share with the client
 * (`Store<'async'>`), whose methods of these names do the same and return promises. For code that
 * takes either: `await` what a `Store<Mode>` returns. Each method is explained where it is.
 */
export interface Store<M extends Mode> {
  /* Lists, sets, hashes, sorted sets. */
  list(key: Key): List<M>;
  members(key: Key): Members<M>;
  hash(key: Key): Hash<M>;
  sorted(key: Key): SortedSet<M>;

  /* Values. */
  get<T = unknown>(key: Key): Optional<M, T>;
  getBytes(key: Key): Optional<M, Uint8Array>;
  getVersioned<T = unknown>(key: Key): Optional<M, Versioned<T>>;
  set(key: Key, value: unknown, options?: SetOptions): Reply<M, boolean>;
  setBytes(key: Key, bytes: Uint8Array, options?: SetOptions): Reply<M, boolean>;
  swap<T = unknown>(key: Key, value: unknown, options?: SetOptions): Optional<M, T>;
  take<T = unknown>(key: Key): Optional<M, T>;
  getAndExpire<T = unknown>(key: Key, ttl: Duration): Optional<M, T>;
  increment(
    key: Key,
    delta?: number | bigint,
    options?: IncrementOptions,
  ): Reply<M, number | bigint>;
  incrementFloat(key: Key, delta: number, options?: TtlOptions): Reply<M, number>;
  append(key: Key, data: string | Uint8Array): Reply<M, number>;
  byteLength(key: Key): Reply<M, number>;
  getRange(key: Key, start: number, end?: number): Reply<M, Uint8Array>;
  setRange(key: Key, offset: number, data: string | Uint8Array): Reply<M, number>;

  /* Many values. */
  getMany<T = unknown>(keys: Iterable<Key>): Reply<M, (T | undefined)[]>;
  setMany(entries: Entries, options?: SetOptions): Reply<M, boolean[]>;
  getAll<T = unknown>(keys: Iterable<Key>): Reply<M, (T | undefined)[]>;
  setAll(entries: Entries, options?: TtlOptions): Reply<M, void>;
  setAllIfAbsent(entries: Entries, options?: TtlOptions): Reply<M, boolean>;

  /* Keys. */
  has(key: Key): Reply<M, boolean>;
  hasMany(keys: Iterable<Key>): Reply<M, number>;
  delete(key: Key): Reply<M, boolean>;
  deleteMany(keys: Iterable<Key>): Reply<M, number>;
  touch(key: Key): Reply<M, boolean>;
  touchMany(keys: Iterable<Key>): Reply<M, number>;
  ttl(key: Key): Reply<M, TimeLeft>;
  expire(key: Key, ttl: Duration): Reply<M, boolean>;
  persist(key: Key): Reply<M, boolean>;
  rename(key: Key, newKey: Key): Reply<M, void>;
  renameIfAbsent(key: Key, newKey: Key): Reply<M, boolean>;
  copy(key: Key, newKey: Key, options?: CopyOptions): Reply<M, boolean>;
  type(key: Key): Optional<M, KeyType>;
  memoryUsage(key: Key): Optional<M, number>;
  describe(key: Key): Optional<M, KeyDescription>;
  randomKey(): Optional<M, Key>;
  scan(options?: KeyScanOptions): Walk<M, Key>;
  scanPage(cursor: number, options?: KeyScanOptions): Reply<M, ScanPage>;
  keys(): Walk<M, Key>;
  values<T = unknown>(): Walk<M, T>;
  entries<T = unknown>(): Walk<M, [Key, T]>;
  clear(): Reply<M, void>;

  /* One step, leases, rate limits. */
  atomic(commands: Iterable<AtomicCommand>, options?: AtomicOptions): Reply<M, AtomicResult>;
  acquireLease(key: Key, owner: Key, ttl: Duration): Optional<M, number>;
  releaseLease(key: Key, owner: Key): Reply<M, boolean>;
  extendLease(key: Key, owner: Key, ttl: Duration): Reply<M, boolean>;
  limit(key: Key, options: LimitOptions): Reply<M, LimitResult>;
}
