/*
 * How long a hash of which fields expire is there: when its entry expires, and when its record in the wheel comes due.
 *
 *   expiry of the entry   when the whole is gone: the key's own expiry, or when the last field expires, if all of them
 *                         do. So whoever looks for a key, lock or not, knows nothing of fields, and a hash is gone with
 *                         its last field to the millisecond, be they a million.
 *   own                   the key's own expiry (root.ts), which is what TTL tells, and what a copy gets
 *   record in the wheel   no later than both that and the first field that expires
 *
 * While a command is at it, the entry's expiry may be earlier, that of a field which is about to be set: so whatever
 * happens to the record meanwhile, it comes due in time (`allowExpiry`). In the end `settleExpiry` puts it right.
 *
 * A record that comes due leads to a hash of which some fields have expired. They are removed in steps, each of which
 * is counted as work: a million of them hold the lock no longer than one.
 *
 * Everything here runs under the partition's lock.
 */
import { noteFieldsGone } from '../changelog';
import { changeExpiry } from '../enrollment';
import {
  entryAt,
  expiryOf,
  HAS_EXPIRY,
  HAS_VERSION,
  hashOfEntry,
  moveExpiry,
  setExpiry,
} from '../entry';
import { isStamped } from '../hybridclock';
import { Address } from '../layout';
import { Partition } from '../partition';
import { reshape } from '../reshape';
import { stampKey } from '../stamps';
import { renewVersion } from '../store';
import { entryOf, Slot } from '../table';
import { earliestExpiry, latestExpiry, NEVER, removeDue } from './expiring';
import { fitEntry } from './fit';
import {
  isMarked,
  isRooted,
  keyExpiryOf,
  MARKED_ROOT_BYTES,
  markHash,
  OWN_BYTES,
  ownExpiryOf,
  setOwnExpiry,
  unmarkHash,
} from './root';

/** When something of an entry with an expiry is due. */
@inline
export function dueTimeOf(address: Address): i64 {
  return isMarked(address) ? min<i64>(expiryOf(address), earliestExpiry(address)) : expiryOf(address);
}

/** Whether fields of a hash have expired and are still there. Any entry. */
export function hasDue(address: Address, nowMs: i64): bool {
  return isMarked(address) && earliestExpiry(address) <= nowMs;
}

/** When a MARKED hash is gone. */
@inline
export function wholeExpiryOf(address: Address): i64 {
  const own = ownExpiryOf(address);
  return min<i64>(own ? own : NEVER, latestExpiry(address));
}

/**
 * Lets fields of a hash expire, from then on: it is MARKED, and has a record that comes due in time. The entry is
 * pinned, and stays so. False: out of memory; `settleExpiry` undoes what was done.
 */
export function allowExpiry(partition: Partition, slot: Slot, expiryMs: i64, thread: u32, nowMs: i64): bool {
  const done = isMarked(entryOf(slot)) || mark(partition, slot, thread, nowMs);
  // As long as the record is in time for the entry's expiry it is for a later one.
  const isIn = done && (expiryMs >= expiryOf(entryOf(slot)) || moveForward(partition, slot, expiryMs, thread, nowMs));
  pin(partition, slot);
  return isIn;
}

@inline
function moveForward(partition: Partition, slot: Slot, expiryMs: i64, thread: u32, nowMs: i64): bool {
  return changeExpiry(partition, slot, hashOfEntry(entryOf(slot)), expiryMs, thread, nowMs);
}

@inline
function pin(partition: Partition, slot: Slot): void {
  partition.pinnedOld = entryOf(slot);
  partition.overwriting = entryOf(slot);
}

function mark(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  const before = <u32>entryAt(entryOf(slot)).flags;
  const own = keyExpiryOf(entryOf(slot));
  if (own == 0) {
    const address = reshape(partition, slot, (before & HAS_VERSION) | HAS_EXPIRY, thread, nowMs);
    if (address == 0) return false;
    // Without a record yet.
    setExpiry(address, NEVER);
    pin(partition, slot);
  }
  const valueBytes = isRooted(entryOf(slot)) ? MARKED_ROOT_BYTES : <u32>entryAt(entryOf(slot)).valueBytes + OWN_BYTES;
  if (fitEntry(partition, slot, valueBytes, thread, nowMs)) {
    markHash(partition, entryOf(slot), own);
    return true;
  }
  if (own == 0) dropField(partition, slot);
  return false;
}

/** Takes the entry's field of an expiry away. That always fits where it stands, so nothing is asked of the caller. */
function dropField(partition: Partition, slot: Slot): void {
  reshape(partition, slot, <u32>entryAt(entryOf(slot)).flags & HAS_VERSION, 0, 0);
}

/** After a change of a hash: its entry expires when it should; one of which no field expires any more is not MARKED. */
export function settleExpiry(partition: Partition, slot: Slot): void {
  const address = entryOf(slot);
  if (!isMarked(address)) return;
  if (earliestExpiry(address) != NEVER) return moveExpiry(address, wholeExpiryOf(address));
  const own = ownExpiryOf(address);
  unmarkHash(partition, address);
  if (own) moveExpiry(address, own);
  else dropField(partition, slot);
}

/** Gives the key of a MARKED hash another expiry of its own, 0: none. False: out of memory, nothing changed. */
export function changeOwnExpiry(partition: Partition, slot: Slot, expiryMs: i64, thread: u32, nowMs: i64): bool {
  if (expiryMs != 0 && expiryMs < expiryOf(entryOf(slot))) {
    if (!moveForward(partition, slot, expiryMs, thread, nowMs)) return false;
  }
  partition.overwriting = entryOf(slot);
  setOwnExpiry(entryOf(slot), expiryMs);
  settleExpiry(partition, slot);
  partition.overwriting = 0;
  return true;
}

/**
 * Removes some fields of a hash that have expired, about `limit`, or of a packed one all; how many. A live one is left:
 * the entry has not expired. The caller settles.
 */
export function sweepFields(partition: Partition, slot: Slot, limit: u32, nowMs: i64): u32 {
  const done = removeDue(partition, slot, limit, nowMs);
  const address = entryOf(slot);
  const flags = <u32>entryAt(address).flags;
  stampKey(hashOfEntry(address));
  // Every node's clock lets them go: of that no other node need be told.
  if (flags & HAS_VERSION && !isStamped()) renewVersion(partition, address, flags);
  noteFieldsGone(partition, address, ownExpiryOf(address));
  return done;
}

/** Fields that one step of the wheel removes: some tens of microseconds. */
const FIELDS_A_STEP: u32 = 64;

/**
 * `sweepFields` for the wheel: it may be in the midst of a command on another entry, one that is being overwritten. The
 * work that was, in records.
 */
export function workOffFields(partition: Partition, slot: Slot, nowMs: i64): u32 {
  const overwriting = partition.overwriting;
  partition.overwriting = entryOf(slot);
  const done = sweepFields(partition, slot, FIELDS_A_STEP, nowMs);
  settleExpiry(partition, slot);
  partition.overwriting = overwriting;
  return done * RECORDS_A_FIELD;
}

/** What removing a field takes, in records of the wheel. */
const RECORDS_A_FIELD: u32 = 4;
