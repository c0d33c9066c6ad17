/*
 * The wheel: which entries of a partition expire when, so that their memory comes back though nobody reads them. A
 * hierarchical timing wheel (G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987) whose slots
 * are bags of records (records.ts). docs/ARCHITECTURE.md tells why.
 *
 * Time goes in ticks of 512 ms. The wheel has come up to some tick. A record lies on the level of the highest 4 bits in
 * which its entry's tick differs from the wheel's, in the slot that these bits name:
 *
 *   bits of the tick   33 32 | 31 .. 28 | 27 .. 24 | 23 .. 20 | 19 .. 16 | 15 .. 12 | 11 ... 8 | 7 .. 4 | 3 .. 0
 *   level              8     | 7        | 6        | 5        | 4        | 3        | 2        | 1      | 0
 *   a slot lasts       70 y  | 4.4 y    | 99 days  | 6.2 days | 9.3 h    | 35 min   | 131 s    | 8.2 s  | 512 ms
 *
 * A slot of level 0 is due once its tick is over: all that expired by then is removed. A slot of another level is due
 * when the wheel comes to its first tick: its records move to lower levels. What is due goes to the due bag as a whole,
 * and leaves that in steps, so that a million entries that expire at once hold the lock no longer than one.
 *
 * Slots have the numbers level x 16 + those 4 bits + 1. An entry with an expiry tells the slot that its record is in;
 * any other record of it is stale. So an entry may be given a later expiry without a change here: its record comes due
 * early, and is put where it belongs by then. An earlier one takes another record.
 *
 *   Wheel, in a partition: the fields of the class, then at +64 u32 x SLOTS: the first block of each slot's bag. New
 *   records go into the first block, the only one that may have room (but for blocks that were trimmed).
 *
 * This file has the structure, expiry.ts what is done with it. Everything here runs under the partition's lock.
 */
import { touched } from './bytes';
import { entryAt, HAS_EXPIRY, hashOfEntry, setWheelPass, setWheelSlot, wheelPassOf, wheelSlotOf } from './entry';
import { Address } from './layout';
import { classInfo, Partition, WHEEL } from './partition';
import { blockAt, formatBlock, giveBlocks, isBlock, recordAt, RECORDS_PER_BLOCK } from './records';
import { giveChunk, recordClass } from './slab';
import { entryOf, homeBucketIn, isRecordOf, nextOfRecord, Slot } from './table';

@unmanaged
export class Wheel {
  /** All that expired before this tick has been put into the due bag. */
  tick: u64;
  /** Records in the slots and in the due bag, stale ones too. */
  records: u32;
  /** Entries with an expiry. */
  entries: u32;
  /** The first block of the due bag, and the slot that its records come from. */
  due: Address;
  dueSlot: u32;
  /** A block at hand, see `place`. There whenever there are records, but while a block of the due bag is half done. */
  spare: Address;
  /** After the clock was set back: the next slot to be put into the due bag, whatever its time. 0: none. */
  rewind: u32;
  /** Trimming: the slot it is at, the last block of it that was looked through (0: none), the number of the pass. */
  trimSlot: u32;
  trimBlock: Address;
  pass: u32;
}

const TICK_SHIFT: i64 = 9;
export const TICK_MS: i64 = 1 << TICK_SHIFT;
/** The year 2248; an entry lives a hundred years at most. */
const MAX_TICK: u64 = (1 << 34) - 1;

const LEVEL_SHIFT: u32 = 2;
export const LEVEL_BITS: u32 = 1 << LEVEL_SHIFT;
const LEVEL_SLOTS: u32 = 1 << LEVEL_BITS;
const LEVEL_MASK: u32 = LEVEL_SLOTS - 1;
export const LEVELS: u32 = 9;
/** The last level has two bits. */
export const WHEEL_SLOTS: u32 = (LEVELS - 1) * LEVEL_SLOTS + 4;
const HEADS: u32 = 64;

@inline
export function wheelOf(partition: Partition): Wheel {
  return changetype<Wheel>(changetype<u32>(partition) + WHEEL);
}

@inline
export function tickOf(timeMs: i64): u64 {
  return timeMs < 0 ? 0 : min<u64>(<u64>(timeMs >> TICK_SHIFT), MAX_TICK);
}

@inline
function headAddress(wheel: Wheel, slot: u32): Address {
  return changetype<u32>(wheel) + HEADS - 4 + (slot << 2);
}

@inline
export function headOf(wheel: Wheel, slot: u32): Address {
  return load<u32>(headAddress(wheel, slot));
}

@inline
export function setHead(wheel: Wheel, slot: u32, block: Address): void {
  store<u32>(headAddress(wheel, slot), block);
}

/** The slot for what expires in `tick`. What should have expired goes to the slot that is due next. */
export function slotFor(wheel: Wheel, tick: u64): u32 {
  const later = max<u64>(tick, wheel.tick);
  const differing = later ^ wheel.tick;
  const level: u32 = differing ? (63 - <u32>clz(differing)) >> LEVEL_SHIFT : 0;
  return slotAt(level, later);
}

