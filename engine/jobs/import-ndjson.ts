/**
 * Import of NDJSON as a job: a JSON object in each line, `{"key": ..., "value": ..., "ttl": ...}`. A
 * slice is a range of bytes of the file, and the lines that begin in it are its lines: whoever has
 * the slice finds the first of them behind the first line break from the byte before the range on.
 */
import { isUtf8 } from 'node:buffer';
import { SlabringError } from '../errors.js';
import { parseDuration, show } from '../units.js';
import type { JobContext } from './contract.js';
import { PlacedError } from './faults.js';
import { type ImportInput, InputWindow } from './input-file.js';
import { Loader } from './loader.js';

/** What a slice of an import comes to, also of one that was given up. */
export interface Imported {
  readonly entries: number;
  /** Line breaks passed; 0 for a file without lines. */
  readonly lines: number;
}

const LINE_BREAK = 0x0a;
/** Some programs begin a text with it. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** JSON has at most so many bytes for one of msgpack: `\u0000` in a text. */
const JSON_PER_MSGPACK = 6;
/** Key, names, white space. */
const LINE_MARGIN_BYTES = 1024 * 1024;
/** V8 has no longer texts. */
const LONGEST_LINE_BYTES = 0x1fff_ffe8;

export function importNdjson(context: JobContext<ImportInput>): (slice: number) => Imported {
  const lines = new LineImporter(context);
  return (slice) => lines.run(slice);
}

class LineImporter {
  readonly #context: JobContext<ImportInput>;
  readonly #loader: Loader;
  readonly #window: InputWindow;
  readonly #longestLine: number;
  #slice = 0;
  /** Lines of the slice begun. */
  #line = 0;

  constructor(context: JobContext<ImportInput>) {
    const { arenas, input } = context;
    this.#context = context;
    this.#loader = new Loader(arenas);
    this.#window = new InputWindow(input);
    this.#longestLine = Math.min(
      JSON_PER_MSGPACK * arenas.facts.maxValueBytes + LINE_MARGIN_BYTES,
      LONGEST_LINE_BYTES,
    );
  }

  run(slice: number): Imported {
    const { input } = this.#context;
    const start = slice * input.sliceBytes;
    const end = Math.min(start + input.sliceBytes, input.bytes);
    this.#slice = slice;
    this.#line = 0;
    this.#loader.reset();
    this.#window.open(Math.max(0, start - 1), end - start + 1);
    const lines = this.#importLines(this.#firstLine(start, end), end);
    this.#context.progress(end - start);
    return { entries: this.#loader.stored, lines };
  }

  /** Where the first line of a range begins; `end` or more: there is none. */
  #firstLine(start: number, end: number): number {
    const { bytes, start: base } = this.#window;
    if (start === 0) return 0;
    const lineBreak = bytes.subarray(0, end - base).indexOf(LINE_BREAK);
    return lineBreak < 0 ? end : base + lineBreak + 1;
  }

  /** Stores the lines that begin from `at` to `end`; how many line breaks that was. */
  #importLines(at: number, end: number): number {
    const { control } = this.#context;
    let lines = 0;
    while (at < end) {
      const lineEnd = this.#findLineEnd(at);
      this.#line++;
      this.#addLine(at, lineEnd);
      lines++;
      at = lineEnd + 1;
      if (!this.#loader.isFull) continue;
      this.#loader.flush();
      if (!control.isWorth(this.#slice)) return lines;
    }
    this.#loader.flush();
    return lines;
  }

  /** Where the line that begins at `at` ends, without its line break. */
  #findLineEnd(at: number): number {
    const window = this.#window;
    for (let searched = at; ; ) {
      const lineBreak = window.bytes.indexOf(LINE_BREAK, searched - window.start);
      if (lineBreak >= 0) return window.start + lineBreak;
      if (window.isAtEnd) return window.end;
      if (window.end - at > this.#longestLine) {
        const most = this.#longestLine;
        this.#fail(new SlabringError('TOOLARGE', `a line may have at most ${most} bytes here`), at);
      }
      searched = window.end;
      window.widen();
    }
  }

  #addLine(start: number, end: number): void {
    const { bytes, start: base } = this.#window;
    let line = bytes.subarray(start - base, end - base);
    if (start === 0 && startsWith(line, BYTE_ORDER_MARK)) line = line.subarray(3);
    // A line break at the very end is not followed by an empty line; others do no harm.
    if (isBlank(line)) return;
    try {
      if (!isUtf8(line)) throw new SlabringError('SYNTAX', 'the line is not UTF-8');
      const { key, value, ttl } = readLine(line.toString());
      const ttlMs = ttl === undefined ? this.#context.input.ttlMs : parseDuration(ttl, 'ttl');
      this.#loader.add(key, value, ttlMs, start, this.#line);
    } catch (error) {
      this.#fail(error, start, this.#line);
    }
  }

  /** Stores what came before, and throws. */
  #fail(error: unknown, byte: number, line = this.#line + 1): never {
    this.#loader.flush();
    throw new PlacedError(error, this.#loader.placeOf(byte, line));
  }
}

function startsWith(line: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => line[i] === byte);
}

function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}

interface Line {
  readonly key: string;
  readonly value: unknown;
  /** As a duration, unchecked. */
  readonly ttl: number | string | undefined;
}

/** @throws SlabringError `SYNTAX` */
function readLine(text: string): Line {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (error) {
    throw syntax(`it is no JSON: ${(error as Error).message}`);
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) {
    throw syntax(`a line holds an object with key and value, not ${show(line)}`);
  }
  let names = 0;
  for (const name in line) {
    if (name !== 'key' && name !== 'value' && name !== 'ttl') {
      throw syntax(`an entry has key, value and ttl, not ${show(name)}`);
    }
    names++;
  }
  const { key, value, ttl } = line as Record<'key' | 'value' | 'ttl', unknown>;
  if (typeof key !== 'string') throw syntax(`key must be a string, not ${show(key)}`);
  if (value === undefined) throw syntax('value is missing');
  if (names === 2 || ttl === null) return { key, value, ttl: undefined };
  return { key, value, ttl: ttl as number | string };
}

function syntax(message: string): SlabringError {
  return new SlabringError('SYNTAX', message);
}
