/*
 * A body: some members of a set or fields of a hash. A packed collection is one, a node of a large one holds one.
 *
 *   tags    u8 x count   the top eight bits of each member's hash
 *   items   in the same order
 *
 * Item:
 *   +0  length   1 byte below 128, else two with the high bit set: of what follows
 *   +1  expiry   0xc1 and i48, Unix time in ms: only where a field has one (0xc1 begins no msgpack value)
 *       member   msgpack (member.ts)
 *       value    of a hash: msgpack, or where it is to be found (outside.ts); of a sorted set: its score, f64
 *
 * A lookup compares sixteen tags at once, and walks over the items before the one that it means; most bodies have some
 * sixteen items. What is read here may be garbage where the reader has no lock: walks are bounded by the size of a
 * chunk.
 */
import { Address, MAX_CHUNK } from '../layout';
import { isMember, memberHash, skipMember } from './member';

const EXPIRES: u32 = 0xc1;
/** 0xc1 and the expiry. */
export const EXPIRY_BYTES: u32 = 7;

@inline
export function tagOfHash(hash: u32): u8 {
  return <u8>(hash >> 24);
}

/** Bytes of an item's length, when so much follows. */
@inline
export function lengthBytes(bytes: u32): u32 {
  return bytes < 0x80 ? 1 : 2;
}

/** Writes an item's length; where the item's content goes. */
@inline
export function writeLength(at: Address, bytes: u32): Address {
  if (bytes < 0x80) {
    store<u8>(at, <u8>bytes);
    return at + 1;
  }
  store<u8>(at, <u8>(0x80 | (bytes >> 8)));
  store<u8>(at, <u8>bytes, 1);
  return at + 2;
}

/** Where the content of an item begins. */
@inline
export function contentOf(item: Address): Address {
  return item + (load<u8>(item) < 0x80 ? 1 : 2);
}

/** The address behind an item. */
@inline
export function behindItem(item: Address): Address {
  const byte = <u32>load<u8>(item);
  if (byte < 0x80) return item + 1 + byte;
  return item + 2 + ((byte & 0x7f) << 8) + <u32>load<u8>(item, 1);
}

/** Where the member of an item begins. */
@inline
export function memberOf(item: Address): Address {
  const content = contentOf(item);
  return <u32>load<u8>(content) == EXPIRES ? content + EXPIRY_BYTES : content;
}

/** Where the value of an item begins; for a set, the address behind it. */
@inline
export function valueOf(item: Address): Address {
  return skipMember(memberOf(item));
}

/** The expiry of an item, 0: none. */
@inline
export function expiryOfItem(item: Address): i64 {
  return readExpiry(contentOf(item));
}

/** Whether an item is a field that has expired. */
@inline
export function isItemDue(item: Address, nowMs: i64): bool {
  const expiryMs = expiryOfItem(item);
  return expiryMs != 0 && expiryMs <= nowMs;
}

/** Bytes of an expiry before a member; 0 for none. */
@inline
export function expiryBytes(expiryMs: i64): u32 {
  return expiryMs ? EXPIRY_BYTES : 0;
}

/** Writes an expiry, 0 for none, where the content of an item begins; where the member goes. */
@inline
export function writeExpiry(at: Address, expiryMs: i64): Address {
  if (expiryMs == 0) return at;
  store<u8>(at, <u8>EXPIRES);
  store<u32>(at, <u32>expiryMs, 1);
  store<u16>(at, <u16>(expiryMs >> 32), 5);
  return at + EXPIRY_BYTES;
}

/** The expiry that `writeExpiry` wrote at `at`; 0: none. */
@inline
export function readExpiry(at: Address): i64 {
  return <u32>load<u8>(at) == EXPIRES ? (load<i64>(at, 1) << 16) >> 16 : 0;
}

/* Of the item that was found last. */
let index: u32 = 0;

@inline
export function foundIndex(): u32 {
  return index;
}

/** The item of the member at hand (member.ts) in a body; 0: it is not there. Its number in `foundIndex()`. */
export function findInBody(body: Address, count: u32): Address {
  const tags = i8x16.splat(<i8>tagOfHash(memberHash()));
  let item = body + count;
  let walked: u32 = 0;
  // Most items have the length of the one before: the processor then goes on with that, before it has read this one's.
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < count; i += 16) {
    let bits = <u32>i8x16.bitmask(i8x16.eq(v128.load(body + i), tags));
    if (count - i < 16) bits &= ((1 as u32) << (count - i)) - 1;
    for (; bits; bits &= bits - 1) {
      const wanted = i + <u32>ctz(bits);
      for (; walked < wanted; walked++) {
        if (item - body > MAX_CHUNK) return 0;
        const behind = behindItem(item);
        if (behind - item == bytes) {
          item += bytes;
        } else {
          bytes = behind - item;
          item = behind;
        }
      }
      if (isMember(memberOf(item))) {
        index = wanted;
        return item;
      }
    }
  }
  return 0;
}

/** The item with this number. */
@inline
export function itemIn(body: Address, count: u32, number: u32): Address {
  let item = body + count;
  for (let i: u32 = 0; i < number; i++) item = behindItem(item);
  return item;
}

/** Makes room for an item of so many bytes at the end of a body of `bytes`, with its tag; where it goes. */
@inline
export function appendToBody(body: Address, count: u32, bytes: u32, tag: u8): Address {
  memory.copy(body + count + 1, body + count, bytes - count);
  store<u8>(body + count, tag);
  return body + bytes + 1;
}

/** Takes an item and its tag out of a body of `bytes`. */
export function removeFromBody(body: Address, count: u32, bytes: u32, item: Address, number: u32): void {
  const behind = behindItem(item);
  const tagsBehind = body + number + 1;
  // The tags behind, and the items before: one byte to the left. The items behind by all of the item, too.
  memory.copy(body + number, tagsBehind, item - tagsBehind);
  memory.copy(item - 1, behind, body + bytes - behind);
}
