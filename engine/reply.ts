/** Reads the replies of a reply frame. */
import { Buffer } from 'node:buffer';
import type { Versioned } from './api.js';
import { readBytes, readValue } from './codec.js';
import { ERROR_EXT_TYPE } from './commands.js';
import { copyOf } from './copy.js';
import { errorFromWire, SlabringError } from './errors.js';
import type { ReplySource } from './handles/runner.js';
import { PREFIX_BYTES } from './keys.js';
import { containerHeaderBytes, itemsOf, Tag, valueEnd } from './msgpack.js';
import type { Structures } from './structures.js';

/**
 * The reply that begins at `start` and ends at `end`, as a value; nil as null.
 * @throws SlabringError the one that the reply is
 */
export function readReply(
  bytes: Buffer,
  start: number,
  end: number,
  structures?: Structures,
): unknown {
  const error = errorOf(bytes, start, end);
  if (error !== undefined) throw error;
  return readValue(bytes, start, end, structures);
}

/** The error that a reply is, if it is one. */
function errorOf(bytes: Buffer, start: number, end: number): SlabringError | undefined {
  const headerBytes = extensionHeaderBytes(bytes[start]!);
  if (headerBytes === 0 || bytes.readInt8(start + headerBytes - 1) !== ERROR_EXT_TYPE) {
    return undefined;
  }
  return errorFromWire(bytes.toString('utf8', start + headerBytes, end));
}

/** An array of two: how GETV answers for a key that is there. */
const PAIR = Tag.FIXARRAY | 2;

/** The reply to GETV; undefined for nil. Errors as of {@link readReply}. */
export function readVersioned<T>(
  bytes: Buffer,
  start: number,
  end: number,
  structures?: Structures,
): Versioned<T> | undefined {
  if (bytes[start] !== PAIR) {
    readReply(bytes, start, end);
    return undefined;
  }
  const valueStart = start + 1;
  const versionStart = valueEnd(bytes, valueStart);
  const version = readValue(bytes, versionStart, end) as number;
  return { value: readValue(bytes, valueStart, versionStart, structures) as T, version };
}

/** One reply, read value by value: see handles/runner.ts. */
export class ReplyCursor implements ReplySource {
  #bytes: Buffer;
  #at: number;
  readonly #end: number;
  readonly #structures: Structures | undefined;
  /** Whether it is the whole reply that comes next. */
  #isWhole = true;

  /** @throws SlabringError the one that the reply is */
  constructor(bytes: Buffer, start: number, end: number, structures: Structures | undefined) {
    const error = errorOf(bytes, start, end);
    if (error !== undefined) throw error;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#structures = structures;
  }

  value(): unknown {
    const start = this.#at;
    this.#at = this.#isWhole ? this.#end : this.#endOf(start);
    return readValue(this.#bytes, start, this.#at, this.#structures);
  }

  reply(): unknown {
    const start = this.#at;
    const end = this.#endOf(start);
    const error = errorOf(this.#bytes, start, end);
    if (error === undefined) return this.#valueOrError();
    this.#at = end;
    return error;
  }

  #valueOrError(): unknown {
    try {
      return this.value();
    } catch (error) {
      if (error instanceof SlabringError) return error;
      throw error;
    }
  }

  key(): Uint8Array | undefined {
    const bytes = this.#bytes.subarray(this.#at, this.#end);
    const tag = bytes[0]!;
    if (tag === Tag.EXT8) return Uint8Array.from(bytes.subarray(3 + PREFIX_BYTES));
    if (tag === Tag.EXT16) return Uint8Array.from(bytes.subarray(4 + PREFIX_BYTES));
    return isArray(tag) ? undefined : readBytes(bytes, 0, bytes.length);
  }

  /** Where a value ends: of small integers and short text at once. */
  #endOf(start: number): number {
    const tag = this.#bytes[start]!;
    if (tag < Tag.FIXMAP || tag >= Tag.NEGATIVE_FIXINT) return start + 1;
    if (tag >= Tag.FIXSTR && tag < Tag.NIL) return start + 1 + (tag - Tag.FIXSTR);
    return valueEnd(this.#bytes, start);
  }

  items(): number | undefined {
    if (this.#isWhole) {
      // Reading a value may run code of an application's extension, which may use the cache.
      this.#bytes = copyOf(this.#bytes.subarray(0, this.#end));
      this.#isWhole = false;
    }
    const tag = this.#bytes[this.#at]!;
    const items = itemsOf(tag, this.#bytes, this.#at);
    this.#at += tag === Tag.NIL ? 1 : containerHeaderBytes(tag);
    return tag === Tag.NIL ? undefined : items;
  }
}

function isArray(tag: number): boolean {
  return (tag >= Tag.FIXARRAY && tag < Tag.FIXSTR) || tag === Tag.ARRAY16 || tag === Tag.ARRAY32;
}

/** The items of the reply, an array of values, nil as undefined. Errors as of {@link readReply}. */
export function readValues(
  bytes: Buffer,
  start: number,
  end: number,
  structures?: Structures,
): unknown[] {
  const tag = bytes[start]!;
  if (!isArray(tag)) return readReply(bytes, start, end) as never;
  const items = itemsOf(tag, bytes, start);
  // Reading a value may run code of an application's extension, which may use the cache.
  const own = copyOf(bytes.subarray(start + containerHeaderBytes(tag), end)) as Buffer;
  const values: unknown[] = [];
  let at = 0;
  for (let i = 0; i < items; i++) {
    const next = valueEnd(own, at);
    values.push(readValue(own, at, next, structures) ?? undefined);
    at = next;
  }
  return values;
}

export class ReplyReader {
  readonly #bytes: Buffer;
  readonly #structures: Structures | undefined;
  #at: number;

  /** @param frame a reply frame; a view will do, it is read before the next command runs */
  constructor(frame: Uint8Array, structures?: Structures) {
    this.#structures = structures;
    this.#bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#at = valueEnd(this.#bytes, 0);
  }

  /**
   * The next reply.
   * @throws SlabringError the one that the reply is; the reader then stands at the reply after it
   */
  next(): unknown {
    const start = this.#at;
    this.#at = valueEnd(this.#bytes, start);
    return readReply(this.#bytes, start, this.#at, this.#structures);
  }

  /** `next` for a GET, which has no value for a collection: nil too. */
  nextPlain(): unknown {
    const start = this.#at;
    this.#at = valueEnd(this.#bytes, start);
    const error = errorOf(this.#bytes, start, this.#at);
    if (error === undefined) return readValue(this.#bytes, start, this.#at, this.#structures);
    if (error.code === 'WRONGTYPE') return null;
    throw error;
  }

  /** `next` where the reply is an array of values. */
  nextValues(): unknown[] {
    const start = this.#at;
    this.#at = valueEnd(this.#bytes, start);
    return readValues(this.#bytes, start, this.#at, this.#structures);
  }
}

/**
 * Bytes before the payload of an extension, of which the last is its type; 0 for any other value.
 */
function extensionHeaderBytes(tag: number): number {
  if (tag >= Tag.FIXEXT1 && tag <= Tag.FIXEXT16) return 2;
  if (tag === Tag.EXT8) return 3;
  if (tag === Tag.EXT16) return 4;
  return tag === Tag.EXT32 ? 6 : 0;
}
