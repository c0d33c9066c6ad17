/**
 * JavaScript values to msgpack and back by msgpackr, with records as structures.ts has it. What is
 * most common and small (null, booleans, numbers, strings, bytes) is written and read by hand,
 * straight in the areas of shared memory.
 *
 * A value comes back as itself, with these exceptions: a Map as a plain object with string keys, an
 * instance of a class as a plain object (or what its `toJSON` returns), a Uint8Array as a Buffer, a
 * bigint that a double holds exactly as a number, -0 as 0. Dates, typed arrays and bigints of any
 * size survive. Sets, RegExps and Errors are refused.
 */
// The import is a constant to V8; the global of the same name is looked up at each use.
import { Buffer } from 'node:buffer';
import { Packr, RESET_BUFFER_MODE, REUSE_BUFFER_MODE } from 'msgpackr';
import { copyTo } from './copy.js';
import { SlabringError } from './errors.js';
import {
  readInteger64,
  Tag,
  valueEnd,
  writeBigInteger,
  writeBinHeader,
  writeFloat,
  writeInteger,
  writeString,
} from './msgpack.js';
import { PACKR_OPTIONS, refuse } from './packr-options.js';
import { ONE_PIECE_BYTES } from './short-bytes.js';
import {
  recordHeaderBytes,
  recordStart,
  type Structures,
  writeRecordHeader,
} from './structures.js';
import { show } from './units.js';

const packr = new Packr(PACKR_OPTIONS);

function refuseLength(length: number, maxBytes: number): never {
  throw new SlabringError(
    'TOOLARGE',
    `a value may have at most ${maxBytes} bytes once encoded, this one has ${length}`,
  );
}

/** Where the bytes of an encoded value lie. */
export interface Packed {
  bytes: Uint8Array;
  start: number;
  end: number;
  /** It has records in it (structures.ts) and goes into an extension. */
  hasRecords: boolean;
}

/** The one that {@link packValue} returns: what msgpackr wrote last, in its own buffer. */
const lastPacked: Packed = { bytes: Buffer.alloc(0), start: 0, end: 0, hasRecords: false };

/**
 * The encoded bytes of a value that {@link writeValue} cannot write by hand, valid until the next
 * call; `undefined` for one that it can. Runs code of the value (`toJSON`, getters), which may use
 * the cache: call it before writing anything.
 * @param structures those of the cache that the value is for, if it has them
 * @throws SlabringError `OPTION` when the value cannot be stored, naming why
 */
export function packValue(value: unknown, structures?: Structures): Packed | undefined {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return typeof value === 'bigint' && !fits64(value) ? pack(value, undefined) : undefined;
    case 'object':
      return value === null || value instanceof Uint8Array ? undefined : pack(value, structures);
    case 'undefined':
      return refuse('undefined (store null, or delete the key)');
    default:
      return refuse(typeof value === 'symbol' ? 'a symbol' : show(value));
  }
}

/** Returns msgpackr's buffer itself, marked with where the value lies, and begins there again. */
const IN_PLACE = REUSE_BUFFER_MODE | RESET_BUFFER_MODE;

function pack(value: unknown, structures: Structures | undefined): Packed {
  try {
    if (structures !== undefined) return packRecords(value, structures);
    const bytes = packr.pack(value, IN_PLACE) as Buffer & { start: number; end: number };
    const { start, end } = bytes;
    // The wire depends on it, and extensions that the application gave msgpackr may break it too.
    if (valueEnd(bytes, start) !== end) refuse('a Set, a RegExp or an Error');
    lastPacked.bytes = bytes;
    lastPacked.start = start;
    lastPacked.end = end;
    return lastPacked;
  } catch (error) {
    throw packError(error);
  }
}

function packRecords(value: unknown, structures: Structures): Packed {
  const packed = structures.pack(value, IN_PLACE);
  const { bytes, start, end } = packed;
  if (structures.valueEnd(bytes as Buffer, start) !== end) refuse('a Set, a RegExp or an Error');
  return packed;
}

function packError(error: unknown): SlabringError {
  if (error instanceof SlabringError) return error;
  const reason =
    error instanceof RangeError && /call stack/.test(error.message)
      ? 'it contains itself, or is nested too deeply'
      : error instanceof Error
        ? error.message
        : String(error);
  return new SlabringError('OPTION', `the value cannot be encoded: ${reason}`, { cause: error });
}

function fits64(value: bigint): boolean {
  return value >= -0x8000000000000000n && value <= 0xffffffffffffffffn;
}

/** Instead of an end: the encoded value is longer than allowed. */
export const TOO_LONG = -1;

/**
 * Writes a value at `at` and returns its end, or {@link TOO_LONG}. `packed` is what
 * {@link packValue} returned for it.
 * @param maxBytes the most bytes the encoded value may have; `bytes` must have room for them and a
 * few more
 */
