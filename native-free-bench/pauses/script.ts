/** What is done to a cache while its pauses are measured: one operation after the other. */
import { type Cache, type CacheOptions, openCache, type SetOptions } from '../../engine/index.js';
import { makeKey, random } from '../fixture.js';
import { VALUE_BYTES, writeValueBytes } from '../kinds.js';

/** The operation that comes next. One object, used over and over. */
export interface Operation {
  isGet: boolean;
  /** Of the key, and of the value that belongs to it. */
  index: number;
  key: string;
  valueBytes: number;
  /** To be stored; undefined at a GET. */
  value: Uint8Array | undefined;
  options: SetOptions | undefined;
  /** The key may be gone: expired or evicted. */
  mayMiss: boolean;
}

export interface Script {
  readonly cache: Cache;
  /** Fills in the next operation. */
  next(operation: Operation): void;
  /**
   * Asked between slices.
   * @throws Error when it does not get on
   */
  isDone(): boolean;
  /**
   * What happened meanwhile, in words.
   * @throws Error when it was not what was to be measured
   */
  evidence(): string;
}

/** How a script is made for a number of entries: opens the cache and stores what is there first. */
export type OpenScript = (entries: number) => Script;

const values = new Map<number, Uint8Array>();

/**
 * The value of a key in any length from 32 bytes on. The next call with this length overwrites it:
 * what a benchmark leaves to be collected would be the benchmark's pauses.
 */
export function makeValue(index: number, bytes: number): Uint8Array {
  let value = values.get(bytes);
  if (value === undefined) {
    value = new Uint8Array(bytes);
    values.set(bytes, value);
  }
  writeValueBytes(value, 0, index);
  return value;
}

/** Whether a value is that of the key in the first 32 bytes, and has the length. */
export function holds(value: Uint8Array, index: number, bytes: number): boolean {
  if (value.length !== bytes) return false;
  const expected = makeValue(index, VALUE_BYTES);
  for (let i = 0; i < VALUE_BYTES; i++) if (value[i] !== expected[i]) return false;
  return true;
}

const LARGER_BYTES = 300;
const MIDDLE_BYTES = 150;

const MIB = 2 ** 20;
/** Entries with a TTL go within so long of each other. */
const EXPIRY_SPREAD_MS = 1000;
/** A script that takes longer does not get on. Most need a hundredth of it. */
const DEADLINE_MS = 60_000;
const DEADLINE_MS_PER_ENTRY = 0.3;
const SEED = 7;

/** What the scripts have in common. */
export class Work {
  readonly cache: Cache;
  readonly #next = random(SEED);
  readonly #limitMs: number;
  readonly #deadlineMs: number;

  constructor(entries: number, options: CacheOptions) {
    this.cache = openCache(options);
    this.#limitMs = DEADLINE_MS + entries * DEADLINE_MS_PER_ENTRY;
    this.#deadlineMs = performance.now() + this.#limitMs;
  }

  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit);
  }

  store(index: number, bytes = VALUE_BYTES, options?: SetOptions): void {
    this.cache.setBytes(makeKey(index), makeValue(index, bytes), options);
  }

  /**
   * Stores keys whose time is up within a second, once all of them are stored.
   * @returns when that of the last one is, by `performance.now()`
   */
  storeExpiring(first: number, count: number, msPerEntry: number): number {
    const endMs = performance.now() + 2 * msPerEntry * count + 200;
    for (let i = 0; i < count; i++) {
      const dueMs = endMs + (i / count) * EXPIRY_SPREAD_MS;
      this.store(first + i, VALUE_BYTES, {
        ttl: Math.max(1, Math.round(dueMs - performance.now())),
      });
    }
    return endMs + EXPIRY_SPREAD_MS;
  }

  get(operation: Operation, index: number, valueBytes: number, mayMiss: boolean): void {
    operation.isGet = true;
    operation.index = index;
    operation.key = makeKey(index);
    operation.valueBytes = valueBytes;
    operation.value = undefined;
    operation.mayMiss = mayMiss;
  }

  set(operation: Operation, index: number, valueBytes: number): void {
    operation.isGet = false;
    operation.index = index;
    operation.key = makeKey(index);
    operation.valueBytes = valueBytes;
    operation.value = makeValue(index, valueBytes);
    operation.options = undefined;
    operation.mayMiss = false;
  }

  checkTime(): void {
    if (performance.now() > this.#deadlineMs) {
      throw new Error(`it has not come to an end within ${this.#limitMs / 1000} s`);
    }
  }
}

export const roomFor = (entries: number, bytesEach: number): number =>
  Math.max(2 * MIB, Math.ceil(entries * bytesEach));

/** Nothing happens but reads and writes of entries that stay. */
export function stillFor(ms: number): OpenScript {
  return (entries) => {
    const work = new Work(entries, { memory: 8 * MIB + roomFor(entries, 160) });
    for (let i = 0; i < entries; i++) work.store(i);
    const endMs = performance.now() + ms;
    return {
      cache: work.cache,
      next(operation) {
        const index = work.below(entries);
        if (work.below(10) > 0) work.get(operation, index, VALUE_BYTES, false);
        else work.set(operation, index, VALUE_BYTES);
      },
      isDone: () => performance.now() >= endMs,
      evidence: () => `${entries} entries stay`,
    };
  };
}

