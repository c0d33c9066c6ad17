/**
 * One reader of an arena's change log: its positions, one for each partition, and how it waits for
 * more. engine/kernel/changelog.ts draws the log and argues why this is sound.
 */
import { Buffer } from 'node:buffer';
import { type Arena, PAGE_BYTES } from './arena.js';
import { copyOf } from './copy.js';
import { SlabringError } from './errors.js';

/** Records of one partition, or the news that some were lost. */
export interface LogRun {
  readonly partition: number;
  /** The number of the first record, or of the first one lost. */
  readonly seq: number;
  /** Whole records, not shared memory; undefined: those from `seq` up to `lostTo` were lost. */
  readonly bytes: Buffer | undefined;
  readonly lostTo: number;
}

/** The same, but the records stay where the kernel left them. */
export interface LogSpan {
  readonly partition: number;
  readonly seq: number;
  /** Where the records begin and end in the arena's reply area. The same: there are none. */
  readonly start: number;
  readonly end: number;
  readonly lostTo: number;
}

/** Of a position: its number, where it stands, four bytes for others than this class. */
export const POSITION_BYTES = 16;
const NUMBERS = POSITION_BYTES / 8;
const ADDRESSES = POSITION_BYTES / 4;
/** The holder's part of a partition's lock word. */
const HOLDER_MASK = 0xffff;
/** How long to look away from a partition that is being written. */
const BUSY_MS = 1;
/** How often to look where there is no `Atomics.waitAsync`. */
const POLL_MS = 10;

export class LogReader {
  readonly #arena: Arena;
  readonly #words: Int32Array;
  /**
   * By partition, {@link POSITION_BYTES} each, what the kernel writes: the number of its next
   * record as a double, and the address where that will stand.
   */
  readonly positions: Buffer;
  readonly #numbers: Float64Array;
  readonly #addresses: Uint32Array;
  readonly #partitions: number;
  /** By partition: where its lock and its log's `next` stand, as indexes into `#words`. */
  readonly #lockIndexes: Uint32Array;
  readonly #nextIndexes: Uint32Array;
  readonly #sleepersIndex: number;
  readonly #grewIndex: number;
  /** By partition: the lower half of the number up to which `next(true)` goes. */
  readonly #limits: Int32Array;
  #partition = 0;

  /**
   * @param bytes of memory for the log, if this is its first reader
   * @throws SlabringError `OOM`
   */
  constructor(arena: Arena, bytes: number) {
    const { kernel, slot, facts, reply } = arena;
    const { partitions } = facts;
    const pages = Math.max(1, Math.floor(bytes / partitions / PAGE_BYTES));
    const status = kernel.attachLog(slot, pages, Date.now());
    if (status < 0) {
      const { code } = arena.errorOf(status);
      const least = pages * partitions * PAGE_BYTES;
      throw new SlabringError(code, `no memory for a change log of ${least} bytes`);
    }
    this.#arena = arena;
    this.#words = new Int32Array(reply.buffer);
    const positions = Buffer.alloc(partitions * POSITION_BYTES);
    positions.set(reply.subarray(0, positions.length));
    this.positions = positions;
    this.#numbers = new Float64Array(positions.buffer, 0, partitions * NUMBERS);
    this.#addresses = new Uint32Array(positions.buffer, 0, partitions * ADDRESSES);
    this.#partitions = partitions;
    this.#limits = new Int32Array(partitions);
    this.#lockIndexes = new Uint32Array(partitions);
    this.#nextIndexes = new Uint32Array(partitions);
    for (let partition = 0; partition < partitions; partition++) {
      this.#lockIndexes[partition] = kernel.partitionAddress(partition) >>> 2;
      this.#nextIndexes[partition] = kernel.logNextAddress(partition) >>> 2;
    }
    this.#sleepersIndex = kernel.logSleepersAddress() >>> 2;
    this.#grewIndex = kernel.logGrewAddress() >>> 2;
  }

