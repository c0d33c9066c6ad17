/* Sorted sets by their order: ZRANGE, ZCOUNT, ZLEXCOUNT, ZRANK, ZREVRANK, ZPOPMIN, ZPOPMAX, ZRANDMEMBER, ZSCAN. */
import { copyBytes } from '../bytes';
import { readMember, skipMember } from '../collections/member';
import {
  AT_MEMBER,
  BEFORE_SCORE,
  BEHIND_MEMBER,
  BEHIND_SCORE,
  findScore,
  lastScore,
  memberOfItem,
  placeOfBound,
  scoreOfItem,
} from '../collections/order';
import { drawPlaces, isFew } from '../collections/draws';
import { randomBelow, seedRandom } from '../collections/random';
import { countOf, isRooted } from '../collections/root';
import {
  BACKWARDS_BYTES,
  itemOf,
  removeItems,
  startAt,
  startBackwards,
  takeBackwards,
  takeNext,
} from '../collections/sequence';
import { findMember, removeItem } from '../collections/table';
import { CHUNK_ZSET } from '../entry';
import { Address } from '../layout';
import {
  bytesOf,
  integerOf,
  IS_INTEGER,
  isNil,
  isTrue,
  lastInteger,
  skipValue,
  writeArrayHead,
  writeInteger,
  writeNil,
} from '../msgpack';
import { partitionOf, Staged } from '../staging';
import { ERROR_COUNT, ERROR_MEMBER, ERROR_ZRANGE, writeError } from '../status';
import { entryOf } from '../table';
import { close, closeRead, drop, lastFailure, open, openToRead } from './collection';
import { clampRange, rangeCount, readRange } from './list';
import { behindKey, writeNothing } from './set';
import { scoreAt, writeScore } from './sorted';

const BY_SCORE: u32 = 1;
const BY_LEX: u32 = 2;
const REVERSE: u32 = 4;
const WITH_SCORES: u32 = 8;
const WITHOUT_START: u32 = 16;
const WITHOUT_STOP: u32 = 32;
const RANGE_ALL: i64 = 63;

/* A range at hand: the place of its first item in the order, and how many. Not state. */
let first: u32 = 0;
let items: u32 = 0;

/** The place of one end of a range. `isLow`: the end where it begins in the order. */
function placeOfEnd(address: Address, at: Address, by: u32, isLow: bool, isOut: bool, thread: u32): u32 {
  const count = countOf(address);
  if (isNil(at) || count == 0) return isLow ? 0 : count;
  if (by & BY_LEX) {
    readMember(thread, at);
    // All members have one score, or the question makes no sense (as in Redis).
    const score = scoreOfItem(itemOf(address, 0, thread));
    return placeOfBound(address, score, isLow == isOut ? BEHIND_MEMBER : AT_MEMBER, thread);
  }
  return placeOfBound(address, scoreAt(at), isLow == isOut ? BEHIND_SCORE : BEFORE_SCORE, thread);
}

/** Whether a bound is what the flags say. */
function isBound(thread: u32, at: Address, by: u32): bool {
  if (isNil(at)) return true;
  if (by & BY_LEX) return bytesOf(at) != 0 && readMember(thread, at) != 0;
  return !isNaN(scoreAt(at));
}

/** Sets `first` and `items` to a range by score or bytes; `low` and `high` are its ends in the order. */
function findRange(address: Address, low: Address, high: Address, asked: u32, thread: u32): void {
  const isReverse = (asked & REVERSE) != 0;
  const lowOut = (asked & (isReverse ? WITHOUT_STOP : WITHOUT_START)) != 0;
  const highOut = (asked & (isReverse ? WITHOUT_START : WITHOUT_STOP)) != 0;
  first = placeOfEnd(address, low, asked, true, lowOut, thread);
  const end = placeOfEnd(address, high, asked, false, highOut, thread);
  items = end > first ? end - first : 0;
}

/* What a range is asked for by: flags, bounds, how many of its items are skipped and taken. Not state. */
let flags: u32 = 0;
let startBound: Address = 0;
let stopBound: Address = 0;
let offset: i64 = 0;
let most: i64 = 0;

/** Reads the arguments of ZRANGE from its first bound on, `count` of them; what is wrong with one, or 0. */
export function readRangeArguments(thread: u32, start: Address, count: u32, end: Address): u32 {
  flags = 0;
  offset = 0;
  most = -1;
  startBound = start;
  stopBound = skipValue(start, end);
  let at = skipValue(stopBound, end);
  for (let i: u32 = 2; i < count; i++) {
    if (!isNil(at)) {
      if (integerOf(at) != IS_INTEGER) return i == 2 ? ERROR_ZRANGE : ERROR_COUNT;
      const value = lastInteger();
      if (i == 2 && (value & ~RANGE_ALL) != 0) return ERROR_ZRANGE;
      if (i == 2) flags = <u32>value;
      else if (i == 3) offset = value;
      else most = value;
    }
    at = skipValue(at, end);
  }
  const by = flags & (BY_SCORE | BY_LEX);
  if (by == (BY_SCORE | BY_LEX)) return ERROR_ZRANGE;
  if (by) return isBound(thread, startBound, flags) && isBound(thread, stopBound, flags) ? 0 : ERROR_ZRANGE;
  const isRight = readRange(startBound, end) != 0 && (flags & ~(REVERSE | WITH_SCORES)) == 0;
  return isRight ? 0 : ERROR_ZRANGE;
}

