/**
 * `cache.changes()`: what became of the entries, whoever did it, as a stream. Reads the change logs
 * of the cache's arenas and makes objects of their records.
 */
import type { Buffer } from 'node:buffer';
import { setImmediate as turn } from 'node:timers/promises';
import type { ByteSize, Key } from './api.js';
import type { Arena } from './arena.js';
import { type Change, type ClearChange, LoggedSet } from './change.js';
import { readValue } from './codec.js';
import { SlabringError } from './errors.js';
import { PREFIX_BYTES, readKey } from './keys.js';
import { LogReader, type LogRun } from './log-reader.js';
import {
  DETAIL,
  fieldBytes,
  HAS_TIME,
  HEAD_BYTES,
  KEY_BYTES,
  KIND,
  LOG_CLEAR,
  LOG_DELETE,
  LOG_EFFECT,
  LOG_EXPIRE,
  LOG_SET,
  NAMESPACED,
  REASON_MASK,
  VALUE_BYTES,
  VALUE_LEFT_OUT,
} from './log-record.js';
import { type EpochWatch, NUMBER_SHIFT, type Spaces } from './space.js';
import type { Structures } from './structures.js';
import { checkOptionNames, parseByteSize, show } from './units.js';

/** Options of `cache.changes()`. */
export interface ChangesOptions {
  /**
   * Memory for the log, of the cache's budget, if no other reader has it on already: at least 64
   * KiB for each partition, at most a quarter of `memory`. Default: a 128th of `memory`.
   */
  bytes?: ByteSize;
  /** Only changes of these types, and always `overrun`. Default: all. */
  types?: readonly Change['type'][];
  /** false: changes come without their values. Default true. */
  values?: boolean;
  /** Whether waiting for the next change keeps the process from ending. Default true. */
  keepAlive?: boolean;
}

const OPTION_NAMES = [
  'bytes',
  'types',
  'values',
  'keepAlive',
] as const satisfies readonly (keyof ChangesOptions)[];

const TYPES = ['set', 'delete', 'expire', 'clear', 'overrun'] as const satisfies Change['type'][];
const REASONS = ['deleted', 'expired', 'evicted'] as const;

/**
 * The log's share of `memory` that is the default: a page for each partition of 8 MiB. Twice as
 * much costs writers a tenth of their speed: a ring that comes round to memory that no near cache
 * holds any more is a miss for every change.
 */
export const DEFAULT_SHARE = 1 / 128;
/** And the largest one. */
const LARGEST_SHARE = 1 / 4;
/** Changes that nobody wants which one look passes over. */
const MAX_SKIPPED = 16_384;
/** A reader that is behind lets the rest of the program run after so many changes. */
const TURN_CHANGES = 1024;
/**
 * Between two looks at a log that keeps growing: a reader that asked to be woken for every change
 * would slow down those who write.
 */
export const PAUSE_MS = 1;
/** setInterval's longest. */
const FOREVER_MS = 0x7fff_ffff;

/** What a `Changes` needs of the cache that it belongs to. */
export interface ChangesSource {
  readonly arenas: readonly Arena[];
  /** The value that the key has now. */
  readonly currentValue: (key: Key, namespace?: string) => unknown;
  readonly partitionOf: (key: Key, namespace?: string) => number;
  /** The cache's namespaces. */
  readonly spaces: Spaces;
  /** For values with records, if the cache has them. */
  readonly structures?: Structures | undefined;
}

