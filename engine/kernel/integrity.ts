/*
 * A full walk over the arena that returns the first broken rule, for tests and for after a crash. Every structure's
 * rules stand here: table, entries, chains, slab pages, page lists, counts. Runs partition by partition, under its
 * lock.
 */
import { areListsSound, chunksWalked, isCollectionSound } from './collections/check';
import {
  CHAINED,
  chainSkip,
  CHUNK_BLOB,
  CHUNK_FREE,
  CHUNK_NODE,
  CHUNK_PIECE,
  CHUNK_TOMBSTONE,
  COLLECTION,
  entryAt,
  entryBytes,
  firstPiece,
  HAS_EXPIRY,
  hashOfEntry,
  isEntryKind,
  LONG_KEY,
  NAMESPACED,
  PENDING,
  PIECE_FIXED_BYTES,
  pieceAt,
  valueBytesOf,
} from './entry';
import { Address, header, PAGE_BYTES, PageNumber } from './layout';
import { isLogSound } from './logcheck';
import { lockToRead, lockToReadSoon, unlock } from './lock';
import {
  isDraftOf,
  PAGE_DRAFT,
  PAGE_SEGMENT,
  PAGE_SLAB,
  PageInfo,
  pageAddress,
  pageInfo,
  pageKind,
  pageOf,
  sweepPool,
} from './pages';
import { areSumsRight, beginSums, sumEntry } from './rows';
import { tableBytes } from './eviction/sidetable';
import { mayEvict } from './eviction/policy';
import { classInfo, MAX_QUEUES, Partition, partitionAt, partitionIndex, partitionOfHash, queueOf } from './partition';
import { blocksWalked, checkSpares, entriesRecorded, walkQueue } from './records';
import { chunkBytesOf, chunksPerPage, classOf, classOfChunk, recordClass } from './slab';
import { entryOf, findEntry, generationOf, overflowOf, segmentOf, Slot, SLOTS, tagOf } from './table';
import { blockOf, DRAFT_ABANDONED, draftingAddress, isClaimed, isSlotGone } from './threads';
import { isBeside } from './tombstones';
import { walkWheel, wheelBlocks, wheelEntries, wheelOf } from './wheel';

export const BROKEN_DIRECTORY: u32 = 1;
export const BROKEN_SEGMENT_INFO: u32 = 2;
export const BROKEN_SEGMENT_COUNT: u32 = 3;
export const BROKEN_SLOT_TAG: u32 = 4;
export const BROKEN_SLOT_ENTRY: u32 = 5;
export const BROKEN_SLOT_UNREACHABLE: u32 = 6;
export const BROKEN_OVERFLOW_COUNT: u32 = 7;
export const BROKEN_ENTRY_CHUNK: u32 = 8;
export const BROKEN_CHAIN: u32 = 9;
export const BROKEN_ENTRY_COUNT: u32 = 10;
export const BROKEN_PAYLOAD_BYTES: u32 = 11;
export const BROKEN_ENTRY_LIMIT: u32 = 12;
export const BROKEN_CLASS_RING: u32 = 13;
export const BROKEN_PAGE_INFO: u32 = 14;
export const BROKEN_PAGE_USED: u32 = 15;
export const BROKEN_FREE_LIST: u32 = 16;
export const BROKEN_ROOMY_LIST: u32 = 17;
export const BROKEN_CHUNK_BYTES: u32 = 18;
export const BROKEN_CHUNK_OWNER: u32 = 19;
export const BROKEN_PIN: u32 = 20;
export const BROKEN_PAGE_TOTAL: u32 = 21;
export const BROKEN_POOL_STACK: u32 = 22;
export const BROKEN_QUEUE: u32 = 23;
export const BROKEN_RECORDS: u32 = 24;
export const BROKEN_SIDE_TABLE: u32 = 25;
export const BROKEN_WHEEL: u32 = 26;
export const BROKEN_EXPIRY: u32 = 27;
export const BROKEN_LOG: u32 = 28;
export const BROKEN_DRAFT: u32 = 29;
export const BROKEN_NAMESPACES: u32 = 30;
export const BROKEN_COLLECTION: u32 = 31;
export const BROKEN_GARBAGE: u32 = 32;
export const BROKEN_TOMBSTONES: u32 = 33;
export const BROKEN_STAMP: u32 = 34;

const BUCKET_BYTES: u32 = 64;

