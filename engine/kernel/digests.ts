/*
 * Digests of slots, by which two nodes find out in which slots they differ (anti-entropy): for each slot the sum,
 * modulo 2^64, of a term for each key in it. The term is XXH64 of the key with the stamp as its seed: the same on every
 * node, whatever the seed of its table, and another one when either is another. A sum, not an exclusive or: in that, a
 * key that is counted twice would vanish.
 *
 * XXH64: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
import { LOG_NAMESPACED, LOG_SET, LOG_STAMPED } from './changelog';
import { addToDigest, hasKeySlots, keySlot } from './keyslots';
import { Address } from './layout';
import { recordKey } from './shipping';
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
 * Adds the entries that the records from offset `start` to `end` of the reply area tell of, as scanrecords.ts leaves
 * them, to the digests of their keys' slots, as far as their stamps are not newer than the one in two halves; how many.
 * Tombstones are passed over: they end in each node's own time.
 */
export function digestRecords(thread: u32, start: u32, end: u32, newestHigh: u32, newestLow: u32): u32 {
  if (!hasKeySlots()) return 0;
  const newest = (<u64>newestHigh << 32) | <u64>newestLow;
  const reply = replyArea(thread);
  const last = reply + end;
  let count: u32 = 0;
  let bytes: u32 = 0;
  for (let at = reply + start; at < last; at += bytes) {
    const word = load<u64>(at);
    bytes = (<u32>word & 0xffff) << 3;
    const kind = <u32>(word >> 32) & 0xff;
    const detail = <u32>(word >> 40) & 0xff;
    if (kind != LOG_SET || (detail & LOG_NAMESPACED) != 0 || (detail & LOG_STAMPED) == 0) continue;
    const key = recordKey(at, kind, detail);
    const stamp = load<u64>(key - 8);
    if (stamp > newest) continue;
    const keyBytes = <u32>word >> 16;
    addToDigest(keySlot(key, keyBytes), xxh64(key, key + keyBytes, stamp));
    count += 1;
  }
  return count;
}
