/**
 * What a cache and a namespace of it can do with the bytes of values, with floats, and with several
 * keys in one step.
 */
import { Buffer } from 'node:buffer';
import type { CopyOptions, Duration, Key, TtlOptions } from './api.js';
import { checkData, iterate, pairsOf, readCopyFlags, readTtl } from './arguments.js';
import { Batch } from './batch.js';
import { packValue, readValue } from './codec.js';
import { CollectionKeys } from './collection-keys.js';
import { COMMANDS, type CommandName } from './commands.js';
import { SlabringError } from './errors.js';
import { checkCount, checkNumber, checkWhole } from './handles/arguments.js';
import { type Inside, insideOf, type SharedParts } from './keyspace.js';
import { LARGE_BYTES } from './large.js';
import { rangeOf } from './range.js';
import { readReply } from './reply.js';
import { IS_LARGE, REPLY_START } from './single.js';
import type { Space } from './space.js';
import { parseDuration } from './units.js';

const NO_BYTES = Buffer.alloc(0);

/** For `LargeCalls`: what the kernel says of a value that fits no area. */
const IS_LARGE_VALUE = -2;

export abstract class StringKeys extends CollectionKeys {
  readonly #inside: Inside;

  /** @param space the namespace; undefined: keys of none */
  constructor(shared: SharedParts, defaultTtlMs: number, space?: Space) {
    super(shared, defaultTtlMs, space);
    this.#inside = insideOf(this);
  }

  /**
   * Adds text (its UTF-8) or bytes to the end of a value that is text or bytes, and returns its
   * length then, in bytes. The value keeps its type and its expiry; a key that is absent gets what
   * is added for a value, and no expiry.
   * @throws SlabringError `WRONGTYPE` when the value is neither, `TOOLARGE` when it would become
   * larger than a value may be, or more than 1 MiB is added at a time, `OPTION`, `OOM`
   */
  append(key: Key, data: string | Uint8Array): number {
    checkData(data, 'append');
    const { shared, deskToWrite } = this.#inside;
    return shared.single
      .begin(deskToWrite(key), 'APPEND', key, 2)
      .value(data, undefined)
      .finish() as number;
  }

  /**
   * The length in bytes of a value that is text (its UTF-8) or bytes; 0 when the key is absent.
   * Does not count as a use of the key.
   * @throws SlabringError `WRONGTYPE` when the value is neither
   */
  byteLength(key: Key): number {
    const { shared, deskFor } = this.#inside;
    return shared.single.begin(deskFor(key), 'STRLEN', key, 1).finish() as number;
  }

  /**
   * The bytes from `start` to `end`, that one included, of a value that is text (its UTF-8) or
   * bytes. Negative numbers count from the end, -1 being the last byte; what lies outside of the
   * value is left out, so that the result may be empty, as it is when the key is absent.
   * @throws SlabringError `WRONGTYPE` when the value is neither, `OPTION`
   */
  getRange(key: Key, start: number, end = -1): Buffer {
    checkWhole(start, 'start');
    checkWhole(end, 'end');
    const { shared, deskFor, large } = this.#inside;
    const desk = deskFor(key);
    const replyEnd = shared.single
      .begin(desk, 'GETRANGE', key, 3)
      .integer(start)
      .integer(end)
      .run();
    if (replyEnd !== IS_LARGE) return readReply(desk.reply, REPLY_START, replyEnd) as Buffer;
    const content = large.readBytes(IS_LARGE_VALUE, desk, key);
    return content === undefined ? NO_BYTES : rangeOf(content, start, end);
  }

