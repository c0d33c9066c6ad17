/* Commands on keys of any type: DEL, EXISTS, TOUCH, EXPIRE, TTL, PERSIST, GETDEL, GETEX. */
import { noteExpiry } from '../changelog';
import { changeOwnExpiry } from '../collections/lifetime';
import { isMarked, keyExpiryOf } from '../collections/root';
import { entryAt, HAS_VERSION, isNamespaced, KeyWord, lengthOf } from '../entry';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { lock, unlock } from '../lock';
import {
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { expireAt, reshape } from '../reshape';
import { countHit, countMiss } from '../rows';
import { Partition, partitionOfHash } from '../partition';
import { ABSENT, copyHeld, findLive, isCollection, lastExpiry, look, NO_ROOM, WRONG_TYPE } from '../read';
import { keyOf, lastKeyWord, Staged } from '../staging';
import { ERROR_KEY, ERROR_OUT_OF_MEMORY, ERROR_TTL, ERROR_WRONG_TYPE, writeError } from '../status';
import { stampKey } from '../stamps';
import { mark } from '../marks';
import { entryOf, Slot } from '../table';
import { blockOf } from '../threads';
import { deleteEntry } from '../tombstones';
import { MAX_TTL_MS } from './blob';
import { ttlAt } from './counter';

/** Removes one key; whether it was there. */
export function removeKey(thread: u32, hash: u32, key: Address, keyWord: KeyWord, nowMs: i64): bool {
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, nowMs);
  if (slot) {
    deleteEntry(partition, slot, hash, key, keyWord, nowMs);
    partition.deletes += 1;
  }
  unlock(partition);
  return slot != 0;
}

/**
 * Copies one key's value to `out` and removes the key, counted as a read and a delete: the address behind the copy,
 * ABSENT, or NO_ROOM or WRONG_TYPE, and then it stays and nothing is counted.
 */
export function takeKey(
  thread: u32,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  out: Address,
  limit: Address,
  nowMs: i64,
): u32 {
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, nowMs);
  let end: u32 = ABSENT;
  if (slot) {
    end = isCollection(slot) ? WRONG_TYPE : copyHeld(slot, out, limit);
    if (end > WRONG_TYPE) {
      deleteEntry(partition, slot, hash, key, keyWord, nowMs);
      partition.deletes += 1;
    }
  }
  unlock(partition);
  const block = blockOf(thread);
  if (end == ABSENT) block.misses += 1;
  else if (end > WRONG_TYPE) block.hits += 1;
  if (isNamespaced(keyWord)) {
    if (end == ABSENT) countMiss(thread, key);
    else if (end > WRONG_TYPE) countHit(thread, key);
  }
  return end;
}

/** GETDEL. */
export function take(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const end = takeKey(thread, staged.hash, staged.key, staged.keyWord, out, limit, nowMs);
  return replyTo(end, out);
}

/** The reply of a command that has copied a value to `out`, or what it is instead. */
function replyTo(end: u32, out: Address): Address {
  if (end > WRONG_TYPE) return end;
  if (end == ABSENT) return writeNil(out);
  return end == NO_ROOM ? 0 : writeError(out, ERROR_WRONG_TYPE);
}

/** GETEX: without a time to live, or with nil for one, the expiry stays; 0 takes it away. */
export function getAndExpire(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = staged.key + lengthOf(staged.keyWord);
  let ttlMs: i64 = KEEP_EXPIRY;
  if (staged.argCount > 1 && !isNil(at)) {
    ttlMs = ttlAt(at);
    if (ttlMs < 0) return writeError(out, ERROR_TTL);
  }
  const end = expireKey(thread, staged.hash, staged.key, staged.keyWord, ttlMs, out, limit, nowMs);
  return end == EXPIRE_FAILED ? writeError(out, ERROR_OUT_OF_MEMORY) : replyTo(end, out);
}

/** For a time to live: the expiry stays what it is. */
const KEEP_EXPIRY: i64 = -1;

/** `expireKey`: there is no memory for the expiry, and nothing was done. */
export const EXPIRE_FAILED: u32 = 3;

/**
 * Copies one key's value to `out` and gives the key another expiry (0: none; KEEP_EXPIRY), counted as a read: the
 * address behind the copy, ABSENT, NO_ROOM, WRONG_TYPE or EXPIRE_FAILED, and then nothing is done or counted, but for
 * a miss.
 */
export function expireKey(
  thread: u32,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  ttlMs: i64,
  out: Address,
  limit: Address,
  nowMs: i64,
): u32 {
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, nowMs);
  let end: u32 = ABSENT;
  if (slot) {
    end = isCollection(slot) ? WRONG_TYPE : copyHeld(slot, out, limit);
    if (end > WRONG_TYPE && !changeHeld(partition, slot, thread, hash, key, keyWord, ttlMs, nowMs)) end = EXPIRE_FAILED;
  }
  unlock(partition);
  if (end != ABSENT && end <= WRONG_TYPE) return end;
  if (end == ABSENT) blockOf(thread).misses += 1;
  else blockOf(thread).hits += 1;
  if (isNamespaced(keyWord)) {
    if (end == ABSENT) countMiss(thread, key);
    else countHit(thread, key);
  }
  return end;
}

