/*
 * What is asked of one member or field, HGET, HEXISTS, SISMEMBER and ZSCORE, is read without the lock, as GET is
 * (read.ts): looked up and copied at a time when nobody seems to write, which counts if the partition's word has not
 * changed meanwhile (lock.ts has the argument), and in the end under the lock.
 *
 * Until then anything may be garbage. So addresses are followed into pages only (table.ts), walks over items are
 * bounded by the size of a chunk (body.ts, order.ts), and what is copied by that too; where they end, the guard pages
 * are far.
 */
import { copyBytes } from '../bytes';
import { behindItem, isItemDue, valueOf } from '../collections/body';
import { readMember } from '../collections/member';
import { findScore, lastScore } from '../collections/order';
import { copyOutside, isOutside, linkedBytes } from '../collections/outside';
import { findMember } from '../collections/table';
import { CHUNK_HASH, CHUNK_SET, CHUNK_ZSET, entryAt, isNamespaced } from '../entry';
import { sample } from '../eviction/adaptive';
import { Address, MAX_CHUNK } from '../layout';
import { isLocked, lockToRead, readIsValid, readWord, unlock } from '../lock';
import { mark } from '../marks';
import { writeBoolean, writeNil } from '../msgpack';
import { ATTEMPTS, findStill } from '../read';
import { countHit, countMiss } from '../rows';
import { partitionOf, Staged } from '../staging';
import { ERROR_MEMBER, ERROR_WRONG_TYPE, writeError } from '../status';
import { entryOf, Slot } from '../table';
import { blockOf } from '../threads';
import { behindKey } from './set';
import { writeScore } from './sorted';

/* What a look came to, where addresses behind a reply are above all of these. */
const NO_ROOM: u32 = 0;
const TORN: u32 = 1;
const NO_KEY: u32 = 2;
const WRONG_TYPE: u32 = 3;

/* What is asked. */
const VALUE: u32 = 0;
const IS_THERE: u32 = 1;
const SCORE: u32 = 2;

/** Where the last look found the key. Not state. */
let foundSlot: Slot = 0;

/** HGET. */
export function hashGet(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return look(thread, staged, CHUNK_HASH, VALUE, out, limit, nowMs);
}

/** HEXISTS. */
export function hashHas(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return look(thread, staged, CHUNK_HASH, IS_THERE, out, limit, nowMs);
}

/** SISMEMBER. */
export function setHas(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return look(thread, staged, CHUNK_SET, IS_THERE, out, limit, nowMs);
}

/** ZSCORE. */
export function sortedScore(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return look(thread, staged, CHUNK_ZSET, SCORE, out, limit, nowMs);
}

function look(
  thread: u32,
  staged: Staged,
  kind: u8,
  asked: u32,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  if (!readMember(thread, behindKey(staged))) return writeError(out, ERROR_MEMBER);
  const partition = partitionOf(staged);
  let found: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && found == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    found = lookOnce(staged, kind, asked, out, limit, nowMs);
    if (!readIsValid(partition, word)) found = TORN;
  }
  if (found == TORN) {
    lockToRead(partition, thread);
    found = lookOnce(staged, kind, asked, out, limit, nowMs);
    unlock(partition);
  }
  if (found == NO_ROOM) return 0;
  if (found == WRONG_TYPE) return writeError(out, ERROR_WRONG_TYPE);
  if (found == NO_KEY) {
    blockOf(thread).misses += 1;
    if (isNamespaced(staged.keyWord)) countMiss(thread, staged.key);
    return asked == IS_THERE ? writeBoolean(out, false) : writeNil(out);
  }
  mark(partition, foundSlot);
  sample(thread, staged.hash);
  blockOf(thread).hits += 1;
  if (isNamespaced(staged.keyWord)) countHit(thread, staged.key);
  return found;
}

/** One look: the address behind the reply, or one of the constants above. */
@inline
function lookOnce(staged: Staged, kind: u8, asked: u32, out: Address, limit: Address, nowMs: i64): u32 {
  const slot = findStill(staged, nowMs);
  if (slot == 0) return NO_KEY;
  foundSlot = slot;
  const address = entryOf(slot);
  if (entryAt(address).kind != kind) return WRONG_TYPE;
  if (asked == SCORE) return findScore(address) ? writeScore(out, lastScore()) : writeNil(out);
  let item = findMember(address);
  if (item != 0 && isItemDue(item, nowMs)) item = 0;
  if (asked == IS_THERE) return writeBoolean(out, item != 0);
  return item ? copyValue(item, out, limit) : writeNil(out);
}

/** Copies the value of an item that may be changing. */
function copyValue(item: Address, out: Address, limit: Address): u32 {
  const value = valueOf(item);
  if (isOutside(value)) {
    const bytes = linkedBytes(value);
    // Read once: what is checked is what is copied.
    if (<u64>out + bytes > <u64>limit) return NO_ROOM;
    return copyOutside(value, bytes, out) ? out + bytes : TORN;
  }
  const bytes = behindItem(item) - value;
  if (bytes > MAX_CHUNK) return TORN;
  if (out + bytes > limit) return NO_ROOM;
  copyBytes(out, value, bytes);
  return out + bytes;
}
