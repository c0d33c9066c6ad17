/*
 * LFU with ageing and admission: W-TinyLFU (Einziger, Eytan, Friedman, Manes: Caffeine) with FIFO queues for its
 * lists. New entries wait in a window. Who leaves it must be used more often, by the sketch of frequencies, than the
 * entry that the main part would give up for it; the loser is evicted. The main part has a probation and a protected
 * queue: a used entry at the head of the first moves to the second.
 *
 * A use only counts in the entry's mark; marks are added to the sketch when an entry is passed at the head of a queue.
 * On real traces that loses nothing against counting each use at once and moving entries in lists.
 */
import { marksOf, setMarks } from '../marks';
import { Partition, queueOf } from '../partition';
import { pop, push, Queue } from '../records';
import { expectedEntries } from '../room';
import { Slot, slotOfRecord } from '../table';
import { mayPass } from './passes';
import { evictRecord, isHeld } from './removal';
import { growTable } from './sidetable';
import { countUse, frequency, wantSketch } from './sketch';

const WINDOW: u32 = 0;
const PROBATION: u32 = 1;
const PROTECTED: u32 = 2;

/** The window's share of all entries, as 1 of so many: 4%. Less loses where keys are used again at once. */
const WINDOW_SHARE: u32 = 25;
/** The protected queue's share of the rest: 4 of 5. */
const PROTECTED_PARTS: u32 = 4;
const PARTS: u32 = 5;
/** Records that one eviction looks at and passes, before it takes the next one regardless. */
const MAX_PASSED: u32 = 128;

/** The queue for a new key, whose use is counted. */
export function queueForWindow(partition: Partition, hash: u32, thread: u32, nowMs: i64): Queue {
  wantSketch(partition, expectedEntries(partition));
  growTable(partition, thread, nowMs);
  countUse(partition, hash);
  return queueOf(partition, WINDOW);
}

/** Adds an entry's uses to the sketch. */
@inline
function harvest(partition: Partition, slot: Slot, record: u32): void {
  for (let uses = marksOf(slot); uses > 0; uses--) countUse(partition, record);
  setMarks(slot, 0);
}

/* The record and slot that a search has taken out of its queue. Read right after it. Not state. */
let foundRecord: u32 = 0;
let foundSlot: Slot = 0;
/** Records that this eviction may still pass. */
let passesLeft: u32 = 0;

/** Takes the first record of a queue that leads to an entry which is not pinned. */
function take(partition: Partition, queue: Queue): bool {
  for (let left = queue.records; left > 0; left--) {
    const record = pop(partition, queue);
    const slot = slotOfRecord(partition, record);
    if (slot == 0) continue;
    if (isHeld(partition, slot) && push(partition, queue, record)) continue;
    foundRecord = record;
    foundSlot = slot;
    return true;
  }
  return false;
}

export function evictByLfu(partition: Partition, nowMs: i64): bool {
  passesLeft = MAX_PASSED;
  // A try that evicts nothing has dropped a stale record, or met nothing but pinned entries.
  for (let left = recordsOf(partition); left > 0; left--) {
    if (tryToEvict(partition, nowMs)) return true;
  }
  return false;
}

function tryToEvict(partition: Partition, nowMs: i64): bool {
  const window = queueOf(partition, WINDOW);
  const windowTarget = max<u32>(1, partition.entries / WINDOW_SHARE);
  // A cache that was not full until now has everything in its window.
  while (window.records > windowTarget && passesLeft > 0 && mayPass() && take(partition, window)) {
    passesLeft -= 1;
    harvest(partition, foundSlot, foundRecord);
    if (!push(partition, queueOf(partition, PROBATION), foundRecord)) return drop(partition, nowMs);
  }
  if (window.records >= windowTarget && take(partition, window)) return duel(partition, nowMs);
  return (findVictim(partition) || take(partition, window)) && drop(partition, nowMs);
}

@inline
function drop(partition: Partition, nowMs: i64): bool {
  return evictRecord(partition, foundSlot, foundRecord, nowMs);
}

/** Of what was taken out of the window and the main part's victim, the one that was used less goes. */
function duel(partition: Partition, nowMs: i64): bool {
  const slot = foundSlot;
  const record = foundRecord;
  harvest(partition, slot, record);
  if (!findVictim(partition)) return evictRecord(partition, slot, record, nowMs);
  const wins = frequency(partition, record) > frequency(partition, foundRecord);
  // The winner is the newest on probation, the victim too: at the head it would be compared with each new key.
  const kept = push(partition, queueOf(partition, PROBATION), wins ? record : foundRecord);
  const evicted = wins ? drop(partition, nowMs) : evictRecord(partition, slot, record, nowMs);
  if (kept) return evicted;
  return (wins ? evictRecord(partition, slot, record, nowMs) : drop(partition, nowMs)) || evicted;
}

function recordsOf(partition: Partition): u32 {
  return (
    queueOf(partition, WINDOW).records + queueOf(partition, PROBATION).records + queueOf(partition, PROTECTED).records
  );
}

/** Takes the main part's victim out of its queue: the first one on probation that was not used since. */
function findVictim(partition: Partition): bool {
  const probation = queueOf(partition, PROBATION);
  const kept = queueOf(partition, PROTECTED);
  while (take(partition, probation)) {
    if (marksOf(foundSlot) == 0 || passesLeft == 0 || !mayPass()) return true;
    passesLeft -= 1;
    harvest(partition, foundSlot, foundRecord);
    if (!push(partition, kept, foundRecord)) return true;
    shrinkProtected(partition, kept, probation);
  }
  if (!take(partition, kept)) return false;
  harvest(partition, foundSlot, foundRecord);
  return true;
}

/** Sends the oldest protected entries back to probation, but for those that were used. */
function shrinkProtected(partition: Partition, kept: Queue, probation: Queue): void {
  const target = ((partition.entries - partition.entries / WINDOW_SHARE) / PARTS) * PROTECTED_PARTS;
  while (kept.records > target && take(partition, kept)) {
    const stays = marksOf(foundSlot) != 0 && passesLeft > 0 && mayPass();
    if (stays) passesLeft -= 1;
    harvest(partition, foundSlot, foundRecord);
    if (!push(partition, stays ? kept : probation, foundRecord)) return;
  }
}
