/* Commands on lists that name an element by its place or its value: LSET, LINSERT, LREM, LPOS, LMOVE. */
import { equalBytes } from '../bytes';
import { countOf, isRooted } from '../collections/root';
import { removeItems, startAt, startBefore, takeNext, takePrevious } from '../collections/sequence';
import { isElement, removeEqual } from '../collections/tree-filter';
import { LPOP, LPUSH, RPOP, RPUSH, tellAs } from '../effects';
import { CHUNK_LIST, entryAt, lengthOf } from '../entry';
import { Address, header } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import {
  bytesOf,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  lastLength,
  skipValue,
  writeArrayHead,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { Partition } from '../partition';
import { findLive } from '../read';
import { keyOf, lastKeyWord, otherStaged, partitionOf, Staged, stageKey } from '../staging';
import {
  ERROR_INDEX,
  ERROR_KEY,
  ERROR_LPOS,
  ERROR_OUT_OF_MEMORY,
  ERROR_SIDE,
  ERROR_VALUE_TOO_LARGE,
  ERROR_WHERE,
  ERROR_WRONG_TYPE,
  writeError,
} from '../status';
import { entryOf, Slot } from '../table';
import { close, closeHeld, closeRead, lastFailure, open, openHeld, openToRead } from './collection';
import { copyElement, placeOf, putElement } from './list';
import { behindKey, writeNothing } from './set';

/** LSET: false where there is no such element. */
export function listSet(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = behindKey(staged);
  if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_INDEX);
  const index = lastInteger();
  const value = skipValue(at, staged.end);
  const bytes = staged.end - value;
  if (bytes > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
  const slot = open(thread, staged, CHUNK_LIST, false, nowMs);
  if (slot == 0) return lastFailure() ? writeError(out, lastFailure()) : writeBoolean(out, false);
  const partition = partitionOf(staged);
  const place = placeOf(index, countOf(entryOf(slot)));
  let done = true;
  if (place >= 0) {
    done = putElement(partition, slot, <u32>place, value, bytes, thread, nowMs);
    if (done) removeItems(partition, slot, <u32>place + 1, 1, thread);
  }
  close(thread, staged, slot, done && place >= 0);
  return done ? writeBoolean(out, place >= 0) : writeError(out, ERROR_OUT_OF_MEMORY);
}

/* Words, in small letters, the first one in the lowest byte. */
const BEFORE: u64 = 0x65726f666562;
const AFTER: u64 = 0x7265746661;
const LEFT: u64 = 0x7466656c;
const RIGHT: u64 = 0x7468676972;

/** Whether the value at an address is a word, in any case. */
function isWord(at: Address, word: u64): bool {
  const text = bytesOf(at);
  const length: u32 = 8 - (<u32>clz<u64>(word) >> 3);
  if (text == 0 || lastLength() != length) return false;
  for (let i: u32 = 0; i < length; i++) {
    if ((<u32>load<u8>(text + i) | 0x20) != (<u32>(word >> (i << 3)) & 0xff)) return false;
  }
  return true;
}

/** LINSERT: the length, -1 where the pivot is not there, 0 where there is no list. */
export function listInsert(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const where = behindKey(staged);
  const isBefore = isWord(where, BEFORE);
  if (!isBefore && !isWord(where, AFTER)) return writeError(out, ERROR_WHERE);
  const pivot = skipValue(where, staged.end);
  const value = skipValue(pivot, staged.end);
  const bytes = staged.end - value;
  if (bytes > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
  const slot = open(thread, staged, CHUNK_LIST, false, nowMs);
  if (slot == 0) return writeNothing(out);
  const place = placeOfElement(entryOf(slot), 0, pivot, value - pivot, thread);
  let done = true;
  if (place >= 0) {
    const position = <u32>place + <u32>!isBefore;
    done = putElement(partitionOf(staged), slot, position, value, bytes, thread, nowMs);
  }
  const length = countOf(entryOf(slot));
  close(thread, staged, slot, done && place >= 0);
  if (!done) return writeError(out, ERROR_OUT_OF_MEMORY);
  return writeInteger(out, place < 0 ? -1 : length);
}

/** The place of the first element from `start` on with this value; -1: none. */
function placeOfElement(address: Address, start: u32, value: Address, bytes: u32, thread: u32): i64 {
  const length = countOf(address);
  if (start >= length) return -1;
  startAt(address, start, thread);
  for (let place = start; place < length; place++) if (isElement(takeNext(), value, bytes)) return place;
  return -1;
}

/** The place of the last element before `end` with this value; -1: none. */
function lastPlaceOfElement(address: Address, end: u32, value: Address, bytes: u32, thread: u32): i64 {
  if (end == 0) return -1;
  startBefore(address, end, thread);
  for (let place = end; place > 0; place--) if (isElement(takePrevious(), value, bytes)) return place - 1;
  return -1;
}

/** LREM: `count` of them from the left, or below 0 from the right; 0: all. How many there were. */
export function listRemove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = behindKey(staged);
  if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_INDEX);
  const count = lastInteger();
  const value = skipValue(at, staged.end);
  const bytes = staged.end - value;
  const slot = open(thread, staged, CHUNK_LIST, false, nowMs);
  if (slot == 0) return writeNothing(out);
  const partition = partitionOf(staged);
  const isLeft = count >= 0;
  const all = count == 0 || count == i64.MIN_VALUE ? i64.MAX_VALUE : count < 0 ? -count : count;
  const most = <u32>min<i64>(all, u32.MAX_VALUE);
  const removed = isRooted(entryOf(slot))
    ? removeEqual(partition, slot, value, bytes, most, isLeft, thread)
    : removePacked(partition, slot, value, bytes, most, isLeft, thread);
  close(thread, staged, slot, removed != 0);
  return writeInteger(out, removed);
}

