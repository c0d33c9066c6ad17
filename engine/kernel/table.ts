/*
 * The index: extendible hashing over segments, open addressing with 64-byte buckets inside a segment.
 *
 *   hash bits   31 ..... 26 | 25 ..... 18 | 17 ...... 10 | 9 ........ 0     (widths of the first two vary)
 *               partition   | directory   | tag          | bucket
 *
 * A partition's directory maps the bits behind the partition's to a segment. A segment is one page of 1,024 buckets and
 * owns all hashes that begin with its `depth` bits; while that is less than the directory distinguishes, it fills
 * several consecutive directory entries. A full segment splits in two by the next bit: that moves at most one page of
 * entries, which is what bounds the pause of growth. The directory doubles in place when a segment outgrows it; it is
 * kept as small as it can be, because every lookup reads it and it should stay in the first-level cache.
 *
 * Bucket, one cache line:
 *   +0   tags      u8 x 12   0: empty slot; else 8 hash bits (never 0), matched by one SIMD compare
 *   +12  marks     2 bits x 12 slots: the access mark of eviction. Written without the lock: a lost or stray mark costs
 *                  nothing but a little of the hit ratio, and a segment's memory never becomes anything else.
 *   +15  overflow  u8        entries that probed past this bucket (255: many, for good): 0 ends a lookup
 *   +16  entries   u32 x 12  chunk addresses, which are multiples of 8; in the three low bits the entry's generation
 *
 * A slot is named by the address of its tag: bucket + index. The overflow count is F14's (Facebook folly, F14.md).
 *
 * Everything but `find` and `mark` runs under the partition's lock. `find` may run beside a writer: it reads only tags
 * and chunk addresses, which are valid addresses at all times, and chunk contents, of which it trusts nothing.
 */
import { equalBytes, touched } from './bytes';
import {
  chainStartsWith,
  Entry,
  entryAt,
  firstPiece,
  hashOfEntry,
  keyAddress,
  KeyWord,
  keyWordOf,
  lengthOf,
  LONG_KEY,
} from './entry';
import { Address, header, PAGE_BYTES, PageNumber } from './layout';
import { claimPage, PAGE_SEGMENT, PAGE_SPARE_SEGMENT, pageAddress, pageInfo, pageOf, takePage } from './pages';
import { isMarked, marksOf, setMarks } from './marks';
import { Partition, partitionIndex, partitionOfHash } from './partition';

/** The address of a slot's tag; 0: no slot. */
export type Slot = u32;

export const SLOTS: u32 = 12;
const SLOTS_MASK: i32 = (1 << SLOTS) - 1;
/** Bucket number << this: where it stands in its segment. */
export const BUCKET_SHIFT: u32 = 6;
export const BUCKET_BYTES: u32 = 1 << BUCKET_SHIFT;
const BUCKET_MASK: u32 = ~63;
export const BUCKET_INDEX_MASK: u32 = 1023;
const OVERFLOW: u32 = 15;
const OVERFLOW_STUCK: u32 = 255;
const ENTRIES: u32 = 16;
export const GENERATION_MASK: u32 = 7;
/* Where a record (records.ts) has the generation, and what it keeps of the tag's bits. */
const RECORD_GENERATION: u32 = 13;
const RECORD_HASH_MASK: u32 = ~(GENERATION_MASK << RECORD_GENERATION);
const RECORD_TAG_MASK: u32 = (RECORD_HASH_MASK >> 10) & 0xff;

export const SEGMENT_SLOTS: u32 = (PAGE_BYTES / BUCKET_BYTES) * SLOTS;
/** A segment splits at 13/16 of its slots: above that more than a quarter of the keys leave their home bucket. */
const SPLIT_AT: u32 = (SEGMENT_SLOTS * 13) / 16;
/** A segment that cannot split takes entries up to 15/16 of its slots; then something near must go first. */
const CROWDED_AT: u32 = (SEGMENT_SLOTS * 15) / 16;
/** A lookup never leaves its segment: the bound of the probe loops for readers, who may meet anything. */
export const MAX_PROBE: u32 = PAGE_BYTES / BUCKET_BYTES;

@inline
export function tagOf(hash: u32): u8 {
  const tag = (hash >> 10) & 0xff;
  // In place of 0, a tag that differs from it by a bit that records do not keep.
  return <u8>(tag | (<u32>(tag == 0) << 3));
}

@inline
function segmentIn(partition: Partition, hash: u32): Address {
  const index = (hash >> partition.directoryShift) & partition.directoryMask;
  return load<u32>(partition.directory + (index << 2));
}

@inline
export function segmentOf(hash: u32): Address {
  return segmentIn(partitionOfHash(hash), hash);
}

