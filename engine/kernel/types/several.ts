/* MGET, MSET, MSETNX: values of several keys, in one step. */
import { LOG_EVICTED, noteSet } from '../changelog';
import { isNamespaced, KeyWord, lengthOf } from '../entry';
import { sample } from '../eviction/adaptive';
import { mayEvict } from '../eviction/policy';
import { removeEntry } from '../eviction/removal';
import { hashKey } from '../hash';
import { Address, header } from '../layout';
import {
  addToSet,
  beginSet,
  lockSet,
  lockSetToRead,
  SET_LOCKED,
  sumOfVersions,
  unlockSet,
} from '../locks';
import { mark } from '../marks';
import { skipValue, writeArrayHead, writeBoolean, writeNil } from '../msgpack';
import { isCleared } from '../namespaces';
import { Partition, partitionOfHash } from '../partition';
import { addPending, cancelPending, isPending, settlePending } from '../pending';
import {
  ABSENT,
  ATTEMPTS,
  copyUnchecked,
  dropExpired,
  EXPIRED,
  findLive,
  lastSlot,
  NO_ROOM,
  PRESENT,
  TORN,
  WRONG_TYPE,
} from '../read';
import { whyNoRoom } from '../renewal';
import { makeRoomForOne } from '../room';
import { countHit, countMiss } from '../rows';
import { keyOf, lastKeyWord, Staged } from '../staging';
import { ERROR_ENTRIES_FULL, ERROR_KEY, ERROR_TTL, ERROR_VALUE_TOO_LARGE, writeError } from '../status';
import { stampKey } from '../stamps';
import { put } from '../store';
import { Slot } from '../table';
import { blockOf } from '../threads';
import { ttlAt } from './counter';

/*
 * The key at hand and what follows from it, of the commands below. Not state.
 */
let key: Address = 0;
let keyWord: KeyWord = 0;
let hash: u32 = 0;

/** Reads the key at an argument; false: it is none. */
function readKey(at: Address): bool {
  key = keyOf(at);
  if (key == 0) return false;
  keyWord = lastKeyWord();
  hash = hashKey(key, lengthOf(keyWord));
  return true;
}

@inline
function behindKey(): Address {
  return key + lengthOf(keyWord);
}

/** What is written of each key at the end of the reply area: its slot, or ABSENT or EXPIRED. */
const FOUND_BYTES: u32 = 4;

/**
 * MGET. The values are copied without a lock, and count when nobody has written in any of the keys' partitions
 * meanwhile; in the end under the locks.
 */
export function getAll(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  beginSet(thread);
  let at = staged.args;
  for (let i: u32 = 0; i < staged.argCount; i++) {
    if (!readKey(at)) return writeError(out, ERROR_KEY);
    addToSet(thread, partitionOfHash(hash));
    at = behindKey();
  }
  if (staged.argCount > (limit - out) / (2 * FOUND_BYTES)) return 0;
  const founds = limit - staged.argCount * FOUND_BYTES;
  let end = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && end == TORN; i++) {
    const sum = sumOfVersions(thread);
    if (sum == SET_LOCKED) continue;
    end = copyAll(staged, out, founds, nowMs);
    if (sumOfVersions(thread) != sum) end = TORN;
  }
  if (end == TORN) {
    lockSetToRead(thread);
    end = copyAll(staged, out, founds, nowMs);
    unlockSet(thread);
  }
  if (end == NO_ROOM) return 0;
  countAll(thread, staged, founds, nowMs);
  return end;
}

/** One try: the address behind the reply, NO_ROOM, or TORN. */
function copyAll(staged: Staged, out: Address, founds: Address, nowMs: i64): u32 {
  const limit = founds;
  out = writeArrayHead(out, staged.argCount);
  let at = staged.args;
  for (let i: u32 = 0; i < staged.argCount; i++) {
    readKey(at);
    at = behindKey();
    const end = copyUnchecked(out, limit, hash, key, keyWord, nowMs);
    if (end == TORN) return TORN;
    if (end == NO_ROOM || out == limit) return NO_ROOM;
    store<u32>(founds + i * FOUND_BYTES, end > PRESENT ? lastSlot() : end);
    // As in Redis, a collection is no value, but present.
    out = end > WRONG_TYPE ? end : writeNil(out);
  }
  return out;
}

/** Counts the reads, and does what a read does beside copying. */
function countAll(thread: u32, staged: Staged, founds: Address, nowMs: i64): void {
  let at = staged.args;
  for (let i: u32 = 0; i < staged.argCount; i++) {
    readKey(at);
    at = behindKey();
    const found = load<u32>(founds + i * FOUND_BYTES);
    if (found > PRESENT) {
      mark(partitionOfHash(hash), found);
      sample(thread, hash);
      blockOf(thread).hits += 1;
      if (isNamespaced(keyWord)) countHit(thread, key);
      continue;
    }
    blockOf(thread).misses += 1;
    if (isNamespaced(keyWord)) countMiss(thread, key);
    if (found == EXPIRED) dropExpired(thread, hash, key, keyWord, nowMs);
  }
}

