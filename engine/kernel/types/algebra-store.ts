/*
 * SINTERSTORE, SUNIONSTORE, SDIFFSTORE, ZINTERSTORE, ZUNIONSTORE, ZDIFFSTORE: what algebra.ts and sorted-algebra.ts
 * reply, stored as a set or sorted set, which is built (building.ts) a page of members at a time. The destination may
 * be one of the sets that are read: it is as it was until the end.
 */
import { copyBytes } from '../bytes';
import { memberOf } from '../collections/body';
import { nextItem, startBucket } from '../collections/items';
import { readMember } from '../collections/member';
import { memberOfItem, scoreOfItem } from '../collections/order';
import { dropReserved } from '../collections/reserve';
import { countOf, isRooted } from '../collections/root';
import { bucketAt, nextCursor } from '../collections/scan';
import { startAt, takeNext } from '../collections/sequence';
import { CHUNK_SET, CHUNK_ZSET, lengthOf, MAX_INLINE_KEY } from '../entry';
import { Address } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import { writeFloat, writeInteger } from '../msgpack';
import { partitionOf, Staged } from '../staging';
import { ERROR_COLLECTION_KEY, ERROR_KEY, ERROR_OUT_OF_MEMORY, ERROR_WRONG_TYPE, writeError } from '../status';
import { entryOf, Slot } from '../table';
import {
  addKeys,
  DIFFERENCE,
  endOfWalk,
  findSets,
  findSetsAgain,
  firstOfWalk,
  INTERSECTION,
  isSorted,
  isWanted,
  partitionOfSet,
  planWalk,
  setAt,
  UNION,
  WORD_BYTES,
} from './algebra';
import { beginBuilding, dropBuilding, endBuilding, pour } from './building';
import { behindKey } from './set';
import { keysAtHand, placesEnd, readCombination, scoreOfResult } from './sorted-algebra';

/** What a page needs at the least; and a bucket, whose members are told together. */
const BUFFER_BYTES: u32 = 65536;
/** Of each set and its weight. */
const SORTED_WORD_BYTES: u32 = WORD_BYTES + 8;
/** Bytes of members after which they are added. */
const PAGE_BYTES: u32 = 16384;

/* How a walk ended. */
const DONE: u32 = 0;
const NO_MEMORY: u32 = 1;
/** A set that is read was evicted. */
const AGAIN: u32 = 2;
/** The members of a bucket do not fit the buffer. */
const NO_BUFFER: u32 = 3;

export function storeIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return storeResult(thread, staged, INTERSECTION, out, limit, nowMs);
}

export function storeUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return storeResult(thread, staged, UNION, out, limit, nowMs);
}

export function storeDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return storeResult(thread, staged, DIFFERENCE, out, limit, nowMs);
}

export function storeSortedIntersection(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  return storeCombination(thread, staged, INTERSECTION, out, limit, nowMs);
}

export function storeSortedUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return storeCombination(thread, staged, UNION, out, limit, nowMs);
}

export function storeSortedDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return storeCombination(thread, staged, DIFFERENCE, out, limit, nowMs);
}

function storeCombination(
  thread: u32,
  staged: Staged,
  operation: u32,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (<u64>out + BUFFER_BYTES + <u64>staged.argCount * SORTED_WORD_BYTES > <u64>limit) return 0;
  const status = readCombination(behindKey(staged), staged.argCount - 1, staged.end, operation, true, limit);
  if (status) return writeError(out, status);
  return storeFrom(thread, staged, operation, CHUNK_ZSET, keysAtHand(), placesEnd(), out, limit, nowMs);
}

function storeResult(
  thread: u32,
  staged: Staged,
  operation: u32,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const count = staged.argCount - 1;
  if (<u64>out + BUFFER_BYTES + <u64>count * WORD_BYTES > <u64>limit) return 0;
  const end = limit - count * WORD_BYTES;
  return storeFrom(thread, staged, operation, CHUNK_SET, count, end, out, limit, nowMs);
}

/** Where the buffer ends in which pages are gathered. Not state. */
let bufferEnd: Address = 0;

/** Stores what comes of so many sets. `buffer` to `pagesEnd` is for pages. */
function storeFrom(
  thread: u32,
  staged: Staged,
  operation: u32,
  kind: u8,
  count: u32,
  pagesEnd: Address,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  bufferEnd = pagesEnd;
  beginSet(thread);
  addToSet(thread, partitionOf(staged));
  if (!addKeys(thread, behindKey(staged), count)) return writeError(out, ERROR_KEY);
  if (lengthOf(staged.keyWord) > MAX_INLINE_KEY) return writeError(out, ERROR_COLLECTION_KEY);
  lockSet(thread);
  const end = storeHeld(thread, staged, operation, kind, count, out, limit, nowMs);
  unlockSet(thread);
  return end;
}

