/*
 * Reading without the lock (lock.ts tells why that is sound). A read is tried a few times; if writers keep coming it
 * takes the lock like everybody else, so it always ends.
 */
import { copyBytes, equalBytes } from './bytes';
import { LOG_EXPIRED } from './changelog';
import {
  CHAINED,
  chainedValueBytes,
  chainSkip,
  COLLECTION,
  copyFromChain,
  Entry,
  entryAt,
  expiryOf,
  firstPiece,
  HAS_EXPIRY,
  isExpired,
  isNamespaced,
  keyAddress,
  KeyWord,
  LONG_KEY,
  NAMESPACED,
  PENDING,
  valueAddress,
  valueBytesOf,
} from './entry';
import { keyExpiryOf } from './collections/root';
import { sample } from './eviction/adaptive';
import { removeEntry } from './eviction/removal';
import { Address, header, MAX_CHUNK } from './layout';
import { isLocked, lock, lockToRead, readIsValid, readWord, unlock } from './lock';
import { countHit, countMiss } from './rows';
import { pageAddress } from './pages';
import { Partition, partitionOfHash } from './partition';
import { partitionOf, Staged } from './staging';
import { mark } from './marks';
import { entryOf, find, homeBucket, homeBucketIn, keyIs, Slot } from './table';
import { blockOf } from './threads';

/** The host's clock: `Date.now()` of the thread. */
@external('env', 'now')
declare function hostNow(): f64;

/**
 * For `nowMs`: the clock is read only when an entry with an expiry is met. Reading it costs as much as finding a hot
 * key.
 */
export const WHEN_NEEDED: i64 = -1;

/** Tries without the lock: beside a writer at full speed, one in three succeeds. */
export const ATTEMPTS: u32 = 8;

/* What a read found, where addresses are above all of these. */
export const ABSENT: u32 = 0;
export const EXPIRED: u32 = 1;
/** The value does not fit between `out` and `limit`. */
export const NO_ROOM: u32 = 2;
/** What lay there made no sense: somebody was writing. */
export const TORN: u32 = 3;
/** The key is there (reads that copy nothing). */
export const PRESENT: u32 = 4;
/** The value is a collection, and is not read as one value. */
export const WRONG_TYPE: u32 = 5;

/** Where the last read found its entry; read right after it by the same thread. Not state. */
let foundSlot: Slot = 0;
/** Likewise: the entry's expiry in ms, 0 without one. */
let foundExpiry: i64 = 0;

@inline
export function lastExpiry(): i64 {
  return foundExpiry;
}

/** Likewise, only of `look`: the entry's kind. */
let foundKind: u32 = 0;

@inline
export function lastKind(): u32 {
  return foundKind;
}

@inline
export function lastSlot(): Slot {
  return foundSlot;
}

/** `copyOnce` for keys that are looked at side by side, after which nobody has written since the first (several.ts). */
export function copyUnchecked(
  out: Address,
  limit: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u32 {
  return copyOnce(out, limit, hash, key, keyWord, nowMs);
}

/** One look at the key: copies its value to `out`; the address behind it, or one of the constants above. */
@inline
function copyOnce(
  out: Address,
  limit: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u32 {
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot == 0) return ABSENT;
  const address = entryOf(slot);
  const entry = entryAt(address);
  foundSlot = slot;
  if (entry.flags & (HAS_EXPIRY | CHAINED | COLLECTION)) return copySlowly(out, limit, address, entry, nowMs);
  const bytes = <u32>entry.valueBytes;
  if (bytes > MAX_CHUNK) return TORN;
  if (out + bytes > limit) return NO_ROOM;
  copyBytes(out, valueAddress(address, entry), bytes);
  return out + bytes;
}

function copySlowly(
  out: Address,
  limit: Address,
  address: Address,
  entry: Entry,
  nowMs: i64,
): u32 {
  if (entry.flags & HAS_EXPIRY && isExpired(address, entry, timeOf(nowMs))) return EXPIRED;
  if (entry.flags & COLLECTION) return WRONG_TYPE;
  // Read once: a writer may make the entry another one between the check of the length and the copy that it is for.
  const isChained = (entry.flags & CHAINED) != 0;
  const bytes = isChained ? chainedValueBytes(address, entry) : <u32>entry.valueBytes;
  if (bytes > (isChained ? header().maxValueBytes : MAX_CHUNK)) return TORN;
  if (out + bytes > limit) return NO_ROOM;
  if (isChained) {
    const low = pageAddress(header().firstPage);
    const first = firstPiece(address, entry);
    if (!copyFromChain(first, chainSkip(entry), bytes, out, low, header().endAddress)) return TORN;
  } else {
    copyBytes(out, valueAddress(address, entry), bytes);
  }
  return out + bytes;
}

/** One look at the key's state: ABSENT, EXPIRED or PRESENT, with `lastExpiry()`. */
@inline
function lookOnce(hash: u32, key: Address, keyWord: KeyWord, nowMs: i64): u32 {
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot == 0) return ABSENT;
  const address = entryOf(slot);
  const entry = entryAt(address);
  foundSlot = slot;
  foundKind = entry.kind;
  foundExpiry = keyExpiryOf(address);
  return isExpired(address, entry, nowMs) ? EXPIRED : PRESENT;
}

