/**
 * The little of msgpack that is written and read by hand, because a call of msgpackr would cost
 * more than the work: headers, integers, strings, and how long a value is.
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/**
 * First bytes of msgpack values; the short forms (fixint, fixstr, fixarray, fixmap) carry their
 * length in them.
 */
export const Tag = {
  FIXMAP: 0x80,
  FIXARRAY: 0x90,
  FIXSTR: 0xa0,
  NIL: 0xc0,
  NEVER_USED: 0xc1,
  FALSE: 0xc2,
  TRUE: 0xc3,
  BIN8: 0xc4,
  BIN16: 0xc5,
  BIN32: 0xc6,
  EXT8: 0xc7,
  EXT16: 0xc8,
  EXT32: 0xc9,
  FLOAT32: 0xca,
  FLOAT64: 0xcb,
  UINT8: 0xcc,
  UINT16: 0xcd,
  UINT32: 0xce,
  UINT64: 0xcf,
  INT8: 0xd0,
  INT16: 0xd1,
  INT32: 0xd2,
  INT64: 0xd3,
  FIXEXT1: 0xd4,
  FIXEXT16: 0xd8,
  STR8: 0xd9,
  STR16: 0xda,
  STR32: 0xdb,
  ARRAY16: 0xdc,
  ARRAY32: 0xdd,
  MAP16: 0xde,
  MAP32: 0xdf,
  NEGATIVE_FIXINT: 0xe0,
} as const;

/** The most bytes that any header, integer or float takes. */
export const MAX_SCALAR_BYTES = 9;

const TWO_32 = 2 ** 32;

/** Writes a whole number that a double holds exactly, in its shortest form; returns the end. */
export function writeInteger(value: number, bytes: Buffer, at: number): number {
  if (value >= 0) {
    if (value < 0x80) {
      bytes[at] = value;
      return at + 1;
    }
    if (value < 0x100) {
      bytes[at] = Tag.UINT8;
      bytes[at + 1] = value;
      return at + 2;
    }
    if (value < 0x10000) {
      bytes[at] = Tag.UINT16;
      return writeUint16(value, bytes, at + 1);
    }
    if (value < TWO_32) {
      bytes[at] = Tag.UINT32;
      return writeUint32(value, bytes, at + 1);
    }
    bytes[at] = Tag.UINT64;
  } else {
    if (value >= -0x20) {
      bytes[at] = value & 0xff;
      return at + 1;
    }
    if (value >= -0x80) {
      bytes[at] = Tag.INT8;
      bytes[at + 1] = value & 0xff;
      return at + 2;
    }
    if (value >= -0x8000) {
      bytes[at] = Tag.INT16;
      return writeUint16(value & 0xffff, bytes, at + 1);
    }
    if (value >= -TWO_32 / 2) {
      bytes[at] = Tag.INT32;
      return writeUint32(value >>> 0, bytes, at + 1);
    }
    bytes[at] = Tag.INT64;
  }
  const high = Math.floor(value / TWO_32);
  writeUint32(high >>> 0, bytes, at + 1);
  return writeUint32((value - high * TWO_32) >>> 0, bytes, at + 5);
}

/**
 * Writes a bigint as int64, or as uint64 when it needs one more bit; returns the end. The caller
 * checked its range.
 */
export function writeBigInteger(value: bigint, bytes: Buffer, at: number): number {
  const signed = value < 0x8000000000000000n;
  bytes[at] = signed ? Tag.INT64 : Tag.UINT64;
  return signed ? bytes.writeBigInt64BE(value, at + 1) : bytes.writeBigUInt64BE(value, at + 1);
}

export function writeFloat(value: number, bytes: Buffer, at: number): number {
  bytes[at] = Tag.FLOAT64;
  return bytes.writeDoubleBE(value, at + 1);
}

