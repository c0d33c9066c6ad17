/*
 * LIMIT: a bucket of tokens that fills at a constant rate. Each call takes some, or none when there are too few.
 *
 * The bucket is an entry; while there is none, the bucket is full, and the entry's expiry is the moment when it is. Its
 * value is the msgpack array of five floats, 0x95 and then each as 0xcb and 8 bytes:
 *
 *   capacity   tokens of a full bucket
 *   rate       tokens that come in a second
 *   since      Unix time in ms when the bucket was full last
 *   last       Unix time in ms of the last change
 *   spent      tokens taken since `since`
 *
 * What is in the bucket is capacity - spent + rate * (now - since) / 1000. It is computed from whole numbers each time,
 * and never added up, so nothing drifts: from `since` on no more is given away than capacity + rate * time. All is
 * reckoned in thousandths of a token, which a whole rate makes whole numbers.
 *
 * A clock that went back: nothing comes until it is where it was at the last change, and what came before stays, by
 * moving `since` back with it. Other arguments than last time: the bucket keeps the tokens that it has, as far as it
 * holds them.
 */
import { Address } from '../layout';
import { lock, unlock } from '../lock';
import {
  integerOf,
  IS_INTEGER,
  isNil,
  isNumber,
  lastInteger,
  numberOf,
  skipValue,
  writeBoolean,
  writeInteger,
} from '../msgpack';
import { lengthOf } from '../entry';
import { Partition } from '../partition';
import { findLive } from '../read';
import { partitionOf, Staged } from '../staging';
import { ERROR_CAPACITY, ERROR_NOT_A_LIMIT, ERROR_RATE, writeError } from '../status';
import { Slot } from '../table';
import { MAX_TTL_MS, storeHeld } from './blob';
import { bytesInSlot, shortValue } from './short';

/** Thousandths of so many tokens are far below 2^53, where floats are no whole numbers any more. */
const MAX_TOKENS: i64 = 1_000_000_000;
const MAX_RATE: f64 = 1_000_000_000;
/** `spent` is made less from here on, for the same reason. */
const MOST_SPENT: f64 = 1_099_511_627_776;
/** No time is later: the year 10889, within the 48 bits of an expiry. */
const MAX_TIME: f64 = 281_474_976_710_655;
/** Steps by which a time that was divided out may be wrong. */
const MAX_STEPS: u32 = 4;

const FIELDS: u32 = 5;
const FIELD_BYTES: u32 = 9;
const LIMIT_BYTES: u32 = 1 + FIELDS * FIELD_BYTES;

/* The bucket at hand, in use by one call at a time. Not state. */
let capacity: f64 = 0;
let rate: f64 = 0;
let cost: f64 = 0;
let since: f64 = 0;
let last: f64 = 0;
let spent: f64 = 0;

/** Whether the bucket's size and rate are such as LIMIT takes. False where one is NaN. */
function isRateRight(): bool {
  const fillsInTime = capacity * 1000 <= rate * <f64>MAX_TTL_MS;
  return rate > 0 && rate <= MAX_RATE && fillsInTime;
}

/** Reads capacity, rate and cost; what is wrong with them, or 0. */
function readArguments(staged: Staged): u32 {
  let at = staged.key + lengthOf(staged.keyWord);
  if (integerOf(at) != IS_INTEGER || lastInteger() < 1 || lastInteger() > MAX_TOKENS) return ERROR_CAPACITY;
  capacity = <f64>lastInteger();
  at = skipValue(at, staged.end);
  rate = isNumber(at) ? numberOf(at) : NaN;
  if (!isRateRight()) return ERROR_RATE;
  cost = 1;
  if (staged.argCount < 4) return 0;
  at = skipValue(at, staged.end);
  if (isNil(at)) return 0;
  if (integerOf(at) != IS_INTEGER || lastInteger() < 0 || lastInteger() > MAX_TOKENS) return ERROR_CAPACITY;
  cost = <f64>lastInteger();
  return 0;
}

@inline
function fieldAt(value: Address, index: u32): f64 {
  const at = value + 1 + index * FIELD_BYTES;
  return load<u8>(at) == 0xcb ? numberOf(at) : NaN;
}

@inline
function storeField(value: Address, index: u32, field: f64): void {
  const at = value + 1 + index * FIELD_BYTES;
  store<u8>(at, 0xcb);
  store<u64>(at, bswap<u64>(reinterpret<u64>(field)), 1);
}

/**
 * Takes on the bucket in a slot as of `now`, with the arguments' capacity and rate. False: the value is none, which
 * anybody may have written, so nothing of it is trusted. `isMoved`: it must be stored, whether tokens are taken or not.
 * `out`: where the reply will go.
 */
