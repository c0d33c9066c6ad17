/**
 * The embedded cache: synchronous calls on memory that all threads of the process share. This file
 * turns JavaScript's keys, values and options into bytes and kernel calls; what the calls do is the
 * kernel's business.
 */
import type { Duration, IncrementOptions, Key, SetOptions, TimeLeft, Versioned } from './api.js';
import type { ArenaStats } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import { checkBytes, checkDelta, checkFunction, iterate, readIncrementTtl } from './arguments.js';
import type { Changes, ChangesOptions } from './changes.js';
import { packValue, readBytes, readValue, writeBytes, writeValue } from './codec.js';
import { type DecodedConfig, DecodedValues } from './decoded.js';
import { CLOCK_WHEN_NEEDED, Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { type CacheEvents, Observers } from './events.js';
import * as jobs from './jobs/cache-jobs.js';
import { writeKey } from './keys.js';
import { LargeCalls } from './large-calls.js';
import { Many } from './many.js';
import { Tag } from './msgpack.js';
import type { CacheHandle } from './open.js';
import { readVersioned } from './reply.js';
import type { Routes } from './route.js';
import { SetArguments } from './setoptions.js';
import { IS_LARGE, REPLY_START, Single } from './single.js';
import { openStructures, type Structures } from './structures.js';
import { parseDuration } from './units.js';
import { entriesOf, type FoundKey, keysOf, valuesOf, Walk } from './walk.js';

/** A cache as one thread has it open. Made by `openCache` and `attachCache`. */
export class Cache {
  readonly #arenas: ArenaSet;
  /** The first arena's, which is the only one as a rule. */
  readonly #desk: Desk;
  readonly #desks: readonly Desk[];
  /** Which of the desks a key belongs to; undefined with one. */
  readonly #routes: Routes | undefined;
  readonly #large: LargeCalls;
  readonly #defaultTtlMs: number;
  readonly #many: Many;
  readonly #structures: Structures | undefined;
  readonly #decodedConfig: DecodedConfig | undefined;
  /** Values that this thread keeps decoded. */
  readonly #decoded: DecodedValues | undefined;
  readonly #setArguments = new SetArguments();
  readonly #stopUpkeep: () => void;
  readonly #single: Single;
  readonly #observers: Observers;
  readonly #jobs: jobs.CacheJobs;
  #closed = false;

  /** Use `openCache` or `attachCache`. The cache owns the arenas: `close` closes them. */
  constructor(arenas: ArenaSet, defaultTtlMs: number, decoded?: DecodedConfig) {
    this.#arenas = arenas;
    this.#desks = arenas.arenas.map((arena) => new Desk(arena));
    this.#desk = this.#desks[0]!;
    this.#single = new Single(this.#desk);
    this.#routes = arenas.routes;
    this.#defaultTtlMs = defaultTtlMs;
    // One region serves all: structures are the same, wherever their values are.
    this.#structures = openStructures(arenas.arenas[0]!);
    this.#large = new LargeCalls(arenas.facts.maxValueBytes, this.#structures);
    this.#observers = new Observers({
      arenas: arenas.arenas,
      currentValue: (key) => this.peek(key),
      partitionOf: (key) => this.#partitionOf(key),
      structures: this.#structures,
    });
    const open = { check: () => this.#checkOpen(), deskFor: (key: Key) => this.#deskFor(key) };
    this.#many = new Many(arenas, open, this.#structures);
    this.#decodedConfig = decoded;
    this.#decoded =
      decoded && new DecodedValues(decoded, (key) => this.#deskFor(key), this.#structures);
    this.#stopUpkeep = arenas.startUpkeep();
    this.#jobs = new jobs.CacheJobs(arenas, defaultTtlMs);
  }

  /** The value of the key, or `undefined` when it is absent or expired. */
  get<T = unknown>(key: Key): T | undefined {
    if (this.#decoded !== undefined && typeof key === 'string') {
      return this.#decoded.get(key) as T | undefined;
    }
    const desk = this.#deskFor(key);
    const length = desk.find(key);
    if (length < 0) return this.#large.read(length, desk, key, 'get') as T | undefined;
    if (desk.reply[0] === Tag.BIN8) return desk.shortBytes.copy(length - 2) as T;
    return readValue(desk.reply, 0, length, this.#structures) as T;
  }

  /**
   * `get` that leaves no trace: the entry does not count as used for eviction, and the call neither
   * as a hit nor as a miss.
   */
  peek<T = unknown>(key: Key): T | undefined {
    const desk = this.#deskFor(key);
    const length = desk.kernel.peekDirect(desk.slot, writeKey(key, desk.keys), CLOCK_WHEN_NEEDED);
    if (length < 0) return this.#large.read(length, desk, key, 'peek') as T | undefined;
    return readValue(desk.reply, 0, length, this.#structures) as T;
  }

  /**
   * `get` and `delete` in one: of several threads that take a key, one gets the value. A value that
   * JavaScript has no type for (`WRONGTYPE`) is gone too.
   */
  take<T = unknown>(key: Key): T | undefined {
    const desk = this.#deskFor(key);
    const length = desk.kernel.takeDirect(desk.slot, writeKey(key, desk.keys), Date.now());
    if (length < 0) return this.#large.read(length, desk, key, 'take') as T | undefined;
    return readValue(desk.reply, 0, length, this.#structures) as T;
  }

  /**
   * The bytes of a value that is bytes or a string (then its UTF-8), or `undefined` when the key is
   * absent. The result is a copy that belongs to the caller.
   * @throws SlabringError `WRONGTYPE` when the value is neither
   */
  getBytes(key: Key): Buffer | undefined {
    const desk = this.#deskFor(key);
    const length = desk.find(key);
    if (length < 0) return this.#large.readBytes(length, desk, key);
    if (desk.reply[0] === Tag.BIN8) return desk.shortBytes.copy(length - 2);
    return readBytes(desk.reply, 0, length);
  }

  /**
   * Stores a value: whatever msgpack can hold (see engine/codec.ts), but not `undefined` or a
   * function.
   * @returns false when a condition of the options was not met, and then nothing has changed
   * @throws SlabringError `OPTION` for a wrong key, value or option, `TOOLARGE`, `OOM` with the
   * policy `'none'`
   */
  set(key: Key, value: unknown, options?: SetOptions): boolean {
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const packed = packValue(value, this.#structures);
    const desk = this.#deskFor(key);
    const keyLength = writeKey(key, desk.keys);
    const end = writeValue(value, packed, desk.request, keyLength, desk.passingBytes);
    if (end > 0) return desk.store(keyLength, end - keyLength, ttlMs, flags, version);
    return this.#large.set(desk, keyLength, value, packed, ttlMs, flags, version).stored;
  }

  /**
   * Stores bytes, which every msgpack client reads as bytes.
   * @returns false when a condition of the options was not met, and then nothing has changed
   * @throws SlabringError as `set` does
   */
  setBytes(key: Key, value: Uint8Array, options?: SetOptions): boolean {
    checkBytes(value, 'setBytes');
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const desk = this.#deskFor(key);
    const keyLength = writeKey(key, desk.keys);
    const end = writeBytes(value, desk.request, keyLength, desk.passingBytes);
    if (end > 0) return desk.store(keyLength, end - keyLength, ttlMs, flags, version);
    return this.#large.set(desk, keyLength, value, undefined, ttlMs, flags, version).stored;
  }

  /** Removes the key; true when it was present. */
  delete(key: Key): boolean {
    const desk = this.#deskFor(key);
    return desk.kernel.deleteDirect(desk.slot, writeKey(key, desk.keys), Date.now()) === 1;
  }

  /** Whether the key is present. Does not count as a use of it. */
  has(key: Key): boolean {
    const desk = this.#deskFor(key);
    return desk.kernel.hasDirect(desk.slot, writeKey(key, desk.keys), Date.now()) === 1;
  }

  /**
   * Milliseconds left, `Infinity` when the entry does not expire, `undefined` when the key is
   * absent.
   */
  ttl(key: Key): TimeLeft {
    const left = this.#single.begin(this.#deskFor(key), 'TTL', key, 1).finish() as number;
    if (left === -2) return undefined;
    return left === -1 ? Infinity : left;
  }

  /** Sets the time to live from now on (0: it does not expire); false when the key is absent. */
  expire(key: Key, ttl: Duration): boolean {
    const ttlMs = parseDuration(ttl, 'ttl');
    const frame = this.#single.begin(this.#deskFor(key), 'EXPIRE', key, 2);
    return frame.integer(ttlMs).finish() as boolean;
  }

  /** Removes the expiry; true when there was one. */
  persist(key: Key): boolean {
    return this.#single.begin(this.#deskFor(key), 'PERSIST', key, 1).finish() as boolean;
  }

  /** Marks the key as used, for eviction; true when it is present. */
  touch(key: Key): boolean {
    return this.#single.begin(this.#deskFor(key), 'TOUCH', key, 1).finish() === 1;
  }

  /**
   * Adds `delta` to an integer value and returns the sum, as a bigint beyond what a number holds
   * exactly. An absent key counts as 0, and the entry made gets the `ttl` of the options, or the
   * cache's.
   * @throws SlabringError `WRONGTYPE` when the value is no integer, `OVERFLOW` beyond 64 bits,
   * `OPTION`, `OOM`
   */
  increment(key: Key, delta: number | bigint = 1, options?: IncrementOptions): number | bigint {
    checkDelta(delta);
    const ttlMs = readIncrementTtl(options, this.#defaultTtlMs);
    const frame = this.#single.begin(this.#deskFor(key), 'INCR', key, 3);
    return frame.integer(delta).integer(ttlMs).finish() as number | bigint;
  }

  /** The value with its version for `ifVersion`, or `undefined` when the key is absent. */
  getVersioned<T = unknown>(key: Key): Versioned<T> | undefined {
    const desk = this.#deskFor(key);
    const end = this.#single.begin(desk, 'GETV', key, 1).run();
    if (end === IS_LARGE) return this.#large.readVersioned<T>(desk, key);
    return readVersioned<T>(desk.reply, REPLY_START, end, this.#structures);
  }

  /**
   * Stores a value as `set` does and returns the one it replaced, or `undefined` when there was
   * none. (So an old value of null reads as `undefined`.) With conditions among the options: the
   * value present before, stored or not.
   * @throws SlabringError as `set` does
   */
  swap<T = unknown>(key: Key, value: unknown, options?: SetOptions): T | undefined {
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const packed = packValue(value, this.#structures);
    const desk = this.#deskFor(key);
    const keyLength = writeKey(key, desk.keys);
    const end = writeValue(value, packed, desk.request, keyLength, desk.passingBytes);
    return this.#large.swap(desk, keyLength, end, value, packed, ttlMs, flags, version) as T;
  }

  /**
   * The values of the keys in their order, `undefined` for each absent one. Faster than as many
   * calls of `get`: the kernel looks up dozens of keys at a time.
   */
  getMany<T = unknown>(keys: Iterable<Key>): (T | undefined)[] {
    const list = [...iterate(keys, 'getMany', 'keys')];
    return this.#many.get(list, (key) => (this.has(key) ? this.get<T>(key) : undefined));
  }

  /**
   * Stores `[key, value]` pairs, such as a Map has, each as `set` does with the same options. The
   * calls are not one transaction: other threads may see some of the entries before the others.
   * @returns for each pair whether it was stored
   * @throws SlabringError as `set` does. For a wrong pair before anything is stored; for `OOM`
   * after the others were
   */
  setMany(entries: Iterable<readonly [Key, unknown]>, options?: SetOptions): boolean[] {
    const args = new SetArguments().read(options, this.#defaultTtlMs);
    return this.#many.set(iterate(entries, 'setMany', '[key, value] pairs'), args);
  }

  /** Removes the keys; how many of them were present. */
  deleteMany(keys: Iterable<Key>): number {
    return this.#many.sumForKeys('DEL', iterate(keys, 'deleteMany', 'keys'));
  }

  /** How many of the keys are present; one given twice counts twice. */
  hasMany(keys: Iterable<Key>): number {
    return this.#many.sumForKeys('EXISTS', iterate(keys, 'hasMany', 'keys'));
  }

  /** Marks the keys as used, for eviction; how many of them are present. */
  touchMany(keys: Iterable<Key>): number {
    return this.#many.sumForKeys('TOUCH', iterate(keys, 'touchMany', 'keys'));
  }

  /**
   * All keys, one after the other, in no order that means anything. Text where a key's bytes are
   * UTF-8 (also of a key that was given as bytes), a Buffer of its own where they are not.
   *
   * This thread and others may write meanwhile. A key that is there all the time is returned
   * exactly once. One that comes or goes meanwhile is returned once or not at all; and no key that
   * is not there at that moment. Nothing is marked as used or counted. After `close()` the next
   * step throws `CLOSED`.
   */
  keys(): Generator<FoundKey, void, undefined> {
    return keysOf(this.#walk(false));
  }

  /**
   * All values, as `keys` returns all keys. Each is the value of that moment.
   * @throws SlabringError `WRONGTYPE` at a value that JavaScript has no type for
   */
  values<T = unknown>(): Generator<T, void, undefined> {
    return valuesOf<T>(this.#walk(true));
  }

  /** All `[key, value]` pairs, as `keys` and `values`. */
  entries<T = unknown>(): Generator<[FoundKey, T], void, undefined> {
    return entriesOf<T>(this.#walk(true));
  }

  [Symbol.iterator](): Generator<[FoundKey, unknown], void, undefined> {
    return this.entries();
  }

  /**
   * Calls the function for each entry, in the order of `entries` and with what that says about
   * writes meanwhile.
   */
  forEach<T = unknown>(call: (value: T, key: FoundKey, cache: this) => void): void {
    checkFunction(call, 'forEach');
    for (const [key, value] of this.entries<T>()) call(value, key, this);
  }

  /** How many entries there are. Expired ones count until their memory has been taken back. */
  get size(): number {
    return this.stats().entries;
  }

  /** Counters and sizes of the whole cache, all threads together. */
  stats(): ArenaStats {
    this.#checkOpen();
    this.#decoded?.countHits();
    return this.#arenas.stats();
  }

  /**
   * Walks all of the cache's memory; the first broken rule as text, or `undefined` when all is
   * well. For tests.
   */
  checkIntegrity(): string | undefined {
    this.#checkOpen();
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
   * Stores the entries of a file, by other threads.
   * @throws ImportError at a wrong entry; SlabringError as `verify`
   */
  importFile(path: string | URL, options?: jobs.ImportOptions): Promise<jobs.ImportResult> {
    return this.#jobs.importFile(path, options);
  }

  /**
   * Writes all entries into a file that `importFile` reads, by another thread.
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
    this.#checkOpen();
    return this.#arenas.reapThreads(endedThreadId);
  }

  /**
   * What becomes of entries from now on, whichever thread does it: in order for each key, with
   * values. The log that it reads is on while somebody reads it.
   * @throws SlabringError `OPTION`; `OOM` when there is no memory for the log
   */
  changes(options?: ChangesOptions): Changes {
    this.#checkOpen();
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
    this.#checkOpen();
    return this.#observers.on(event, listener);
  }

  /** Removes all entries. */
  clear(): void {
    this.#checkOpen();
    this.#decoded?.forget();
    this.#arenas.clear();
  }

  /**
   * For `workerData` or `postMessage`: `attachCache(handle)` opens this cache in another thread.
   */
  share(): CacheHandle {
    this.#checkOpen();
    return {
      slabring: 'cache',
      arenas: this.#arenas.handle,
      defaultTtlMs: this.#defaultTtlMs,
      decoded: this.#decodedConfig,
    };
  }

  /**
   * Ends this thread's use of the cache; other threads keep theirs. The memory is freed when no
   * thread has it open and no handle is left. Calling it again does nothing; any other call then
   * throws `CLOSED`.
   */
  close(): void {
    if (this.#closed) return;
    this.#observers.close();
    this.#jobs.close();
    this.#closed = true;
    this.#stopUpkeep();
    this.#decoded?.close();
    this.#arenas.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * To be called after all code of the caller, such as a value's `toJSON`: it might close the
   * cache.
   */
  #checkOpen(): void {
    if (this.#closed) throw new SlabringError('CLOSED', 'the cache was closed in this thread');
  }

  #walk(wantsValues: boolean): Walk {
    this.#checkOpen();
    return new Walk(this.#desks, () => this.#checkOpen(), wantsValues, this.#structures);
  }

  /** The number of the key's partition, those of all arenas numbered through. */
  #partitionOf(key: Key): number {
    const desk = this.#deskFor(key);
    const first = this.#desks.indexOf(desk) * desk.arena.facts.partitions;
    return first + desk.kernel.partitionOfKey(desk.slot, writeKey(key, desk.keys));
  }

  /** Where the key belongs. Checks no key: writing it does. */
  #deskFor(key: Key): Desk {
    this.#checkOpen();
    return this.#routes === undefined ? this.#desk : this.#desks[this.#routes.arenaOf(key)]!;
  }
}
