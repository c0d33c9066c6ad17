/**
 * Import of a stream of msgpack as a job: arrays `[key, value]` or `[key, value, ttl]`, one after
 * the other. Where in the middle of the file one begins cannot be seen, so the slices of a file are
 * found one after the other (control.ts), by looking at no more than the lengths in it. The values
 * are stored as they stand there.
 */
import { readValue } from '../codec.js';
import { SlabringError } from '../errors.js';
import { itemsOf, Tag, valueEnd } from '../msgpack.js';
import { recordStart } from '../structures.js';
import { parseDuration, show } from '../units.js';
import type { JobContext } from './contract.js';
import type { Imported } from './import-ndjson.js';
import { type ImportInput, InputWindow } from './input-file.js';
import { Loader, packedView } from './loader.js';

const NO_RECORD = 'a record is an array of key, value and, if it has one, a time to live';

/** Key and headers of a record, with some to spare. */
const RECORD_MARGIN_BYTES = 128 * 1024;

export function importMsgpack(context: JobContext<ImportInput>): (slice: number) => Imported {
  const records = new RecordImporter(context);
  return (slice) => records.run(slice);
}

class RecordImporter {
  readonly #context: JobContext<ImportInput>;
  readonly #loader: Loader;
  readonly #window: InputWindow;
  readonly #longestRecord: number;
  readonly #packed = packedView();

  constructor(context: JobContext<ImportInput>) {
    this.#context = context;
    this.#loader = new Loader(context.arenas, (byte) => ({ byte, line: undefined }));
    this.#window = new InputWindow(context.input);
    this.#longestRecord = context.arenas.facts.maxValueBytes + RECORD_MARGIN_BYTES;
  }

  run(slice: number): Imported {
    const { control, input, progress } = this.#context;
    this.#loader.reset();
    const start = control.awaitStart(slice);
    if (start === undefined) return { entries: 0, lines: 0 };
    const ends: number[] = [];
    let broken: unknown;
    if (start < input.bytes) {
      this.#window.open(start, Math.min(input.sliceBytes, input.bytes - start));
      broken = this.#findEnds(start, Math.min(start + input.sliceBytes, input.bytes), ends);
    }
    const end = ends.at(-1) ?? start;
    if (broken === undefined) control.tellNextStart(slice, end);
    else control.endAfter(slice);
    this.#importRecords(slice, start, ends);
    if (broken !== undefined) this.#fail(broken, end);
    progress(end - start);
    return { entries: this.#loader.stored, lines: 0 };
  }

  /** Finds where the records end that begin from `at` to `sliceEnd`; what is wrong with one. */
  #findEnds(at: number, sliceEnd: number, ends: number[]): unknown {
    const window = this.#window;
    while (at < sliceEnd) {
      try {
        at = window.start + valueEnd(window.bytes, at - window.start);
        ends.push(at);
      } catch (error) {
        // Malformed, or longer than the window.
        const isTooLong = window.end - at > this.#longestRecord;
        if (window.isAtEnd || isTooLong) return this.#errorAt(at, error, isTooLong);
        window.widen();
      }
    }
    return undefined;
  }

  #errorAt(at: number, error: unknown, isTooLong: boolean): SlabringError {
    const reason = (error as Error).message;
    // Of all other first bytes it is said where the rest of a header is missing.
    if (reason.startsWith(`0x${Tag.NEVER_USED.toString(16)} `)) return syntax(reason);
    if (!isTooLong) return syntax('the file ends inside a record');
    const most = this.#longestRecord;
    const tag = this.#window.bytes[at - this.#window.start]!;
    if (!isArray(tag)) return syntax(NO_RECORD);
    return new SlabringError('TOOLARGE', `a record may have at most ${most} bytes here`);
  }

  #importRecords(slice: number, start: number, ends: readonly number[]): void {
    let at = start;
    for (const end of ends) {
      try {
        this.#addRecord(at, end);
      } catch (error) {
        this.#fail(error, at);
      }
      at = end;
      if (!this.#loader.isFull) continue;
      this.#loader.flush();
      if (!this.#context.control.isWorth(slice)) return;
    }
    this.#loader.flush();
  }

  /** @throws SlabringError what is wrong with the record */
  #addRecord(start: number, end: number): void {
    const { bytes, start: base } = this.#window;
    let at = start - base;
    const tag = bytes[at]!;
    const items = isArray(tag) ? itemsOf(tag, bytes, at) : 0;
    if (items !== 2 && items !== 3) throw syntax(NO_RECORD);
    at += tag === Tag.ARRAY16 ? 3 : tag === Tag.ARRAY32 ? 5 : 1;
    const keyEnd = valueEnd(bytes, at);
    const keyStart = at + keyHeaderBytes(bytes[at]!);
    const valueStop = valueEnd(bytes, keyEnd);
    const { ttlMs: usual } = this.#context.input;
    const ttlMs = items === 3 ? readTtl(readValue(bytes, valueStop, end - base), usual) : usual;
    if (recordStart(bytes[keyEnd]!, bytes, keyEnd) > 0) {
      throw syntax('the value has record structures, which only the cache that made them can read');
    }
    this.#packed.bytes = bytes;
    this.#packed.start = keyEnd;
    this.#packed.end = valueStop;
    this.#loader.addPacked(bytes.subarray(keyStart, keyEnd), this.#packed, ttlMs, start);
  }

  /** Stores what came before, and throws. */
  #fail(error: unknown, byte: number): never {
    this.#loader.flush();
    throw this.#loader.errorAt(byte, error);
  }
}

function isArray(tag: number): boolean {
  const isShort = tag >= Tag.FIXARRAY && tag < Tag.FIXSTR;
  return isShort || tag === Tag.ARRAY16 || tag === Tag.ARRAY32;
}

/** @throws SlabringError `SYNTAX` when it begins neither a str nor a bin */
function keyHeaderBytes(tag: number): number {
  if (tag >= Tag.FIXSTR && tag < Tag.NIL) return 1;
  if (tag === Tag.STR8 || tag === Tag.BIN8) return 2;
  if (tag === Tag.STR16 || tag === Tag.BIN16) return 3;
  if (tag === Tag.STR32 || tag === Tag.BIN32) return 5;
  throw syntax('a key must be a str or a bin');
}

/** @throws SlabringError when it is none */
function readTtl(ttl: unknown, usual: number): number {
  if (ttl === null) return usual;
  if (typeof ttl === 'number' || typeof ttl === 'string') return parseDuration(ttl, 'ttl');
  throw syntax(`ttl must be nil, milliseconds or text such as '10m', not ${show(ttl)}`);
}

function syntax(message: string): SlabringError {
  return new SlabringError('SYNTAX', message);
}
