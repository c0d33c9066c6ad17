/* Commands on one field of a hash: HSTRLEN, HINCRBY, HINCRBYFLOAT. */
import { expiryOfItem, valueOf } from '../collections/body';
import { findLiveMember } from '../collections/expiring';
import { readMember } from '../collections/member';
import { payloadOf } from '../collections/node';
import { firstOutside, isOutside } from '../collections/outside';
import { CHUNK_HASH } from '../entry';
import { Address } from '../layout';
import {
  bytesOf,
  integerOf,
  IS_HUGE,
  IS_INTEGER,
  isNumber,
  lastInteger,
  lastLength,
  numberOf,
  writeFloat,
  writeInteger,
} from '../msgpack';
import { partitionOf, Staged } from '../staging';
import {
  ERROR_DELTA,
  ERROR_MEMBER,
  ERROR_NOT_A_NUMBER,
  ERROR_NOT_AN_INTEGER,
  ERROR_NOT_BYTES,
  ERROR_NOT_FINITE,
  ERROR_NUMBER_DELTA,
  ERROR_OUT_OF_MEMORY,
  ERROR_OVERFLOW,
  writeError,
} from '../status';
import { entryOf, Slot } from '../table';
import { close, closeRead, lastFailure, open, openToRead } from './collection';
import { FIELD_NO_MEMORY, putField } from './hash';
import { behindKey, writeNothing } from './set';

/** HSTRLEN. */
export function hashFieldLength(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (!readMember(thread, behindKey(staged))) return writeError(out, ERROR_MEMBER);
  const address = openToRead(thread, staged, CHUNK_HASH, nowMs);
  if (address == 0) return writeNothing(out);
  const item = findLiveMember(address, nowMs);
  let length: i64 = 0;
  if (item) {
    const value = valueOf(item);
    // A long value's head stands in its first node.
    const isBytes = bytesOf(isOutside(value) ? payloadOf(firstOutside(value)) : value) != 0;
    length = isBytes ? lastLength() : -1;
  }
  closeRead(staged);
  return length < 0 ? writeError(out, ERROR_NOT_BYTES) : writeInteger(out, length);
}

/** HINCRBY: a field that is not there counts as 0. */
export function hashIncrement(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = readMember(thread, behindKey(staged));
  if (at == 0) return writeError(out, ERROR_MEMBER);
  if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_DELTA);
  const delta = lastInteger();
  const slot = open(thread, staged, CHUNK_HASH, true, nowMs);
  if (slot == 0) return writeError(out, lastFailure());
  const item = findLiveMember(entryOf(slot), nowMs);
  let status: u32 = 0;
  let sum = delta;
  if (item) {
    const kind = integerOf(valueOf(item));
    const old = lastInteger();
    sum = old + delta;
    if (kind == IS_HUGE) status = ERROR_OVERFLOW;
    else if (kind != IS_INTEGER) status = ERROR_NOT_AN_INTEGER;
    else if (((old ^ sum) & (delta ^ sum)) < 0) status = ERROR_OVERFLOW;
  }
  const end = status ? out : writeInteger(out, sum);
  return endIncrement(thread, staged, slot, status, out, end, nowMs);
}

/** HINCRBYFLOAT: the sum is a float of 64 bits. */
export function hashIncrementFloat(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = readMember(thread, behindKey(staged));
  if (at == 0) return writeError(out, ERROR_MEMBER);
  if (!isNumber(at)) return writeError(out, ERROR_NUMBER_DELTA);
  const delta = numberOf(at);
  // Whatever is there: not to make a hash for nothing, which might cost another key, and be told of as removed.
  if (!isFinite<f64>(delta)) return writeError(out, ERROR_NOT_FINITE);
  const slot = open(thread, staged, CHUNK_HASH, true, nowMs);
  if (slot == 0) return writeError(out, lastFailure());
  const item = findLiveMember(entryOf(slot), nowMs);
  let status: u32 = 0;
  // Of 0, which a field that is not there counts as, and -0.0 too.
  let sum = 0.0 + delta;
  if (item) {
    if (isNumber(valueOf(item))) sum = numberOf(valueOf(item)) + delta;
    else status = ERROR_NOT_A_NUMBER;
  }
  if (status == 0 && !isFinite<f64>(sum)) status = ERROR_NOT_FINITE;
  const end = status ? out : writeFloat(out, sum);
  return endIncrement(thread, staged, slot, status, out, end, nowMs);
}

/** Sets the field at hand to the number that stands in the reply, unless something is wrong. Its expiry stays. */
function endIncrement(
  thread: u32,
  staged: Staged,
  slot: Slot,
  status: u32,
  out: Address,
  end: Address,
  nowMs: i64,
): Address {
  if (status == 0) {
    const item = findLiveMember(entryOf(slot), nowMs);
    const expiryMs: i64 = item ? expiryOfItem(item) : 0;
    const outcome = putField(partitionOf(staged), slot, out, end - out, expiryMs, thread, nowMs);
    if (outcome == FIELD_NO_MEMORY) status = ERROR_OUT_OF_MEMORY;
  }
  close(thread, staged, slot, status == 0);
  return status ? writeError(out, status) : end;
}