/**
 * Copies the value of a staged key to `out` and marks it as used. The address behind the copy, or ABSENT, or NO_ROOM
 * when it would pass `limit`.
 */
@inline
export function readValue(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): u32 {
  // The entry that pass three found stands there as long as the partition's word is the staged one. Until that is
  // known, at the end, all of this may be garbage: it is bounded by MAX_CHUNK and the key's length. The word of a
  // namespace's key is no length that an entry has, so such keys are not looked at here. A tombstone has the key, too.
  if (staged.slot) {
    const address = staged.entry;
    const head = load<u64>(address);
    const flags = <u32>(head >> 40) & 0xff;
    const bytes = <u32>head & 0xffff;
    const key = keyAddress(address, flags);
    const value = key + staged.keyWord;
    if (
      (<u32>head >> 16) == staged.keyWord &&
      (flags & (CHAINED | LONG_KEY | NAMESPACED | COLLECTION | PENDING)) == 0 &&
      bytes <= MAX_CHUNK &&
      out + bytes <= limit &&
      ((flags & HAS_EXPIRY) == 0 || expiryOf(address) > nowMs) &&
      equalBytes(key, staged.key, staged.keyWord)
    ) {
      copyBytes(out, value, bytes);
      if (!isLocked(staged.word) && readIsValid(partitionOf(staged), staged.word)) {
        mark(partitionOf(staged), staged.slot);
        sample(thread, staged.hash);
        blockOf(thread).hits += 1;
        return out + bytes;
      }
    }
  }
  return readValueAgain(thread, out, limit, staged.hash, staged.key, staged.keyWord, nowMs);
}

/** What is there, as `copyOnce` tells it, in the end under the lock. */
@inline
function copyValue(
  thread: u32,
  out: Address,
  limit: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u32 {
  const partition = partitionOfHash(hash);
  let found: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && found == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    found = copyOnce(out, limit, hash, key, keyWord, nowMs);
    if (!readIsValid(partition, word)) found = TORN;
  }
  if (found == TORN) {
    lockToRead(partition, thread);
    found = copyOnce(out, limit, hash, key, keyWord, nowMs);
    unlock(partition);
  }
  return found;
}

/**
 * Copies a value as `readValueAgain` does, but leaves no trace: the entry is not marked as used, neither hit nor miss
 * is counted, and an expired entry stays where it is. ABSENT, NO_ROOM, or the address behind the copy.
 */