/** Entries expire within a second, beside a fourth of their number that stays. */
export const openExpiry: OpenScript = (entries) => {
  const staying = Math.ceil(entries / 4);
  const work = new Work(entries, { memory: 8 * MIB + roomFor(entries, 220) });
  const startMs = performance.now();
  for (let i = 0; i < staying; i++) work.store(i);
  work.storeExpiring(staying, entries, (performance.now() - startMs) / staying);
  const before = work.cache.stats();
  return {
    cache: work.cache,
    next(operation) {
      const choice = work.below(10);
      if (choice < 4) work.get(operation, work.below(staying), VALUE_BYTES, false);
      else if (choice < 8) {
        work.get(operation, staying + work.below(entries), VALUE_BYTES, true);
      } else work.set(operation, work.below(staying), VALUE_BYTES);
    },
    isDone() {
      work.checkTime();
      return work.cache.stats().entries === staying;
    },
    evidence() {
      const expired = work.cache.stats().expired - before.expired;
      if (expired < entries / 2) {
        throw new Error(`only ${expired} of ${entries} entries expired while it was measured`);
      }
      return `${expired} entries expired`;
    },
  };
};

/** A full cache whose values become larger, and small again: pages go from class to class. */
export const openMoves: OpenScript = (entries) => {
  const memory = roomFor(entries, 100);
  const work = new Work(entries, { memory });
  let written = 0;
  while (work.cache.stats().evictions === 0) {
    for (let i = 0; i < 1000; i++) work.store(written++);
  }
  const first = written;
  const larger = Math.ceil((1.5 * memory) / LARGER_BYTES);
  const smaller = Math.ceil((1.5 * memory) / 64);
  const meanBytes = (): number => {
    const { payloadBytes, entries: stored } = work.cache.stats();
    return payloadBytes / stored;
  };
  const sizeOf = (index: number): number =>
    index >= first && index < first + larger ? LARGER_BYTES : VALUE_BYTES;
  const before = meanBytes();
  let between = 0;
  let isSet = false;
  return {
    cache: work.cache,
    next(operation) {
      isSet = !isSet;
      if (isSet) {
        work.set(operation, written, sizeOf(written));
        written++;
        if (written === first + larger) between = meanBytes();
      } else {
        const index = written - 1 - work.below(1000);
        work.get(operation, index, sizeOf(index), true);
      }
    },
    isDone() {
      work.checkTime();
      return written >= first + larger + smaller;
    },
    evidence() {
      const after = meanBytes();
      if (between < 2 * before || after > between / 2) {
        const means = [before, between, after].map((bytes) => bytes.toFixed(0)).join(', ');
        throw new Error(`pages did not move: mean entries of ${means} bytes`);
      }
      return (
        `entries of ${before.toFixed(0)} bytes became ${between.toFixed(0)}, ` +
        `and ${after.toFixed(0)} again, in a full cache`
      );
    },
  };
};

/** An empty cache fills. */
export const openGrowth: OpenScript = (entries) => {
  const work = new Work(entries, { memory: 8 * MIB + roomFor(entries, 160) });
  let written = 0;
  let isSet = false;
  return {
    cache: work.cache,
    next(operation) {
      isSet = !isSet || written === 0;
      if (isSet) work.set(operation, written++, VALUE_BYTES);
      else work.get(operation, work.below(written), VALUE_BYTES, false);
    },
    isDone() {
      work.checkTime();
      return written >= entries;
    },
    evidence() {
      const { entries: stored, evictions, tableSplits } = work.cache.stats();
      if (stored !== written || evictions > 0 || tableSplits === 0) {
        throw new Error(`${stored} of ${written} entries, ${tableSplits} splits of the tables`);
      }
      return `${stored} entries came, tables split ${tableSplits} times`;
    },
  };
};

/**
 * A fourth as many entries expire as come, with larger values, into a cache that is too small for
 * all. More than twice as many as before fit, so that tables must grow whatever their size.
 */
export const openTogether: OpenScript = (entries) => {
  const expiring = Math.ceil(entries / 4);
  const work = new Work(entries, { memory: roomFor(entries, 160) });
  const trial = Math.ceil(expiring / 10);
  const startMs = performance.now();
  for (let i = 0; i < trial; i++) work.store(i);
  const overMs = work.storeExpiring(trial, expiring, (performance.now() - startMs) / trial);
  const before = work.cache.stats();
  const first = trial + expiring;
  const begunMs = performance.now();
  let written = first;
  let isSet = false;
  /** Not so many at once that those that are to expire are evicted before. */
  const isDue = (): boolean =>
    (written - first) / entries < (performance.now() - begunMs) / (overMs - begunMs);
  return {
    cache: work.cache,
    next(operation) {
      isSet = written === first || (!isSet && isDue());
      if (isSet) {
        work.set(operation, written, MIDDLE_BYTES);
        written++;
      } else if (work.below(2) === 0) {
        work.get(operation, trial + work.below(expiring), VALUE_BYTES, true);
      } else {
        work.get(operation, first + work.below(written - first), MIDDLE_BYTES, true);
      }
    },
    isDone() {
      work.checkTime();
      return written - first >= entries && performance.now() > overMs;
    },
    evidence() {
      const { expired, evictions, tableSplits } = work.cache.stats();
      const happened = {
        expired: expired - before.expired,
        evicted: evictions - before.evictions,
        splits: tableSplits - before.tableSplits,
      };
      if (Object.values(happened).some((count) => count === 0)) {
        throw new Error(`not all of it happened: ${JSON.stringify(happened)}`);
      }
      return (
        `${happened.expired} entries expired, ${written - first} larger ones came, ` +
        `${happened.evicted} were evicted, tables split ${happened.splits} times`
      );
    },
  };
};