  /** Notes what is there by now, for `next(true)`. */
  mark(): void {
    for (let partition = 0; partition < this.#limits.length; partition++) {
      this.#limits[partition] = Atomics.load(this.#words, this.#nextIndexes[partition]!);
    }
  }

  /**
   * Records of the next partition that has any; undefined: there is nothing new.
   * @param marked leaves out partitions that were read beyond what `mark` noted
   */
  next(marked: boolean): LogRun | undefined {
    const span = this.nextInPlace(marked);
    if (span === undefined) return undefined;
    const { partition, seq, lostTo } = span;
    const bytes = lostTo > 0 ? undefined : this.copyOf(span);
    return { partition, seq, bytes, lostTo };
  }

  /** A copy of records that are still where {@link nextInPlace} left them. */
  copyOf({ start, end }: LogSpan): Buffer {
    return copyOf(this.#arena.reply.subarray(start, end));
  }

  /** The number of a partition's next record for this reader. */
  numberOf(partition: number): number {
    return this.#numbers[NUMBERS * partition]!;
  }

  /**
   * {@link next}, without a copy: whoever hands records on (log-lanes.ts) reads them where they
   * are, before this thread's next call of the kernel that writes to its reply area.
   */
  nextInPlace(marked: boolean): LogSpan | undefined {
    const { kernel, slot } = this.#arena;
    const count = this.#partitions;
    for (let looked = 0; looked < count; looked++) {
      const partition = this.#partition;
      this.#partition = partition + 1 === count ? 0 : partition + 1;
      if (!this.#hasNews(partition)) continue;
      const seq = this.numberOf(partition);
      if (marked && ((this.#limits[partition]! - seq) | 0) <= 0) continue;
      const length = kernel.readLog(
        slot,
        partition,
        this.#addresses[ADDRESSES * partition + 2]!,
        seq,
      );
      if (length === 0) continue;
      this.#takePosition(partition);
      const lostTo = length < 0 ? this.numberOf(partition) - 1 : 0;
      const end = POSITION_BYTES + Math.max(length, 0);
      return { partition, seq, start: POSITION_BYTES, end, lostTo };
    }
    return undefined;
  }

  /**
   * Something to wait for before it is worth calling `next` again; undefined: it is now. The order
   * of these loads and stores is what changelog.ts argues with.
   */
  growth(sleep: (ms: number) => Promise<unknown>): Promise<unknown> | undefined {
    const words = this.#words;
    const grew = Atomics.load(words, this.#grewIndex);
    Atomics.store(words, this.#sleepersIndex, 1);
    for (let partition = 0; partition < this.#partitions; partition++) {
      const lock = Atomics.load(words, this.#lockIndexes[partition]!);
      if (this.#hasNews(partition)) return undefined;
      if (lock & HOLDER_MASK) return sleep(BUSY_MS);
    }
    if (!Atomics.waitAsync) return sleep(POLL_MS);
    const wait = Atomics.waitAsync(words, this.#grewIndex, grew);
    return wait.async ? wait.value : undefined;
  }

  /** Ends this reader. The arena must still be open. */
  close(): void {
    this.#arena.kernel.detachLog(this.#arena.slot);
    // What waits in `growth` keeps the memory alive until it is woken.
    Atomics.add(this.#words, this.#grewIndex, 1);
    Atomics.notify(this.#words, this.#grewIndex);
  }

  #hasNews(partition: number): boolean {
    // The lower half of the number, as `| 0` takes it of the other one.
    const next = Atomics.load(this.#words, this.#nextIndexes[partition]!);
    return next !== (this.numberOf(partition) | 0);
  }

  /** Takes over the position that the kernel left in the reply area. */
  #takePosition(partition: number): void {
    const { reply } = this.#arena;
    this.positions.set(reply.subarray(0, POSITION_BYTES), partition * POSITION_BYTES);
  }
}
