/*
 * msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md): enough to walk over any value and to read and write
 * integers. A value is never decoded: the bytes that came in are the bytes that go out.
 *
 * Whoever reads behind an address has at least AREA_SLACK readable bytes after `end`; lengths are checked before use.
 */
import { Address } from './layout';

/** The address after the value at `at`, or 0 when it is no msgpack or does not end by `end`. */
export function skipValue(at: Address, end: Address): Address {
  // How many values are still to be walked over. Each takes a byte at least, so a huge count ends at `end`.
  let left: u64 = 1;
  do {
    if (at >= end) return 0;
    const byte = <u32>load<u8>(at);
    left -= 1;
    let bytes: u64 = 1;
    if (byte < 0x80 || byte >= 0xe0) {
      // A small integer.
    } else if (byte < 0x90) {
      left += (byte & 15) << 1;
    } else if (byte < 0xa0) {
      left += byte & 15;
    } else if (byte < 0xc0) {
      bytes = 1 + (byte & 31);
    } else {
      switch (byte) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          break;
        case 0xc4:
        case 0xd9:
          bytes = 2 + <u64>load<u8>(at, 1);
          break;
        case 0xc5:
        case 0xda:
          bytes = 3 + <u64>bswap<u16>(load<u16>(at, 1));
          break;
        case 0xc6:
        case 0xdb:
          bytes = 5 + <u64>bswap<u32>(load<u32>(at, 1));
          break;
        case 0xc7:
          bytes = 3 + <u64>load<u8>(at, 1);
          break;
        case 0xc8:
          bytes = 4 + <u64>bswap<u16>(load<u16>(at, 1));
          break;
        case 0xc9:
          bytes = 6 + <u64>bswap<u32>(load<u32>(at, 1));
          break;
        case 0xcc:
        case 0xd0:
          bytes = 2;
          break;
        case 0xcd:
        case 0xd1:
        case 0xd4:
          bytes = 3;
          break;
        case 0xd5:
          bytes = 4;
          break;
        case 0xca:
        case 0xce:
        case 0xd2:
          bytes = 5;
          break;
        case 0xd6:
          bytes = 6;
          break;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          bytes = 9;
          break;
        case 0xd7:
          bytes = 10;
          break;
        case 0xd8:
          bytes = 18;
          break;
        case 0xdc:
          bytes = 3;
          left += bswap<u16>(load<u16>(at, 1));
          break;
        case 0xdd:
          bytes = 5;
          left += bswap<u32>(load<u32>(at, 1));
          break;
        case 0xde:
          bytes = 3;
          left += <u64>bswap<u16>(load<u16>(at, 1)) << 1;
          break;
        case 0xdf:
          bytes = 5;
          left += <u64>bswap<u32>(load<u32>(at, 1)) << 1;
          break;
        default:
          return 0; // 0xc1 is no msgpack
      }
    }
    if (bytes > <u64>(end - at)) return 0;
    at += <u32>bytes;
  } while (left > 0);
  return at;
}

/** `skipValue`, with the values that caches hold mostly looked at first: bin and str of up to 255 bytes. */
@inline
export function skipBlob(at: Address, end: Address): Address {
  const head = <u32>load<u16>(at);
  const byte = head & 0xff;
  if (at < end && (byte == 0xc4 || byte == 0xd9)) {
    const next = at + 2 + (head >> 8);
    return next > end ? 0 : next;
  }
  return skipValue(at, end);
}

/**
 * `skipValue`, with what times to live mostly are looked at first: from 65,536 ms to 49 days, and less than a minute.
 */
@inline
export function skipTtl(at: Address, end: Address): Address {
  const byte = <u32>load<u8>(at);
  const next = at + (byte == 0xce ? 5 : 3);
  if (byte != 0xce && byte != 0xcd) return skipValue(at, end);
  return next > end ? 0 : next;
}

export const NO_COMMON_TTL: i64 = -1;

/** The number at `at` if it is one of those that `skipTtl` looks at first, else NO_COMMON_TTL. */
@inline
export function commonTtl(at: Address): i64 {
  const byte = <u32>load<u8>(at);
  if (byte == 0xce) return <i64>bswap<u32>(load<u32>(at, 1));
  return byte == 0xcd ? <i64>bswap<u16>(load<u16>(at, 1)) : NO_COMMON_TTL;
}

/* Second results of the functions below: set by the call, read right after it by the caller. Not state. */
let resultLength: u32 = 0;
let resultInteger: i64 = 0;

