/** The file that an export writes, in either format. */
import { Buffer, isUtf8 } from 'node:buffer';
import { closeSync, openSync, writeSync } from 'node:fs';
import { packValue, readValue, writeValue } from '../codec.js';
import { SlabringError } from '../errors.js';
import { writeArrayHeader, writeBinHeader, writeInteger, writeString } from '../msgpack.js';
import { recordStart, type Structures } from '../structures.js';
import type { ExportInput } from './export-entries.js';
import { type FileFormat, refuseFile } from './files.js';
import { toJson } from './json.js';

/** Bytes written at once. */
const FULL_BYTES = 256 * 1024;
/** Headers of key and record, and a time to live. */
const ENTRY_SLACK_BYTES = 32;

export class OutputFile {
  readonly #file: number;
  readonly #path: string;
  readonly #format: FileFormat;
  readonly #structures: Structures | undefined;
  #buffer = Buffer.allocUnsafeSlow(2 * FULL_BYTES);
  #end = 0;
  #bytes = 0;
  #entries = 0;

  /** @throws SlabringError `OPTION`, as do the methods, when the system refuses */
  constructor(input: ExportInput, structures: Structures | undefined) {
    this.#path = input.path;
    this.#format = input.format;
    this.#structures = structures;
    try {
      // A new one, whatever has the name.
      this.#file = openSync(input.draft, 'wx');
    } catch (error) {
      refuseFile('exportFile', 'write', this.#path, error);
    }
  }

  get entries(): number {
    return this.#entries;
  }

  /** Bytes in the file, after {@link flush}. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an entry.
   * @param value msgpack
   * @param ttlMs 0: none
   * @throws SlabringError `WRONGTYPE` when the format has no form for it
   */
  write(key: Buffer, value: Buffer, ttlMs: number): void {
    if (this.#format === 'ndjson') this.#writeLine(key, value, ttlMs);
    else this.#writeRecord(key, value, ttlMs);
    this.#entries++;
    if (this.#end >= FULL_BYTES) this.flush();
  }

  flush(): void {
    try {
      for (let at = 0; at < this.#end; ) {
        at += writeSync(this.#file, this.#buffer, at, this.#end - at);
      }
    } catch (error) {
      refuseFile('exportFile', 'write', this.#path, error);
    }
    this.#bytes += this.#end;
    this.#end = 0;
  }

  close(): void {
    closeSync(this.#file);
  }

  #writeLine(key: Buffer, value: Buffer, ttlMs: number): void {
    if (!isUtf8(key)) {
      throw new SlabringError(
        'WRONGTYPE',
        `a key of bytes, ${key.toString('hex', 0, 32)}, has no form in ndjson: use msgpack`,
      );
    }
    const decoded = readValue(value, 0, value.length, this.#structures);
    const name = JSON.stringify(key.toString());
    const ttl = ttlMs === 0 ? '' : `,"ttl":${ttlMs}`;
    const line = `{"key":${name},"value":${toJson(decoded, key)}${ttl}}\n`;
    this.#reserve(3 * line.length);
    this.#end += this.#buffer.write(line, this.#end);
  }

  #writeRecord(key: Buffer, value: Buffer, ttlMs: number): void {
    this.#reserve(key.length + ENTRY_SLACK_BYTES);
    let at = writeArrayHeader(ttlMs === 0 ? 2 : 3, this.#buffer, this.#end);
    if (isUtf8(key)) {
      at = writeString(key.toString(), this.#buffer, at);
    } else {
      at = writeBinHeader(key.length, this.#buffer, at);
      at += key.copy(this.#buffer, at);
    }
    this.#end = at;
    this.#writeValue(value);
    if (ttlMs !== 0) this.#end = writeInteger(ttlMs, this.#buffer, this.#end);
  }

  #writeValue(value: Buffer): void {
    if (recordStart(value[0]!, value, 0) === 0) {
      this.#reserve(value.length);
      this.#end += value.copy(this.#buffer, this.#end);
      return;
    }
    // Only this cache has its structures.
    const decoded = readValue(value, 0, value.length, this.#structures);
    const packed = packValue(decoded);
    this.#reserve(packed === undefined ? 0 : packed.end - packed.start);
    this.#end = writeValue(decoded, packed, this.#buffer, this.#end, Infinity);
  }

  /** Makes room for so many bytes, and for some small ones more. */
  #reserve(bytes: number): void {
    const needed = this.#end + bytes + ENTRY_SLACK_BYTES;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }
}
