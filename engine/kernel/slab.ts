/*
 * Slabs: pages cut into chunks of one size class. Classes are about 12% apart, so a chunk wastes 6% on average.
 *
 * Eviction's order has nothing to do with where entries lie (records.ts), so what is freed is scattered over the
 * pages of a class. Once a class has a page's worth of free chunks, one of its pages can be vacated: its entries move
 * into the free chunks of others, and the page goes back to the pool, for whatever class needs it. So no class keeps
 * memory that it once had use for.
 *
 * Everything here runs under the partition's lock.
 */
import { CHUNK_FREE, pieceAt } from './entry';
import {
  Address,
  CLASS_CAPACITIES,
  CLASS_OF_SIZE,
  CLASS_SIZES,
  header,
  MAX_CHUNK,
  MAX_CLASSES,
  MIN_CHUNK,
  PAGE_BYTES,
  PageNumber,
  RECORD_BLOCK_BYTES,
} from './layout';
import {
  claimPage,
  givePage,
  PAGE_CLOSED,
  PAGE_ROOMY,
  PAGE_SLAB,
  PageInfo,
  pageAddress,
  pageBelongs,
  pageInfo,
  pageKind,
  pageOf,
  takePage,
} from './pages';
import { ClassInfo, classInfo, Partition, partitionIndex } from './partition';

/** Writes the class tables: sizes 12.5% apart in multiples of 8, the last ones dividing a page evenly. */
export function buildClasses(): void {
  let count: u32 = 0;
  let size = MIN_CHUNK;
  while (size < MAX_CHUNK) {
    assert(count < MAX_CLASSES);
    store<u32>(CLASS_SIZES + (count << 2), size);
    count += 1;
    // A step of an eighth, rounded to a number of chunks that fills the page: its rest is shared out.
    const wanted = size + max<u32>(8, size >> 3);
    const chunks = min<u32>((PAGE_BYTES + wanted / 2) / wanted, PAGE_BYTES / size - 1);
    size = max<u32>(size + 8, (PAGE_BYTES / chunks) & ~7);
  }
  store<u32>(CLASS_SIZES + (count << 2), MAX_CHUNK);
  store<u32>(CLASS_SIZES + ((count + 1) << 2), RECORD_BLOCK_BYTES);
  store<u32>(CLASS_SIZES + ((count + 2) << 2), PAGE_BYTES);
  header().classCount = count + 3;
  for (let i: u32 = 0; i < header().classCount; i++) {
    store<u32>(CLASS_CAPACITIES + (i << 2), PAGE_BYTES / chunkBytesOf(i));
  }
  let sizeClass: u32 = 0;
  for (let bytes: u32 = 0; bytes <= MAX_CHUNK; bytes += 8) {
    while (load<u32>(CLASS_SIZES + (sizeClass << 2)) < bytes) sizeClass += 1;
    store<u8>(CLASS_OF_SIZE + (bytes >> 3), <u8>sizeClass);
  }
}

/** The class whose chunks hold `bytes`, at most MAX_CHUNK. */
@inline
export function classOf(bytes: u32): u32 {
  return load<u8>(CLASS_OF_SIZE + ((bytes + 7) >> 3));
}

/** The class of blocks of records, in pages of their own. */
@inline
export function recordClass(): u32 {
  return header().classCount - 2;
}

/** The class of pieces that are a whole page. They never move. */
@inline
export function pageClass(): u32 {
  return header().classCount - 1;
}

@inline
export function chunkBytesOf(sizeClass: u32): u32 {
  return load<u32>(CLASS_SIZES + (sizeClass << 2));
}

@inline
export function chunksPerPage(sizeClass: u32): u32 {
  return load<u32>(CLASS_CAPACITIES + (sizeClass << 2));
}

/** The class of the page that a chunk lies in. */
@inline
export function classOfChunk(chunk: Address): u32 {
  return pageInfo(pageOf(chunk)).sizeClass;
}

/** A chunk of the class without evicting anything: from a page with room, or a new page. 0: neither. */
export function takeChunk(partition: Partition, sizeClass: u32): Address {
  const info = classInfo(partition, sizeClass);
  let page = info.roomy;
  if (page == 0) {
    page = addPage(partition, sizeClass, info);
    if (page == 0) return 0;
  }
  const pages = pageInfo(page);
  const size = chunkBytesOf(sizeClass);
  let chunk = pages.freeChunk;
  if (chunk) {
    pages.freeChunk = load<u32>(chunk);
  } else {
    chunk = pageAddress(page) + <u32>pages.bump * size;
    pages.bump += 1;
  }
  pages.used += 1;
  if (pages.freeChunk == 0 && <u32>pages.bump == chunksPerPage(sizeClass)) leaveRoomy(info, page, pages);
  info.chunksUsed += 1;
  partition.chunkBytes += size;
  return chunk;
}

/** Pages to a class, on the average, below which a partition is cramped. */
const CRAMPED_BELOW: u32 = 4;

/**
 * Whether a partition has so few pages that no class can be expected to have one to give: most of what a page is
 * emptied for would be lost, so entries rather take chunks that are too large.
 */
@inline
export function isCramped(partition: Partition): bool {
  return partition.slabPages < CRAMPED_BELOW * partition.classesUsed;
}

/** Classes up to which a chunk may be too large: not quite twice the size. */
const LARGER_CLASSES: u32 = 5;

