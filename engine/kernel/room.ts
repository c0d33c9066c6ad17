/*
 * Finding room for an entry: a chunk, evicting where the policy allows, and a page where a class has none; and one
 * entry less where `maxEntries` is what is short. Everything here runs under the partition's lock.
 */
import { CHUNK_FREE, CHUNK_PIECE, entryAt, hashOfEntry, pieceAt } from './entry';
import { evictOne, mayEvict } from './eviction/policy';
import { evictEntry, isPinned } from './eviction/removal';
import { Address, Header, header, PageNumber } from './layout';
import { tryLock, unlock } from './lock';
import { pageAddress, pageInfo } from './pages';
import { classInfo, Partition, partitionAt } from './partition';
import { chunkBytesOf, takeChunk } from './slab';
import { findEntry } from './table';

/** Evictions that one allocation may do before it takes a whole page from another class. */
const MAX_EVICTIONS: u32 = 16;

/**
 * Pages that one allocation may ask for: the pool is everybody's, and other threads may be faster to take one from it.
 */
const MAX_RECLAIMS: u32 = 16;
/** Looks at the other partitions while some are locked: less than a millisecond, and more than a lock is held for. */
const MAX_ROUNDS: u32 = 1000;

/** A chunk of the class, evicting if need be. 0: out of memory. */
export function allocate(partition: Partition, sizeClass: u32, thread: u32, nowMs: i64): Address {
  let chunk = takeChunk(partition, sizeClass);
  if (chunk || !mayEvict()) return chunk;
  // Evicting a chained entry frees chunks of other classes too, and may even give a page back to the pool.
  for (let i: u32 = 0; i < MAX_EVICTIONS; i++) {
    if (!evictOne(partition, sizeClass, nowMs)) break;
    chunk = takeChunk(partition, sizeClass);
    if (chunk) return chunk;
  }
  for (let i: u32 = 0; i < MAX_RECLAIMS && chunk == 0; i++) {
    if (!reclaimPage(partition, thread, nowMs)) return 0;
    chunk = takeChunk(partition, sizeClass);
  }
  return chunk;
}

/** Empties one slab page of this partition, or else of another one, so that the pool has a page. */
export function reclaimPage(partition: Partition, thread: u32, nowMs: i64): bool {
  if (reclaimPageOf(partition, nowMs)) return true;
  for (let i: u32 = 0; i < MAX_ROUNDS; i++) {
    const found = reclaimPageOfOthers(partition, thread, nowMs);
    if (found != FOUND_LOCKED) return found == FOUND_PAGE;
  }
  return false;
}

const FOUND_NONE: u32 = 0;
const FOUND_PAGE: u32 = 1;
/** None, but some partitions were locked, so that nothing is known of them. */
const FOUND_LOCKED: u32 = 2;

function reclaimPageOfOthers(partition: Partition, thread: u32, nowMs: i64): u32 {
  const count = header().partitionCount;
  const first = nextVictim(count);
  let found = FOUND_NONE;
  for (let i: u32 = 0; i < count; i++) {
    const other = partitionAt((first + i) & (count - 1));
    if (changetype<u32>(other) == changetype<u32>(partition)) continue;
    // Only tried, never waited for: two partitions that want each other's pages cannot deadlock.
    if (!tryLock(other, thread)) {
      found = FOUND_LOCKED;
      continue;
    }
    const reclaimed = reclaimPageOf(other, nowMs);
    unlock(other);
    if (reclaimed) return FOUND_PAGE;
  }
  return found;
}

/** Where the search for a page among other partitions begins: somewhere else each time. */
@inline
function nextVictim(count: u32): u32 {
  return atomic.add<u32>(offsetof<Header>('reclaimFrom'), 1) & (count - 1);
}

/** Empties a page of the class with the most pages; of any other one when all of those are pinned. */
function reclaimPageOf(partition: Partition, nowMs: i64): bool {
  let largest: u32 = 0;
  let most: u32 = 0;
  const classes = header().classCount;
  for (let sizeClass: u32 = 0; sizeClass < classes; sizeClass++) {
    const pages = classInfo(partition, sizeClass).pages;
    if (pages > most) {
      most = pages;
      largest = sizeClass;
    }
  }
  if (reclaimPageOfClass(partition, largest, nowMs)) return true;
  for (let sizeClass: u32 = 0; sizeClass < classes; sizeClass++) {
    if (sizeClass != largest && reclaimPageOfClass(partition, sizeClass, nowMs)) return true;
  }
  return false;
}

/** Empties the page under the hand, or the next one that nothing is pinned in. */
function reclaimPageOfClass(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  const info = classInfo(partition, sizeClass);
  let page: PageNumber = info.handPage;
  for (let left = info.pages; left > 0; left--) {
    const next = pageInfo(page).next;
    if (emptyPage(partition, page, nowMs)) return true;
    page = next;
  }
  return false;
}

/** Evicts everything in a page; true when that gave the page back to the pool. */
function emptyPage(partition: Partition, page: PageNumber, nowMs: i64): bool {
  const info = pageInfo(page);
  const sizeClass = <u32>info.sizeClass;
  const size = chunkBytesOf(sizeClass);
  const start = pageAddress(page);
  const end = start + <u32>info.bump * size;
  for (let chunk = start; chunk < end; chunk += size) {
    const kind = entryAt(chunk).kind;
    if (kind == CHUNK_FREE) continue;
    const address = kind == CHUNK_PIECE ? pieceAt(chunk).owner : chunk;
    if (isPinned(partition, address)) return false;
    const hash = hashOfEntry(address);
    const slot = findEntry(hash, address);
    if (slot == 0) return false;
    const pages = partition.slabPages;
    evictEntry(partition, slot, hash, nowMs);
    // This page or, where a chained entry went, another one: either way the pool has a page now.
    if (partition.slabPages < pages) return true;
  }
  return false;
}

/** Makes room for one more entry where `maxEntries` limits them. False: it may not be made. */
export function makeRoomForOne(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  while (partition.entries >= partition.maxEntries) {
    if (!mayEvict()) return false;
    if (!evictOne(partition, classToShrink(partition, sizeClass), nowMs) && !evictAny(partition, nowMs)) {
      return false;
    }
  }
  return true;
}

/**
 * The class that gives up an entry when the number of entries is what is short. If it were always the class of the new
 * entry, the classes would keep for ever the shares they had when the cache became full. So each gives in proportion to
 * what it has, in turn: the classes' chunks are numbered through, and a multiplicative sequence picks one.
 */
function classToShrink(partition: Partition, sizeClass: u32): u32 {
  if (classInfo(partition, sizeClass).chunksUsed >= partition.entries) return sizeClass;
  const classes = header().classCount;
  let total: u32 = 0;
  for (let i: u32 = 0; i < classes; i++) total += classInfo(partition, i).chunksUsed;
  if (total == 0) return sizeClass;
  let pick = (<u32>partition.evictions * 0x9e3779b1) % total;
  for (let i: u32 = 0; i < classes; i++) {
    const used = classInfo(partition, i).chunksUsed;
    if (pick < used) return i;
    pick -= used;
  }
  return sizeClass;
}

/** Evicts one entry of whatever class. */
function evictAny(partition: Partition, nowMs: i64): bool {
  for (let i: u32 = 0; i < header().classCount; i++) {
    if (evictOne(partition, i, nowMs)) return true;
  }
  return false;
}
