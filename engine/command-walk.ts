/**
 * Walks over the commands of a frame that comes from anybody, as the kernel does in its own areas:
 * strictly, and in a time that grows with the bytes alone, a nanosecond or two for each. (`valueEnd`
 * of msgpack.ts takes ten times as long, and trusts what it reads.)
 */
import { itemsOf, Tag } from './msgpack.js';

/** By first byte: how long a value is that has a fixed length of more than a byte; 0 for all others. */
const BYTES = new Uint8Array(256);
for (const tag of [Tag.UINT8, Tag.INT8]) BYTES[tag] = 2;
for (const tag of [Tag.UINT16, Tag.INT16]) BYTES[tag] = 3;
for (const tag of [Tag.UINT32, Tag.INT32, Tag.FLOAT32]) BYTES[tag] = 5;
for (const tag of [Tag.UINT64, Tag.INT64, Tag.FLOAT64]) BYTES[tag] = 9;
for (let i = 0; i < 5; i++) BYTES[Tag.FIXEXT1 + i] = 2 + (1 << i);

/** What `endOfMany` answers to bytes that are no msgpack, or end inside a value. */
export const BROKEN = -1;

/** SET has five arguments; of longer commands the rest is not told apart. */
const ELEMENTS_MAX = 6;

/** Where `count` values end that begin at `start`, or BROKEN. `bytes` are fewer than 2^30. */
export function endOfMany(bytes: Uint8Array, start: number, count: number): number {
  const { length } = bytes;
  // Whole numbers below 2^31, which is told to the compiler: it takes half the time.
  let at = start | 0;
  let left = count | 0;
  while (left > 0) {
    if (at >= length) return BROKEN;
    const tag = bytes[at]!;
    left = (left - 1) | 0;
    // Values of one byte, first: then the CPU need not wait for one to know where the next begins.
    if (tag < Tag.FIXMAP || tag >= Tag.NEGATIVE_FIXINT) {
      at = (at + 1) | 0;
      continue;
    }
    if (tag < Tag.FIXSTR) {
      at = (at + 1) | 0;
      const items = tag < Tag.FIXARRAY ? 2 * (tag - Tag.FIXMAP) : tag - Tag.FIXARRAY;
      left = (left + items) | 0;
      continue;
    }
    if (tag < Tag.NIL) {
      at = (at + 1 + (tag - Tag.FIXSTR)) | 0;
      continue;
    }
    if (tag <= Tag.TRUE && tag !== Tag.NEVER_USED) {
      at = (at + 1) | 0;
      continue;
    }
    const size = BYTES[tag]!;
    if (size > 0) {
      at = (at + size) | 0;
      continue;
    }
    const headerBytes = headerBytesOf(tag);
    if (headerBytes === 0 || headerBytes > length - at) return BROKEN;
    const number = lengthAt(bytes, at, tag);
    // Each byte and each value takes a byte at least: so all numbers stay small.
    if (number > length - at) return BROKEN;
    at = (at + headerBytes) | 0;
    if (tag < Tag.ARRAY16) at = (at + number) | 0;
    else left = (left + (tag < Tag.MAP16 ? number : 2 * number)) | 0;
    if (left > length) return BROKEN;
  }
  return at > length ? BROKEN : at;
}

/** Bytes in front of the payload of a bin, str or ext, or of the items of a container; 0: none of these. */
function headerBytesOf(tag: number): number {
  switch (tag) {
    case Tag.BIN8:
    case Tag.STR8:
      return 2;
    case Tag.BIN16:
    case Tag.STR16:
    case Tag.EXT8:
    case Tag.ARRAY16:
    case Tag.MAP16:
      return 3;
    case Tag.EXT16:
      return 4;
    case Tag.BIN32:
    case Tag.STR32:
    case Tag.ARRAY32:
    case Tag.MAP32:
      return 5;
    case Tag.EXT32:
      return 6;
    default:
      return 0;
  }
}

/** The number in such a header. */
function lengthAt(bytes: Uint8Array, at: number, tag: number): number {
  const first = bytes[at + 1]!;
  if (tag === Tag.BIN8 || tag === Tag.STR8 || tag === Tag.EXT8) return first;
  const two = (first << 8) | bytes[at + 2]!;
  const isWide =
    tag === Tag.BIN32 ||
    tag === Tag.STR32 ||
    tag === Tag.EXT32 ||
    tag === Tag.ARRAY32 ||
    tag === Tag.MAP32;
  return isWide ? two * 0x10000 + ((bytes[at + 3]! << 8) | bytes[at + 4]!) : two;
}

/** One command, and where its first elements are. Used for one after the other. */
export class CommandWalk {
  /** Elements, the name or code counted; 0 for anything but an array of some. */
  items = 0;
  /** Where the first element begins. */
  start = 0;
  /** Where each of the first six elements ends. */
  readonly ends: number[] = new Array<number>(ELEMENTS_MAX).fill(0);

  /** Where the whole command at `at` ends, or BROKEN. */
  walk(bytes: Buffer, at: number): number {
    this.items = 0;
    if (at >= bytes.length) return BROKEN;
    const tag = bytes[at]!;
    const isShort = tag >= Tag.FIXARRAY && tag < Tag.FIXSTR;
    if (!isShort && tag !== Tag.ARRAY16 && tag !== Tag.ARRAY32) return endOfMany(bytes, at, 1);
    const headerBytes = isShort ? 1 : headerBytesOf(tag);
    if (headerBytes > bytes.length - at) return BROKEN;
    this.items = itemsOf(tag, bytes, at);
    this.start = at + headerBytes;
    let end = this.start;
    const told = Math.min(this.items, ELEMENTS_MAX);
    for (let i = 0; i < told && end !== BROKEN; i++) {
      end = endOfMany(bytes, end, 1);
      this.ends[i] = end;
    }
    if (end === BROKEN || this.items === told) return end;
    return endOfMany(bytes, end, this.items - told);
  }
}
