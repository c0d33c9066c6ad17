/* Fields of hashes that expire: HEXPIRE, HPERSIST, HTTL, HSETEX, HGETEX, HGETDEL. */
import { expiryOfItem } from '../collections/body';
import { expireField, findLiveMember, persistField, removeField } from '../collections/expiring';
import { readMember } from '../collections/member';
import { findMember } from '../collections/table';
import { CHUNK_HASH, isNamespaced } from '../entry';
import { Address, header } from '../layout';
import {
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  skipValue,
  writeArrayHead,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { Partition } from '../partition';
import { countHit, countMiss } from '../rows';
import { partitionOf, Staged } from '../staging';
import {
  ERROR_EXPIRE_CONDITION,
  ERROR_FIELD_TTL,
  ERROR_HSETEX_FLAGS,
  ERROR_MEMBER,
  ERROR_OUT_OF_MEMORY,
  ERROR_PAIRS,
  ERROR_TTL,
  ERROR_VALUE_TOO_LARGE,
  writeError,
} from '../status';
import { entryOf, Slot } from '../table';
import { blockOf } from '../threads';
import { MAX_TTL_MS } from './blob';
import { close, closeRead, lastFailure, open, openToRead } from './collection';
import { ttlAt } from './counter';
import { copyField, FIELD_NO_MEMORY, putField, valueBytesOfField } from './hash';
import { areMembers, behindKey } from './set';

/* What is replied for each field. */
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const NOT_MET: i64 = 0;
const DONE: i64 = 1;
const REMOVED: i64 = 2;
/** Not replied. */
const NO_MEMORY: i64 = -3;

/* Conditions of HEXPIRE. */
const IF_NONE: u32 = 1;
const IF_ANY: u32 = 2;
const IF_LATER: u32 = 4;
const IF_EARLIER: u32 = 8;
const ALL_CONDITIONS: i64 = 15;

/** Heads of arrays, and what else a reply has besides a byte or nine for each field. */
const HEAD_BYTES: u32 = 8;
const INTEGER_BYTES: u32 = 9;

/** An array that says for each field that it is not there; or why there is no hash. */
function writeAbsent(out: Address, count: u32): Address {
  if (lastFailure()) return writeError(out, lastFailure());
  let end = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count; i++) end = writeInteger(end, NO_FIELD);
  return end;
}

/** HEXPIRE: for each field -2 it is not there, 0 the condition is not met, 1 done, 2 removed by a TTL of 0. */
export function hashExpire(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  let at = behindKey(staged);
  if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_FIELD_TTL);
  const ttlMs = lastInteger();
  if (ttlMs < 0 || ttlMs > MAX_TTL_MS) return writeError(out, ERROR_FIELD_TTL);
  at = skipValue(at, staged.end);
  let condition: u32 = 0;
  if (!isNil(at)) {
    if (integerOf(at) != IS_INTEGER || (lastInteger() & ~ALL_CONDITIONS) != 0) {
      return writeError(out, ERROR_EXPIRE_CONDITION);
    }
    condition = <u32>lastInteger();
    const isBoth = (condition & (IF_NONE | IF_ANY)) == (IF_NONE | IF_ANY);
    if (isBoth || popcnt<u32>(condition & (IF_NONE | IF_LATER | IF_EARLIER)) > 1) {
      return writeError(out, ERROR_EXPIRE_CONDITION);
    }
  }
  at = skipValue(at, staged.end);
  const count = staged.argCount - 3;
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  if (<u64>out + count + HEAD_BYTES > <u64>limit) return 0;
  const slot = open(thread, staged, CHUNK_HASH, false, nowMs);
  if (slot == 0) return writeAbsent(out, count);
  const partition = partitionOf(staged);
  let end = writeArrayHead(out, count);
  let changed = false;
  let outcome = DONE;
  for (let i: u32 = 0; i < count && outcome != NO_MEMORY; i++) {
    at = readMember(thread, at);
    outcome = expireOne(partition, slot, ttlMs, condition, thread, nowMs);
    changed = changed || outcome >= DONE;
    end = writeInteger(end, outcome);
  }
  close(thread, staged, slot, changed);
  return outcome == NO_MEMORY ? writeError(out, ERROR_OUT_OF_MEMORY) : end;
}

