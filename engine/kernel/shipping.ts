/*
 * Hands the change log on: sorts its records into lanes, one for each link to another node, by the slots of their keys
 * (keyslots.ts). The lanes are in the request area:
 *
 *   +0    bytes      u32 x 64: of each lane, by its number from `firstLink` on; set to 0 by the host once they are sent
 *   +256  clears     u32: records passed over that say that a partition, or a namespace, was emptied
 *   +260  left out   u32: records in lanes whose value is to be read from the entry
 *   +320  positions  16 bytes x 256: of each partition, as `attachLog` writes them; then u32 1: records were lost
 *         limits     f64 x 256: of each partition, the number of the first record that is not to be read
 *         lanes      `links` of equal size, one after the other: whole records as in changelog.ts
 *
 * Not handed on is what came from another node itself, what is in a namespace, and what the node lost by itself
 * (expired, evicted), which the others do in their own time: unless the host asks for it.
 *
 * Records that follow each other and are for the same links are copied in one piece: with as many nodes as copies that
 * is all that was read. Then all slots have the same targets, as the host can tell, and no key is looked at.
 */
import { copyBytes } from './bytes';
import {
  GRANULE_BYTES,
  hasBase,
  LOG_CLEAR,
  LOG_DELETE,
  LOG_DELETED,
  LOG_HAS_TIME,
  LOG_NAMESPACED,
  LOG_REMOTE,
  LOG_SET,
  LOG_STAMPED,
  LOG_VALUE_LEFT_OUT,
  RECORD_HEAD_BYTES,
} from './changelog';
import { keySlot, targetsOf } from './keyslots';
import { Address, header } from './layout';
import { POSITION_BYTES, readLog } from './logreaders';
import { replyArea, requestArea } from './threads';

/** A bit for each in a slot's targets. */
const MAX_LINKS: u32 = 64;
const CLEARS: u32 = 4 * MAX_LINKS;
const LEFT_OUT: u32 = CLEARS + 4;
/** Where the tables by partition are, each of so many. */
export const SHIP_POSITIONS: u32 = 320;
const MAX_PARTITIONS: u32 = 256;
export const SHIP_LIMITS: u32 = SHIP_POSITIONS + MAX_PARTITIONS * POSITION_BYTES;
export const SHIP_HEAD_BYTES: u32 = SHIP_LIMITS + MAX_PARTITIONS * 8;
/** Of a lane: as much as goes in one message. */
export const MAX_LANE_BYTES: u32 = 131072;
const LOST: u32 = 12;

/** Where the key of a record of this kind and detail begins. */
@inline
export function recordKey(record: Address, kind: u32, detail: u32): Address {
  const isStamped = detail & LOG_STAMPED;
  const stamps = isStamped != 0 && hasBase(kind) ? isStamped : isStamped >> 1;
  return record + RECORD_HEAD_BYTES + ((detail & LOG_HAS_TIME) >> 4) + stamps;
}

/** Lanes that there is room for, each for what `readLog` copies at a time. */
export function shippingLanes(): u32 {
  return min<u32>(MAX_LINKS, (header().areaBytes - SHIP_HEAD_BYTES) / GRANULE_BYTES);
}

/**
 * Appends the records from offset `start` to `end` of the reply area to the lanes of `links` links, from number
 * `firstLink` on: no more than `shippingLanes()`. `losses` 1: also what expired or was evicted. The offset that it came
 * to: before `end` when a lane is full; then they are to be sent, and the call repeated from there.
 */
export function shipLog(
  thread: u32,
  start: u32,
  end: u32,
  firstLink: u32,
  links: u32,
  losses: u32,
): u32 {
  const reply = replyArea(thread);
  return sort(thread, reply + start, reply + end, u32.MAX_VALUE, firstLink, links, losses, 0) - reply;
}

/**
 * `shipLog` of all partitions' records that are new since the positions in the request area, which it moves on, from
 * partition `from` on. `limited` 1: as far as the limits there. `uniform` 1: all slots have the same targets. The
 * partition in which a lane was full; or how many partitions there are: that was all.
 */
export function shipNews(
  thread: u32,
  from: u32,
  firstLink: u32,
  links: u32,
  losses: u32,
  limited: u32,
  uniform: u32,
): u32 {
  const count = header().partitionCount;
  const head = requestArea(thread);
  for (let i: u32 = 0; i < count; i++) {
    const index = (from + i) & (count - 1);
    const limit = limited ? load<f64>(head + (index << 3), SHIP_LIMITS) : Infinity;
    if (!shipPartition(thread, index, firstLink, links, losses, limit, uniform)) return index;
  }
  return count;
}

