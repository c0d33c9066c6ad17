/**
 * One arena as a cache works on it in this thread: where keys and values are written, and where
 * what was read stands.
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import type { Arena } from './arena.js';
import { SetFlag } from './commands.js';
import type { KernelExports } from './kernel-exports.js';
import { KeyArea, writeKey } from './keys.js';
import {
  LARGE_BYTES,
  LargeValues,
  NO_ROOM_FOR_OLD,
  type ReadMode,
  type SetOutcome,
  type VersionedBytes,
} from './large.js';
import { ShortBytes } from './short-bytes.js';

/** What the kernel says instead of the length of a value that is not there. */
export const ABSENT = -1;
/** For `getDirect`: the kernel reads the clock itself when it meets an entry with an expiry. */
export const CLOCK_WHEN_NEEDED = -1;

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

  constructor(arena: Arena) {
    const { buffer, byteOffset, byteLength } = arena.reply;
    this.arena = arena;
    this.kernel = arena.kernel;
    this.slot = arena.slot;
    this.keys = new KeyArea(arena.request);
    this.request = this.keys.bytes;
    this.reply = Buffer.from(buffer, byteOffset, byteLength);
    this.shortBytes = new ShortBytes(this.reply);
    this.passingBytes = Math.min(arena.facts.maxValueBytes, LARGE_BYTES);
    this.large = new LargeValues(this);
  }

  /**
   * Looks the key up: the value's length, its bytes being in the reply area; {@link ABSENT}, or
   * another negative number for a value to be read by {@link readLarge}.
   */
  find(key: Key): number {
    return this.kernel.getDirect(this.slot, writeKey(key, this.keys), CLOCK_WHEN_NEEDED);
  }

  /** The encoded value of the key, whatever its size, in a buffer of its own. */
  readLarge(key: Key, mode: ReadMode): Buffer | undefined {
    const keyLength = writeKey(key, this.keys);
    return this.large.get(this.#copyKey(keyLength), mode);
  }

  /** `LargeValues.getVersioned`. */
  readLargeVersioned(key: Key): VersionedBytes | undefined {
    const keyLength = writeKey(key, this.keys);
    return this.large.getVersioned(this.#copyKey(keyLength));
  }

  /**
   * `LargeValues.set` for the key at the start of the request area.
   * @param parts of the encoded value
   */
  storeLarge(
    keyLength: number,
    parts: readonly Uint8Array[],
    ttlMs: number,
    flags: number,
    version: number,
  ): SetOutcome {
    return this.large.set(this.#copyKey(keyLength), parts, ttlMs, flags, version);
  }

  /**
   * `store` with `SetFlag.GET`: the old value stands in the reply area, unless it is too large for
   * that and returned.
   */
  swap(
    keyLength: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: number,
  ): Buffer | undefined {
    const { kernel, slot, request } = this;
    const now = Date.now();
    const all = flags | SetFlag.GET;
    const status = kernel.setDirect(slot, keyLength, valueLength, ttlMs, all, version, now);
    if (status < 0) throw this.arena.errorOf(status);
    if (status !== NO_ROOM_FOR_OLD) return undefined;
    const value = Buffer.from(request.subarray(keyLength, keyLength + valueLength));
    return this.storeLarge(keyLength, [value], ttlMs, all, version).old;
  }

  #copyKey(keyLength: number): Buffer {
    return Buffer.from(this.request.subarray(0, keyLength));
  }

  /**
   * Stores the value that was written behind the key; false when a condition was not met.
   * @throws SlabringError the kernel's
   */
  store(
    keyLength: number,
    valueLength: number,
    ttlMs: number,
    flags: number,
    version: number,
  ): boolean {
    const { kernel, slot } = this;
    const now = Date.now();
    const status = kernel.setDirect(slot, keyLength, valueLength, ttlMs, flags, version, now);
    if (status < 0) throw this.arena.errorOf(status);
    return status === 1;
  }
}