function readBucket(out: Address, slot: Slot, now: f64): bool {
  const value = shortValue(out, slot, LIMIT_BYTES);
  if (value == 0 || bytesInSlot(slot) != LIMIT_BYTES || load<u8>(value) != 0x95) return false;
  const newCapacity = capacity;
  const newRate = rate;
  capacity = fieldAt(value, 0);
  rate = fieldAt(value, 1);
  since = fieldAt(value, 2);
  last = fieldAt(value, 3);
  spent = fieldAt(value, 4);
  const isBucket =
    capacity >= 1 && capacity <= <f64>MAX_TOKENS && isRateRight() &&
    since >= -MAX_TIME && last >= since && last <= MAX_TIME && spent >= 0 && spent <= 2 * MOST_SPENT;
  if (isBucket && now < last) {
    since -= last - now;
    last = now;
    isMoved = true;
  }
  if (isBucket && (capacity != newCapacity || rate != newRate)) {
    const tokens = max<f64>(0, min<f64>(thousandths(now), capacity * 1000)) / 1000;
    capacity = newCapacity;
    spent = newCapacity - min<f64>(tokens, newCapacity);
    since = now;
    isMoved = true;
  }
  capacity = newCapacity;
  rate = newRate;
  return isBucket;
}

/** A result of `readBucket`. */
let isMoved: bool = false;

/** What is in the bucket at some time, in thousandths of a token, were there no most. */
@inline
function thousandths(time: f64): f64 {
  return (capacity - spent) * 1000 + rate * (time - since);
}

/** Milliseconds from `now` until so many tokens are in the bucket: the least whole number. */
function waitFor(tokens: f64, now: f64): f64 {
  const wanted = tokens * 1000;
  let ms = max<f64>(0, Math.ceil((wanted - thousandths(now)) / rate));
  // A quotient is rounded, and the question is when the sum, which is rounded too, will do.
  for (let i: u32 = 0; i < MAX_STEPS && ms > 0 && thousandths(now + ms - 1) >= wanted; i++) ms -= 1;
  for (let i: u32 = 0; i < MAX_STEPS && thousandths(now + ms) < wanted; i++) ms += 1;
  return min<f64>(ms, MAX_TIME);
}

export function limitRate(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const wrong = readArguments(staged);
  if (wrong) return writeError(out, wrong);
  const partition = partitionOf(staged);
  lock(partition, thread);
  const end = limitHeld(partition, thread, staged, out, nowMs);
  unlock(partition);
  return end;
}

function limitHeld(partition: Partition, thread: u32, staged: Staged, out: Address, nowMs: i64): Address {
  const now = <f64>nowMs;
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  isMoved = false;
  if (slot == 0) {
    since = now;
    spent = 0;
  } else if (!readBucket(out, slot, now)) {
    return writeError(out, ERROR_NOT_A_LIMIT);
  }
  if (thousandths(now) >= capacity * 1000) {
    since = now;
    spent = 0;
  }
  const isAllowed = cost <= capacity && thousandths(now) >= cost * 1000;
  if (isAllowed) spent += cost;
  if (spent > MOST_SPENT) forgetSeconds(now);
  const fullMs = waitFor(capacity, now);
  if (fullMs > 0 && (isMoved || (isAllowed && cost > 0))) {
    writeBucket(out, now);
    const expiryMs = nowMs + <i64>fullMs;
    const outcome = storeHeld(thread, partition, slot, staged, out, LIMIT_BYTES, expiryMs, nowMs);
    if (outcome < 0) return writeError(out, -outcome);
  }
  const waitMs = isAllowed ? 0 : cost > capacity ? -1 : waitFor(cost, now);
  const left = max<f64>(0, min<f64>(capacity, Math.floor(thousandths(now) / 1000)));
  store<u8>(out, 0x94);
  let end = writeBoolean(out + 1, isAllowed);
  end = writeInteger(end, <i64>left);
  end = writeInteger(end, <i64>waitMs);
  return writeInteger(end, <i64>fullMs);
}

/** Counts from a later second on: what came since then pays for what was taken. */
function forgetSeconds(now: f64): void {
  const seconds = Math.floor((now - since) / 1000);
  since += seconds * 1000;
  spent = max<f64>(0, spent - rate * seconds);
}

function writeBucket(value: Address, now: f64): void {
  store<u8>(value, 0x95);
  storeField(value, 0, capacity);
  storeField(value, 1, rate);
  storeField(value, 2, since);
  storeField(value, 3, now);
  storeField(value, 4, spent);
}