@inline
export function lastLength(): u32 {
  return resultLength;
}

@inline
export function lastInteger(): i64 {
  return resultInteger;
}

/** The first byte of the str or bin at `at` (a whole value), its length in `lastLength()`; 0 for any other type. */
export function bytesOf(at: Address): Address {
  const byte = <u32>load<u8>(at);
  if (byte >= 0xa0 && byte < 0xc0) {
    resultLength = byte & 31;
    return at + 1;
  }
  switch (byte) {
    case 0xc4:
    case 0xd9:
      resultLength = load<u8>(at, 1);
      return at + 2;
    case 0xc5:
    case 0xda:
      resultLength = bswap<u16>(load<u16>(at, 1));
      return at + 3;
    case 0xc6:
    case 0xdb:
      resultLength = bswap<u32>(load<u32>(at, 1));
      return at + 5;
    default:
      return 0;
  }
}

/** Bytes before the payload of a str or bin that is so long, written as short as can be. */
@inline
export function headBytesOf(isText: bool, length: u32): u32 {
  if (isText && length < 32) return 1;
  return length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
}

/** Whether what begins with this byte, a str or a bin, is a str. */
@inline
export function isStr(byte: u32): bool {
  return byte < 0xc0 || byte >= 0xd9;
}

/** Writes the head of a str or bin; the address behind it. */
export function writeHead(out: Address, isText: bool, length: u32): Address {
  const bytes = headBytesOf(isText, length);
  if (bytes == 1) {
    store<u8>(out, <u8>(0xa0 | length));
  } else if (bytes == 2) {
    store<u8>(out, isText ? 0xd9 : 0xc4);
    store<u8>(out, <u8>length, 1);
  } else if (bytes == 3) {
    store<u8>(out, isText ? 0xda : 0xc5);
    store<u16>(out, bswap<u16>(<u16>length), 1);
  } else {
    store<u8>(out, isText ? 0xdb : 0xc6);
    store<u32>(out, bswap<u32>(length), 1);
  }
  return out + bytes;
}

/** The extension that a namespace's key is, prefix and all (namespaces.ts); engine/commands.ts has the same number. */
const NAMESPACED_KEY_EXT: u32 = 3;

/**
 * The first byte of a namespace's key, an extension of more than its prefix, and its length in `lastLength()`; 0 for
 * any other value.
 */
export function namespacedKeyOf(at: Address): Address {
  const byte = <u32>load<u8>(at);
  if (byte == 0xc7) {
    resultLength = load<u8>(at, 1);
    at += 2;
  } else if (byte == 0xc8) {
    resultLength = bswap<u16>(load<u16>(at, 1));
    at += 3;
  } else {
    return 0;
  }
  return <u32>load<u8>(at) == NAMESPACED_KEY_EXT && resultLength > 4 ? at + 1 : 0;
}

/** Number of elements of the array at `at` in `lastLength()`, and the address of the first; 0 for any other type. */
export function elementsOf(at: Address): Address {
  const byte = <u32>load<u8>(at);
  if (byte >= 0x90 && byte < 0xa0) {
    resultLength = byte & 15;
    return at + 1;
  }
  if (byte == 0xdc) {
    resultLength = bswap<u16>(load<u16>(at, 1));
    return at + 3;
  }
  if (byte == 0xdd) {
    resultLength = bswap<u32>(load<u32>(at, 1));
    return at + 5;
  }
  return 0;
}

/** The number at `at`, an integer or a float of any width (`isNumber`). */
export function numberOf(at: Address): f64 {
  const byte = <u32>load<u8>(at);
  if (byte == 0xca) return <f64>reinterpret<f32>(bswap<u32>(load<u32>(at, 1)));
  if (byte == 0xcb) return reinterpret<f64>(bswap<u64>(load<u64>(at, 1)));
  return integerOf(at) == IS_HUGE ? <f64>(<u64>lastInteger()) : <f64>lastInteger();
}

/** Whether the value at `at` is an integer or a float. */
export function isNumber(at: Address): bool {
  const byte = <u32>load<u8>(at);
  return byte == 0xca || byte == 0xcb || integerOf(at) != NOT_AN_INTEGER;
}

/** Writes a float of 64 bits; the address behind it, 9 bytes on. */
export function writeFloat(out: Address, value: f64): Address {
  store<u8>(out, 0xcb);
  store<u64>(out, bswap<u64>(reinterpret<u64>(value)), 1);
  return out + 9;
}

