/*
 * Members of sets, fields of hashes: a str, bin or integer of up to MAX_MEMBER_BYTES. As with keys, str and bin with
 * the same bytes are the same member; the one that came first is kept. An integer is no text: 1 and "1" are two
 * members. A member is stored as msgpack in its shortest form, so that two are equal when their bytes are.
 *
 * The member that a command is about is read once (`readMember`) and then looked for, as often as need be: like the
 * second results of other functions, what was read stands in variables of this file and is nothing that lasts.
 */
import { copyBytes, equalBytes } from '../bytes';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { bytesOf, integerOf, IS_HUGE, IS_INTEGER, lastInteger, lastLength, skipValue, writeInteger } from '../msgpack';
import { scratchOf } from '../threads';

/** Half a chunk: an item of a node fits any node that is not half full. */
export const MAX_MEMBER_BYTES: u32 = 4000;

const FIXSTR: u32 = 0xa0;
const BIN8: u32 = 0xc4;
const STR8: u32 = 0xd9;

/** Where an integer in its shortest form stands in a thread's scratch; other commands use what is before. */
const INTEGER_AT: u32 = 32;

/* The member at hand. */
let text: Address = 0;
let length: u32 = 0;
/** BIN8 or STR8; 0: an integer, whose msgpack is the text. */
let form: u32 = 0;
let hash: u32 = 0;

@inline
export function memberHash(): u32 {
  return hash;
}

/** Whether it is an integer. */
@inline
export function memberIsInteger(): bool {
  return form == 0;
}

/** The first byte of its content; with `memberLength`, for comparisons of order. */
@inline
export function memberText(): Address {
  return text;
}

@inline
export function memberLength(): u32 {
  return length;
}

/** Reads the msgpack value at `at` as the member at hand. The address behind it; 0: it can be no member. */
export function readMember(thread: u32, at: Address): Address {
  const content = bytesOf(at);
  if (content) {
    const byte = <u32>load<u8>(at);
    form = byte >= BIN8 && byte <= 0xc6 ? BIN8 : STR8;
    text = content;
    length = lastLength();
    if (length > MAX_MEMBER_BYTES) return 0;
    hash = hashKey(text, length);
    return content + length;
  }
  const kind = integerOf(at);
  if (kind != IS_INTEGER && kind != IS_HUGE) return 0;
  form = 0;
  text = scratchOf(thread) + INTEGER_AT;
  if (kind == IS_INTEGER) {
    length = writeInteger(text, lastInteger()) - text;
  } else {
    store<u8>(text, 0xcf);
    store<i64>(text, bswap<i64>(lastInteger()), 1);
    length = 9;
  }
  hash = hashKey(text, length);
  return skipValue(at, u32.MAX_VALUE);
}

/**
 * Makes the stored member at `at` the one at hand, as long as it stays where it is. Other than `readMember` it writes
 * nowhere, so it may come between a command's reading of its member and its use (`holdMember`).
 */
export function takeStored(at: Address): void {
  text = storedText(at);
  length = storedLength;
  const byte = <u32>load<u8>(at);
  form = isStoredInteger(at) ? 0 : byte == BIN8 || byte == BIN8 + 1 ? BIN8 : STR8;
  hash = hashKey(text, length);
}

/* The member that was at hand when `holdMember` was called. */
let heldText: Address = 0;
let heldLength: u32 = 0;
let heldForm: u32 = 0;
let heldHash: u32 = 0;

/** Keeps the member at hand for `resumeMember`. What comes between must not hold another one. */
export function holdMember(): void {
  heldText = text;
  heldLength = length;
  heldForm = form;
  heldHash = hash;
}

export function resumeMember(): void {
  text = heldText;
  length = heldLength;
  form = heldForm;
  hash = heldHash;
}

/** Bytes of the member at hand as it is stored. */
@inline
export function memberBytes(): u32 {
  if (form == 0) return length;
  if (form == STR8 && length < 32) return 1 + length;
  return length + (length < 0x100 ? 2 : 3);
}

/** Writes the member at hand as it is stored; the address behind it. */
export function writeMember(out: Address): Address {
  if (form != 0) {
    if (form == STR8 && length < 32) {
      store<u8>(out, <u8>(FIXSTR | length));
      out += 1;
    } else if (length < 0x100) {
      store<u8>(out, <u8>form);
      store<u8>(out, <u8>length, 1);
      out += 2;
    } else {
      store<u8>(out, <u8>(form + 1));
      store<u16>(out, bswap<u16>(<u16>length), 1);
      out += 3;
    }
  }
  copyBytes(out, text, length);
  return out + length;
}

/** Whether the stored member at `at` is the one at hand. May read up to 15 bytes more. */
@inline
export function isMember(at: Address): bool {
  const byte = <u32>load<u8>(at);
  if (form == 0) return byte == <u32>load<u8>(text) && equalBytes(at, text, length);
  if (byte == (FIXSTR | length)) return length < 32 && equalBytes(at + 1, text, length);
  if (byte == BIN8 || byte == STR8) return <u32>load<u8>(at, 1) == length && equalBytes(at + 2, text, length);
  if (byte != BIN8 + 1 && byte != STR8 + 1) return false;
  return <u32>bswap<u16>(load<u16>(at, 1)) == length && equalBytes(at + 3, text, length);
}

/* Of the stored member that was looked at last. */
let storedLength: u32 = 0;

@inline
export function lastStoredLength(): u32 {
  return storedLength;
}

/** Where the content of a stored member begins; its length in `lastStoredLength()`. Of an integer: all of it. */
export function storedText(at: Address): Address {
  const byte = <u32>load<u8>(at);
  if (byte >= FIXSTR && byte < 0xc0) {
    storedLength = byte & 31;
    return at + 1;
  }
  if (byte == BIN8 || byte == STR8) {
    storedLength = load<u8>(at, 1);
    return at + 2;
  }
  if (byte == BIN8 + 1 || byte == STR8 + 1) {
    storedLength = bswap<u16>(load<u16>(at, 1));
    return at + 3;
  }
  storedLength = integerBytes(byte);
  return at;
}

/** Whether the stored member at `at` is an integer. */
@inline
export function isStoredInteger(at: Address): bool {
  const byte = <u32>load<u8>(at);
  return byte < 0x80 || byte >= 0xe0 || (byte >= 0xcc && byte <= 0xd3);
}

/** Bytes of the integer that begins so. */
@inline
function integerBytes(byte: u32): u32 {
  if (byte < 0x80 || byte >= 0xe0) return 1;
  // 0xcc to 0xcf, 0xd0 to 0xd3: 1, 2, 4, 8 bytes.
  return 1 + ((1 as u32) << (byte & 3));
}

/** The address behind a stored member. */
@inline
export function skipMember(at: Address): Address {
  const content = storedText(at);
  return content + storedLength;
}

@inline
export function hashOfStored(at: Address): u32 {
  const content = storedText(at);
  return hashKey(content, storedLength);
}
