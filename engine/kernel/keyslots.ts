/*
 * The slots of a cluster that keys belong to: which slot a key is in, what this node does with it, and who gets its
 * writes. Only in arenas whose creator asked for them. (slots.ts is about threads' slots, table.ts about a table's.)
 *
 *   slot = CRC16(key) mod 16,384; of a key with a {tag}, not empty, of the bytes in the first braces alone: exactly as
 *   a Redis Cluster (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/), so that its clients
 *   find us. CRC16 is the one called XMODEM: polynomial 0x1021, begun with 0, nothing reflected.
 *
 *   0x04800  masks     48 bytes: 32 of 0, 16 of 255                  fixed after format()
 *   0x05000  service   u8 per slot: SERVES_ALL, SERVES_READS         by the host, read by all
 *   Header.keySlots:
 *   +0       targets   u64 per slot: bit i, link i gets its writes   by the host, read by all
 *   +128 KiB digests   u64 per slot: sums (digests.ts)               by addition; set to 0 by the host
 *
 * No lock: each entry of a table says all there is to say about its slot, and is stored and loaded in one piece. A byte
 * cannot be torn; a u64 is stored by Atomics and loaded by an atomic load, both aligned. A thread may see a change
 * some time later than another one, as it might have come to the frame some time before: whoever must know that all
 * threads have seen it has to ask them.
 *
 * CRC16 without tables. It is the rest of key * x^16 by P = x^16 + x^12 + x^5 + 1, and P is sparse: x^16 is as good as
 * x^12 + x^5 + 1. Squaring doubles exponents, so x^32 is x^24 + x^10 + 1, and x^64 is x^48 + x^20 + 1. With these, 128
 * bits are folded to 64, 32 and 16. What a fold shifts beyond its lower half has to be folded again, and so on: that is
 * T = (>> 16) + (>> 44) of the upper half, then T^2 and T^3 of it; T^4 leaves nothing. 1 + T + T^2 + T^3 is (1 + T)(1 +
 * T^2), and T^2 is (>> 32), because the mixed terms cancel. So a fold is a dozen shifts and exclusive ors, of several
 * keys at once in vectors. A key is a number in base x^64, and folded digit by digit.
 *
 * Zeros in front change nothing. So a key is read as blocks of 16 bytes that end where the key does, the first one
 * filled up with zeros in front: for the usual key that is one block, and no branch depends on its length.
 */
import { KeyWord, lengthOf } from './entry';
import { Address, header, KEY_SLOTS } from './layout';
import { requestArea } from './threads';

export const KEY_SLOT_COUNT: u32 = 16384;
const SLOT_MASK: u32 = KEY_SLOT_COUNT - 1;

/* Bits of a slot's service. */
/** Commands on its keys are run here. */
export const SERVES_ALL: u32 = 1;
/** Those that only read may be run here, for clients that accept what a replica has. */
export const SERVES_READS: u32 = 2;

const MASKS: Address = KEY_SLOTS;
const SERVICE: Address = 0x5000;

const TARGET_BYTES: u32 = 8 * KEY_SLOT_COUNT;
const DIGEST_BYTES: u32 = 8 * KEY_SLOT_COUNT;
/** Of the part behind the tables of all arenas. */
export const KEY_SLOT_BYTES: u32 = TARGET_BYTES + DIGEST_BYTES;

const OPEN: u32 = 0x7b;
const CLOSE: u32 = 0x7d;

/** Begins the tables; `rest`: where there are KEY_SLOT_BYTES. Memory is zeroed: nothing is served. */
export function openKeySlots(rest: Address): void {
  header().keySlots = rest;
  memory.fill(MASKS + 32, 0xff, 16);
}

/** Whether the arena has slots. */
@inline
export function hasKeySlots(): bool {
  return header().keySlots != 0;
}

