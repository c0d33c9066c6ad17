/*
 * Pages of 64 KiB, from one pool shared by all partitions. A page is free, a table segment (table.ts), a slab of
 * chunks of one size (slab.ts), a part of a change log (changelog.ts), or a part of a value that a thread is writing
 * (draft.ts). What it is now stands in its PageInfo; while it is not free, its partition's lock guards it; a draft's
 * is its thread's alone.
 *
 * A page that became a table segment stays one as long as the arena lives: readers set access marks in segments without
 * the lock, so a segment's memory must never become anything else.
 */
import { Address, Header, header, PAGE_SHIFT, PageNumber } from './layout';

export const PAGE_FREE: u8 = 0;
export const PAGE_SEGMENT: u8 = 1;
export const PAGE_SLAB: u8 = 2;
/** Was a segment and will be one of the same partition again (recovery.ts). Listed by `next`. */
export const PAGE_SPARE_SEGMENT: u8 = 3;
/** A part of a partition's change log; linked in a ring by `next`. */
export const PAGE_LOG: u8 = 4;

/** A part of a thread's draft: `partition` is DRAFT_OWNER and the thread's slot. Linked as pieces. */
export const PAGE_DRAFT: u8 = 5;
/** No partition has such a number. */
export const DRAFT_OWNER: u32 = 0x8000;

/** In the list of pages with room. */
export const PAGE_ROOMY: u32 = 1;
/** Being vacated. */
export const PAGE_CLOSED: u32 = 2;

@unmanaged
export class PageInfo {
  // -- the owner, written as one word (`claimPage`), because anybody may ask for it at any time (recovery.ts)
  kind: u8;
  /** Slab: the class of its chunks. Segment: the number of leading hash bits that its entries share. */
  sizeClass: u8;
  partition: u16;
  // -- slab: chunks
  /** The first chunk given back, linked through their first word; 0: none. */
  freeChunk: Address;
  /** Chunks handed out at least once: those from here to the page's capacity were never used. */
  bump: u16;
  /** Chunks in use. */
  used: u16;
  // -- slab: ring of all pages of the class; pool: list of free pages (next only; previous is `sweepPool`'s)
  next: PageNumber;
  previous: PageNumber;
  // -- slab: list of pages with room
  nextRoomy: PageNumber;
  previousRoomy: PageNumber;
  /** Slab: PAGE_ROOMY, PAGE_CLOSED, or 0 without room. Segment: entries in it. */
  count: u32;
}

export const PAGE_INFO_BYTES: u32 = 32;

@inline
export function pageInfo(page: PageNumber): PageInfo {
  return changetype<PageInfo>(header().pageInfoBias + page * PAGE_INFO_BYTES);
}

@inline
export function pageOf(address: Address): PageNumber {
  return address >> PAGE_SHIFT;
}

@inline
export function pageAddress(page: PageNumber): Address {
  return page << PAGE_SHIFT;
}

/** Makes a page that the caller took from the pool a partition's, in one step. */
@inline
export function claimPage(page: PageNumber, kind: u8, sizeClass: u32, partition: u32): void {
  atomic.store<u32>(changetype<usize>(pageInfo(page)), <u32>kind | (sizeClass << 8) | (partition << 16));
}

@inline
export function pageKind(page: PageNumber): u8 {
  return atomic.load<u8>(changetype<usize>(pageInfo(page)));
}

/** Whether the page is a part of the thread's draft. */
@inline
export function isDraftOf(page: PageNumber, thread: u32): bool {
  const owner = atomic.load<u32>(changetype<usize>(pageInfo(page)));
  return <u8>owner == PAGE_DRAFT && owner >> 16 == (DRAFT_OWNER | thread);
}

/** Whether the page is this partition's. Under its lock, that stays so. */
@inline
export function pageBelongs(page: PageNumber, partition: u32): bool {
  const owner = atomic.load<u32>(changetype<usize>(pageInfo(page)));
  return <u8>owner != PAGE_FREE && owner >> 16 == partition;
}

/*
 * The pool takes no lock, so that a thread that dies cannot leave it locked: a bump counter for pages never used, a
 * stack for pages given back. Both change by compare-and-swap. The stack's head carries a tag that grows with each
 * push, so a pop that read `next` of a page which was meanwhile popped and pushed again fails (the ABA problem).
 *
 * Pages are taken and given only under the lock of some partition: whoever holds all of them has the pool to himself.
 */
const POOL_STACK: usize = offsetof<Header>('poolStack');
const POOL_BUMP: usize = offsetof<Header>('poolBump');
const POOL_STACKED: usize = offsetof<Header>('poolStacked');
const TAG_ONE: u64 = 0x1_0000_0000;

/** A page of unknown content, or 0 when all are in use. */
export function takePage(): PageNumber {
  for (;;) {
    const head = atomic.load<u64>(POOL_STACK);
    const page = <u32>head;
    if (page == 0) break;
    const rest = (head & ~(TAG_ONE - 1)) | pageInfo(page).next;
    if (atomic.cmpxchg<u64>(POOL_STACK, head, rest) == head) {
      atomic.sub<u32>(POOL_STACKED, 1);
      return page;
    }
  }
  let page = atomic.load<u32>(POOL_BUMP);
  while (page != header().endPage) {
    const seen = atomic.cmpxchg<u32>(POOL_BUMP, page, page + 1);
    if (seen == page) return page;
    page = seen;
  }
  return 0;
}

export function givePage(page: PageNumber): void {
  const info = pageInfo(page);
  atomic.store<u8>(changetype<usize>(info), PAGE_FREE);
  for (;;) {
    const head = atomic.load<u64>(POOL_STACK);
    info.next = <u32>head;
    const pushed = ((head & ~(TAG_ONE - 1)) + TAG_ONE) | page;
    if (atomic.cmpxchg<u64>(POOL_STACK, head, pushed) == head) break;
  }
  atomic.add<u32>(POOL_STACKED, 1);
}

/**
 * Gives back every page that is free and yet not in the pool, and counts what is. The caller holds all partitions'
 * locks, and may die anywhere in here: the next one does it all again.
 */
export function sweepPool(): void {
  const first = header().firstPage;
  const end = header().poolBump;
  for (let page = first; page < end; page++) {
    if (pageKind(page) == PAGE_FREE) pageInfo(page).previous = 0;
  }
  let stacked: u32 = 0;
  for (let page = <u32>header().poolStack; page; page = pageInfo(page).next) {
    pageInfo(page).previous = 1;
    stacked += 1;
  }
  atomic.store<u32>(POOL_STACKED, stacked);
  for (let page = first; page < end; page++) {
    if (pageKind(page) == PAGE_FREE && pageInfo(page).previous == 0) givePage(page);
  }
}