/** The bucket in which a lookup of this hash begins. */
@inline
export function homeBucketIn(partition: Partition, hash: u32): Address {
  return segmentIn(partition, hash) + ((hash & BUCKET_INDEX_MASK) << 6);
}

@inline
export function homeBucket(hash: u32): Address {
  return homeBucketIn(partitionOfHash(hash), hash);
}

@inline
export function nextBucket(bucket: Address): Address {
  return (bucket & ~(PAGE_BYTES - 1)) | ((bucket + BUCKET_BYTES) & (PAGE_BYTES - 1));
}

@inline
export function previousBucket(bucket: Address): Address {
  return (bucket & ~(PAGE_BYTES - 1)) | ((bucket - BUCKET_BYTES) & (PAGE_BYTES - 1));
}

/** How many entries probed past this bucket; 255: many. */
@inline
export function overflowOf(bucket: Address): u32 {
  return load<u8>(bucket, OVERFLOW);
}

@inline
export function bucketOf(slot: Slot): Address {
  return slot & BUCKET_MASK;
}

@inline
function wordOf(slot: Slot): Address {
  return bucketOf(slot) + ENTRIES + ((slot & 63) << 2);
}

@inline
export function entryOf(slot: Slot): Address {
  return load<u32>(wordOf(slot)) & ~GENERATION_MASK;
}

/** Puts another chunk in a slot; the generation stays. */
@inline
export function setEntryOf(slot: Slot, entry: Address): void {
  store<u32>(wordOf(slot), entry | generationOf(slot));
}

@inline
export function generationOf(slot: Slot): u32 {
  return load<u32>(wordOf(slot)) & GENERATION_MASK;
}

/** The record of the entry in a slot. */
@inline
export function recordOf(slot: Slot, hash: u32): u32 {
  return (hash & RECORD_HASH_MASK) | (generationOf(slot) << RECORD_GENERATION);
}

/** Whether a record can be one of an entry with this hash. */
@inline
export function isRecordOf(record: u32, hash: u32): bool {
  return ((record ^ hash) & RECORD_HASH_MASK) == 0;
}

/** Bits of the slots whose tags a record may be of. */
@inline
function matchRecordTag(bucket: Address, tag: u8): i32 {
  const tags = v128.load(bucket);
  const kept = v128.and(tags, i8x16.splat(<i8>RECORD_TAG_MASK));
  const matches = i8x16.bitmask(i8x16.eq(kept, i8x16.splat(<i8>tag)));
  return matches & ~i8x16.bitmask(i8x16.eq(tags, i8x16.splat(0))) & SLOTS_MASK;
}

/**
 * The slots that a record may lead to, as far as tag and generation tell: the first one behind `slot`, or with 0 the
 * first one; 0: no more.
 */
export function nextOfRecord(partition: Partition, record: u32, slot: Slot): Slot {
  const tag = <u8>((record >> 10) & RECORD_TAG_MASK);
  const generation = (record >> RECORD_GENERATION) & GENERATION_MASK;
  const home = homeBucketIn(partition, record);
  let bucket = slot ? bucketOf(slot) : home;
  let wanted: i32 = slot ? -2 << <i32>(slot & 63) : -1;
  do {
    let bits = matchRecordTag(bucket, tag) & wanted;
    while (bits) {
      const found = bucket + <u32>ctz(bits);
      if (generationOf(found) == generation) return found;
      bits &= bits - 1;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
    wanted = -1;
  } while (bucket != home);
  return 0;
}

/**
 * The slot that a record leads to, or 0: its entry is gone. If its entry is gone, it may still lead to another one, one
 * time in some hundred, which `isRecordOf` tells once the entry is looked at.
 */
export function slotOfRecord(partition: Partition, record: u32): Slot {
  const first = nextOfRecord(partition, record, 0);
  if (first == 0 || nextOfRecord(partition, record, first) == 0) return first;
  let slot = first;
  while (slot != 0 && !isRecordOf(record, hashOfEntry(entryOf(slot)))) slot = nextOfRecord(partition, record, slot);
  return slot;
}

/** Bits of the slots whose tag is `tag`. */
@inline
export function matchTag(bucket: Address, tag: u8): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(bucket), i8x16.splat(<i8>tag))) & SLOTS_MASK;
}

/** Bits of the slots that hold an entry. */
@inline
export function occupiedIn(bucket: Address): i32 {
  return matchTag(bucket, 0) ^ SLOTS_MASK;
}