export function writeValue(
  value: unknown,
  packed: Packed | undefined,
  bytes: Buffer,
  at: number,
  maxBytes: number,
): number {
  if (packed !== undefined) return writePacked(packed, bytes, at, maxBytes);
  switch (typeof value) {
    case 'string':
      return writeText(value, bytes, at, maxBytes);
    case 'number':
      return Number.isSafeInteger(value)
        ? writeInteger(value, bytes, at)
        : writeFloat(value, bytes, at);
    case 'boolean':
      bytes[at] = value ? Tag.TRUE : Tag.FALSE;
      return at + 1;
    case 'bigint':
      return writeBigInteger(value, bytes, at);
    default:
      if (value instanceof Uint8Array) return writeBytes(value, bytes, at, maxBytes);
      bytes[at] = Tag.NIL;
      return at + 1;
  }
}

/** Writes bytes as a msgpack bin. Parameters and result as {@link writeValue}'s. */
export function writeBytes(value: Uint8Array, bytes: Buffer, at: number, maxBytes: number): number {
  const length = value.length;
  if (length + 5 > maxBytes && length + binHeaderBytes(length) > maxBytes) return TOO_LONG;
  const start = writeBinHeader(length, bytes, at);
  return copy(value, 0, length, bytes, start);
}

function binHeaderBytes(length: number): number {
  if (length < 0x100) return 2;
  return length < 0x10000 ? 3 : 5;
}

function writePacked(packed: Packed, bytes: Buffer, at: number, maxBytes: number): number {
  const length = packed.end - packed.start;
  if (length > maxBytes) return TOO_LONG;
  if (packed.hasRecords) {
    if (length + recordHeaderBytes(length) > maxBytes) return TOO_LONG;
    at = writeRecordHeader(length, bytes, at);
  }
  return copy(packed.bytes, packed.start, packed.end, bytes, at);
}

function writeText(text: string, bytes: Buffer, at: number, maxBytes: number): number {
  // Only long texts are worth counting: a character has at most 3 bytes.
  if (3 * text.length + 5 > maxBytes && textBytes(text, maxBytes) > maxBytes) return TOO_LONG;
  return writeString(text, bytes, at);
}

/** Bytes of a text once encoded; where that is more than `maxBytes`, it may be only nearly so. */
function textBytes(text: string, maxBytes: number): number {
  const length = text.length > maxBytes ? text.length : Buffer.byteLength(text);
  return length + (length < 0x20 ? 1 : binHeaderBytes(length));
}

/**
 * The encoded bytes, in parts, of a value that {@link writeValue} found too long for its place.
 * They may be parts of the value itself, or of msgpackr's buffer: to be used at once.
 * @param maxBytes the most that any value may have
 * @throws SlabringError `TOOLARGE`
 */
export function encodedParts(
  value: unknown,
  packed: Packed | undefined,
  maxBytes: number,
): readonly Uint8Array[] {
  if (packed !== undefined) {
    const length = packed.end - packed.start;
    const headerBytes = packed.hasRecords ? recordHeaderBytes(length) : 0;
    if (length + headerBytes > maxBytes) refuseLength(length + headerBytes, maxBytes);
    const head = Buffer.alloc(headerBytes);
    if (headerBytes > 0) writeRecordHeader(length, head, 0);
    return [head, packed.bytes.subarray(packed.start, packed.end)];
  }
  if (typeof value === 'string') {
    const length = textBytes(value, maxBytes);
    if (length > maxBytes) refuseLength(length, maxBytes);
    const text = Buffer.from(value);
    return [longHeader(Tag.STR32, text.length), text];
  }
  const bytes = value as Uint8Array;
  const length = bytes.length + binHeaderBytes(bytes.length);
  if (length > maxBytes) refuseLength(length, maxBytes);
  return [longHeader(Tag.BIN32, bytes.length), bytes];
}

function longHeader(tag: number, length: number): Buffer {
  const header = Buffer.alloc(5);
  header[0] = tag;
  header.writeUInt32BE(length, 1);
  return header;
}

/** Up to this many bytes a loop beats `set`, which is a call out of compiled code. */
const LOOP_BYTES = 24;
/** The same where a `subarray` would have to come before it, which allocates. */
const LOOP_PART_BYTES = 64;

/** Copies `source` from `start` to `end` to `at` in `target`; returns the end there. */
function copy(source: Uint8Array, start: number, end: number, target: Buffer, at: number): number {
  const length = end - start;
  const isWhole = length === source.length;
  if (length > (isWhole ? LOOP_BYTES : LOOP_PART_BYTES)) {
    copyTo(target, isWhole ? source : source.subarray(start, end), at);
  } else {
    for (let i = 0; i < length; i++) target[at + i] = source[start + i]!;
  }
  return at + length;
}

/**
 * Reads the one value in `bytes` from `start` to `end`. Nothing of the result is a view on `bytes`.
 * @throws SlabringError `WRONGTYPE` when it is msgpack that JavaScript has no value for, such as an
 * unknown extension
 * @param structures those of the cache that the value is from, if it has them
 */
