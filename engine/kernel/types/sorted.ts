/* Sorted sets: ZADD, ZINCRBY, ZREM, ZMSCORE, ZCARD. Members as of collections/member.ts, scores f64. */
import { readMember } from '../collections/member';
import { addOrdered, changeScore, findScore, lastScore, removeOrdered } from '../collections/order';
import { CHUNK_ZSET } from '../entry';
import { Address } from '../layout';
import {
  integerOf,
  IS_INTEGER,
  isNil,
  isNumber,
  lastInteger,
  numberOf,
  skipValue,
  writeArrayHead,
  writeFloat,
  writeInteger,
  writeNil,
} from '../msgpack';
import { Partition } from '../partition';
import { partitionOf, Staged } from '../staging';
import {
  ERROR_MEMBER,
  ERROR_NOT_A_SCORE,
  ERROR_OUT_OF_MEMORY,
  ERROR_SCORE,
  ERROR_SCORE_PAIRS,
  ERROR_ZADD_FLAGS,
  writeError,
} from '../status';
import { entryOf, Slot } from '../table';
import { close, closeRead, lastFailure, open, openToRead } from './collection';
import { areMembers, behindKey, sizeOfCollection, writeNothing } from './set';

const ADD_NX: u32 = 1;
const ADD_XX: u32 = 2;
const ADD_GT: u32 = 4;
const ADD_LT: u32 = 8;
const ADD_CH: u32 = 16;
const ADD_INCR: u32 = 32;
const ADD_ALL: i64 = 63;

/** Beyond it not every integer is a float. */
const EXACT: f64 = 9_007_199_254_740_992;

/** Writes a score, as an integer where it is one: that is shorter, and means the same to everybody. */
export function writeScore(out: Address, score: f64): Address {
  if (Math.abs(score) < EXACT && Math.floor(score) == score) return writeInteger(out, <i64>score);
  return writeFloat(out, score);
}

/** The score at an argument; NaN: it is none. */
@inline
export function scoreAt(at: Address): f64 {
  // A negative zero is a zero.
  return isNumber(at) ? numberOf(at) + 0.0 : NaN;
}

const NOT_DONE: u32 = 0;
const ADDED: u32 = 1;
const CHANGED: u32 = 2;
const NO_MEMORY: u32 = 3;
const NO_NUMBER: u32 = 4;

/** The score of the member at hand after `putScore`. Not state. */
let newScore: f64 = 0;

/** Gives the member at hand a score, or adds to it, as the flags allow. */
function putScore(partition: Partition, slot: Slot, score: f64, flags: u32, thread: u32, nowMs: i64): u32 {
  newScore = score;
  if (!findScore(entryOf(slot))) {
    if (flags & ADD_XX) return NOT_DONE;
    return addOrdered(partition, slot, score, thread, nowMs) ? ADDED : NO_MEMORY;
  }
  const old = lastScore();
  if (flags & ADD_NX) return NOT_DONE;
  if (flags & ADD_INCR) newScore = old + score;
  if (isNaN(newScore)) return NO_NUMBER;
  if ((flags & ADD_GT) != 0 && newScore <= old) return NOT_DONE;
  if ((flags & ADD_LT) != 0 && newScore >= old) return NOT_DONE;
  if (newScore == old) return NOT_DONE;
  return changeScore(partition, slot, old, newScore, thread, nowMs) ? CHANGED : NO_MEMORY;
}

/**
 * ZADD: how many are new, with CH how many changed; with INCR the score, or nil. Where memory ends, those before stay.
 */
