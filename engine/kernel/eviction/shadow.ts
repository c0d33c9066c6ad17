/*
 * A shadow: a cache of a sample of the keys, without values, that is run in one manner (s3fifo.ts) to see how it
 * would do. A sample by hash of 1 in n keys on a cache of 1 in n entries has the hit ratio of the whole (Waldspurger,
 * Saemundsson, Ahmad, Park, "Cache Modeling and Optimization using Miniature Simulations", USENIX ATC 2017).
 *
 *   +0      Shadow
 *   +64     ghosts    64 buckets of eight fingerprints of 16 bits
 *   +1088   keys      u32 x TABLE_SLOTS: an open-addressing table of the sampled hashes; 0: empty
 *   +5184   marks     u8 x TABLE_SLOTS
 *   +6208   queues    two rings of u32 x SHADOW_ENTRIES: the hashes
 *
 * Runs under the lock of adaptive.ts.
 */
import { Address } from '../layout';
import { FILLS, goesToMain, Manner, MAX_MOVES, MAX_TURNS, smallTarget, USES_TO_STAY } from './s3fifo';

/** Shadows are no larger: 256 are a little worse, 1,024 no better. */
export const SHADOW_ENTRIES: u32 = 512;
const TABLE_SLOTS: u32 = 1024;
const GHOST_BUCKETS: u32 = SHADOW_ENTRIES / 8;

@unmanaged
class Ring {
  head: u32;
  count: u32;
}

@unmanaged
class Shadow {
  hits: u32;
  random: u32;
  smallHead: u32;
  smallCount: u32;
  mainHead: u32;
  mainCount: u32;
}

const SMALL_RING: u32 = 8;
const MAIN_RING: u32 = 16;
const GHOSTS: u32 = 64;
const KEYS: u32 = GHOSTS + GHOST_BUCKETS * 16;
const MARKS: u32 = KEYS + TABLE_SLOTS * 4;
const SMALL_KEYS: u32 = MARKS + TABLE_SLOTS;
const MAIN_KEYS: u32 = SMALL_KEYS + SHADOW_ENTRIES * 4;
export const SHADOW_BYTES: u32 = MAIN_KEYS + SHADOW_ENTRIES * 4;

@inline
function shadowAt(at: Address): Shadow {
  return changetype<Shadow>(at);
}

@inline
function ringAt(at: Address): Ring {
  return changetype<Ring>(at);
}

export function resetShadow(at: Address): void {
  memory.fill(at, 0, SHADOW_BYTES);
  shadowAt(at).random = 0x9e3779b1;
}

@inline
export function hitsOf(at: Address): u32 {
  return shadowAt(at).hits;
}

/** One access to a key, by its hash, not 0; what misses comes in. `capacity` is at most SHADOW_ENTRIES. */
export function accessShadow(at: Address, m: Manner, capacity: u32, hash: u32): void {
  const shadow = shadowAt(at);
  const slot = slotOf(at, hash);
  if (load<u32>(at + KEYS + (slot << 2)) == hash) {
    shadow.hits += 1;
    const marks = <u32>load<u8>(at + MARKS + slot);
    if (marks < 3) store<u8>(at + MARKS + slot, <u8>(marks + 1));
    return;
  }
  const hasGhost = takeGhost(at, capacity, hash);
  if (shadow.smallCount + shadow.mainCount >= capacity) evict(at, m, capacity);
  const free = slotOf(at, hash);
  store<u32>(at + KEYS + (free << 2), hash);
  store<u8>(at + MARKS + free, 0);
  const random = nextRandom(shadow);
  if (goesToMain(m, hasGhost, random)) {
    pushKey(at + MAIN_RING, at + MAIN_KEYS, hash);
    return;
  }
  pushKey(at + SMALL_RING, at + SMALL_KEYS, hash);
  const target = smallTarget(m, capacity);
  if ((m & FILLS) != 0 && shadow.smallCount > target && shadow.mainCount + target < capacity) toMain(at, popSmall(at));
}

/** xorshift32 (G. Marsaglia, 2003), its upper 8 bits. */
function nextRandom(shadow: Shadow): u32 {
  let x = shadow.random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  shadow.random = x;
  return x >> 24;
}

/** The slot of a hash, or the empty one where it would go. The table is never more than half full. */
@inline
function slotOf(at: Address, hash: u32): u32 {
  let slot = homeOf(hash);
  let key = load<u32>(at + KEYS + (slot << 2));
  while (key != hash && key != 0) {
    slot = (slot + 1) & (TABLE_SLOTS - 1);
    key = load<u32>(at + KEYS + (slot << 2));
  }
  return slot;
}