  /**
   * Writes text (its UTF-8) or bytes into a value that is text or bytes, from byte `offset` on, and
   * returns its length then, in bytes. A value that is shorter is filled up with zeros. It keeps
   * its type, also where bytes make of text what is no UTF-8, and its expiry; an absent key counts
   * as empty, and gets a value of the type of `data` and no expiry. Writing nothing does nothing.
   * @throws SlabringError as `append` does
   */
  setRange(key: Key, offset: number, data: string | Uint8Array): number {
    checkCount(offset, 'offset');
    checkData(data, 'setRange');
    const { shared, deskToWrite } = this.#inside;
    const frame = shared.single.begin(deskToWrite(key), 'SETRANGE', key, 3).integer(offset);
    return frame.value(data, undefined).finish() as number;
  }

  /**
   * Adds `delta` to a number and returns the sum. An absent key counts as 0, and the entry made
   * gets the `ttl` of the options, or the cache's. The sum is stored as a float, so that
   * `increment` takes it no more, even where it is a whole number.
   * @throws SlabringError `WRONGTYPE` when the value is no number, `OVERFLOW` when the sum is not
   * finite, `OPTION`, `OOM`
   */
  incrementFloat(key: Key, delta: number, options?: TtlOptions): number {
    checkNumber(delta, 'delta');
    const { shared, deskToWrite, defaultTtlMs } = this.#inside;
    const ttlMs = readTtl(options, 'incrementFloat', defaultTtlMs);
    const frame = shared.single.begin(deskToWrite(key), 'INCRFLOAT', key, 3);
    return frame.float(delta).integer(ttlMs).finish() as number;
  }

  /**
   * `get` and `delete` in one: of several threads that take a key, one gets the value. A value that
   * JavaScript has no type for (`WRONGTYPE`) is gone too; a collection (`WRONGTYPE`) stays.
   */
  take<T = unknown>(key: Key): T | undefined {
    const { shared, deskToWrite, large } = this.#inside;
    const desk = deskToWrite(key);
    const word = desk.writeKey(key);
    const length = desk.kernel.takeDirect(desk.slot, word, Date.now());
    if (length < 0) return large.read(length, desk, key, 'take') as T | undefined;
    return readValue(desk.reply, 0, length, shared.structures) as T;
  }

  /**
   * `get` and `expire` in one step: the value, which has that time to live from then on (0: it does
   * not expire), or `undefined` when the key is absent.
   * @throws SlabringError `OPTION`, `OOM` when there is no memory for an expiry
   */
  getAndExpire<T = unknown>(key: Key, ttl: Duration): T | undefined {
    const ttlMs = parseDuration(ttl, 'ttl');
    const { shared, deskToWrite, large } = this.#inside;
    const desk = deskToWrite(key);
    const word = desk.writeKey(key);
    const length = desk.kernel.expireDirect(desk.slot, word, ttlMs, Date.now());
    if (length < 0) return large.read(length, desk, key, ttlMs) as T | undefined;
    return readValue(desk.reply, 0, length, shared.structures) as T;
  }

  /**
   * The values of the keys as they were at one moment, `undefined` for each absent one, and for
   * null: what `setAll` writes is read by this as a whole, or not at all. Where that does not
   * matter, `getMany` is faster and has no limit.
   * @throws SlabringError `TOOLARGE` when the values, or the keys, have more than about 1 MiB
   * together; `CROSSSLOT` when the keys are in several arenas
   */
  getAll<T = unknown>(keys: Iterable<Key>): (T | undefined)[] {
    const list = [...iterate(keys, 'getAll', 'keys')];
    if (list.length === 0) return [];
    const { shared, manyKeys } = this.#inside;
    this.#check(list, false);
    const batch = this.#beginBatch('MGET', list[0]!, list.length);
    for (const key of list.slice(1)) batch.key(key, manyKeys.space !== undefined);
    return shared.many.runOne(batch, manyKeys).nextValues() as (T | undefined)[];
  }

  /**
   * Stores `[key, value]` pairs, such as a Map has, in one step: nobody sees some of them and not
   * the others by `getAll`, and if there is no memory for one, none is stored. (Under a policy that
   * evicts, keys that were there may be evicted then.)
   * @throws SlabringError `TOOLARGE` when keys and values have more than about 1 MiB together,
   * `CROSSSLOT` when the keys are in several arenas, `OPTION`, `OOM`
   */
  setAll(entries: Iterable<readonly [Key, unknown]>, options?: TtlOptions): void {
    this.#setAll('MSET', 'setAll', entries, options);
  }

