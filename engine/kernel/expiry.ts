/*
 * Expiry: entries enter the wheel (wheel.ts), and what is due in it is worked off in steps of bounded time.
 *
 * Nothing here allocates what something might be evicted for: a record that moves finds room in any case (`place`), and
 * for a new one enrollment.ts brings a block. Everything here runs under the partition's lock.
 */
import { LOG_EXPIRED } from './changelog';
import { dueTimeOf, hasDue, workOffFields } from './collections/lifetime';
import { entryAt, expiryOf, HAS_EXPIRY, hashOfEntry, isExpired, setExpiry, valueBytesOf, wheelSlotOf } from './entry';
import { isPinned, removeEntry } from './eviction/removal';
import { Address, MAX_CHUNK } from './layout';
import { Partition } from './partition';
import { blockAt, recordAt } from './records';
import { recordClass, takeChunk } from './slab';
import { entryOf, recordOf, Slot } from './table';
import {
  addHead,
  ANY_PASS,
  append,
  freeBlock,
  hasRoom,
  headOf,
  LEVEL_BITS,
  LEVELS,
  setHead,
  slotAt,
  slotFor,
  slotOfLive,
  startOf,
  tickOf,
  touch,
  Wheel,
  WHEEL_SLOTS,
  wheelOf,
} from './wheel';

/** Clocks of threads differ by less, and are corrected by less: eight seconds. Beyond that the wheel is rewound. */
const REWIND_TICKS: u64 = 16;

/** Whether an entry's record comes due in time for another expiry; or it has none. */
export function isInTime(partition: Partition, address: Address, expiryMs: i64): bool {
  const slot = wheelSlotOf(address);
  if (slot == 0) return false;
  return expiryMs >= expiryOf(address) || tickOf(expiryMs) >= startOf(wheelOf(partition), slot);
}

/**
 * Gives an entry its expiry, and a record for it. False: it takes a block more (`addWheelBlock`), and then another try;
 * nothing has changed.
 */
export function enter(
  partition: Partition,
  slot: Slot,
  hash: u32,
  address: Address,
  expiryMs: i64,
  nowMs: i64,
): bool {
  const wheel = wheelOf(partition);
  if (wheel.records == 0) {
    // Nothing depends on where an empty wheel stands.
    wheel.tick = tickOf(nowMs);
    wheel.rewind = 0;
  }
  const wheelSlot = slotFor(wheel, tickOf(expiryMs));
  if (wheel.spare == 0 || !hasRoom(wheel, wheelSlot)) return false;
  setExpiry(address, expiryMs);
  append(wheel, wheelSlot, recordOf(slot, hash), address);
  return true;
}

/** Takes a block for what `enter` lacks, by now perhaps nothing. */
export function addWheelBlock(partition: Partition, expiryMs: i64, block: Address): void {
  const wheel = wheelOf(partition);
  const slot = slotFor(wheel, tickOf(expiryMs));
  if (!hasRoom(wheel, slot)) addHead(wheel, slot, block);
  else freeBlock(partition, wheel, block);
}

/** Whether there may be something due. */
@inline
export function isDue(partition: Partition, nowMs: i64): bool {
  const wheel = wheelOf(partition);
  return wheel.records != 0 && (wheel.due != 0 || wheel.tick < tickOf(nowMs));
}

/** Whole ticks by which the wheel is behind; also when it is far ahead, because the clock was set back. */
@inline
export function ticksBehind(partition: Partition, nowTick: u64): u64 {
  const wheel = wheelOf(partition);
  const tick = wheel.tick;
  if (wheel.records == 0) return 0;
  if (tick > nowTick + REWIND_TICKS) return tick - nowTick;
  const behind = nowTick > tick ? nowTick - tick : 0;
  return behind + <u64>(wheel.due != 0 || wheel.rewind != 0);
}

/**
 * Removes what has expired and moves what is due on another level, about `limit` records of it; how many there were.
 * Less than `limit`: nothing more is due.
 */
export function expireDue(partition: Partition, nowMs: i64, limit: u32): u32 {
  const wheel = wheelOf(partition);
  const nowTick = tickOf(nowMs);
  let done: u32 = 0;
  while (done < limit && wheel.records != 0) {
    if (wheel.due == 0 && !fetchDue(wheel, nowTick)) return done;
    done += workOff(partition, wheel, nowMs, limit - done);
  }
  return done;
}

