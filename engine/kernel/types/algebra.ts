/*
 * SINTER, SUNION, SDIFF, their STORE (algebra-store.ts) and CARD forms, and those of sorted sets (sorted-algebra.ts):
 * what several sets have in common, together, or the first one alone. One rule for each says whether a member that a
 * walk over the sets comes to is one of the result:
 *
 *   intersection   the walk goes over the smallest set; those that are in all others
 *   union          over all sets; those that were in none before
 *   difference     over the first set; those that are in no other
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
import { findScore, memberOfItem, scoreOfItem } from '../collections/order';
import { countOf } from '../collections/root';
import { startAt, takeNext } from '../collections/sequence';
import { findMember } from '../collections/table';
import { CHUNK_SET, CHUNK_ZSET, entryAt, isExpired, KeyWord, lengthOf } from '../entry';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { addToSet, beginSet, lockSetToRead, unlockSet } from '../locks';
import {
  bytesOf,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  namespacedKeyOf,
  skipValue,
  writeArrayHead,
  writeInteger,
} from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { isFrameOfHost, keyOf, lastKeyWord, Staged } from '../staging';
import { ERROR_COUNT, ERROR_KEY, ERROR_WRONG_TYPE, writeError } from '../status';
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

/** Where the arguments behind those that `countKeys` counted begin. Not state. */
let behindKeys: Address = 0;

@inline
export function lastBehindKeys(): Address {
  return behindKeys;
}

/** How many of so many arguments from `at` on may be keys, until one that is none whatever its length: an option. */
export function countKeys(at: Address, argCount: u32, end: Address): u32 {
  let keys: u32 = 0;
  while (keys < argCount && (bytesOf(at) != 0 || (isFrameOfHost() && namespacedKeyOf(at) != 0))) {
    at = skipValue(at, end);
    keys += 1;
  }
  behindKeys = at;
  return keys;
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
export function findSetsAgain(at: Address, count: u32, kind: u8, limit: Address, nowMs: i64): bool {
  let before: u32 = 0;
  for (let i: u32 = 0; i < count; i++) before += <u32>(setAt(i) != 0);
  if (!findSets(at, count, kind, limit, nowMs)) return false;
  for (let i: u32 = 0; i < count; i++) before -= <u32>(setAt(i) != 0);
  return before == 0;
}

/**
 * Finds the sets of all keys from `at` on; with `kind` CHUNK_ZSET sorted ones may be among them. False: one is
 * something else.
 */
export function findSets(at: Address, count: u32, kind: u8, limit: Address, nowMs: i64): bool {
  sets = count;
  row = limit - count * WORD_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    const key = keyOf(at);
    const keyWord: KeyWord = lastKeyWord();
    const hash = hashKey(key, lengthOf(keyWord));
    const slot = find(homeBucket(hash), hash, key, keyWord);
    let address: Address = slot ? entryOf(slot) : 0;
    if (address != 0 && isExpired(address, entryAt(address), nowMs)) address = 0;
    if (address != 0 && entryAt(address).kind != CHUNK_SET && entryAt(address).kind != kind) return false;
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

/** Whether the member at hand is in a set. */
@inline
function isInSet(index: u32): bool {
  const address = setAt(index);
  if (address == 0) return false;
  return isSorted(address) ? findScore(address) : findMember(address) != 0;
}

@inline
export function isSorted(address: Address): bool {
  return entryAt(address).kind == CHUNK_ZSET;
}

/* The walk over one set. Not state. */
let isInOrder: bool = false;
let score: f64 = 1;

/** Begins a walk over the members of a set. */
export function startMembers(address: Address, thread: u32): void {
  isInOrder = isSorted(address);
  score = 1;
  if (isInOrder) startAt(address, 0, thread);
  else startItems(address);
}

/** The next member, as it is stored; 0: that was all. */
@inline
export function nextMember(): Address {
  if (!isInOrder) {
    const item = nextItem();
    return item ? memberOf(item) : 0;
  }
  const item = takeNext();
  if (item == 0) return 0;
  score = scoreOfItem(item);
  return memberOfItem(item);
}

/** The score of that member, 1 in a set that is not sorted. */
@inline
export function scoreOfNext(): f64 {
  return score;
}

/** Whether the member at hand, which is in set number `from`, is one of the result. */
export function isWanted(operation: u32, from: u32): bool {
  const end = operation == UNION ? from : sets;
  for (let i: u32 = 0; i < end; i++) {
    if (i == from) continue;
    if (isInSet(i) != (operation == INTERSECTION)) return false;
  }
  return true;
}

export function setIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, INTERSECTION, out, limit, nowMs);
}

export function setUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, UNION, out, limit, nowMs);
}

export function setDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, DIFFERENCE, out, limit, nowMs);
}

function reply(thread: u32, staged: Staged, operation: u32, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount;
  if (<u64>out + 8 + <u64>count * WORD_BYTES > <u64>limit) return 0;
  beginSet(thread);
  if (!addKeys(thread, staged.args, count)) return writeError(out, ERROR_KEY);
  lockSetToRead(thread);
  let end: Address;
  if (!findSets(staged.args, count, CHUNK_SET, limit, nowMs)) end = writeError(out, ERROR_WRONG_TYPE);
  else end = copyMembers(thread, operation, out);
  unlockSet(thread);
  return end;
}

/** SINTERCARD: behind the keys up to how many are counted, 0 and nil for all. */
export function countIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return countResult(thread, staged, INTERSECTION, CHUNK_SET, out, limit, nowMs);
}

/** SUNIONCARD. */
export function countUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return countResult(thread, staged, UNION, CHUNK_SET, out, limit, nowMs);
}

/** SDIFFCARD. */
export function countDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return countResult(thread, staged, DIFFERENCE, CHUNK_SET, out, limit, nowMs);
}

/** ZINTERCARD. */
export function countSortedIntersection(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  return countResult(thread, staged, INTERSECTION, CHUNK_ZSET, out, limit, nowMs);
}

function countResult(
  thread: u32,
  staged: Staged,
  operation: u32,
  kind: u8,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const count = countKeys(staged.args, staged.argCount, staged.end);
  if (count + 1 < staged.argCount) return writeError(out, ERROR_KEY);
  let most: i64 = 0;
  if (count < staged.argCount && !isNil(behindKeys)) {
    if (integerOf(behindKeys) != IS_INTEGER || lastInteger() < 0) return writeError(out, ERROR_COUNT);
    most = lastInteger();
  }
  if (<u64>out + 8 + <u64>count * WORD_BYTES > <u64>limit) return 0;
  beginSet(thread);
  if (!addKeys(thread, staged.args, count)) return writeError(out, ERROR_KEY);
  lockSetToRead(thread);
  let end: Address;
  if (!findSets(staged.args, count, kind, limit, nowMs)) end = writeError(out, ERROR_WRONG_TYPE);
  else end = writeInteger(out, countMembers(thread, operation, most ? most : i64.MAX_VALUE));
  unlockSet(thread);
  return end;
}

/** How many members the result has, up to so many. */
function countMembers(thread: u32, operation: u32, most: i64): i64 {
  let count: i64 = 0;
  planWalk(operation);
  for (let i = firstSet; i < endSet; i++) {
    if (setAt(i) == 0) continue;
    startMembers(setAt(i), thread);
    for (let member = nextMember(); member; member = nextMember()) {
      readMember(thread, member);
      if (!isWanted(operation, i)) continue;
      count += 1;
      if (count == most) return count;
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