@inline
export function slotAt(level: u32, tick: u64): u32 {
  return (level << LEVEL_BITS) + (<u32>(tick >> (level << LEVEL_SHIFT)) & LEVEL_MASK) + 1;
}

/** The first tick of a slot. */
@inline
export function startOf(wheel: Wheel, slot: u32): u64 {
  const shift = ((slot - 1) >> LEVEL_BITS) << LEVEL_SHIFT;
  const above = shift + LEVEL_BITS;
  return ((wheel.tick >> above) << above) | (<u64>((slot - 1) & LEVEL_MASK) << shift);
}

@inline
export function hasRoom(wheel: Wheel, slot: u32): bool {
  const head = headOf(wheel, slot);
  return head != 0 && <u32>blockAt(head).count < RECORDS_PER_BLOCK;
}

export function addHead(wheel: Wheel, slot: u32, block: Address): void {
  formatBlock(block, headOf(wheel, slot));
  setHead(wheel, slot, block);
}

/** Puts a record into a slot that has room. */
@inline
export function append(wheel: Wheel, slot: u32, record: u32, address: Address): void {
  const head = headOf(wheel, slot);
  const block = blockAt(head);
  store<u32>(recordAt(head, block.count), record);
  block.count += 1;
  wheel.records += 1;
  setWheelSlot(address, slot);
  setWheelPass(address, 0);
}

/** Loads what the records lead to: the misses overlap in loops that do nothing else. */
export function touch(partition: Partition, block: Address, start: u32, end: u32): void {
  let sum: u32 = 0;
  for (let i = start; i < end; i++) sum += load<u32>(homeBucketIn(partition, load<u32>(recordAt(block, i))));
  for (let i = start; i < end; i++) {
    const slot = nextOfRecord(partition, load<u32>(recordAt(block, i)), 0);
    if (slot) sum += load<u32>(entryOf(slot));
  }
  touched(sum);
}

export const ANY_PASS: u32 = 256;

/**
 * The slot of the entry that a record of the wheel's slot `wheelSlot` leads to; 0: the record is stale. An entry whose
 * pass is `pass` is passed over.
 */
export function slotOfLive(partition: Partition, record: u32, wheelSlot: u32, pass: u32): Slot {
  let slot = nextOfRecord(partition, record, 0);
  for (; slot != 0; slot = nextOfRecord(partition, record, slot)) {
    const address = entryOf(slot);
    if (!(entryAt(address).flags & HAS_EXPIRY) || wheelSlotOf(address) != wheelSlot) continue;
    // Keys may have all that a record keeps of a hash in common; then each one's record counts for one of them.
    if (wheelPassOf(address) != pass && isRecordOf(record, hashOfEntry(address))) return slot;
  }
  return 0;
}

export function freeBlock(partition: Partition, wheel: Wheel, block: Address): void {
  if (wheel.spare) {
    giveChunk(partition, block);
  } else {
    formatBlock(block, 0);
    wheel.spare = block;
  }
}

/** Whether a wheel without records has blocks. */
@inline
export function isWheelIdle(partition: Partition): bool {
  const wheel = wheelOf(partition);
  return wheel.records == 0 && wheel.spare != 0;
}

/** The last entry has gone: what records there are, are stale. But for a due bag that is being worked off. */
@inline
export function dropWheel(partition: Partition): void {
  const wheel = wheelOf(partition);
  if (wheel.spare == 0 || wheel.due != 0) return;
  wheel.records = 0;
  releaseWheel(partition);
}

/** Frees the blocks of an idle wheel. */
export function releaseWheel(partition: Partition): void {
  const wheel = wheelOf(partition);
  giveChunk(partition, wheel.spare);
  wheel.spare = 0;
  wheel.trimBlock = 0;
  giveBlocks(partition, wheel.due);
  wheel.due = 0;
  for (let slot: u32 = 1; slot <= WHEEL_SLOTS; slot++) {
    giveBlocks(partition, headOf(wheel, slot));
    setHead(wheel, slot, 0);
  }
}

/* -- Stale records, trimmed as those of the queues are (records.ts) -- */

/** Records may outnumber entries by as many again and this. */
const TRIM_SLACK: u32 = 2 * RECORDS_PER_BLOCK;
const BLOCKS_PER_STEP: u32 = 2;
const PASSES: u32 = 255;
/** Records that a step looks at, at the most. */
export const TRIM_STEP_RECORDS: u32 = BLOCKS_PER_STEP * RECORDS_PER_BLOCK;

@inline
export function isWheelTrimDue(partition: Partition): bool {
  const wheel = wheelOf(partition);
  return wheel.records > 2 * wheel.entries + TRIM_SLACK;
}

