/*
 * XXH32 by Yann Collet (xxHash, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), on bytes in place.
 * xxhash-wasm computes the same function but must copy each key into its own memory first, at several times the cost.
 */
import { Address, header } from './layout';

const PRIME1: u32 = 0x9e3779b1;
const PRIME2: u32 = 0x85ebca77;
const PRIME3: u32 = 0xc2b2ae3d;
const PRIME4: u32 = 0x27d4eb2f;
const PRIME5: u32 = 0x165667b1;

@inline
function round(lane: u32, input: u32): u32 {
  return rotl<u32>(lane + input * PRIME2, 13) * PRIME1;
}

/** XXH32 of `length` bytes at `at`, with the seed of the arena. */
export function hashKey(at: Address, length: u32): u32 {
  return hashKeyInline(at, length);
}

/** The same without a call, which takes a fiftieth of a pipelined command's time. */
@inline
export function hashKeyInline(at: Address, length: u32): u32 {
  return xxh32(at, length, header().hashSeed);
}

@inline
export function xxh32(at: Address, length: u32, seed: u32): u32 {
  const end = at + length;
  let hash: u32;
  if (length >= 16) {
    let lane1 = seed + PRIME1 + PRIME2;
    let lane2 = seed + PRIME2;
    let lane3 = seed;
    let lane4 = seed - PRIME1;
    const limit = end - 16;
    do {
      lane1 = round(lane1, load<u32>(at));
      lane2 = round(lane2, load<u32>(at, 4));
      lane3 = round(lane3, load<u32>(at, 8));
      lane4 = round(lane4, load<u32>(at, 12));
      at += 16;
    } while (at <= limit);
    hash = rotl<u32>(lane1, 1) + rotl<u32>(lane2, 7) + rotl<u32>(lane3, 12) + rotl<u32>(lane4, 18);
  } else {
    hash = seed + PRIME5;
  }
  hash += length;
  while (at + 4 <= end) {
    hash = rotl<u32>(hash + load<u32>(at) * PRIME3, 17) * PRIME4;
    at += 4;
  }
  while (at < end) {
    hash = rotl<u32>(hash + <u32>load<u8>(at) * PRIME5, 11) * PRIME1;
    at += 1;
  }
  hash ^= hash >> 15;
  hash *= PRIME2;
  hash ^= hash >> 13;
  hash *= PRIME3;
  return hash ^ (hash >> 16);
}
