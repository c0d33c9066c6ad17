/*
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction", SOSP 2023), with some
 * of its choices as parameters. New entries go to a small queue. At its head, those that were used twice go to the
 * main queue, the others are evicted and leave a ghost; a key that comes back while its ghost is there goes to the
 * main queue at once. The main queue is a CLOCK with marks that count to 3.
 *
 * The parameters are a `Manner`. One manner is the policy `s3fifo`; the policy `adaptive` changes between several of
 * them while it runs, which needs nothing but other targets: the queues stay as they are.
 */
import { marksOf, setMarks } from '../marks';
import { Partition, queueOf } from '../partition';
import { pop, push, Queue, touchNext, unpop } from '../records';
import { expectedEntries } from '../room';
import { slotOfRecord } from '../table';
import { addGhost, takeGhost, wantGhosts } from './ghosts';
import { mayPass } from './passes';
import { evictRecord, isHeld } from './removal';

/**
 * The parameters:
 *
 *   bits 0..15   the small queue's share of all entries, in 1/65536
 *   bits 16..24  of 256 keys that come back and have a ghost, so many go to the main queue at once
 *   bit 25       all new keys go to the main queue; with a share of 0 this is CLOCK
 *   bit 26       while the main queue has not got its share, the small queue's head goes there, used or not
 */
export type Manner = u32;

const SHARE_MASK: u32 = 0xffff;
const GHOSTS_SHIFT: u32 = 16;
const GHOSTS_MASK: u32 = 0x1ff;
export const ALL_GHOSTS: u32 = 256;
export const NEW_TO_MAIN: u32 = 1 << 25;
export const FILLS: u32 = 1 << 26;

/** `share` in 1/65536, `ghosts` in 1/256; see above. */
@inline
export function manner(share: u32, ghosts: u32, flags: u32): Manner {
  return share | (ghosts << GHOSTS_SHIFT) | flags;
}

/** The policy `s3fifo`: as in the paper a tenth for the small queue, and every ghost counts. */
@inline
export function s3fifoManner(): Manner {
  return manner(6554, ALL_GHOSTS, 0);
}

/** Uses that take an entry from the small queue to the main one. */
export const USES_TO_STAY: u32 = 2;
/**
 * Entries that one eviction moves to the main queue, and turns of the main queue that it takes, before it evicts the
 * next one regardless: the bound of its time, some 5 us of cache misses. Unbounded is 0.04 points better.
 */
export const MAX_MOVES: u32 = 32;
export const MAX_TURNS: u32 = 32;

const SMALL: u32 = 0;
export const MAIN: u32 = 1;

/** Entries that the small queue may hold of `entries`, at least 1. */
@inline
export function smallTarget(m: Manner, entries: u32): u32 {
  return max<u32>(1, <u32>((<u64>entries * <u64>(m & SHARE_MASK) + 0x8000) >> 16));
}

/** Whether a new key goes to the main queue. `random`: 0 to 255. */
@inline
export function goesToMain(m: Manner, hasGhost: bool, random: u32): bool {
  return (m & NEW_TO_MAIN) != 0 || (hasGhost && random < ((m >> GHOSTS_SHIFT) & GHOSTS_MASK));
}

/** The queue for a new key; forgets its ghost. */
export function queueFor(partition: Partition, m: Manner, hash: u32): Queue {
  const hasGhost = takeGhost(partition, hash);
  // A multiplicative sequence is random enough, and the same in every run.
  const random = (partition.generation * 0x9e3779b1) >> 24;
  return queueOf(partition, goesToMain(m, hasGhost, random) ? MAIN : SMALL);
}

/** After a new entry: fills the main queue where the manner says so, an entry at a time. */
export function fillMain(partition: Partition, m: Manner): void {
  const small = queueOf(partition, SMALL);
  if ((m & FILLS) == 0 || small.records <= smallTarget(m, partition.entries)) return;
  const main = queueOf(partition, MAIN);
  const capacity = expectedEntries(partition);
  const target = smallTarget(m, capacity);
  if (small.records <= target || main.records + target >= capacity) return;
  const record = pop(partition, small);
  const slot = slotOfRecord(partition, record);
  if (slot == 0) return;
  if (push(partition, main, record)) setMarks(slot, 0);
  else unpop(small, record);
}

export function evictByS3Fifo(partition: Partition, m: Manner, nowMs: i64): bool {
  wantGhosts(partition);
  const small = queueOf(partition, SMALL);
  const main = queueOf(partition, MAIN);
  const entries = partition.entries;
  const target = smallTarget(m, entries);
  const mainTarget = m & FILLS ? entries - min<u32>(target, entries) : 0;
  let moves: u32 = 0;
  let turns: u32 = 0;
  // Each record may be looked at once in the small queue and three times in the main one.
  for (let left = 4 * (small.records + main.records); left > 0; left--) {
    const fromSmall = small.records != 0 && (main.records == 0 || (moves < MAX_MOVES && small.records >= target));
    const queue = fromSmall ? small : main;
    if (queue.records == 0) return false;
    const record = pop(partition, queue);
    const slot = slotOfRecord(partition, record);
    if (slot == 0) continue;
    const marks = marksOf(slot);
    const held = isHeld(partition, slot);
    let stays = held;
    if (fromSmall) {
      stays = stays || (moves < MAX_MOVES && (marks >= USES_TO_STAY || main.records < mainTarget) && mayPass());
      moves += 1;
    } else if (!held && marks != 0 && turns < MAX_TURNS && mayPass()) {
      stays = true;
      turns += 1;
    }
    if (stays) {
      if (push(partition, main, record)) {
        setMarks(slot, fromSmall || marks == 0 ? 0 : marks - 1);
        continue;
      }
      if (held) {
        unpop(queue, record);
        return false;
      }
    }
    if (!evictRecord(partition, slot, record, nowMs)) continue;
    if (fromSmall) addGhost(partition, record);
    touchNext(partition, queue);
    return true;
  }
  return false;
}