export function peekValue(
  thread: u32,
  out: Address,
  limit: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u32 {
  const found = copyValue(thread, out, limit, hash, key, keyWord, nowMs);
  return found == EXPIRED ? ABSENT : found;
}

/**
 * What `readValue` does with anything but a hit at first sight, and reads of keys that were not staged. `nowMs` may be
 * WHEN_NEEDED.
 */
export function readValueAgain(
  thread: u32,
  out: Address,
  limit: Address,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u32 {
  const found = copyValue(thread, out, limit, hash, key, keyWord, nowMs);
  if (found == NO_ROOM || found == WRONG_TYPE) return found;
  if (found > PRESENT) {
    mark(partitionOfHash(hash), foundSlot);
    sample(thread, hash);
    blockOf(thread).hits += 1;
    if (isNamespaced(keyWord)) countHit(thread, key);
    return found;
  }
  blockOf(thread).misses += 1;
  if (isNamespaced(keyWord)) countMiss(thread, key);
  if (found == EXPIRED) dropExpired(thread, hash, key, keyWord, timeOf(nowMs));
  return ABSENT;
}

@inline
function timeOf(nowMs: i64): i64 {
  return nowMs == WHEN_NEEDED ? <i64>hostNow() : nowMs;
}

/**
 * Whether the key is there, ABSENT or PRESENT, with `lastExpiry()` and `lastKind()`. Marks it as used where `touch` is
 * set.
 */
export function look(
  thread: u32,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  touch: bool,
  nowMs: i64,
): u32 {
  const partition = partitionOfHash(hash);
  let found: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && found == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    found = lookOnce(hash, key, keyWord, nowMs);
    if (!readIsValid(partition, word)) found = TORN;
  }
  if (found == TORN) {
    lockToRead(partition, thread);
    found = lookOnce(hash, key, keyWord, nowMs);
    unlock(partition);
  }
  if (found == PRESENT && touch) mark(partition, foundSlot);
  if (found != EXPIRED) return found;
  dropExpired(thread, hash, key, keyWord, nowMs);
  return ABSENT;
}

/** Removes the entry of a key that a reader saw expired, if it still is. */
export function dropExpired(thread: u32, hash: u32, key: Address, keyWord: KeyWord, nowMs: i64): void {
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  findLive(partition, hash, key, keyWord, nowMs);
  unlock(partition);
}

/** Under the lock: the slot of a key that has not expired, or 0. One that has expired is removed. */
export function findLive(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): Slot {
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot == 0) return 0;
  const address = entryOf(slot);
  if (!isExpired(address, entryAt(address), nowMs)) return slot;
  removeEntry(partition, slot, hash, LOG_EXPIRED);
  return 0;
}

/**
 * `findLive` for a staged key, beginning with the slot that pass three found. Whatever was written since: while the
 * directory leads to the slot's bucket (it does not when the partition was emptied, recovery.ts), an entry with this
 * key in that slot is the key's, because the table has a key once. A word that is still the staged one would tell as
 * well, but every SET of the same group changes it.
 */
@inline
export function findStaged(partition: Partition, staged: Staged, nowMs: i64): Slot {
  const slot = staged.slot;
  if (slot != 0 && homeBucketIn(partition, staged.hash) == staged.bucket) {
    const address = entryOf(slot);
    const isLive = !isExpired(address, entryAt(address), nowMs);
    if (address != 0 && isLive && keyIs(address, staged.key, staged.keyWord)) return slot;
  }
  return findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
}

/** Under the lock: whether what is in a slot is a collection. */
@inline
export function isCollection(slot: Slot): bool {
  return (entryAt(entryOf(slot)).flags & COLLECTION) != 0;
}

/** Under the lock: copies the value in a slot, which is no collection, to `out`. The address behind it, or NO_ROOM. */
export function copyHeld(slot: Slot, out: Address, limit: Address): u32 {
  const address = entryOf(slot);
  const entry = entryAt(address);
  const bytes = valueBytesOf(address, entry);
  if (out + bytes > limit) return NO_ROOM;
  if (entry.flags & CHAINED) {
    const low = pageAddress(header().firstPage);
    copyFromChain(firstPiece(address, entry), chainSkip(entry), bytes, out, low, header().endAddress);
  } else {
    copyBytes(out, valueAddress(address, entry), bytes);
  }
  return out + bytes;
}

/** The slot of a staged key that has not expired, or 0. Changes nothing, for whoever holds the lock to read only. */
export function findStill(staged: Staged, nowMs: i64): Slot {
  const slot = find(homeBucketIn(partitionOf(staged), staged.hash), staged.hash, staged.key, staged.keyWord);
  if (slot == 0) return 0;
  const address = entryOf(slot);
  return isExpired(address, entryAt(address), nowMs) ? 0 : slot;
}
