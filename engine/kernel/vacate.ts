/*
 * Vacating a page: everything in it moves into free chunks of its class, and the page goes back to the pool. An entry's
 * place is known to its slot, a piece's to its neighbours in the chain, a record's to nobody (it names a hash).
 * Everything here runs under the partition's lock.
 */
import {
  CHAINED,
  CHUNK_FREE,
  CHUNK_NODE,
  CHUNK_PIECE,
  entryAt,
  firstPiece,
  hashOfEntry,
  isEntryKind,
  pieceAt,
  ROOTED,
  setFirstPiece,
} from './entry';
import { collectionMoved, isListed, nodeAt, nodeMoved } from './collections/node';
import { evictEntry, isPinned } from './eviction/removal';
import { tableMoved } from './eviction/sidetable';
import { Address, PageNumber } from './layout';
import { PageInfo, pageAddress, pageInfo, pageOf } from './pages';
import { classInfo, Partition } from './partition';
import { isMarked } from './marks';
import {
  chunkBytesOf,
  closePage,
  giveChunk,
  hasSlack,
  isClosed,
  recordClass,
  reopenPage,
  takeChunk,
  takeLargerChunk,
} from './slab';
import { findEntry, setEntryOf } from './table';

/** Pages with room that are looked at for the one with the least in it. */
const CANDIDATES: u32 = 8;
/** Vacates a page of whatever class can spare one. True: the pool has a page more. */
export function vacateAny(partition: Partition): bool {
  while (partition.slackClasses) {
    const sizeClass = <u32>ctz(partition.slackClasses);
    if (vacatePage(partition, sizeClass)) return true;
    partition.slackClasses &= ~((<u64>1) << sizeClass);
  }
  return false;
}

function vacatePage(partition: Partition, sizeClass: u32): bool {
  if (sizeClass >= recordClass() || !hasSlack(classInfo(partition, sizeClass), sizeClass)) return false;
  const page = emptiestPage(partition, sizeClass);
  if (page == 0) return false;
  closePage(partition, page);
  moveAll(partition, page, sizeClass);
  return true;
}

/** Of some pages with room the one with the fewest chunks in use, and none of them pinned; 0: there is none. */
function emptiestPage(partition: Partition, sizeClass: u32): PageNumber {
  let best: PageNumber = 0;
  let fewest: u32 = u32.MAX_VALUE;
  let page = classInfo(partition, sizeClass).roomy;
  for (let i: u32 = 0; i < CANDIDATES && page != 0; i++) {
    const info: PageInfo = pageInfo(page);
    if (<u32>info.used < fewest && !holdsPinned(partition, page)) {
      fewest = info.used;
      best = page;
    }
    page = info.nextRoomy;
  }
  return best;
}

@inline
function holdsPinned(partition: Partition, page: PageNumber): bool {
  if (pageOf(partition.pinnedOld) == page || pageOf(partition.pinnedNew) == page) return true;
  return pageOf(partition.pinnedSource) == page;
}

function moveAll(partition: Partition, page: PageNumber, sizeClass: u32): void {
  const size = chunkBytesOf(sizeClass);
  const start = pageAddress(page);
  const pages = partition.slabPages;
  // When its last chunk is given back the page is gone, and with it what stands in its info.
  for (let chunk = start; partition.slabPages == pages; chunk += size) {
    if (entryAt(chunk).kind == CHUNK_FREE) continue;
    moveChunk(partition, chunk, takeChunk(partition, sizeClass), size);
  }
}

/** Moves what is in a chunk to another one of its class, and frees the chunk. */
function moveChunk(partition: Partition, chunk: Address, target: Address, size: u32): void {
  memory.copy(target, chunk, size);
  const kind = entryAt(chunk).kind;
  if (isEntryKind(kind)) moveEntry(partition, chunk, target);
  else if (kind == CHUNK_NODE) nodeMoved(partition, chunk, target);
  else if (kind == CHUNK_PIECE) movePiece(partition, chunk, target);
  else tableMoved(partition, target);
  giveChunk(partition, chunk);
}

