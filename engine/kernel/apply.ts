/*
 * What other nodes' logs tell, done here: the host writes records (changelog.ts) with stamps into the request area. Of
 * two writes of a key the one with the higher stamp stands, whatever order they come in, and however often each comes:
 * last writer wins. What is written gets exactly the stamp of its record, and is logged as REMOTE.
 *
 *   SET              stored where the key is absent or older
 *   DELETE           deleted: what is older goes, and a tombstone is left (tombstones.ts); expired or evicted: what is
 *                    not newer goes
 *   EXPIRE, EFFECT   done where the entry is the one that it was done to, by `base`
 *   CLEAR            nothing: to whom it is told, the host knows
 *
 * A record that is newer than what is here, but tells too little to make it from that, is missing: the host fetches
 * the key as a whole. Records are taken in groups, so that their cache misses overlap, as those of commands (exec.ts).
 *
 * What the reply area holds then:
 *   +0  applied    u32   records that changed something
 *   +4  refused    u32   what is here is newer
 *   +8  highest    u64   the highest stamp of all records
 *   +16 left       u32   records that were not applied, though newer
 *   +24 offsets    u32   of each of these in the request area; bit 0: not missing, but there was no memory for it
 *
 * The arguments of a command have to stand behind its key: an effect that was run has its key moved.
 */
import {
  hasBase,
  isLogging,
  LOG_CLEAR,
  LOG_CLEARED,
  LOG_DELETE,
  LOG_DELETED,
  LOG_EFFECT,
  LOG_EVICTED,
  LOG_EXPIRE,
  LOG_EXPIRED,
  LOG_HAS_TIME,
  LOG_REMOTE,
  LOG_VALUE_LEFT_OUT,
  logDelete,
  noteExpiry,
} from './changelog';
import { EFFECT_ARG_COUNT, EFFECT_ARGS, EFFECT_CODE, EFFECT_TIME } from './effects';
import { entryAt, lengthOf, versionAddress } from './entry';
import { removeEntry } from './eviction/removal';
import { runInner, touchGroup, touchLogs } from './exec';
import { giveStamp, isStamped, raiseTo, stampAt, startClock } from './hybridclock';
import { Address, header } from './layout';
import { beginAtomic, endAtomic, lock, unlock } from './lock';
import { addToSet, beginSet, lockSet, unlockSet } from './locks';
import { baseOf, detailOf, expiryOfRecord, KIND, stageRecord, stampOfRecord, valueBytesOfRecord } from './logrecord';
import { Partition } from './partition';
import { findStaged } from './read';
import { expireAt } from './reshape';
import { hasRunOut, watchRoom } from './room';
import { GROUP, partitionOf, setHostFrame, Staged, STAGED_BYTES } from './staging';
import { stampKey } from './stamps';
import { entryOf, find, homeBucket, Slot } from './table';
import { replyArea, requestArea, stagingOf } from './threads';
import { leaveTombstone, tombstoneOf } from './tombstones';
import { storeHeld } from './types/blob';
import { dropExpiry } from './types/keys';

const APPLIED: u32 = 0;
const REFUSED: u32 = 4;
const HIGHEST: u32 = 8;
const LEFT: u32 = 16;
const OFFSETS: u32 = 24;
const NO_MEMORY_BIT: u32 = 1;

/* What became of a record. */
const DONE: u32 = 0;
/** It has been here already, or there is nothing to do. */
const NOTHING: u32 = 1;
const IS_OLD: u32 = 2;
const MISSING: u32 = 3;
const NO_MEMORY: u32 = 4;

/**
 * Applies the records that are the first `length` bytes of the request area. How many bytes were: less, where what
 * follows is no record.
 */