/** Whether the chunk at `address` looks like an entry of this key. May run beside a writer. */
@inline
export function keyIs(address: Address, key: Address, keyWord: KeyWord): bool {
  if (keyWordOf(address) != keyWord) return false;
  const entry = entryAt(address);
  const flags = entry.flags;
  if (flags & LONG_KEY) return longKeyIs(address, entry, key, lengthOf(keyWord));
  return equalBytes(keyAddress(address, flags), key, lengthOf(keyWord));
}

function longKeyIs(address: Address, entry: Entry, key: Address, keyBytes: u32): bool {
  const low = pageAddress(header().firstPage);
  return chainStartsWith(firstPiece(address, entry), key, keyBytes, low, header().endAddress);
}

/** The slot of a key, or 0. May run beside a writer. `bucket` is `homeBucket(hash)`. */
@inline
export function find(bucket: Address, hash: u32, key: Address, keyWord: KeyWord): Slot {
  const tag = tagOf(hash);
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    let bits = matchTag(bucket, tag);
    while (bits) {
      const slot = bucket + <u32>ctz(bits);
      if (keyIs(entryOf(slot), key, keyWord)) return slot;
      bits &= bits - 1;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
  }
  return 0;
}

/** The slot that holds this very entry, or 0. */
export function findEntry(hash: u32, entry: Address): Slot {
  const tag = tagOf(hash);
  let bucket = homeBucket(hash);
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    let bits = matchTag(bucket, tag);
    while (bits) {
      const slot = bucket + <u32>ctz(bits);
      if (entryOf(slot) == entry) return slot;
      bits &= bits - 1;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
  }
  return 0;
}

/** Puts an entry, with its generation, into the first free slot from its home on. The segment has one. */
function place(segment: Address, hash: u32, entry: Address, marks: u32): Slot {
  const home = segment + ((hash & BUCKET_INDEX_MASK) << 6);
  let bucket = home;
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    const empty = matchTag(bucket, 0);
    if (empty) {
      const slot = bucket + <u32>ctz(empty);
      store<u8>(slot, tagOf(hash));
      store<u32>(wordOf(slot), entry);
      setMarks(slot, marks);
      for (let passed = home; passed != bucket; passed = nextBucket(passed)) {
        const overflow = overflowOf(passed);
        if (overflow != OVERFLOW_STUCK) store<u8>(passed, <u8>(overflow + 1), OVERFLOW);
      }
      pageInfo(pageOf(segment)).count += 1;
      return slot;
    }
    bucket = nextBucket(bucket);
  }
  return 0;
}

/**
 * Puts an entry of a key that is not in the table into it, splitting the segment when it is full and a page can be had.
 * 0 when there is no room: evict something near (see `crowdedSlot`) and try again.
 */
export function insert(partition: Partition, hash: u32, entry: Address): Slot {
  let segment = segmentOf(hash);
  const count = pageInfo(pageOf(segment)).count;
  if (count >= SPLIT_AT) {
    if (split(partition, hash)) segment = segmentOf(hash);
    else if (count >= CROWDED_AT) return 0;
  }
  partition.generation += 1;
  // A new entry counts as unused; where marks are epochs, it is of this one.
  return place(segment, hash, entry | generationFrom(partition.generation), partition.epoch & 3);
}

/**
 * Three bits that follow no pattern: were they the counter's, keys that are deleted and written again in turn could
 * have the same generation every time.
 */
@inline
function generationFrom(count: u32): u32 {
  let x = count * 0x9e3779b1;
  x ^= x >> 15;
  return (x * 0x85ebca77) >> 29;
}

/**
 * A slot near the home of `hash` that had better be emptied: the first one without an access mark, or just the first.
 */
export function crowdedSlot(hash: u32): Slot {
  const bucket = homeBucket(hash);
  let first: Slot = 0;
  for (let slot: Slot = bucket; slot < bucket + SLOTS; slot++) {
    if (load<u8>(slot) == 0) continue;
    if (!isMarked(slot)) return slot;
    if (first == 0) first = slot;
    setMarks(slot, 0);
  }
  return first;
}

/** Empties a slot. */
export function erase(slot: Slot, hash: u32): void {
  const bucket = bucketOf(slot);
  const segment = slot & ~(PAGE_BYTES - 1);
  store<u8>(slot, 0);
  store<u32>(wordOf(slot), 0);
  setMarks(slot, 0);
  let passed = segment + ((hash & BUCKET_INDEX_MASK) << 6);
  while (passed != bucket) {
    const overflow = overflowOf(passed);
    if (overflow != OVERFLOW_STUCK) store<u8>(passed, <u8>(overflow - 1), OVERFLOW);
    passed = nextBucket(passed);
  }
  pageInfo(pageOf(segment)).count -= 1;
}