function moveEntry(partition: Partition, chunk: Address, target: Address): void {
  setEntryOf(findEntry(hashOfEntry(target), chunk), target);
  const entry = entryAt(target);
  if (entry.flags & CHAINED) pieceAt(firstPiece(target, entry)).previous = target;
  else if (entry.flags & ROOTED) collectionMoved(partition, target);
}

function movePiece(partition: Partition, chunk: Address, target: Address): void {
  const piece = pieceAt(target);
  const previous = piece.previous;
  if (piece.next) pieceAt(piece.next).previous = target;
  if (chunk == partition.chainEnd) partition.chainEnd = target;
  if (isEntryKind(entryAt(previous).kind)) setFirstPiece(previous, entryAt(previous), target);
  else pieceAt(previous).next = target;
}

/**
 * Empties the page with the least in it, of all classes: what was used moves where something is free, the rest is
 * evicted. True: the pool has a page more. For partitions with so many classes on so few pages that none has a page's
 * worth of free chunks.
 */
export function emptyPage(partition: Partition, nowMs: i64): bool {
  let best: PageNumber = 0;
  let fewest: u32 = u32.MAX_VALUE;
  for (let sizeClass: u32 = 0; sizeClass < recordClass(); sizeClass++) {
    const page = emptiestPage(partition, sizeClass);
    if (page == 0) continue;
    const bytes = <u32>pageInfo(page).used * chunkBytesOf(sizeClass);
    if (bytes >= fewest) continue;
    fewest = bytes;
    best = page;
  }
  if (best == 0) return false;
  closePage(partition, best);
  const pages = partition.slabPages;
  clearOut(partition, best, nowMs);
  // An evicted chain may have given back another page, and this one is closed still.
  if (isClosed(partition, best)) reopenPage(partition, best);
  return partition.slabPages < pages;
}

function clearOut(partition: Partition, page: PageNumber, nowMs: i64): void {
  const info = pageInfo(page);
  const sizeClass = <u32>info.sizeClass;
  const size = chunkBytesOf(sizeClass);
  const pages = partition.slabPages;
  const end = pageAddress(page) + <u32>info.bump * size;
  for (let chunk = pageAddress(page); chunk < end && partition.slabPages >= pages; chunk += size) {
    const kind = entryAt(chunk).kind;
    if (kind == CHUNK_FREE) continue;
    const address = ownerOf(chunk);
    const isEntry = address != 0;
    if (isEntry && isPinned(partition, address)) return;
    const hash = isEntry ? hashOfEntry(address) : 0;
    const slot = isEntry ? findEntry(hash, address) : 0;
    if (!isEntry || isMarked(slot)) {
      const target = freeElsewhere(partition, sizeClass);
      if (target) {
        moveChunk(partition, chunk, target, size);
        continue;
      }
    }
    // A part of the side table is not evicted, nor what is garbage or reserved.
    if (!isEntry) return;
    evictEntry(partition, slot, hash, nowMs);
  }
}

/** A free chunk of the class or one somewhat larger, without taking a page. */
function freeElsewhere(partition: Partition, sizeClass: u32): Address {
  if (classInfo(partition, sizeClass).roomy) return takeChunk(partition, sizeClass);
  return takeLargerChunk(partition, sizeClass);
}

/** The entry that a chunk belongs to, or is; 0: it is no entry's. */
function ownerOf(chunk: Address): Address {
  let address = chunk;
  while (entryAt(address).kind == CHUNK_PIECE) address = pieceAt(address).previous;
  while (entryAt(address).kind == CHUNK_NODE) {
    if (isListed(address)) return 0;
    address = nodeAt(address).parent;
  }
  return isEntryKind(entryAt(address).kind) ? address : 0;
}