/** `removeEqual` in a packed list. */
function removePacked(
  partition: Partition,
  slot: Slot,
  value: Address,
  bytes: u32,
  most: u32,
  isLeft: bool,
  thread: u32,
): u32 {
  let removed: u32 = 0;
  let place: i64 = isLeft ? 0 : countOf(entryOf(slot));
  while (removed < most) {
    place = isLeft
      ? placeOfElement(entryOf(slot), <u32>place, value, bytes, thread)
      : lastPlaceOfElement(entryOf(slot), <u32>place, value, bytes, thread);
    if (place < 0) break;
    removeItems(partition, slot, <u32>place, 1, thread);
    removed += 1;
  }
  return removed;
}

/**
 * LPOS: the place of an element; `rank` names which one of those that are equal, from the right below 0; with a count
 * an array of up to so many (0: all); `maxLength` elements are looked at (0: all).
 */
export function listPosition(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const value = behindKey(staged);
  const bytes = skipValue(value, staged.end) - value;
  let at = value + bytes;
  let rank: i64 = 1;
  let count: i64 = 1;
  let most: i64 = 0;
  let hasCount = false;
  for (let i: u32 = 2; i < staged.argCount; i++) {
    if (!isNil(at)) {
      if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_LPOS);
      if (i == 2) rank = lastInteger();
      else if (i == 3) count = lastInteger();
      else most = lastInteger();
      hasCount = hasCount || i == 3;
    }
    at = skipValue(at, staged.end);
  }
  if (rank == 0 || rank == i64.MIN_VALUE || count < 0 || most < 0) return writeError(out, ERROR_LPOS);
  const address = openToRead(thread, staged, CHUNK_LIST, nowMs);
  if (address == 0) {
    if (lastFailure()) return writeError(out, lastFailure());
    return hasCount ? writeArrayHead(out, 0) : writeNil(out);
  }
  const length = countOf(address);
  const isLeft = rank > 0;
  let skip = (isLeft ? rank : -rank) - 1;
  const looked = most == 0 ? length : <u32>min<i64>(most, length);
  const wanted = count == 0 ? <i64>length : count;
  // The head of an array is written when it is known how many there are.
  let end = hasCount ? out + 5 : out;
  let found: u32 = 0;
  if (isLeft) startAt(address, 0, thread);
  else startBefore(address, length, thread);
  for (let i: u32 = 0; i < looked && <i64>found < wanted; i++) {
    if (!isElement(isLeft ? takeNext() : takePrevious(), value, bytes)) continue;
    if (skip > 0) {
      skip -= 1;
      continue;
    }
    if (end + 9 > limit) {
      end = 0;
      break;
    }
    end = writeInteger(end, isLeft ? i : length - 1 - i);
    found += 1;
  }
  closeRead(staged);
  if (end == 0) return 0;
  if (!hasCount) return found ? end : writeNil(out);
  const headEnd = writeArrayHead(out, found);
  memory.copy(headEnd, out + 5, end - out - 5);
  return headEnd + (end - out - 5);
}

