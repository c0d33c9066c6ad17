/** What the commands on the bytes of a str or bin do, and sums of floats: values to values. */
import { bin, float, integerOf, str, type Wire } from '../support/kernel-wire.js';

/** The bytes that a str or a bin holds. */
export interface Content {
  readonly isText: boolean;
  readonly bytes: Buffer;
}

/** Bytes before the content, by tag, of those that have a length field. */
const HEADS: Record<number, number> = { 196: 2, 197: 3, 198: 5, 217: 2, 218: 3, 219: 5 };

/** The content of a value; undefined: it is neither a str nor a bin. */
export function contentOf(value: Wire): Content | undefined {
  const tag = value[0]!;
  const isShort = tag >= 0xa0 && tag < 0xc0;
  const head = isShort ? 1 : HEADS[tag];
  if (head === undefined) return undefined;
  return { isText: isShort || tag >= 0xd9, bytes: value.subarray(head) };
}

export function wireOf({ isText, bytes }: Content): Wire {
  return isText ? str(bytes) : bin(bytes);
}

/** The content with `data` written into it at the offset, behind zeros where it is shorter. */
export function written(old: Content | undefined, offset: number, data: Content): Content {
  const bytes = Buffer.alloc(Math.max(old?.bytes.length ?? 0, offset + data.bytes.length));
  old?.bytes.copy(bytes);
  data.bytes.copy(bytes, offset);
  return { isText: (old ?? data).isText, bytes };
}

/** GETRANGE of Redis 7, t_string.c, line by line. */
export function rangeOf(bytes: Buffer, start: number, end: number): Buffer {
  const { length } = bytes;
  if (start < 0 && end < 0 && start > end) return Buffer.alloc(0);
  let from = start < 0 ? length + start : start;
  let last = end < 0 ? length + end : end;
  if (from < 0) from = 0;
  if (last < 0) last = 0;
  if (last >= length) last = length - 1;
  if (from > last || length === 0) return Buffer.alloc(0);
  return bytes.subarray(from, last + 1);
}

/** The number that a value is, if it is one. */
export function numberIn(value: Wire): number | undefined {
  const tag = value[0]!;
  if (tag === 0xca) return value.readFloatBE(1);
  if (tag === 0xcb) return value.readDoubleBE(1);
  const isInteger = tag < 0x80 || tag >= 0xe0 || (tag >= 0xcc && tag <= 0xd3);
  return isInteger ? Number(integerOf(value)) : undefined;
}

/** The float that a sum is stored as, or undefined: it is none. */
export function floatOf(sum: number): Wire | undefined {
  return Number.isFinite(sum) ? float(sum) : undefined;
}
