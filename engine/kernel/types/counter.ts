/* INCR: a value that is a msgpack integer, counted in 64 bits. INCRFLOAT: any number, as a float of 64 bits. */
import { noteSet } from '../changelog';
import { entryAt, CHAINED, COLLECTION, expiryOf, HAS_EXPIRY, lengthOf, valueAddress, valueBytesOf } from '../entry';
import { Address } from '../layout';
import { lock, unlock } from '../lock';
import {
  integerOf,
  IS_HUGE,
  IS_INTEGER,
  isNil,
  isNumber,
  lastInteger,
  NOT_AN_INTEGER,
  numberOf,
  skipValue,
  writeFloat,
  writeInteger,
} from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { copyHeld, findLive } from '../read';
import { whyNoRoom } from '../renewal';
import { Staged } from '../staging';
import {
  ERROR_DELTA,
  ERROR_NOT_A_NUMBER,
  ERROR_NOT_AN_INTEGER,
  ERROR_NOT_FINITE,
  ERROR_NUMBER_DELTA,
  ERROR_OVERFLOW,
  ERROR_TTL,
  writeError,
} from '../status';
import { stampKey } from '../stamps';
import { put } from '../store';
import { entryOf, Slot } from '../table';
import { scratchOf } from '../threads';
import { expiryOfSlot, MAX_TTL_MS } from './blob';

/** A number as msgpack takes no more. */
const MAX_NUMBER_BYTES: u32 = 9;

export function increment(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  let delta: i64 = 1;
  let ttlMs: i64 = 0;
  let at = staged.key + lengthOf(staged.keyWord);
  if (staged.argCount > 1) {
    if (!isNil(at)) {
      if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_DELTA);
      delta = lastInteger();
    }
    if (staged.argCount > 2) {
      ttlMs = ttlAt(skipValue(at, staged.end));
      if (ttlMs < 0) return writeError(out, ERROR_TTL);
    }
  }
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const end = incrementHeld(partition, thread, staged, delta, ttlMs, out, nowMs);
  unlock(partition);
  return end;
}

/** The time to live at an argument, 0 for nil; negative: it is none. */
export function ttlAt(at: Address): i64 {
  if (isNil(at)) return 0;
  if (integerOf(at) != IS_INTEGER) return -1;
  const ttlMs = lastInteger();
  return ttlMs > MAX_TTL_MS ? -1 : ttlMs;
}

/** Where the value in the slot stands in one piece; 0: it is too long for a number. */
function numberAddress(thread: u32, slot: Slot): Address {
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (entry.flags & COLLECTION) return 0;
  if (!(entry.flags & CHAINED)) return valueAddress(address, entry);
  if (valueBytesOf(address, entry) > MAX_NUMBER_BYTES) return 0;
  // Short, and yet in a chain: its key is so long that no chunk holds both.
  const copy = scratchOf(thread);
  copyHeld(slot, copy, copy + MAX_NUMBER_BYTES);
  return copy;
}

/** What the value in the slot is; an integer goes to `lastInteger()`. */
function integerOfEntry(thread: u32, slot: Slot): u32 {
  const value = numberAddress(thread, slot);
  return value == 0 ? NOT_AN_INTEGER : integerOf(value);
}

function incrementHeld(
  partition: Partition,
  thread: u32,
  staged: Staged,
  delta: i64,
  ttlMs: i64,
  out: Address,
  nowMs: i64,
): Address {
  const slot: Slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  let sum = delta;
  let expiryMs: i64 = ttlMs > 0 ? nowMs + ttlMs : 0;
  if (slot) {
    const address = entryOf(slot);
    const entry = entryAt(address);
    const kind = integerOfEntry(thread, slot);
    if (kind == NOT_AN_INTEGER) return writeError(out, ERROR_NOT_AN_INTEGER);
    if (kind == IS_HUGE) return writeError(out, ERROR_OVERFLOW);
    const old = lastInteger();
    sum = old + delta;
    // The sum overflowed when both have one sign and the sum has the other.
    if (((old ^ sum) & (delta ^ sum)) < 0) return writeError(out, ERROR_OVERFLOW);
    expiryMs = entry.flags & HAS_EXPIRY ? expiryOf(address) : 0;
    stampKey(staged.hash);
  }
  const value = scratchOf(thread);
  const bytes = writeInteger(value, sum) - value;
  const status = storeNumber(partition, thread, slot, staged, value, bytes, expiryMs, nowMs);
  return status ? writeError(out, status) : writeInteger(out, sum);
}

/** Stores a number: 0, or a status. */
function storeNumber(
  partition: Partition,
  thread: u32,
  slot: Slot,
  staged: Staged,
  value: Address,
  bytes: u32,
  expiryMs: i64,
  nowMs: i64,
): u32 {
  if (!put(partition, slot, staged.hash, staged.key, staged.keyWord, value, bytes, expiryMs, thread, nowMs)) {
    return whyNoRoom(partition, slot);
  }
  noteSet(partition, staged.key, staged.keyWord, value, bytes, expiryMs);
  return 0;
}

/** INCRFLOAT. */
export function incrementFloat(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = staged.key + lengthOf(staged.keyWord);
  if (!isNumber(at)) return writeError(out, ERROR_NUMBER_DELTA);
  const delta = numberOf(at);
  let ttlMs: i64 = 0;
  if (staged.argCount > 2) {
    ttlMs = ttlAt(skipValue(at, staged.end));
    if (ttlMs < 0) return writeError(out, ERROR_TTL);
  }
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const end = incrementFloatHeld(partition, thread, staged, delta, ttlMs, out, nowMs);
  unlock(partition);
  return end;
}

function incrementFloatHeld(
  partition: Partition,
  thread: u32,
  staged: Staged,
  delta: f64,
  ttlMs: i64,
  out: Address,
  nowMs: i64,
): Address {
  const slot: Slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  // Of 0, which an absent key counts as, and -0.0 too.
  let sum = 0.0 + delta;
  let expiryMs: i64 = ttlMs > 0 ? nowMs + ttlMs : 0;
  if (slot) {
    const old = numberAddress(thread, slot);
    if (old == 0 || !isNumber(old)) return writeError(out, ERROR_NOT_A_NUMBER);
    sum = numberOf(old) + delta;
    expiryMs = expiryOfSlot(slot);
  }
  if (!isFinite(sum)) return writeError(out, ERROR_NOT_FINITE);
  if (slot) stampKey(staged.hash);
  const value = scratchOf(thread);
  const bytes = writeFloat(value, sum) - value;
  const status = storeNumber(partition, thread, slot, staged, value, bytes, expiryMs, nowMs);
  return status ? writeError(out, status) : writeFloat(out, sum);
}
