/*
 * Writes of several keys of which all are done or none, where nothing may be evicted for them: under the policy `none`.
 * An entry is built beside the key's present one and put into the table as pending, with all that it needs: chunks, a
 * slot, a record in the wheel. Lookups of its key do not find it (entry.ts, `PENDING_KEY`). So all that may fail comes
 * first; then the pending entries are dropped, or made their keys' entries, and neither can fail.
 *
 * Everything here runs under the locks of all partitions in question. Whoever takes one of them over from the dead
 * finds `Partition.pending` set, and drops those entries.
 */
import { LOG_CLEARED, noteStored } from './changelog';
import {
  CHUNK_TOMBSTONE,
  entryAt,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  hashOfEntry,
  KeyWord,
  PENDING,
  PENDING_KEY,
} from './entry';
import { removeEntry } from './eviction/removal';
import { Address, header, PAGE_BYTES } from './layout';
import { pageInfo, pageOf } from './pages';
import { Partition, queueOf } from './partition';
import { stampKey } from './stamps';
import { addBuilt, buildEntry } from './store';
import { BUCKET_BYTES, entryOf, find, homeBucket, occupiedIn, Slot } from './table';
import { findBeside } from './tombstones';

/** The slot of the key's pending entry, or 0. */
@inline
export function findPending(hash: u32, key: Address, keyWord: KeyWord): Slot {
  return findBeside(hash, key, keyWord, false);
}

/** Adds an entry beside the one in `slot` (0: there is none), in place of a pending one. False: out of memory. */
export function addPending(
  partition: Partition,
  slot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  partition.pending = 1;
  cancelPending(partition, hash, key, keyWord);
  let flags: u32 = (expiryMs != 0 ? HAS_EXPIRY : 0) | flagsOfKey(keyWord | PENDING_KEY) | header().stampFlags;
  if (slot) flags |= entryAt(entryOf(slot)).flags & HAS_VERSION;
  const address = buildEntry(partition, hash, key, keyWord, value, valueBytes, flags, expiryMs, thread, nowMs);
  if (address == 0) return false;
  return addBuilt(partition, queueOf(partition, 0), hash, address, expiryMs, thread, nowMs);
}

/** Whether the key has a pending entry. */
export function isPending(hash: u32, key: Address, keyWord: KeyWord): bool {
  return findPending(hash, key, keyWord) != 0;
}

/** Drops the key's pending entry, if it has one. */
export function cancelPending(partition: Partition, hash: u32, key: Address, keyWord: KeyWord): void {
  const pending = findPending(hash, key, keyWord);
  if (pending) removeEntry(partition, pending, hash, LOG_CLEARED);
}

/** Makes the key's pending entry, if it has one, its entry. */
export function settlePending(partition: Partition, hash: u32, key: Address, keyWord: KeyWord): void {
  const pending = findPending(hash, key, keyWord);
  if (pending == 0) return;
  const old = find(homeBucket(hash), hash, key, keyWord);
  if (old) removeEntry(partition, old, hash, LOG_CLEARED);
  const address = entryOf(pending);
  const entry = entryAt(address);
  entry.flags &= ~PENDING;
  stampKey(hash);
  noteStored(partition, key, keyWord, address);
}

/** Drops all pending entries of a partition in which all else is well. */
export function dropPending(partition: Partition): void {
  const depth: u32 = 32 - partition.directoryShift;
  const end = partition.directoryMask + 1;
  for (let index: u32 = 0; index < end; ) {
    const segment = load<u32>(partition.directory + (index << 2));
    for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) dropIn(partition, bucket);
    index += 1 << (depth - <u32>pageInfo(pageOf(segment)).sizeClass);
  }
}

function dropIn(partition: Partition, bucket: Address): void {
  for (let bits = occupiedIn(bucket); bits; bits &= bits - 1) {
    const slot = bucket + <u32>ctz(bits);
    const address = entryOf(slot);
    const entry = entryAt(address);
    if (!(entry.flags & PENDING) || entry.kind == CHUNK_TOMBSTONE) continue;
    removeEntry(partition, slot, hashOfEntry(address), LOG_CLEARED);
  }
}