/* Sums of the walk at hand: set to 0 at its start, not state. */
let entriesSeen: u64 = 0;
let payloadSeen: u64 = 0;
let chunksSeen: u64 = 0;
let expiriesSeen: u32 = 0;
let recordsSeen: u32 = 0;
let tombstonesSeen: u32 = 0;

/** 0, or the number of the first broken rule. */
export function checkIntegrity(thread: u32): u32 {
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const broken = checkPartitionAt(thread, i);
    if (broken) return broken;
  }
  return checkPool(thread);
}

/** `checkIntegrity` of one partition, by its number, so that several threads can share the work out (engine/jobs). */
export function checkPartitionAt(thread: u32, index: u32): u32 {
  const partition = partitionAt(index);
  lockToRead(partition, thread);
  const broken = checkPartition(partition);
  const isReserving = partition.spareNode != 0 || partition.pending != 0;
  unlock(partition);
  return broken == 0 && isReserving ? BROKEN_PIN : broken;
}

/** Under the lock. May be called in whatever state the partition is (recovery.ts): it always ends. */
export function checkPartition(partition: Partition): u32 {
  if (partition.pinnedOld || partition.pinnedNew || partition.pinnedSource) return BROKEN_PIN;
  entriesSeen = 0;
  payloadSeen = 0;
  chunksSeen = 0;
  expiriesSeen = 0;
  tombstonesSeen = 0;
  beginSums();
  let broken = checkSegments(partition);
  if (broken) return broken;
  if (entriesSeen != partition.entries) return BROKEN_ENTRY_COUNT;
  if (tombstonesSeen != partition.tombstones) return BROKEN_TOMBSTONES;
  if (partition.entries > partition.maxEntries) return BROKEN_ENTRY_LIMIT;
  if (payloadSeen != partition.payloadBytes) return BROKEN_PAYLOAD_BYTES;
  if (!areSumsRight(partition)) return BROKEN_NAMESPACES;
  let pages: u32 = 0;
  let chunkBytes: u64 = 0;
  for (let sizeClass: u32 = 0; sizeClass < header().classCount; sizeClass++) {
    broken = checkClass(partition, sizeClass);
    if (broken) return broken;
    const info = classInfo(partition, sizeClass);
    pages += info.pages;
    chunkBytes += <u64>info.chunksUsed * <u64>chunkBytesOf(sizeClass);
  }
  if (pages != partition.slabPages || chunkBytes != partition.chunkBytes) return BROKEN_CHUNK_BYTES;
  broken = checkQueues(partition);
  if (broken == 0) broken = checkWheel(partition);
  if (broken) return broken;
  if (!isLogSound(partition)) return BROKEN_LOG;
  if (!areListsSound(partition)) return BROKEN_GARBAGE;
  chunksSeen += chunksWalked();
  // Every chunk in use belongs to an entry that was found through the table, to a queue, to the wheel.
  if (chunksSeen != chunkBytes) return BROKEN_CHUNK_OWNER;
  // Last, because recovery.ts can mend this where all else is well. One too many hides one too few.
  return mayEvict() && recordsSeen < partition.entries ? BROKEN_RECORDS : 0;
}

/** Every queue is well-formed. */
function checkQueues(partition: Partition): u32 {
  if (!checkSpares(partition)) return BROKEN_QUEUE;
  let blocks = partition.spareBlocks;
  recordsSeen = 0;
  for (let i: u32 = 0; i < MAX_QUEUES; i++) {
    const queue = queueOf(partition, i);
    if (!walkQueue(partition, queue)) return BROKEN_QUEUE;
    blocks += blocksWalked;
    recordsSeen += entriesRecorded;
  }
  const ghosts = tableBytes(partition);
  if (ghosts == u32.MAX_VALUE) return BROKEN_SIDE_TABLE;
  chunksSeen += blocks * chunkBytesOf(recordClass()) + ghosts;
  return 0;
}

/** The wheel is well-formed, and every entry that expires has a record in the slot that it says. */
function checkWheel(partition: Partition): u32 {
  if (!walkWheel(partition)) return BROKEN_WHEEL;
  chunksSeen += wheelBlocks * chunkBytesOf(recordClass());
  return wheelEntries == expiriesSeen && expiriesSeen == wheelOf(partition).entries ? 0 : BROKEN_EXPIRY;
}

