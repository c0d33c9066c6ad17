/*
 * A walk over all entries, by cursor, in bounded pieces: each call copies some entries into the reply area and tells
 * where the next one goes on. Nothing is kept between calls and nothing is marked as used; writers are not held up.
 *
 * The cursor is 0 at the start and at the end, else
 *   bits 37..32   depth + 1 of the region at hand; 0: not chosen yet
 *   bits 31..0    the hash at which to go on
 *
 * The order. A region is all hashes that begin with the same `depth` bits: those of the segment that stood there when
 * the walk came to it. Regions come in ascending order; in a region its hashes come by their low 10 bits, which are the
 * number of the home bucket, and those of one home bucket in ascending order.
 *
 *   hash bits   31 ....... | ............... 10 | 9 ...... 0
 *   counts      first        third                second
 *               region       rest of the hash     home bucket
 *
 * This is an order of hashes alone. Where in a segment an entry stands, and which segment that is, play no part in it:
 * however often the region's segment splits between two calls, the cursor has behind it exactly the hashes that were
 * walked. So an entry that is there during the whole walk is returned, and no key is returned twice.
 *
 * A group is what one step copies: the entries of one home bucket in one segment, found as a lookup finds them, from
 * that bucket on until one that nobody probed past. It is read without the lock (lock.ts) and counts only when the
 * partition did not change meanwhile. Groups are copied in the order of slots, whole or not at all. One that does not
 * fit even an empty area is copied hash by hash, under the lock.
 *
 * The entries are those of one namespace, with their keys without the prefix, or those of none (namespaces.ts).
 *
 * What the reply area holds:
 *   +0   entries   u32
 *   +4   end       u32   bytes of it all, from the area's start
 *   +8   word      u64   the partition's lock word during the whole call (lock.ts). As long as it is the same, all of
 *                        this is still true, but for what has expired. A word with an owner: it changed in between.
 *   +16  partition u32   the address of that word
 *   +24  records, one after the other, each at a multiple of 8:
 *        +0  keyBytes   u16
 *        +2  kind       u8   the chunk's (entry.ts)
 *        +3  hasValue   u8   1: the value follows the key
 *        +4  valueBytes u32  of the entry, also where its value does not follow
 *        +8  expiryMs   f64  0: none
 *        +16 key, value
 */
import { keyExpiryOf } from './collections/root';
import { copyBytes } from './bytes';
import {
  CHAINED,
  COLLECTION,
  copyFromChain,
  expiryOf,
  fieldsBytes,
  HAS_EXPIRY,
  hashOfEntry,
  LINK_VALUE_BYTES,
  LONG_KEY,
  NAMESPACED,
  PENDING,
} from './entry';
import { Address, alignUp, header, MAX_CHUNK } from './layout';
import { isLocked, lockToRead, readIsValid, readWord, unlock } from './lock';
import { pageAddress, pageInfo, pageOf } from './pages';
import { Partition, partitionOfHash } from './partition';
import { copyRecord } from './scanrecords';
import {
  BUCKET_INDEX_MASK,
  BUCKET_SHIFT,
  entryOf,
  MAX_PROBE,
  nextBucket,
  occupiedIn,
  overflowOf,
  previousBucket,
  segmentOf,
  touchEntries,
} from './table';
import { replyArea } from './threads';

const ENTRIES: u32 = 0;
const END: u32 = 4;
const WORD: u32 = 8;
const PARTITION: u32 = 16;
const RECORDS: u32 = 24;

const RECORD_FIXED_BYTES: u32 = 16;

/** Home buckets looked at in one call: a quarter of a segment, some 2,000 entries. */
const MAX_GROUPS: u32 = 256;
/** Tries without the lock, as for other reads. */
const ATTEMPTS: u32 = 8;
/** Hash bits above those of the bucket. */
const MAX_DEPTH: u32 = 22;
/** Cursors are below 2^38. */
const CURSOR_END: f64 = 274_877_906_944;
/** Of the keys of a namespace. */
const PREFIX_BYTES: u32 = 4;
/** A word with an owner that no thread has. */
const NO_WORD: u64 = 0xffff;

/* What copying came to, where addresses are above both of these. */
export const NO_ROOM: u32 = 1;
/** What lay there made no sense: somebody was writing. */
export const TORN: u32 = 2;

