/*
 * Entries that get or lose optional fields: an expiry, a version. The payload stays as it is.
 * Everything here runs under the partition's lock. A function that fails has changed nothing a user could see, apart
 * from entries that it evicted on the way.
 */
import { changeOwnExpiry } from './collections/lifetime';
import { collectionMoved } from './collections/node';
import { isMarked } from './collections/root';
import {
  CHAINED,
  COLLECTION,
  ENTRY_FIXED_BYTES,
  entryAt,
  entryBytes,
  expiryOf,
  fieldsBytes,
  firstPiece,
  HAS_EXPIRY,
  HAS_VERSION,
  hashOfEntry,
  keyAddress,
  keyWordOf,
  LONG_KEY,
  NAMESPACED,
  PENDING,
  pieceAt,
  ROOTED,
  setExpiry,
  valueAddress,
  versionAddress,
} from './entry';
import { freeEntry } from './eviction/removal';
import { changeExpiry, copyWheelFields } from './enrollment';
import { Address, MAX_CHUNK } from './layout';
import { Partition } from './partition';
import { allocate } from './room';
import { chunkBytesOf, classOf, classOfChunk, giveChunk } from './slab';
import { buildEntry } from './store';
import { entryOf, setEntryOf, Slot } from './table';
import { wheelOf } from './wheel';

/** Gives an entry an expiry, or another one. False: out of memory, nothing changed. */
export function expireAt(
  partition: Partition,
  slot: Slot,
  hash: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const flags = <u32>entryAt(entryOf(slot)).flags;
  if (isMarked(entryOf(slot))) return changeOwnExpiry(partition, slot, expiryMs, thread, nowMs);
  if (!(flags & HAS_EXPIRY)) {
    const address = reshape(partition, slot, (flags & HAS_VERSION) | HAS_EXPIRY, thread, nowMs);
    if (address == 0) return false;
    setExpiry(address, expiryMs);
  }
  if (changeExpiry(partition, slot, hash, expiryMs, thread, nowMs)) return true;
  // Taking the field away again always fits where the entry stands.
  reshape(partition, slot, flags & (HAS_EXPIRY | HAS_VERSION), thread, nowMs);
  return false;
}

/**
 * Gives an entry other optional fields: `flags` is HAS_EXPIRY and HAS_VERSION as they shall be. The payload stays as it
 * is. New fields are not set. The entry's address afterwards, or 0 when out of memory (then nothing changed).
 */
export function reshape(
  partition: Partition,
  slot: Slot,
  flags: u32,
  thread: u32,
  nowMs: i64,
): Address {
  const old = entryOf(slot);
  const entry = entryAt(old);
  const oldFlags = <u32>entry.flags;
  flags |= oldFlags & (CHAINED | LONG_KEY | NAMESPACED | COLLECTION | ROOTED | PENDING);
  if (flags == oldFlags) return old;
  const payloadBytes = entryBytes(entry) - fieldsBytes(oldFlags);
  const bytes = fieldsBytes(flags) + payloadBytes;
  const version = oldFlags & HAS_VERSION ? load<u64>(versionAddress(old, oldFlags)) : 0;
  let address = old;
  if (bytes > chunkBytesOf(classOfChunk(old))) {
    if (bytes > MAX_CHUNK) return chainEntry(partition, slot, old, flags, version, thread, nowMs);
    partition.pinnedOld = old;
    address = allocate(partition, classOf(bytes), thread, nowMs);
    partition.pinnedOld = 0;
    if (address == 0) return 0;
    store<u64>(address, load<u64>(old));
  }
  // Only now: making room may have moved the entry's record.
  const expiry = load<u64>(old, ENTRY_FIXED_BYTES);
  if (address == old) partition.overwriting = old;
  memory.copy(address + fieldsBytes(flags), old + fieldsBytes(oldFlags), payloadBytes);
  const reshaped = entryAt(address);
  reshaped.flags = <u8>flags;
  wheelOf(partition).entries += (flags & HAS_EXPIRY) - (oldFlags & HAS_EXPIRY);
  if (flags & oldFlags & HAS_EXPIRY) store<u64>(address, expiry, ENTRY_FIXED_BYTES);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), version);
  partition.overwriting = 0;
  if (address != old) {
    setEntryOf(slot, address);
    if (flags & CHAINED) pieceAt(firstPiece(address, reshaped)).previous = address;
    if (flags & ROOTED) collectionMoved(partition, address);
    giveChunk(partition, old);
  }
  return address;
}

/** `reshape` of an entry that does not fit a chunk any more with its new fields: its value moves into a chain. */
function chainEntry(
  partition: Partition,
  slot: Slot,
  old: Address,
  flags: u32,
  version: u64,
  thread: u32,
  nowMs: i64,
): Address {
  const entry = entryAt(old);
  const key = keyAddress(old, entry.flags);
  const value = valueAddress(old, entry);
  const expiryMs = entry.flags & HAS_EXPIRY ? expiryOf(old) : 0;
  partition.pinnedOld = old;
  const address = buildEntry(
    partition,
    hashOfEntry(old),
    key,
    keyWordOf(old),
    value,
    entry.valueBytes,
    flags,
    expiryMs,
    thread,
    nowMs,
  );
  partition.pinnedOld = 0;
  if (address == 0) return 0;
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), version);
  if (entry.flags & HAS_EXPIRY) copyWheelFields(address, old);
  setEntryOf(slot, address);
  freeEntry(partition, old);
  return address;
}
