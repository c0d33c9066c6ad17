/* Lists. Elements are any msgpack. */
import { copyBytes } from '../bytes';
import { elementBytes, endElement, valueEndOf } from '../collections/leaf';
import { nodeAt } from '../collections/node';
import {
  copyOutside,
  isOutside,
  linkedBytes,
  MAX_INSIDE,
  placeBytes,
  reserveOutside,
  writeOutside,
} from '../collections/outside';
import { dropReserved } from '../collections/reserve';
import { addBytes, countOf, isRooted } from '../collections/root';
import {
  addElement,
  keepItems,
  prepareElement,
  removeItems,
  startAt,
  startBefore,
  takeNext,
  takePrevious,
} from '../collections/sequence';
import { foundLeaf } from '../collections/tree';
import { openEnd } from '../collections/tree-growth';
import { CHUNK_LIST } from '../entry';
import { Address, header } from '../layout';
import {
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  skipValue,
  writeArrayHead,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { Partition } from '../partition';
import { partitionOf, Staged } from '../staging';
import { ERROR_COUNT, ERROR_INDEX, ERROR_OUT_OF_MEMORY, ERROR_VALUE_TOO_LARGE, writeError } from '../status';
import { entryOf, Slot } from '../table';
import { close, closeRead, drop, lastFailure, open, openToRead } from './collection';
import { behindKey, sizeOfCollection, writeNothing } from './set';

/** Puts an element at a place. False: out of memory, nothing has changed. */
export function putElement(
  partition: Partition,
  slot: Slot,
  position: u32,
  value: Address,
  valueBytes: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const isLong = valueBytes > MAX_INSIDE;
  const place = placeBytes(valueBytes);
  const bytes = elementBytes(place);
  const address = entryOf(slot);
  if (!isLong && isRooted(address) && (position == 0 || position == countOf(address))) {
    const end = openEnd(partition, address, position == 0, bytes);
    if (end) {
      copyBytes(end, value, valueBytes);
      endElement(end + place, place);
      return true;
    }
  }
  if (!prepareElement(partition, slot, bytes, isLong, thread, nowMs)) return false;
  if (isLong && !reserveOutside(partition, valueBytes, thread, nowMs)) return false;
  const at = addElement(partition, slot, position, bytes, thread, nowMs);
  if (at == 0) {
    dropReserved(partition);
    return false;
  }
  if (isLong) {
    writeOutside(partition, at, foundLeaf(), value, valueBytes);
    nodeAt(foundLeaf()).outside += 1;
    addBytes(partition, entryOf(slot), valueBytes);
  } else {
    copyBytes(at, value, valueBytes);
  }
  endElement(at + place, place);
  return true;
}

export function listPushLeft(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return push(thread, staged, true, true, out, nowMs);
}

export function listPushRight(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return push(thread, staged, false, true, out, nowMs);
}

export function listPushLeftIfPresent(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return push(thread, staged, true, false, out, nowMs);
}

export function listPushRightIfPresent(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return push(thread, staged, false, false, out, nowMs);
}

/** Puts the elements that are the command's arguments at an end, one after the other; replies the length. */
function push(thread: u32, staged: Staged, isLeft: bool, creates: bool, out: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  for (let i: u32 = 0; i < count; i++) {
    const end = i + 1 == count ? staged.end : skipValue(at, staged.end);
    if (end - at > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
    at = end;
  }
  const slot = open(thread, staged, CHUNK_LIST, creates, nowMs);
  if (slot == 0) return writeNothing(out);
  const partition = partitionOf(staged);
  at = behindKey(staged);
  let done: u32 = 0;
  for (; done < count; done++) {
    const end = done + 1 == count ? staged.end : skipValue(at, staged.end);
    const position = isLeft ? 0 : countOf(entryOf(slot));
    if (!putElement(partition, slot, position, at, end - at, thread, nowMs)) break;
    at = end;
  }
  const isAll = done == count;
  // All or nothing: what was pushed before memory ended is taken off again.
  if (!isAll && done != 0) removeItems(partition, slot, isLeft ? 0 : countOf(entryOf(slot)) - done, done, thread);
  const length = countOf(entryOf(slot));
  close(thread, staged, slot, isAll);
  return isAll ? writeInteger(out, length) : writeError(out, ERROR_OUT_OF_MEMORY);
}

export function listPopLeft(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return pop(thread, staged, true, out, limit, nowMs);
}

export function listPopRight(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return pop(thread, staged, false, out, limit, nowMs);
}

/** Copies the value of an element to `out`: the address behind it, or 0: it does not fit before `limit`. */
export function copyElement(element: Address, out: Address, limit: Address): Address {
  if (isOutside(element)) {
    const bytes = linkedBytes(element);
    if (out + bytes > limit) return 0;
    copyOutside(element, bytes, out);
    return out + bytes;
  }
  const bytes = valueEndOf(element) - element;
  if (out + bytes > limit) return 0;
  copyBytes(out, element, bytes);
  return out + bytes;
}

/** Without a count an element or nil; with one, an array of up to so many, or nil where there is no list. */
function pop(thread: u32, staged: Staged, isLeft: bool, out: Address, limit: Address, nowMs: i64): Address {
  let most: u32 = 1;
  const hasCount = staged.argCount > 1 && !isNil(behindKey(staged));
  if (hasCount) {
    if (integerOf(behindKey(staged)) != IS_INTEGER || lastInteger() < 0) return writeError(out, ERROR_COUNT);
    most = <u32>min<i64>(lastInteger(), u32.MAX_VALUE);
  }
  const slot = open(thread, staged, CHUNK_LIST, false, nowMs);
  if (slot == 0) return lastFailure() ? writeError(out, lastFailure()) : writeNil(out);
  const address = entryOf(slot);
  const length = countOf(address);
  const count = min<u32>(most, length);
  let end = hasCount ? writeArrayHead(out, count) : out;
  if (isLeft) startAt(address, 0, thread);
  else startBefore(address, length, thread);
  for (let i: u32 = 0; i < count && end != 0; i++) end = copyElement(isLeft ? takeNext() : takePrevious(), end, limit);
  if (end != 0 && count == length) {
    drop(staged, slot);
    return end;
  }
  if (end != 0 && count != 0) removeItems(partitionOf(staged), slot, isLeft ? 0 : length - count, count, thread);
  close(thread, staged, slot, end != 0 && count != 0);
  return end;
}

export function listLength(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return sizeOfCollection(thread, staged, CHUNK_LIST, out, nowMs);
}

/* A range, as `readRange` read it. Not state. */
let rangeStart: i64 = 0;
let rangeStop: i64 = 0;

/** Reads two integers, the range from one index to another, both included; the address behind, or 0. */
export function readRange(at: Address, end: Address): Address {
  if (integerOf(at) != IS_INTEGER) return 0;
  rangeStart = lastInteger();
  at = skipValue(at, end);
  if (integerOf(at) != IS_INTEGER) return 0;
  rangeStop = lastInteger();
  return skipValue(at, end);
}

/** Where the range that was read begins, of so many; its length in `rangeCount`. */
export function clampRange(count: u32): u32 {
  const all = <i64>count;
  if (rangeStart < 0) rangeStart = max<i64>(rangeStart + all, 0);
  if (rangeStop < 0) rangeStop += all;
  rangeStop = min<i64>(rangeStop, all - 1);
  return <u32>min<i64>(rangeStart, all);
}

@inline
export function rangeCount(): u32 {
  return rangeStop < rangeStart ? 0 : <u32>(rangeStop - rangeStart + 1);
}

export function listRange(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (!readRange(behindKey(staged), staged.end)) return writeError(out, ERROR_INDEX);
  const address = openToRead(thread, staged, CHUNK_LIST, nowMs);
  if (address == 0) return lastFailure() ? writeError(out, lastFailure()) : writeArrayHead(out, 0);
  const start = clampRange(countOf(address));
  const count = rangeCount();
  let end = writeArrayHead(out, count);
  if (count) startAt(address, start, thread);
  for (let i: u32 = 0; i < count && end != 0; i++) end = copyElement(takeNext(), end, limit);
  closeRead(staged);
  return end;
}

/** The place that an index, negative from the end, names in a list of so many; -1: none. */
export function placeOf(index: i64, count: u32): i64 {
  const place = index < 0 ? index + <i64>count : index;
  return place >= 0 && place < <i64>count ? place : -1;
}

export function listIndex(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (integerOf(behindKey(staged)) != IS_INTEGER) return writeError(out, ERROR_INDEX);
  const index = lastInteger();
  const address = openToRead(thread, staged, CHUNK_LIST, nowMs);
  if (address == 0) return lastFailure() ? writeError(out, lastFailure()) : writeNil(out);
  const place = placeOf(index, countOf(address));
  let end: Address;
  if (place < 0) {
    end = writeNil(out);
  } else {
    startAt(address, <u32>place, thread);
    end = copyElement(takeNext(), out, limit);
  }
  closeRead(staged);
  return end;
}

export function listTrim(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (!readRange(behindKey(staged), staged.end)) return writeError(out, ERROR_INDEX);
  const slot = open(thread, staged, CHUNK_LIST, false, nowMs);
  if (slot == 0) return lastFailure() ? writeError(out, lastFailure()) : writeBoolean(out, true);
  const partition = partitionOf(staged);
  const length = countOf(entryOf(slot));
  const start = clampRange(length);
  const count = rangeCount();
  if (count == 0) {
    drop(staged, slot);
  } else {
    keepItems(partition, slot, start, count, thread);
    close(thread, staged, slot, count != length);
  }
  return writeBoolean(out, true);
}