function storeHeld(
  thread: u32,
  staged: Staged,
  operation: u32,
  kind: u8,
  count: u32,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const target = partitionOf(staged);
  let outcome = AGAIN;
  let members: u32 = 0;
  while (outcome == AGAIN) {
    if (!findSets(behindKey(staged), count, kind, limit, nowMs)) return writeError(out, ERROR_WRONG_TYPE);
    const slot = beginBuilding(target, staged.hash, staged.key, staged.keyWord, kind, thread, nowMs);
    if (slot == 0) return writeError(out, ERROR_OUT_OF_MEMORY);
    // Making it may have cost a set already.
    const isComplete = findSetsAgain(behindKey(staged), count, kind, limit, nowMs);
    if (isComplete) outcome = pourResult(thread, staged, slot, operation, kind, count, out, limit, nowMs);
    if (outcome == DONE) {
      members = countOf(entryOf(slot));
      endBuilding(target, slot, staged.hash, staged.key, staged.keyWord, 0, thread, nowMs);
    } else {
      dropReserved(target);
      dropBuilding(target, staged.hash, staged.key, staged.keyWord);
    }
  }
  if (outcome == NO_MEMORY) return writeError(out, ERROR_OUT_OF_MEMORY);
  return outcome == NO_BUFFER ? 0 : writeInteger(out, members);
}

/** Adds all members of the result to what is being built. */
function pourResult(
  thread: u32,
  staged: Staged,
  slot: Slot,
  operation: u32,
  kind: u8,
  count: u32,
  buffer: Address,
  limit: Address,
  nowMs: i64,
): u32 {
  planWalk(operation);
  const end = endOfWalk();
  for (let i = firstOfWalk(); i < end; i++) {
    if (setAt(i) == 0) continue;
    let cursor: u32 = 0;
    do {
      const behind = gatherWanted(thread, i, cursor, operation, kind, buffer);
      if (behind == 0) return NO_BUFFER;
      cursor = nextPage;
      if (behind == buffer) continue;
      // The one that is walked over stays; others may go.
      partitionOfSet(i).pinnedSource = setAt(i);
      const poured = pour(partitionOf(staged), slot, buffer, behind, thread, nowMs);
      partitionOfSet(i).pinnedSource = 0;
      if (!poured) return NO_MEMORY;
      if (!findSetsAgain(behindKey(staged), count, kind, limit, nowMs)) return AGAIN;
    } while (cursor != 0);
  }
  return DONE;
}

/** The cursor behind the page that was gathered; 0: that was the last one. Not state. */
let nextPage: u32 = 0;

/**
 * Copies a page of the members of a set that are of the result, from a cursor on; the address behind, 0: no room. The
 * cursor of a sorted set is a place in its order.
 */
function gatherWanted(
  thread: u32,
  index: u32,
  cursor: u32,
  operation: u32,
  kind: u8,
  buffer: Address,
): Address {
  const address = setAt(index);
  if (isSorted(address)) return gatherInOrder(thread, index, cursor, operation, buffer);
  let end = buffer;
  do {
    startBucket(address, isRooted(address) ? bucketAt(address, cursor) : 0);
    for (let item = nextItem(); item; item = nextItem()) {
      end = addWanted(thread, memberOf(item), 1, index, operation, kind, end);
      if (end == 0) return 0;
    }
    cursor = nextCursor(address, cursor);
  } while (cursor != 0 && end - buffer < PAGE_BYTES);
  nextPage = cursor;
  return end;
}

function gatherInOrder(thread: u32, index: u32, place: u32, operation: u32, buffer: Address): Address {
  const address = setAt(index);
  const count = countOf(address);
  let end = buffer;
  startAt(address, place, thread);
  while (place < count && end - buffer < PAGE_BYTES) {
    const item = takeNext();
    end = addWanted(thread, memberOfItem(item), scoreOfItem(item), index, operation, CHUNK_ZSET, end);
    if (end == 0) return 0;
    place += 1;
  }
  nextPage = place < count ? place : 0;
  return end;
}

/**
 * Copies a member of set number `index`, if it is one of the result, and before it the score that it has there, where
 * the result is a sorted set. The address behind, 0: no room.
 */
function addWanted(
  thread: u32,
  member: Address,
  ownScore: f64,
  index: u32,
  operation: u32,
  kind: u8,
  out: Address,
): Address {
  const behind = readMember(thread, member);
  const bytes = behind - member;
  let end = out;
  if (kind == CHUNK_ZSET) {
    const score = scoreOfResult(operation, index, ownScore);
    if (isNaN(score)) return out;
    if (out + 9 + bytes > bufferEnd) return 0;
    end = writeFloat(out, score);
  } else {
    if (!isWanted(operation, index)) return out;
    if (out + bytes > bufferEnd) return 0;
  }
  copyBytes(end, member, bytes);
  return end + bytes;
}
