/** What the cache's calls do where a value is too large for the areas: values to bytes and back. */
import type { Buffer } from 'node:buffer';
import type { Key, Version, Versioned } from './api.js';
import {
  encodedParts,
  type Packed,
  readBytes,
  readOwnValue,
  readValue,
  TOO_LONG,
} from './codec.js';
import { SetFlag } from './commands.js';
import { ABSENT, type Desk } from './desk.js';
import { lengthOfWord } from './keys.js';
import type { ReadMode, SetOutcome } from './large.js';
import { Tag, valueEnd } from './msgpack.js';
import type { Structures } from './structures.js';

export class LargeCalls {
  readonly #maxValueBytes: number;
  readonly #structures: Structures | undefined;

  constructor(maxValueBytes: number, structures: Structures | undefined) {
    this.#maxValueBytes = maxValueBytes;
    this.#structures = structures;
  }

  /**
   * The value of a key that the kernel did not read.
   * @param why what it said instead of a length: absent, too large for the reply area, a collection
   * @throws SlabringError `WRONGTYPE` when it is a collection
   */
  read(why: number, desk: Desk, key: Key, mode: ReadMode): unknown {
    const bytes = why === ABSENT ? undefined : desk.readLarge(key, mode);
    return bytes && readOwnValue(bytes, this.#structures);
  }

  /** The same for `getBytes`. */
  readBytes(why: number, desk: Desk, key: Key): Buffer | undefined {
    const bytes = why === ABSENT ? undefined : desk.readLarge(key, 'get');
    if (bytes === undefined) return undefined;
    const isLong = bytes[0] === Tag.BIN32 || bytes[0] === Tag.STR32;
    return isLong ? bytes.subarray(5) : readBytes(bytes, 0, bytes.length);
  }

  readVersioned<T>(desk: Desk, key: Key): Versioned<T> | undefined {
    const found = desk.readLargeVersioned(key);
    if (found === undefined) return undefined;
    const value = readOwnValue(found.bytes, this.#structures) as T;
    return { value, version: found.version };
  }

  /**
   * Stores a value that `writeValue` found too long for its place.
   * @throws SlabringError `TOOLARGE`, and what `LargeValues.set` throws
   */
  set(
    desk: Desk,
    keyWord: number,
    value: unknown,
    packed: Packed | undefined,
    ttlMs: number,
    flags: number,
    version: Version,
  ): SetOutcome {
    const parts = encodedParts(value, packed, this.#maxValueBytes);
    return desk.storeLarge(keyWord, parts, ttlMs, flags, version);
  }

  /**
   * Stores a value that `writeValue` wrote behind the key, up to `end`, or found too long for that;
   * the value that it replaces. Other parameters as of {@link set}.
   */
  swap(
    desk: Desk,
    keyWord: number,
    end: number,
    value: unknown,
    packed: Packed | undefined,
    ttlMs: number,
    flags: number,
    version: Version,
  ): unknown {
    const large =
      end === TOO_LONG
        ? this.set(desk, keyWord, value, packed, ttlMs, flags | SetFlag.GET, version).old
        : desk.swap(keyWord, end - lengthOfWord(keyWord), ttlMs, flags, version);
    const { reply } = desk;
    const old = large
      ? readOwnValue(large, this.#structures)
      : readValue(reply, 0, valueEnd(reply, 0), this.#structures);
    return old ?? undefined;
  }
}
