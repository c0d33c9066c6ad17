/**
 * The embedded cache: synchronous calls on memory that all threads of the process share. This file
 * turns JavaScript's keys, values and options into bytes and kernel calls; what the calls do is the
 * kernel's business.
 */
import type { Duration, IncrementOptions, Key, SetOptions, TimeLeft, Versioned } from './api.js';
import type { Arena, ArenaStats } from './arena.js';
import { checkDelta, iterate, readIncrementTtl } from './arguments.js';
import { Batch, FRAME_ID, writeCommand } from './batch.js';
import { type Packed, packValue, readBytes, readValue, writeBytes, writeValue } from './codec.js';
import { COMMANDS, type CommandName, SetFlag } from './commands.js';
import { SlabringError } from './errors.js';
import { FrameExecutor, isFault } from './frame.js';
import { BLOCK_REPLY_BYTES, type KernelExports } from './kernel-exports.js';
import { KeyArea, keyBytes, writeKey } from './keys.js';
import { Tag, valueEnd, writeBigInteger, writeInteger } from './msgpack.js';
import type { CacheHandle } from './open.js';
import { ReplyReader, readReply } from './reply.js';
import { SetArguments } from './setoptions.js';
import { ShortBytes } from './short-bytes.js';
import { parseDuration, show } from './units.js';

/** For `getDirect`: the kernel reads the clock itself when it meets an entry with an expiry. */
const CLOCK_WHEN_NEEDED = -1;

/** A cache as one thread has it open. Made by `openCache` and `attachCache`. */
export class Cache {
  readonly #arena: Arena;
  readonly #kernel: KernelExports;
  readonly #slot: number;
  readonly #keys: KeyArea;
  readonly #request: Buffer;
  readonly #reply: Buffer;
  readonly #shortBytes: ShortBytes;
  readonly #maxValueBytes: number;
  readonly #defaultTtlMs: number;
  readonly #executor: FrameExecutor<undefined>;
  readonly #setArguments = new SetArguments();
  /** `exec` is through with a frame. */
  readonly #done: number;
  /**
   * Where the frame that `#begin` began ends. No code of a caller runs between that and `#finish`.
   */
  #end = 0;
  #closed = false;

