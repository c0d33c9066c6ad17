/*
 * SINTER, SUNION, SDIFF, with their STORE forms and SINTERCARD: what several sets have in common, together, or the
 * first one alone. One rule for each says whether a member that a walk over the sets comes to is one of the result:
 *
 *   SINTER   the walk goes over the smallest set; those that are in all others
 *   SUNION   over all sets; those that were in none before
 *   SDIFF    over the first set; those that are in no other
 *
 * So nothing is kept but the result. It is a reply, a count, or a set that is built beside the one at the destination
 * (pending.ts), which may be one of those that are read. Building it takes memory, for which something may be evicted:
 * the set being walked over is pinned, any other one may go. Then the result is that of a moment when it was gone
 * already, and the walk begins again.
 *
 * Everything here runs under the locks of all keys' partitions (locks.ts).
 */
import { copyBytes } from '../bytes';
import { memberOf } from '../collections/body';
import { nextItem, startItems } from '../collections/items';
import { readMember, skipMember } from '../collections/member';
import { countOf } from '../collections/root';
import { findMember } from '../collections/table';
import { CHUNK_SET, entryAt, isExpired, KeyWord, lengthOf } from '../entry';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { addToSet, beginSet, lockSetToRead, unlockSet } from '../locks';
import { writeArrayHead, writeInteger } from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { keyOf, lastKeyWord, Staged } from '../staging';
import { ERROR_KEY, ERROR_WRONG_TYPE, writeError } from '../status';
import { entryOf, find, homeBucket } from '../table';

export const INTERSECTION: u32 = 0;
export const UNION: u32 = 1;
export const DIFFERENCE: u32 = 2;

/** What is kept of each set, in a row at the end of the reply area: its entry's address, and its key's hash. */
export const WORD_BYTES: u32 = 8;
const WORD_HASH: u32 = 4;

/* The sets at hand: so many, their entries' addresses (0: no such set) in a row. Not state. */
let sets: u32 = 0;
let row: Address = 0;

@inline
export function setAt(index: u32): Address {
  return load<u32>(row + index * WORD_BYTES);
}

/** The partition of a set's key. */
@inline
export function partitionOfSet(index: u32): Partition {
  return partitionOfHash(load<u32>(row + index * WORD_BYTES, WORD_HASH));
}

/** Where the row begins. */
@inline
export function rowOfSets(): Address {
  return row;
}

/** Adds the partitions of all keys from `at` on; false: one is no key. */
export function addKeys(thread: u32, at: Address, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(at);
    if (key == 0) return false;
    const bytes = lengthOf(lastKeyWord());
    addToSet(thread, partitionOfHash(hashKey(key, bytes)));
    at = key + bytes;
  }
  return true;
}

/** Whether all sets that were there still are: memory for the result may have cost one. Their addresses are new. */
export function findSetsAgain(at: Address, count: u32, limit: Address, nowMs: i64): bool {
  let before: u32 = 0;
  for (let i: u32 = 0; i < count; i++) before += <u32>(setAt(i) != 0);
  if (!findSets(at, count, limit, nowMs)) return false;
  for (let i: u32 = 0; i < count; i++) before -= <u32>(setAt(i) != 0);
  return before == 0;
}

/** Finds the sets of all keys from `at` on; false: one is something else. */
export function findSets(at: Address, count: u32, limit: Address, nowMs: i64): bool {
  sets = count;
  row = limit - count * WORD_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(at);
    const keyWord: KeyWord = lastKeyWord();
    const hash = hashKey(key, lengthOf(keyWord));
    const slot = find(homeBucket(hash), hash, key, keyWord);
    let address: Address = slot ? entryOf(slot) : 0;
    if (address != 0 && isExpired(address, entryAt(address), nowMs)) address = 0;
    if (address != 0 && entryAt(address).kind != CHUNK_SET) return false;
    store<u32>(row + i * WORD_BYTES, address);
    store<u32>(row + i * WORD_BYTES, hash, WORD_HASH);
    at = key + lengthOf(keyWord);
  }
  return true;
}

/** The first set that the walk goes over, and the one behind the last; none when the result is empty in any case. */
let firstSet: u32 = 0;
let endSet: u32 = 0;

@inline
export function firstOfWalk(): u32 {
  return firstSet;
}

@inline
export function endOfWalk(): u32 {
  return endSet;
}

export function planWalk(operation: u32): void {
  firstSet = 0;
  endSet = operation == UNION ? sets : 1;
  if (operation != INTERSECTION) return;
  for (let i: u32 = 0; i < sets; i++) {
    if (setAt(i) == 0) {
      endSet = 0;
      return;
    }
    if (countOf(setAt(i)) < countOf(setAt(firstSet))) firstSet = i;
  }
  endSet = firstSet + 1;
}

/** Whether the member at hand, which is in set number `from`, is one of the result. */
export function isWanted(operation: u32, from: u32): bool {
  const end = operation == UNION ? from : sets;
  for (let i: u32 = 0; i < end; i++) {
    if (i == from) continue;
    const isIn = setAt(i) != 0 && findMember(setAt(i)) != 0;
    if (isIn != (operation == INTERSECTION)) return false;
  }
  return true;
}

export function setIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, INTERSECTION, false, out, limit, nowMs);
}

export function setUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, UNION, false, out, limit, nowMs);
}

export function setDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, DIFFERENCE, false, out, limit, nowMs);
}

/** SINTERCARD. */
export function countIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, INTERSECTION, true, out, limit, nowMs);
}

function reply(
  thread: u32,
  staged: Staged,
  operation: u32,
  countsOnly: bool,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const count = staged.argCount;
  if (<u64>out + 8 + <u64>count * WORD_BYTES > <u64>limit) return 0;
  beginSet(thread);
  if (!addKeys(thread, staged.args, count)) return writeError(out, ERROR_KEY);
  lockSetToRead(thread);
  let end: Address;
  if (!findSets(staged.args, count, limit, nowMs)) end = writeError(out, ERROR_WRONG_TYPE);
  else end = countsOnly ? writeInteger(out, countMembers(thread, operation)) : copyMembers(thread, operation, out);
  unlockSet(thread);
  return end;
}

function countMembers(thread: u32, operation: u32): i64 {
  let count: i64 = 0;
  planWalk(operation);
  for (let i = firstSet; i < endSet; i++) {
    if (setAt(i) == 0) continue;
    startItems(setAt(i));
    for (let item = nextItem(); item; item = nextItem()) {
      readMember(thread, memberOf(item));
      if (isWanted(operation, i)) count += 1;
    }
  }
  return count;
}

/** Writes the result as an array; the address behind it, or 0: it does not fit before the row. */
function copyMembers(thread: u32, operation: u32, out: Address): Address {
  // The head is written when it is known how many there are.
  let end = out + 5;
  let count: u32 = 0;
  planWalk(operation);
  for (let i = firstSet; i < endSet; i++) {
    if (setAt(i) == 0) continue;
    startItems(setAt(i));
    for (let item = nextItem(); item; item = nextItem()) {
      const member = memberOf(item);
      readMember(thread, member);
      if (!isWanted(operation, i)) continue;
      const bytes = skipMember(member) - member;
      if (end + bytes > row) return 0;
      copyBytes(end, member, bytes);
      end += bytes;
      count += 1;
    }
  }
  const headEnd = writeArrayHead(out, count);
  memory.copy(headEnd, out + 5, end - out - 5);
  return headEnd + (end - out - 5);
}
