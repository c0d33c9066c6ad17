/*
 * Finding room for an entry: a chunk, expiring what is due and evicting where the policy allows, a page where a class
 * has none; and one entry less where `maxEntries` is what is short. Everything here runs under the partition's lock.
 */
import { freeGarbage } from './collections/garbage';
import { startPasses } from './eviction/passes';
import { evictOne, mayEvict } from './eviction/policy';
import { expireDue, isDue } from './expiry';
import { Address, Header, header, PAGE_BYTES, PAGE_SHIFT } from './layout';
import { isHeldInSet, lockWithin, tryLock, unlock } from './lock';
import { classInfo, Partition, partitionAt } from './partition';
import { isCramped, takeChunk, takeLargerChunk } from './slab';
import { hasCleared, mayHaveCleared, sweep, sweepAll } from './sweep';
import { emptyPage, vacateAny } from './vacate';

/**
 * Entries that are evicted before another partition is asked for a page: enough for a page's worth of any class to
 * come free, were there only one; a write that evicts so many takes some tenths of a millisecond.
 */
const MAX_EVICTIONS: u32 = 4096;

/**
 * Pages that one allocation may ask for: the pool is everybody's, and other threads may be faster to take one from it.
 */
const MAX_RECLAIMS: u32 = 16;
/** Looks at the other partitions while some are locked: less than a millisecond, and more than a write holds a lock. */
const MAX_ROUNDS: u32 = 1000;
/**
 * Times that such a partition is waited for after that, each time through so many sleeps, of up to 10 ms: an integrity
 * walk may hold a lock as long. Enough to find out that the holder is no more (lock.ts).
 */
const MAX_WAITS: u32 = 30;
const SLEEPS_OF_A_WAIT: u32 = 4;

/** A chunk of the class, evicting if need be. 0: out of memory. */
export function allocate(partition: Partition, sizeClass: u32, thread: u32, nowMs: i64): Address {
  const chunk = takeChunk(partition, sizeClass);
  if (chunk) return chunk;
  return allocateSlowly(partition, sizeClass, thread, nowMs);
}

function allocateSlowly(partition: Partition, sizeClass: u32, thread: u32, nowMs: i64): Address {
  for (let i: u32 = 0; i < MAX_RECLAIMS; i++) {
    if (isCramped(partition)) {
      const larger = takeLargerChunk(partition, sizeClass);
      if (larger) return larger;
    }
    if (!findPage(partition, sizeClass, thread, nowMs)) break;
    const chunk = takeChunk(partition, sizeClass);
    if (chunk) return chunk;
  }
  ranOut = true;
  return 0;
}

/** Whether memory was not to be had since `watchRoom`. Not state. */
let ranOut: bool = false;

@inline
export function watchRoom(): void {
  ranOut = false;
}

/** Whether a change may have come to be half done only. */
@inline
export function hasRunOut(): bool {
  return ranOut;
}

/** Makes the pool have a page. */
export function reclaimPage(partition: Partition, thread: u32, nowMs: i64): bool {
  return findPage(partition, NO_CLASS, thread, nowMs);
}

const NO_CLASS: u32 = u32.MAX_VALUE;

/** Expires, vacates, evicts until the pool has a page, or `sizeClass` a free chunk. False: nothing more can be done. */
function findPage(partition: Partition, sizeClass: u32, thread: u32, nowMs: i64): bool {
  if (expirePage(partition, sizeClass, nowMs) || vacateAny(partition)) return true;
  if (hasCleared(partition) && sweepPage(partition, sizeClass)) return true;
  if (collectPage(partition, sizeClass)) return true;
  const before = partition.chunkBytes;
  startPasses();
  for (let i: u32 = 0; i < MAX_EVICTIONS && mayEvict(); i++) {
    const pages = partition.slabPages;
    if (!evictOne(partition, nowMs)) break;
    if (partition.slabPages < pages || vacateAny(partition)) return true;
    if (hasChunk(partition, sizeClass)) return true;
    if (collectPage(partition, sizeClass)) return true;
    // What was freed is scattered over many classes. Going on so might evict everything.
    if (before > partition.chunkBytes + SCATTERED_BYTES && emptyPage(partition, nowMs)) return true;
  }
  return findPageOfOthers(partition, thread, nowMs);
}

