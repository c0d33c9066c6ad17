/*
 * Writing entries: building them and replacing them, in room that room.ts finds.
 * Everything here runs under the partition's lock. A function that fails has changed nothing a user could see, apart
 * from entries that it evicted on the way.
 */
import { copyBytes } from './bytes';
import { buildChain } from './chain';
import {
  CHAIN_LINK_BYTES,
  CHAINED,
  CHUNK_BLOB,
  describeChain,
  entryAt,
  expiryOf,
  fieldsBytes,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  hashOfEntry,
  keyAddress,
  KeyWord,
  lengthOf,
  LONG_KEY,
  MAX_INLINE_KEY,
  moveExpiry,
  NAMESPACED,
  setExpiry,
  valueBytesOf,
  versionAddress,
} from './entry';
import { sample } from './eviction/adaptive';
import { mayEvict, queueOfNew, settle } from './eviction/policy';
import { evictEntry, freeEntry } from './eviction/removal';
import { changeExpiry, enroll, inherit } from './enrollment';
import { isStamped, nextStamp } from './hybridclock';
import { Address, header, Header, MAX_CHUNK } from './layout';
import { isCleared } from './namespaces';
import { enterNamespace, resizeInNamespace } from './rows';
import { Partition } from './partition';
import { allocate, makeRoomForOne, reclaimPage } from './room';
import { addBlock, append, isTailFull, Queue, stockSpares, trim } from './records';
import { classOf, classOfChunk, giveChunk, recordClass } from './slab';
import { mark } from './marks';
import { hasCleared, sweepAll } from './sweep';
import { crowdedSlot, entryOf, erase, insert, isSplittable, recordOf, setEntryOf, Slot } from './table';
import { wheelOf } from './wheel';

/** Flags of an entry that is to be made have its kind less CHUNK_BLOB in the bits from here on. */
export const KIND_SHIFT: u32 = 8;

/**
 * An entry in no slot yet, or 0 when out of memory. Sets expiry and version fields as `flags` say; the wheel knows
 * nothing of it. `value` 0: the caller writes it.
 */
export function buildEntry(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): Address {
  const fields = fieldsBytes(flags);
  const keyBytes = lengthOf(keyWord);
  let bytes = fields + keyBytes + valueBytes;
  if (bytes > MAX_CHUNK) {
    flags |= CHAINED;
    if (keyBytes > MAX_INLINE_KEY) flags |= LONG_KEY;
    bytes = fields + (flags & LONG_KEY ? 0 : keyBytes) + CHAIN_LINK_BYTES;
  }
  const address = newEntry(partition, bytes, key, keyBytes, valueBytes, flags, expiryMs, thread, nowMs);
  if (address == 0) return 0;
  if (flags & CHAINED) {
    partition.pinnedNew = address;
    const longKeyBytes = flags & LONG_KEY ? keyBytes : 0;
    const built = buildChain(partition, address, key, longKeyBytes, value, valueBytes, thread, nowMs);
    partition.pinnedNew = 0;
    if (!built) {
      giveChunk(partition, address);
      return 0;
    }
    describeChain(address, entryAt(address), hash, valueBytes, nextChain(partition));
  } else if (value) {
    copyBytes(address + fields + keyBytes, value, valueBytes);
  }
  countNew(partition, address, valueBytes);
  return address;
}

/** A chunk of so many bytes with all of an entry but its value or its link; 0: out of memory. */
@inline
export function newEntry(
  partition: Partition,
  bytes: u32,
  key: Address,
  keyBytes: u32,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): Address {
  const address = allocate(partition, classOf(bytes), thread, nowMs);
  if (address) formatEntry(partition, address, key, keyBytes, valueBytes, flags, expiryMs);
  return address;
}

/** Makes an entry of a chunk: all of it but its value or its link. */
@inline
export function formatEntry(
  partition: Partition,
  address: Address,
  key: Address,
  keyBytes: u32,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
): void {
  const entry = entryAt(address);
  entry.valueBytes = flags & CHAINED ? 0 : <u16>valueBytes;
  entry.keyBytes = <u16>keyBytes;
  entry.kind = <u8>(CHUNK_BLOB + (flags >> KIND_SHIFT));
  entry.flags = <u8>flags;
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) renewVersion(partition, address, flags);
  if (!(flags & LONG_KEY)) copyBytes(keyAddress(address, flags), key, keyBytes);
}