/** HEXPIRE of the field at hand. */
function expireOne(partition: Partition, slot: Slot, ttlMs: i64, condition: u32, thread: u32, nowMs: i64): i64 {
  const item = findLiveMember(entryOf(slot), nowMs);
  if (item == 0) return NO_FIELD;
  const old = expiryOfItem(item);
  const expiryMs = nowMs + ttlMs;
  // A field that does not expire counts as one that does so after all others.
  if (old == 0 && (condition & (IF_ANY | IF_LATER)) != 0) return NOT_MET;
  if (old != 0) {
    if (condition & IF_NONE) return NOT_MET;
    if ((condition & IF_LATER) != 0 && expiryMs <= old) return NOT_MET;
    if ((condition & IF_EARLIER) != 0 && expiryMs >= old) return NOT_MET;
  }
  if (ttlMs == 0) {
    removeField(partition, slot, item, thread);
    return REMOVED;
  }
  return expireField(partition, slot, expiryMs, thread, nowMs) ? DONE : NO_MEMORY;
}

/** HPERSIST: for each field -2 it is not there, -1 it does not expire, 1 done. */
export function hashPersist(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  if (<u64>out + count + HEAD_BYTES > <u64>limit) return 0;
  const slot = open(thread, staged, CHUNK_HASH, false, nowMs);
  if (slot == 0) return writeAbsent(out, count);
  let end = writeArrayHead(out, count);
  let changed = false;
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    const item = findLiveMember(entryOf(slot), nowMs);
    let outcome = item ? NO_EXPIRY : NO_FIELD;
    if (item != 0 && expiryOfItem(item) != 0) {
      persistField(partitionOf(staged), slot, thread, nowMs);
      changed = true;
      outcome = DONE;
    }
    end = writeInteger(end, outcome);
  }
  close(thread, staged, slot, changed);
  return end;
}

/** HTTL: for each field -2 it is not there, -1 it does not expire, or the milliseconds left. */
export function hashTimeToLive(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  if (<u64>out + INTEGER_BYTES * <u64>count + HEAD_BYTES > <u64>limit) return 0;
  const address = openToRead(thread, staged, CHUNK_HASH, nowMs);
  if (address == 0) return writeAbsent(out, count);
  let end = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    const item = findLiveMember(address, nowMs);
    const expiryMs: i64 = item ? expiryOfItem(item) : 0;
    end = writeInteger(end, item == 0 ? NO_FIELD : expiryMs == 0 ? NO_EXPIRY : expiryMs - nowMs);
  }
  closeRead(staged);
  return end;
}

/* Flags of HSETEX. */
const SET_FNX: u32 = 1;
const SET_FXX: u32 = 2;
const SET_KEEPTTL: u32 = 4;
const ALL_SET_FLAGS: i64 = 7;

/**
 * HSETEX: sets fields that expire, all of them, if none is there (FNX) or all are (FXX); whether it did. Where memory
 * ends, the pairs before stay.
 */
export function hashSetExpiring(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  let at = behindKey(staged);
  let ttlMs: i64 = 0;
  if (!isNil(at)) {
    ttlMs = ttlAt(at);
    if (ttlMs < 0) return writeError(out, ERROR_TTL);
  }
  at = skipValue(at, staged.end);
  let flags: u32 = 0;
  if (!isNil(at)) {
    const isInteger = integerOf(at) == IS_INTEGER;
    if (!isInteger || (lastInteger() & ~ALL_SET_FLAGS) != 0) return writeError(out, ERROR_HSETEX_FLAGS);
    flags = <u32>lastInteger();
  }
  const isBoth = (flags & (SET_FNX | SET_FXX)) == (SET_FNX | SET_FXX);
  if (isBoth || ((flags & SET_KEEPTTL) != 0 && ttlMs != 0)) return writeError(out, ERROR_HSETEX_FLAGS);
  const first = skipValue(at, staged.end);
  const pairs = (staged.argCount - 3) >> 1;
  if (pairs << 1 != staged.argCount - 3) return writeError(out, ERROR_PAIRS);
  at = first;
  for (let i: u32 = 0; i < pairs; i++) {
    const value = readMember(thread, at);
    if (value == 0) return writeError(out, ERROR_MEMBER);
    at = skipValue(value, staged.end);
    if (at - value > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
  }
  const slot = open(thread, staged, CHUNK_HASH, (flags & SET_FXX) == 0, nowMs);
  if (slot == 0) return lastFailure() ? writeError(out, lastFailure()) : writeBoolean(out, false);
  const partition = partitionOf(staged);
  const isMet = mayWrite(slot, first, pairs, flags, staged, thread, nowMs);
  let done: u32 = 0;
  let outcome: u32 = 0;
  at = first;
  for (; isMet && done < pairs; done++) {
    const value = readMember(thread, at);
    at = skipValue(value, staged.end);
    const expiryMs = flags & SET_KEEPTTL ? expiryAtHand(slot, nowMs) : ttlMs ? nowMs + ttlMs : 0;
    outcome = putField(partition, slot, value, at - value, expiryMs, thread, nowMs);
    if (outcome == FIELD_NO_MEMORY) break;
  }
  close(thread, staged, slot, done != 0);
  return outcome == FIELD_NO_MEMORY ? writeError(out, ERROR_OUT_OF_MEMORY) : writeBoolean(out, isMet);
}

/** Whether the flags allow setting these fields. */
function mayWrite(slot: Slot, first: Address, pairs: u32, flags: u32, staged: Staged, thread: u32, nowMs: i64): bool {
  if (!(flags & (SET_FNX | SET_FXX))) return true;
  let at = first;
  for (let i: u32 = 0; i < pairs; i++) {
    at = skipValue(readMember(thread, at), staged.end);
    if ((findLiveMember(entryOf(slot), nowMs) != 0) != ((flags & SET_FXX) != 0)) return false;
  }
  return true;
}

/** The expiry of the field at hand, 0: it has none, or is not there. */
function expiryAtHand(slot: Slot, nowMs: i64): i64 {
  const item = findLiveMember(entryOf(slot), nowMs);
  return item ? expiryOfItem(item) : 0;
}

/** Counts a read of the staged key, as reading commands do. */
function countRead(thread: u32, staged: Staged, isHit: bool): void {
  if (isHit) blockOf(thread).hits += 1;
  else blockOf(thread).misses += 1;
  if (!isNamespaced(staged.keyWord)) return;
  if (isHit) countHit(thread, staged.key);
  else countMiss(thread, staged.key);
}

/** An array of nils where there is no hash; or why there is none. */
function writeNils(thread: u32, staged: Staged, out: Address, count: u32): Address {
  if (lastFailure()) return writeError(out, lastFailure());
  countRead(thread, staged, false);
  let end = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count; i++) end = writeNil(end);
  return end;
}