export function applyRecords(thread: u32, length: u32, nowMillis: f64): u32 {
  const nowMs = <i64>nowMillis;
  startClock(nowMs);
  setHostFrame(false);
  // Of a call that failed half-way.
  endAtomic();
  const request = requestArea(thread);
  const reply = replyArea(thread);
  memory.fill(reply, 0, OFFSETS);
  if (!isStamped()) return 0;
  const end = request + length;
  const first = stagingOf(thread);
  const groupEnd = first + GROUP * STAGED_BYTES;
  let at = request;
  let isWhole = true;
  while (at < end && isWhole) {
    let stagedEnd = first;
    while (stagedEnd < groupEnd && at < end && isWhole) {
      const behind = stageRecord(changetype<Staged>(stagedEnd), at, end);
      isWhole = behind != 0;
      if (!isWhole) break;
      at = behind;
      stagedEnd += STAGED_BYTES;
    }
    touchGroup(first, stagedEnd);
    if (isLogging()) touchLogs(first, stagedEnd);
    let highest: u64 = load<u64>(reply, HIGHEST);
    for (let running = first; running < stagedEnd; running += STAGED_BYTES) {
      const staged = changetype<Staged>(running);
      const record = staged.args;
      highest = max<u64>(highest, stampOfRecord(record));
      if (staged.code != LOG_CLEAR) count(reply, record - request, apply(thread, staged, nowMs));
    }
    store<u64>(reply, highest, HIGHEST);
    raiseTo(highest);
  }
  return at - request;
}

@inline
function count(reply: Address, offset: u32, outcome: u32): void {
  if (outcome == DONE) store<u32>(reply, load<u32>(reply, APPLIED) + 1, APPLIED);
  else if (outcome != NOTHING) countOther(reply, offset, outcome);
}

function countOther(reply: Address, offset: u32, outcome: u32): void {
  if (outcome == IS_OLD) {
    store<u32>(reply, load<u32>(reply, REFUSED) + 1, REFUSED);
    return;
  }
  const left = load<u32>(reply, LEFT);
  store<u32>(reply + OFFSETS + (left << 2), offset | (outcome == NO_MEMORY ? NO_MEMORY_BIT : 0));
  store<u32>(reply, left + 1, LEFT);
}

function apply(thread: u32, staged: Staged, nowMs: i64): u32 {
  const partition = partitionOf(staged);
  const record = staged.args;
  const stamp = stampOfRecord(record);
  // A command takes the lock that it is run under by itself: as those in ATOMIC, it has it by the set.
  const isEffect = staged.code == LOG_EFFECT;
  if (isEffect) {
    beginSet(thread);
    addToSet(thread, partition);
    lockSet(thread);
    beginAtomic(thread);
  } else {
    lock(partition, thread);
  }
  giveStamp(stamp);
  partition.version = max<u64>(partition.version, stamp);
  const slot = findStaged(partition, staged, nowMs);
  const here: u64 = slot ? stampAt(entryOf(slot)) : 0;
  const outcome = applyHeld(partition, slot, thread, staged, stamp, here, nowMs);
  giveStamp(0);
  if (isEffect) {
    endAtomic();
    unlockSet(thread);
  } else {
    unlock(partition);
  }
  return outcome;
}

/** Under the lock; `here`: the stamp of the entry in the slot, 0: there is none. */
function applyHeld(
  partition: Partition,
  slot: Slot,
  thread: u32,
  staged: Staged,
  stamp: u64,
  here: u64,
  nowMs: i64,
): u32 {
  const record = staged.args;
  const kind = staged.code;
  const detail = detailOf(record);
  if (here > stamp) return IS_OLD;
  if (kind == LOG_DELETE && (detail & REASON_MASK) != LOG_DELETED) {
    return slot ? endEntry(partition, slot, staged.hash, stamp, detail & REASON_MASK) : NOTHING;
  }
  if (here == stamp) return NOTHING;
  const buried = tombstoneOf(partition, staged.hash, staged.key, staged.keyWord);
  if (buried >= stamp) return buried > stamp ? IS_OLD : NOTHING;
  if (kind == LOG_DELETE) return bury(partition, slot, thread, staged, stamp, nowMs);
  if (hasBase(kind) && baseOf(record) != here) return MISSING;
  if (kind == LOG_EFFECT) return run(partition, thread, staged, stamp, here, nowMs);
  const expiryMs = expiryOfRecord(record);
  if (expiryMs != 0 && expiryMs <= nowMs) {
    return slot ? endEntry(partition, slot, staged.hash, stamp, LOG_EXPIRED) : NOTHING;
  }
  if (kind == LOG_EXPIRE) return expire(partition, slot, thread, staged, expiryMs, nowMs);
  if (detail & LOG_VALUE_LEFT_OUT) return MISSING;
  const value = staged.key + lengthOf(staged.keyWord);
  const bytes = valueBytesOfRecord(record);
  if (bytes > header().maxValueBytes) return NO_MEMORY;
  const stored = storeHeld(thread, partition, slot, staged, value, bytes, expiryMs, nowMs);
  return stored > 0 ? DONE : NO_MEMORY;
}