/** Counts an entry that was built; `freeEntry` takes it off again. */
@inline
export function countNew(partition: Partition, address: Address, valueBytes: u32): void {
  const entry = entryAt(address);
  partition.payloadBytes += <u64>entry.keyBytes + <u64>valueBytes;
  if (entry.flags & HAS_EXPIRY) wheelOf(partition).entries += 1;
}

@inline
export function nextVersion(partition: Partition): u64 {
  if (isStamped()) return nextStamp(partition);
  partition.version += 1;
  return partition.version;
}

/** The number of a new chain, which the host gets as f64: a stamp is too large for that. */
@inline
export function nextChain(partition: Partition): u64 {
  return isStamped() ? nextOfArena() : nextVersion(partition);
}

/** The next number of the arena's own counter, which is no partition's. */
@inline
export function nextOfArena(): u64 {
  return atomic.add<u64>(offsetof<Header>('lastNumber'), 1) + 1;
}

/**
 * Gives an entry with a version another one. After a clear of its namespace a key is in another partition, whose
 * numbers it may have had: versions of namespaces come from the arena's counter.
 */
@inline
export function renewVersion(partition: Partition, address: Address, flags: u32): void {
  store<u64>(versionAddress(address, flags), flags & NAMESPACED ? nextOfArena() : nextVersion(partition));
}

/**
 * Overwrites a value by one of the same length, where no optional field comes or goes and no expiry comes nearer: what
 * most writes of a warm cache are. False: it is not such a case.
 */
@inline
export function overwrite(
  partition: Partition,
  slot: Slot,
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
): bool {
  const address = entryOf(slot);
  const entry = entryAt(address);
  const flags = <u32>entry.flags;
  if (<u32>entry.valueBytes != valueBytes) return false;
  if ((flags & ~(HAS_VERSION | NAMESPACED)) != <u32>(expiryMs != 0)) return false;
  if (flags & HAS_EXPIRY && expiryMs < expiryOf(address)) return false;
  partition.overwriting = address;
  if (flags & HAS_EXPIRY) moveExpiry(address, expiryMs);
  if (flags & HAS_VERSION) renewVersion(partition, address, flags);
  copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
  partition.overwriting = 0;
  mark(partition, slot);
  return true;
}

/**
 * Stores a value under a key. `slot` is where the key's entry stands now (0: none; it must not be expired). An entry
 * with a version gets a new one. False: out of memory, the old entry stands. `expiryMs` 0: none.
 */
export function put(
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
  let flags: u32 = (expiryMs != 0 ? HAS_EXPIRY : 0) | flagsOfKey(keyWord) | header().stampFlags;
  if (slot) {
    const keyBytes = lengthOf(keyWord);
    const address = entryOf(slot);
    const entry = entryAt(address);
    flags |= entry.flags & HAS_VERSION;
    const bytes = fieldsBytes(flags) + keyBytes + valueBytes;
    if (<u32>entry.flags == flags && bytes <= MAX_CHUNK && classOf(bytes) == classOfChunk(address)) {
      if (flags & HAS_EXPIRY && !changeExpiry(partition, slot, hash, expiryMs, thread, nowMs)) return false;
      partition.overwriting = address;
      partition.payloadBytes += <u64>valueBytes - <u64>entry.valueBytes;
      if (flags & NAMESPACED) resizeInNamespace(partition, address, valueBytes);
      entry.valueBytes = <u16>valueBytes;
      if (flags & HAS_VERSION) renewVersion(partition, address, flags);
      copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
      partition.overwriting = 0;
      mark(partition, slot);
      return true;
    }
    return replace(partition, slot, address, hash, key, keyWord, value, valueBytes, flags, expiryMs, thread, nowMs);
  }
  return add(partition, hash, key, keyWord, value, valueBytes, flags, expiryMs, thread, nowMs);
}

/**
 * A new entry in the slot of an old one. While room is sought, the old one is pinned, so its slot stays where it is.
 */
