/*
 * ZUNION, ZINTER, ZDIFF: what algebra.ts does, of sorted sets and plain ones, in which each member has the score 1.
 * algebra-store.ts has their STORE forms. A member's score is the sum, the least or the greatest of those that it has
 * in the sets, each times the weight of its set, in the order of the keys; in a difference that of the first set. What
 * would be NaN is 0.
 *
 * The reply is in the order of scores, so it is sorted before it is written. What is sorted are places: of each member
 * its score, and where it stands in a set, which nothing moves as long as the locks are held and no memory is asked
 * for. They stand at the end of the reply area:
 *
 *   out -> reply ... | places: score f64, member u32 | weights f64 | sets (algebra.ts) | limit
 *
 * and the reply grows over those that it has already. So it needs no memory but that area.
 */
import { copyBytes } from '../bytes';
import { readMember, skipMember } from '../collections/member';
import { compareStored, findScore, lastScore } from '../collections/order';
import { findMember } from '../collections/table';
import { CHUNK_ZSET } from '../entry';
import { Address } from '../layout';
import { beginSet, lockSetToRead, unlockSet } from '../locks';
import {
  elementsOf,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  lastLength,
  skipValue,
  writeArrayHead,
} from '../msgpack';
import { Staged } from '../staging';
import { ERROR_AGGREGATE, ERROR_KEY, ERROR_WEIGHTS, ERROR_WRONG_TYPE, writeError } from '../status';
import {
  addKeys,
  countKeys,
  DIFFERENCE,
  endOfWalk,
  findSets,
  firstOfWalk,
  INTERSECTION,
  isSorted,
  lastBehindKeys,
  nextMember,
  planWalk,
  scoreOfNext,
  setAt,
  startMembers,
  UNION,
  WORD_BYTES,
} from './algebra';
import { scoreAt, writeScore } from './sorted';

/* Flags: how several scores of a member become one, their sum without; and scores in the reply, as ZRANGE has it. */
const LEAST: u32 = 1;
const GREATEST: u32 = 2;
const WITH_SCORES: u32 = 8;

const WEIGHT_BYTES: u32 = 8;

/* The arguments at hand: how many keys, flags, where the weights stand (0: none), and what they begin. Not state. */
let keys: u32 = 0;
let flags: u32 = 0;
let weights: Address = 0;
let bottom: Address = 0;

@inline
export function keysAtHand(): u32 {
  return keys;
}

/** Where what is kept of the sets begins. */
@inline
export function placesEnd(): Address {
  return bottom;
}

/**
 * Reads the arguments from the first key that is read on: keys, and behind them flags and weights, if any. What is
 * wrong, or 0. There is room before `limit` for what is kept of them.
 */
export function readCombination(
  at: Address,
  argCount: u32,
  end: Address,
  operation: u32,
  isStored: bool,
  limit: Address,
): u32 {
  keys = countKeys(at, argCount, end);
  const options = argCount - keys;
  const most: u32 = operation == DIFFERENCE ? (isStored ? 0 : 1) : 2;
  if (keys == 0 || options > most) return ERROR_KEY;
  bottom = limit - keys * WORD_BYTES;
  flags = 0;
  weights = 0;
  if (options == 0) return 0;
  at = lastBehindKeys();
  if (!isNil(at)) {
    const allowed: u32 = (operation == DIFFERENCE ? 0 : LEAST | GREATEST) | (isStored ? 0 : WITH_SCORES);
    if (integerOf(at) != IS_INTEGER || (lastInteger() & ~(<i64>allowed)) != 0) return ERROR_AGGREGATE;
    flags = <u32>lastInteger();
    if ((flags & LEAST) != 0 && (flags & GREATEST) != 0) return ERROR_AGGREGATE;
  }
  at = skipValue(at, end);
  return options == 1 || isNil(at) || readWeights(at, end) ? 0 : ERROR_WEIGHTS;
}

/** Writes the weights before what is kept of the sets. False: they are not a number for each key. */
function readWeights(at: Address, end: Address): bool {
  at = elementsOf(at);
  if (at == 0 || lastLength() != keys) return false;
  bottom -= keys * WEIGHT_BYTES;
  weights = bottom;
  for (let i: u32 = 0; i < keys; i++) {
    const weight = scoreAt(at);
    if (isNaN(weight)) return false;
    store<f64>(weights + i * WEIGHT_BYTES, weight);
    at = skipValue(at, end);
  }
  return true;
}

/** The score of the member at hand in a set; NaN: it is not there. */
function scoreInSet(index: u32): f64 {
  const address = setAt(index);
  if (address == 0) return NaN;
  if (isSorted(address)) return findScore(address) ? lastScore() : NaN;
  return findMember(address) ? 1 : NaN;
}

/** A score times the weight of its set. */
@inline
function weigh(score: f64, index: u32): f64 {
  if (weights == 0) return score;
  const product = load<f64>(weights + index * WEIGHT_BYTES) * score;
  // Infinity times 0. And a negative zero is a zero.
  return isNaN(product) ? 0 : product + 0.0;
}

function aggregate(one: f64, other: f64): f64 {
  if (flags & LEAST) return Math.min(one, other);
  if (flags & GREATEST) return Math.max(one, other);
  const sum = one + other;
  // Of two infinities.
  return isNaN(sum) ? 0 : sum;
}