/** All directory entries of a partition, segment by segment. */
function checkSegments(partition: Partition): u32 {
  const head = header();
  const depth: u32 = 32 - partition.directoryShift;
  const end = partition.directoryMask + 1;
  if (end != (1 as u32) << (depth - (32 - head.partitionShift)) || depth > head.maxDepth) return BROKEN_DIRECTORY;
  let segments: u32 = 0;
  let index: u32 = 0;
  while (index < end) {
    const segment = load<u32>(partition.directory + (index << 2));
    const page = pageOf(segment);
    if (page < head.firstPage || page >= head.endPage) return BROKEN_DIRECTORY;
    const info = pageInfo(page);
    if (info.kind != PAGE_SEGMENT || info.partition != <u16>partitionIndex(partition)) {
      return BROKEN_SEGMENT_INFO;
    }
    if (<u32>info.sizeClass > depth) return BROKEN_DIRECTORY;
    const span: u32 = 1 << (depth - <u32>info.sizeClass);
    if (index & (span - 1)) return BROKEN_DIRECTORY;
    for (let i: u32 = 0; i < span; i++) {
      if (load<u32>(partition.directory + ((index + i) << 2)) != segment) return BROKEN_DIRECTORY;
    }
    const broken = checkSegment(partition, segment, info);
    if (broken) return broken;
    segments += 1;
    index += span;
  }
  return segments == partition.segments ? 0 : BROKEN_DIRECTORY;
}

function checkSegment(partition: Partition, segment: Address, info: PageInfo): u32 {
  let count: u32 = 0;
  for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) {
    for (let slot: Slot = bucket; slot < bucket + SLOTS; slot++) {
      if (load<u8>(slot) == 0) {
        if (entryOf(slot) != 0 || generationOf(slot) != 0) return BROKEN_SLOT_TAG;
        continue;
      }
      count += 1;
      const broken = checkSlot(partition, segment, slot);
      if (broken) return broken;
    }
  }
  if (count != info.count) return BROKEN_SEGMENT_COUNT;
  return checkOverflow(segment);
}

function checkSlot(partition: Partition, segment: Address, slot: Slot): u32 {
  const address = entryOf(slot);
  const page = pageOf(address);
  if (page < header().firstPage || page >= header().endPage) return BROKEN_SLOT_ENTRY;
  const info = pageInfo(page);
  if (info.kind != PAGE_SLAB || info.partition != <u16>partitionIndex(partition)) return BROKEN_SLOT_ENTRY;
  const entry = entryAt(address);
  if (!isEntryKind(entry.kind) || entry.keyBytes == 0) return BROKEN_ENTRY_CHUNK;
  const isTombstone = entry.kind == CHUNK_TOMBSTONE;
  if ((entry.kind != CHUNK_BLOB && !isTombstone) != ((entry.flags & COLLECTION) != 0)) return BROKEN_ENTRY_CHUNK;
  if ((entry.flags & header().stampFlags) != header().stampFlags) return BROKEN_STAMP;
  if (isTombstone && !(entry.flags & PENDING && entry.flags & HAS_EXPIRY)) return BROKEN_TOMBSTONES;
  if (entryBytes(entry) > chunkBytesOf(info.sizeClass)) return BROKEN_ENTRY_CHUNK;
  const isOther = (entry.flags & PENDING) != 0 && isBeside(address);
  if (entry.flags & PENDING && !isOther && partition.pending == 0) return BROKEN_PIN;
  if (isOther && !(entry.flags & HAS_EXPIRY)) return BROKEN_TOMBSTONES;
  const hash = hashOfEntry(address);
  if (tagOf(hash) != load<u8>(slot)) return BROKEN_SLOT_TAG;
  if (segmentOf(hash) != segment) return BROKEN_SLOT_UNREACHABLE;
  if (changetype<u32>(partitionOfHash(hash)) != changetype<u32>(partition)) return BROKEN_SLOT_UNREACHABLE;
  if (findEntry(hash, address) != slot) return BROKEN_SLOT_UNREACHABLE;
  entriesSeen += 1;
  tombstonesSeen += <u32>isOther;
  expiriesSeen += entry.flags & HAS_EXPIRY;
  payloadSeen += <u64>entry.keyBytes + <u64>valueBytesOf(address, entry);
  chunksSeen += chunkBytesOf(info.sizeClass);
  if (entry.flags & NAMESPACED) {
    if (entry.keyBytes <= 4) return BROKEN_ENTRY_CHUNK;
    // A prefix in a chain is read where its first piece stands.
    if (entry.flags & LONG_KEY && !isInPages(firstPiece(address, entry))) return BROKEN_CHAIN;
    sumEntry(partition, address);
  }
  if (entry.flags & COLLECTION) {
    if (entry.flags & CHAINED || !isCollectionSound(partition, address)) return BROKEN_COLLECTION;
    chunksSeen += chunksWalked();
    return 0;
  }
  if (!(entry.flags & CHAINED)) return 0;
  let left = <u64>chainSkip(entry) + <u64>valueBytesOf(address, entry);
  let previous = address;
  for (let piece = firstPiece(address, entry); piece; piece = pieceAt(piece).next) {
    if (!isInPages(piece)) return BROKEN_CHAIN;
    const fields = pieceAt(piece);
    if (fields.kind != CHUNK_PIECE || fields.previous != previous) return BROKEN_CHAIN;
    if (fields.bytes == 0 || <u64>fields.bytes > left) return BROKEN_CHAIN;
    if (fields.bytes + PIECE_FIXED_BYTES > chunkBytesOf(classOfChunk(piece))) return BROKEN_CHAIN;
    left -= fields.bytes;
    chunksSeen += chunkBytesOf(classOfChunk(piece));
    previous = piece;
  }
  return left == 0 ? 0 : BROKEN_CHAIN;
}

