/**
 * Export of all entries into a file as a job of one slice, for one thread: the kernel copies a
 * batch of entries at a time (engine/kernel/scan.ts draws them), and this writes them as
 * import-ndjson.ts and import-msgpack.ts read them. Nobody else uses the thread's areas meanwhile,
 * so a batch counts as it was copied: each entry as it was at one moment.
 */
import { Buffer } from 'node:buffer';
import type { Arena } from '../arena.js';
import { copyOf } from '../copy.js';
import { ABSENT, Desk } from '../desk.js';
import type { LargeValues } from '../large.js';
import { openStructures } from '../structures.js';
import {
  HAS_VALUE_SHIFT,
  KEY_BYTES_MASK,
  RECORD_EXPIRY,
  RECORD_KEY,
  RECORD_VALUE_BYTES,
  SCAN_END,
  SCAN_ENTRIES,
  SCAN_RECORDS,
} from '../walk.js';
import type { JobContext } from './contract.js';
import type { FileFormat } from './files.js';
import { OutputFile } from './output-file.js';

export interface ExportInput {
  /** The file that is asked for, for errors. */
  readonly path: string;
  /** The file that is written. */
  readonly draft: string;
  readonly format: FileFormat;
}

export interface Exported {
  readonly entries: number;
  readonly bytes: number;
}

/** Files hold entries of no namespace. */
const NO_NAMESPACE = 0;
/** Entries that the kernel copies in one call. */
const BATCH = 512;
const EVERY_VALUE = 0xffff_ffff;

export function exportEntries(context: JobContext<ExportInput>): (slice: number) => Exported {
  const { arenas, control, input, progress } = context;
  const structures = openStructures(arenas.arenas[0]!);
  return (slice) => {
    const output = new OutputFile(input, structures);
    try {
      for (const arena of arenas.arenas) {
        const source = new EntrySource(arena);
        while (source.next(output)) {
          progress(source.entries);
          if (!control.isWorth(slice)) break;
        }
      }
      output.flush();
    } finally {
      output.close();
    }
    return { entries: output.entries, bytes: output.bytes };
  };
}

/** The entries of an arena. */
class EntrySource {
  readonly #arena: Arena;
  readonly #large: LargeValues;
  #cursor = 0;
  #isAtEnd = false;
  /** Of the batch at hand. */
  entries = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#large = new Desk(arena).large;
  }

  /** Writes the next batch; false: there is none. */
  next(output: OutputFile): boolean {
    if (this.#isAtEnd) return false;
    const { kernel, slot, reply } = this.#arena;
    const nowMs = Date.now();
    this.#cursor = kernel.scan(slot, this.#cursor, BATCH, EVERY_VALUE, nowMs, NO_NAMESPACE);
    this.#isAtEnd = this.#cursor === 0;
    const head = Buffer.from(reply.buffer, reply.byteOffset, SCAN_RECORDS);
    this.entries = head.readUInt32LE(SCAN_ENTRIES);
    // Looking up a value would overwrite them.
    const batch = copyOf(reply.subarray(0, head.readUInt32LE(SCAN_END)));
    let record = SCAN_RECORDS;
    for (let i = 0; i < this.entries; i++) record = this.#write(batch, record, nowMs, output);
    return true;
  }

  /** Writes the entry of a record; where the next record begins. */
  #write(batch: Buffer, record: number, nowMs: number, output: OutputFile): number {
    const word = batch.readUInt32LE(record);
    const hasValue = word >>> HAS_VALUE_SHIFT !== 0;
    const keyStart = record + RECORD_KEY;
    const keyEnd = keyStart + (word & KEY_BYTES_MASK);
    const valueEnd = keyEnd + (hasValue ? batch.readUInt32LE(record + RECORD_VALUE_BYTES) : 0);
    const expiryMs = batch.readDoubleLE(record + RECORD_EXPIRY);
    const ttlMs = expiryMs === 0 ? 0 : Math.max(1, Math.ceil(expiryMs - nowMs));
    const key = batch.subarray(keyStart, keyEnd);
    const value = hasValue ? batch.subarray(keyEnd, valueEnd) : this.#lookUp(key, nowMs);
    if (value !== undefined) output.write(key, value, ttlMs);
    return (valueEnd + 7) & ~7;
  }

  /**
   * The value of an entry that found no room in the batch; undefined: it is gone, or a collection.
   */
  #lookUp(key: Buffer, nowMs: number): Buffer | undefined {
    const { kernel, slot, request, reply } = this.#arena;
    request.set(key);
    const length = kernel.peekDirect(slot, key.length, nowMs);
    if (length >= 0) return copyOf(reply.subarray(0, length));
    return length === ABSENT ? undefined : this.#large.peekPlain(key);
  }
}
