/*
 * Tombstones: that a key was deleted, and by which stamp (hybridclock.ts), is remembered for a while, because an older
 * write of it may still be under way from another node, or come back with one that missed the deletion. A node leaves
 * one in the same hold of the lock in which it deletes a key, be it that a command here does (`deleteEntry`) or that
 * another node tells (apply.ts): so whatever becomes of the change log, a walk over what is here (scanrecords.ts) finds
 * all deletions. Only apply.ts heeds them. In an arena that belongs to no node there are none, nor of the keys of
 * namespaces, which no other node is told of.
 *
 * Where there is no memory for a tombstone, it takes a chunk of the size that the entry had, which has just come free.
 * There may be none for its record in the wheel; then the key is deleted and not remembered. Only a full cache that
 * evicts nothing is so short.
 *
 * A tombstone is an entry of the kind CHUNK_TOMBSTONE, without a value, whose stamp is that of the deletion and which
 * expires as others do. It is PENDING (entry.ts), and so beside whatever entry its key has: no lookup of the key finds
 * it, and readers pay nothing for it. It is no entry to those who count or walk them, goes without being told of, and
 * may be evicted.
 */
import {
  CHUNK_BLOB,
  CHUNK_TOMBSTONE,
  entryAt,
  fieldsBytes,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  isNamespaced,
  KeyWord,
  lengthOf,
  MAX_INLINE_KEY,
  NAMESPACED,
  PENDING,
  PENDING_KEY,
  versionAddress,
} from './entry';
import { LOG_CLEARED, LOG_DELETED } from './changelog';
import { changeExpiry } from './enrollment';
import { queueOfNew } from './eviction/policy';
import { removeEntry } from './eviction/removal';
import { giveStamp, givenStamp, isStamped, lastStamp, nextStamp, stampAt } from './hybridclock';
import { Address, header } from './layout';
import { holderOf } from './lock';
import { Partition } from './partition';
import { leaveNamespace } from './rows';
import { chunkBytesOf, classOfChunk, takeChunk } from './slab';
import { add, addBuilt, countNew, formatEntry, KIND_SHIFT } from './store';
import { entryOf, homeBucket, keyIs, matchTag, MAX_PROBE, nextBucket, overflowOf, Slot, tagOf } from './table';

/** The slot of the entry beside a key's that is a tombstone, or of the one that is none (pending.ts); 0: there is none. */
export function findBeside(hash: u32, key: Address, keyWord: KeyWord, isTombstone: bool): Slot {
  const tag = tagOf(hash);
  let bucket = homeBucket(hash);
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    for (let bits = matchTag(bucket, tag); bits; bits &= bits - 1) {
      const slot = bucket + <u32>ctz(bits);
      const address = entryOf(slot);
      if ((entryAt(address).kind == CHUNK_TOMBSTONE) != isTombstone) continue;
      if (keyIs(address, key, keyWord | PENDING_KEY)) return slot;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
  }
  return 0;
}

/** The stamp of the key's tombstone; 0: it has none. Under the lock. */
@inline
export function tombstoneOf(partition: Partition, hash: u32, key: Address, keyWord: KeyWord): u64 {
  return partition.tombstones == 0 ? 0 : stampOfTombstone(hash, key, keyWord);
}

function stampOfTombstone(hash: u32, key: Address, keyWord: KeyWord): u64 {
  const slot = findBeside(hash, key, keyWord, true);
  return slot ? stampAt(entryOf(slot)) : 0;
}

/** The highest stamp that there is of a key whose entry stands in `slot` (0: none): its own, or its tombstone's; or 0. */
export function newestOf(partition: Partition, slot: Slot, hash: u32, key: Address, keyWord: KeyWord): u64 {
  const buried = tombstoneOf(partition, hash, key, keyWord);
  return slot ? max<u64>(stampAt(entryOf(slot)), buried) : buried;
}

/** What stands in place of a stamp in a half (whole.ts) is below. As a stamp that were the first second of 1970. */
const HALVES_END: u64 = 1 << 32;

