/**
 * Writes frames byte by byte, in any of the forms that msgpack allows for one value, and takes
 * reply frames apart. Knows nothing of the kernel and of the codecs of the package, so that a
 * mistake there cannot hide here.
 */

/** One or more msgpack values, as bytes. */
export type Wire = Buffer;

export const NIL: Wire = Buffer.of(0xc0);
export const FALSE: Wire = Buffer.of(0xc2);
export const TRUE: Wire = Buffer.of(0xc3);

/** Ways to write an integer. `shortest` is what the kernel writes. */
export const INTEGER_FORMS = ['shortest', 'uint8', 'uint16', 'uint32', 'uint64'] as const;
export const SIGNED_FORMS = ['int8', 'int16', 'int32', 'int64'] as const;
export type IntegerForm = (typeof INTEGER_FORMS)[number] | (typeof SIGNED_FORMS)[number];

const RANGES: Record<Exclude<IntegerForm, 'shortest'>, readonly [tag: number, bits: bigint]> = {
  uint8: [0xcc, 8n],
  uint16: [0xcd, 16n],
  uint32: [0xce, 32n],
  uint64: [0xcf, 64n],
  int8: [0xd0, 8n],
  int16: [0xd1, 16n],
  int32: [0xd2, 32n],
  int64: [0xd3, 64n],
};

/** Whether the value can be written so. */
export function fitsForm(value: bigint, form: IntegerForm): boolean {
  if (form === 'shortest') return true;
  const [, bits] = RANGES[form];
  if (form.startsWith('u')) return value >= 0n && value < 1n << bits;
  return value >= -(1n << (bits - 1n)) && value < 1n << (bits - 1n);
}

export function integer(value: bigint | number, form: IntegerForm = 'shortest'): Wire {
  const whole = BigInt(value);
  if (form === 'shortest') return shortestInteger(whole);
  if (!fitsForm(whole, form)) throw new RangeError(`${whole} is no ${form}`);
  const [tag, bits] = RANGES[form];
  const bytes = Buffer.alloc(9);
  bytes[0] = tag;
  bytes.writeBigUInt64BE(BigInt.asUintN(64, whole << (64n - bits)), 1);
  return bytes.subarray(0, 1 + Number(bits / 8n));
}

function shortestInteger(value: bigint): Wire {
  if (value >= -32n && value < 128n) return Buffer.of(Number(value) & 0xff);
  const forms = value < 0n ? SIGNED_FORMS : INTEGER_FORMS.slice(1);
  return integer(value, forms.find((form) => fitsForm(value, form))!);
}

export function float(value: number): Wire {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? Buffer.from(content) : content;

/**
 * A header of the least of some sizes that is allowed and fits: `forms` are [tag, bytes of the
 * length].
 */
function header(
  count: number,
  forms: readonly (readonly [tag: number, width: number])[],
  least: number,
): Wire {
  const [tag, width] = forms.find(([, bytes]) => bytes >= least && count < 256 ** bytes)!;
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = tag;
  bytes.writeUIntBE(count, 1, width);
  return bytes;
}

/** A str. `least`: bytes of the length field at the least; 0 allows fixstr. */
export function str(content: string | Uint8Array, least = 0): Wire {
  const bytes = bytesOf(content);
  if (least === 0 && bytes.length < 32) {
    return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes]);
  }
  const forms = [[0xd9, 1] as const, [0xda, 2] as const, [0xdb, 4] as const];
  return Buffer.concat([header(bytes.length, forms, least), bytes]);
}

export function bin(content: string | Uint8Array, least = 0): Wire {
  const bytes = bytesOf(content);
  const forms = [[0xc4, 1] as const, [0xc5, 2] as const, [0xc6, 4] as const];
  return Buffer.concat([header(bytes.length, forms, least), bytes]);
}

/** An extension value; its type is a signed byte. */
export function ext(type: number, content: string | Uint8Array, least = 1): Wire {
  const bytes = bytesOf(content);
  const fixed = [1, 2, 4, 8, 16].indexOf(bytes.length);
  if (least === 0 && fixed >= 0) {
    return Buffer.concat([Buffer.of(0xd4 + fixed, type & 0xff), bytes]);
  }
  const forms = [[0xc7, 1] as const, [0xc8, 2] as const, [0xc9, 4] as const];
  return Buffer.concat([header(bytes.length, forms, least), Buffer.of(type & 0xff), bytes]);
}