/** A chunk of the smallest of the next larger classes that has a free one; 0: there is none. */
export function takeLargerChunk(partition: Partition, sizeClass: u32): Address {
  const end = min<u32>(sizeClass + LARGER_CLASSES + 1, recordClass());
  for (let larger = sizeClass + 1; larger < end; larger++) {
    if (classInfo(partition, larger).roomy) return takeChunk(partition, larger);
  }
  return 0;
}

/** Gives a chunk back; its page goes back to the pool when it was the last one in it. */
export function giveChunk(partition: Partition, chunk: Address): void {
  const page = pageOf(chunk);
  const pages = pageInfo(page);
  const sizeClass = <u32>pages.sizeClass;
  const info = classInfo(partition, sizeClass);
  store<u32>(chunk, pages.freeChunk);
  pieceAt(chunk).kind = CHUNK_FREE;
  pages.freeChunk = chunk;
  pages.used -= 1;
  info.chunksUsed -= 1;
  partition.chunkBytes -= chunkBytesOf(sizeClass);
  if (hasSlack(info, sizeClass)) partition.slackClasses |= (<u64>1) << sizeClass;
  if (pages.used == 0) removePage(partition, page, pages, info);
  else if (pages.count == 0) joinRoomy(info, page, pages);
}

/**
 * A class keeps this share of a page free beside the page that is vacated, so that its next entries do not ask for a
 * page at once.
 */
const KEPT_SHARE: u32 = 8;

/** Whether a class has so many free chunks that a page can be vacated. */
@inline
export function hasSlack(info: ClassInfo, sizeClass: u32): bool {
  const capacity = chunksPerPage(sizeClass);
  return info.pages * capacity - info.chunksUsed >= capacity + capacity / KEPT_SHARE;
}

function addPage(partition: Partition, sizeClass: u32, info: ClassInfo): PageNumber {
  const page = takePage();
  if (page == 0) return 0;
  joinClass(partition, page, sizeClass, info);
  joinRoomy(info, page, pageInfo(page));
  return page;
}

/** Makes a page that a draft has filled (draft.ts) a slab of the partition, with one chunk, which is in use. */
export function adoptPage(partition: Partition, page: PageNumber): void {
  const info = classInfo(partition, pageClass());
  joinClass(partition, page, pageClass(), info);
  const pages = pageInfo(page);
  pages.bump = 1;
  pages.used = 1;
  info.chunksUsed += 1;
  partition.chunkBytes += PAGE_BYTES;
}

/** Makes a page a slab of the class without a chunk in use. */
function joinClass(partition: Partition, page: PageNumber, sizeClass: u32, info: ClassInfo): void {
  const pages = pageInfo(page);
  claimPage(page, PAGE_SLAB, sizeClass, partitionIndex(partition));
  pages.freeChunk = 0;
  pages.bump = 0;
  pages.used = 0;
  pages.count = 0;
  const ahead = info.anyPage;
  if (ahead == 0) {
    pages.next = page;
    pages.previous = page;
    info.anyPage = page;
  } else {
    const behind = pageInfo(ahead).previous;
    pages.next = ahead;
    pages.previous = behind;
    pageInfo(ahead).previous = page;
    pageInfo(behind).next = page;
  }
  if (info.pages == 0) partition.classesUsed += 1;
  info.pages += 1;
  partition.slabPages += 1;
}

function removePage(
  partition: Partition,
  page: PageNumber,
  pages: PageInfo,
  info: ClassInfo,
): void {
  if (pages.count == PAGE_ROOMY) leaveRoomy(info, page, pages);
  if (pages.next == page) {
    info.anyPage = 0;
  } else {
    pageInfo(pages.previous).next = pages.next;
    pageInfo(pages.next).previous = pages.previous;
    if (info.anyPage == page) info.anyPage = pages.next;
  }
  info.pages -= 1;
  if (info.pages == 0) partition.classesUsed -= 1;
  partition.slabPages -= 1;
  givePage(page);
}

/** Keeps a page from handing out chunks, and from being asked for any, until its last one is given back. */
export function closePage(partition: Partition, page: PageNumber): void {
  const pages = pageInfo(page);
  if (pages.count == PAGE_ROOMY) leaveRoomy(classInfo(partition, pages.sizeClass), page, pages);
  pages.count = PAGE_CLOSED;
}

/** Whether a page is one that `closePage` closed; it may have gone to the pool meanwhile, and to anybody. */
export function isClosed(partition: Partition, page: PageNumber): bool {
  if (!pageBelongs(page, partitionIndex(partition)) || pageKind(page) != PAGE_SLAB) return false;
  return pageInfo(page).count == PAGE_CLOSED;
}

/** The opposite of `closePage`, for a page that keeps something. */
export function reopenPage(partition: Partition, page: PageNumber): void {
  const pages = pageInfo(page);
  pages.count = 0;
  const hasRoom = pages.freeChunk != 0 || <u32>pages.bump < chunksPerPage(pages.sizeClass);
  if (hasRoom) joinRoomy(classInfo(partition, pages.sizeClass), page, pages);
}

function joinRoomy(info: ClassInfo, page: PageNumber, pages: PageInfo): void {
  const first = info.roomy;
  pages.count = PAGE_ROOMY;
  pages.previousRoomy = 0;
  pages.nextRoomy = first;
  if (first) pageInfo(first).previousRoomy = page;
  info.roomy = page;
}

function leaveRoomy(info: ClassInfo, page: PageNumber, pages: PageInfo): void {
  pages.count = 0;
  const previous = pages.previousRoomy;
  const next = pages.nextRoomy;
  if (previous) pageInfo(previous).nextRoomy = next;
  else info.roomy = next;
  if (next) pageInfo(next).previousRoomy = previous;
}