@inline
function isInPages(address: Address): bool {
  return pageOf(address) >= header().firstPage && pageOf(address) < header().endPage;
}

/** Recounts the entries that passed each bucket. */
function checkOverflow(segment: Address): u32 {
  for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) {
    const stored = overflowOf(bucket);
    if (stored == 255) continue;
    let passed: u32 = 0;
    // Entries that passed this bucket stand behind it, in an unbroken run of buckets that were passed too.
    const offset = bucket - segment;
    for (let distance: u32 = BUCKET_BYTES; distance < PAGE_BYTES; distance += BUCKET_BYTES) {
      const behind = segment + ((offset + distance) & (PAGE_BYTES - 1));
      for (let slot: Slot = behind; slot < behind + SLOTS; slot++) {
        if (load<u8>(slot) == 0) continue;
        const home = (hashOfEntry(entryOf(slot)) & 1023) << 6;
        // Its way from home to here leads over the bucket.
        const way = (behind - segment - home) & (PAGE_BYTES - 1);
        if (way >= distance) passed += 1;
      }
      if (overflowOf(behind) == 0) break;
    }
    if (passed != stored) return BROKEN_OVERFLOW_COUNT;
  }
  return 0;
}

function checkClass(partition: Partition, sizeClass: u32): u32 {
  const info = classInfo(partition, sizeClass);
  let pages: u32 = 0;
  let used: u32 = 0;
  let roomy: u32 = 0;
  const first: PageNumber = info.anyPage;
  let page = first;
  while (page != 0 && pages < info.pages) {
    const pageFacts = pageInfo(page);
    if (pageFacts.kind != PAGE_SLAB || <u32>pageFacts.sizeClass != sizeClass) return BROKEN_PAGE_INFO;
    if (pageFacts.partition != <u16>partitionIndex(partition)) return BROKEN_PAGE_INFO;
    if (pageInfo(pageFacts.next).previous != page) return BROKEN_CLASS_RING;
    const broken = checkPage(page, pageFacts, sizeClass);
    if (broken) return broken;
    pages += 1;
    used += pageFacts.used;
    roomy += pageFacts.count;
    page = pageFacts.next;
  }
  if (pages != info.pages || (page != first && pages != 0)) return BROKEN_CLASS_RING;
  if (used != info.chunksUsed) return BROKEN_PAGE_USED;
  let listed: u32 = 0;
  let previous: PageNumber = 0;
  for (let at = info.roomy; at; at = pageInfo(at).nextRoomy) {
    const facts = pageInfo(at);
    if (facts.count != 1 || facts.previousRoomy != previous || listed == roomy) return BROKEN_ROOMY_LIST;
    previous = at;
    listed += 1;
  }
  return listed == roomy ? 0 : BROKEN_ROOMY_LIST;
}

