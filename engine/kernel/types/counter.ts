/* INCR: a value that is a msgpack integer, counted in 64 bits. */
import { noteSet } from '../changelog';
import { entryAt, CHAINED, COLLECTION, expiryOf, HAS_EXPIRY, lengthOf, valueAddress, valueBytesOf } from '../entry';
import { mayEvict } from '../eviction/policy';
import { Address } from '../layout';
import { lock, unlock } from '../lock';
import {
  integerOf,
  IS_HUGE,
  IS_INTEGER,
  isNil,
  lastInteger,
  NOT_AN_INTEGER,
  skipValue,
  writeInteger,
} from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { copyHeld, findLive } from '../read';
import { Staged } from '../staging';
import {
  ERROR_DELTA,
  ERROR_ENTRIES_FULL,
  ERROR_NOT_AN_INTEGER,
  ERROR_OUT_OF_MEMORY,
  ERROR_OVERFLOW,
  ERROR_TTL,
  writeError,
} from '../status';
import { stampKey } from '../stamps';
import { put } from '../store';
import { entryOf, Slot } from '../table';
import { scratchOf } from '../threads';
import { MAX_TTL_MS } from './blob';

/** An integer as msgpack takes no more. */
const MAX_INTEGER_BYTES: u32 = 9;

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
      at = skipValue(at, staged.end);
      if (!isNil(at)) {
        if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_TTL);
        ttlMs = lastInteger();
        if (ttlMs < 0 || ttlMs > MAX_TTL_MS) return writeError(out, ERROR_TTL);
      }
    }
  }
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const end = incrementHeld(partition, thread, staged, delta, ttlMs, out, nowMs);
  unlock(partition);
  return end;
}

/** What the value in the slot is; an integer goes to `lastInteger()`. */
function integerOfEntry(thread: u32, slot: Slot): u32 {
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (entry.flags & COLLECTION) return NOT_AN_INTEGER;
  if (!(entry.flags & CHAINED)) return integerOf(valueAddress(address, entry));
  if (valueBytesOf(address, entry) > MAX_INTEGER_BYTES) return NOT_AN_INTEGER;
  // Short, and yet in a chain: its key is so long that no chunk holds both.
  const copy = scratchOf(thread);
  copyHeld(slot, copy, copy + MAX_INTEGER_BYTES);
  return integerOf(copy);
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
  if (!put(partition, slot, staged.hash, staged.key, staged.keyWord, value, bytes, expiryMs, thread, nowMs)) {
    const full = slot == 0 && !mayEvict() && partition.entries >= partition.maxEntries;
    return writeError(out, full ? ERROR_ENTRIES_FULL : ERROR_OUT_OF_MEMORY);
  }
  noteSet(partition, staged.key, staged.keyWord, value, bytes, expiryMs);
  return writeInteger(out, sum);
}
