/**
 * The decoded-object cache: values that this thread has read and keeps as they are, so that a hot
 * key costs no call of the kernel and no decoding. Every hit is checked against shared memory: the
 * stamp of the key (engine/kernel/stamps.ts, with the argument) is what it was when the value was
 * read. So the table needs no word from other threads, and is never behind them.
 *
 * It is a Map from keys to what is kept, bounded by a CLOCK over an array.
 */
import type { Key } from './api.js';
import { readOwnValue, readValue } from './codec.js';
import { ABSENT } from './desk.js';
import { SlabringError } from './errors.js';
import type { KernelExports } from './kernel-exports.js';
import type { Structures } from './structures.js';
import { checkOptionNames, show } from './units.js';

/** The option `decoded` of `openCache` and `attachCache`, spelt out. */
export interface DecodedOptions {
  /** The most values that a thread keeps. Default 1,000. */
  entries?: number;
  /**
   * Whether objects are frozen, all the way down. Default `true`. With `false` they are just not to
   * be changed: every reader of the thread gets the same object.
   */
  freeze?: boolean;
}

/** {@link DecodedOptions} with the defaults filled in. */
export interface DecodedConfig {
  readonly entries: number;
  readonly freeze: boolean;
}

const DEFAULT_ENTRIES = 1000;
/** Some 200 MB of table, values aside. */
const MAX_ENTRIES = 1_000_000;

/**
 * Reads the option; `undefined`: nothing is kept.
 * @throws SlabringError `OPTION`, naming what is wrong
 */
export function readDecodedOption(
  option: boolean | DecodedOptions | undefined,
): DecodedConfig | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return { entries: DEFAULT_ENTRIES, freeze: true };
  if (typeof option !== 'object') {
    const found = show(option);
    throw new SlabringError('OPTION', `decoded must be true, false or options, not ${found}`);
  }
  checkOptionNames(option, ['entries', 'freeze'], 'decoded');
  const { entries = DEFAULT_ENTRIES, freeze = true } = option;
  if (!Number.isInteger(entries) || entries < 1 || entries > MAX_ENTRIES) {
    throw new SlabringError(
      'OPTION',
      `decoded.entries must be a whole number from 1 to ${MAX_ENTRIES}, not ${show(entries)}`,
    );
  }
  if (typeof freeze !== 'boolean') {
    throw new SlabringError('OPTION', `decoded.freeze must be true or false, not ${show(freeze)}`);
  }
  return { entries, freeze };
}

/** The arena that a key belongs to, as this thread works on it. */
export interface Desk {
  readonly kernel: KernelExports;
  readonly slot: number;
  readonly reply: Buffer;
  writeKey(key: string): number;
  countHits(hits: number): void;
  readLarge(key: Key, mode: 'get'): Buffer | undefined;
}

/** Hits that a thread counts by itself before it tells the arena, for `stats` of other threads. */
const HITS_AT_ONCE = 1024;

/**
 * A kept entry is marked as used once in so many writes to its partition, as a part of the entries
 * there. Eviction needs as many writes as there are entries to come round, so it finds the mark.
 */
const TOUCHES_A_ROUND = 16;
/** Writes are counted in 16 bits, so more are not told from none. */
const MOST_PATIENCE = 0x7fff;

/* The words of what `getStamped` tells, in the order of engine/kernel/kept.ts. */
const STAMP_ADDRESS = 2;
const STAMP = 3;
const PARTITION = 4;
const ENTRIES = 5;

/** A value with what tells whether it still is the key's. */
class Kept {
  readonly key: string;
  value: unknown;
  /** The arena, and where in it the key's stamp stands. */
  words: Int32Array;
  stampAt = 0;
  stamp = 0;
  /** Unix time in ms, 0: none. */
  expiresAt = 0;
  /** Where the partition's word stands; its low half when the entry was last marked as used. */
  lockAt = 0;
  lock = 0;
  /** Writes to the partition until it is to be marked again. */
  patience = 0;
  /** Since the hand passed. */
  isUsed = false;

  constructor(key: string, words: Int32Array) {
    this.key = key;
    this.words = words;
  }
}

/** Views of an arena's memory. */
interface Views {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  /** Where `getStamped` tells, in bytes. */
  readonly stampedAt: number;
}

export class DecodedValues {
  readonly #limit: number;
  readonly #freezes: boolean;
  readonly #deskOf: (key: string) => Desk;
  readonly #structures: Structures | undefined;
  readonly #kept = new Map<string, Kept>();
  readonly #ring: Kept[] = [];
  #hand = 0;
  readonly #views = new Map<Desk, Views>();
  /** Hits that the arena was not told of, and the desk that counts them. */
  #hits = 0;
  #counter: Desk | undefined;
  #closed = false;

  /**
   * @param deskOf throws when the cache has been closed
   */
  constructor(
    config: DecodedConfig,
    deskOf: (key: string) => Desk,
    structures: Structures | undefined,
  ) {
    this.#limit = config.entries;
    this.#freezes = config.freeze;
    this.#deskOf = deskOf;
    this.#structures = structures;
  }