/** Sets `first` and `items` to the range that was read, in a sorted set. */
export function findRangeRead(address: Address, thread: u32): void {
  const isReverse = (flags & REVERSE) != 0;
  const count = countOf(address);
  if ((flags & (BY_SCORE | BY_LEX)) == 0) {
    first = clampRange(count);
    items = rangeCount();
    if (isReverse) first = count - first - items;
  } else if (isReverse) {
    findRange(address, stopBound, startBound, flags, thread);
  } else {
    findRange(address, startBound, stopBound, flags, thread);
  }
  // As in Redis: a count below 0 is all, but an offset below 0 is nothing.
  if (offset < 0) items = 0;
  const rangeEnd = first + items;
  const skipped = <u32>min<i64>(max<i64>(offset, 0), items);
  items -= skipped;
  if (most >= 0) items = <u32>min<i64>(most, items);
  first = isReverse ? rangeEnd - skipped - items : first + skipped;
}

@inline
export function firstOfRange(): u32 {
  return first;
}

@inline
export function itemsOfRange(): u32 {
  return items;
}

/**
 * ZRANGE from one bound to another: indexes, or with BYSCORE scores, or with BYLEX members; with REV from the end, and
 * then the first bound is the higher one. `offset` and `count` of those are skipped and taken.
 */
export function sortedRange(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const status = readRangeArguments(thread, behindKey(staged), staged.argCount - 1, staged.end);
  if (status) return writeError(out, status);
  const address = openToRead(thread, staged, CHUNK_ZSET, nowMs);
  if (address == 0) return lastFailure() ? writeError(out, lastFailure()) : writeArrayHead(out, 0);
  findRangeRead(address, thread);
  const end = copyRange(address, (flags & REVERSE) != 0, (flags & WITH_SCORES) != 0, out, limit, thread);
  closeRead(staged);
  return end;
}

/** Copies the range at hand as an array, with scores as member, score, member and so on; the address behind, or 0. */
function copyRange(
  address: Address,
  isReverse: bool,
  withScores: bool,
  out: Address,
  limit: Address,
  thread: u32,
): Address {
  const last = limit - BACKWARDS_BYTES;
  if (out + 8 > last) return 0;
  let end = writeArrayHead(out, withScores ? items << 1 : items);
  if (items == 0) return end;
  if (isReverse) startBackwards(address, first + items, last, thread);
  else startAt(address, first, thread);
  for (let i: u32 = 0; i < items && end != 0; i++) {
    end = copyItem(isReverse ? takeBackwards() : takeNext(), withScores, end, last);
  }
  return end;
}

function copyItem(item: Address, withScore: bool, out: Address, limit: Address): Address {
  const member = memberOfItem(item);
  const bytes = skipMember(member) - member;
  if (out + bytes + 9 > limit) return 0;
  copyBytes(out, member, bytes);
  return withScore ? writeScore(out + bytes, scoreOfItem(item)) : out + bytes;
}

/** ZCOUNT: flags as of ZRANGE exclude the bounds. */
export function sortedCount(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return countRange(thread, staged, BY_SCORE, out, nowMs);
}

/** ZLEXCOUNT. */
export function sortedLexCount(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return countRange(thread, staged, BY_LEX, out, nowMs);
}

function countRange(thread: u32, staged: Staged, by: u32, out: Address, nowMs: i64): Address {
  const low = behindKey(staged);
  const high = skipValue(low, staged.end);
  let wanted = by;
  if (staged.argCount > 3) {
    const at = skipValue(high, staged.end);
    if (!isNil(at)) {
      const isFlags = integerOf(at) == IS_INTEGER && (lastInteger() & ~<i64>(WITHOUT_START | WITHOUT_STOP)) == 0;
      if (!isFlags) return writeError(out, ERROR_ZRANGE);
      wanted |= <u32>lastInteger();
    }
  }
  if (!isBound(thread, low, wanted) || !isBound(thread, high, wanted)) return writeError(out, ERROR_ZRANGE);
  const address = openToRead(thread, staged, CHUNK_ZSET, nowMs);
  if (address == 0) return writeNothing(out);
  findRange(address, low, high, wanted, thread);
  closeRead(staged);
  return writeInteger(out, items);
}

/** ZRANK. */
export function sortedRank(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return rank(thread, staged, false, out, nowMs);
}

/** ZREVRANK. */
export function sortedReverseRank(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return rank(thread, staged, true, out, nowMs);
}

