/*
 * An entry leaves: out of its slot, its chunks back to their pages. Everything here runs under the partition's lock.
 */
import { LOG_EVICTED, LOG_EXPIRED, noteDelete } from '../changelog';
import {
  CHAINED,
  entryAt,
  firstPiece,
  HAS_EXPIRY,
  hashOfEntry,
  isExpired,
  NAMESPACED,
  PENDING,
  pieceAt,
  ROOTED,
  valueBytesOf,
} from '../entry';
import { freeSoon } from '../collections/garbage';
import { eachOfEntry, ON_DISCARD } from '../collections/node';
import { Address } from '../layout';
import { Partition } from '../partition';
import { dropQueues } from '../records';
import { giveChunk } from '../slab';
import { stampKey } from '../stamps';
import { entryOf, erase, isRecordOf, Slot } from '../table';
import { reasonOfOther } from '../tombstones';
import { dropWheel, wheelOf } from '../wheel';

/** Frees an entry's chunks, those of a large collection in part (collections/garbage.ts). It is in no slot any more. */
export function freeEntry(partition: Partition, address: Address): void {
  const entry = entryAt(address);
  let piece: Address = entry.flags & CHAINED ? firstPiece(address, entry) : 0;
  partition.payloadBytes -= <u64>valueBytesOf(address, entry) + <u64>entry.keyBytes;
  if (entry.flags & HAS_EXPIRY) wheelOf(partition).entries -= 1;
  if (entry.flags & ROOTED) eachOfEntry(partition, address, ON_DISCARD, 0, 0);
  giveChunk(partition, address);
  freeChain(partition, piece);
  freeSoon(partition);
}

export function freeChain(partition: Partition, piece: Address): void {
  while (piece) {
    const next = pieceAt(piece).next;
    giveChunk(partition, piece);
    piece = next;
  }
}

/**
 * Takes the entry out of its slot and frees it, and counts it as `reason` says, a LOG_ constant of changelog.ts; but
 * one of a namespace that was cleared is no more already. LOG_CLEARED: it is not counted, nor told of.
 */
export function removeEntry(partition: Partition, slot: Slot, hash: u32, reason: u32): void {
  const address = entryOf(slot);
  if (entryAt(address).flags & (NAMESPACED | PENDING)) reason = reasonOfOther(partition, address, reason);
  if (reason == LOG_EXPIRED) partition.expired += 1;
  else if (reason == LOG_EVICTED) partition.evictions += 1;
  noteDelete(partition, address, reason);
  stampKey(hash);
  erase(slot, hash);
  partition.entries -= 1;
  freeEntry(partition, address);
  if (partition.entries == 0) {
    dropQueues(partition);
    dropWheel(partition);
  }
}

/** Removes an entry because room is needed, for what it is: expired, or evicted. */
export function evictEntry(partition: Partition, slot: Slot, hash: u32, nowMs: i64): void {
  const address = entryOf(slot);
  const expired = isExpired(address, entryAt(address), nowMs);
  removeEntry(partition, slot, hash, expired ? LOG_EXPIRED : LOG_EVICTED);
}

/**
 * Evicts the entry that a record led to. False: it was another one's record after all, whose entry is gone, or the
 * entry is pinned.
 */
export function evictRecord(partition: Partition, slot: Slot, record: u32, nowMs: i64): bool {
  const address = entryOf(slot);
  if (address == 0) return false;
  const hash = hashOfEntry(address);
  if (!isRecordOf(record, hash) || isPinned(partition, address)) return false;
  evictEntry(partition, slot, hash, nowMs);
  return true;
}

/** Whether the entry in a slot is pinned. */
@inline
export function isHeld(partition: Partition, slot: Slot): bool {
  return isPinned(partition, entryOf(slot));
}

@inline
export function isPinned(partition: Partition, address: Address): bool {
  return address == partition.pinnedOld || address == partition.pinnedNew || address == partition.pinnedSource;
}