  /** The value of the key, or `undefined` when it is absent or expired. */
  get(key: string): unknown {
    const kept = this.#kept.get(key);
    if (
      kept !== undefined &&
      Atomics.load(kept.words, kept.stampAt) === kept.stamp &&
      (kept.expiresAt === 0 || kept.expiresAt > Date.now())
    ) {
      kept.isUsed = true;
      if (++this.#hits >= HITS_AT_ONCE) this.countHits();
      // Not atomic: it decides nothing but when the entry is marked.
      const writes = (kept.words[kept.lockAt]! - kept.lock) >>> 16;
      if (writes > kept.patience) this.#touch(kept);
      return kept.value;
    }
    return this.#read(key, kept);
  }

  /** Tells the arena how many hits there were. */
  countHits(): void {
    const desk = this.#counter;
    if (desk !== undefined && this.#hits > 0) desk.countHits(this.#hits);
    this.#hits = 0;
  }

  /** Drops everything that is kept. */
  forget(): void {
    this.#kept.clear();
    this.#ring.length = 0;
    this.#hand = 0;
  }

  /** To be called before the arena is closed. */
  close(): void {
    this.countHits();
    this.forget();
    this.#views.clear();
    this.#closed = true;
  }

  #read(key: string, kept: Kept | undefined): unknown {
    const desk = this.#deskOf(key);
    this.#counter ??= desk;
    const { words, floats, stampedAt } = this.#views.get(desk) ?? this.#open(desk);
    const length = desk.kernel.getStamped(desk.slot, desk.writeKey(key));
    if (length < 0) {
      if (kept !== undefined) release(kept);
      return length === ABSENT ? undefined : this.#readLarge(desk, key);
    }
    // Before anything is decoded: an extension of the application may call us.
    const stamped = stampedAt >>> 2;
    const expiresAt = floats[stampedAt >>> 3]!;
    const stampAddress = words[stamped + STAMP_ADDRESS]!;
    const stamp = words[stamped + STAMP]!;
    const lockAt = words[stamped + PARTITION]! >>> 2;
    const entries = words[stamped + ENTRIES]!;
    const value = readValue(desk.reply, 0, length, this.#structures);
    if (stampAddress === 0 || !this.#mayKeep(value) || this.#closed) {
      if (kept !== undefined) release(kept);
      return value;
    }
    const place = this.#kept.get(key) ?? this.#add(key, words);
    place.value = value;
    place.words = words;
    place.stampAt = stampAddress >>> 2;
    place.stamp = stamp;
    place.expiresAt = expiresAt;
    place.lockAt = lockAt;
    place.lock = words[lockAt]!;
    place.patience = Math.min(entries / TOUCHES_A_ROUND, MOST_PATIENCE);
    return value;
  }

  /**
   * A value that is too large to be kept: it would be most of what a thread keeps; or a collection,
   * which is refused.
   */
  #readLarge(desk: Desk, key: string): unknown {
    const bytes = desk.readLarge(key, 'get');
    return bytes && readOwnValue(bytes, this.#structures);
  }

  #open(desk: Desk): Views {
    const { buffer } = desk.reply;
    const views: Views = {
      words: new Int32Array(buffer),
      floats: new Float64Array(buffer),
      stampedAt: desk.kernel.stampedAt(desk.slot) >>> 0,
    };
    this.#views.set(desk, views);
    return views;
  }

  /** Marks the entry as used, for eviction. */
  #touch(kept: Kept): void {
    const desk = this.#deskOf(kept.key);
    desk.kernel.touchStamped(desk.slot, desk.writeKey(kept.key));
    kept.lock = kept.words[kept.lockAt]!;
  }

  /** A place for a key that has none: a new one, or that of a value not used lately. */
  #add(key: string, words: Int32Array): Kept {
    const place = new Kept(key, words);
    this.#kept.set(key, place);
    if (this.#ring.length < this.#limit) {
      this.#ring.push(place);
      return place;
    }
    let hand = this.#hand;
    while (this.#ring[hand]!.isUsed) {
      this.#ring[hand]!.isUsed = false;
      hand = hand + 1 === this.#limit ? 0 : hand + 1;
    }
    this.#kept.delete(this.#ring[hand]!.key);
    this.#ring[hand] = place;
    this.#hand = hand + 1 === this.#limit ? 0 : hand + 1;
    return place;
  }

  /** Whether a value can be handed out again; freezes it where that is wanted. */
  #mayKeep(value: unknown): boolean {
    // Bytes belong to whoever gets them.
    if (ArrayBuffer.isView(value)) return false;
    if (!this.#freezes || typeof value !== 'object' || value === null) return true;
    if (!isPlain(value)) return false;
    freeze(value);
    return true;
  }
}

/** Makes sure that what is kept is not handed out, and lets go of the value. */
function release(kept: Kept): void {
  // The first word of an arena is its mark, and not 0.
  kept.stampAt = 0;
  kept.stamp = 0;
  kept.value = undefined;
  kept.isUsed = false;
}

/**
 * Whether a value is made of nothing but arrays, plain objects and what is no object, all of which
 * freezing keeps from being changed. A Date or bytes it does not.
 */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name])) return false;
  return true;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) for (const item of value) freeze(item);
  else for (const name in value) freeze((value as Record<string, unknown>)[name]);
  Object.freeze(value);
}
