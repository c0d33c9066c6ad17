/* STRLEN, GETRANGE: reads of a str's or bin's bytes, without the lock (read.ts tells how). */
import { copyBytes } from '../bytes';
import {
  CHAINED,
  COLLECTION,
  chainedValueBytes,
  chainSkip,
  copyFromChain,
  entryAt,
  firstPiece,
  isExpired,
  isNamespaced,
  lengthOf,
  valueAddress,
} from '../entry';
import { sample } from '../eviction/adaptive';
import { Address, header, MAX_CHUNK } from '../layout';
import { isLocked, lockToRead, readIsValid, readWord, unlock } from '../lock';
import { mark } from '../marks';
import {
  bytesOf,
  headBytesOf,
  integerOf,
  IS_INTEGER,
  lastInteger,
  lastLength,
  skipValue,
  writeHead,
  writeInteger,
} from '../msgpack';
import { pageAddress } from '../pages';
import { Partition, partitionOfHash } from '../partition';
import { ABSENT, ATTEMPTS, dropExpired, EXPIRED, NO_ROOM, PRESENT, TORN } from '../read';
import { countHit, countMiss } from '../rows';
import { Staged } from '../staging';
import { ERROR_NOT_BYTES, ERROR_RANGE, writeError } from '../status';
import { entryOf, find, homeBucket, Slot } from '../table';
import { blockOf, scratchOf } from '../threads';

/** Besides what read.ts finds: a value that is neither a str nor a bin. */
const NOT_BYTES: u32 = 5;

/** A head has at most 5 bytes; more are read at once. */
const HEAD_BYTES_READ: u32 = 8;

/* What a look found: the slot, the bytes before the content, and the content's. Read right after it. Not state. */
let foundSlot: Slot = 0;
let headBytes: u32 = 0;
let contentBytes: u32 = 0;

/** One look at the key's value: ABSENT, EXPIRED, TORN, NOT_BYTES, or PRESENT. */
function lookOnce(thread: u32, staged: Staged, nowMs: i64): u32 {
  const slot = find(homeBucket(staged.hash), staged.hash, staged.key, staged.keyWord);
  if (slot == 0) return ABSENT;
  foundSlot = slot;
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (isExpired(address, entry, nowMs)) return EXPIRED;
  if (entry.flags & COLLECTION) return NOT_BYTES;
  // Read once, as of copySlowly (read.ts).
  const isChained = (entry.flags & CHAINED) != 0;
  const bytes = isChained ? chainedValueBytes(address, entry) : <u32>entry.valueBytes;
  if (bytes > (isChained ? header().maxValueBytes : MAX_CHUNK)) return TORN;
  const scratch = scratchOf(thread);
  if (!copyOnce(address, 0, scratch, min<u32>(HEAD_BYTES_READ, bytes), isChained)) return TORN;
  const content = bytesOf(scratch);
  if (content == 0) return NOT_BYTES;
  headBytes = content - scratch;
  contentBytes = lastLength();
  return <u64>headBytes + <u64>contentBytes == <u64>bytes ? PRESENT : TORN;
}

/** Copies bytes of a value that may be changing. False: it made no sense. */
function copyOnce(address: Address, from: u32, target: Address, length: u32, isChained: bool): bool {
  const entry = entryAt(address);
  if (isChained) {
    const low = pageAddress(header().firstPage);
    const skip = chainSkip(entry) + from;
    return copyFromChain(firstPiece(address, entry), skip, length, target, low, header().endAddress);
  }
  copyBytes(target, valueAddress(address, entry) + from, length);
  return true;
}

export function length(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const partition = partitionOfHash(staged.hash);
  let found: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && found == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    found = lookOnce(thread, staged, nowMs);
    if (!readIsValid(partition, word)) found = TORN;
  }
  if (found == TORN) {
    lockToRead(partition, thread);
    found = lookOnce(thread, staged, nowMs);
    unlock(partition);
  }
  if (found == NOT_BYTES) return writeError(out, ERROR_NOT_BYTES);
  if (found == EXPIRED) dropExpired(thread, staged.hash, staged.key, staged.keyWord, nowMs);
  return writeInteger(out, found == PRESENT ? contentBytes : 0);
}

/** The range that a command asks for. Not state. */
let start: i64 = 0;
let end: i64 = 0;

/** GETRANGE: from `start` to `end`, the last byte; negative ones count from the end. */
export function getRange(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = staged.key + lengthOf(staged.keyWord);
  if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_RANGE);
  start = lastInteger();
  if (integerOf(skipValue(at, staged.end)) != IS_INTEGER) return writeError(out, ERROR_RANGE);
  end = lastInteger();
  const partition = partitionOfHash(staged.hash);
  let found: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && found == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    found = copyRange(thread, staged, out, limit, nowMs);
    if (!readIsValid(partition, word)) found = TORN;
  }
  if (found == TORN) {
    lockToRead(partition, thread);
    found = copyRange(thread, staged, out, limit, nowMs);
    unlock(partition);
  }
  if (found == NO_ROOM) return 0;
  if (found == NOT_BYTES) return writeError(out, ERROR_NOT_BYTES);
  return countRange(thread, partition, staged, found, out, nowMs);
}

/** Counts the read, and answers where nothing was found. */
function countRange(
  thread: u32,
  partition: Partition,
  staged: Staged,
  found: u32,
  out: Address,
  nowMs: i64,
): Address {
  if (found > NOT_BYTES) {
    mark(partition, foundSlot);
    sample(thread, staged.hash);
    blockOf(thread).hits += 1;
    if (isNamespaced(staged.keyWord)) countHit(thread, staged.key);
    return found;
  }
  blockOf(thread).misses += 1;
  if (isNamespaced(staged.keyWord)) countMiss(thread, staged.key);
  if (found == EXPIRED) dropExpired(thread, staged.hash, staged.key, staged.keyWord, nowMs);
  return writeHead(out, false, 0);
}

/** One try: the address behind the range's bytes, as a bin, or why there are none. */
function copyRange(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): u32 {
  const found = lookOnce(thread, staged, nowMs);
  if (found != PRESENT) return found;
  const content = <i64>contentBytes;
  let from = start < 0 ? max<i64>(content + start, 0) : start;
  let behind = min<i64>(end < 0 ? max<i64>(content + end, 0) : end, content - 1) + 1;
  // As in Redis: of two that count from the end, the order is looked at before they are cut.
  if (from >= behind || (start < 0 && end < 0 && start > end)) {
    from = 0;
    behind = 0;
  }
  const bytes = <u32>(behind - from);
  if (out + headBytesOf(false, bytes) + bytes > limit) return NO_ROOM;
  const target = writeHead(out, false, bytes);
  const address = entryOf(foundSlot);
  const isChained = (entryAt(address).flags & CHAINED) != 0;
  // Where it was a chain a moment ago, the value is torn: nothing is copied from behind a chunk.
  if (!isChained && headBytes + <u32>behind > MAX_CHUNK) return TORN;
  return copyOnce(address, headBytes + <u32>from, target, bytes, isChained) ? target + bytes : TORN;
}