/** The score in the result of the member at hand, which set number `from` has with `ownScore`; NaN: it is not in it. */
export function scoreOfResult(operation: u32, from: u32, ownScore: f64): f64 {
  let result: f64 = NaN;
  for (let i: u32 = 0; i < keys; i++) {
    const score = i == from ? ownScore : scoreInSet(i);
    if (isNaN(score)) {
      if (operation == INTERSECTION) return NaN;
      continue;
    }
    // It was told of by that set; or it is what shall not be in any.
    if (i != from && (operation == DIFFERENCE || (operation == UNION && i < from))) return NaN;
    const weighed = weigh(score, i);
    result = isNaN(result) ? weighed : aggregate(result, weighed);
  }
  return result;
}

export function sortedIntersection(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, INTERSECTION, out, limit, nowMs);
}

export function sortedUnion(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, UNION, out, limit, nowMs);
}

export function sortedDifference(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return reply(thread, staged, DIFFERENCE, out, limit, nowMs);
}

function reply(thread: u32, staged: Staged, operation: u32, out: Address, limit: Address, nowMs: i64): Address {
  if (<u64>out + 8 + <u64>staged.argCount * (WORD_BYTES + WEIGHT_BYTES) > <u64>limit) return 0;
  const status = readCombination(staged.args, staged.argCount, staged.end, operation, false, limit);
  if (status) return writeError(out, status);
  beginSet(thread);
  if (!addKeys(thread, staged.args, keys)) return writeError(out, ERROR_KEY);
  lockSetToRead(thread);
  let end: Address;
  if (!findSets(staged.args, keys, CHUNK_ZSET, limit, nowMs)) end = writeError(out, ERROR_WRONG_TYPE);
  else if (!gatherPlaces(thread, operation, out)) end = 0;
  else end = writePlaces(out);
  unlockSet(thread);
  return end;
}

const PLACE_BYTES: u32 = 12;
const PLACE_MEMBER: u32 = 8;

/* The places: where they begin, and how many. Not state. */
let places: Address = 0;
let count: u32 = 0;

@inline
function placeAt(index: u32): Address {
  return places + index * PLACE_BYTES;
}

/** Makes the places of the result, in order, at the end of the area. False: they do not fit. */
function gatherPlaces(thread: u32, operation: u32, area: Address): bool {
  places = area;
  count = 0;
  // Those of one sorted set come in order, where a weight does not turn it round.
  let isInOrder = true;
  planWalk(operation);
  const endSet = endOfWalk();
  for (let i = firstOfWalk(); i < endSet; i++) {
    if (setAt(i) == 0) continue;
    startMembers(setAt(i), thread);
    for (let member = nextMember(); member; member = nextMember()) {
      readMember(thread, member);
      const score = scoreOfResult(operation, i, scoreOfNext());
      if (isNaN(score)) continue;
      const place = placeAt(count);
      if (place + PLACE_BYTES > bottom) return false;
      store<f64>(place, score);
      store<u32>(place, member, PLACE_MEMBER);
      if (count != 0 && isInOrder) isInOrder = isBefore(placeAt(count - 1), place);
      count += 1;
    }
  }
  places = bottom - count * PLACE_BYTES;
  memory.copy(places, area, count * PLACE_BYTES);
  if (!isInOrder) sortPlaces();
  return true;
}

/** Whether a place comes before another one in the reply. */
@inline
function isBefore(one: Address, other: Address): bool {
  const score = load<f64>(one);
  const otherScore = load<f64>(other);
  return score == otherScore
    ? compareStored(load<u32>(one, PLACE_MEMBER), load<u32>(other, PLACE_MEMBER)) < 0
    : score < otherScore;
}

/** Heapsort: in place, and O(n log n) whatever the order was. */
function sortPlaces(): void {
  for (let i = count >> 1; i > 0; i--) sink(i - 1, count);
  for (let end = count - 1; end > 0; end--) {
    const last = placeAt(end);
    const score = load<f64>(last);
    const member = load<u32>(last, PLACE_MEMBER);
    copyPlace(last, places);
    store<f64>(places, score);
    store<u32>(places, member, PLACE_MEMBER);
    sink(0, end);
  }
}

/** Lets the place at an index of a heap that ends before `end` go down to where both below it come before it. */
function sink(index: u32, end: u32): void {
  const score = load<f64>(placeAt(index));
  const member = load<u32>(placeAt(index), PLACE_MEMBER);
  for (let child: u32 = 2 * index + 1; child < end; child = 2 * index + 1) {
    if (child + 1 < end && isBefore(placeAt(child), placeAt(child + 1))) child += 1;
    const childScore = load<f64>(placeAt(child));
    const isBelow =
      childScore == score
        ? compareStored(member, load<u32>(placeAt(child), PLACE_MEMBER)) < 0
        : score < childScore;
    if (!isBelow) break;
    copyPlace(placeAt(index), placeAt(child));
    index = child;
  }
  store<f64>(placeAt(index), score);
  store<u32>(placeAt(index), member, PLACE_MEMBER);
}

@inline
function copyPlace(target: Address, source: Address): void {
  store<f64>(target, load<f64>(source));
  store<u32>(target, load<u32>(source, PLACE_MEMBER), PLACE_MEMBER);
}

/** Writes the members in the order of the places, with scores as member, score and so on; the address behind, or 0. */
function writePlaces(out: Address): Address {
  const withScores = (flags & WITH_SCORES) != 0;
  if (out + 5 > places) return 0;
  let end = writeArrayHead(out, withScores ? count << 1 : count);
  for (let i: u32 = 0; i < count; i++) {
    const place = placeAt(i);
    const score = load<f64>(place);
    const member = load<u32>(place, PLACE_MEMBER);
    const bytes = skipMember(member) - member;
    // Up to the next place.
    if (end + bytes + (withScores ? 9 : 0) > place + PLACE_BYTES) return 0;
    copyBytes(end, member, bytes);
    end += bytes;
    if (withScores) end = writeScore(end, score);
  }
  return end;
}
