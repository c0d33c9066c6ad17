/*
 * SPOP, SRANDMEMBER, HRANDFIELD: random members or fields. Every item is as likely as any other.
 */
import { isItemDue, memberOf } from '../collections/body';
import { drawItems, isFew, listLive, MAX_VAIN_DRAWS, randomLive } from '../collections/draws';
import { countDue } from '../collections/expiring';
import { nextItem, startItems } from '../collections/items';
import { MAX_MEMBER_BYTES, readMember } from '../collections/member';
import { randomBelow, randomItem, seedRandom } from '../collections/random';
import { countOf } from '../collections/root';
import { findMember, removeItem } from '../collections/table';
import { SREM, tellAs } from '../effects';
import { CHUNK_HASH, CHUNK_SET, entryAt, valueBytesOf } from '../entry';
import { Address, header } from '../layout';
import { integerOf, IS_INTEGER, isNil, isTrue, lastInteger, skipValue, writeArrayHead, writeNil } from '../msgpack';
import { partitionOf, Staged } from '../staging';
import { ERROR_COUNT, writeError } from '../status';
import { entryOf } from '../table';
import { close, closeRead, drop, lastFailure, open, openToRead } from './collection';
import { copyField } from './hash';
import { behindKey, copyName } from './set';

/** Whatever is larger is as good as all there are. */
const MOST: i64 = 0xffff_ffff;

/* The count at hand: how many, whether one may come twice, and whether there is one at all. Not state. */
let wanted: u32 = 1;
let mayRepeat: bool = false;
let hasCount: bool = false;

/** Reads a count, nil for none; a negative one allows the same again. False: it is none. */
function readCount(staged: Staged, mayBeNegative: bool): bool {
  wanted = 1;
  mayRepeat = false;
  hasCount = staged.argCount > 1 && !isNil(behindKey(staged));
  if (!hasCount) return true;
  if (integerOf(behindKey(staged)) != IS_INTEGER) return false;
  const count = lastInteger();
  if (count < 0 && !mayBeNegative) return false;
  mayRepeat = count < 0;
  wanted = <u32>(count < -MOST ? MOST : min<i64>(count < 0 ? -count : count, MOST));
  return true;
}

/** SPOP: up to so many members, fewer where others might not fit a reply. */
export function setPop(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (!readCount(staged, false)) return writeError(out, ERROR_COUNT);
  const slot = open(thread, staged, CHUNK_SET, false, nowMs);
  if (slot == 0) return writeAbsent(out);
  seedRandom(thread, nowMs);
  const partition = partitionOf(staged);
  const count = min<u32>(wanted, countOf(entryOf(slot)));
  if (count > 1 && !mayFit(entryOf(slot), out, limit)) {
    close(thread, staged, slot, false);
    return 0;
  }
  if (hasCount && count == countOf(entryOf(slot))) {
    const end = copyAll(entryOf(slot), out, limit);
    if (end) {
      drop(staged, slot);
      return end;
    }
  }
  // The head is written when it is known how many there are.
  let end = hasCount ? out + HEAD_BYTES : out;
  let done: u32 = 0;
  for (; done < count; done++) {
    // What is removed must have been copied.
    if (done != 0 && limit - end < MAX_MEMBER_BYTES + HEAD_BYTES) break;
    const item = randomItem(entryOf(slot));
    const behind = copyName(item, end, limit);
    if (behind == 0) break;
    end = behind;
    // What was copied is the member at hand.
    readMember(thread, memberOf(item));
    removeItem(partition, slot, findMember(entryOf(slot)));
  }
  if (done) tellAs(SREM, done, hasCount ? out + HEAD_BYTES : out, end);
  close(thread, staged, slot, done != 0);
  if (done < count && done == 0) return 0;
  if (!hasCount) return end;
  const headEnd = writeArrayHead(out, done);
  memory.copy(headEnd, out + HEAD_BYTES, end - out - HEAD_BYTES);
  return headEnd + (end - out - HEAD_BYTES);
}

/** All members as an array; the address behind, or 0: they do not fit. */
function copyAll(address: Address, out: Address, limit: Address): Address {
  if (out + HEAD_BYTES > limit) return 0;
  let end = writeArrayHead(out, countOf(address));
  startItems(address);
  for (let item = nextItem(); item != 0 && end != 0; item = nextItem()) end = copyName(item, end, limit);
  return end;
}

/** Heads of an array and of a member, at the most. */
const HEAD_BYTES: u32 = 5;