/* Second results of the functions below, read right after them by the same thread. Not state. */
let groupEntries: u32 = 0;
/** Leading hash bits that the entries of the group's segment share. */
let groupDepth: u32 = 0;
/** Whether that segment holds nothing at all. */
let isSegmentEmpty: bool = false;
/** The partition's word while the group was read; NO_WORD: it was read under the lock. */
let groupWord: u64 = 0;
let copiedTo: Address = 0;
/** An argument of `scan`, set at its start: the prefix of the namespace's keys; 0: the entries of none. */
let wantedPrefix: u32 = 0;
/** Likewise: records of the change log are wanted (scanrecords.ts). */
let wantsRecords: bool = false;

@inline
export function beginScan(prefix: u32, records: bool): void {
  wantedPrefix = prefix;
  wantsRecords = records;
}

/** Bits below the leading `depth` ones. */
@inline
function tailOf(depth: u32): u32 {
  return <u32>((<u64>0xffff_ffff) >> depth);
}

/**
 * Copies entries from a cursor on (0: from the start) into the reply area, and returns the next cursor, 0 when there is
 * nothing more. Ends with the group in which there come to be `count` entries, or when the area is full, or before
 * entries of another partition, or after MAX_GROUPS; so also without any entry.
 * Values of up to `maxValueBytes` follow their keys (0: none does), longer ones are left out. `prefix`: of the keys of
 * the namespace that is walked; 0: keys of none.
 */
export function scan(
  thread: u32,
  cursor: f64,
  count: u32,
  maxValueBytes: u32,
  nowMs: f64,
  prefix: u32,
): f64 {
  beginScan(prefix, false);
  return scanFrom(thread, cursor, count, maxValueBytes, nowMs);
}

/** `scan` of what `beginScan` said. */
export function scanFrom(thread: u32, cursor: f64, count: u32, maxValueBytes: u32, nowMs: f64): f64 {
  const area = replyArea(thread);
  const limit = area + header().areaBytes;
  const now = <i64>nowMs;
  const mostBytes = min<u32>(maxValueBytes, header().areaBytes);
  const isCursor = cursor >= 0 && cursor < CURSOR_END;
  let at: u32 = isCursor ? <u32>(<u64>cursor) : 0;
  let region: u32 = isCursor ? <u32>((<u64>cursor) >> 32) : 0;
  // A region is never larger than a partition: such a cursor was made up.
  if (region > MAX_DEPTH + 1 || region < 33 - header().partitionShift) region = 0;
  let partition = partitionOfHash(at);
  let word: u64 = NO_WORD;
  let entries: u32 = 0;
  let out: Address = area + RECORDS;
  let isOver = !isCursor;
  for (let groups: u32 = 0; groups < MAX_GROUPS && entries < count && !isOver; groups++) {
    if (partitionOfHash(at) != partition) {
      if (entries != 0 || wantsRecords) break;
      partition = partitionOfHash(at);
    }
    const end = readGroup(thread, partition, at, region, out, limit, mostBytes, now);
    if (region == 0) region = regionAt(at, groupDepth);
    if (end == NO_ROOM) {
      // It begins the next call, if anything can be handed out without it.
      if (entries) break;
      word = NO_WORD;
      const next = copyByHash(thread, partition, at, region, out, limit, mostBytes, now);
      entries = groupEntries;
      out = copiedTo;
      if (next <= <u64>lastOfGroup(at, region)) {
        at = <u32>next;
        break;
      }
    } else {
      if (entries == 0) word = groupWord;
      else if (word != groupWord) word = NO_WORD;
      entries += groupEntries;
      out = end;
    }
    const last = lastOfGroup(at, region);
    const tail = tailOf(region - 1);
    const isWholeRegion = isSegmentEmpty && groupDepth <= region - 1;
    const bucket = isWholeRegion ? BUCKET_INDEX_MASK : at & BUCKET_INDEX_MASK;
    if (last != (at | tail)) {
      at = (last + 1) | bucket;
    } else if (bucket != BUCKET_INDEX_MASK) {
      at = (at & ~tail) | (bucket + 1);
    } else {
      at = last + 1;
      region = 0;
      isOver = at == 0;
    }
  }
  store<u32>(area, entries, ENTRIES);
  store<u32>(area, out - area, END);
  store<u64>(area, word, WORD);
  store<u32>(area, changetype<u32>(partition), PARTITION);
  return isOver ? 0 : <f64>(((<u64>region) << 32) | <u64>at);
}

/** The last hash that the group just read, in a segment of `groupDepth`, may have; it ends its segment or region. */
@inline
function lastOfGroup(at: u32, region: u32): u32 {
  return at | tailOf(max<u32>(groupDepth, region - 1));
}

