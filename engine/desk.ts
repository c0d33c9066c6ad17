/**
 * One arena as a cache, or a namespace of it, works on it in this thread: where keys and values are
 * written, and where what was read stands.
 */
import { Buffer } from 'node:buffer';
import type { Key, Version } from './api.js';
import type { Arena } from './arena.js';
import { SetFlag } from './commands.js';
import { copyOf } from './copy.js';
import type { KernelExports } from './kernel-exports.js';
import {
  checkNamespacedKey,
  KeyArea,
  lengthOfWord,
  NAMESPACED_KEY,
  PREFIX_BYTES,
  writeKey,
} from './keys.js';
import {
  LARGE_BYTES,
  LargeValues,
  NO_ROOM_FOR_OLD,
  type ReadMode,
  type SetOutcome,
  type VersionedBytes,
} from './large.js';
import { ShortBytes } from './short-bytes.js';
import { VersionScratch } from './version.js';

/** What the kernel says instead of the length of a value that is not there. */
export const ABSENT = -1;
/** For `getDirect`: the kernel reads the clock itself when it meets an entry with an expiry. */
export const CLOCK_WHEN_NEEDED = -1;

/** What a desk needs of its namespace. */
export interface DeskSpace {
  readonly number: number;
  /** What its keys begin with in the kernel, now. */
  prefix(): number;
}

/** Looked up at each call, as the other methods do: the two clocks must be one. */
const now = (): number => Date.now();

export class Desk {
  readonly arena: Arena;
  readonly kernel: KernelExports;
  readonly slot: number;
  /** The request area, for keys. */
  readonly keys: KeyArea;
  /** The same, for everything else. */
  readonly request: Buffer;
  readonly reply: Buffer;
  /** Copies of short values out of the reply area. */
  readonly shortBytes: ShortBytes;
  /** The largest value that passes through the request area. */
  readonly passingBytes: number;
  /** For values that do not fit the areas. */
  readonly large: LargeValues;

  /** The namespace whose keys these are; undefined: keys of none. */
  readonly space: DeskSpace | undefined;
  /** The place of a namespace's prefix: the first word of the request area. */
  readonly #prefix: Int32Array;

  readonly #versions: VersionScratch;

  constructor(arena: Arena, space?: DeskSpace) {
    const { buffer, byteOffset, byteLength } = arena.reply;
    this.arena = arena;
    this.kernel = arena.kernel;
    this.slot = arena.slot;
    const { request } = arena;
    this.space = space;
    this.#prefix = new Int32Array(request.buffer, request.byteOffset, 1);
    this.keys = new KeyArea(space === undefined ? request : request.subarray(PREFIX_BYTES));
    this.request = request;
    this.reply = Buffer.from(buffer, byteOffset, byteLength);
    this.#versions = new VersionScratch(arena);
    this.shortBytes = new ShortBytes(this.reply);
    this.passingBytes = Math.min(arena.facts.maxValueBytes, LARGE_BYTES);
    this.large = new LargeValues(this, now, space === undefined ? 0 : NAMESPACED_KEY);
  }

  /**
   * Looks the key up: the value's length, its bytes being in the reply area; {@link ABSENT}, or
   * another negative number for a value to be read, or a collection to be refused, by
   * {@link readLarge}.
   */
  find(key: Key): number {
    return this.kernel.getDirect(this.slot, this.writeKey(key), CLOCK_WHEN_NEEDED);
  }

  /**
   * Writes a key where the kernel takes it from. What `lengthOfWord` makes of the result is where
   * it ends in the request area.
   * @returns the key's word, which the kernel's calls want
   * @throws SlabringError `OPTION`
   */
  writeKey(key: Key): number {
    const length = writeKey(key, this.keys);
    return this.space === undefined ? length : this.#prefixed(length, this.space);
  }

  /** Counts hits that the kernel was not asked for. */
  countHits(hits: number): void {
    this.kernel.addHits(this.slot, hits);
    if (this.space) this.kernel.addNamespaceHits(this.slot, this.space.number, hits);
  }

  #prefixed(length: number, space: DeskSpace): number {
    checkNamespacedKey(length);
    this.#prefix[0] = space.prefix();
    return (PREFIX_BYTES + length) | NAMESPACED_KEY;
  }

  /**
   * The encoded value of the key, whatever its size, in a buffer of its own.
   * @throws SlabringError `WRONGTYPE` when it is a collection
   */
  readLarge(key: Key, mode: ReadMode): Buffer | undefined {
    return this.large.get(this.#copyKey(this.writeKey(key)), mode);
  }

  /** `readLarge` by `peek`, which has no value for a collection either. */
  peekPlain(key: Key): Buffer | undefined {
    return this.large.peekPlain(this.#copyKey(this.writeKey(key)));
  }

  /** `LargeValues.getVersioned`. */
  readLargeVersioned(key: Key): VersionedBytes | undefined {
    return this.large.getVersioned(this.#copyKey(this.writeKey(key)));
  }

  /**
   * `LargeValues.set` for the key at the start of the request area.
   * @param parts of the encoded value
   */
  storeLarge(
    keyWord: number,
    parts: readonly Uint8Array[],
    ttlMs: number,
    flags: number,
    version: Version,
  ): SetOutcome {
    return this.large.set(this.#copyKey(keyWord), parts, ttlMs, flags, version);
  }

  /**
   * `store` with `SetFlag.GET`: the old value stands in the reply area, unless it is too large for
   * that and returned.
   */
  swap(
    keyWord: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: Version,
  ): Buffer | undefined {
    const { kernel, slot, request } = this;
    const now = Date.now();
    const all = flags | SetFlag.GET;
    const wanted = this.#versions.argumentOf(version);
    const status = kernel.setDirect(slot, keyWord, valueLength, ttlMs, all, wanted, now);
    if (status < 0) throw this.arena.errorOf(status);
    if (status !== NO_ROOM_FOR_OLD) return undefined;
    const start = lengthOfWord(keyWord);
    const value = copyOf(request.subarray(start, start + valueLength));
    return this.storeLarge(keyWord, [value], ttlMs, all, version).old;
  }

  /** The key as the kernel has it: with its prefix, if it is a namespace's. */
  #copyKey(keyWord: number): Buffer {
    return copyOf(this.request.subarray(0, lengthOfWord(keyWord)));
  }

  /**
   * Stores the value that was written behind the key; false when a condition was not met.
   * @throws SlabringError the kernel's
   */
  store(
    keyWord: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: Version,
  ): boolean {
    const { kernel, slot } = this;
    const now = Date.now();
    const wanted = this.#versions.argumentOf(version);
    const status = kernel.setDirect(slot, keyWord, valueLength, ttlMs, flags, wanted, now);
    if (status < 0) throw this.arena.errorOf(status);
    return status === 1;
  }
}