export function array(items: readonly Wire[], least = 0): Wire {
  const head =
    least === 0 && items.length < 16
      ? Buffer.of(0x90 | items.length)
      : header(items.length, [[0xdc, 2] as const, [0xdd, 4] as const], least);
  return Buffer.concat([head, ...items]);
}

/** A map of alternating keys and values. */
export function map(items: readonly Wire[], least = 0): Wire {
  const pairs = items.length / 2;
  const head =
    least === 0 && pairs < 16
      ? Buffer.of(0x80 | pairs)
      : header(pairs, [[0xde, 2] as const, [0xdf, 4] as const], least);
  return Buffer.concat([head, ...items]);
}

/** The codes of the commands, from docs/PROTOCOL.md. */
export const CODES = {
  PING: 0x01,
  HELLO: 0x02,
  ATOMIC: 0x03,
  GET: 0x10,
  SET: 0x11,
  DEL: 0x12,
  EXISTS: 0x13,
  EXPIRE: 0x14,
  TTL: 0x15,
  PERSIST: 0x16,
  TOUCH: 0x17,
  GETV: 0x18,
  INCR: 0x19,
  APPEND: 0x1a,
  STRLEN: 0x1b,
  GETRANGE: 0x1c,
  SETRANGE: 0x1d,
  INCRFLOAT: 0x1e,
  GETDEL: 0x1f,
  GETEX: 0x20,
  MGET: 0x21,
  MSET: 0x22,
  MSETNX: 0x23,
  RENAME: 0x25,
  RENAMENX: 0x26,
  COPY: 0x27,
  TYPE: 0x24,
  SCAN: 0x28,
  RANDOMKEY: 0x29,
  LOCK: 0x2a,
  UNLOCK: 0x2b,
  EXTEND: 0x2c,
  LIMIT: 0x2d,
  DBSIZE: 0x70,
  FLUSH: 0x71,
  MEMORY: 0x72,
  OBJECT: 0x73,
  RPUSH: 0x31,
  LPOP: 0x34,
  RPOP: 0x35,
  LLEN: 0x36,
  LRANGE: 0x37,
  SSCAN: 0x2f,
  SADD: 0x40,
  SREM: 0x41,
  SCARD: 0x44,
  SPOP: 0x46,
  HSET: 0x50,
  HGET: 0x52,
  HGETALL: 0x54,
  ZADD: 0x60,
  ZINCRBY: 0x64,
  HEXPIRE: 0x80,
  HSETEX: 0x83,
  LPUSH: 0x30,
  LSET: 0x39,
  LTRIM: 0x3a,
  LINSERT: 0x3b,
  LREM: 0x3c,
  LMOVE: 0x3e,
  SMEMBERS: 0x45,
  SMOVE: 0x48,
  SUNIONSTORE: 0x4d,
  HSETNX: 0x51,
  HDEL: 0x55,
  HINCRBY: 0x5b,
  HINCRBYFLOAT: 0x5c,
  ZREM: 0x61,
  ZRANGE: 0x69,
  ZPOPMIN: 0x6a,
  ZPOPMAX: 0x6b,
  HPERSIST: 0x81,
  HTTL: 0x82,
  HGETEX: 0x84,
  HGETDEL: 0x85,
  ZMSCORE: 0x63,
} as const;
export type Name = keyof typeof CODES;

/** A command by code, its arguments already encoded. */
export function command(name: Name, ...args: readonly Wire[]): Wire {
  return array([integer(CODES[name]), ...args]);
}

export function frame(id: number | bigint, ...commands: readonly Wire[]): Wire {
  return Buffer.concat([integer(id), ...commands]);
}

/** An error reply. */
export function error(text: string): Wire {
  return ext(1, text);
}

/**
 * Bytes of the length field, by tag, of the values that have one, and bytes between it and the
 * payload.
 */