/** The region that begins at this hash: its depth + 1. That of its segment, unless that begins before. */
function regionAt(at: u32, segmentDepth: u32): u32 {
  let depth = segmentDepth;
  while (depth < MAX_DEPTH && (at & tailOf(depth)) != 0) depth += 1;
  return depth + 1;
}

/** Copies the group at `at`, whole: the end of the copy, or NO_ROOM. */
@inline
function readGroup(
  thread: u32,
  partition: Partition,
  at: u32,
  region: u32,
  out: Address,
  limit: Address,
  maxValueBytes: u32,
  nowMs: i64,
): u32 {
  let end: u32 = TORN;
  for (let i: u32 = 0; i < ATTEMPTS && end == TORN; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    end = copyGroup(at, region, out, limit, maxValueBytes, nowMs);
    groupWord = word;
    if (!readIsValid(partition, word)) end = TORN;
  }
  if (end != TORN) return end;
  lockToRead(partition, thread);
  end = copyGroup(at, region, out, limit, maxValueBytes, nowMs);
  unlock(partition);
  groupWord = NO_WORD;
  if (end != TORN) return end;
  // Nobody wrote: an entry makes no sense, and its group with it. The integrity walk says which.
  groupEntries = 0;
  return out;
}

/** The segment of a hash, with its facts in `groupDepth` and `isSegmentEmpty`. */
@inline
function lookAtSegment(hash: u32): Address {
  const segment = segmentOf(hash);
  const info = pageInfo(pageOf(segment));
  groupDepth = min<u32>(info.sizeClass, MAX_DEPTH);
  isSegmentEmpty = info.count == 0;
  return segment;
}

/** May run beside a writer: all that it reads is bounded, and means nothing until the partition's word is checked. */
function copyGroup(
  at: u32,
  region: u32,
  out: Address,
  limit: Address,
  maxValueBytes: u32,
  nowMs: i64,
): u32 {
  const segment = lookAtSegment(at);
  groupEntries = 0;
  if (isSegmentEmpty) return out;
  if (region == 0) region = regionAt(at, groupDepth);
  const isWhole = region <= groupDepth + 1 && (at & tailOf(groupDepth) & ~BUCKET_INDEX_MASK) == 0;
  return copyRange(segment, at, lastOfGroup(at, region), isWhole, out, limit, maxValueBytes, nowMs);
}

/**
 * Copies the entries of a segment whose hashes are from `first` to `last` and end as `first` does. `isWhole`: those are
 * all hashes of the segment that end so. The end of the copy, or NO_ROOM or TORN.
 */
function copyRange(
  segment: Address,
  first: u32,
  last: u32,
  isWhole: bool,
  out: Address,
  limit: Address,
  maxValueBytes: u32,
  nowMs: i64,
): u32 {
  let bucket = segment + ((first & BUCKET_INDEX_MASK) << BUCKET_SHIFT);
  // An entry stands in its home bucket unless it probed past that. Where nobody probed past the bucket before, only
  // those at home are in this one, and no hash need be computed to know them.
  let isHome = isWhole && overflowOf(previousBucket(bucket)) == 0;
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    let bits = occupiedIn(bucket);
    if (bits) touchEntries(bucket);
    for (; bits; bits &= bits - 1) {
      const entry = entryOf(bucket + <u32>ctz(bits));
      if (!isHome) {
        const hash = hashOfEntry(entry);
        if (((hash ^ first) & BUCKET_INDEX_MASK) != 0 || hash < first || hash > last) continue;
      }
      const end = wantsRecords
        ? copyRecord(entry, out, limit, maxValueBytes, nowMs)
        : copyEntry(entry, out, limit, maxValueBytes, nowMs);
      if (end <= TORN) return end;
      groupEntries += <u32>(end != out);
      out = end;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
    isHome = false;
  }
  return out;
}