export function sortedAdd(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  let at = behindKey(staged);
  let flags: u32 = 0;
  if (!isNil(at)) {
    if (integerOf(at) != IS_INTEGER || (lastInteger() & ~ADD_ALL) != 0) return writeError(out, ERROR_ZADD_FLAGS);
    flags = <u32>lastInteger();
  }
  if (popcnt<u32>(flags & (ADD_NX | ADD_GT | ADD_LT)) > 1 || (flags & (ADD_NX | ADD_XX)) == (ADD_NX | ADD_XX)) {
    return writeError(out, ERROR_ZADD_FLAGS);
  }
  const first = skipValue(at, staged.end);
  const pairs = (staged.argCount - 2) >> 1;
  if (pairs << 1 != staged.argCount - 2 || ((flags & ADD_INCR) != 0 && pairs != 1)) {
    return writeError(out, ERROR_SCORE_PAIRS);
  }
  at = first;
  for (let i: u32 = 0; i < pairs; i++) {
    if (isNaN(scoreAt(at))) return writeError(out, ERROR_SCORE);
    at = readMember(thread, skipValue(at, staged.end));
    if (at == 0) return writeError(out, ERROR_MEMBER);
  }
  return addPairs(thread, staged, first, pairs, flags, out, nowMs);
}

/** ZINCRBY. */
export function sortedIncrement(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = behindKey(staged);
  if (isNaN(scoreAt(at))) return writeError(out, ERROR_SCORE);
  if (readMember(thread, skipValue(at, staged.end)) == 0) return writeError(out, ERROR_MEMBER);
  return addPairs(thread, staged, at, 1, ADD_INCR, out, nowMs);
}

/** ZADD and ZINCRBY of pairs that have been looked at, the last member being at hand. */
function addPairs(
  thread: u32,
  staged: Staged,
  first: Address,
  pairs: u32,
  flags: u32,
  out: Address,
  nowMs: i64,
): Address {
  const isIncrement = (flags & ADD_INCR) != 0;
  const slot = open(thread, staged, CHUNK_ZSET, (flags & ADD_XX) == 0, nowMs);
  if (slot == 0) {
    if (lastFailure() == 0 && isIncrement) return writeNil(out);
    return writeNothing(out);
  }
  const partition = partitionOf(staged);
  let added: u32 = 0;
  let changed: u32 = 0;
  let outcome = NOT_DONE;
  let at = first;
  for (let i: u32 = 0; i < pairs && outcome < NO_MEMORY; i++) {
    const score = scoreAt(at);
    // A single one is still at hand.
    if (pairs > 1) at = readMember(thread, skipValue(at, staged.end));
    outcome = putScore(partition, slot, score, flags, thread, nowMs);
    added += <u32>(outcome == ADDED);
    changed += <u32>(outcome == CHANGED);
  }
  const isThere = isIncrement && findScore(entryOf(slot));
  close(thread, staged, slot, added + changed != 0);
  if (outcome == NO_MEMORY) return writeError(out, ERROR_OUT_OF_MEMORY);
  if (outcome == NO_NUMBER) return writeError(out, ERROR_NOT_A_SCORE);
  if (!isIncrement) return writeInteger(out, flags & ADD_CH ? added + changed : added);
  // What a condition kept from being done is nil; adding nothing is done.
  const isRefused = outcome == NOT_DONE && (!isThere || (flags & (ADD_NX | ADD_GT | ADD_LT)) != 0);
  return isRefused ? writeNil(out) : writeScore(out, newScore);
}

/** ZREM. */
export function sortedRemove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  const slot = open(thread, staged, CHUNK_ZSET, false, nowMs);
  if (slot == 0) return writeNothing(out);
  const partition = partitionOf(staged);
  let removed: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    if (!findScore(entryOf(slot))) continue;
    removeOrdered(partition, slot, lastScore(), thread);
    removed += 1;
  }
  close(thread, staged, slot, removed != 0);
  return writeInteger(out, removed);
}

/** ZMSCORE. */
export function sortedScores(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  if (<u64>out + 5 + 9 * <u64>count > <u64>limit) return 0;
  const address = openToRead(thread, staged, CHUNK_ZSET, nowMs);
  if (address == 0 && lastFailure()) return writeError(out, lastFailure());
  let end = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    end = address != 0 && findScore(address) ? writeScore(end, lastScore()) : writeNil(end);
  }
  if (address) closeRead(staged);
  return end;
}

/** ZCARD. */
export function sortedSize(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return sizeOfCollection(thread, staged, CHUNK_ZSET, out, nowMs);
}
