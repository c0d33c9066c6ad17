/**
 * Import of NDJSON as a job: a JSON object in each line, `{"key": ..., "value": ..., "ttl": ...}`.
 * A slice is a range of bytes of the file, and the lines that begin in it are its lines: whoever
 * has the slice finds the first of them behind the first line break from the byte before the range
 * on.
 */
import { type Buffer, isUtf8 } from 'node:buffer';
import { SlabringError } from '../errors.js';
import { parseDuration, show } from '../units.js';
import type { JobContext } from './contract.js';
import { type ImportInput, InputWindow } from './input-file.js';
import { JsonLines } from './json-lines.js';
import { Loader } from './loader.js';

/** What a slice of an import comes to, also of one that was given up. */
export interface Imported {
  readonly entries: number;
  /** Line breaks passed; 0 for a file without lines. */
  readonly lines: number;
}

const LINE_BREAK = 0x0a;
/** Some programs begin a text with it. */
const BYTE_ORDER_MARK = '\ufeff';

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
  readonly #json = new JsonLines();
  #slice = 0;
  /** Where the first line of the slice begins. */
  #first = 0;
  /** Whether that is so of its last line. */
  #isTooLong = false;

  constructor(context: JobContext<ImportInput>) {
    const { arenas, input } = context;
    this.#context = context;
    this.#loader = new Loader(arenas, (line) => ({ byte: this.#startOf(line), line }));
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
    this.#isTooLong = false;
    this.#loader.reset();
    this.#window.open(Math.max(0, start - 1), end - start + 1);
    this.#first = this.#findFirst(start, end);
    const lines = this.#first < end ? this.#importLines(end) : 0;
    this.#context.progress(end - start);
    return { entries: this.#loader.stored, lines };
  }

  /** Where the first line of a range begins; `end` or more: there is none. */
  #findFirst(start: number, end: number): number {
    if (start === 0) return 0;
    const { bytes, start: base } = this.#window;
    const lineBreak = bytes.subarray(0, end - base).indexOf(LINE_BREAK);
    return lineBreak < 0 ? end : base + lineBreak + 1;
  }

  /** Stores the lines that begin before `end`; how many line breaks were passed. */
  #importLines(end: number): number {
    const { control } = this.#context;
    const bytes = this.#part(this.#first, this.#findLast(end));
    const isText = isUtf8(bytes);
    // With structures a value must be an object before it is encoded.
    const isFast = isText && !this.#loader.hasStructures;
    this.#json.open(bytes);
    let line = 0;
    for (let at = 0; at <= bytes.length; ) {
      line++;
      let lineEnd = isFast ? this.#json.read(at) : -1;
      if (lineEnd >= 0) {
        this.#addRead(bytes, line);
      } else {
        const lineBreak = bytes.indexOf(LINE_BREAK, at);
        lineEnd = lineBreak < 0 ? bytes.length : lineBreak;
        this.#addLine(bytes.subarray(at, lineEnd), isText, line);
      }
      at = lineEnd + 1;
      if (!this.#loader.isFull) continue;
      this.#loader.flush();
      if (!control.isWorth(this.#slice)) return line;
    }
    // The last line was then the nothing before it.
    if (this.#isTooLong) this.#fail(this.#tooLong(), line);
    this.#loader.flush();
    return line;
  }

  /**
   * Where the last line that begins before `end` ends, without its line break; where it begins, if
   * it is too long.
   */
  #findLast(end: number): number {
    const window = this.#window;
    for (let from = Math.max(this.#first, end - 1); ; ) {
      const lineBreak = window.bytes.indexOf(LINE_BREAK, from - window.start);
      if (lineBreak >= 0) return window.start + lineBreak;
      if (window.isAtEnd) return window.end;
      const start = this.#first + this.#part(this.#first, end).lastIndexOf(LINE_BREAK) + 1;
      this.#isTooLong = window.end - start > this.#longestLine;
      if (this.#isTooLong) return start;
      from = window.end;
      window.widen();
    }
  }

  /** Adds what `#json` has just read. */
  #addRead(bytes: Buffer, line: number): void {
    const { keyStart, keyEnd, value, ttlMs } = this.#json;
    try {
      const ttl = ttlMs === undefined ? this.#context.input.ttlMs : parseDuration(ttlMs, 'ttl');
      this.#loader.addPacked(bytes.subarray(keyStart, keyEnd), value, ttl, line);
    } catch (error) {
      this.#fail(error, line);
    }
  }

  #addLine(bytes: Buffer, isText: boolean, line: number): void {
    try {
      if (!isText && !isUtf8(bytes)) throw syntax('the line is not UTF-8');
      let text = bytes.toString();
      const isFirst = line === 1 && this.#first === 0;
      if (isFirst && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
      const entry = readLine(text);
      if (entry === undefined) return;
      const { key, value, ttl } = entry;
      const ttlMs = ttl === undefined ? this.#context.input.ttlMs : parseDuration(ttl, 'ttl');
      this.#loader.add(key, value, ttlMs, line);
    } catch (error) {
      this.#fail(error, line);
    }
  }

  /** Stores what came before the line, and throws. */
  #fail(error: unknown, line: number): never {
    this.#loader.flush();
    throw this.#loader.errorAt(line, error);
  }

  #tooLong(): SlabringError {
    return new SlabringError('TOOLARGE', `a line may have at most ${this.#longestLine} bytes here`);
  }

  #part(start: number, end: number): Buffer {
    const { bytes, start: base } = this.#window;
    return bytes.subarray(start - base, end - base);
  }

  /** Where a line of the slice begins. */
  #startOf(line: number): number {
    const { bytes, start: base } = this.#window;
    let at = this.#first - base;
    for (let i = 1; i < line; i++) at = bytes.indexOf(LINE_BREAK, at) + 1;
    return base + at;
  }
}

interface Line {
  readonly key: string;
  readonly value: unknown;
  /** As a duration, unchecked. */
  readonly ttl: number | string | undefined;
}

/**
 * What a line says; undefined for an empty one, which does no harm.
 * @throws SlabringError `SYNTAX`
 */
function readLine(text: string): Line | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (error) {
    if (/^[ \t\r]*$/.test(text)) return undefined;
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