function replace(
  partition: Partition,
  slot: Slot,
  old: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  partition.pinnedOld = old;
  const address = buildEntry(partition, hash, key, keyWord, value, valueBytes, flags, expiryMs, thread, nowMs);
  return takePlace(partition, slot, hash, old, address, expiryMs, thread, nowMs);
}

/**
 * Lets an entry that was built (0: there was no memory) take the slot of an old one, which is pinned. False: out of
 * memory, the new one is freed.
 */
@inline
export function takePlace(
  partition: Partition,
  slot: Slot,
  hash: u32,
  old: Address,
  address: Address,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  partition.pinnedNew = address;
  const replaced = address != 0 && inherit(partition, slot, hash, old, address, expiryMs, thread, nowMs);
  partition.pinnedOld = 0;
  partition.pinnedNew = 0;
  if (!replaced) {
    if (address) freeEntry(partition, address);
    return false;
  }
  if (entryAt(old).flags & NAMESPACED) resizeInNamespace(partition, old, valueBytesOf(address, entryAt(address)));
  setEntryOf(slot, address);
  mark(partition, slot);
  freeEntry(partition, old);
  return true;
}

export function add(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  // The namespace was cleared since this began: as if it had come before that.
  if (flags & NAMESPACED && isCleared(load<u32>(key))) return true;
  const queue = queueOfNew(partition, hash, thread, nowMs);
  if (!makeRoomForOne(partition, nowMs)) return false;
  const address = buildEntry(partition, hash, key, keyWord, value, valueBytes, flags, expiryMs, thread, nowMs);
  return address != 0 && addBuilt(partition, queue, hash, address, expiryMs, thread, nowMs);
}

/** Puts an entry that was built into the table, and its record into `queue`. False: out of memory, it is freed. */
@inline
export function addBuilt(
  partition: Partition,
  queue: Queue,
  hash: u32,
  address: Address,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const flags = <u32>entryAt(address).flags;
  partition.pinnedNew = address;
  const slot = insertMakingRoom(partition, hash, address, thread, nowMs);
  // Counted at once: whatever is evicted for its records, the partition is not without entries, and keeps its queues.
  if (slot) partition.entries += 1;
  let added = slot != 0 && (!mayEvict() || admit(partition, queue, recordOf(slot, hash), thread, nowMs));
  if (added && flags & HAS_EXPIRY) added = enroll(partition, slot, hash, address, expiryMs, thread, nowMs);
  partition.pinnedNew = 0;
  if (added) {
    if (flags & NAMESPACED) enterNamespace(partition, address);
    if (mayEvict()) settle(partition);
    sample(thread, hash);
    return true;
  }
  if (slot) {
    erase(slot, hash);
    partition.entries -= 1;
  }
  freeEntry(partition, address);
  return false;
}

/** Tells the policy of a new entry. False: there is no memory for its record. */
function admit(partition: Partition, queue: Queue, record: u32, thread: u32, nowMs: i64): bool {
  if (isTailFull(queue)) {
    stockSpares(partition);
    trim(partition);
    // Never a spare block: those are for records that are pushed again.
    const block = allocate(partition, recordClass(), thread, nowMs);
    if (block == 0) return false;
    addBlock(queue, block);
  }
  append(queue, record);
  return true;
}

/**
 * Inserts into the table; the slot, or 0. A crowded segment gets a page to split into, if it can; else something near
 * is evicted.
 */
function insertMakingRoom(
  partition: Partition,
  hash: u32,
  address: Address,
  thread: u32,
  nowMs: i64,
): Slot {
  let slot = insert(partition, hash, address);
  if (slot == 0 && hasCleared(partition)) {
    sweepAll(partition);
    slot = insert(partition, hash, address);
  }
  if (slot || !mayEvict()) return slot;
  if (isSplittable(hash) && reclaimPage(partition, thread, nowMs)) slot = insert(partition, hash, address);
  if (slot) return slot;
  const crowded = crowdedSlot(hash);
  if (crowded == 0) return 0;
  evictEntry(partition, crowded, hashOfEntry(entryOf(crowded)), nowMs);
  return insert(partition, hash, address);
}
