/*
 * Hands the change log on: sorts records that `readLog` left in the reply area into lanes, one for each link to another
 * node, by the slots of their keys (keyslots.ts). The lanes are in the request area:
 *
 *   +0    bytes     u32 x 64: of each lane, by its number from `firstLink` on; set to 0 by the host once they are sent
 *   +256  clears    u32: records passed over that say that a partition, or a namespace, was emptied
 *   +260  left out  u32: records in lanes whose value is to be read from the entry
 *   +320  lanes     `links` of equal size, one after the other: whole records as in changelog.ts
 *
 * Not handed on is what came from another node itself, what is in a namespace, and what the node lost by itself
 * (expired, evicted), which the others do in their own time: unless the host asks for it.
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
import { replyArea, requestArea } from './threads';

/** A bit for each in a slot's targets. */
const MAX_LINKS: u32 = 64;
const CLEARS: u32 = 4 * MAX_LINKS;
const LEFT_OUT: u32 = CLEARS + 4;
export const SHIP_HEAD_BYTES: u32 = 320;

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
  const head = requestArea(thread);
  const lanes = head + SHIP_HEAD_BYTES;
  const laneBytes = ((header().areaBytes - SHIP_HEAD_BYTES) / links) & ~7;
  const mask: u64 = links >= MAX_LINKS ? u64.MAX_VALUE : ((1 as u64) << links) - 1;
  const last = reply + end;
  let at = reply + start;
  while (at < last) {
    const word = load<u64>(at);
    const bytes = (<u32>word & 0xffff) << 3;
    const keyBytes = <u32>word >> 16;
    const kind = <u32>(word >> 32) & 0xff;
    const detail = <u32>(word >> 40) & 0xff;
    if (kind == LOG_CLEAR) store<u32>(head, load<u32>(head, CLEARS) + 1, CLEARS);
    else if (isShipped(kind, detail, losses)) {
      const found = (targetsOf(keySlot(recordKey(at, kind, detail), keyBytes)) >> <u64>firstLink) & mask;
      for (let left = found; left != 0; left &= left - 1) {
        const link = <u32>ctz(left);
        if (load<u32>(head + (link << 2)) + bytes > laneBytes) return at - reply;
      }
      for (let left = found; left != 0; left &= left - 1) {
        const link = <u32>ctz(left);
        const used = load<u32>(head + (link << 2));
        copyBytes(lanes + link * laneBytes + used, at, bytes);
        store<u32>(head + (link << 2), used + bytes);
      }
      if (found != 0 && kind == LOG_SET && detail & LOG_VALUE_LEFT_OUT) {
        store<u32>(head, load<u32>(head, LEFT_OUT) + 1, LEFT_OUT);
      }
    }
    at += bytes;
  }
  return end;
}

@inline
function isShipped(kind: u32, detail: u32, losses: u32): bool {
  if (detail & (LOG_REMOTE | LOG_NAMESPACED)) return false;
  return kind != LOG_DELETE || losses != 0 || (detail & 0xf) == LOG_DELETED;
}