  /** Use `openCache` or `attachCache`. The cache owns the arena: `close` closes it. */
  constructor(arena: Arena, defaultTtlMs: number) {
    this.#arena = arena;
    this.#kernel = arena.kernel;
    this.#slot = arena.slot;
    this.#done = arena.kernel.EXEC_DONE.value;
    this.#keys = new KeyArea(arena.request);
    this.#request = this.#keys.bytes;
    this.#reply = Buffer.from(arena.reply.buffer, arena.reply.byteOffset, arena.reply.byteLength);
    this.#shortBytes = new ShortBytes(this.#reply);
    this.#maxValueBytes = arena.facts.maxValueBytes;
    this.#defaultTtlMs = defaultTtlMs;
    this.#executor = new FrameExecutor<undefined>(arena, refuseHostCommand, {
      // The caller asked for the values of these keys; how many bytes that is, is his to know.
      maxReplyBytes: Infinity,
      // Looked up at each call, as the other methods do: the two clocks must be one.
      now: () => Date.now(),
    });
  }

  /** The value of the key, or `undefined` when it is absent or expired. */
  get<T = unknown>(key: Key): T | undefined {
    const length = this.#find(key);
    if (length < 0) return undefined;
    if (this.#reply[0] === Tag.BIN8) return this.#shortBytes.copy(length - 2) as T;
    return readValue(this.#reply, 0, length) as T;
  }

  /**
   * The bytes of a value that is bytes or a string (then its UTF-8), or `undefined` when the key is
   * absent. The result is a copy that belongs to the caller.
   * @throws SlabringError `WRONGTYPE` when the value is neither
   */
  getBytes(key: Key): Buffer | undefined {
    const length = this.#find(key);
    if (length < 0) return undefined;
    if (this.#reply[0] === Tag.BIN8) return this.#shortBytes.copy(length - 2);
    return readBytes(this.#reply, 0, length);
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
    const packed = packValue(value);
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    const end = writeValue(value, packed, this.#request, keyLength, this.#maxValueBytes);
    return this.#store(keyLength, end - keyLength, ttlMs, flags, version);
  }

  /**
   * Stores bytes, which every msgpack client reads as bytes.
   * @returns false when a condition of the options was not met, and then nothing has changed
   * @throws SlabringError as `set` does
   */
  setBytes(key: Key, value: Uint8Array, options?: SetOptions): boolean {
    if (!(value instanceof Uint8Array)) {
      throw new SlabringError('OPTION', `setBytes takes a Uint8Array, not ${show(value)}`);
    }
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    const end = writeBytes(value, this.#request, keyLength, this.#maxValueBytes);
    return this.#store(keyLength, end - keyLength, ttlMs, flags, version);
  }

  /** Removes the key; true when it was present. */
  delete(key: Key): boolean {
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    return this.#kernel.deleteDirect(this.#slot, keyLength, Date.now()) === 1;
  }

  /** Whether the key is present. Does not count as a use of it. */
  has(key: Key): boolean {
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    return this.#kernel.hasDirect(this.#slot, keyLength, Date.now()) === 1;
  }

  /**
   * Milliseconds left, `Infinity` when the entry does not expire, `undefined` when the key is
   * absent.
   */
  ttl(key: Key): TimeLeft {
    this.#begin('TTL', key, 1);
    const left = this.#finish() as number;
    if (left === -2) return undefined;
    return left === -1 ? Infinity : left;
  }

  /** Sets the time to live from now on (0: it does not expire); false when the key is absent. */
  expire(key: Key, ttl: Duration): boolean {
    const ttlMs = parseDuration(ttl, 'ttl');
    this.#begin('EXPIRE', key, 2);
    this.#end = writeInteger(ttlMs, this.#request, this.#end);
    return this.#finish() as boolean;
  }

  /** Removes the expiry; true when there was one. */
  persist(key: Key): boolean {
    this.#begin('PERSIST', key, 1);
    return this.#finish() as boolean;
  }

  /** Marks the key as used, for eviction; true when it is present. */
  touch(key: Key): boolean {
    this.#begin('TOUCH', key, 1);
    return this.#finish() === 1;
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
    this.#begin('INCR', key, 3);
    this.#end =
      typeof delta === 'bigint'
        ? writeBigInteger(delta, this.#request, this.#end)
        : writeInteger(delta, this.#request, this.#end);
    this.#end = writeInteger(ttlMs, this.#request, this.#end);
    return this.#finish() as number | bigint;
  }

  /** The value with its version for `ifVersion`, or `undefined` when the key is absent. */
  getVersioned<T = unknown>(key: Key): Versioned<T> | undefined {
    this.#begin('GETV', key, 1);
    const reply = this.#finish() as [T, number] | null;
    return reply === null ? undefined : { value: reply[0], version: reply[1] };
  }

  /**
   * Stores a value as `set` does and returns the one it replaced, or `undefined` when there was
   * none. (So an old value of null reads as `undefined`.) With conditions among the options: the
   * value present before, stored or not.
   * @throws SlabringError as `set` does
   */
  swap<T = unknown>(key: Key, value: unknown, options?: SetOptions): T | undefined {
    const { ttlMs, flags, version } = this.#setArguments.read(options, this.#defaultTtlMs);
    const packed = packValue(value);
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    const end = writeValue(value, packed, this.#request, keyLength, this.#maxValueBytes);
    this.#store(keyLength, end - keyLength, ttlMs, flags | SetFlag.GET, version);
    const old = readValue(this.#reply, 0, valueEnd(this.#reply, 0));
    return (old ?? undefined) as T | undefined;
  }

  /**
   * The values of the keys in their order, `undefined` for each absent one. Faster than as many
   * calls of `get`: the kernel looks up dozens of keys at a time.
   */
  getMany<T = unknown>(keys: Iterable<Key>): (T | undefined)[] {
    const list = [...iterate(keys, 'getMany', 'keys')];
    const values = this.#forKeys('GET', list) as (T | null | undefined)[];
    for (let i = 0; i < values.length; i++) {
      // A frame says nil for an absent key and for a stored null.
      if (values[i] === null) values[i] = this.has(list[i]!) ? this.get(list[i]!) : undefined;
    }
    return values as (T | undefined)[];
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
    const batch = new Batch();
    for (const entry of iterate(entries, 'setMany', '[key, value] pairs')) {
      if (!Array.isArray(entry) || entry.length !== 2) {
        throw new SlabringError('OPTION', `setMany takes [key, value] pairs, not ${show(entry)}`);
      }
      const [key, value] = entry as [Key, unknown];
      const packed = packValue(value);
      batch.begin(COMMANDS.SET.code, key, 5);
      this.#writeSetArguments(batch, value, packed, args);
    }
    return this.#run(batch) as boolean[];
  }

  /** Removes the keys; how many of them were present. */
  deleteMany(keys: Iterable<Key>): number {
    return sum(this.#forKeys('DEL', iterate(keys, 'deleteMany', 'keys')));
  }

  /** How many of the keys are present; one given twice counts twice. */
  hasMany(keys: Iterable<Key>): number {
    return sum(this.#forKeys('EXISTS', iterate(keys, 'hasMany', 'keys')));
  }

  /** Marks the keys as used, for eviction; how many of them are present. */
  touchMany(keys: Iterable<Key>): number {
    return sum(this.#forKeys('TOUCH', iterate(keys, 'touchMany', 'keys')));
  }

  /** How many entries there are. Expired ones count until their memory has been taken back. */
  get size(): number {
    return this.stats().entries;
  }

  /** Counters and sizes of the whole cache, all threads together. */
  stats(): ArenaStats {
    this.#checkOpen();
    return this.#arena.stats();
  }

  /**
   * Walks all of the cache's memory; the first broken rule as text, or `undefined` when all is
   * well. For tests.
   */
  checkIntegrity(): string | undefined {
    this.#checkOpen();
    return this.#arena.checkIntegrity();
  }

  /** Removes all entries. */
  clear(): void {
    this.#checkOpen();
    this.#arena.clear();
  }

  /**
   * For `workerData` or `postMessage`: `attachCache(handle)` opens this cache in another thread.
   */
  share(): CacheHandle {
    this.#checkOpen();
    return { slabring: 'cache', arena: this.#arena.handle, defaultTtlMs: this.#defaultTtlMs };
  }

  /**
   * Ends this thread's use of the cache; other threads keep theirs. The memory is freed when no
   * thread has it open and no handle is left. Calling it again does nothing; any other call then
   * throws `CLOSED`.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#arena.close();
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

  /** Looks the key up: the value's length, its bytes being in the reply area, or -1. */
  #find(key: Key): number {
    this.#checkOpen();
    const keyLength = writeKey(key, this.#keys);
    return this.#kernel.getDirect(this.#slot, keyLength, CLOCK_WHEN_NEEDED);
  }

  #store(
    keyLength: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: number,
  ): boolean {
    const now = Date.now();
    const slot = this.#slot;
    const status = this.#kernel.setDirect(slot, keyLength, valueLength, ttlMs, flags, version, now);
    if (status < 0) throw this.#arena.errorOf(status);
    return status === 1;
  }

  #writeSetArguments(
    batch: Batch,
    value: unknown,
    packed: Packed | undefined,
    args: SetArguments,
  ): void {
    batch.value(value, packed, this.#maxValueBytes);
    batch.integer(args.ttlMs);
    batch.integer(args.flags);
    if (args.flags & SetFlag.IF_VERSION) batch.integer(args.version);
    else batch.nil();
  }

  /**
   * Begins a frame of one command in the request area, up to its key; `args - 1` arguments are to
   * follow.
   */
  #begin(name: CommandName, key: Key, args: number): void {
    this.#checkOpen();
    const keyLength = keyBytes(key);
    this.#request[0] = FRAME_ID;
    this.#end = writeCommand(COMMANDS[name].code, key, keyLength, args, this.#request, 1);
  }

  /** Runs the frame that `#begin` began; the reply to its command. */
  #finish(): unknown {
    const outcome = this.#kernel.exec(this.#slot, 0, this.#end, Date.now());
    // The reply area holds the largest value and more, so the kernel never stops in between.
    if (outcome !== this.#done)
      throw new SlabringError('INTERNAL', `exec came back with ${outcome}`);
    return readReply(this.#reply, 1, this.#arena.block[BLOCK_REPLY_BYTES]!);
  }

  /** The replies to one command for each key. */
  #forKeys(name: CommandName, keys: Iterable<Key>): unknown[] {
    const batch = new Batch();
    const { code } = COMMANDS[name];
    for (const key of keys) batch.begin(code, key, 1);
    return this.#run(batch);
  }

  /**
   * Runs the commands of a batch; their replies. An error among them is thrown when all have run.
   */
  #run(batch: Batch): unknown[] {
    this.#checkOpen();
    const replies: unknown[] = [];
    let failed: unknown;
    for (const { start, end, commands } of batch.frames()) {
      const result = this.#executor.execute(batch.bytes.subarray(start, end), undefined);
      if (isFault(result)) throw new SlabringError('INTERNAL', result.reason);
      const reader = new ReplyReader(result);
      for (let i = 0; i < commands; i++) {
        try {
          replies.push(reader.next());
        } catch (error) {
          failed ??= error;
        }
      }
    }
    if (failed !== undefined) throw failed;
    return replies;
  }
}

/** The batch writes no command that the kernel leaves to a host. */
function refuseHostCommand(name: CommandName): never {
  throw new SlabringError('INTERNAL', `${name} has no meaning for an embedded cache`);
}

function sum(counts: unknown[]): number {
  return (counts as number[]).reduce((total, count) => total + count, 0);
}
