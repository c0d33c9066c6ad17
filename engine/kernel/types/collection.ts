/*
 * What the commands on collections have in common: finding the collection under the lock, making it where there is
 * none, and what has to happen when it was changed. An empty collection is none: its key is removed.
 *
 * A change reads and checks all its arguments first. Then:
 *
 *   lock, open    finds or makes the collection, which is pinned from here on
 *   ...           collections/ changes it
 *   close         counts, marks, logs and versions the change, or removes the key; unlock
 */
import { shrinkEntry } from '../collections/fit';
import { freeSoon } from '../collections/garbage';
import { hasDue, settleExpiry, sweepFields } from '../collections/lifetime';
import { countOf, keyExpiryOf } from '../collections/root';
import {
  CHUNK_BLOB,
  COLLECTION,
  entryAt,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  isNamespaced,
  lengthOf,
  MAX_INLINE_KEY,
} from '../entry';
import { sample } from '../eviction/adaptive';
import { mayEvict } from '../eviction/policy';
import { beginEffect, effectTime, noteChange } from '../effects';
import { Address, header } from '../layout';
import { lock, lockToRead, unlock } from '../lock';
import { mark } from '../marks';
import { Partition } from '../partition';
import { findStaged, findStill } from '../read';
import { countHit, countMiss } from '../rows';
import { partitionOf, Staged } from '../staging';
import { stampKey } from '../stamps';
import { ERROR_COLLECTION_KEY, ERROR_ENTRIES_FULL, ERROR_OUT_OF_MEMORY, ERROR_WRONG_TYPE } from '../status';
import { add, KIND_SHIFT, renewVersion } from '../store';
import { entryOf, Slot } from '../table';
import { blockOf, scratchOf } from '../threads';
import { deleteEntry } from '../tombstones';

/* Of the collection that was opened last, read right after it. Not state. */
let failure: u32 = 0;

/** Why `open` returned no slot: a status, or 0: there is no such key. */
@inline
export function lastFailure(): u32 {
  return failure;
}

/**
 * Takes the lock of the staged key's partition and opens its collection for a change: its slot, or 0, and then the lock
 * is given back. With `creates`, a collection that is not there is made.
 */
export function open(thread: u32, staged: Staged, kind: u8, creates: bool, nowMs: i64): Slot {
  const partition = partitionOf(staged);
  lock(partition, thread);
  const slot = openHeld(partition, thread, staged, kind, creates, nowMs);
  if (slot == 0) unlock(partition);
  return slot;
}

/** `open` under the lock. */
export function openHeld(partition: Partition, thread: u32, staged: Staged, kind: u8, creates: bool, nowMs: i64): Slot {
  failure = 0;
  let slot = findStaged(partition, staged, nowMs);
  beginEffect(slot, nowMs);
  if (slot) {
    if (entryAt(entryOf(slot)).kind != kind) {
      failure = ERROR_WRONG_TYPE;
      return 0;
    }
    stampKey(staged.hash);
    sample(thread, staged.hash);
  } else {
    if (!creates) return 0;
    slot = create(partition, thread, staged, kind, nowMs);
    if (slot == 0) return 0;
  }
  partition.pinnedOld = entryOf(slot);
  partition.overwriting = entryOf(slot);
  if (entryAt(entryOf(slot)).flags & HAS_EXPIRY && hasDue(entryOf(slot), nowMs)) {
    sweepFields(partition, slot, FIELDS_A_WRITE, nowMs);
  }
  return slot;
}

/** Fields that have expired and are removed by whoever changes their hash: as many as it takes to keep up. */
const FIELDS_A_WRITE: u32 = 32;

function create(partition: Partition, thread: u32, staged: Staged, kind: u8, nowMs: i64): Slot {
  if (lengthOf(staged.keyWord) > MAX_INLINE_KEY) {
    failure = ERROR_COLLECTION_KEY;
    return 0;
  }
  const head = scratchOf(thread);
  store<u16>(head, 0);
  const kindFlags = <u32>COLLECTION | (<u32>(kind - CHUNK_BLOB) << KIND_SHIFT);
  const flags = kindFlags | flagsOfKey(staged.keyWord) | header().stampFlags;
  const added = add(
    partition, staged.hash, staged.key, staged.keyWord, head, 2, flags, 0, thread, nowMs,
  );
  const slot = added ? findStaged(partition, staged, nowMs) : 0;
  if (slot == 0) {
    // Or the namespace was cleared just now, which is not worth a reply of its own.
    const isFull = !added && !mayEvict() && partition.entries >= partition.maxEntries;
    failure = isFull ? ERROR_ENTRIES_FULL : ERROR_OUT_OF_MEMORY;
  }
  return slot;
}

/** Ends a change, and gives the lock back. `changed`: whether there was one. */
export function close(thread: u32, staged: Staged, slot: Slot, changed: bool): void {
  const partition = partitionOf(staged);
  closeHeld(partition, staged, slot, changed);
  unlock(partition);
}

/** Ends a change after which nothing is left, whatever is still in the collection, and gives the lock back. */
export function drop(staged: Staged, slot: Slot): void {
  const partition = partitionOf(staged);
  dropHeld(partition, staged, slot);
  unlock(partition);
}

function dropHeld(partition: Partition, staged: Staged, slot: Slot): void {
  partition.pinnedOld = 0;
  partition.overwriting = 0;
  deleteEntry(partition, slot, staged.hash, staged.key, staged.keyWord, effectTime());
}

/** `close` that keeps the lock. */
export function closeHeld(partition: Partition, staged: Staged, slot: Slot, changed: bool): void {
  if (countOf(entryOf(slot)) == 0) return dropHeld(partition, staged, slot);
  if (entryAt(entryOf(slot)).flags & HAS_EXPIRY) settleExpiry(partition, slot);
  shrinkEntry(partition, slot);
  partition.pinnedOld = 0;
  const address = entryOf(slot);
  const flags = <u32>entryAt(address).flags;
  if (changed) {
    if (flags & HAS_VERSION) renewVersion(partition, address, flags);
    noteChange(partition, staged, keyExpiryOf(address));
  }
  partition.overwriting = 0;
  freeSoon(partition);
  mark(partition, slot);
}

/** Takes the lock and finds the collection of the staged key, for a reader: its address; 0: see `lastFailure`. */
export function openToRead(thread: u32, staged: Staged, kind: u8, nowMs: i64): Address {
  const partition = partitionOf(staged);
  lockToRead(partition, thread);
  const address = findToRead(partition, thread, staged, kind, nowMs);
  if (address == 0) unlock(partition);
  return address;
}

/** `openToRead` under the lock. */
export function findToRead(partition: Partition, thread: u32, staged: Staged, kind: u8, nowMs: i64): Address {
  failure = 0;
  const slot = findStill(staged, nowMs);
  if (slot == 0) {
    blockOf(thread).misses += 1;
    if (isNamespaced(staged.keyWord)) countMiss(thread, staged.key);
    return 0;
  }
  const address = entryOf(slot);
  if (entryAt(address).kind != kind) {
    failure = ERROR_WRONG_TYPE;
    return 0;
  }
  mark(partition, slot);
  sample(thread, staged.hash);
  blockOf(thread).hits += 1;
  if (isNamespaced(staged.keyWord)) countHit(thread, staged.key);
  return address;
}

@inline
export function closeRead(staged: Staged): void {
  unlock(partitionOf(staged));
}
