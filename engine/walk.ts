/**
 * A walk over all entries for `keys`, `values` and `entries`. The kernel copies a batch of records
 * at a time (engine/kernel/scan.ts draws them); they are handed out one by one, and between two of
 * them the caller may do anything with the cache, and so may other threads. So an entry of the
 * batch is handed out as it lies there only while nothing was written in its partition since;
 * afterwards it is looked up again.
 */
import { Buffer } from 'node:buffer';
import { readOwnValue, readValue } from './codec.js';
import { copyTo } from './copy.js';
import { ABSENT, type Desk } from './desk.js';
import { readKey } from './keys.js';
import type { Structures } from './structures.js';

/** A key as iteration gives it: text, or a Buffer where its bytes are not UTF-8. */
export type FoundKey = string | Buffer;

/** Offsets in what the kernel's `scan` writes, in bytes. */
export const SCAN_ENTRIES = 0;
export const SCAN_END = 4;
const SCAN_WORD = 8;
const SCAN_PARTITION = 16;
export const SCAN_RECORDS = 24;
/** Offsets in a record. */
export const RECORD_VALUE_BYTES = 4;
export const RECORD_EXPIRY = 8;
export const RECORD_KEY = 16;
/** Of a record's first word. */
export const KEY_BYTES_MASK = 0xffff;
export const HAS_VALUE_SHIFT = 24;

/** Entries of the first batch: a caller may want only a few. Each one is twice as large as before. */
const FIRST_BATCH = 16;
/** Enough to make the call's price small, few enough to be copied in some 20 us. */
const MOST_BATCH = 512;
/** Longer values are read when it is their turn: they would be copied once more for nothing. */
const MOST_BATCH_VALUE_BYTES = 1024;
const FIRST_BUFFER_BYTES = 4096;

/**
 * For each entry: `while (walk.next())`, then `key()` and `value()`. A walk that wants values
 * passes over collections, which have none.
 */
export class Walk {
  /** Those of all arenas. */
  readonly #desks: readonly Desk[];
  #index = 0;
  /** That of the arena being walked: `#desks[#index]`. */
  #desk: Desk;
  readonly #checkOpen: () => void;
  readonly #wantsValues: boolean;
  readonly #structures: Structures | undefined;
  /** The kernel's, 0 at the end. */
  #cursor = 0;
  #isAtEnd = false;
  #batchEntries = FIRST_BATCH;
  // The batch, in memory of our own: the reply area belongs to whichever call is next.
  #bytes = Buffer.alloc(0);
  #words = new Int32Array(0);
  #floats = new Float64Array(0);
  #left = 0;
  #at = 0;
  /** The partition's lock word, as two words of 32 bits, and what they were when the batch was read. */
  #lock: Int32Array = new Int32Array(2);
  #lockLow = 0;
  #lockHigh = 0;
  /** What the keys of the namespace began with when the batch was read; 0: keys of none. */
  #prefix = 0;
  // The entry at hand.
  #keyStart = 0;
  #keyEnd = 0;
  #valueEnd = 0;
  /** Its value where that was looked up. */
  #value: unknown;
  #isLookedUp = false;

  /** @param checkOpen throws when the cache has been closed */
  constructor(
    desks: readonly Desk[],
    checkOpen: () => void,
    wantsValues: boolean,
    structures: Structures | undefined,
  ) {
    this.#structures = structures;
    this.#desks = desks;
    this.#desk = desks[0]!;
    this.#checkOpen = checkOpen;
    this.#wantsValues = wantsValues;
  }