/** A page for a segment: empty buckets, and its info. 0 when no page is left. */
export function newSegment(partition: Partition, depth: u32): Address {
  let page: PageNumber = partition.spareSegment;
  if (page) {
    partition.spareSegment = pageInfo(page).next;
    partition.spareSegments -= 1;
  } else {
    page = takePage();
    if (page == 0) return 0;
  }
  openSegment(partition, pageAddress(page), depth);
  partition.segments += 1;
  return pageAddress(page);
}

/** Makes a page, taken from the pool or a segment before, an empty segment. */
export function openSegment(partition: Partition, segment: Address, depth: u32): void {
  const page = pageOf(segment);
  claimPage(page, PAGE_SEGMENT, depth, partitionIndex(partition));
  pageInfo(page).count = 0;
  memory.fill(segment, 0, PAGE_BYTES);
}

/** Keeps a page that was a segment, and must not become anything else, until the partition needs a segment. */
export function spareSegment(partition: Partition, page: PageNumber): void {
  claimPage(page, PAGE_SPARE_SEGMENT, 0, partitionIndex(partition));
  pageInfo(page).next = partition.spareSegment;
  partition.spareSegment = page;
  partition.spareSegments += 1;
}

/** Directory entries of each partition at their most; all of them are valid segments at all times, for racy readers. */
@inline
export function maxDirectoryEntries(): u32 {
  return 1 << (header().maxDepth - (32 - header().partitionShift));
}

/** Gives a partition its directory of one entry, for its first segment, with the rest of it as valid as that. */
export function openDirectory(partition: Partition, directory: Address, segment: Address): void {
  partition.directory = directory;
  partition.directoryMask = 0;
  partition.directoryShift = header().partitionShift;
  for (let i: u32 = 0; i < maxDirectoryEntries(); i++) store<u32>(directory + (i << 2), segment);
}

/**
 * Doubles the directory: entry i becomes entries 2i and 2i + 1. From the end, so that none is overwritten before it was
 * read. A reader that meets the new entries with the old shift looks into a wrong segment; the version tells it.
 */
function doubleDirectory(partition: Partition): void {
  const directory = partition.directory;
  for (let i: u32 = partition.directoryMask + 1; i-- > 0; ) {
    const segment = load<u32>(directory + (i << 2));
    store<u32>(directory + (i << 3), segment);
    store<u32>(directory + (i << 3), segment, 4);
  }
  partition.directoryMask = (partition.directoryMask << 1) | 1;
  partition.directoryShift -= 1;
}

/** Lets all directory entries of the `depth` leading bits of `hash` point to `segment`. */
function pointDirectory(partition: Partition, hash: u32, depth: u32, segment: Address): void {
  const width: u32 = 1 << (32 - partition.directoryShift - depth);
  const first = (hash >> partition.directoryShift) & partition.directoryMask & ~(width - 1);
  for (let i: u32 = 0; i < width; i++) store<u32>(partition.directory + ((first + i) << 2), segment);
}

/** Starts the loads of a bucket's entries, which will be read next: they miss the caches side by side. */
export function touchEntries(bucket: Address): void {
  let sum: u32 = 0;
  for (let slot: Slot = bucket; slot < bucket + SLOTS; slot++) sum += load<u32>(entryOf(slot));
  touched(sum);
}

/** Whether the segment of this hash would split if there were a page. */
export function isSplittable(hash: u32): bool {
  return <u32>pageInfo(pageOf(segmentOf(hash))).sizeClass < header().maxDepth;
}

/** Splits the segment of this hash by the next bit; false when it cannot go deeper or no page is left. */
function split(partition: Partition, hash: u32): bool {
  if (!isSplittable(hash)) return false;
  const segment = segmentOf(hash);
  const info = pageInfo(pageOf(segment));
  const depth = <u32>info.sizeClass;
  const sibling = newSegment(partition, depth + 1);
  if (sibling == 0) return false;
  const bit: u32 = 0x80000000 >> depth;
  for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) {
    touchEntries(nextBucket(bucket));
    for (let slot: Slot = bucket; slot < bucket + SLOTS; slot++) {
      if (load<u8>(slot) == 0) continue;
      const entry = entryOf(slot);
      const entryHash = hashOfEntry(entry);
      if (!(entryHash & bit)) continue;
      const marks = marksOf(slot);
      place(sibling, entryHash, entry | generationOf(slot), marks);
      erase(slot, entryHash);
    }
  }
  info.sizeClass = <u8>(depth + 1);
  if (depth == 32 - partition.directoryShift) doubleDirectory(partition);
  pointDirectory(partition, hash | bit, depth + 1, sibling);
  partition.splits += 1;
  return true;
}