/** 16 bytes with the first one last: it has the highest powers. */
@inline
function reversed(block: v128): v128 {
  return v128.shuffle<u8>(block, block, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/** A key of up to 16 bytes, reversed, zeros behind it; reads up to 15 bytes in front of it. */
@inline
export function shortBlock(key: Address, bytes: u32): v128 {
  return reversed(v128.and(v128.load(key + bytes - 16), v128.load(MASKS + bytes, 16)));
}

/** The last 16 bytes of any key, likewise. */
@inline
export function lastBlock(key: Address, bytes: u32): v128 {
  return shortBlock(key + bytes - min<u32>(bytes, 16), min<u32>(bytes, 16));
}

/** What a key of up to 32 bytes has in front of the last 16, likewise; reads up to 31 bytes in front of it. */
@inline
export function blockBefore(key: Address, bytes: u32): v128 {
  return reversed(v128.and(v128.load(key + bytes - 32), v128.load(MASKS + bytes)));
}

/** Where a block has an opening brace: not zero there. */
@inline
export function bracesIn(block: v128): v128 {
  return i8x16.eq(block, i8x16.splat(<i8>OPEN));
}

/** The upper halves of two blocks: their first eight bytes. */
@inline
export function uppersOf(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 1, 3);
}

@inline
export function lowersOf(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 0, 2);
}

/** `upper * x^64 + lower`, folded to 64 bits. */
@inline
function fold(upper: u64, lower: u64): u64 {
  let sum = upper ^ (upper >> 16) ^ (upper >> 44);
  sum ^= sum >> 32;
  return lower ^ sum ^ (sum << 20) ^ (sum << 48);
}

/** `fold` of two pairs, in the two lanes. */
@inline
export function foldTwo(upper: v128, lower: v128): v128 {
  let sum = v128.xor(v128.xor(upper, i64x2.shr_u(upper, 16)), i64x2.shr_u(upper, 44));
  sum = v128.xor(sum, i64x2.shr_u(sum, 32));
  const shifted = v128.xor(i64x2.shl(sum, 20), i64x2.shl(sum, 48));
  return v128.xor(v128.xor(lower, sum), shifted);
}

/** The rest of `upper * x^16`, of 16 bits each. */
@inline
function foldLast(upper: u32): u32 {
  let sum = upper ^ (upper >> 4) ^ (upper >> 11);
  sum ^= sum >> 8;
  return (sum ^ (sum << 5) ^ (sum << 12)) & 0xffff;
}

/** `foldLast` of four, in the four lanes. */
@inline
function foldLastOfFour(upper: v128): v128 {
  let sum = v128.xor(v128.xor(upper, i32x4.shr_u(upper, 4)), i32x4.shr_u(upper, 11));
  sum = v128.xor(sum, i32x4.shr_u(sum, 8));
  sum = v128.xor(v128.xor(sum, i32x4.shl(sum, 5)), i32x4.shl(sum, 12));
  return v128.and(sum, i32x4.splat(0xffff));
}

/** The slot of what was folded to 64 bits. */
@inline
function slotOfSum(wide: u64): u32 {
  let sum = <u32>(wide >> 32);
  sum ^= (sum >> 8) ^ (sum >> 22);
  sum ^= sum >> 16;
  sum ^= <u32>wide ^ (sum << 10) ^ (sum << 24);
  return foldLast((sum & 0xffff) ^ foldLast(sum >> 16)) & SLOT_MASK;
}

/** `slotOfSum` of two and two, in the four lanes. */
@inline
function slotsOfFour(ab: v128, cd: v128): v128 {
  let sum = v128.shuffle<u32>(ab, cd, 1, 3, 5, 7);
  sum = v128.xor(v128.xor(sum, i32x4.shr_u(sum, 8)), i32x4.shr_u(sum, 22));
  sum = v128.xor(sum, i32x4.shr_u(sum, 16));
  const lower = v128.xor(v128.shuffle<u32>(ab, cd, 0, 2, 4, 6), sum);
  sum = v128.xor(lower, v128.xor(i32x4.shl(sum, 10), i32x4.shl(sum, 24)));
  const half = v128.xor(v128.and(sum, i32x4.splat(0xffff)), foldLastOfFour(i32x4.shr_u(sum, 16)));
  return v128.and(foldLastOfFour(half), i32x4.splat(<i32>SLOT_MASK));
}