/** Under the lock: gives the key in the slot another expiry, as EXPIRE does, and marks it as used. False: no memory. */
export function changeHeld(
  partition: Partition,
  slot: Slot,
  thread: u32,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  ttlMs: i64,
  nowMs: i64,
): bool {
  const had = keyExpiryOf(entryOf(slot)) != 0;
  if (ttlMs > 0 || (ttlMs == 0 && had)) {
    stampKey(hash);
    const expiryMs = ttlMs > 0 ? nowMs + ttlMs : 0;
    const done = ttlMs > 0
      ? expireAt(partition, slot, hash, expiryMs, thread, nowMs)
      : dropExpiry(partition, slot, thread, nowMs);
    if (!done) return false;
    noteExpiry(partition, entryOf(slot), key, keyWord, expiryMs);
  }
  mark(partition, slot);
  return true;
}

const DELETE: u32 = 0;
const EXISTS: u32 = 1;
const TOUCH: u32 = 2;

export function remove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return forEachKey(DELETE, thread, staged, out, nowMs);
}

export function exists(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return forEachKey(EXISTS, thread, staged, out, nowMs);
}

export function touch(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return forEachKey(TOUCH, thread, staged, out, nowMs);
}

/** Counts the keys for which the action found something. A wrong key anywhere: nothing is done at all. */
function forEachKey(action: u32, thread: u32, staged: Staged, out: Address, nowMs: i64): Address {
  const rest = staged.key + lengthOf(staged.keyWord);
  let at = rest;
  for (let i: u32 = 1; i < staged.argCount; i++) {
    const key = keyOf(at);
    if (key == 0) return writeError(out, ERROR_KEY);
    at = key + lengthOf(lastKeyWord());
  }
  let count = applyToKey(action, thread, staged.hash, staged.key, staged.keyWord, nowMs);
  at = rest;
  for (let i: u32 = 1; i < staged.argCount; i++) {
    const key = keyOf(at);
    const keyWord = lastKeyWord();
    const keyBytes = lengthOf(keyWord);
    count += applyToKey(action, thread, hashKey(key, keyBytes), key, keyWord, nowMs);
    at = key + keyBytes;
  }
  return writeInteger(out, count);
}

function applyToKey(
  action: u32,
  thread: u32,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): i64 {
  if (action == DELETE) return removeKey(thread, hash, key, keyWord, nowMs) ? 1 : 0;
  return look(thread, hash, key, keyWord, action == TOUCH, nowMs) == ABSENT ? 0 : 1;
}

/** EXPIRE: a TTL of 0 or nil takes the expiry away. */
export function expire(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = staged.key + lengthOf(staged.keyWord);
  let ttlMs: i64 = 0;
  if (!isNil(at)) {
    if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_TTL);
    ttlMs = lastInteger();
    if (ttlMs < 0 || ttlMs > MAX_TTL_MS) return writeError(out, ERROR_TTL);
  }
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  let done = false;
  if (slot) {
    stampKey(staged.hash);
    if (ttlMs > 0) done = expireAt(partition, slot, staged.hash, nowMs + ttlMs, thread, nowMs);
    else done = dropExpiry(partition, slot, thread, nowMs);
    if (done) {
      noteExpiry(partition, entryOf(slot), staged.key, staged.keyWord, ttlMs > 0 ? nowMs + ttlMs : 0);
      mark(partition, slot);
    }
  }
  unlock(partition);
  if (slot == 0) return writeBoolean(out, false);
  return done ? writeBoolean(out, true) : writeError(out, ERROR_OUT_OF_MEMORY);
}

/** Takes an entry's expiry away. True: shrinking always fits where the entry stands. */
export function dropExpiry(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  if (isMarked(entryOf(slot))) return changeOwnExpiry(partition, slot, 0, thread, nowMs);
  return reshape(partition, slot, <u32>entryAt(entryOf(slot)).flags & HAS_VERSION, thread, nowMs) != 0;
}

export function timeToLive(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (look(thread, staged.hash, staged.key, staged.keyWord, false, nowMs) == ABSENT) {
    return writeInteger(out, -2);
  }
  const expiryMs = lastExpiry();
  return writeInteger(out, expiryMs == 0 ? -1 : expiryMs - nowMs);
}

export function persist(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const slot: Slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  let had = false;
  if (slot) {
    stampKey(staged.hash);
    had = keyExpiryOf(entryOf(slot)) != 0;
    if (had) {
      dropExpiry(partition, slot, thread, nowMs);
      noteExpiry(partition, entryOf(slot), staged.key, staged.keyWord, 0);
    }
    mark(partition, slot);
  }
  unlock(partition);
  return writeBoolean(out, had);
}