/** Puts the next slot that is due into the due bag, which is empty. False: none is. */
function fetchDue(wheel: Wheel, nowTick: u64): bool {
  if (wheel.tick > nowTick + REWIND_TICKS) {
    wheel.tick = nowTick;
    wheel.rewind = 1;
  }
  while (wheel.rewind) {
    const slot = wheel.rewind;
    wheel.rewind = slot == WHEEL_SLOTS ? 0 : slot + 1;
    if (takeUp(wheel, slot)) return true;
  }
  while (!takeUpCurrent(wheel)) {
    if (wheel.tick >= nowTick) return false;
    if (takeUp(wheel, slotAt(0, wheel.tick))) return true;
    wheel.tick = nextTick(wheel, nowTick);
  }
  return true;
}

/** Takes up a slot of a level above 0 that the wheel has come to. */
function takeUpCurrent(wheel: Wheel): bool {
  for (let level: u32 = 1; level < LEVELS; level++) {
    if (takeUp(wheel, slotAt(level, wheel.tick))) return true;
  }
  return false;
}

function takeUp(wheel: Wheel, slot: u32): bool {
  const head = headOf(wheel, slot);
  if (head == 0) return false;
  setHead(wheel, slot, 0);
  wheel.due = head;
  wheel.dueSlot = slot;
  if (wheel.trimSlot == slot) wheel.trimBlock = 0;
  return true;
}

/** The first tick after the wheel's in which a slot begins that is not empty; `nowTick` when that is earlier. */
function nextTick(wheel: Wheel, nowTick: u64): u64 {
  for (let level: u32 = 0; level < LEVELS; level++) {
    const current = slotAt(level, wheel.tick);
    const end = min<u32>((level + 1) << LEVEL_BITS, WHEEL_SLOTS);
    for (let slot = current + 1; slot <= end; slot++) {
      if (headOf(wheel, slot)) return min<u64>(startOf(wheel, slot), nowTick);
    }
  }
  return nowTick;
}

/** Records whose cache misses overlap. */
const GROUP: u32 = 16;

/** Works on the last records of the first due block, about `limit`; how many. */
function workOff(partition: Partition, wheel: Wheel, nowMs: i64, limit: u32): u32 {
  const due = wheel.due;
  const block = blockAt(due);
  let left = <u32>block.count;
  let done: u32 = 1;
  while (left > 0 && done <= limit) {
    const groupStart = left > GROUP ? left - GROUP : 0;
    touch(partition, due, groupStart, left);
    while (left > groupStart && done <= limit) {
      left -= 1;
      block.count = <u16>left;
      wheel.records -= 1;
      done += workOffRecord(partition, wheel, load<u32>(recordAt(due, left)), nowMs);
    }
  }
  if (left == 0) {
    wheel.due = block.next;
    freeBlock(partition, wheel, due);
  }
  return done;
}

/** What a record of the due bag leads to is removed, or put elsewhere. The work that was, in records. */
function workOffRecord(partition: Partition, wheel: Wheel, record: u32, nowMs: i64): u32 {
  const slot = slotOfLive(partition, record, wheel.dueSlot, ANY_PASS);
  if (slot == 0) return 1;
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (isPinned(partition, address)) {
    // Not to come up again and again while it is.
    place(partition, wheel, record, address, wheel.tick + 1);
    return 1;
  }
  if (!isExpired(address, entry, nowMs)) {
    const work = hasDue(address, nowMs) ? workOffFields(partition, slot, nowMs) : 0;
    // Without a field that expires, an entry may have no expiry, and so no record.
    if (entry.flags & HAS_EXPIRY) place(partition, wheel, record, address, 0);
    return 1 + work;
  }
  const pieces = valueBytesOf(address, entry) / MAX_CHUNK;
  removeEntry(partition, slot, hashOfEntry(address), LOG_EXPIRED);
  return 1 + pieces;
}

/**
 * Puts a record where it belongs by what is due of its entry, but not before a tick. Without memory for a block there,
 * it goes to the slot of the next tick, to come due early: that one takes the spare block if it must. The block that is
 * being worked off has no more records than that has room for, and is the next spare one.
 */
function place(partition: Partition, wheel: Wheel, record: u32, address: Address, leastTick: u64): void {
  let slot = slotFor(wheel, max<u64>(tickOf(dueTimeOf(address)), leastTick));
  if (!hasRoom(wheel, slot)) {
    const block = takeChunk(partition, recordClass());
    if (block != 0) {
      addHead(wheel, slot, block);
    } else {
      slot = slotFor(wheel, wheel.tick + 1);
      if (!hasRoom(wheel, slot)) {
        addHead(wheel, slot, wheel.spare);
        wheel.spare = 0;
      }
    }
  }
  append(wheel, slot, record, address);
}
