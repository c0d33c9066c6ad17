/*
 * Which of a cache's arenas a key belongs to. Not XXH32: JavaScript has to find out too, before it writes a key into an
 * arena, and this takes a third of the multiplications. It shares no constant with XXH32, whose top bits choose the
 * partition inside the arena, so that the shares of partitions do not depend on the arena.
 *
 *   hash = seed ^ bytes * STEP_LENGTH
 *   for each little-endian word of four bytes, the last one filled up with zeros:
 *     hash = (hash ^ word) * STEP, then hash ^= hash >> 15
 *   hash = hash * FINISH, then hash ^= hash >> 13, then hash = hash * STEP_LENGTH
 *   arena = hash * arenas >> 32
 *
 * Of a key with a {tag} only the bytes between the first brace and the first closing brace behind it count, as in a
 * Redis Cluster: `{user:1}:name` and `{user:1}:mail` are in one arena. Nothing between them, `{}`, is no tag.
 *
 * engine/route.ts is the same in JavaScript; a test holds the two equal.
 */
import { Address } from './layout';

const STEP_LENGTH: u32 = 0x9e3779b1;
const STEP: u32 = 0x2c1b3c6d;
const FINISH: u32 = 0x297a2d39;

const OPEN: u32 = 0x7b;
const CLOSE: u32 = 0x7d;

@inline
function step(hash: u32, word: u32): u32 {
  hash = (hash ^ word) * STEP;
  return hash ^ (hash >> 15);
}

@inline
function finish(hash: u32): u32 {
  hash *= FINISH;
  return (hash ^ (hash >> 13)) * STEP_LENGTH;
}

/** Whether there is an opening brace; may read up to 15 bytes more than the key has. */
@inline
function hasOpen(key: Address, bytes: u32): bool {
  const open = i8x16.splat(<i8>OPEN);
  const last = key + bytes;
  let at = key;
  for (; at + 16 < last; at += 16) {
    if (v128.any_true(i8x16.eq(v128.load(at), open))) return true;
  }
  const rest = i8x16.bitmask(i8x16.eq(v128.load(at), open));
  return (rest & ((1 << (last - at)) - 1)) != 0;
}

/** The hash of a key; may read up to 15 bytes more than the key has. */
@inline
export function routeHash(key: Address, bytes: u32, seed: u32): u32 {
  const hash = plainHash(key, bytes, seed);
  return hasOpen(key, bytes) ? tagHash(key, bytes, seed, hash) : hash;
}

/** The hash of the tag in the key; `hash`, that of the whole key, when it has none. */
function tagHash(key: Address, bytes: u32, seed: u32, hash: u32): u32 {
  const end = key + bytes;
  let tag = key;
  // There is one.
  while (<u32>load<u8>(tag) != OPEN) tag++;
  tag++;
  let close = tag;
  while (close < end && <u32>load<u8>(close) != CLOSE) close++;
  if (close == end || close == tag) return hash;
  return plainHash(tag, close - tag, seed);
}

@inline
function plainHash(key: Address, bytes: u32, seed: u32): u32 {
  let hash = seed ^ (bytes * STEP_LENGTH);
  const rest = (bytes & 3) << 3;
  const whole = key + (bytes & ~3);
  let at = key;
  for (; at + 8 <= whole; at += 8) hash = step(step(hash, load<u32>(at)), load<u32>(at, 4));
  if (at < whole) {
    hash = step(hash, load<u32>(at));
    at += 4;
  }
  if (rest) hash = step(hash, load<u32>(at) & (((1 as u32) << rest) - 1));
  return finish(hash);
}

/** The number of the arena, of so many, that a hash belongs to. */
@inline
export function arenaOf(hash: u32, arenas: u32): u32 {
  return <u32>((<u64>hash * <u64>arenas) >> 32);
}
