/*
 * Keys as a whole: read on one node, page by page, and made on another with exactly the stamp that they have there
 * (engine/whole-key.ts, which argues for the way).
 *
 * Reading. Each page is read in one hold of the lock and tells the stamp of its time: all pages are of one state if all
 * of them tell the same one. Fields that expire go without another stamp; they are no part of what is told.
 *
 * Making. A value is stored in one step. A collection is built over many holds of the lock, and nobody shall see it
 * before all of it is there: so it is built as an entry beside the key's present one, PENDING (entry.ts), a half. No
 * lookup of the key finds it, no walk tells of it, and no log. Instead of a stamp it has the number of who builds it,
 * below HALVES_END, which no stamp is. It is counted as tombstones are (Partition.tombstones), may be evicted, and
 * expires unless it is gone on with, so a builder who dies leaves nothing. Whoever writes several keys at once, as
 * pending entries (pending.ts), drops it. In all these cases its builder finds it gone and begins anew. In the end it
 * takes the place of what is at the key, in one step, if that is older.
 */
import { LOG_CLEARED, LOG_EXPIRED, LOG_REMOTE, logDelete, noteSet } from './changelog';
import { expiryBytes, readExpiry } from './collections/body';
import { shrinkEntry } from './collections/fit';
import { freeSoon } from './collections/garbage';
import { settleExpiry } from './collections/lifetime';
import { readMember } from './collections/member';
import { dropReserved } from './collections/reserve';
import { countOf, keyExpiryOf } from './collections/root';
import {
  CHUNK_BLOB,
  CHUNK_HASH,
  CHUNK_LIST,
  CHUNK_SET,
  CHUNK_ZSET,
  COLLECTION,
  entryAt,
  flagsOfKey,
  HAS_EXPIRY,
  isExpired,
  KeyWord,
  lengthOf,
  MAX_INLINE_KEY,
  PENDING,
  PENDING_KEY,
  valueBytesOf,
} from './entry';
import { removeEntry } from './eviction/removal';
import { hashKey } from './hash';
import { giveStamp, isStamped, restamp, stampAt, startClock } from './hybridclock';
import { Address, header, LARGE_BYTES } from './layout';
import { lock, lockToRead, unlock } from './lock';
import { skipValue } from './msgpack';
import { Partition, partitionOfHash } from './partition';
import { copyHeld, findLive, NO_ROOM } from './read';
import { beginRemote } from './replica';
import { expireAt } from './reshape';
import { stampKey } from './stamps';
import { add, KIND_SHIFT, put } from './store';
import { entryOf, find, homeBucket, Slot } from './table';
import { replyArea, requestArea, scratchOf } from './threads';
import { findBeside, newestOf, tombstoneOf } from './tombstones';
import { gather, gatheredPlace, gatheredTo, isGathered, pour, resumeGathering } from './types/building';
import { dropExpiry } from './types/keys';
import { scoreAt } from './types/sorted';

/* What `readWhole` writes to the reply area. */
/** u64, 0: the key is absent. */
const STAMP: u32 = 0;
/** u64, 0: it has none. */
const TOMBSTONE: u32 = 8;
/** f64, of the key, 0: it does not expire. */
const EXPIRY: u32 = 16;
const KIND: u32 = 24;
/** Items; of a value its bytes. */
const COUNT: u32 = 28;
/** Where the next page begins. */
const NEXT_CURSOR: u32 = 32;
const NEXT_PLACE: u32 = 36;
const IS_OVER: u32 = 40;
/** Of what follows from PAGE on. */
const BYTES: u32 = 44;
/** Of all items, about; of a value as COUNT. */
const TOTAL_BYTES: u32 = 48;
const PAGE: u32 = 56;

/** Behind a page, so that with its key it fits a request area elsewhere, which is as large. */
const PAGE_MARGIN: u32 = 4096;

/**
 * Writes to the reply area, as drawn above, what there is of the key at the start of the request area, and the items of
 * a page that begins at (cursor, place): (0, 0) is the first one, and ends behind `pageBytes` or a little more. A value
 * is told whole, or not at all where it does not fit. `isHeld`: the caller has the lock already (`largeHold`).
 */
