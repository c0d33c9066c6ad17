/*
 * Digests of slots, by which two nodes find out in which slots they differ (anti-entropy): for each slot the sum,
 * modulo 2^64, of a term for each key in it. The term is XXH64 of the key with the stamp as its seed: the same on every
 * node, whatever the seed of its table, and another one when either is another. A sum, not an exclusive or: in that, a
 * key that is counted twice would vanish.
 *
 * XXH64: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
import { LOG_CLEAR, LOG_NAMESPACED } from './changelog';
import { addToDigest, hasKeySlots, keySlot } from './keyslots';
import { Address } from './layout';
import { LOG_HAS_STAMP, recordKey } from './shipping';
import { replyArea } from './threads';

const PRIME1: u64 = 0x9e3779b185ebca87;
const PRIME2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME3: u64 = 0x165667b19e3779f9;
const PRIME4: u64 = 0x85ebca77c2b2ae63;
const PRIME5: u64 = 0x27d4eb2f165667c5;

@inline
function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * PRIME2, 31) * PRIME1;
}

@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME1 + PRIME4;
}

/** XXH64 of the bytes from `at` to `end`. */
function xxh64(start: Address, end: Address, seed: u64): u64 {
  let at = start;
  let hash: u64;
  if (end - at >= 32) {
    let lane1 = seed + PRIME1 + PRIME2;
    let lane2 = seed + PRIME2;
    let lane3 = seed;
    let lane4 = seed - PRIME1;
    const limit = end - 32;
    do {
      lane1 = round(lane1, load<u64>(at));
      lane2 = round(lane2, load<u64>(at, 8));
      lane3 = round(lane3, load<u64>(at, 16));
      lane4 = round(lane4, load<u64>(at, 24));
      at += 32;
    } while (at <= limit);
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4);
  } else {
    hash = seed + PRIME5;
  }
  hash += <u64>(end - start);
  for (; at + 8 <= end; at += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME1 + PRIME4;
  }
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * PRIME1), 23) * PRIME2 + PRIME3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * PRIME5), 11) * PRIME1;
  hash = (hash ^ (hash >> 33)) * PRIME2;
  hash = (hash ^ (hash >> 29)) * PRIME3;
  return hash ^ (hash >> 32);
}

/**
 * Adds the records from offset `start` to `end` of the reply area, as `readLog` leaves them, to the digests of their
 * keys' slots; how many: those with a stamp, and in no namespace.
 */
export function digestRecords(thread: u32, start: u32, end: u32): u32 {
  if (!hasKeySlots()) return 0;
  const reply = replyArea(thread);
  const last = reply + end;
  let count: u32 = 0;
  let bytes: u32 = 0;
  for (let at = reply + start; at < last; at += bytes) {
    const word = load<u64>(at);
    bytes = (<u32>word & 0xffff) << 3;
    const detail = <u32>(word >> 40) & 0xff;
    const isClear = (<u32>(word >> 32) & 0xff) == LOG_CLEAR;
    if (isClear || (detail & LOG_NAMESPACED) != 0 || (detail & LOG_HAS_STAMP) == 0) continue;
    const key = recordKey(at, detail);
    const keyBytes = <u32>word >> 16;
    addToDigest(keySlot(key, keyBytes), xxh64(key, key + keyBytes, load<u64>(key - 8)));
    count += 1;
  }
  return count;
}
