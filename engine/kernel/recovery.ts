/*
 * What is done about a partition whose lock was taken over from a thread that is no more (lock.ts). It may be in any
 * state between two steps of the kernel. Trusted is only what cannot be half done:
 *
 *   page infos   the first word of each, kind, class and partition, is written by one atomic store (pages.ts)
 *   the pool     changes by compare-and-swap alone
 *   directory    its memory, and that each entry is a segment of this partition
 *
 * 1. The partition is checked: integrity.ts, and that it has just the pages that say so. If all is well, it stays. An
 *    entry that was being overwritten in place (`overwriting`) is removed, since only its bytes could tell; those that
 *    were pending are, too. Eviction's queues are made anew (requeue.ts).
 * 2. Else it is emptied: its slab pages go to the pool, its segments but one become spare segments, for they can never
 *    be anything else; everything else starts anew.
 *
 * `recovery` tells a second rescuer, after the first one died here too, or failed, how far that one came. Emptying
 * begins again from the page infos each time.
 *
 * A page may have been on its way: out of the pool and not yet anybody's, or nobody's any more and not yet in the pool.
 * Its kind is free, and it is not in the pool. `sweepPages` finds such pages while no partition's lock is held by
 * anybody else, because pages are taken and given under some partition's lock only.
 */
import { LOG_DELETED, noteClear } from './changelog';
import { recoverLog } from './logcheck';
import { dropReserved } from './collections/reserve';
import { BROKEN_PAGE_TOTAL, BROKEN_RECORDS, checkPartition } from './integrity';
import { Address, header, Header, PAGE_BYTES, PageNumber } from './layout';
import { tryLockToRead, unlock } from './lock';
import { noteClears } from './namespaces';
import {
  givePage,
  PAGE_LOG,
  PAGE_SEGMENT,
  PAGE_SLAB,
  PAGE_SPARE_SEGMENT,
  pageAddress,
  pageBelongs,
  pageInfo,
  pageKind,
  sweepPool,
} from './pages';
import { Partition, partitionAt, partitionIndex, resetPartition } from './partition';
import { entryAt, hashOfEntry } from './entry';
import { dropPending } from './pending';
import { mayEvict, resetPolicy } from './eviction/policy';
import { removeEntry } from './eviction/removal';
import { requeue } from './eviction/requeue';
import { stampPartition } from './stamps';
import { entryOf, findEntry, openDirectory, openSegment, spareSegment } from './table';

/* Values of Partition.recovery. */
const CHECKING: u32 = 1;
const EMPTYING: u32 = 2;

/** Tries to get a partition's lock for `sweepPages`: about as long as anybody holds one. */
const SWEEP_TRIES: u32 = 2000;

/** Under the lock that was taken over; `mayHaveWritten`: by a holder that did more than read. */
export function recover(partition: Partition, slot: u32, mayHaveWritten: bool): void {
  partition.takeovers += 1;
  if (!mayHaveWritten) return;
  stampPartition(partition);
  atomic.store<u32>(offsetof<Header>('pagesAstray'), 1);
  recoverLog(partition);
  // A clear of a namespace may have come as far as its epoch.
  noteClears();
  if (partition.recovery != 0 || !keepIfSound(partition)) {
    partition.recovery = EMPTYING;
    empty(partition);
  }
  partition.recovery = 0;
  sweepPages(slot, partition);
}

/**
 * Whether nothing is amiss in the partition but what is mended here: the entry that was being overwritten is removed,
 * and every entry gets a record.
 */
function keepIfSound(partition: Partition): bool {
  partition.recovery = CHECKING;
  partition.pinnedOld = 0;
  partition.pinnedNew = 0;
  partition.pinnedSource = 0;
  partition.chainEnd = 0;
  const torn = partition.overwriting;
  const broken = hasItsPages(partition) ? checkPartition(partition) : BROKEN_PAGE_TOTAL;
  if (broken != 0 && broken != BROKEN_RECORDS) return false;
  dropReserved(partition);
  if (torn) {
    const hash = hashOfEntry(torn);
    const slot = findEntry(hash, torn);
    if (slot) removeEntry(partition, slot, hash, LOG_DELETED);
    partition.overwriting = 0;
  }
  if (partition.pending) {
    dropPending(partition);
    partition.pending = 0;
  }
  return !mayEvict() || requeue(partition);
}

/** Whether all pages that say they are this partition's are counted. */
function hasItsPages(partition: Partition): bool {
  const index = partitionIndex(partition);
  let slabs: u32 = 0;
  let segments: u32 = 0;
  const end = atomic.load<u32>(offsetof<Header>('poolBump'));
  for (let page: PageNumber = header().firstPage; page < end; page++) {
    if (!pageBelongs(page, index)) continue;
    const kind = pageKind(page);
    if (kind == PAGE_SLAB) slabs += 1;
    else if (kind != PAGE_LOG) segments += 1;
  }
  return slabs == partition.slabPages && segments == partition.segments + partition.spareSegments;
}

/** Makes the partition an empty one, from whatever it is. */
function empty(partition: Partition): void {
  const index = partitionIndex(partition);
  partition.lost += partition.entries - min<u32>(partition.tombstones, partition.entries);
  partition.entries = 0;
  partition.spareSegment = 0;
  partition.spareSegments = 0;
  let segment: Address = 0;
  const end = atomic.load<u32>(offsetof<Header>('poolBump'));
  for (let page: PageNumber = header().firstPage; page < end; page++) {
    if (!pageBelongs(page, index) || pageKind(page) == PAGE_LOG) continue;
    if (pageKind(page) == PAGE_SLAB) givePage(page);
    else if (segment == 0) segment = pageAddress(page);
    else spareSegment(partition, page);
  }
  openSegment(partition, segment, 32 - header().partitionShift);
  openDirectory(partition, partition.directory, segment);
  partition.segments = 1;
  resetPartition(partition);
  resetPolicy(partition);
  noteClear(partition);
  partition.emptied += 1;
}

/**
 * Gives pages that went astray back to the pool, if there may be some and every partition's lock can be had: it is only
 * tried, because the caller may hold the one of `held` (null: none). Otherwise it is left to the next call.
 */
export function sweepPages(slot: u32, held: Partition | null): void {
  if (atomic.load<u32>(offsetof<Header>('pagesAstray')) == 0) return;
  const count = header().partitionCount;
  let locked: u32 = 0;
  while (locked < count && (isSame(held, locked) || lockForSweep(partitionAt(locked), slot))) locked++;
  if (locked == count) {
    sweepPool();
    atomic.store<u32>(offsetof<Header>('pagesAstray'), 0);
  }
  for (let i: u32 = 0; i < locked; i++) if (!isSame(held, i)) unlock(partitionAt(i));
}

@inline
function isSame(held: Partition | null, index: u32): bool {
  return changetype<u32>(held) == changetype<u32>(partitionAt(index));
}

function lockForSweep(partition: Partition, slot: u32): bool {
  for (let i: u32 = 0; i < SWEEP_TRIES; i++) if (tryLockToRead(partition, slot)) return true;
  return false;
}