function rank(thread: u32, staged: Staged, isReverse: bool, out: Address, nowMs: i64): Address {
  if (!readMember(thread, behindKey(staged))) return writeError(out, ERROR_MEMBER);
  const address = openToRead(thread, staged, CHUNK_ZSET, nowMs);
  if (address == 0) return lastFailure() ? writeError(out, lastFailure()) : writeNil(out);
  let end: Address;
  if (findScore(address)) {
    const place = placeOfBound(address, lastScore(), AT_MEMBER, thread);
    end = writeInteger(out, isReverse ? countOf(address) - 1 - place : place);
  } else {
    end = writeNil(out);
  }
  closeRead(staged);
  return end;
}

/** ZPOPMIN: [member, score, ...] of the lowest one, or of up to so many. */
export function sortedPopLowest(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return pop(thread, staged, false, out, limit, nowMs);
}

/** ZPOPMAX. */
export function sortedPopHighest(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return pop(thread, staged, true, out, limit, nowMs);
}

function pop(thread: u32, staged: Staged, isHighest: bool, out: Address, limit: Address, nowMs: i64): Address {
  let most: u32 = 1;
  const at = behindKey(staged);
  if (staged.argCount > 1 && !isNil(at)) {
    if (integerOf(at) != IS_INTEGER || lastInteger() < 0) return writeError(out, ERROR_COUNT);
    most = <u32>min<i64>(lastInteger(), u32.MAX_VALUE);
  }
  const slot = open(thread, staged, CHUNK_ZSET, false, nowMs);
  if (slot == 0) return lastFailure() ? writeError(out, lastFailure()) : writeArrayHead(out, 0);
  const address = entryOf(slot);
  const count = countOf(address);
  items = min<u32>(most, count);
  first = isHighest ? count - items : 0;
  const end = copyRange(address, isHighest, true, out, limit, thread);
  if (end != 0 && items == count) {
    drop(staged, slot);
    return end;
  }
  const partition = partitionOf(staged);
  if (end != 0 && items != 0) {
    if (isRooted(address)) {
      startAt(address, first, thread);
      for (let i: u32 = 0; i < items; i++) {
        readMember(thread, memberOfItem(takeNext()));
        removeItem(partition, slot, findMember(entryOf(slot)));
      }
    }
    removeItems(partition, slot, first, items, thread);
  }
  close(thread, staged, slot, end != 0 && items != 0);
  return end;
}

/**
 * ZRANDMEMBER: a member, or nil; with a count an array of so many different ones, below 0 of any; with scores for true.
 */
export function sortedRandom(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = behindKey(staged);
  const hasCount = staged.argCount > 1 && !isNil(at);
  let wanted: i64 = 1;
  if (hasCount) {
    if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_COUNT);
    // The least one has no positive counterpart.
    wanted = max<i64>(lastInteger(), -i64.MAX_VALUE);
  }
  // Without a count the reply is one member, whatever else is asked for.
  const withScores = hasCount && staged.argCount > 2 && isTrue(skipValue(at, staged.end));
  const address = openToRead(thread, staged, CHUNK_ZSET, nowMs);
  if (address == 0) {
    if (lastFailure()) return writeError(out, lastFailure());
    return hasCount ? writeArrayHead(out, 0) : writeNil(out);
  }
  seedRandom(thread, nowMs);
  const size = countOf(address);
  const mayRepeat = wanted < 0;
  const all = mayRepeat ? -wanted : min<i64>(wanted, size);
  let end: Address = 0;
  if (all <= <i64>(limit - out)) {
    end = hasCount ? writeArrayHead(out, <u32>(withScores ? all << 1 : all)) : out;
    if (mayRepeat || !hasCount) {
      for (let i: i64 = 0; i < all && end != 0; i++) {
        end = copyItem(itemOf(address, randomBelow(size), thread), withScores, end, limit);
      }
    } else {
      end = copySome(address, <u32>all, size, withScores, end, limit, thread);
    }
  }
  closeRead(staged);
  return end;
}

/** So many different items, in their order: drawn, or where they are many by a walk (as `pickDistinct` in picks.ts). */
function copySome(
  address: Address,
  count: u32,
  size: u32,
  withScores: bool,
  out: Address,
  limit: Address,
  thread: u32,
): Address {
  let end = out;
  if (isFew(count, size) && <u64>out + (<u64>count << 2) + 4 < <u64>limit) {
    const drawn = (limit & ~3) - (count << 2);
    drawPlaces(size, count, drawn);
    for (let i: u32 = 0; i < count && end != 0; i++) {
      end = copyItem(itemOf(address, load<u32>(drawn + (i << 2)), thread), withScores, end, drawn);
    }
    if (end) return end;
    // Without those that were drawn, all may fit.
    end = out;
  }
  let needed = count;
  if (needed) startAt(address, 0, thread);
  for (let left = size; needed != 0 && end != 0; left--) {
    const item = takeNext();
    if (randomBelow(left) >= needed) continue;
    end = copyItem(item, withScores, end, limit);
    needed -= 1;
  }
  return end;
}
