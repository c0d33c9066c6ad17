/*
 * LRU by generations (as Linux's multi-generational LRU, mm/vmscan.c, has it): instead of moving an entry to the
 * front of a list at each use, which readers without a lock could not do, a use stores the current epoch, 2 bits, in
 * the entry's mark. A queue per epoch; what is evicted comes from the oldest one; an entry there that was used since
 * moves to the queue of its epoch. An epoch ends after a third of the capacity was added to it: three full
 * generations span the cache and one is being filled. On real traces that is within 0.2 points of a linked list.
 */
import { marksOf } from '../marks';
import { Partition, queueOf } from '../partition';
import { pop, push, Queue, unpop } from '../records';
import { expectedEntries } from '../room';
import { slotOfRecord } from '../table';
import { mayPass } from './passes';
import { evictRecord, isHeld } from './removal';

const GENERATIONS: u32 = 4;
/** Records that one eviction moves to a later generation, before it takes the next one regardless. */
const MAX_MOVES: u32 = 128;

@inline
function oldest(partition: Partition): u32 {
  return (partition.epoch - partition.generations + 1) & (GENERATIONS - 1);
}

/** An empty partition: one generation, the current one. */
export function resetLru(partition: Partition): void {
  partition.epoch = 0;
  partition.generations = 1;
  partition.epochAdded = 0;
}

/** The queue for a new entry: that of the current epoch, or of the next one if this one is full. */
export function queueForNewest(partition: Partition): Queue {
  if (partition.epochAdded >= max<u32>(1, expectedEntries(partition) / (GENERATIONS - 1))) nextEpoch(partition);
  partition.epochAdded += 1;
  return queueOf(partition, partition.epoch);
}

/** Begins another epoch if there is a queue free for it. */
function nextEpoch(partition: Partition): void {
  dropEmptyGenerations(partition);
  if (partition.generations == GENERATIONS) return;
  partition.epoch = (partition.epoch + 1) & (GENERATIONS - 1);
  partition.generations += 1;
  partition.epochAdded = 0;
}

function dropEmptyGenerations(partition: Partition): void {
  while (partition.generations > 1 && queueOf(partition, oldest(partition)).records == 0) partition.generations -= 1;
}

export function evictByLru(partition: Partition, nowMs: i64): bool {
  let moves: u32 = 0;
  // Stale records are met once, others move at most three times to younger generations.
  for (let left = 4 * recordsOf(partition) + GENERATIONS; left > 0; left--) {
    dropEmptyGenerations(partition);
    if (partition.generations == 1) nextEpoch(partition);
    const from = oldest(partition);
    const queue = queueOf(partition, from);
    if (queue.records == 0) {
      // A mark that was lost or stray, or an epoch that began with everything in queues behind it.
      if (recordsOf(partition) == 0) return false;
      continue;
    }
    const record = pop(partition, queue);
    const slot = slotOfRecord(partition, record);
    if (slot == 0) continue;
    const held = isHeld(partition, slot);
    const used = marksOf(slot);
    if (held || (used != from && moves < MAX_MOVES && mayPass())) {
      const target = held ? partition.epoch : used;
      if (push(partition, queueOf(partition, target), record)) {
        moves += 1;
        continue;
      }
      if (held) {
        unpop(queue, record);
        return false;
      }
    }
    if (evictRecord(partition, slot, record, nowMs)) return true;
  }
  return false;
}

function recordsOf(partition: Partition): u32 {
  let records: u32 = 0;
  for (let i: u32 = 0; i < GENERATIONS; i++) records += queueOf(partition, i).records;
  return records;
}