/** Copies one entry as a record; the end of it, or `out` when it has expired, or NO_ROOM or TORN. */
@inline
function copyEntry(
  address: Address,
  out: Address,
  limit: Address,
  maxValueBytes: u32,
  nowMs: i64,
): u32 {
  // Read once: what is checked here must be what is used below.
  const head = load<u64>(address);
  const keyBytes = <u32>head >> 16;
  const kind = <u32>(head >> 32) & 0xff;
  const flags = <u32>(head >> 40) & 0xff;
  const payload = address + fieldsBytes(flags);
  const link = payload + (flags & LONG_KEY ? 0 : keyBytes);
  const valueBytes = flags & CHAINED ? load<u32>(link, LINK_VALUE_BYTES) : <u32>head & 0xffff;
  const expiryMs = flags & HAS_EXPIRY ? expiryOf(address) : 0;
  if (expiryMs != 0 && expiryMs <= nowMs) return out;
  // What is pending is no key's entry: a tombstone, or seen beside a writer.
  if (((flags & NAMESPACED) != 0) != (wantedPrefix != 0) || flags & PENDING) return out;
  const low = pageAddress(header().firstPage);
  const high = header().endAddress;
  let skip: u32 = 0;
  if (wantedPrefix) {
    if (out + PREFIX_BYTES > limit) return NO_ROOM;
    if (flags & LONG_KEY) {
      if (!copyFromChain(load<u32>(link), 0, PREFIX_BYTES, out, low, high)) return TORN;
    } else {
      store<u32>(out, load<u32>(payload));
    }
    if (load<u32>(out) != wantedPrefix) return out;
    if (keyBytes <= PREFIX_BYTES) return TORN;
    skip = PREFIX_BYTES;
  }
  const ownBytes = keyBytes - skip;
  // A collection has no value that could follow its key.
  const hasValue = valueBytes <= maxValueBytes && (flags & COLLECTION) == 0;
  const end = out + alignUp(RECORD_FIXED_BYTES + ownBytes + (hasValue ? valueBytes : 0), 8);
  if (end > limit) return NO_ROOM;
  store<u16>(out, <u16>ownBytes);
  store<u8>(out, <u8>kind, 2);
  store<u8>(out, <u8>hasValue, 3);
  store<u32>(out, valueBytes, 4);
  // Of a hash, what its key has.
  store<f64>(out, <f64>(flags & COLLECTION ? keyExpiryOf(address) : expiryMs), 8);
  const key = out + RECORD_FIXED_BYTES;
  if (flags & LONG_KEY) {
    if (!copyFromChain(load<u32>(link), skip, ownBytes, key, low, high)) return TORN;
  } else {
    copyBytes(key, payload + skip, ownBytes);
  }
  if (!hasValue) return end;
  if (flags & LONG_KEY) {
    if (!copyFromChain(load<u32>(link), keyBytes, valueBytes, key + ownBytes, low, high)) return TORN;
  } else if (flags & CHAINED) {
    if (!copyFromChain(load<u32>(link), 0, valueBytes, key + ownBytes, low, high)) return TORN;
  } else {
    if (valueBytes > MAX_CHUNK) return TORN;
    copyBytes(key + ownBytes, payload + keyBytes, valueBytes);
  }
  return end;
}

/**
 * Copies as much of a group as there is room for, in the order of hashes; the hash to go on with, which is beyond
 * `lastOfGroup` when that was all. Entries of one hash are not separated: if they do not fit even an empty area, their
 * values are left out, and if their keys alone do not fit, they are passed over. That takes three keys of that one
 * hash, of 43 KB or more each.
 */
function copyByHash(
  thread: u32,
  partition: Partition,
  first: u32,
  region: u32,
  out: Address,
  limit: Address,
  maxValueBytes: u32,
  nowMs: i64,
): u64 {
  lockToRead(partition, thread);
  // It may have split since the group was found not to fit.
  const segment = lookAtSegment(first);
  const last = lastOfGroup(first, region);
  let copied: u32 = 0;
  let next = leastHash(segment, first, last);
  while (next <= <u64>last) {
    const hash = <u32>next;
    groupEntries = 0;
    let end = copyRange(segment, hash, hash, false, out, limit, maxValueBytes, nowMs);
    if (end == NO_ROOM && copied == 0) {
      groupEntries = 0;
      end = copyRange(segment, hash, hash, false, out, limit, 0, nowMs);
    }
    if (end > TORN) {
      out = end;
      copied += groupEntries;
    } else if (copied) {
      break;
    }
    next += BUCKET_INDEX_MASK + 1;
    if (next <= <u64>last) next = leastHash(segment, <u32>next, last);
  }
  unlock(partition);
  groupEntries = copied;
  copiedTo = out;
  return next;
}

/** The least hash of the entries that `copyRange` would copy; 2^32 when there are none. */
function leastHash(segment: Address, first: u32, last: u32): u64 {
  let bucket = segment + ((first & BUCKET_INDEX_MASK) << BUCKET_SHIFT);
  let least: u64 = 0x1_0000_0000;
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    for (let bits = occupiedIn(bucket); bits; bits &= bits - 1) {
      const hash = hashOfEntry(entryOf(bucket + <u32>ctz(bits)));
      if (((hash ^ first) & BUCKET_INDEX_MASK) != 0 || hash < first || hash > last) continue;
      least = min<u64>(least, hash);
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
  }
  return least;
}
