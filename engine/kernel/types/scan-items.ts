/*
 * SSCAN, HSCAN: a page of a walk over the members of a set or the fields of a hash (collections/scan.ts). The reply is
 * [next cursor, [member, ...]] or, of a hash, [next cursor, [field, value, ...]]. A page ends with the bucket in which
 * there come to be `count` items, or behind MAX_BUCKETS or MAX_WORK, so a call takes a bounded time. `match` is a glob
 * pattern as of SCAN, which is applied to what a page has, so a page may be empty before the end. An integer is matched
 * by its digits.
 */
import { copyBytes } from '../bytes';
import { isItemDue, memberOf } from '../collections/body';
import { matchesGlob, MAX_PATTERN_BYTES, startWork, workDone } from '../collections/glob';
import { nextItem, startBucket } from '../collections/items';
import { isStoredInteger, lastStoredLength, skipMember, storedText } from '../collections/member';
import { memberOfItem, scoreOfItem } from '../collections/order';
import { isRooted } from '../collections/root';
import { bucketAt, isTold, isWithinBucket, nextCursor } from '../collections/scan';
import { startAt, takeNext } from '../collections/sequence';
import { CHUNK_HASH, CHUNK_SET, CHUNK_ZSET } from '../entry';
import { Address } from '../layout';
import {
  bytesOf,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  lastLength,
  skipValue,
  writeArrayHead,
  writeInteger,
} from '../msgpack';
import { Staged } from '../staging';
import { ERROR_COUNT, ERROR_CURSOR, ERROR_MATCH, writeError } from '../status';
import { scratchOf } from '../threads';
import { closeRead, lastFailure, openToRead } from './collection';
import { copyField } from './hash';
import { behindKey } from './set';
import { writeScore } from './sorted';

const DEFAULT_COUNT: i64 = 10;
/** Buckets that a page looks at: some tens of microseconds. */
const MAX_BUCKETS: u32 = 256;
/** Work of matching, as `workDone` counts it, behind which a page ends: a millisecond or so. */
const MAX_WORK: u32 = 262144;
/** Where digits end in a thread's scratch: 20 of them and a sign come before. */
const DIGITS_END: u32 = 32;
const ZERO: u32 = 0x30;
const MINUS: u8 = 0x2d;
/** Heads of two arrays and the cursor. */
const HEAD_BYTES: u32 = 1 + 5 + 5;

export function setScan(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return scanItems(thread, staged, CHUNK_SET, out, limit, nowMs);
}

/** ZSCAN: member, score, member and so on. */
export function sortedScan(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return scanItems(thread, staged, CHUNK_ZSET, out, limit, nowMs);
}

export function hashScan(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return scanItems(thread, staged, CHUNK_HASH, out, limit, nowMs);
}

function scanItems(thread: u32, staged: Staged, kind: u8, out: Address, limit: Address, nowMs: i64): Address {
  let at = behindKey(staged);
  if (integerOf(at) != IS_INTEGER || lastInteger() < 0 || lastInteger() > <i64>u32.MAX_VALUE) {
    return writeError(out, ERROR_CURSOR);
  }
  let cursor = <u32>lastInteger();
  let count = DEFAULT_COUNT;
  at = skipValue(at, staged.end);
  if (staged.argCount > 2 && !isNil(at)) {
    if (integerOf(at) != IS_INTEGER || lastInteger() < 1) return writeError(out, ERROR_COUNT);
    count = lastInteger();
  }
  let pattern: Address = 0;
  let patternBytes: u32 = 0;
  if (staged.argCount > 3) {
    at = skipValue(at, staged.end);
    if (!isNil(at)) {
      pattern = bytesOf(at);
      patternBytes = lastLength();
      if (pattern == 0 || patternBytes > MAX_PATTERN_BYTES) return writeError(out, ERROR_MATCH);
    }
  }
  const address = openToRead(thread, staged, kind, nowMs);
  if (address == 0 && lastFailure()) return writeError(out, lastFailure());
  let end = out + HEAD_BYTES;
  let values: u32 = 0;
  if (address == 0) {
    cursor = 0;
  } else {
    const isPacked = !isRooted(address);
    const isOrdered = isPacked && kind == CHUNK_ZSET;
    let seen: i64 = 0;
    startWork();
    for (let i: u32 = 0; i < MAX_BUCKETS && seen < count && workDone() < MAX_WORK; i++) {
      const start = end;
      const valuesBefore = values;
      const skipsTold = !isPacked && isWithinBucket(address, cursor);
      if (isOrdered) startAt(address, 0, thread);
      else startBucket(address, isPacked ? 0 : bucketAt(address, cursor));
      for (let item = next(isOrdered); item != 0 && end != 0; item = next(isOrdered)) {
        const member = isOrdered ? memberOfItem(item) : memberOf(item);
        if (skipsTold && isTold(member, cursor)) continue;
        if (!isOrdered && isItemDue(item, nowMs)) continue;
        seen += 1;
        if (pattern != 0 && !isMatch(thread, pattern, patternBytes, member)) continue;
        end = copyOne(item, member, kind, isOrdered, end, limit);
        values += kind == CHUNK_SET ? 1 : 2;
      }
      if (end == 0) {
        // The bucket is for the next page, unless not even that alone fits.
        end = valuesBefore == 0 ? 0 : start;
        values = valuesBefore;
        break;
      }
      cursor = nextCursor(address, cursor);
      if (cursor == 0) break;
    }
    closeRead(staged);
  }
  if (end == 0) return 0;
  store<u8>(out, 0x92);
  const bodyStart = out + HEAD_BYTES;
  const headEnd = writeArrayHead(writeInteger(out + 1, cursor), values);
  memory.copy(headEnd, bodyStart, end - bodyStart);
  return headEnd + (end - bodyStart);
}

function isMatch(thread: u32, pattern: Address, patternBytes: u32, member: Address): bool {
  if (isStoredInteger(member)) {
    const end = scratchOf(thread) + DIGITS_END;
    const digits = writeDigits(end, member);
    return matchesGlob(pattern, patternBytes, digits, end - digits);
  }
  const text = storedText(member);
  return matchesGlob(pattern, patternBytes, text, lastStoredLength());
}

/** Writes the digits of the integer at `at` before `end`, with a minus where it is negative: where they begin. */
function writeDigits(end: Address, at: Address): Address {
  const isNegative = integerOf(at) == IS_INTEGER && lastInteger() < 0;
  let left = isNegative ? <u64>-lastInteger() : <u64>lastInteger();
  do {
    end -= 1;
    store<u8>(end, <u8>(ZERO + <u32>(left % 10)));
    left /= 10;
  } while (left != 0);
  if (isNegative) {
    end -= 1;
    store<u8>(end, MINUS);
  }
  return end;
}

@inline
function next(isOrdered: bool): Address {
  return isOrdered ? takeNext() : nextItem();
}

function copyOne(item: Address, member: Address, kind: u8, isOrdered: bool, out: Address, limit: Address): Address {
  const bytes = skipMember(member) - member;
  const end = out + bytes;
  if (end + 9 > limit) return 0;
  copyBytes(out, member, bytes);
  if (kind == CHUNK_HASH) return copyField(item, end, limit);
  if (kind == CHUNK_SET) return end;
  return writeScore(end, isOrdered ? scoreOfItem(item) : load<f64>(member + bytes));
}