/** The slot of a key of 1 byte or more; reads up to 15 bytes in front of it. */
@inline
export function keySlot(key: Address, bytes: u32): u32 {
  if (bytes > 16) return slotOfLong(key, bytes);
  const block = shortBlock(key, bytes);
  if (v128.any_true(bracesIn(block))) return slotOfTagged(key, bytes);
  return slotOfSum(fold(i64x2.extract_lane(block, 1), i64x2.extract_lane(block, 0)));
}

/** In what `slotOfBytes` returns: there is an opening brace among them. */
const HAS_BRACE: u32 = KEY_SLOT_COUNT;

/** The slot of bytes as they are, and whether there is a brace. */
function slotOfBytes(key: Address, bytes: u32): u32 {
  const first = ((bytes - 1) & 15) + 1;
  let block = shortBlock(key, first);
  let braces = bracesIn(block);
  let sum = fold(i64x2.extract_lane(block, 1), i64x2.extract_lane(block, 0));
  for (let at = key + first; at < key + bytes; at += 16) {
    block = reversed(v128.load(at));
    braces = v128.or(braces, bracesIn(block));
    sum = fold(fold(sum, i64x2.extract_lane(block, 1)), i64x2.extract_lane(block, 0));
  }
  return slotOfSum(sum) | (v128.any_true(braces) ? HAS_BRACE : 0);
}

/** Of a key of more than 16 bytes. */
function slotOfLong(key: Address, bytes: u32): u32 {
  const slot = slotOfBytes(key, bytes);
  return slot & HAS_BRACE ? slotOfTagged(key, bytes) : slot;
}

/** Of a key that has an opening brace. */
function slotOfTagged(key: Address, bytes: u32): u32 {
  const end = key + bytes;
  let tag = key;
  while (<u32>load<u8>(tag) != OPEN) tag++;
  tag++;
  let close = tag;
  while (close < end && <u32>load<u8>(close) != CLOSE) close++;
  const isTag = close != end && close != tag;
  return (isTag ? slotOfBytes(tag, close - tag) : slotOfBytes(key, bytes)) & SLOT_MASK;
}

/** What this node does with a slot. */
@inline
export function serviceOf(slot: u32): u32 {
  return <u32>load<u8>(slot, SERVICE);
}

/** The services that the slots of four keys have in common, which were folded, two and two. */
@inline
export function serviceOfFour(ab: v128, cd: v128): u32 {
  const slots = slotsOfFour(ab, cd);
  return (
    serviceOf(i32x4.extract_lane(slots, 0)) &
    serviceOf(i32x4.extract_lane(slots, 1)) &
    serviceOf(i32x4.extract_lane(slots, 2)) &
    serviceOf(i32x4.extract_lane(slots, 3))
  );
}

/** The links that get the writes to a slot. */
@inline
export function targetsOf(slot: u32): u64 {
  return atomic.load<u64>(header().keySlots + (slot << 3));
}

/** Adds to the digest of a slot. */
@inline
export function addToDigest(slot: u32, term: u64): void {
  atomic.add<u64>(header().keySlots + TARGET_BYTES + (slot << 3), term);
}

/** The slot of the key at the start of the request area. */
export function slotOfKey(thread: u32, keyWord: KeyWord): u32 {
  return keySlot(requestArea(thread), lengthOf(keyWord));
}

/* Where the host finds the tables; 0: the arena has none. */

export function keySlotServiceAt(): Address {
  return hasKeySlots() ? SERVICE : 0;
}

export function keySlotTargetsAt(): Address {
  return header().keySlots;
}

export function keySlotDigestsAt(): Address {
  return hasKeySlots() ? header().keySlots + TARGET_BYTES : 0;
}
