/*
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction", SOSP 2023), with its choices
 * as parameters. New entries go to a small queue. At its head, those that were used go to the main queue, the others are
 * evicted and leave a ghost; a key that comes back while its ghost is there goes to the main queue at once. The main
 * queue is a CLOCK with marks that count to 3.
 *
 * The parameters are a `Manner`. One manner is the policy `s3fifo`; between several of them the policy `adaptive` changes
 * while it runs, which needs nothing but other targets: the queues stay as they are.
 */
import { Partition, queueOf } from '../partition';
import { pop, push, Queue, unpop } from '../records';
import { marksOf, setMarks, slotOfRecord } from '../table';
import { addGhost, takeGhost, wantGhosts } from './ghosts';
import { evictRecord, isHeld } from './removal';

/** What the parameters are; its bits are drawn below. */
export type Manner = u32;

/*
 *   bits 0..15   share of the small queue, in 1/65536 of all entries
 *   bits 16..23  of 256 keys that have a ghost, the number + 1 let into the main queue; 0: none
 *   bit 24       new keys go to the main queue, all of them: with a share of 0 this is CLOCK
 *   bits 25..26  uses that it takes to be moved from the small queue to the main one
 */
@inline
export function manner(share: u32, ghosts: u32, newToMain: u32, uses: u32): Manner {
  return share | (ghosts << 16) | (newToMain << 24) | (uses << 25);
}

@inline
export function usesToPromote(m: Manner): u32 {
  return (m >> 25) & 3;
}

/** Entries that the small queue may hold of `entries`, at least 1. */
@inline
export function smallTarget(m: Manner, entries: u32): u32 {
  return max<u32>(1, <u32>((<u64>entries * <u64>(m & 0xffff) + 0x8000) >> 16));
}

/** Whether a new key goes to the main queue. `random`: 8 bits. */
@inline
export function goesToMain(m: Manner, hasGhost: bool, random: u32): bool {
  return (m & (1 << 24)) != 0 || (hasGhost && random < ((m >> 16) & 0xff) + <u32>((m & 0xff0000) != 0));
}

/** The policy `s3fifo`: as in the paper a tenth for the small queue, every ghost counts, two uses. */
@inline
export function s3fifoManner(): Manner {
  return manner(6554, 255, 0, 2);
}

const SMALL: u32 = 0;
const MAIN: u32 = 1;

/**
 * Records that one eviction moves to another place or queue, before it takes the next one regardless: the bound of its
 * time (some 10 us of cache misses). A cache that begins to evict moves most of its records to the main queue once.
 */
const MAX_MOVES: u32 = 128;
/** Of them, how often the main queue may turn. */
const MAX_TURNS: u32 = 32;

/** The queue for a new key; forgets its ghost. */
export function queueFor(partition: Partition, m: Manner, hash: u32): Queue {
  const hasGhost = takeGhost(partition, hash);
  // A multiplicative sequence is random enough, and the same in every run.
  const random = (partition.generation * 0x9e3779b1) >> 24;
  return queueOf(partition, goesToMain(m, hasGhost, random) ? MAIN : SMALL);
}

export function evictByS3Fifo(partition: Partition, m: Manner, nowMs: i64): bool {
  wantGhosts(partition);
  const small = queueOf(partition, SMALL);
  const main = queueOf(partition, MAIN);
  const entries = partition.entries;
  const target = smallTarget(m, entries);
  const mainTarget = entries - min<u32>(target, entries);
  const uses = usesToPromote(m);
  let moves: u32 = 0;
  let turns: u32 = 0;
  // Every record three times: a used entry of the small queue and three turns of the main queue.
  for (let left = 4 * (small.records + main.records); left > 0; left--) {
    const fromSmall = small.records != 0 && (small.records >= target || main.records == 0);
    if (!fromSmall && main.records == 0) return false;
    const queue = fromSmall ? small : main;
    const record = pop(partition, queue);
    const slot = slotOfRecord(partition, record);
    if (slot == 0) continue;
    const marks = marksOf(slot);
    const held = isHeld(partition, slot);
    let keep = held;
    if (fromSmall) {
      keep = keep || (moves < MAX_MOVES && (marks >= uses || main.records < mainTarget));
    } else if (!held && marks != 0 && turns < MAX_TURNS) {
      keep = true;
      turns += 1;
    }
    if (keep) {
      if (push(partition, main, record)) {
        setMarks(slot, fromSmall || marks == 0 ? 0 : marks - 1);
        moves += 1;
        continue;
      }
      if (held) {
        unpop(queue, record);
        return false;
      }
    }
    if (!evictRecord(partition, slot, record, nowMs)) continue;
    addGhost(partition, record);
    return true;
  }
  return false;
}