/** Looks through a block or two: stale records go, and blocks that fit into one are joined. */
export function trimWheel(partition: Partition): void {
  const wheel = wheelOf(partition);
  for (let i: u32 = 0; i < BLOCKS_PER_STEP; i++) {
    const seen = wheel.trimBlock;
    let block = seen ? blockAt(seen).next : 0;
    if (block == 0) {
      block = nextTrimSlot(wheel);
      if (block == 0) return;
      filterBlock(partition, wheel, block);
      wheel.trimBlock = block;
      if (blockAt(block).count == 0 && blockAt(block).next == 0) {
        setHead(wheel, wheel.trimSlot, 0);
        wheel.trimBlock = 0;
        freeBlock(partition, wheel, block);
      }
    } else {
      filterBlock(partition, wheel, block);
      wheel.trimBlock = block;
      joinBlocks(partition, wheel, seen, block);
    }
  }
}

/** Goes on to the next slot that is not empty; its first block. 0: all are. */
function nextTrimSlot(wheel: Wheel): Address {
  for (let i: u32 = 0; i < WHEEL_SLOTS; i++) {
    wheel.trimSlot = wheel.trimSlot % WHEEL_SLOTS + 1;
    if (wheel.trimSlot == 1) wheel.pass = passAfter(wheel.pass);
    const head = headOf(wheel, wheel.trimSlot);
    if (head) return head;
  }
  return 0;
}

/**
 * Every entry whose record was met has the number of the pass, so that a second record of it is dropped. (An entry that
 * loses its expiry and gets one again has two, and both are as good.)
 */
@inline
function passAfter(pass: u32): u32 {
  return pass % PASSES + 1;
}

function filterBlock(partition: Partition, wheel: Wheel, address: Address): void {
  const block = blockAt(address);
  const count = <u32>block.count;
  let kept: u32 = 0;
  touch(partition, address, 0, count);
  for (let i: u32 = 0; i < count; i++) {
    const record = load<u32>(recordAt(address, i));
    const slot = slotOfLive(partition, record, wheel.trimSlot, wheel.pass);
    if (slot == 0) continue;
    setWheelPass(entryOf(slot), wheel.pass);
    store<u32>(recordAt(address, kept), record);
    kept += 1;
  }
  block.count = <u16>kept;
  wheel.records -= count - kept;
}

/** Appends a block's records to those of the one before it, where they fit. */
function joinBlocks(partition: Partition, wheel: Wheel, seen: Address, address: Address): void {
  const block = blockAt(address);
  const before = blockAt(seen);
  const kept = <u32>before.count;
  const more = <u32>block.count;
  if (kept + more > RECORDS_PER_BLOCK) return;
  memory.copy(recordAt(seen, kept), recordAt(address, 0), more << 2);
  before.count = <u16>(kept + more);
  before.next = block.next;
  wheel.trimBlock = seen;
  freeBlock(partition, wheel, address);
}

/* -- For the integrity check -- */

/** Blocks, and entries that have a record where they say, as the last `walkWheel` met them. Not state. */
export let wheelBlocks: u32 = 0;
export let wheelEntries: u32 = 0;

/**
 * Walks the wheel; the check then reads `wheelBlocks` and `wheelEntries`. False: it is broken. As with the queues,
 * nothing is followed that is no block, and no walk is longer than there are blocks.
 */
export function walkWheel(partition: Partition): bool {
  const wheel = wheelOf(partition);
  wheelBlocks = 0;
  wheelEntries = 0;
  if (wheel.spare) {
    if (!isBlock(partition, wheel.spare)) return false;
    wheelBlocks = 1;
  }
  // A pass of its own. Trimming goes on in the one after it, whose number no entry has; that is written first, because
  // who dies in here leaves no trace.
  const pass = passAfter(wheel.pass);
  wheel.pass = passAfter(pass);
  let records = walkBag(partition, pass, wheel.due, wheel.dueSlot);
  for (let slot: u32 = 1; slot <= WHEEL_SLOTS; slot++) records += walkBag(partition, pass, headOf(wheel, slot), slot);
  return records == wheel.records;
}

/** The records in a bag; so many that no wheel has them when it is broken. */
function walkBag(partition: Partition, pass: u32, first: Address, wheelSlot: u32): u64 {
  const most = classInfo(partition, recordClass()).chunksUsed;
  let records: u64 = 0;
  for (let address = first; address; address = blockAt(address).next) {
    const block = blockAt(address);
    if (wheelBlocks == most || !isBlock(partition, address)) return WALK_BROKEN;
    const count = <u32>block.count;
    if (count > RECORDS_PER_BLOCK) return WALK_BROKEN;
    wheelBlocks += 1;
    records += count;
    for (let i: u32 = 0; i < count; i++) {
      const slot = slotOfLive(partition, load<u32>(recordAt(address, i)), wheelSlot, pass);
      if (slot == 0) continue;
      setWheelPass(entryOf(slot), pass);
      wheelEntries += 1;
    }
  }
  return records;
}

const WALK_BROKEN: u64 = 0x1_0000_0000;