/** MSET. */
export function setAll(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return setSeveral(thread, staged, false, out, nowMs);
}

/** MSETNX. */
export function setAllIfAbsent(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return setSeveral(thread, staged, true, out, nowMs);
}

/** The expiry of all values of the command at hand. Not state. */
let expiryMs: i64 = 0;

function setSeveral(thread: u32, staged: Staged, ifAbsent: bool, out: Address, nowMs: i64): Address {
  beginSet(thread);
  const wrong = readPairs(thread, staged, nowMs);
  if (wrong) return writeError(out, wrong);
  lockSet(thread);
  const isMet = !ifAbsent || !isAnyPresent(staged, nowMs);
  let status: u32 = 0;
  if (isMet) status = mayEvict() ? storeEach(thread, staged, nowMs) : storeAllOrNone(thread, staged, nowMs);
  unlockSet(thread);
  return status ? writeError(out, status) : writeBoolean(out, isMet);
}

/** Reads the whole command: what is wrong with it, or 0. One argument more than pairs are is a time to live. */
function readPairs(thread: u32, staged: Staged, nowMs: i64): u32 {
  const maxBytes = header().maxValueBytes;
  let at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    if (!readKey(at)) return ERROR_KEY;
    addToSet(thread, partitionOfHash(hash));
    const value = behindKey();
    at = skipValue(value, staged.end);
    if (at - value > maxBytes) return ERROR_VALUE_TOO_LARGE;
  }
  expiryMs = 0;
  if (staged.argCount & 1) {
    const ttlMs = ttlAt(at);
    if (ttlMs < 0) return ERROR_TTL;
    if (ttlMs > 0) expiryMs = nowMs + ttlMs;
  }
  return 0;
}

function isAnyPresent(staged: Staged, nowMs: i64): bool {
  let at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    readKey(at);
    if (findLive(partitionOfHash(hash), hash, key, keyWord, nowMs)) return true;
    at = skipValue(behindKey(), staged.end);
  }
  return false;
}

/**
 * One after the other. Where there is no memory for one, though others were evicted for it, those stored before are
 * evicted, too: so a key has its old value or none, and no key the new one.
 */
function storeEach(thread: u32, staged: Staged, nowMs: i64): u32 {
  let at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    readKey(at);
    const value = behindKey();
    at = skipValue(value, staged.end);
    const partition = partitionOfHash(hash);
    const slot = findLive(partition, hash, key, keyWord, nowMs);
    if (slot) {
      stampKey(hash);
      sample(thread, hash);
    }
    if (!put(partition, slot, hash, key, keyWord, value, at - value, expiryMs, thread, nowMs)) {
      const status = whyNoRoom(partition, slot);
      evictBefore(staged, i, nowMs);
      return status;
    }
    noteSet(partition, key, keyWord, value, at - value, expiryMs);
  }
  return 0;
}

/** Evicts the keys of the pairs before the one whose value is argument `end`. */
function evictBefore(staged: Staged, end: u32, nowMs: i64): void {
  let at = staged.args;
  for (let i: u32 = 1; i < end; i += 2) {
    readKey(at);
    const partition = partitionOfHash(hash);
    const slot = findLive(partition, hash, key, keyWord, nowMs);
    if (slot) removeEntry(partition, slot, hash, LOG_EVICTED);
    at = skipValue(behindKey(), staged.end);
  }
}

/** Where nothing may be evicted: pending.ts tells how. */
function storeAllOrNone(thread: u32, staged: Staged, nowMs: i64): u32 {
  // New keys first: of the others there are two entries meanwhile, which would count against `maxEntries`.
  let status = prepare(thread, staged, true, nowMs);
  if (status == 0) status = prepare(thread, staged, false, nowMs);
  let at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    readKey(at);
    const partition = partitionOfHash(hash);
    if (status) cancelPending(partition, hash, key, keyWord);
    else settlePending(partition, hash, key, keyWord);
    at = skipValue(behindKey(), staged.end);
  }
  at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    readKey(at);
    partitionOfHash(hash).pending = 0;
    at = skipValue(behindKey(), staged.end);
  }
  return status;
}

/** Adds pending entries for the keys that are new, or for the others. A status, or 0. */
function prepare(thread: u32, staged: Staged, areNew: bool, nowMs: i64): u32 {
  let at = staged.args;
  for (let i: u32 = 1; i < staged.argCount; i += 2) {
    readKey(at);
    const value = behindKey();
    at = skipValue(value, staged.end);
    const partition = partitionOfHash(hash);
    const slot: Slot = findLive(partition, hash, key, keyWord, nowMs);
    if ((slot == 0) != areNew) continue;
    // As of any write (store.ts, `add`).
    if (isNamespaced(keyWord) && isCleared(load<u32>(key))) continue;
    const isSecond = isPending(hash, key, keyWord);
    if (slot == 0 && !isSecond && !makeRoomForOne(partition, nowMs)) return ERROR_ENTRIES_FULL;
    if (!addPending(partition, slot, hash, key, keyWord, value, at - value, expiryMs, thread, nowMs)) {
      return whyNoRoom(partition, slot);
    }
  }
  return 0;
}