export const NOT_AN_INTEGER: u32 = 0;
export const IS_INTEGER: u32 = 1;
/** An unsigned integer of 2^63 or more. */
export const IS_HUGE: u32 = 2;

/** What the value at `at` is; an integer goes to `lastInteger()`. */
export function integerOf(at: Address): u32 {
  const byte = <u32>load<u8>(at);
  if (byte < 0x80 || byte >= 0xe0) {
    resultInteger = <i64>(<i8>byte);
    return IS_INTEGER;
  }
  switch (byte) {
    case 0xcc:
      resultInteger = <i64>load<u8>(at, 1);
      return IS_INTEGER;
    case 0xcd:
      resultInteger = <i64>bswap<u16>(load<u16>(at, 1));
      return IS_INTEGER;
    case 0xce:
      resultInteger = <i64>bswap<u32>(load<u32>(at, 1));
      return IS_INTEGER;
    case 0xcf:
    case 0xd3:
      resultInteger = bswap<i64>(load<i64>(at, 1));
      return byte == 0xcf && resultInteger < 0 ? IS_HUGE : IS_INTEGER;
    case 0xd0:
      resultInteger = <i64>load<i8>(at, 1);
      return IS_INTEGER;
    case 0xd1:
      resultInteger = <i64>bswap<i16>(load<i16>(at, 1));
      return IS_INTEGER;
    case 0xd2:
      resultInteger = <i64>bswap<i32>(load<i32>(at, 1));
      return IS_INTEGER;
    default:
      return NOT_AN_INTEGER;
  }
}

@inline
export function isNil(at: Address): bool {
  return load<u8>(at) == 0xc0;
}

@inline
export function writeNil(out: Address): Address {
  store<u8>(out, 0xc0);
  return out + 1;
}

@inline
export function writeBoolean(out: Address, value: bool): Address {
  store<u8>(out, 0xc2 + <u8>value);
  return out + 1;
}

/** Writes the head of an array; the address behind it, at most 5 bytes on. */
export function writeArrayHead(out: Address, elements: u32): Address {
  return writeCount(out, elements, 0x90, 0xdc);
}

/** Writes an integer in its shortest form; the address behind it, at most 9 bytes on. */
export function writeInteger(out: Address, value: i64): Address {
  if (value >= -32 && value < 128) {
    store<u8>(out, <u8>value);
    return out + 1;
  }
  if (value > 0) {
    if (value < 0x100) {
      store<u8>(out, 0xcc);
      store<u8>(out, <u8>value, 1);
      return out + 2;
    }
    if (value < 0x10000) {
      store<u8>(out, 0xcd);
      store<u16>(out, bswap<u16>(<u16>value), 1);
      return out + 3;
    }
    if (value < 0x1_0000_0000) {
      store<u8>(out, 0xce);
      store<u32>(out, bswap<u32>(<u32>value), 1);
      return out + 5;
    }
    store<u8>(out, 0xcf);
    store<u64>(out, bswap<u64>(<u64>value), 1);
    return out + 9;
  }
  if (value >= -0x80) {
    store<u8>(out, 0xd0);
    store<i8>(out, <i8>value, 1);
    return out + 2;
  }
  if (value >= -0x8000) {
    store<u8>(out, 0xd1);
    store<i16>(out, bswap<i16>(<i16>value), 1);
    return out + 3;
  }
  if (value >= -0x8000_0000) {
    store<u8>(out, 0xd2);
    store<i32>(out, bswap<i32>(<i32>value), 1);
    return out + 5;
  }
  store<u8>(out, 0xd3);
  store<i64>(out, bswap<i64>(value), 1);
  return out + 9;
}

/** Writes the head of a map; the address behind it, at most 5 bytes on. */
export function writeMapHead(out: Address, pairs: u32): Address {
  return writeCount(out, pairs, 0x80, 0xde);
}

function writeCount(out: Address, count: u32, fix: u32, long: u32): Address {
  if (count < 16) {
    store<u8>(out, <u8>(fix | count));
    return out + 1;
  }
  if (count < 0x10000) {
    store<u8>(out, <u8>long);
    store<u16>(out, bswap<u16>(<u16>count), 1);
    return out + 3;
  }
  store<u8>(out, <u8>(long + 1));
  store<u32>(out, bswap<u32>(count), 1);
  return out + 5;
}

@inline
export function isTrue(at: Address): bool {
  return load<u8>(at) == 0xc3;
}