export function readWhole(
  thread: u32,
  keyWord: KeyWord,
  cursor: u32,
  place: u32,
  pageBytes: u32,
  isHeld: bool,
  nowMillis: f64,
): void {
  const nowMs = <i64>nowMillis;
  const key = requestArea(thread);
  const out = replyArea(thread);
  memory.fill(out, 0, PAGE);
  store<u32>(out, 1, IS_OVER);
  if (!isStamped()) return;
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  if (!isHeld) lockToRead(partition, thread);
  store<u64>(out, tombstoneOf(partition, hash, key, keyWord), TOMBSTONE);
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot) {
    const address = entryOf(slot);
    const entry = entryAt(address);
    if (!isExpired(address, entry, nowMs)) {
      store<u64>(out, stampAt(address), STAMP);
      store<f64>(out, <f64>keyExpiryOf(address), EXPIRY);
      store<u32>(out, entry.kind, KIND);
      if (entry.flags & COLLECTION) readItems(address, cursor, place, pageBytes, out, thread, nowMs);
      else readValue(slot, out);
    }
  }
  if (!isHeld) unlock(partition);
}

function readValue(slot: Slot, out: Address): void {
  const address = entryOf(slot);
  const bytes = valueBytesOf(address, entryAt(address));
  store<u32>(out, bytes, COUNT);
  store<u32>(out, bytes, TOTAL_BYTES);
  const isThere = copyHeld(slot, out + PAGE, out + header().areaBytes) != NO_ROOM;
  store<u32>(out, isThere ? bytes : 0, BYTES);
  store<u32>(out, <u32>isThere, IS_OVER);
}

function readItems(
  address: Address,
  cursor: u32,
  place: u32,
  pageBytes: u32,
  out: Address,
  thread: u32,
  nowMs: i64,
): void {
  resumeGathering(cursor, place, pageBytes);
  const end = gather(address, out + PAGE, out + header().areaBytes - PAGE_MARGIN, thread, nowMs);
  store<u32>(out, countOf(address), COUNT);
  store<u32>(out, valueBytesOf(address, entryAt(address)), TOTAL_BYTES);
  store<u32>(out, gatheredTo(), NEXT_CURSOR);
  store<u32>(out, gatheredPlace(), NEXT_PLACE);
  store<u32>(out, <u32>isGathered(), IS_OVER);
  store<u32>(out, end - out - PAGE, BYTES);
}

/* What became of a step. */
export const WHOLE_DONE: i32 = 0;
/** What is here is as new, or newer. */
export const WHOLE_OLD: i32 = -1;
export const WHOLE_NO_MEMORY: i32 = -2;
/** The half is gone. */
export const WHOLE_LOST: i32 = -3;
/** What was to be added are no items. */
export const WHOLE_MALFORMED: i32 = -4;

/** A key has expired by the time that it comes: what is older goes. */
function expire(partition: Partition, slot: Slot, hash: u32, stamp: u64): void {
  if (slot == 0) return;
  if (partition.logHead) logDelete(partition, entryOf(slot), LOG_EXPIRED | LOG_REMOTE, stamp);
  partition.expired += 1;
  // The log was told.
  removeEntry(partition, slot, hash, LOG_CLEARED);
}

/**
 * Stores a value, which stands behind its key in the request area, with exactly this stamp, by its halves, unless what
 * is here is as new. Values that fit an area only; for others there are drafts.
 */
export function storeWhole(
  thread: u32,
  keyWord: KeyWord,
  valueBytes: u32,
  expiry: f64,
  stampHigh: u32,
  stampLow: u32,
  nowMillis: f64,
): i32 {
  if (!isStamped() || valueBytes > header().maxValueBytes) return WHOLE_NO_MEMORY;
  const nowMs = <i64>nowMillis;
  const expiryMs = <i64>expiry;
  const stamp = beginRemote(stampHigh, stampLow, nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  let outcome = WHOLE_DONE;
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, nowMs);
  if (newestOf(partition, slot, hash, key, keyWord) >= stamp) {
    outcome = WHOLE_OLD;
  } else if (expiryMs != 0 && expiryMs <= nowMs) {
    expire(partition, slot, hash, stamp);
  } else {
    const value = key + lengthOf(keyWord);
    if (slot) stampKey(hash);
    const done = put(partition, slot, hash, key, keyWord, value, valueBytes, expiryMs, thread, nowMs);
    if (done) noteSet(partition, key, keyWord, value, valueBytes, expiryMs);
    else outcome = WHOLE_NO_MEMORY;
  }
  unlock(partition);
  giveStamp(0);
  return outcome;
}

