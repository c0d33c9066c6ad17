/*
 * Writing entries: building them, replacing and reshaping them, in room that room.ts finds.
 * Everything here runs under the partition's lock. A function that fails has changed nothing a user could see, apart
 * from entries that it evicted on the way.
 */
import { copyBytes } from './bytes';
import {
  CHAIN_LINK_BYTES,
  CHAINED,
  CHUNK_BLOB,
  CHUNK_PIECE,
  entryAt,
  entryBytes,
  expiryOf,
  fieldsBytes,
  firstPiece,
  HAS_EXPIRY,
  HAS_VERSION,
  hashOfEntry,
  keyAddress,
  LONG_KEY,
  MAX_INLINE_KEY,
  PIECE_FIXED_BYTES,
  pieceAt,
  setExpiry,
  valueAddress,
  versionAddress,
} from './entry';
import { mayEvict } from './eviction/policy';
import { evictEntry, freeChain, freeEntry } from './eviction/removal';
import { Address, MAX_CHUNK } from './layout';
import { Partition } from './partition';
import { allocate, makeRoomForOne, reclaimPage } from './room';
import { chunkBytesOf, classOf, classOfChunk, giveChunk } from './slab';
import { crowdedSlot, entryOf, insert, isSplittable, mark, setEntryOf, Slot } from './table';

/** Makes a chain for `keyBytes` (0: the key is inline) and `valueBytes`; its first piece, or 0 when out of memory. */
function buildChain(
  partition: Partition,
  owner: Address,
  key: Address,
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  thread: u32,
  nowMs: i64,
): Address {
  let first: Address = 0;
  let last: Address = 0;
  let total = keyBytes + valueBytes;
  let done: u32 = 0;
  while (done < total) {
    const bytes = min<u32>(total - done, MAX_CHUNK - PIECE_FIXED_BYTES);
    const piece = allocate(partition, classOf(bytes + PIECE_FIXED_BYTES), thread, nowMs);
    if (piece == 0) {
      freeChain(partition, first);
      return 0;
    }
    const fields = pieceAt(piece);
    fields.next = 0;
    fields.kind = CHUNK_PIECE;
    fields.owner = owner;
    fields.bytes = bytes;
    copyTwo(piece + PIECE_FIXED_BYTES, done, bytes, key, keyBytes, value);
    if (last) pieceAt(last).next = piece;
    else first = piece;
    last = piece;
    done += bytes;
  }
  return first;
}

/** Copies `length` bytes from byte `skip` on of `a` (of `aBytes`) followed by `b`. */
function copyTwo(
  target: Address,
  skip: u32,
  length: u32,
  a: Address,
  aBytes: u32,
  b: Address,
): void {
  if (skip < aBytes) {
    const part = min<u32>(aBytes - skip, length);
    memory.copy(target, a + skip, part);
    target += part;
    length -= part;
    skip = aBytes;
  }
  if (length) memory.copy(target, b + (skip - aBytes), length);
}

/** An entry in no slot yet, or 0 when out of memory. Sets expiry and version fields as `flags` say. */
function buildEntry(
  partition: Partition,
  hash: u32,
  key: Address,
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): Address {
  const fields = fieldsBytes(flags);
  let bytes = fields + keyBytes + valueBytes;
  if (bytes > MAX_CHUNK) {
    flags |= CHAINED;
    if (keyBytes > MAX_INLINE_KEY) flags |= LONG_KEY;
    bytes = fields + (flags & LONG_KEY ? 0 : keyBytes) + CHAIN_LINK_BYTES;
  }
  const address = allocate(partition, classOf(bytes), thread, nowMs);
  if (address == 0) return 0;
  const entry = entryAt(address);
  entry.valueBytes = valueBytes;
  entry.keyBytes = <u16>keyBytes;
  entry.kind = CHUNK_BLOB;
  entry.flags = <u8>flags;
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), nextVersion(partition));
  if (!(flags & LONG_KEY)) copyBytes(address + fields, key, keyBytes);
  if (flags & CHAINED) {
    partition.pinnedNew = address;
    const chain = buildChain(
      partition,
      address,
      key,
      flags & LONG_KEY ? keyBytes : 0,
      value,
      valueBytes,
      thread,
      nowMs,
    );
    partition.pinnedNew = 0;
    if (chain == 0) {
      giveChunk(partition, address);
      return 0;
    }
    const link = valueAddress(address, entry);
    store<u32>(link, chain);
    store<u32>(link, hash, 4);
  } else {
    copyBytes(address + fields + keyBytes, value, valueBytes);
  }
  partition.payloadBytes += <u64>keyBytes + <u64>valueBytes;
  return address;
}

@inline
export function nextVersion(partition: Partition): u64 {
  partition.version += 1;
  return partition.version;
}

