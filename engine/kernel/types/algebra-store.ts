/*
 * SINTERSTORE, SUNIONSTORE, SDIFFSTORE: what algebra.ts replies, stored as a set, which is built (building.ts) a page
 * of members at a time. The destination may be one of the sets that are read: it is as it was until the end.
 */
import { copyBytes } from '../bytes';
import { memberOf } from '../collections/body';
import { nextItem, startBucket } from '../collections/items';
import { readMember, skipMember } from '../collections/member';
import { dropReserved } from '../collections/reserve';
import { countOf, isRooted } from '../collections/root';
import { bucketAt, nextCursor } from '../collections/scan';
import { CHUNK_SET, lengthOf, MAX_INLINE_KEY } from '../entry';
import { Address } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import { writeInteger } from '../msgpack';
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
  isWanted,
  partitionOfSet,
  planWalk,
  rowOfSets,
  setAt,
  UNION,
  WORD_BYTES,
} from './algebra';
import { beginBuilding, dropBuilding, endBuilding, pour } from './building';
import { behindKey } from './set';

/** What a page needs at the least; and a bucket, whose members are told together. */
const BUFFER_BYTES: u32 = 65536;
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
  beginSet(thread);
  addToSet(thread, partitionOf(staged));
  if (!addKeys(thread, behindKey(staged), count)) return writeError(out, ERROR_KEY);
  if (lengthOf(staged.keyWord) > MAX_INLINE_KEY) return writeError(out, ERROR_COLLECTION_KEY);
  lockSet(thread);
  const end = storeHeld(thread, staged, operation, count, out, limit, nowMs);
  unlockSet(thread);
  return end;
}

function storeHeld(
  thread: u32,
  staged: Staged,
  operation: u32,
  count: u32,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const target = partitionOf(staged);
  let outcome = AGAIN;
  let members: u32 = 0;
  while (outcome == AGAIN) {
    if (!findSets(behindKey(staged), count, limit, nowMs)) return writeError(out, ERROR_WRONG_TYPE);
    const slot = beginBuilding(target, staged.hash, staged.key, staged.keyWord, CHUNK_SET, thread, nowMs);
    if (slot == 0) return writeError(out, ERROR_OUT_OF_MEMORY);
    // Making it may have cost a set already.
    const isComplete = findSetsAgain(behindKey(staged), count, limit, nowMs);
    if (isComplete) outcome = pourResult(thread, staged, slot, operation, count, out, limit, nowMs);
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
      const behind = gatherWanted(thread, i, cursor, operation, buffer);
      if (behind == 0) return NO_BUFFER;
      cursor = nextPage;
      if (behind == buffer) continue;
      // The one that is walked over stays; others may go.
      partitionOfSet(i).pinnedSource = setAt(i);
      const poured = pour(partitionOf(staged), slot, buffer, behind, thread, nowMs);
      partitionOfSet(i).pinnedSource = 0;
      if (!poured) return NO_MEMORY;
      if (!findSetsAgain(behindKey(staged), count, limit, nowMs)) return AGAIN;
    } while (cursor != 0);
  }
  return DONE;
}

/** The cursor behind the page that was gathered; 0: that was the last one. Not state. */
let nextPage: u32 = 0;

/** Copies a page of the members of a set that are of the result, from a cursor on; the address behind, 0: no room. */
function gatherWanted(thread: u32, index: u32, cursor: u32, operation: u32, buffer: Address): Address {
  const address = setAt(index);
  let end = buffer;
  do {
    startBucket(address, isRooted(address) ? bucketAt(address, cursor) : 0);
    for (let item = nextItem(); item; item = nextItem()) {
      const member = memberOf(item);
      readMember(thread, member);
      if (!isWanted(operation, index)) continue;
      const bytes = skipMember(member) - member;
      if (end + bytes > rowOfSets()) return 0;
      copyBytes(end, member, bytes);
      end += bytes;
    }
    cursor = nextCursor(address, cursor);
  } while (cursor != 0 && end - buffer < PAGE_BYTES);
  nextPage = cursor;
  return end;
}