const REASON_MASK: u32 = 3;

/** An entry has expired or was evicted elsewhere. */
function endEntry(partition: Partition, slot: Slot, hash: u32, stamp: u64, reason: u32): u32 {
  if (partition.logHead) logDelete(partition, entryOf(slot), reason | LOG_REMOTE, stamp);
  if (reason == LOG_EVICTED) partition.evictions += 1;
  else partition.expired += 1;
  // The log was told.
  removeEntry(partition, slot, hash, LOG_CLEARED);
  return DONE;
}

/** A key was deleted. */
function bury(partition: Partition, slot: Slot, thread: u32, staged: Staged, stamp: u64, nowMs: i64): u32 {
  if (slot) {
    removeEntry(partition, slot, staged.hash, LOG_DELETED);
    partition.deletes += 1;
  }
  return leave(partition, thread, staged, stamp, nowMs) ? DONE : NO_MEMORY;
}

/** Leaves a tombstone, for as long as another node's is to last where the record is of that (scanrecords.ts). */
function leave(partition: Partition, thread: u32, staged: Staged, stamp: u64, nowMs: i64): bool {
  const isTold = load<u8>(staged.args, KIND) == LOG_DELETE && (detailOf(staged.args) & LOG_HAS_TIME) != 0;
  const expiryMs = isTold ? expiryOfRecord(staged.args) : nowMs + <i64>header().tombstoneMs;
  if (expiryMs <= nowMs) return true;
  return leaveTombstone(partition, staged.hash, staged.key, staged.keyWord, stamp, expiryMs, thread, nowMs);
}

/** An entry got another expiry, or none: 0. */
function expire(partition: Partition, slot: Slot, thread: u32, staged: Staged, expiryMs: i64, nowMs: i64): u32 {
  if (slot == 0) return MISSING;
  stampKey(staged.hash);
  const done = expiryMs != 0
    ? expireAt(partition, slot, staged.hash, expiryMs, thread, nowMs)
    : dropExpiry(partition, slot, thread, nowMs);
  if (!done) return NO_MEMORY;
  noteExpiry(partition, entryOf(slot), staged.key, staged.keyWord, expiryMs);
  return DONE;
}

/** A command changed a collection, which is here as it was there: it is run, at the time that it was run there. */
function run(partition: Partition, thread: u32, staged: Staged, stamp: u64, here: u64, nowMs: i64): u32 {
  const keyBytes = lengthOf(staged.keyWord);
  const value = staged.key + keyBytes;
  const timeMs = <i64>load<f64>(value, EFFECT_TIME);
  staged.end = value + valueBytesOfRecord(staged.args);
  staged.code = load<u16>(value, EFFECT_CODE);
  staged.argCount = <u32>load<u16>(value, EFFECT_ARG_COUNT) + 1;
  memory.copy(staged.key + EFFECT_ARGS, staged.key, keyBytes);
  staged.key += EFFECT_ARGS;
  const reply = replyArea(thread);
  const out = reply + OFFSETS + (load<u32>(reply, LEFT) << 2);
  watchRoom();
  runInner(thread, staged, out, reply + header().areaBytes, timeMs);
  const slot = find(homeBucket(staged.hash), staged.hash, staged.key, staged.keyWord);
  if (slot == 0) {
    // That a set of one member is no more is what became of it. One that was not there could not be made.
    return here != 0 && leave(partition, thread, staged, stamp, nowMs) ? DONE : MISSING;
  }
  const address = entryOf(slot);
  if (stampAt(address) != stamp) return MISSING;
  if (!hasRunOut()) return DONE;
  // It is half done, and so not what has this stamp, nor what had the one before.
  store<u64>(versionAddress(address, entryAt(address).flags), here == 0 ? 1 : here - 1);
  return MISSING;
}