/** Whether all members would fit, or there is room for so many that it is no pity about the others. */
function mayFit(address: Address, out: Address, limit: Address): bool {
  const room = limit - out;
  return room >= header().areaBytes >> 1 || valueBytesOf(address, entryAt(address)) + HEAD_BYTES <= room;
}

/** The reply where there is no collection: nil, or with a count an empty array. */
function writeAbsent(out: Address): Address {
  if (lastFailure()) return writeError(out, lastFailure());
  return hasCount ? writeArrayHead(out, 0) : writeNil(out);
}

/** SRANDMEMBER. */
export function setRandom(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return pick(thread, staged, CHUNK_SET, false, out, limit, nowMs);
}

/** HRANDFIELD; with values, an array of field, value, field, value and so on. */
export function hashRandom(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const withValues = staged.argCount > 2 && isTrue(skipValue(behindKey(staged), staged.end));
  return pick(thread, staged, CHUNK_HASH, withValues, out, limit, nowMs);
}

function pick(
  thread: u32,
  staged: Staged,
  kind: u8,
  withValues: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (!readCount(staged, true)) return writeError(out, ERROR_COUNT);
  const address = openToRead(thread, staged, kind, nowMs);
  if (address == 0) return writeAbsent(out);
  seedRandom(thread, nowMs);
  // Fields that have expired are drawn in vain.
  const due = countDue(address, thread, nowMs);
  const size = countOf(address) - due;
  const count = mayRepeat ? wanted : min<u32>(wanted, size);
  // Without a count the reply is one field, whatever else is asked for.
  const inPairs = withValues && hasCount;
  const walks = due / MAX_VAIN_DRAWS >= size;
  let end: Address = 0;
  // Each takes a byte at least.
  if (count <= limit - out) {
    end = hasCount ? writeArrayHead(out, inPairs ? count << 1 : count) : out;
    if (count == 1 || (mayRepeat && !walks)) end = pickAny(address, count, inPairs, end, limit, nowMs);
    else if (mayRepeat) end = pickListed(address, count, size, inPairs, end, limit, nowMs);
    else end = pickDistinct(address, count, size, walks, inPairs, end, limit, nowMs);
  }
  closeRead(staged);
  return end;
}

@inline
function copyItem(item: Address, withValues: bool, out: Address, limit: Address): Address {
  const end = copyName(item, out, limit);
  return end != 0 && withValues ? copyField(item, end, limit) : end;
}

function pickAny(
  address: Address,
  count: u32,
  withValues: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  let end = out;
  for (let i: u32 = 0; i < count && end != 0; i++) end = copyItem(randomLive(address, nowMs), withValues, end, limit);
  return end;
}

/**
 * `pickAny` of few that have not expired among many that have: one walk lists them, where one for each would hold the
 * lock for seconds.
 */
function pickListed(
  address: Address,
  count: u32,
  size: u32,
  withValues: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (<u64>out + (<u64>size << 2) + 4 > <u64>limit) return 0;
  const listed = (limit & ~3) - (size << 2);
  listLive(address, nowMs, listed);
  let end = out;
  for (let i: u32 = 0; i < count && end != 0; i++) {
    end = copyItem(load<u32>(listed + (randomBelow(size) << 2)), withValues, end, listed);
  }
  return end;
}

/**
 * So many different items of `size` that have not expired: drawn where they are few (draws.ts); else, and in any case
 * with `walks`, by a walk over all, which takes each with the chance that the rest of them leaves (Knuth, TAOCP 3.4.2,
 * algorithm S).
 */
function pickDistinct(
  address: Address,
  count: u32,
  size: u32,
  walks: bool,
  withValues: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  let end = out;
  const drawn = (limit & ~3) - (count << 2);
  if (!walks && isFew(count, size) && <u64>out + (<u64>count << 2) + 4 < <u64>limit) {
    drawItems(address, count, nowMs, drawn);
    for (let i: u32 = 0; i < count && end != 0; i++) {
      end = copyItem(load<u32>(drawn + (i << 2)), withValues, end, drawn);
    }
    if (end) return end;
    // Without those that were drawn, all may fit.
    end = out;
  }
  let left = size;
  let needed = count;
  startItems(address);
  for (let item = nextItem(); item != 0 && needed != 0 && end != 0; item = nextItem()) {
    if (isItemDue(item, nowMs)) continue;
    if (randomBelow(left) < needed) {
      end = copyItem(item, withValues, end, limit);
      needed -= 1;
    }
    left -= 1;
  }
  return end;
}
