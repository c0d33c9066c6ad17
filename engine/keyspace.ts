/**
 * What a cache and a namespace of it can do with keys: synchronous calls on memory that all threads
 * of the process share. This file turns JavaScript's keys, values and options into bytes and kernel
 * calls; what the calls do is the kernel's business.
 */
import type { Duration, IncrementOptions, Key, SetOptions, TimeLeft, Versioned } from './api.js';
import type { ArenaSet } from './arena-set.js';
import { checkBytes, checkFunction, iterate, readIncrementTtl } from './arguments.js';
import { packValue, readBytes, readOwnValue, readValue, writeBytes, writeValue } from './codec.js';
import { type DecodedConfig, DecodedValues } from './decoded.js';
import { ABSENT, CLOCK_WHEN_NEEDED, Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { checkDelta } from './handles/arguments.js';
import { lengthOfWord } from './keys.js';
import { LargeCalls } from './large-calls.js';
import type { Many, ManyKeys } from './many.js';
import { type KeyRoutes, MemberRoutes } from './member-routes.js';
import { Tag } from './msgpack.js';
import { readVersioned } from './reply.js';
import { SetArguments } from './setoptions.js';
import { IS_LARGE, REPLY_START, type Single } from './single.js';
import type { Space } from './space.js';
import type { Structures } from './structures.js';
import { parseDuration } from './units.js';
import { entriesOf, type FoundKey, keysOf, valuesOf, Walk } from './walk.js';

/** What a cache and its namespaces have in common in a thread. */
export interface SharedParts {
  readonly arenas: ArenaSet;
  readonly many: Many;
  readonly single: Single;
  readonly structures: Structures | undefined;
  readonly decoded: DecodedConfig | undefined;
  /** What the thread keeps decoded, of the cache and of each namespace. */
  readonly kept: DecodedValues[];
  /** Whether the cache was closed. */
  closed: boolean;
}

/** @throws SlabringError `CLOSED` */
export function checkOpen(parts: SharedParts): void {
  if (parts.closed) throw new SlabringError('CLOSED', 'the cache was closed in this thread');
}

/** The number of a key's partition, those of all arenas numbered through. */
export let partitionIn: (keyspace: Keyspace, key: Key) => number;

/**
 * The desk that a key belongs to, for reading it, or for writing it, and those of all arenas. They
 * throw `CLOSED`; in a cluster, the first two `MOVED`.
 */
export let deskIn: (keyspace: Keyspace, key: Key) => Desk;
export let deskToWriteIn: (keyspace: Keyspace, key: Key) => Desk;
export let desksIn: (keyspace: Keyspace) => readonly Desk[];
/** `peek`, which has no value for a collection. */
export let plainValueIn: (keyspace: Keyspace, key: Key) => unknown;

/** What the classes that extend {@link Keyspace} work with. */
export interface Inside {
  readonly shared: SharedParts;
  readonly space: Space | undefined;
  readonly large: LargeCalls;
  readonly manyKeys: ManyKeys;
  readonly defaultTtlMs: number;
  /** Where a key belongs. @throws SlabringError `CLOSED`; in a cluster `MOVED` */
  readonly deskFor: (key: Key) => Desk;
  readonly deskToWrite: (key: Key) => Desk;
}

/** Of a keyspace whose constructor has run. */
export let insideOf: (keyspace: Keyspace) => Inside;

/** The keys of a cache that are in no namespace, or those of one, as one thread works on them. */
export abstract class Keyspace {
  readonly #shared: SharedParts;
  readonly #space: Space | undefined;
  /** The first arena's, which is the only one as a rule. */
  readonly #desk: Desk;
  readonly #desks: readonly Desk[];
  /** Which of the desks a key belongs to; undefined with one. */
  readonly #routes: KeyRoutes | undefined;
  /** The same; of a member of a cluster, those that throw for keys that are not its own. */
  readonly #readRoutes: KeyRoutes | undefined;
  readonly #writeRoutes: KeyRoutes | undefined;
  readonly #large: LargeCalls;
  readonly #manyKeys: ManyKeys;
  readonly #defaultTtlMs: number;
  readonly #structures: Structures | undefined;
  /** Values that this thread keeps decoded, and the namespace's epoch that they are of. */
  readonly #decoded: DecodedValues | undefined;
  #decodedEpoch = 0;
  readonly #setArguments = new SetArguments();

  static {
    partitionIn = (keyspace, key) => keyspace.#partitionOf(key);
    deskIn = (keyspace, key) => keyspace.#deskFor(key);
    deskToWriteIn = (keyspace, key) => keyspace.#deskToWrite(key);
    desksIn = (keyspace) => {
      keyspace.#checkOpen();
      return keyspace.#desks;
    };
    plainValueIn = (keyspace, key) => keyspace.#peekPlain(key);
    insideOf = (keyspace) => ({
      shared: keyspace.#shared,
      space: keyspace.#space,
      large: keyspace.#large,
      manyKeys: keyspace.#manyKeys,
      defaultTtlMs: keyspace.#defaultTtlMs,
      deskFor: (key) => keyspace.#deskFor(key),
      deskToWrite: (key) => keyspace.#deskToWrite(key),
    });
  }

  /** @param space the namespace; undefined: keys of none */
  constructor(shared: SharedParts, defaultTtlMs: number, space?: Space) {
    const { arenas, routes, facts } = shared.arenas;
    this.#shared = shared;
    this.#space = space;
    this.#desks = arenas.map((arena) => new Desk(arena, space));
    this.#desk = this.#desks[0]!;
    this.#routes = routes;
    const isMember = facts.slotBytes > 0;
    this.#readRoutes = isMember ? new MemberRoutes(shared.arenas, false) : routes;
    this.#writeRoutes = isMember ? new MemberRoutes(shared.arenas, true) : routes;
    this.#defaultTtlMs = defaultTtlMs;
    this.#structures = shared.structures;
    this.#large = new LargeCalls(facts.maxValueBytes, this.#structures);
    this.#manyKeys = {
      space,
      deskToWrite: (key) => this.#deskToWrite(key),
      check: isMember
        ? (key, isWrite) => void (isWrite ? this.#deskToWrite(key) : this.#deskFor(key))
        : undefined,
    };
    if (shared.decoded === undefined) return;
    this.#decoded = new DecodedValues(
      shared.decoded,
      (key) => this.#deskFor(key),
      this.#structures,
    );
    shared.kept.push(this.#decoded);
  }

  /**
   * The value of the key, or `undefined` when it is absent or expired.
   * @throws SlabringError `WRONGTYPE` when it is a list, set, hash or sorted set, or a value that
   * JavaScript has no type for
   */
  get<T = unknown>(key: Key): T | undefined {
    if (this.#decoded !== undefined && typeof key === 'string') {
      if (this.#space !== undefined) this.#forgetCleared(this.#space, this.#decoded);
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
   * @throws SlabringError as `get` does
   */
  peek<T = unknown>(key: Key): T | undefined {
    const desk = this.#deskFor(key);
    const word = desk.writeKey(key);
    const length = desk.kernel.peekDirect(desk.slot, word, CLOCK_WHEN_NEEDED);
    if (length < 0) return this.#large.read(length, desk, key, 'peek') as T | undefined;
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
    const desk = this.#deskToWrite(key);
    const word = desk.writeKey(key);
    const start = lengthOfWord(word);
    const end = writeValue(value, packed, desk.request, start, desk.passingBytes);
    if (end > 0) return desk.store(word, end - start, ttlMs, flags, version);
    return this.#large.set(desk, word, value, packed, ttlMs, flags, version).stored;
  }

  /**
   * Stores bytes, which every msgpack client reads as bytes.
   * @returns false when a condition of the options was not met, and then nothing has changed
   * @throws SlabringError as `set` does
   */
  setBytes(key: Key, value: Uint8Array, options?: SetOptions): boolean {
    checkBytes(value, 'setBytes');
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const desk = this.#deskToWrite(key);
    const word = desk.writeKey(key);
    const start = lengthOfWord(word);
    const end = writeBytes(value, desk.request, start, desk.passingBytes);
    if (end > 0) return desk.store(word, end - start, ttlMs, flags, version);
    return this.#large.set(desk, word, value, undefined, ttlMs, flags, version).stored;
  }

  /** Removes the key; true when it was present. */
  delete(key: Key): boolean {
    const desk = this.#deskToWrite(key);
    const word = desk.writeKey(key);
    return desk.kernel.deleteDirect(desk.slot, word, Date.now()) === 1;
  }

  /** Whether the key is present. Does not count as a use of it. */
  has(key: Key): boolean {
    const desk = this.#deskFor(key);
    const word = desk.writeKey(key);
    return desk.kernel.hasDirect(desk.slot, word, Date.now()) === 1;
  }

  /**
   * Milliseconds left, `Infinity` when the entry does not expire, `undefined` when the key is
   * absent.
   */
  ttl(key: Key): TimeLeft {
    const left = this.#shared.single.begin(this.#deskFor(key), 'TTL', key, 1).finish() as number;
    if (left === -2) return undefined;
    return left === -1 ? Infinity : left;
  }

  /** Sets the time to live from now on (0: it does not expire); false when the key is absent. */
  expire(key: Key, ttl: Duration): boolean {
    const ttlMs = parseDuration(ttl, 'ttl');
    const frame = this.#shared.single.begin(this.#deskToWrite(key), 'EXPIRE', key, 2);
    return frame.integer(ttlMs).finish() as boolean;
  }

  /** Removes the expiry; true when there was one. */
  persist(key: Key): boolean {
    return this.#shared.single.begin(this.#deskToWrite(key), 'PERSIST', key, 1).finish() as boolean;
  }

  /** Marks the key as used, for eviction; true when it is present. */
  touch(key: Key): boolean {
    return this.#shared.single.begin(this.#deskFor(key), 'TOUCH', key, 1).finish() === 1;
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
    const frame = this.#shared.single.begin(this.#deskToWrite(key), 'INCR', key, 3);
    return frame.integer(delta).integer(ttlMs).finish() as number | bigint;
  }

  /**
   * The value with its version for `ifVersion`, or `undefined` when the key is absent.
   * @throws SlabringError as `get` does
   */
  getVersioned<T = unknown>(key: Key): Versioned<T> | undefined {
    const desk = this.#deskToWrite(key);
    const end = this.#shared.single.begin(desk, 'GETV', key, 1).run();
    if (end === IS_LARGE) return this.#large.readVersioned<T>(desk, key);
    return readVersioned<T>(desk.reply, REPLY_START, end, this.#structures);
  }

  /**
   * Stores a value as `set` does and returns the one it replaced, or `undefined` when there was
   * none. (So an old value of null reads as `undefined`.) With conditions among the options: the
   * value present before, stored or not.
   * @throws SlabringError as `set` does; `WRONGTYPE` when there is a collection, which stays
   */
  swap<T = unknown>(key: Key, value: unknown, options?: SetOptions): T | undefined {
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const packed = packValue(value, this.#structures);
    const desk = this.#deskToWrite(key);
    const word = desk.writeKey(key);
    const start = lengthOfWord(word);
    const end = writeValue(value, packed, desk.request, start, desk.passingBytes);
    return this.#large.swap(desk, word, end, value, packed, ttlMs, flags, version) as T;
  }

  /**
   * The values of the keys in their order, `undefined` for each that is absent, or is a list, set,
   * hash or sorted set. Faster than as many calls of `get`: the kernel looks up dozens of keys at a
   * time.
   */
  getMany<T = unknown>(keys: Iterable<Key>): (T | undefined)[] {
    const list = [...iterate(keys, 'getMany', 'keys')];
    const readNull = (key: Key) => this.#peekPlain(key) as T | undefined;
    return this.#shared.many.get(list, readNull, this.#manyKeys);
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
    return this.#shared.many.set(
      iterate(entries, 'setMany', '[key, value] pairs'),
      args,
      this.#manyKeys,
    );
  }

  /** Removes the keys; how many of them were present. */
  deleteMany(keys: Iterable<Key>): number {
    const list = iterate(keys, 'deleteMany', 'keys');
    return this.#shared.many.sumForKeys('DEL', list, this.#manyKeys);
  }

  /** How many of the keys are present; one given twice counts twice. */
  hasMany(keys: Iterable<Key>): number {
    const list = iterate(keys, 'hasMany', 'keys');
    return this.#shared.many.sumForKeys('EXISTS', list, this.#manyKeys);
  }

  /** Marks the keys as used, for eviction; how many of them are present. */
  touchMany(keys: Iterable<Key>): number {
    const list = iterate(keys, 'touchMany', 'keys');
    return this.#shared.many.sumForKeys('TOUCH', list, this.#manyKeys);
  }

  /**
   * All keys, those of collections too, in no order that means anything. Text where a key's bytes
   * are UTF-8 (also of a key that was given as bytes), a Buffer of its own where they are not.
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
   * All values, as `keys` returns all keys, but nothing for lists, sets, hashes and sorted sets.
   * Each is the value of that moment.
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
  abstract get size(): number;

  #peekPlain(key: Key): unknown {
    const desk = this.#deskHere(key);
    const word = desk.writeKey(key);
    const length = desk.kernel.peekDirect(desk.slot, word, CLOCK_WHEN_NEEDED);
    if (length >= 0) return readValue(desk.reply, 0, length, this.#structures);
    const bytes = length === ABSENT ? undefined : desk.peekPlain(key);
    return bytes && readOwnValue(bytes, this.#structures);
  }

  #partitionOf(key: Key): number {
    const desk = this.#deskHere(key);
    const first = this.#desks.indexOf(desk) * desk.arena.facts.partitions;
    return first + desk.kernel.partitionOfKey(desk.slot, desk.writeKey(key));
  }

  /**
   * Drops what is kept decoded if the namespace was cleared since. A value that is kept while the
   * epoch is this one was read in it or later, so with the same epoch now, it was not cleared.
   */
  #forgetCleared(space: Space, decoded: DecodedValues): void {
    const { epoch } = space;
    if (epoch === this.#decodedEpoch) return;
    decoded.forget();
    this.#decodedEpoch = epoch;
  }

  #walk(wantsValues: boolean): Walk {
    this.#checkOpen();
    return new Walk(this.#desks, () => this.#checkOpen(), wantsValues, this.#structures);
  }

  /**
   * To be called after all code of the caller, such as a value's `toJSON`: it might close the
   * cache.
   */
  #checkOpen(): void {
    if (this.#shared.closed) checkOpen(this.#shared);
  }

  /** Where the key belongs, to be read. Checks no key: writing it does. */
  #deskFor(key: Key): Desk {
    this.#checkOpen();
    const routes = this.#readRoutes;
    return routes === undefined ? this.#desk : this.#desks[routes.arenaOf(key)]!;
  }

  /** The same, to be written. */
  #deskToWrite(key: Key): Desk {
    this.#checkOpen();
    const routes = this.#writeRoutes;
    return routes === undefined ? this.#desk : this.#desks[routes.arenaOf(key)]!;
  }

  /** Where a key is in this memory, if it is there, whoever it belongs to. */
  #deskHere(key: Key): Desk {
    this.#checkOpen();
    return this.#routes === undefined ? this.#desk : this.#desks[this.#routes.arenaOf(key)]!;
  }
}