@inline
function homeOf(hash: u32): u32 {
  return (hash * 0x85ebca77) >> 22;
}

/** Takes a hash out of the table, closing the gap. */
function eraseKey(at: Address, hash: u32): void {
  let gap = slotOf(at, hash);
  let slot = gap;
  for (;;) {
    slot = (slot + 1) & (TABLE_SLOTS - 1);
    const key = load<u32>(at + KEYS + (slot << 2));
    if (key == 0) break;
    // It may move into the gap if its home is not behind that.
    if (((slot - homeOf(key)) & (TABLE_SLOTS - 1)) < ((slot - gap) & (TABLE_SLOTS - 1))) continue;
    store<u32>(at + KEYS + (gap << 2), key);
    store<u8>(at + MARKS + gap, load<u8>(at + MARKS + slot));
    gap = slot;
  }
  store<u32>(at + KEYS + (gap << 2), 0);
}

function pushKey(ring: Address, keys: Address, hash: u32): void {
  const queue = ringAt(ring);
  store<u32>(keys + (((queue.head + queue.count) & (SHADOW_ENTRIES - 1)) << 2), hash);
  queue.count += 1;
}

function popKey(ring: Address, keys: Address): u32 {
  const queue = ringAt(ring);
  const hash = load<u32>(keys + (queue.head << 2));
  queue.head = (queue.head + 1) & (SHADOW_ENTRIES - 1);
  queue.count -= 1;
  return hash;
}

@inline
function popSmall(at: Address): u32 {
  return popKey(at + SMALL_RING, at + SMALL_KEYS);
}

function toMain(at: Address, hash: u32): void {
  store<u8>(at + MARKS + slotOf(at, hash), 0);
  pushKey(at + MAIN_RING, at + MAIN_KEYS, hash);
}

/** As `evictByS3Fifo`, without what entries have beyond a key. */
function evict(at: Address, m: Manner, capacity: u32): void {
  const shadow = shadowAt(at);
  const target = smallTarget(m, capacity);
  const mainTarget = m & FILLS ? capacity - min<u32>(target, capacity) : 0;
  let moves: u32 = 0;
  let turns: u32 = 0;
  for (;;) {
    if (shadow.smallCount != 0 && (shadow.mainCount == 0 || (moves < MAX_MOVES && shadow.smallCount >= target))) {
      const hash = popSmall(at);
      const marks = <u32>load<u8>(at + MARKS + slotOf(at, hash));
      moves += 1;
      if (moves <= MAX_MOVES && (marks >= USES_TO_STAY || shadow.mainCount < mainTarget)) {
        toMain(at, hash);
        continue;
      }
      addGhost(at, capacity, hash);
      eraseKey(at, hash);
      return;
    }
    const hash = popKey(at + MAIN_RING, at + MAIN_KEYS);
    const mark = at + MARKS + slotOf(at, hash);
    const marks = <u32>load<u8>(mark);
    if (marks == 0 || turns == MAX_TURNS) {
      eraseKey(at, hash);
      return;
    }
    turns += 1;
    store<u8>(mark, <u8>(marks - 1));
    pushKey(at + MAIN_RING, at + MAIN_KEYS, hash);
  }
}

/** The bucket of a hash among those that a shadow of this capacity uses. */
@inline
function bucketFor(at: Address, capacity: u32, mixedHash: u32): Address {
  const index = <u32>((<u64>mixedHash * <u64>((capacity + 7) / 8)) >> 32);
  return at + GHOSTS + (index << 4);
}

@inline
function mixed(hash: u32): u32 {
  const x = (hash ^ (hash >> 15)) * 0x2c1b3c6d;
  return x ^ (x >> 13);
}

@inline
function fingerprint(mixedHash: u32): v128 {
  const print = <u16>mixedHash;
  return i16x8.splat(<i16>(print ? print : 1));
}

function addGhost(at: Address, capacity: u32, hash: u32): void {
  const x = mixed(hash);
  const bucket = bucketFor(at, capacity, x);
  v128.store(bucket, v128.shuffle<i16>(v128.load(bucket), fingerprint(x), 8, 0, 1, 2, 3, 4, 5, 6));
}

function takeGhost(at: Address, capacity: u32, hash: u32): bool {
  const x = mixed(hash);
  const bucket = bucketFor(at, capacity, x);
  const prints = v128.load(bucket);
  const equal = i16x8.eq(prints, fingerprint(x));
  if (!v128.any_true(equal)) return false;
  v128.store(bucket, v128.andnot(prints, equal));
  return true;
}
