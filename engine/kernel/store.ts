/*
 * Writing entries: finding room (evicting where the policy allows), building them, replacing and reshaping them.
 * Everything here runs under the partition's lock. A function that fails has changed nothing a user could see, apart
 * from entries that it evicted on the way.
 */
import { copyBytes } from './bytes';
import {
  CHAIN_LINK_BYTES,
  CHAINED,
  CHUNK_BLOB,
  CHUNK_FREE,
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
import { evictEntry, evictOne, freeChain, freeEntry, isPinned, mayEvict } from './eviction/policy';
import { Address, Header, header, MAX_CHUNK, PageNumber } from './layout';
import { pageAddress, pageInfo } from './pages';
import { classInfo, Partition, partitionAt } from './partition';
import { tryLock, unlock } from './lock';
import { chunkBytesOf, classOf, classOfChunk, giveChunk, takeChunk } from './slab';
import { crowdedSlot, entryOf, findEntry, insert, mark, setEntryOf, Slot } from './table';

/** Evictions that one allocation may do before it takes a whole page from another class. */
const MAX_EVICTIONS: u32 = 16;
/**
 * Pages that one allocation may ask for: the pool is everybody's, and other threads may be faster to take one from it.
 */
const MAX_RECLAIMS: u32 = 16;
/** Looks at the other partitions while some are locked: less than a millisecond, and more than a lock is held for. */
const MAX_ROUNDS: u32 = 1000;

/** A chunk of the class, evicting if need be. 0: out of memory. */
function allocate(partition: Partition, sizeClass: u32, thread: u32, nowMs: i64): Address {
  let chunk = takeChunk(partition, sizeClass);
  if (chunk || !mayEvict()) return chunk;
  // Evicting a chained entry frees chunks of other classes too, and may even give a page back to the pool.
  for (let i: u32 = 0; i < MAX_EVICTIONS; i++) {
    if (!evictOne(partition, sizeClass, nowMs)) break;
    chunk = takeChunk(partition, sizeClass);
    if (chunk) return chunk;
  }
  for (let i: u32 = 0; i < MAX_RECLAIMS && chunk == 0; i++) {
    if (!reclaimPage(partition, thread, nowMs)) return 0;
    chunk = takeChunk(partition, sizeClass);
  }
  return chunk;
}

/** Empties one slab page of this partition, or else of another one, so that the pool has a page. */
function reclaimPage(partition: Partition, thread: u32, nowMs: i64): bool {
  if (reclaimPageOf(partition, nowMs)) return true;
  for (let i: u32 = 0; i < MAX_ROUNDS; i++) {
    const found = reclaimPageOfOthers(partition, thread, nowMs);
    if (found != FOUND_LOCKED) return found == FOUND_PAGE;
  }
  return false;
}

const FOUND_NONE: u32 = 0;
const FOUND_PAGE: u32 = 1;
/** None, but some partitions were locked, so that nothing is known of them. */
const FOUND_LOCKED: u32 = 2;

function reclaimPageOfOthers(partition: Partition, thread: u32, nowMs: i64): u32 {
  const count = header().partitionCount;
  const first = nextVictim(count);
  let found = FOUND_NONE;
  for (let i: u32 = 0; i < count; i++) {
    const other = partitionAt((first + i) & (count - 1));
    if (changetype<u32>(other) == changetype<u32>(partition)) continue;
    // Only tried, never waited for: two partitions that want each other's pages cannot deadlock.
    if (!tryLock(other, thread)) {
      found = FOUND_LOCKED;
      continue;
    }
    const reclaimed = reclaimPageOf(other, nowMs);
    unlock(other);
    if (reclaimed) return FOUND_PAGE;
  }
  return found;
}

/** Where the search for a page among other partitions begins: somewhere else each time. */
@inline
function nextVictim(count: u32): u32 {
  return atomic.add<u32>(offsetof<Header>('reclaimFrom'), 1) & (count - 1);
}

/** Empties a page of the class with the most pages; of any other one when all of those are pinned. */
function reclaimPageOf(partition: Partition, nowMs: i64): bool {
  let largest: u32 = 0;
  let most: u32 = 0;
  const classes = header().classCount;
  for (let sizeClass: u32 = 0; sizeClass < classes; sizeClass++) {
    const pages = classInfo(partition, sizeClass).pages;
    if (pages > most) {
      most = pages;
      largest = sizeClass;
    }
  }
  if (reclaimPageOfClass(partition, largest, nowMs)) return true;
  for (let sizeClass: u32 = 0; sizeClass < classes; sizeClass++) {
    if (sizeClass != largest && reclaimPageOfClass(partition, sizeClass, nowMs)) return true;
  }
  return false;
}

/** Empties the page under the hand, or the next one that nothing is pinned in. */
function reclaimPageOfClass(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  const info = classInfo(partition, sizeClass);
  let page: PageNumber = info.handPage;
  for (let left = info.pages; left > 0; left--) {
    const next = pageInfo(page).next;
    if (emptyPage(partition, page, nowMs)) return true;
    page = next;
  }
  return false;
}

/** Evicts everything in a page; true when that gave the page back to the pool. */
function emptyPage(partition: Partition, page: PageNumber, nowMs: i64): bool {
  const info = pageInfo(page);
  const sizeClass = <u32>info.sizeClass;
  const size = chunkBytesOf(sizeClass);
  const start = pageAddress(page);
  const end = start + <u32>info.bump * size;
  for (let chunk = start; chunk < end; chunk += size) {
    const kind = entryAt(chunk).kind;
    if (kind == CHUNK_FREE) continue;
    const address = kind == CHUNK_PIECE ? pieceAt(chunk).owner : chunk;
    if (isPinned(partition, address)) return false;
    const hash = hashOfEntry(address);
    const slot = findEntry(hash, address);
    if (slot == 0) return false;
    const pages = partition.slabPages;
    evictEntry(partition, slot, hash, nowMs);
    // This page or, where a chained entry went, another one: either way the pool has a page now.
    if (partition.slabPages < pages) return true;
  }
  return false;
}

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

/** Makes room for one more entry where `maxEntries` limits them. False: it may not be made. */
function makeRoomForOne(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  while (partition.entries >= partition.maxEntries) {
    if (!mayEvict()) return false;
    if (!evictOne(partition, classToShrink(partition, sizeClass), nowMs) && !evictAny(partition, nowMs)) {
      return false;
    }
  }
  return true;
}

/**
 * The class that gives up an entry when the number of entries is what is short. If it were always the class of the new
 * entry, the classes would keep for ever the shares they had when the cache became full. So each gives in proportion to
 * what it has, in turn: the classes' chunks are numbered through, and a multiplicative sequence picks one.
 */
function classToShrink(partition: Partition, sizeClass: u32): u32 {
  if (classInfo(partition, sizeClass).chunksUsed >= partition.entries) return sizeClass;
  const classes = header().classCount;
  let total: u32 = 0;
  for (let i: u32 = 0; i < classes; i++) total += classInfo(partition, i).chunksUsed;
  if (total == 0) return sizeClass;
  let pick = (<u32>partition.evictions * 0x9e3779b1) % total;
  for (let i: u32 = 0; i < classes; i++) {
    const used = classInfo(partition, i).chunksUsed;
    if (pick < used) return i;
    pick -= used;
  }
  return sizeClass;
}

/** Evicts one entry of whatever class. */
function evictAny(partition: Partition, nowMs: i64): bool {
  for (let i: u32 = 0; i < header().classCount; i++) {
    if (evictOne(partition, i, nowMs)) return true;
  }
  return false;
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
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), nextVersion(partition));
  copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
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
      partition.payloadBytes += <u64>valueBytes - <u64>entry.valueBytes;
      entry.valueBytes = valueBytes;
      if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
      if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), nextVersion(partition));
      copyBytes(keyAddress(address, flags) + keyBytes, value, valueBytes);
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

/** Inserts into the table; where a segment is crowded, gives it a page to split into, or evicts near by. */
function insertMakingRoom(
  partition: Partition,
  hash: u32,
  address: Address,
  thread: u32,
  nowMs: i64,
): bool {
  if (insert(partition, hash, address)) return true;
  if (!mayEvict()) return false;
  if (reclaimPage(partition, thread, nowMs) && insert(partition, hash, address)) return true;
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
  memory.copy(address + fieldsBytes(flags), old + fieldsBytes(oldFlags), payloadBytes);
  const reshaped = entryAt(address);
  reshaped.flags = <u8>flags;
  if (flags & HAS_EXPIRY) setExpiry(address, expiryMs);
  if (flags & HAS_VERSION) store<u64>(versionAddress(address, flags), version);
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
