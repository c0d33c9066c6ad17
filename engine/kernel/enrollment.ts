/*
 * Entries with an expiry get their records in the wheel (wheel.ts). A record may take a block, and that something
 * evicted: so the entries at hand are pinned, and nothing about them has changed yet when there is no memory.
 * Everything here runs under the partition's lock.
 */
import {
  entryAt,
  HAS_EXPIRY,
  moveExpiry,
  setWheelPass,
  setWheelSlot,
  wheelPassOf,
  wheelSlotOf,
} from './entry';
import { addWheelBlock, enter, isInTime } from './expiry';
import { Address } from './layout';
import { Partition } from './partition';
import { allocate } from './room';
import { recordClass } from './slab';
import { entryOf, Slot } from './table';
import { isWheelTrimDue, trimWheel } from './wheel';

/** Lets a new entry with an expiry have the record of the one it replaces, or one of its own. False: out of memory. */
export function inherit(
  partition: Partition,
  slot: Slot,
  hash: u32,
  old: Address,
  address: Address,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  if (!(entryAt(address).flags & HAS_EXPIRY)) return true;
  if (!(entryAt(old).flags & HAS_EXPIRY) || !isInTime(partition, old, expiryMs)) {
    return enroll(partition, slot, hash, address, expiryMs, thread, nowMs);
  }
  copyWheelFields(address, old);
  return true;
}

@inline
export function copyWheelFields(address: Address, old: Address): void {
  setWheelSlot(address, wheelSlotOf(old));
  setWheelPass(address, wheelPassOf(old));
}

/** Gives an entry its expiry and a new record in the wheel. It is pinned. False: out of memory. */
export function enroll(
  partition: Partition,
  slot: Slot,
  hash: u32,
  address: Address,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  while (!enter(partition, slot, hash, address, expiryMs, nowMs)) {
    if (isWheelTrimDue(partition)) trimWheel(partition);
    const block = allocate(partition, recordClass(), thread, nowMs);
    if (block == 0) return false;
    addWheelBlock(partition, expiryMs, block);
  }
  return true;
}

/** Gives an entry that has an expiry another one. False: out of memory, nothing changed. */
export function changeExpiry(
  partition: Partition,
  slot: Slot,
  hash: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const address = entryOf(slot);
  if (isInTime(partition, address, expiryMs)) {
    moveExpiry(address, expiryMs);
    return true;
  }
  partition.pinnedOld = address;
  const enrolled = enroll(partition, slot, hash, address, expiryMs, thread, nowMs);
  partition.pinnedOld = 0;
  return enrolled;
}