/** LMOVE: takes the element at an end of a list and puts it at an end of another one, or of the same; it, or nil. */
export function listMove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const key = keyOf(behindKey(staged));
  if (key == 0) return writeError(out, ERROR_KEY);
  const other = otherStaged(thread);
  stageKey(other, key, lastKeyWord(), true);
  const from = key + lengthOf(other.keyWord);
  const to = skipValue(from, staged.end);
  const isFromLeft = isWord(from, LEFT);
  const isToLeft = isWord(to, LEFT);
  if (!isFromLeft && !isWord(from, RIGHT)) return writeError(out, ERROR_SIDE);
  if (!isToLeft && !isWord(to, RIGHT)) return writeError(out, ERROR_SIDE);
  beginSet(thread);
  addToSet(thread, partitionOf(staged));
  addToSet(thread, partitionOf(other));
  lockSet(thread);
  const end = moveHeld(thread, staged, other, isFromLeft, isToLeft, out, limit, nowMs);
  unlockSet(thread);
  return end;
}

/** Whether two staged keys are the same. */
export function isSameKey(one: Staged, other: Staged): bool {
  return one.keyWord == other.keyWord && equalBytes(one.key, other.key, lengthOf(one.keyWord));
}

function moveHeld(
  thread: u32,
  staged: Staged,
  other: Staged,
  isFromLeft: bool,
  isToLeft: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const source = partitionOf(staged);
  const target = partitionOf(other);
  const slot = findLive(source, staged.hash, staged.key, staged.keyWord, nowMs);
  if (slot == 0) return writeNil(out);
  const address = entryOf(slot);
  if (entryAt(address).kind != CHUNK_LIST) return writeError(out, ERROR_WRONG_TYPE);
  const length = countOf(address);
  // The reply is also what is put into the other list: memory for that may move the element.
  let element: Address;
  if (isFromLeft) {
    startAt(address, 0, thread);
    element = takeNext();
  } else {
    startBefore(address, length, thread);
    element = takePrevious();
  }
  const end = copyElement(element, out, limit);
  if (end == 0) return 0;
  source.pinnedSource = address;
  const otherSlot = openHeld(target, thread, other, CHUNK_LIST, true, nowMs);
  if (otherSlot == 0) {
    source.pinnedSource = 0;
    return writeError(out, lastFailure());
  }
  const position = isToLeft ? 0 : countOf(entryOf(otherSlot));
  const done = putElement(target, otherSlot, position, out, end - out, thread, nowMs);
  source.pinnedSource = 0;
  if (done && isSameKey(staged, other)) {
    removeItems(target, otherSlot, isFromLeft ? <u32>isToLeft : length - <u32>!isToLeft, 1, thread);
  }
  if (!isSameKey(staged, other)) tellAs(isToLeft ? LPUSH : RPUSH, 1, out, end);
  closeHeld(target, other, otherSlot, done);
  if (!done) return writeError(out, ERROR_OUT_OF_MEMORY);
  if (!isSameKey(staged, other)) {
    const sourceSlot = openHeld(source, thread, staged, CHUNK_LIST, false, nowMs);
    removeItems(source, sourceSlot, isFromLeft ? 0 : length - 1, 1, thread);
    tellAs(isFromLeft ? LPOP : RPOP, 0, out, out);
    closeHeld(source, staged, sourceSlot, true);
  }
  return end;
}