/**
 * Overwrites a value by one of the same length, where no optional field comes or goes: what most writes of a warm cache
 * are. False: it is not such a case.
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
  if (entry.valueBytes != valueBytes) return false;
  if ((flags & ~HAS_VERSION) != <u32>(expiryMs != 0)) return false;
  partition.overwriting = address;
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), nextVersion(partition));
  copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
  partition.overwriting = 0;
  mark(slot);
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
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  let flags: u32 = expiryMs != 0 ? HAS_EXPIRY : 0;
  if (slot) {
    const address = entryOf(slot);
    const entry = entryAt(address);
    flags |= entry.flags & HAS_VERSION;
    const bytes = fieldsBytes(flags) + keyBytes + valueBytes;
    if (<u32>entry.flags == flags && bytes <= MAX_CHUNK && classOf(bytes) == classOfChunk(address)) {
      partition.overwriting = address;
      partition.payloadBytes += <u64>valueBytes - <u64>entry.valueBytes;
      entry.valueBytes = valueBytes;
      if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
      if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), nextVersion(partition));
      copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
      partition.overwriting = 0;
      mark(slot);
      return true;
    }
    return replace(partition, slot, address, hash, key, keyBytes, value, valueBytes, flags, expiryMs, thread, nowMs);
  }
  return add(partition, hash, key, keyBytes, value, valueBytes, flags, expiryMs, thread, nowMs);
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
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  partition.pinnedOld = old;
  const address = buildEntry(partition, hash, key, keyBytes, value, valueBytes, flags, expiryMs, thread, nowMs);
  partition.pinnedOld = 0;
  if (address == 0) return false;
  setEntryOf(slot, address);
  mark(slot);
  freeEntry(partition, old);
  return true;
}

function add(
  partition: Partition,
  hash: u32,
  key: Address,
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const bytes = fieldsBytes(flags) + keyBytes + valueBytes;
  if (!makeRoomForOne(partition, classOf(min<u32>(bytes, MAX_CHUNK)), nowMs)) return false;
  const address = buildEntry(partition, hash, key, keyBytes, value, valueBytes, flags, expiryMs, thread, nowMs);
  if (address == 0) return false;
  partition.pinnedNew = address;
  const inserted = insertMakingRoom(partition, hash, address, thread, nowMs);
  partition.pinnedNew = 0;
  if (!inserted) {
    freeEntry(partition, address);
    return false;
  }
  partition.entries += 1;
  return true;
}

/** Inserts into the table. A crowded segment gets a page to split into, if it can; else something near is evicted. */
function insertMakingRoom(
  partition: Partition,
  hash: u32,
  address: Address,
  thread: u32,
  nowMs: i64,
): bool {
  if (insert(partition, hash, address)) return true;
  if (!mayEvict()) return false;
  if (isSplittable(hash) && reclaimPage(partition, thread, nowMs) && insert(partition, hash, address)) return true;
  const crowded = crowdedSlot(hash);
  if (crowded == 0) return false;
  evictEntry(partition, crowded, hashOfEntry(entryOf(crowded)), nowMs);
  return insert(partition, hash, address) != 0;
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
  flags |= oldFlags & (CHAINED | LONG_KEY);
  if (flags == oldFlags) return old;
  const payloadBytes = entryBytes(entry) - fieldsBytes(oldFlags);
  const bytes = fieldsBytes(flags) + payloadBytes;
  const expiryMs = oldFlags & HAS_EXPIRY ? expiryOf(old) : 0;
  const version = oldFlags & HAS_VERSION ? load<u64>(versionAddress(old, oldFlags)) : 0;
  let address = old;
  if (bytes > chunkBytesOf(classOfChunk(old))) {
    if (bytes > MAX_CHUNK) return chainEntry(partition, slot, old, flags, expiryMs, version, thread, nowMs);
    partition.pinnedOld = old;
    address = allocate(partition, classOf(bytes), thread, nowMs);
    partition.pinnedOld = 0;
    if (address == 0) return 0;
    store<u64>(address, load<u64>(old));
  }
  if (address == old) partition.overwriting = old;
  memory.copy(address + fieldsBytes(flags), old + fieldsBytes(oldFlags), payloadBytes);
  const reshaped = entryAt(address);
  reshaped.flags = <u8>flags;
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), version);
  partition.overwriting = 0;
  if (address != old) {
    setEntryOf(slot, address);
    if (flags & CHAINED) {
      for (let piece = firstPiece(address, reshaped); piece; piece = pieceAt(piece).next) {
        pieceAt(piece).owner = address;
      }
    }
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
  expiryMs: i64,
  version: u64,
  thread: u32,
  nowMs: i64,
): Address {
  const entry = entryAt(old);
  const key = keyAddress(old, entry.flags);
  const value = valueAddress(old, entry);
  partition.pinnedOld = old;
  const address = buildEntry(
    partition,
    hashOfEntry(old),
    key,
    entry.keyBytes,
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
  setEntryOf(slot, address);
  freeEntry(partition, old);
  return address;
}