/** Where one class has the most, a page of it comes free before so much is evicted. */
const SCATTERED_BYTES: u64 = PAGE_BYTES + PAGE_BYTES / 2;

/** Records of the wheel that are worked on before the question whether that is enough: some tens of microseconds. */
const DUE_RECORDS: u32 = 256;
/** And how often it is asked: stale records free nothing. */
const MAX_DUE_STEPS: u32 = 16;

/** Expires what is due until the pool has a page more, or `sizeClass` a free chunk. False: that was all, or enough. */
function expirePage(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  const pages = partition.slabPages;
  for (let i: u32 = 0; i < MAX_DUE_STEPS && isDue(partition, nowMs); i++) {
    expireDue(partition, nowMs, DUE_RECORDS);
    if (partition.slabPages < pages || vacateAny(partition) || hasChunk(partition, sizeClass)) return true;
  }
  return false;
}

/** Slots that are swept before something is evicted: some tens of microseconds. */
const MOST_SWEPT: u32 = 4096;
/** Slots that are swept before the question whether that is enough. */
const SWEPT_AT_ONCE: u32 = 256;

/**
 * Sweeps what was cleared until the pool has a page more, or `sizeClass` a free chunk. False: that was all, or enough.
 */
function sweepPage(partition: Partition, sizeClass: u32): bool {
  const pages = partition.slabPages;
  // Where nothing can be evicted, nothing that was cleared may be left.
  const most = mayEvict() ? MOST_SWEPT : u32.MAX_VALUE;
  for (let swept: u32 = 0; swept < most && hasCleared(partition); swept += SWEPT_AT_ONCE) {
    const before = partition.cleared;
    if (mayEvict()) sweep(partition, SWEPT_AT_ONCE);
    else sweepAll(partition);
    if (partition.slabPages < pages || vacateAny(partition) || hasChunk(partition, sizeClass)) return true;
    if (!mayEvict() && partition.cleared == before) return false;
  }
  return false;
}

/** Nodes of garbage that are freed before the question whether that is enough. */
const COLLECTED_AT_ONCE: u32 = 256;

/** Frees garbage of collections until the pool has a page more, or `sizeClass` a free chunk. False: that was all. */
function collectPage(partition: Partition, sizeClass: u32): bool {
  const pages = partition.slabPages;
  while (partition.garbage) {
    freeGarbage(partition, COLLECTED_AT_ONCE);
    if (partition.slabPages < pages || vacateAny(partition) || hasChunk(partition, sizeClass)) return true;
  }
  return false;
}

@inline
function hasChunk(partition: Partition, sizeClass: u32): bool {
  return sizeClass != NO_CLASS && classInfo(partition, sizeClass).roomy != 0;
}

/**
 * Takes a page from another partition. Some may be locked just now: they are asked again, and in the end waited for.
 * Not for ever, since this one's lock is held meanwhile.
 */
function findPageOfOthers(partition: Partition, thread: u32, nowMs: i64): bool {
  for (let i: u32 = 0; i < MAX_ROUNDS; i++) {
    const found = askOthers(partition, thread, nowMs);
    if (found != FOUND_LOCKED) return found == FOUND_PAGE;
  }
  for (let i: u32 = 0; i < MAX_WAITS; i++) {
    const other = changetype<Partition>(lockedOther);
    if (lockWithin(other, thread, SLEEPS_OF_A_WAIT)) {
      const given = givePageOf(other, nowMs);
      unlock(other);
      if (given) return true;
    }
    const found = askOthers(partition, thread, nowMs);
    if (found != FOUND_LOCKED) return found == FOUND_PAGE;
  }
  return false;
}

const FOUND_NONE: u32 = 0;
const FOUND_PAGE: u32 = 1;
/** None, but some partitions were locked, so that nothing is known of them. */
const FOUND_LOCKED: u32 = 2;