/** The changes from `cache.changes()` on, until `close`. */
export class Changes implements AsyncIterableIterator<Change, undefined> {
  readonly #source: ChangesSource;
  readonly #onClose: () => void;
  readonly #readers: LogReader[] = [];
  readonly #wanted: readonly boolean[];
  readonly #values: boolean;
  readonly #keepAlive: boolean;
  /** What this reader knows of the namespaces, and clears that it was to tell of. */
  readonly #epochs: EpochWatch;
  readonly #clears: ClearChange[] = [];
  #run: LogRun | undefined;
  #runReader = 0;
  #at = 0;
  #seq = 0;
  /** Changes since `next` last waited. */
  #sinceTurn = 0;
  /** Whether something came since the last pause. */
  #found = false;
  #closed = false;
  #wake: () => void = () => {};
  readonly #closing = new Promise<void>((resolve) => {
    this.#wake = resolve;
  });

  /** Use `cache.changes()`. */
  constructor(source: ChangesSource, options: ChangesOptions = {}, onClose: () => void = () => {}) {
    checkOptionNames(options, OPTION_NAMES, 'changes');
    const { bytes, types = TYPES, values = true, keepAlive = true } = options;
    const memoryBytes = source.arenas.reduce((sum, { facts }) => sum + facts.memoryBytes, 0);
    const logBytes = readBytesOption(bytes, memoryBytes);
    this.#source = source;
    this.#onClose = onClose;
    this.#wanted = readTypes(types);
    this.#values = readFlag(values, 'values');
    this.#keepAlive = readFlag(keepAlive, 'keepAlive');
    try {
      for (const arena of source.arenas) {
        this.#readers.push(new LogReader(arena, logBytes / source.arenas.length));
      }
    } catch (error) {
      for (const reader of this.#readers) reader.close();
      throw error;
    }
    // Not before: a clear that no log tells of must be known.
    this.#epochs = source.spaces.watch();
  }

  /**
   * The changes that are there by now, at most `max` of them. None when closed.
   * @throws SlabringError `OPTION`
   */
  read(max = Number.POSITIVE_INFINITY): Change[] {
    if (max !== Number.POSITIVE_INFINITY && !(Number.isInteger(max) && max >= 0)) {
      throw new SlabringError('OPTION', `max must be a whole number, not ${show(max)}`);
    }
    const changes: Change[] = [];
    // Without a mark, and with writers that are faster, this would not end.
    for (const reader of this.#readers) reader.mark();
    while (changes.length < max) {
      const change = this.#shift(true, Number.POSITIVE_INFINITY);
      if (change === undefined) break;
      changes.push(change);
    }
    return changes;
  }

  /** The next change, once there is one; the end when this or the cache is closed. */
  async next(): Promise<IteratorResult<Change, undefined>> {
    for (;;) {
      if (this.#sinceTurn >= TURN_CHANGES) {
        this.#sinceTurn = 0;
        await turn();
      }
      const change = this.#shift(false, MAX_SKIPPED);
      if (change !== undefined) return { value: change, done: false };
      if (this.#closed) return { value: undefined, done: true };
      await this.grown();
    }
  }

  /** Ends the changes, as `break` in `for await` does. */
  async return(): Promise<IteratorResult<Change, undefined>> {
    this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Resolves when it is worth to `read` again: when something changed, or was closed. */
  async grown(): Promise<void> {
    if (this.#closed) return;
    this.#sinceTurn = 0;
    const keep = this.#keepAlive ? setInterval(() => {}, FOREVER_MS) : undefined;
    try {
      if (this.#found) await this.#sleep(PAUSE_MS);
      else await this.#growth();
      this.#found = false;
    } finally {
      clearInterval(keep);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The partition that a key belongs to, as changes give it. That of a namespace's key is another
   * one after each `clear`.
   */
  partitionOf(key: Key, namespace?: string): number {
    if (this.#closed) throw new SlabringError('CLOSED', 'these changes were closed');
    return this.#source.partitionOf(key, namespace);
  }

  /** Ends the changes: `next` that waits comes to its end. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#run = undefined;
    for (const reader of this.#readers) reader.close();
    this.#wake();
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Waits until a log grows. With several arenas the first one will do. */
  async #growth(): Promise<void> {
    const waits: Promise<unknown>[] = [this.#closing];
    for (const reader of this.#readers) {
      const wait = reader.growth((ms) => this.#sleep(ms));
      if (wait === undefined) return;
      waits.push(wait);
    }
    await Promise.race(waits);
  }

  async #sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
      if (!this.#keepAlive) timer.unref();
    });
    await Promise.race([passed, this.#closing]);
    clearTimeout(timer);
  }

  /**
   * The next change that is wanted, of those that are there, passing over at most so many others.
   */
  #shift(marked: boolean, maxSkipped: number): Change | undefined {
    for (let skipped = 0; skipped < maxSkipped; skipped++) {
      const clear = this.#clears.shift();
      if (clear !== undefined) return clear;
      if (this.#run === undefined && !this.#nextRun(marked)) return undefined;
      const change = this.#decode(this.#run!);
      if (change === undefined) continue;
      this.#sinceTurn++;
      return change;
    }
    return undefined;
  }

  #nextRun(marked: boolean): boolean {
    if (this.#closed) return false;
    for (let looked = 0; looked < this.#readers.length; looked++) {
      this.#runReader = (this.#runReader + 1) % this.#readers.length;
      const run = this.#readers[this.#runReader]!.next(marked);
      if (run === undefined) continue;
      this.#run = run;
      this.#at = 0;
      this.#seq = run.seq;
      this.#found = true;
      return true;
    }
    return false;
  }

  /** The change at hand, if it is wanted; goes on to the next one. */
  #decode(run: LogRun): Change | undefined {
    const partition = this.#partitionOf(run);
    const { bytes } = run;
    const seq = this.#seq;
    if (bytes === undefined) {
      // A clear may be among what was lost. It comes before, so that who now looks what is there
      // keeps what he sees.
      const cleared = this.#epochs.catchUp();
      for (const number of cleared) this.#tellClear(number, partition, seq);
      if (cleared.length > 0) return undefined;
      this.#run = undefined;
      return { type: 'overrun', partition, seq, lastSeq: run.lostTo };
    }
    const at = this.#at;
    const prefix = prefixOf(bytes, at);
    const epochs = prefix === 0 ? 0 : this.#epochs.meet(prefix);
    if (epochs > 0) {
      // The first that comes after a clear, if not the clear itself, has it told first.
      this.#tellClear(prefix >>> NUMBER_SHIFT, partition, seq);
      return undefined;
    }
    this.#seq = seq + 1;
    this.#at = at + bytes.readUInt16LE(at) * 8;
    if (this.#at >= bytes.length) this.#run = undefined;
    const kind = bytes[at + KIND]!;
    // Of before the last clear, or that.
    if (epochs < 0 || (prefix !== 0 && kind === LOG_CLEAR)) return undefined;
    if (!this.#wanted[(kind === LOG_EFFECT ? LOG_SET : kind) - 1]) return undefined;
    const detail = bytes[at + DETAIL]!;
    const isTimed = (detail & HAS_TIME) !== 0;
    const expiresAt = isTimed ? Number(bytes.readBigInt64LE(at + HEAD_BYTES)) : undefined;
    const storedAt = at + HEAD_BYTES + fieldBytes(kind, detail);
    const keyEnd = storedAt + bytes.readUInt16LE(at + KEY_BYTES);
    const keyAt = prefix === 0 ? storedAt : storedAt + PREFIX_BYTES;
    const namespace = prefix === 0 ? undefined : this.#nameOf(prefix >>> NUMBER_SHIFT);
    const base = namespace === undefined ? { partition, seq } : { partition, seq, namespace };
    if (kind === LOG_SET || kind === LOG_EFFECT) {
      const key = readKey(bytes, keyAt, keyEnd);
      if (!this.#values) return { type: 'set', ...base, key, value: undefined, expiresAt };
      if (detail & VALUE_LEFT_OUT || kind === LOG_EFFECT) {
        const decode = () => (this.#closed ? undefined : this.#source.currentValue(key, namespace));
        return new LoggedSet(base, key, expiresAt, decode);
      }
      const end = keyEnd + bytes.readUInt16LE(at + VALUE_BYTES);
      const decode = () => readValue(bytes, keyEnd, end, this.#source.structures);
      return new LoggedSet(base, key, expiresAt, decode);
    }
    if (kind === LOG_DELETE) {
      const reason = REASONS[detail & REASON_MASK]!;
      return { type: 'delete', ...base, key: readKey(bytes, keyAt, keyEnd), reason };
    }
    if (kind === LOG_EXPIRE) {
      return { type: 'expire', ...base, key: readKey(bytes, keyAt, keyEnd), expiresAt };
    }
    return { type: 'clear', partition, seq };
  }

  /** The next change will be the clear of a namespace, if such are wanted. */
  #tellClear(number: number, partition: number, seq: number): void {
    if (!this.#wanted[LOG_CLEAR - 1]) return;
    this.#clears.push({ type: 'clear', partition, seq, namespace: this.#nameOf(number) });
  }

  #nameOf(number: number): string {
    return this.#source.spaces.nameOf(number);
  }

  /** Numbers the partitions of all arenas through. */
  #partitionOf(run: LogRun): number {
    const arena = this.#source.arenas[this.#runReader]!;
    return this.#runReader * arena.facts.partitions + run.partition;
  }
}

/** The prefix of a record's key; 0: it is of no namespace. */
function prefixOf(bytes: Buffer, at: number): number {
  const detail = bytes[at + DETAIL]!;
  if ((detail & NAMESPACED) === 0) return 0;
  return bytes.readUInt32LE(at + HEAD_BYTES + (detail & HAS_TIME ? 8 : 0));
}

function readBytesOption(bytes: ByteSize | undefined, memoryBytes: number): number {
  if (bytes === undefined) return memoryBytes * DEFAULT_SHARE;
  const size = parseByteSize(bytes, 'bytes');
  const most = memoryBytes * LARGEST_SHARE;
  if (size >= 1 && size <= most) return size;
  throw new SlabringError(
    'OPTION',
    `bytes must be from 1 to a quarter of memory, ${Math.floor(most)}, not ${show(bytes)}`,
  );
}

/** Which kinds of records are wanted, in the order of their numbers. */
function readTypes(types: readonly Change['type'][]): readonly boolean[] {
  const wrong = Array.isArray(types) ? types.find((type) => !TYPES.includes(type)) : types;
  if (wrong !== undefined || !Array.isArray(types)) {
    throw new SlabringError(
      'OPTION',
      `types must be an array of ${TYPES.join(', ')}, not ${show(wrong)}`,
    );
  }
  return TYPES.map((type) => types.includes(type));
}

function readFlag(flag: boolean, option: string): boolean {
  if (typeof flag === 'boolean') return flag;
  throw new SlabringError('OPTION', `${option} must be true or false, not ${show(flag)}`);
}