export function readValue(
  bytes: Buffer,
  start: number,
  end: number,
  structures?: Structures,
): unknown {
  const tag = bytes[start]!;
  if (tag < Tag.FIXMAP) return tag;
  if (tag >= Tag.NEGATIVE_FIXINT) return tag - 0x100;
  if (tag >= Tag.FIXSTR && tag < Tag.NIL) return readString(bytes, start + 1, end);
  switch (tag) {
    case Tag.NIL:
      return null;
    case Tag.FALSE:
      return false;
    case Tag.TRUE:
      return true;
    case Tag.STR8:
      return readString(bytes, start + 2, end);
    case Tag.STR16:
      return readString(bytes, start + 3, end);
    case Tag.STR32:
      return readString(bytes, start + 5, end);
    case Tag.BIN8:
      return copyOut(bytes, start + 2, end);
    case Tag.BIN16:
      return copyOut(bytes, start + 3, end);
    case Tag.BIN32:
      return copyOut(bytes, start + 5, end);
    case Tag.FLOAT64:
      return bytes.readDoubleBE(start + 1);
    case Tag.UINT8:
      return bytes[start + 1];
    case Tag.UINT16:
      return bytes.readUInt16BE(start + 1);
    case Tag.UINT32:
      return bytes.readUInt32BE(start + 1);
    case Tag.UINT64:
      return readInteger64(false, bytes, start + 1);
    case Tag.INT8:
      return bytes.readInt8(start + 1);
    case Tag.INT16:
      return bytes.readInt16BE(start + 1);
    case Tag.INT32:
      return bytes.readInt32BE(start + 1);
    case Tag.INT64:
      return readInteger64(true, bytes, start + 1);
    default:
      return unpack(bytes, start, end, structures);
  }
}

/**
 * Reads the payload of the bin or str in `bytes` from `start` to `end`, as a Buffer of its own.
 * @throws SlabringError `WRONGTYPE` when the value is neither
 */
export function readBytes(bytes: Buffer, start: number, end: number): Buffer {
  const tag = bytes[start]!;
  if (tag === Tag.BIN8 || tag === Tag.STR8) return copyOut(bytes, start + 2, end);
  if (tag >= Tag.FIXSTR && tag < Tag.NIL) return copyOut(bytes, start + 1, end);
  if (tag === Tag.BIN16 || tag === Tag.STR16) return copyOut(bytes, start + 3, end);
  if (tag === Tag.BIN32 || tag === Tag.STR32) return copyOut(bytes, start + 5, end);
  throw new SlabringError('WRONGTYPE', 'the value is neither bytes nor a string: read it with get');
}

function copyOut(bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start;
  const target = length > ONE_PIECE_BYTES ? Buffer.allocUnsafe(length) : Buffer.alloc(length);
  copy(bytes, start, end, target, 0);
  return target;
}

/** Up to this many characters a loop beats a call into Node's C++. */
const LOOP_CHARS = 16;

function readString(bytes: Buffer, start: number, end: number): string {
  if (end - start <= LOOP_CHARS) {
    const text = readAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  // Without a name of an encoding, Node looks up none: UTF-8.
  return bytes.toString(undefined, start, end);
}

/** The characters of the bytes, if all of them are ASCII. */
export function readAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let seen = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    const d = bytes[at + 3]!;
    seen |= a | b | c | d;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    seen |= bytes[at]!;
    text += String.fromCharCode(bytes[at]!);
  }
  return seen < 0x80 ? text : undefined;
}

/**
 * {@link readValue} of bytes that are nobody else's: where the value is bytes, it is a view of
 * them, and nothing is copied that need not be. For large values.
 */
export function readOwnValue(bytes: Buffer, structures: Structures | undefined): unknown {
  const tag = bytes[0]!;
  if (tag === Tag.BIN32) return bytes.subarray(5);
  if (tag === Tag.STR32 || bytes.length <= FIRST_SCRATCH_BYTES) {
    return readValue(bytes, 0, bytes.length, structures);
  }
  const records = structures === undefined ? 0 : recordStart(tag, bytes, 0);
  return decode(bytes.subarray(records), bytes.length - records, records > 0, structures);
}

const FIRST_SCRATCH_BYTES = 8192;

/**
 * Where values are copied to for msgpackr. Absent while one is being read: an extension of the user
 * may call us.
 */
let scratch: Buffer | undefined;

/**
 * msgpackr reads from memory of its own: its native string reader refuses shared memory, which
 * costs an exception per value (12.7 us instead of 1.3 us for an object of 160 bytes).
 */
function unpack(
  bytes: Buffer,
  start: number,
  end: number,
  structures: Structures | undefined,
): unknown {
  const records = structures === undefined ? 0 : recordStart(bytes[start]!, bytes, start);
  if (records > 0) start = records;
  const length = end - start;
  let target = scratch;
  scratch = undefined;
  if (target === undefined || target.length < length) {
    target = Buffer.allocUnsafeSlow(Math.max(length, FIRST_SCRATCH_BYTES));
  }
  copy(bytes, start, end, target, 0);
  try {
    return decode(target, length, records > 0, structures);
  } finally {
    scratch = target;
  }
}

function decode(
  bytes: Buffer,
  length: number,
  hasRecords: boolean,
  structures: Structures | undefined,
): unknown {
  try {
    return hasRecords ? structures!.unpack(bytes, length) : packr.unpack(bytes, length);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SlabringError('WRONGTYPE', `the value cannot be read: ${reason}`, { cause: error });
  }
}