/** Writes the header of a bin; its `length` bytes belong at the returned position. */
export function writeBinHeader(length: number, bytes: Buffer, at: number): number {
  if (length < 0x100) {
    bytes[at] = Tag.BIN8;
    bytes[at + 1] = length;
    return at + 2;
  }
  if (length < 0x10000) {
    bytes[at] = Tag.BIN16;
    return writeUint16(length, bytes, at + 1);
  }
  bytes[at] = Tag.BIN32;
  return writeUint32(length, bytes, at + 1);
}

/** Writes the header of an extension of up to 65,535 bytes; these belong at the returned position. */
export function writeExtHeader(length: number, type: number, bytes: Buffer, at: number): number {
  let end = at + 2;
  if (length < 0x100) {
    bytes[at] = Tag.EXT8;
    bytes[at + 1] = length;
  } else {
    bytes[at] = Tag.EXT16;
    end = writeUint16(length, bytes, at + 1);
  }
  bytes[end] = type;
  return end + 1;
}

/** Up to this many characters a loop beats a call into Node's C++. */
const LOOP_CHARS = 24;

/**
 * Writes a str; returns the end. There must be room for 5 bytes and 3 more per character.
 * As everywhere in Node, a lone surrogate becomes U+FFFD.
 */
export function writeString(text: string, bytes: Buffer, at: number): number {
  const characters = text.length;
  if (characters <= LOOP_CHARS && writeAscii(text, bytes, at + 1)) {
    bytes[at] = Tag.FIXSTR | characters;
    return at + 1 + characters;
  }
  // The header is as long as it is for ASCII, until the bytes written say otherwise.
  let start = at + stringHeaderBytes(characters);
  const length = bytes.write(text, start);
  if (at + stringHeaderBytes(length) !== start) {
    start = at + stringHeaderBytes(length);
    bytes.write(text, start);
  }
  writeStringHeader(length, bytes, at);
  return start + length;
}

/** False when a character is not ASCII, and then what was written means nothing. */
function writeAscii(text: string, bytes: Uint8Array, at: number): boolean {
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    seen |= code;
    bytes[at + i] = code;
  }
  return seen < 0x80;
}

function stringHeaderBytes(length: number): number {
  if (length < 0x20) return 1;
  if (length < 0x100) return 2;
  return length < 0x10000 ? 3 : 5;
}

/** Writes the header of a str; its `length` bytes belong at the returned position. */
export function writeStringHeader(length: number, bytes: Buffer, at: number): number {
  if (length < 0x20) {
    bytes[at] = Tag.FIXSTR | length;
    return at + 1;
  }
  if (length < 0x100) {
    bytes[at] = Tag.STR8;
    bytes[at + 1] = length;
    return at + 2;
  }
  if (length < 0x10000) {
    bytes[at] = Tag.STR16;
    return writeUint16(length, bytes, at + 1);
  }
  bytes[at] = Tag.STR32;
  return writeUint32(length, bytes, at + 1);
}

/** Writes the header of an array; returns the end. */
export function writeArrayHeader(items: number, bytes: Buffer, at: number): number {
  if (items < 0x10) {
    bytes[at] = Tag.FIXARRAY | items;
    return at + 1;
  }
  if (items < 0x10000) {
    bytes[at] = Tag.ARRAY16;
    return writeUint16(items, bytes, at + 1);
  }
  bytes[at] = Tag.ARRAY32;
  return writeUint32(items, bytes, at + 1);
}

/** Writes the code of a command: one byte below 128, else two. */
export function writeCode(code: number, bytes: Buffer, at: number): number {
  if (code < 0x80) {
    bytes[at] = code;
    return at + 1;
  }
  bytes[at] = Tag.UINT8;
  bytes[at + 1] = code;
  return at + 2;
}

export function writeUint16(value: number, bytes: Buffer, at: number): number {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
  return at + 2;
}

export function writeUint32(value: number, bytes: Buffer, at: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >> 16) & 0xff;
  bytes[at + 2] = (value >> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
  return at + 4;
}