/** Whether the values of these fields fit a reply: nothing may be done before that is sure. */
function doFit(slot: Slot, first: Address, count: u32, out: Address, limit: Address, thread: u32, nowMs: i64): bool {
  let bytes: u64 = HEAD_BYTES;
  let at = first;
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    const item = findLiveMember(entryOf(slot), nowMs);
    bytes += item ? valueBytesOfField(item) : 1;
  }
  return <u64>out + bytes <= <u64>limit;
}

/** For a time to live: the expiry stays what it is. */
const KEEP_EXPIRY: i64 = -1;

/** HGETEX: the value or nil of each field, which then expires; with nil for a TTL the expiry stays, 0 takes it away. */
export function hashGetAndExpire(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  let at = behindKey(staged);
  let ttlMs = KEEP_EXPIRY;
  if (!isNil(at)) {
    ttlMs = ttlAt(at);
    if (ttlMs < 0) return writeError(out, ERROR_TTL);
  }
  const first = skipValue(at, staged.end);
  return takeOrExpire(thread, staged, first, staged.argCount - 2, false, ttlMs, out, limit, nowMs);
}

/** HGETDEL: the value or nil of each field, which is removed. */
export function hashTake(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return takeOrExpire(thread, staged, behindKey(staged), staged.argCount - 1, true, KEEP_EXPIRY, out, limit, nowMs);
}

function takeOrExpire(
  thread: u32,
  staged: Staged,
  first: Address,
  count: u32,
  takes: bool,
  ttlMs: i64,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (!areMembers(thread, first, count)) return writeError(out, ERROR_MEMBER);
  if (<u64>out + count + HEAD_BYTES > <u64>limit) return 0;
  const slot = open(thread, staged, CHUNK_HASH, false, nowMs);
  if (slot == 0) return writeNils(thread, staged, out, count);
  if (!doFit(slot, first, count, out, limit, thread, nowMs)) {
    close(thread, staged, slot, false);
    return 0;
  }
  countRead(thread, staged, true);
  const partition = partitionOf(staged);
  let end = writeArrayHead(out, count);
  let changed = false;
  let failed = false;
  let at = first;
  for (let i: u32 = 0; i < count && !failed; i++) {
    at = readMember(thread, at);
    const item = findLiveMember(entryOf(slot), nowMs);
    end = item ? copyField(item, end, limit) : writeNil(end);
    if (item == 0) continue;
    if (takes) {
      removeField(partition, slot, findMember(entryOf(slot)), thread);
      changed = true;
    } else if (ttlMs > 0) {
      failed = !expireField(partition, slot, nowMs + ttlMs, thread, nowMs);
      changed = changed || !failed;
    } else if (ttlMs == 0 && expiryOfItem(item) != 0) {
      persistField(partition, slot, thread, nowMs);
      changed = true;
    }
  }
  close(thread, staged, slot, changed);
  return failed ? writeError(out, ERROR_OUT_OF_MEMORY) : end;
}