/** False: a lane was full. */
function shipPartition(
  thread: u32,
  index: u32,
  firstLink: u32,
  links: u32,
  losses: u32,
  limit: f64,
  uniform: u32,
): bool {
  const position = requestArea(thread) + SHIP_POSITIONS + index * POSITION_BYTES;
  const reply = replyArea(thread);
  const records = reply + POSITION_BYTES;
  do {
    const number = load<f64>(position);
    if (number >= limit) return true;
    const length = readLog(thread, index, load<u32>(position, 8), number);
    if (length == 0) return true;
    if (length < 0) {
      // What is there now may be beyond the limit; whoever lost records gets all by another way.
      store<f64>(position, load<f64>(reply));
      store<u32>(position, load<u32>(reply, 8), 8);
      store<u32>(position, 1, LOST);
      return true;
    }
    const end = records + length;
    const most = <u32>min<f64>(limit - number, <f64>u32.MAX_VALUE);
    const reached = sort(thread, records, end, most, firstLink, links, losses, uniform);
    store<f64>(position, number + <f64>sortedRecords);
    store<u32>(position, load<u32>(reply, 8) - (end - reached), 8);
    if (reached != end) return sortedRecords == most;
  } while (true);
}

/** Records that `sort` has passed; read right after it. Not state. */
let sortedRecords: u32 = 0;

/** Appends records to the lanes, `most` of them; where it came to, before `end` also when a lane is full. */
function sort(
  thread: u32,
  start: Address,
  end: Address,
  most: u32,
  firstLink: u32,
  links: u32,
  losses: u32,
  uniform: u32,
): Address {
  const head = requestArea(thread);
  const laneBytes = min<u32>((header().areaBytes - SHIP_HEAD_BYTES) / links, MAX_LANE_BYTES) & ~7;
  const mask: u64 = links >= MAX_LINKS ? u64.MAX_VALUE : ((1 as u64) << links) - 1;
  const ofAll = (targetsOf(0) >> <u64>firstLink) & mask;
  let at = start;
  let passed: u32 = 0;
  // What stands from `run` on is for the links of `runLinks`, whose lanes have room for so much.
  let run = start;
  let runLinks: u64 = 0;
  let room: u32 = 0;
  while (at < end && passed < most) {
    const word = load<u64>(at);
    const bytes = (<u32>word & 0xffff) << 3;
    const kind = <u32>(word >> 32) & 0xff;
    const detail = <u32>(word >> 40) & 0xff;
    let found: u64 = 0;
    if (kind == LOG_CLEAR) {
      store<u32>(head, load<u32>(head, CLEARS) + 1, CLEARS);
    } else if (isShipped(kind, detail, losses)) {
      found = uniform
        ? ofAll
        : (targetsOf(keySlot(recordKey(at, kind, detail), <u32>word >> 16)) >> <u64>firstLink) & mask;
    }
    if (found != runLinks) {
      append(head, laneBytes, run, at, runLinks);
      run = at;
      runLinks = found;
      room = roomFor(head, laneBytes, found);
    }
    if (found != 0) {
      if (at + bytes - run > room) break;
      if (kind == LOG_SET && detail & LOG_VALUE_LEFT_OUT) store<u32>(head, load<u32>(head, LEFT_OUT) + 1, LEFT_OUT);
    }
    at += bytes;
    passed += 1;
  }
  append(head, laneBytes, run, at, runLinks);
  sortedRecords = passed;
  return at;
}

/** Bytes that each of these links' lanes has room for. */
function roomFor(head: Address, laneBytes: u32, links: u64): u32 {
  let used: u32 = 0;
  for (let left = links; left != 0; left &= left - 1) used = max<u32>(used, load<u32>(head + (<u32>ctz(left) << 2)));
  return laneBytes - used;
}

/** Appends what stands from `start` to `end` to the lanes of some links. */
function append(head: Address, laneBytes: u32, start: Address, end: Address, links: u64): void {
  const bytes = end - start;
  if (bytes == 0) return;
  for (let left = links; left != 0; left &= left - 1) {
    const link = <u32>ctz(left);
    const used = load<u32>(head + (link << 2));
    copyBytes(head + SHIP_HEAD_BYTES + link * laneBytes + used, start, bytes);
    store<u32>(head + (link << 2), used + bytes);
  }
}

@inline
function isShipped(kind: u32, detail: u32, losses: u32): bool {
  if (detail & (LOG_REMOTE | LOG_NAMESPACED)) return false;
  return kind != LOG_DELETE || losses != 0 || (detail & 0xf) == LOG_DELETED;
}