const LENGTHS: Record<number, readonly [width: number, gap: number]> = {
  196: [1, 0],
  197: [2, 0],
  198: [4, 0],
  199: [1, 1],
  200: [2, 1],
  201: [4, 1],
  217: [1, 0],
  218: [2, 0],
  219: [4, 0],
};
/** Bytes of the values of fixed size, by tag from 0xca on. */
const FIXED = [5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18];

/** Where the msgpack value at `at` ends. Recursive and slow, and written to be read. */
export function endOf(bytes: Buffer, at: number): number {
  const tag = bytes[at];
  if (tag === undefined) throw new RangeError(`the reply ends at ${at}, inside a value`);
  if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return at + 1;
  if (tag < 0x90) return endOfMany(bytes, at + 1, 2 * (tag & 15));
  if (tag < 0xa0) return endOfMany(bytes, at + 1, tag & 15);
  if (tag < 0xc0) return at + 1 + (tag & 31);
  const [width, gap] = LENGTHS[tag] ?? [0, 0];
  if (width) return at + 1 + width + gap + bytes.readUIntBE(at + 1, width);
  if (tag === 0xdc) return endOfMany(bytes, at + 3, bytes.readUInt16BE(at + 1));
  if (tag === 0xdd) return endOfMany(bytes, at + 5, bytes.readUInt32BE(at + 1));
  if (tag === 0xde) return endOfMany(bytes, at + 3, 2 * bytes.readUInt16BE(at + 1));
  if (tag === 0xdf) return endOfMany(bytes, at + 5, 2 * bytes.readUInt32BE(at + 1));
  const size = FIXED[tag - 0xca];
  if (size === undefined) throw new RangeError(`0x${tag.toString(16)} begins no value`);
  return at + size;
}

function endOfMany(bytes: Buffer, at: number, count: number): number {
  for (let i = 0; i < count; i++) at = endOf(bytes, at);
  return at;
}

/** The values of a frame, each as its bytes; the first one is the frame's id. */
export function valuesOf(bytes: Uint8Array): Wire[] {
  // A copy: the kernel writes its next reply to the same place.
  const whole = Buffer.from(bytes);
  const values: Wire[] = [];
  for (let at = 0; at < whole.length; ) {
    const end = endOf(whole, at);
    if (end > whole.length) throw new RangeError(`the reply ends inside the value at ${at}`);
    values.push(whole.subarray(at, end));
    at = end;
  }
  return values;
}

/** The items of an array, each as its bytes. */
export function itemsOf(bytes: Wire): Wire[] {
  const tag = bytes[0]!;
  const isShort = tag >= 0x90 && tag < 0xa0;
  if (!isShort && tag !== 0xdc && tag !== 0xdd) throw new TypeError(`${shown(bytes)} is no array`);
  return valuesOf(bytes.subarray(isShort ? 1 : tag === 0xdc ? 3 : 5));
}

/** The integer that these bytes are. */
export function integerOf(bytes: Wire): bigint {
  const tag = bytes[0]!;
  if (tag < 0x80 || tag >= 0xe0) return BigInt(bytes.readInt8(0));
  const form = Object.entries(RANGES).find(([, [formTag]]) => formTag === tag);
  if (!form) throw new TypeError(`${bytes.toString('hex')} is no integer`);
  const bits = form[1][1];
  const raw = BigInt(`0x${bytes.toString('hex', 1, 1 + Number(bits / 8n))}`);
  return form[0].startsWith('u') ? raw : BigInt.asIntN(Number(bits), raw);
}

/** A value as a failure message shows it: its first bytes in hex, an error reply as text. */
export function shown(bytes: Wire | undefined): string {
  if (!bytes) return 'nothing';
  if (bytes[0] === 0xc7 && bytes[2] === 1) return `error '${bytes.toString('utf8', 3)}'`;
  const hex = bytes.toString('hex', 0, 24);
  return bytes.length > 24 ? `${hex}... (${bytes.length} bytes)` : hex;
}

/**
 * What is wrong with a reply, or undefined. For long ones, which `toEqual` would compare byte by
 * byte in JavaScript.
 */
export function difference(reply: Wire, expected: Wire): string | undefined {
  return reply.equals(expected) ? undefined : `${shown(reply)} instead of ${shown(expected)}`;
}