function askOthers(partition: Partition, thread: u32, nowMs: i64): u32 {
  const count = header().partitionCount;
  const first = nextVictim(count);
  let found = FOUND_NONE;
  for (let i: u32 = 0; i < count; i++) {
    const other = partitionAt((first + i) & (count - 1));
    if (changetype<u32>(other) == changetype<u32>(partition)) continue;
    if (!mayEvict() && !mayHavePage(other, nowMs)) continue;
    if (isHeldInSet(other, thread)) {
      // Nothing is half done in it (locks.ts).
      if (givePageOf(other, nowMs)) return FOUND_PAGE;
      continue;
    }
    // Only tried: two partitions that want each other's pages cannot deadlock.
    if (!tryLock(other, thread)) {
      found = FOUND_LOCKED;
      lockedOther = changetype<u32>(other);
      continue;
    }
    const given = givePageOf(other, nowMs);
    unlock(other);
    if (given) return FOUND_PAGE;
  }
  return found;
}

/** Whether a partition, of a policy that evicts nothing, may have something to free. */
@inline
function mayHavePage(other: Partition, nowMs: i64): bool {
  return other.slackClasses != 0 || other.garbage != 0 || isDue(other, nowMs) || mayHaveCleared(other);
}

/** A partition that `askOthers` found locked. Read right after it. Not state. */
let lockedOther: Address = 0;

/** Makes a page of the partition come free. */
function givePageOf(partition: Partition, nowMs: i64): bool {
  const given = vacateAny(partition) || expirePage(partition, NO_CLASS, nowMs);
  return given || sweepPage(partition, NO_CLASS) || collectPage(partition, NO_CLASS) || evictPage(partition, nowMs);
}

/** Evicts until a page comes free. */
function evictPage(partition: Partition, nowMs: i64): bool {
  for (let i: u32 = 0; i < MAX_EVICTIONS && mayEvict(); i++) {
    const pages = partition.slabPages;
    if (!evictOne(partition, nowMs)) return false;
    if (partition.slabPages < pages || vacateAny(partition) || collectPage(partition, NO_CLASS)) return true;
  }
  return false;
}

/** Where the search for a page among other partitions begins: somewhere else each time. */
@inline
function nextVictim(count: u32): u32 {
  return atomic.add<u32>(offsetof<Header>('reclaimFrom'), 1) & (count - 1);
}

/** Makes room for one more entry where `maxEntries` limits them. False: it may not be made. */
export function makeRoomForOne(partition: Partition, nowMs: i64): bool {
  if (partition.entries < partition.maxEntries) return true;
  for (let i: u32 = 0; i < MAX_DUE_STEPS && isDue(partition, nowMs); i++) {
    expireDue(partition, nowMs, DUE_RECORDS);
    if (partition.entries < partition.maxEntries) return true;
  }
  startPasses();
  while (partition.entries >= partition.maxEntries) {
    if (hasCleared(partition)) {
      const swept = partition.cleared;
      if (mayEvict()) sweep(partition, MOST_SWEPT);
      else sweepAll(partition);
      if (partition.cleared < swept) continue;
    }
    if (!mayEvict() || !evictOne(partition, nowMs)) return false;
  }
  return true;
}

/** Fewer entries say too little about the size of others. */
const ENTRIES_TO_JUDGE_BY: u32 = 64;
const GUESSED_ENTRY_BYTES: u64 = 256;

/** How many entries a partition will hold when it is full, as far as its entries so far tell. */
export function expectedEntries(partition: Partition): u32 {
  const head = header();
  const share = (<u64>(head.endPage - head.firstPage) << PAGE_SHIFT) / head.partitionCount;
  const entries = <u64>partition.entries;
  const fitting = entries < ENTRIES_TO_JUDGE_BY
    ? share / GUESSED_ENTRY_BYTES
    : (entries * share) / partition.chunkBytes;
  return <u32>min<u64>(max<u64>(fitting, entries), partition.maxEntries);
}
