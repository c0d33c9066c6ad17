/**
 * The client's commands on the bytes of values, on floats, and on several keys in one step: each
 * does what the method of the embedded cache with its name does.
 */
import type { CopyOptions, Duration, Key, TtlOptions } from '../engine/api.js';
import { checkData, iterate, pairsOf, readCopyFlags, readTtl } from '../engine/arguments.js';
import { COMMANDS, type CommandName } from '../engine/commands.js';
import { checkCount, checkNumber, checkWhole } from '../engine/handles/arguments.js';
import { parseDuration } from '../engine/units.js';
import { needsPacking, packValue } from './codec.js';
import { Result } from './pending.js';
import type { Sender } from './sender.js';
import type { FrameWriter } from './writer.js';

export abstract class StringCommands {
  readonly #sender: Sender;
  readonly #ttlMs: number;

  /** @param ttlMs of entries for which a call gives none */
  constructor(sender: Sender, ttlMs: number) {
    this.#sender = sender;
    this.#ttlMs = ttlMs;
  }

  /**
   * Adds text (its UTF-8) or bytes to the end of a value that is text or bytes; its length then, in
   * bytes. The value keeps its type and its expiry; an absent key counts as empty.
   * @throws SlabringError `WRONGTYPE` when the value is neither, `TOOLARGE` when it would become
   *   larger than a value may be, or more than about 1 MiB is added at a time
   */
  append(key: Key, data: string | Uint8Array): Promise<number> {
    return this.#send('APPEND', key, 2, Result.RAW, (writer) => {
      checkData(data, 'append');
      writer.value(data);
    });
  }

  /**
   * The length in bytes of a value that is text (its UTF-8) or bytes; 0 when the key is absent.
   * @throws SlabringError `WRONGTYPE` when the value is neither
   */
  byteLength(key: Key): Promise<number> {
    return this.#send('STRLEN', key, 1, Result.RAW);
  }

  /**
   * The bytes from `start` to `end`, that one included, of a value that is text (its UTF-8) or
   * bytes; -1 is the last byte. What lies outside of the value is left out; an absent key counts as
   * empty.
   * @throws SlabringError `WRONGTYPE` when the value is neither
   */
  getRange(key: Key, start: number, end = -1): Promise<Uint8Array> {
    return this.#send('GETRANGE', key, 3, Result.BYTES, (writer) => {
      checkWhole(start, 'start');
      checkWhole(end, 'end');
      writer.integer(start);
      writer.integer(end);
    });
  }

  /**
   * Writes text (its UTF-8) or bytes into a value that is text or bytes, from byte `offset` on,
   * behind zeros where it is shorter; its length then, in bytes. The value keeps its type and its
   * expiry; an absent key counts as empty. Writing nothing does nothing.
   * @throws SlabringError as `append` does
   */
  setRange(key: Key, offset: number, data: string | Uint8Array): Promise<number> {
    return this.#send('SETRANGE', key, 3, Result.RAW, (writer) => {
      checkCount(offset, 'offset');
      checkData(data, 'setRange');
      writer.integer(offset);
      writer.value(data);
    });
  }

  /**
   * Adds `delta` to the number stored, 0 when the key is absent, and returns the sum, which is
   * stored as a float.
   * @throws SlabringError `WRONGTYPE` when the value is no number, `OVERFLOW` when the sum is not
   *   finite
   */
  incrementFloat(key: Key, delta: number, options?: TtlOptions): Promise<number> {
    return this.#send('INCRFLOAT', key, 3, Result.RAW, (writer) => {
      checkNumber(delta, 'delta');
      const ttlMs = readTtl(options, 'incrementFloat', this.#ttlMs);
      writer.value(delta);
      writer.integer(ttlMs);
    });
  }

  /**
   * `get` and `delete` in one step: of several clients that take a key, one gets the value.
   */
  take<T = unknown>(key: Key): Promise<T | undefined> {
    return this.#send('GETDEL', key, 1, Result.VALUE);
  }

  /**
   * `get` and `expire` in one step: the value, which has that time to live from then on (0: it does
   * not expire), or undefined when the key is absent.
   */
  getAndExpire<T = unknown>(key: Key, ttl: Duration): Promise<T | undefined> {
    return this.#send('GETEX', key, 2, Result.VALUE, (writer) => {
      writer.integer(parseDuration(ttl, 'ttl'));
    });
  }

  /**
   * The values of the keys as they were at one moment, undefined for each absent one, and for null.
   * In a cluster, each node has a moment of its own: those with a {tag} in common are on one.
   * @throws SlabringError `TOOLARGE` when the values, or the keys, have more than about 1 MiB
   *   together; `CROSSSLOT` when a node has its keys in several arenas
   */
  async getAll<T = unknown>(keys: Iterable<Key>): Promise<(T | undefined)[]> {
    const list = [...iterate(keys, 'getAll', 'keys')];
    if (list.length === 0) return [];
    const parts = this.#sender.split(list);
    if (parts === undefined) return this.#mget(list);
    const values = new Array<T | undefined>(list.length);
    const ofPart = async (part: readonly number[]) => {
      const found = await this.#mget<T>(part.map((index) => list[index]!));
      for (const [i, index] of part.entries()) values[index] = found[i];
    };
    await Promise.all(parts.map(ofPart));
    return values;
  }

  #mget<T>(keys: readonly Key[]): Promise<(T | undefined)[]> {
    const others = keys.slice(1);
    const write = (writer: FrameWriter) => {
      for (const key of others) writer.key(key);
    };
    return this.#send('MGET', keys[0]!, keys.length, Result.VALUES, write, others);
  }

  /**
   * Stores `[key, value]` pairs in one step: `getAll` sees all of them or none, and if there is no
   * memory for one, none is stored.
   * @throws SlabringError `TOOLARGE` when keys and values have more than about 1 MiB together,
   *   `CROSSSLOT` when the server has the keys in several arenas
   */
  async setAll(entries: Iterable<readonly [Key, unknown]>, options?: TtlOptions): Promise<void> {
    await this.#setAll('MSET', 'setAll', entries, options);
  }

  /** `setAll` if none of the keys is present; false when one was, and then nothing has changed. */
  async setAllIfAbsent(
    entries: Iterable<readonly [Key, unknown]>,
    options?: TtlOptions,
  ): Promise<boolean> {
    return this.#setAll('MSETNX', 'setAllIfAbsent', entries, options);
  }

  /**
   * Moves value and expiry to another key in one step, in place of what that one has.
   * @throws SlabringError `UNKNOWN` when the key is absent, `CROSSSLOT` when the server has the
   *   keys in several arenas
   */
  async rename(key: Key, newKey: Key): Promise<void> {
    await this.#send('RENAME', key, 2, Result.RAW, (writer) => writer.key(newKey), [newKey]);
  }

  /** `rename` if the new key is absent; false when it was not, and then nothing has changed. */
  renameIfAbsent(key: Key, newKey: Key): Promise<boolean> {
    return this.#send('RENAMENX', key, 2, Result.RAW, (writer) => writer.key(newKey), [newKey]);
  }

  /**
   * Copies value and expiry to another key in one step; false when the key is absent, or the new
   * one present and the options do not say `replace`.
   * @throws SlabringError `SYNTAX` when the two are one key, `CROSSSLOT` as `rename`
   */
  copy(key: Key, newKey: Key, options?: CopyOptions): Promise<boolean> {
    const write = (writer: FrameWriter) => {
      const flags = readCopyFlags(options);
      writer.key(newKey);
      writer.integer(flags);
    };
    return this.#send('COPY', key, 3, Result.RAW, write, [newKey]);
  }

  async #setAll(
    name: CommandName,
    method: string,
    entries: Iterable<readonly [Key, unknown]>,
    options: TtlOptions | undefined,
  ): Promise<boolean> {
    const ttlMs = readTtl(options, method, this.#ttlMs);
    const pairs = pairsOf(entries, method);
    if (pairs.length === 0) return true;
    // A copy each: what was packed is valid only until the next is.
    const packed = pairs.map(([, value]) =>
      needsPacking(value) ? packValue(value).slice() : undefined,
    );
    const args = 2 * pairs.length + (ttlMs === 0 ? 0 : 1);
    const write = (writer: FrameWriter) => {
      for (const [i, [key, value]] of pairs.entries()) {
        if (i > 0) writer.key(key);
        if (packed[i] === undefined) writer.value(value);
        else writer.packed(packed[i]);
      }
      if (ttlMs !== 0) writer.integer(ttlMs);
    };
    const others = pairs.slice(1).map(([key]) => key);
    return this.#send(name, pairs[0]![0], args, Result.RAW, write, others);
  }

  /** Sends a command whose further arguments `write` writes; it runs no code of the caller. */
  #send<T>(
    name: CommandName,
    key: Key,
    args: number,
    result: Result,
    write?: (writer: FrameWriter) => void,
    others?: readonly Key[],
  ): Promise<T> {
    try {
      const { code } = COMMANDS[name];
      const writer = this.#sender.open(code, key, others);
      writer.command(code, args);
      writer.key(key);
      write?.(writer);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(result) as Promise<T>;
  }
}