  /**
   * `setAll` if none of the keys is present.
   * @returns false when one was, and then nothing has changed
   * @throws SlabringError as `setAll` does
   */
  setAllIfAbsent(entries: Iterable<readonly [Key, unknown]>, options?: TtlOptions): boolean {
    return this.#setAll('MSETNX', 'setAllIfAbsent', entries, options);
  }

  /**
   * Moves value and expiry to another key in one step, in place of what that one has. There must be
   * memory for both for a moment.
   * @throws SlabringError `UNKNOWN` when the key is absent, `CROSSSLOT` when the keys are in
   * several arenas, `OPTION`, `OOM`
   */
  rename(key: Key, newKey: Key): void {
    this.#move('RENAME', key, newKey);
  }

  /**
   * `rename` if the new key is absent.
   * @returns false when it was present, and then nothing has changed
   * @throws SlabringError as `rename` does
   */
  renameIfAbsent(key: Key, newKey: Key): boolean {
    return this.#move('RENAMENX', key, newKey);
  }

  /**
   * Copies value and expiry to another key in one step.
   * @returns false when the key is absent, or the new one present and the options do not say
   * `replace`
   * @throws SlabringError as `rename` does; `SYNTAX` when the two are one key
   */
  copy(key: Key, newKey: Key, options?: CopyOptions): boolean {
    return this.#move('COPY', key, newKey, readCopyFlags(options));
  }

  /** @throws SlabringError `MOVED` when a key is with another member of the cluster */
  #check(keys: readonly Key[], isWrite: boolean): void {
    const { check } = this.#inside.manyKeys;
    if (check !== undefined) for (const key of keys) check(key, isWrite);
  }

  /** A batch with the beginning of one command of so many arguments. */
  #beginBatch(name: CommandName, key: Key, args: number): Batch {
    const batch = new Batch();
    batch.begin(COMMANDS[name].code, key, args, this.#inside.space !== undefined);
    return batch;
  }

  #setAll(
    name: CommandName,
    method: string,
    entries: Iterable<readonly [Key, unknown]>,
    options: TtlOptions | undefined,
  ): boolean {
    const { shared, manyKeys, space, defaultTtlMs } = this.#inside;
    const ttlMs = readTtl(options, method, defaultTtlMs);
    const pairs = pairsOf(entries, method);
    if (pairs.length === 0) return true;
    const args = 2 * pairs.length + (ttlMs === 0 ? 0 : 1);
    const mostBytes = Math.min(shared.arenas.facts.maxValueBytes, LARGE_BYTES);
    let batch: Batch | undefined;
    for (const [key, value] of pairs) {
      const packed = packValue(value, shared.structures);
      if (batch === undefined) batch = this.#beginBatch(name, key, args);
      else batch.key(key, space !== undefined);
      if (batch.value(value, packed, mostBytes)) continue;
      throw new SlabringError(
        'TOOLARGE',
        `a value of ${method} may have at most ${mostBytes} bytes once encoded`,
      );
    }
    if (ttlMs !== 0) batch!.integer(ttlMs);
    // The values' own code has run.
    if (manyKeys.check) for (const [key] of pairs) manyKeys.check(key, true);
    return shared.many.runOne(batch!, manyKeys).next() as boolean;
  }

  #move(name: CommandName, key: Key, newKey: Key, flags?: number): boolean {
    const { shared, manyKeys, space } = this.#inside;
    this.#check([key, newKey], true);
    const batch = this.#beginBatch(name, key, flags === undefined ? 2 : 3);
    batch.key(newKey, space !== undefined);
    if (flags !== undefined) batch.integer(flags);
    return shared.many.runOne(batch, manyKeys).next() as boolean;
  }
}