/** Whether a PENDING entry stays so beyond a hold of the lock: it is a tombstone, or a half (whole.ts). */
@inline
export function isBeside(address: Address): bool {
  return entryAt(address).kind == CHUNK_TOMBSTONE || (isStamped() && stampAt(address) < HALVES_END);
}

/**
 * Removes the entry of a key that is deleted here, under the lock. What the caller knows of other entries and slots may
 * be wrong afterwards: memory for the tombstone may move or evict them.
 */
@inline
export function deleteEntry(
  partition: Partition,
  slot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): void {
  if (isStamped()) buryEntry(partition, slot, hash, key, keyWord, nowMs);
  else removeEntry(partition, slot, hash, LOG_DELETED);
}

function buryEntry(partition: Partition, slot: Slot, hash: u32, key: Address, keyWord: KeyWord, nowMs: i64): void {
  const sizeClass = classOfChunk(entryOf(slot));
  // The log gives the deletion its stamp.
  if (partition.logHead == 0) nextStamp(partition);
  removeEntry(partition, slot, hash, LOG_DELETED);
  if (isNamespaced(keyWord)) return;
  const stamp = lastStamp();
  const thread = holderOf(partition);
  const expiryMs = nowMs + <i64>header().tombstoneMs;
  if (leaveTombstone(partition, hash, key, keyWord, stamp, expiryMs, thread, nowMs)) return;
  const before = givenStamp();
  giveStamp(stamp);
  addIn(sizeClass, partition, hash, key, keyWord, expiryMs, thread, nowMs);
  giveStamp(before);
}

/** A tombstone's flags, as of an entry that is to be made. */
@inline
function flagsOf(keyWord: KeyWord): u32 {
  const kindFlags = <u32>(CHUNK_TOMBSTONE - CHUNK_BLOB) << KIND_SHIFT;
  return kindFlags | flagsOfKey(keyWord | PENDING_KEY) | HAS_EXPIRY | HAS_VERSION;
}

/** Adds a tombstone of the stamp at hand in a chunk of this class, if there is one and it is large enough. */
function addIn(
  sizeClass: u32,
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): void {
  const flags = flagsOf(keyWord);
  const keyBytes = lengthOf(keyWord);
  if (keyBytes > MAX_INLINE_KEY || fieldsBytes(flags) + keyBytes > chunkBytesOf(sizeClass)) return;
  const queue = queueOfNew(partition, hash, thread, nowMs);
  const address = takeChunk(partition, sizeClass);
  if (address == 0) return;
  formatEntry(partition, address, key, keyBytes, 0, flags, expiryMs);
  countNew(partition, address, 0);
  if (addBuilt(partition, queue, hash, address, expiryMs, thread, nowMs)) partition.tombstones += 1;
}

/** Remembers until some time that a key was deleted, and by which stamp. False: out of memory. */
export function leaveTombstone(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  stamp: u64,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const slot = partition.tombstones ? findBeside(hash, key, keyWord, true) : 0;
  if (slot) {
    const address = entryOf(slot);
    store<u64>(versionAddress(address, entryAt(address).flags), stamp);
    return changeExpiry(partition, slot, hash, expiryMs, thread, nowMs);
  }
  const before = givenStamp();
  giveStamp(stamp);
  const isAdded = add(partition, hash, key, keyWord, 0, 0, flagsOf(keyWord), expiryMs, thread, nowMs);
  giveStamp(before);
  if (isAdded) partition.tombstones += 1;
  return isAdded;
}

/** An entry goes that is beside another one, or of a namespace: how it is counted and told of (removal.ts). */
export function reasonOfOther(partition: Partition, address: Address, reason: u32): u32 {
  const entry = entryAt(address);
  if (entry.flags & PENDING && isBeside(address)) {
    partition.tombstones -= 1;
    return LOG_CLEARED;
  }
  return entry.flags & NAMESPACED ? leaveNamespace(partition, address, reason) : reason;
}