/** The whole number of 8 bytes at `at`: a number when a double holds it exactly, else a bigint. */
export function readInteger64(signed: boolean, bytes: Buffer, at: number): number | bigint {
  const high = signed ? bytes.readInt32BE(at) : bytes.readUInt32BE(at);
  const value = high * TWO_32 + bytes.readUInt32BE(at + 4);
  if (Number.isSafeInteger(value)) return value;
  return signed ? bytes.readBigInt64BE(at) : bytes.readBigUInt64BE(at);
}

/**
 * Bytes of header and payload of the values 0xc0 to 0xdf that hold no others; 0 for those that do
 * or are no value.
 */
export function flatBytes(tag: number, bytes: Buffer, at: number): number {
  switch (tag) {
    case Tag.NIL:
    case Tag.FALSE:
    case Tag.TRUE:
      return 1;
    case Tag.BIN8:
    case Tag.STR8:
      return 2 + bytes[at + 1]!;
    case Tag.BIN16:
    case Tag.STR16:
      return 3 + bytes.readUInt16BE(at + 1);
    case Tag.BIN32:
    case Tag.STR32:
      return 5 + bytes.readUInt32BE(at + 1);
    case Tag.EXT8:
      return 3 + bytes[at + 1]!;
    case Tag.EXT16:
      return 4 + bytes.readUInt16BE(at + 1);
    case Tag.EXT32:
      return 6 + bytes.readUInt32BE(at + 1);
    case Tag.UINT8:
    case Tag.INT8:
      return 2;
    case Tag.UINT16:
    case Tag.INT16:
      return 3;
    case Tag.FLOAT32:
    case Tag.UINT32:
    case Tag.INT32:
      return 5;
    case Tag.FLOAT64:
    case Tag.UINT64:
    case Tag.INT64:
      return 9;
    default:
      return tag >= Tag.FIXEXT1 && tag <= Tag.FIXEXT16 ? 2 + (1 << (tag - Tag.FIXEXT1)) : 0;
  }
}

/**
 * How many values the array or map at `at` holds (a map's keys count too), or -1 when it is
 * neither.
 */
export function itemsOf(tag: number, bytes: Buffer, at: number): number {
  if (tag < Tag.FIXARRAY) return 2 * (tag - Tag.FIXMAP);
  if (tag < Tag.FIXSTR) return tag - Tag.FIXARRAY;
  if (tag === Tag.ARRAY16) return bytes.readUInt16BE(at + 1);
  if (tag === Tag.ARRAY32) return bytes.readUInt32BE(at + 1);
  if (tag === Tag.MAP16) return 2 * bytes.readUInt16BE(at + 1);
  if (tag === Tag.MAP32) return 2 * bytes.readUInt32BE(at + 1);
  return -1;
}

/**
 * Where the one value that begins at `at` ends. For bytes that are known to be msgpack, such as the
 * kernel's replies. Counts values instead of recursing, so depth costs nothing.
 * @throws RangeError when the bytes are not msgpack or end inside the value
 */
export function valueEnd(bytes: Buffer, at: number): number {
  let left = 1;
  while (left > 0) {
    const tag = bytes[at];
    if (tag === undefined) throw new RangeError('the bytes end inside a msgpack value');
    left--;
    if (tag < Tag.FIXMAP || tag >= Tag.NEGATIVE_FIXINT) {
      at += 1;
    } else if (tag >= Tag.FIXSTR && tag < Tag.NIL) {
      at += 1 + (tag - Tag.FIXSTR);
    } else {
      const flat = tag >= Tag.NIL ? flatBytes(tag, bytes, at) : 0;
      const items = flat > 0 ? 0 : itemsOf(tag, bytes, at);
      if (items < 0) throw new RangeError(`0x${tag.toString(16)} begins no msgpack value`);
      at += flat > 0 ? flat : containerHeaderBytes(tag);
      left += items;
    }
  }
  if (at > bytes.length) throw new RangeError('the bytes end inside a msgpack value');
  return at;
}

export function containerHeaderBytes(tag: number): number {
  if (tag < Tag.FIXSTR) return 1;
  return tag === Tag.ARRAY16 || tag === Tag.MAP16 ? 3 : 5;
}