  /**
   * Goes on to the next entry; false when there is none.
   * @throws SlabringError `CLOSED`; `WRONGTYPE` as `get` does
   */
  next(): boolean {
    this.#checkOpen();
    for (;;) {
      while (this.#left > 0) if (this.#take()) return true;
      if (this.#isAtEnd && !this.#enterNextArena()) return false;
      this.#load();
    }
  }

  /** The entry's key. */
  key(): FoundKey {
    return readKey(this.#bytes, this.#keyStart, this.#keyEnd);
  }

  /** The entry's value. Only once for each, and only if the walk wants values. */
  value(): unknown {
    if (!this.#isLookedUp) {
      return readValue(this.#bytes, this.#keyEnd, this.#valueEnd, this.#structures);
    }
    const value = this.#value;
    this.#value = undefined;
    return value;
  }

  #enterNextArena(): boolean {
    const next = this.#desks[this.#index + 1];
    if (next === undefined) return false;
    this.#index++;
    this.#desk = next;
    this.#cursor = 0;
    this.#isAtEnd = false;
    return true;
  }

  #load(): void {
    const { kernel, slot, reply, space } = this.#desk;
    const valueBytes = this.#wantsValues ? MOST_BATCH_VALUE_BYTES : 0;
    const prefix = space === undefined ? 0 : space.prefix();
    if (this.#prefix !== 0 && prefix !== this.#prefix) {
      // The namespace was cleared. Its keys, written again, are elsewhere, and might come twice.
      this.#index = this.#desks.length - 1;
      this.#isAtEnd = true;
      return;
    }
    this.#prefix = prefix;
    const now = Date.now();
    this.#cursor = kernel.scan(
      slot,
      this.#cursor,
      this.#batchEntries,
      valueBytes,
      now,
      this.#prefix,
    );
    this.#isAtEnd = this.#cursor === 0;
    const head = new Int32Array(reply.buffer, reply.byteOffset, SCAN_RECORDS / 4);
    this.#left = head[SCAN_ENTRIES / 4]!;
    if (this.#left === 0) return;
    this.#lockLow = head[SCAN_WORD / 4]!;
    this.#lockHigh = head[SCAN_WORD / 4 + 1]!;
    this.#lock = new Int32Array(reply.buffer, head[SCAN_PARTITION / 4]! >>> 0, 2);
    const end = head[SCAN_END / 4]!;
    if (end > this.#bytes.length) this.#grow(end);
    copyTo(this.#bytes, reply.subarray(0, end));
    this.#at = SCAN_RECORDS;
    this.#batchEntries = Math.min(2 * this.#batchEntries, MOST_BATCH);
  }

  #grow(bytes: number): void {
    let length = Math.max(FIRST_BUFFER_BYTES, this.#bytes.length);
    while (length < bytes) length *= 2;
    const memory = new ArrayBuffer(length);
    this.#bytes = Buffer.from(memory);
    this.#words = new Int32Array(memory);
    this.#floats = new Float64Array(memory);
  }

  /** Takes the next record of the batch; false when its entry is gone. */
  #take(): boolean {
    const record = this.#at;
    const word = this.#words[record >> 2]!;
    const hasValue = word >>> HAS_VALUE_SHIFT !== 0;
    const valueBytes = hasValue ? this.#words[(record + RECORD_VALUE_BYTES) >> 2]! : 0;
    const expiryMs = this.#floats[(record + RECORD_EXPIRY) >> 3]!;
    this.#keyStart = record + RECORD_KEY;
    this.#keyEnd = this.#keyStart + (word & KEY_BYTES_MASK);
    this.#valueEnd = this.#keyEnd + valueBytes;
    this.#at = (this.#valueEnd + 7) & ~7;
    this.#left--;
    this.#isLookedUp = false;
    const isCurrent = this.#isUnchanged() && (expiryMs === 0 || expiryMs > Date.now());
    if (isCurrent && hasValue === this.#wantsValues) return true;
    return this.#lookUp();
  }

  /**
   * Whether nothing has been written in the partition, and the namespace was not cleared, since the
   * batch was read.
   */
  #isUnchanged(): boolean {
    const { space } = this.#desk;
    if (space !== undefined && space.prefix() !== this.#prefix) return false;
    // The low word first. It holds the lower bits of a version that only grows: when both were the
    // same, so was the version at the time of the first look.
    return (
      Atomics.load(this.#lock, 0) === this.#lockLow &&
      Atomics.load(this.#lock, 1) === this.#lockHigh
    );
  }

  #lookUp(): boolean {
    const { kernel, slot, reply } = this.#desk;
    const key = this.#bytes.subarray(this.#keyStart, this.#keyEnd);
    const word = this.#desk.writeKey(key);
    if (!this.#wantsValues) return kernel.hasDirect(slot, word, Date.now()) === 1;
    const length = kernel.peekDirect(slot, word, Date.now());
    if (length === ABSENT) return false;
    if (length < 0) {
      const bytes = this.#desk.peekPlain(key);
      if (bytes === undefined) return false;
      this.#value = readOwnValue(bytes, this.#structures);
    } else {
      this.#value = readValue(reply, 0, length, this.#structures);
    }
    this.#isLookedUp = true;
    return true;
  }
}

export function* keysOf(walk: Walk): Generator<FoundKey, void, undefined> {
  while (walk.next()) yield walk.key();
}

export function* valuesOf<T>(walk: Walk): Generator<T, void, undefined> {
  while (walk.next()) yield walk.value() as T;
}

export function* entriesOf<T>(walk: Walk): Generator<[FoundKey, T], void, undefined> {
  while (walk.next()) yield [walk.key(), walk.value() as T];
}