function checkPage(page: PageNumber, info: PageInfo, sizeClass: u32): u32 {
  const size = chunkBytesOf(sizeClass);
  if (<u32>info.bump > chunksPerPage(sizeClass) || info.used == 0) return BROKEN_PAGE_INFO;
  let used: u32 = 0;
  let free: u32 = 0;
  for (let i: u32 = 0; i < <u32>info.bump; i++) {
    const kind = entryAt(pageAddress(page) + i * size).kind;
    if (kind == CHUNK_FREE) free += 1;
    else if (isEntryKind(kind) || kind >= CHUNK_NODE) used += 1;
    else return BROKEN_ENTRY_CHUNK;
  }
  if (used != info.used) return BROKEN_PAGE_USED;
  let listed: u32 = 0;
  for (let chunk = info.freeChunk; chunk; chunk = load<u32>(chunk)) {
    if (pageOf(chunk) != page || (chunk - pageAddress(page)) % size || listed == free) return BROKEN_FREE_LIST;
    if (entryAt(chunk).kind != CHUNK_FREE) return BROKEN_FREE_LIST;
    listed += 1;
  }
  if (listed != free) return BROKEN_FREE_LIST;
  const hasRoom = free > 0 || <u32>info.bump < chunksPerPage(sizeClass);
  return info.count == <u32>hasRoom ? 0 : BROKEN_ROOMY_LIST;
}

/**
 * Takes all partitions' locks. Where one is not to be had soon, the others are given up and it is waited for alone:
 * its holder may be waiting for one of them (room.ts).
 */
function lockAllToRead(thread: u32): void {
  const count = header().partitionCount;
  let locked: u32 = 0;
  while (locked < count) {
    if (lockToReadSoon(partitionAt(locked), thread)) {
      locked += 1;
      continue;
    }
    const missing = partitionAt(locked);
    while (locked > 0) unlock(partitionAt(--locked));
    lockToRead(missing, thread);
    unlock(missing);
  }
}

/** Every page is in the pool or in one partition. Holds all partitions' locks meanwhile. */
export function checkPool(thread: u32): u32 {
  const head = header();
  lockAllToRead(thread);
  if (head.pagesAstray) {
    sweepPool();
    head.pagesAstray = 0;
  }
  let used: u32 = 0;
  for (let i: u32 = 0; i < head.partitionCount; i++) {
    const partition = partitionAt(i);
    used += partition.slabPages + partition.segments + partition.spareSegments + partition.logPages;
  }
  let stacked: u32 = 0;
  let broken: u32 = 0;
  for (let page = <u32>head.poolStack; page && broken == 0; page = pageInfo(page).next) {
    stacked += 1;
    if (page >= head.poolBump || stacked > head.poolStacked) broken = BROKEN_POOL_STACK;
  }
  if (broken == 0 && stacked != head.poolStacked) broken = BROKEN_POOL_STACK;
  const drafts = countDrafts();
  if (broken == 0 && !areDraftsSound(drafts)) broken = BROKEN_DRAFT;
  used += drafts;
  if (broken == 0 && used + stacked != head.poolBump - head.firstPage) broken = BROKEN_PAGE_TOTAL;
  for (let i: u32 = 0; i < head.partitionCount; i++) unlock(partitionAt(i));
  return broken;
}

/** Pages of values that are being written. */
function countDrafts(): u32 {
  let count: u32 = 0;
  for (let page = header().firstPage; page < header().poolBump; page++) count += <u32>(pageKind(page) == PAGE_DRAFT);
  return count;
}

/** A draft is a chain of as many pages as the block of its thread counts, and these are all `drafts` pages. */
function areDraftsSound(drafts: u32): bool {
  let chained: u32 = 0;
  for (let thread: u32 = 0; thread < header().maxThreads; thread++) {
    const block = blockOf(thread);
    if (atomic.load<u32>(draftingAddress(thread)) != 0) {
      // What a thread left that has ended may be in any state, until its slot is cleaned. Asked in this order: before
      // the slot is another one's, the draft is called abandoned (slots.ts).
      const isGone = isClaimed(thread) && isSlotGone(thread, 0);
      const drafting = atomic.load<u32>(draftingAddress(thread));
      // In between, the slot may have been cleaned and then given up.
      if (drafting != 0 && !isClaimed(thread) && atomic.load<u32>(draftingAddress(thread)) != 0) {
        if (!isClaimed(thread)) return false;
      }
      if (isGone || drafting == DRAFT_ABANDONED) return true;
    }
    let count: u32 = 0;
    let previous: Address = 0;
    for (let piece = block.draftFirst; piece; piece = pieceAt(piece).next) {
      const page = pageOf(piece);
      if (page < header().firstPage || page >= header().endPage || !isDraftOf(page, thread)) return false;
      if (piece != pageAddress(page) || pieceAt(piece).previous != previous || count == block.draftPages) return false;
      count += 1;
      previous = piece;
    }
    if (count != block.draftPages) return false;
    chained += count;
  }
  return chained == drafts;
}