/** The half of a key that has this number; 0: it is gone. Under the lock. */
function findHalf(hash: u32, key: Address, keyWord: KeyWord, number: f64): Slot {
  const slot = findBeside(hash, key, keyWord, false);
  return slot != 0 && stampAt(entryOf(slot)) == <u64>number ? slot : 0;
}

/**
 * Begins a half of the key at the start of the request area, in place of one that it has: of this kind and with this
 * number, from 1 to HALVES_END - 1. It is gone from `until` on, in ms of Unix time.
 */
export function beginWhole(
  thread: u32,
  keyWord: KeyWord,
  kind: u32,
  number: f64,
  until: f64,
  nowMillis: f64,
): i32 {
  const isKind = kind == CHUNK_LIST || kind == CHUNK_SET || kind == CHUNK_HASH || kind == CHUNK_ZSET;
  if (!isKind || lengthOf(keyWord) > MAX_INLINE_KEY) return WHOLE_MALFORMED;
  if (!isStamped()) return WHOLE_NO_MEMORY;
  const nowMs = <i64>nowMillis;
  startClock(nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  const head = scratchOf(thread);
  store<u16>(head, 0);
  const kindFlags = <u32>COLLECTION | ((kind - <u32>CHUNK_BLOB) << KIND_SHIFT);
  const flags = kindFlags | flagsOfKey(keyWord | PENDING_KEY) | HAS_EXPIRY | header().stampFlags;
  lock(partition, thread);
  const other = findBeside(hash, key, keyWord, false);
  if (other) removeEntry(partition, other, hash, LOG_CLEARED);
  giveStamp(<u64>number);
  const added = add(partition, hash, key, keyWord, head, 2, flags, <i64>until, thread, nowMs);
  giveStamp(0);
  if (added) partition.tombstones += 1;
  unlock(partition);
  return added ? WHOLE_DONE : WHOLE_NO_MEMORY;
}

/** Items, and bytes of them, that are added in one hold of the lock: 0.1 to 0.3 ms, of a list 10 us. */
const RUN_ITEMS: u32 = 256;
const RUN_BYTES: u32 = 16384;

/** The end of the item at `at`; 0: it is none, or goes beyond `to`. */
function itemEnd(thread: u32, kind: u32, at: Address, to: Address): Address {
  if (kind == CHUNK_LIST) return skipValue(at, to);
  let member = at;
  if (kind == CHUNK_ZSET) {
    member = skipValue(at, to);
    if (member == 0 || member >= to || isNaN(scoreAt(at))) return 0;
  } else if (kind == CHUNK_HASH) {
    member = at + expiryBytes(readExpiry(at));
    if (member >= to) return 0;
  }
  const end = skipValue(member, to);
  if (end == 0 || readMember(thread, member) == 0) return 0;
  if (kind != CHUNK_HASH) return end;
  return end < to ? skipValue(end, to) : 0;
}

/* Of `runOf`: whether it is one field that has expired. Not state. */
let isDueRun: bool = false;

/** The end of some items that begin at `at`, all fields that have not expired, or of one that has; 0: there is none. */
function runOf(thread: u32, kind: u32, from: Address, to: Address, nowMs: i64): Address {
  isDueRun = false;
  let at = from;
  for (let i: u32 = 0; i < RUN_ITEMS && at < to && at - from < RUN_BYTES; i++) {
    const end = itemEnd(thread, kind, at, to);
    if (end == 0) return 0;
    const expiryMs: i64 = kind == CHUNK_HASH ? readExpiry(at) : 0;
    if (expiryMs != 0 && expiryMs <= nowMs) {
      isDueRun = i == 0;
      return isDueRun ? end : at;
    }
    at = end;
  }
  return at;
}

/**
 * Adds some of the items that stand from offset `from` to `to` of the request area, behind the key, to its half: the
 * offset behind them, or one of the constants above. From then on the half is gone from `until` on.
 */
export function pourWhole(
  thread: u32,
  keyWord: KeyWord,
  number: f64,
  from: u32,
  to: u32,
  until: f64,
  nowMillis: f64,
): i32 {
  const nowMs = <i64>nowMillis;
  startClock(nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findHalf(hash, key, keyWord, number);
  let outcome = WHOLE_LOST;
  if (slot) {
    const kind = <u32>entryAt(entryOf(slot)).kind;
    const end = runOf(thread, kind, key + from, key + to, nowMs);
    outcome = end == 0 ? WHOLE_MALFORMED : <i32>(end - key);
    const isAdded = end != 0 && (isDueRun || addRun(partition, slot, hash, key + from, end, <i64>until, thread, nowMs));
    if (end != 0 && !isAdded) outcome = WHOLE_NO_MEMORY;
    if (!isAdded) removeEntry(partition, slot, hash, LOG_CLEARED);
  }
  unlock(partition);
  return outcome;
}

/** False: out of memory; a part may be there. */
function addRun(
  partition: Partition,
  slot: Slot,
  hash: u32,
  from: Address,
  end: Address,
  untilMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  partition.pinnedOld = entryOf(slot);
  const isPoured = pour(partition, slot, from, end, thread, nowMs);
  if (!isPoured) dropReserved(partition);
  settleExpiry(partition, slot);
  if (isPoured) shrinkEntry(partition, slot);
  partition.overwriting = 0;
  partition.pinnedOld = 0;
  freeSoon(partition);
  return isPoured && expireAt(partition, slot, hash, untilMs, thread, nowMs);
}

/** Drops the half of the key at the start of the request area that has this number, if there is one. */
export function dropWhole(thread: u32, keyWord: KeyWord, number: f64): void {
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findHalf(hash, key, keyWord, number);
  if (slot) removeEntry(partition, slot, hash, LOG_CLEARED);
  unlock(partition);
}

/**
 * Makes the half the key's entry, with exactly this stamp, by its halves, and this expiry of the key (0: none), unless
 * what is here is as new. There is no half any more then.
 */
export function settleWhole(
  thread: u32,
  keyWord: KeyWord,
  number: f64,
  expiry: f64,
  stampHigh: u32,
  stampLow: u32,
  nowMillis: f64,
): i32 {
  const nowMs = <i64>nowMillis;
  const stamp = beginRemote(stampHigh, stampLow, nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const old = findLive(partition, hash, key, keyWord, nowMs);
  const slot = findHalf(hash, key, keyWord, number);
  let outcome = WHOLE_LOST;
  if (slot) {
    outcome = newestOf(partition, old, hash, key, keyWord) >= stamp
      ? WHOLE_OLD
      : settle(partition, slot, old, hash, key, keyWord, <i64>expiry, stamp, thread, nowMs);
    if (outcome != WHOLE_DONE) {
      const left = findHalf(hash, key, keyWord, number);
      if (left) removeEntry(partition, left, hash, LOG_CLEARED);
    }
  }
  unlock(partition);
  giveStamp(0);
  return outcome;
}

function settle(
  partition: Partition,
  slot: Slot,
  old: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
  stamp: u64,
  thread: u32,
  nowMs: i64,
): i32 {
  const isGone = countOf(entryOf(slot)) == 0 || (expiryMs != 0 && expiryMs <= nowMs);
  if (isGone) {
    expire(partition, old, hash, stamp);
    removeEntry(partition, slot, hash, LOG_CLEARED);
    return WHOLE_DONE;
  }
  const isSet = expiryMs != 0
    ? expireAt(partition, slot, hash, expiryMs, thread, nowMs)
    : dropExpiry(partition, slot, thread, nowMs);
  if (!isSet) return WHOLE_NO_MEMORY;
  // Memory for the expiry may have been that of what is at the key.
  const replaced = find(homeBucket(hash), hash, key, keyWord);
  const made = findBeside(hash, key, keyWord, false);
  if (made == 0) return WHOLE_NO_MEMORY;
  if (replaced) removeEntry(partition, replaced, hash, LOG_CLEARED);
  const address = entryOf(made);
  entryAt(address).flags &= ~PENDING;
  partition.tombstones -= 1;
  restamp(partition, address);
  stampKey(hash);
  // The log leaves out what is so long.
  noteSet(partition, key, keyWord, key, LARGE_BYTES, keyExpiryOf(address));
  return WHOLE_DONE;
}
