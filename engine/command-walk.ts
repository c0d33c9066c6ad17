/**
 * Walks over the commands of a frame that comes from anybody, as the kernel does in its own areas:
 * strictly, and in a time that grows with the bytes alone, a few nanoseconds for each. (`valueEnd`
 * of msgpack.ts takes ten times as long, and trusts what it reads.)
 */
import { itemsOf, Tag } from './msgpack.js';

/** By first byte: how long a value is that always has one length, above a byte; 0: any other. */
const BYTES = new Uint8Array(256);
for (const tag of [Tag.UINT8, Tag.INT8]) BYTES[tag] = 2;
for (const tag of [Tag.UINT16, Tag.INT16]) BYTES[tag] = 3;
for (const tag of [Tag.UINT32, Tag.INT32, Tag.FLOAT32]) BYTES[tag] = 5;
for (const tag of [Tag.UINT64, Tag.INT64, Tag.FLOAT64]) BYTES[tag] = 9;
for (let i = 0; i < 5; i++) BYTES[Tag.FIXEXT1 + i] = 2 + (1 << i);

/** By first byte: how many bytes of length come behind it; 0: none. */
const LENGTH_BYTES = new Uint8Array(256);
/** Likewise: bytes in front of the payload of a bin, str or ext, or of a container's items. */
const HEADER_BYTES = new Uint8Array(256);
for (const [tags, lengthBytes] of [
  [[Tag.BIN8, Tag.STR8, Tag.EXT8], 1],
  [[Tag.BIN16, Tag.STR16, Tag.EXT16, Tag.ARRAY16, Tag.MAP16], 2],
  [[Tag.BIN32, Tag.STR32, Tag.EXT32, Tag.ARRAY32, Tag.MAP32], 4],
] as const) {
  for (const tag of tags) {
    LENGTH_BYTES[tag] = lengthBytes;
    const hasType = tag >= Tag.EXT8 && tag <= Tag.EXT32;
    HEADER_BYTES[tag] = 1 + lengthBytes + (hasType ? 1 : 0);
  }
}

/** What `endOfMany` answers to bytes that are no msgpack, or end inside a value. */
export const BROKEN = -1;

/** SET has five arguments; of longer commands the rest is not told apart. */
const ELEMENTS_MAX = 6;

/* Local, because reading an import costs a hot loop more than the work. */
const ARRAY16 = Tag.ARRAY16;
const FIXARRAY = Tag.FIXARRAY;
const FIXMAP = Tag.FIXMAP;
const FIXSTR = Tag.FIXSTR;
const MAP16 = Tag.MAP16;
const NEGATIVE_FIXINT = Tag.NEGATIVE_FIXINT;
const NEVER_USED = Tag.NEVER_USED;
const NIL = Tag.NIL;
const TRUE = Tag.TRUE;

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
    if (tag < FIXMAP || tag >= NEGATIVE_FIXINT) {
      at = (at + 1) | 0;
      continue;
    }
    if (tag < FIXSTR) {
      at = (at + 1) | 0;
      const items = tag < FIXARRAY ? 2 * (tag - FIXMAP) : tag - FIXARRAY;
      left = (left + items) | 0;
      continue;
    }
    if (tag < NIL) {
      at = (at + 1 + (tag - FIXSTR)) | 0;
      continue;
    }
    if (tag <= TRUE && tag !== NEVER_USED) {
      at = (at + 1) | 0;
      continue;
    }
    const size = BYTES[tag]!;
    if (size > 0) {
      at = (at + size) | 0;
      continue;
    }
    const headerBytes = HEADER_BYTES[tag]!;
    if (headerBytes === 0 || headerBytes > length - at) return BROKEN;
    const number = lengthAt(bytes, at, tag);
    // Each byte and each value takes a byte at least: so all numbers stay small.
    if (number > length - at) return BROKEN;
    at = (at + headerBytes) | 0;
    if (tag < ARRAY16) at = (at + number) | 0;
    else left = (left + (tag < MAP16 ? number : 2 * number)) | 0;
    if (left > length) return BROKEN;
  }
  return at > length ? BROKEN : at;
}

/** The number in the header of a bin, str, ext or container. */
function lengthAt(bytes: Uint8Array, at: number, tag: number): number {
  const first = bytes[at + 1]!;
  const width = LENGTH_BYTES[tag]!;
  if (width === 1) return first;
  const two = (first << 8) | bytes[at + 2]!;
  if (width === 2) return two;
  return two * 0x10000 + ((bytes[at + 3]! << 8) | bytes[at + 4]!);
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
    const headerBytes = isShort ? 1 : HEADER_BYTES[tag]!;
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
