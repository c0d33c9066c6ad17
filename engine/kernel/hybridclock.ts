/*
 * Stamps: which of two writes of a key, on two nodes, came last. Only in an arena that belongs to a node; there every
 * entry has one, and it is the entry's version (entry.ts).
 *
 *   stamp   bits 63..22  Unix time in ms
 *           bits 21..10  counter
 *           bits  9..0   the node
 *
 * A hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva, Leone: Logical Physical Clocks, 2014): the next stamp of a
 * partition is above its last one and above all that was seen of others, and near the time of day, which `Header.clock`
 * follows. More than 4,095 writes of one partition in a millisecond carry into the time: it is a little ahead then.
 * No two writes have the same stamp: of one partition they grow, and of several nodes the last bits differ.
 *
 * `Header.clock` only grows, by compare-and-swap, once in a millisecond. The rest is under the partition's lock.
 */
import { entryAt, versionAddress } from './entry';
import { Address, header, Header, NO_STAMPS, STAMPED } from './layout';
import { Partition, partitionAt } from './partition';
import { replyArea } from './threads';

const NODE_BITS: u64 = 10;
const TIME_SHIFT: u64 = 22;
/** As a number of ms, more than any clock tells: later ones would not fit a stamp. */
const MAX_TIME_MS: i64 = ((<i64>1) << 41) - 1;

/** Lets the arena belong to a node. By the host, before the arena is shared. `tombstoneMs`: tombstones.ts. */
export function setNode(node: u32, tombstoneMs: f64, nowMs: f64): void {
  header().stampFlags = STAMPED;
  header().node = node;
  header().tombstoneMs = <u64>tombstoneMs;
  raiseTo(<u64>nowMs << TIME_SHIFT);
}

/** Whether entries have stamps. */
@inline
export function isStamped(): bool {
  return header().stampFlags != NO_STAMPS;
}

/* The stamp of the record that is applied (apply.ts), 0: none is; and that of the last write. Not state. */
let given: u64 = 0;
let last: u64 = 0;

/** From here on the entry at hand gets this stamp, until it is 0 again. */
@inline
export function giveStamp(stamp: u64): void {
  given = stamp;
}

/** Whether what is written came from another node. */
@inline
export function isGiven(): bool {
  return given != 0;
}

@inline
export function givenStamp(): u64 {
  return given;
}

/** The stamp that was handed out last, in an arena that has stamps; else 0. Read right after a write. */
@inline
export function lastStamp(): u64 {
  return isStamped() ? last : 0;
}

/** Under the partition's lock. */
export function nextStamp(partition: Partition): u64 {
  if (given != 0) {
    last = given;
    partition.version = max<u64>(partition.version, given);
    return given;
  }
  const seen = max<u64>(partition.version, atomic.load<u64>(offsetof<Header>('clock')));
  last = (((seen >> NODE_BITS) + 1) << NODE_BITS) | <u64>header().node;
  partition.version = last;
  return last;
}

/** The stamp of an entry in an arena that has them. */
@inline
export function stampAt(address: Address): u64 {
  return load<u64>(versionAddress(address, entryAt(address).flags));
}

/** Gives an entry its next stamp; the one that it had. */
export function restamp(partition: Partition, address: Address): u64 {
  const before = stampAt(address);
  store<u64>(versionAddress(address, entryAt(address).flags), nextStamp(partition));
  return before;
}

/** To be called at the start of whatever may write. */
@inline
export function startClock(nowMs: i64): void {
  if (isStamped()) followTime(nowMs);
}

function followTime(nowMs: i64): void {
  // Of a call that failed half-way.
  given = 0;
  if (nowMs > 0 && nowMs <= MAX_TIME_MS) raiseTo(<u64>nowMs << TIME_SHIFT);
}

/** Lets every stamp from now on be above this one. */
export function raiseTo(stamp: u64): void {
  const at: usize = offsetof<Header>('clock');
  let seen = atomic.load<u64>(at);
  while (seen < stamp) {
    const found = atomic.cmpxchg<u64>(at, seen, stamp);
    if (found == seen) return;
    seen = found;
  }
}

/** `raiseTo` of a stamp that another node has told, by its halves. */
export function raiseClock(high: u32, low: u32): void {
  raiseTo((<u64>high << 32) | <u64>low);
}

/** Writes the highest stamp that the arena has seen or handed out, as u64, to the reply area. */
export function readClock(thread: u32): void {
  let highest = atomic.load<u64>(offsetof<Header>('clock'));
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const version = changetype<usize>(partitionAt(i)) + offsetof<Partition>('version');
    highest = max<u64>(highest, atomic.load<u64>(version));
  }
  store<u64>(replyArea(thread), highest);
}
