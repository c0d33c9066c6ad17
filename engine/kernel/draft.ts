/*
 * Writing a value that is too large for a thread's request area, part by part, without a lock while its bytes are
 * copied. Until it is stored it is a draft: whole pages that are the thread's (PAGE_DRAFT, pages.ts), linked as the
 * pieces of a chain (entry.ts), which the host fills.
 *
 *   begin    checks size and conditions; nothing is taken yet
 *   grow     takes pages, one under each lock, of the partitions in turn: so what is evicted is evicted everywhere
 *   (the host copies bytes into the pages, which nobody else looks at)
 *   commit   under the lock of the key's partition: decides the conditions, builds the entry's head, makes the pages
 *            the partition's, and puts the entry into the table
 *   abort    gives the pages back
 *
 * A draft belongs to no partition, so nothing that happens to partitions touches it: neither `clear` nor the recovery
 * of one. Its pages are of no slab, so they are neither moved nor evicted. They are counted in the thread's block.
 *
 * Death. Each page says whose draft it is, in one atomic word. So a thread's slot is cleaned (slots.ts) by looking for
 * its pages, whatever its block and its chain say by then; `isDrafting` tells whether to look. In the middle of commit
 * some of the pages are the partition's already: that is found out as any other write left half done (recovery.ts).
 *
 * Memory order. The host's stores into the pages come before the commit's unlock, an atomic store. Who reads the entry
 * has seen that store.
 */
import { noteSet } from './changelog';
import {
  CHAIN_LINK_BYTES,
  CHAINED,
  CHUNK_PIECE,
  describeChain,
  entryAt,
  fieldsBytes,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  isNamespaced,
  KeyWord,
  lengthOf,
  LONG_KEY,
  MAX_INLINE_KEY,
  PAGE_PAYLOAD,
  PIECE_FIXED_BYTES,
  pieceAt,
  setFirstPiece,
} from './entry';
import { sample } from './eviction/adaptive';
import { mayEvict, queueOfNew } from './eviction/policy';
import { hashKey } from './hash';
import { givenStamp, isGiven, startClock } from './hybridclock';
import { Address, header, Header, LARGE_BYTES, PageNumber } from './layout';
import { lock, unlock } from './lock';
import { isCleared } from './namespaces';
import {
  claimPage,
  DRAFT_OWNER,
  givePage,
  isDraftOf,
  PAGE_DRAFT,
  pageAddress,
  pageOf,
  takePage,
} from './pages';
import { Partition, partitionAt, partitionIndex, partitionOfHash } from './partition';
import { findLive } from './read';
import { makeRoomForOne, reclaimPage } from './room';
import { adoptPage } from './slab';
import { stampKey } from './stamps';
import { ERROR_ENTRIES_FULL, ERROR_OUT_OF_MEMORY, ERROR_VALUE_TOO_LARGE } from './status';
import { addBuilt, countNew, newEntry, nextChain, takePlace } from './store';
import { entryOf, Slot } from './table';
import { blockOf, DRAFT_ABANDONED, draftingAddress, replyArea, requestArea } from './threads';
import { newestOf } from './tombstones';
import {
  checkConditions,
  expiryOfSlot,
  lastOldValueEnd,
  NO_ROOM_FOR_OLD,
  NOT_STORED,
  SET_GET,
  SET_KEEPTTL,
  STORED,
  versionGiven,
} from './types/blob';

/** `draftBegin`: the payload is the value. */
export const DRAFT_BEGUN: i32 = 1;
/** `draftBegin`: the key is long, and its bytes come before the value's. */
export const DRAFT_WITH_KEY: i32 = 2;

/** Added to the outcome of a SET with GET: the old value is the one that `knownOld` names, and was not copied. */
export const OLD_IS_KNOWN: i32 = 4;

/** Tries to get a page that was made free: the pool is everybody's, and others may be faster. */
const MAX_RECLAIMS: u32 = 16;
/** Pages given back, and page infos looked at, while a lock is held: some tens of microseconds. */
const GIVEN_AT_ONCE: u32 = 128;
const SWEPT_AT_ONCE: u32 = 4096;
/** Pages that a value must leave for its head, its record and its slot. */
const LEFT_PAGES: u32 = 4;

/**
 * Begins a draft for the key in the request area: DRAFT_BEGUN, DRAFT_WITH_KEY, 0 when a condition is not met already,
 * or minus an error status. A draft that the thread had before is dropped.
 */
export function draftBegin(
  thread: u32,
  keyWord: KeyWord,
  valueBytes: u32,
  flags: u32,
  version: f64,
  nowMs: f64,
): i32 {
  draftAbort(thread);
  if (valueBytes > header().maxValueBytes) return -<i32>ERROR_VALUE_TOO_LARGE;
  const key = requestArea(thread);
  const keyBytes = lengthOf(keyWord);
  const hash = hashKey(key, keyBytes);
  const partition = partitionOfHash(hash);
  if (flags & ~(SET_KEEPTTL | SET_GET)) {
    lock(partition, thread);
    const slot = findLive(partition, hash, key, keyWord, <i64>nowMs);
    // With GET, the host reads the old value.
    const outcome = checkConditions(thread, slot, flags & ~SET_GET, versionGiven(thread, version), 0, 0);
    unlock(partition);
    if (outcome != STORED) return outcome;
  }
  const block = blockOf(thread);
  const isLong = keyBytes > MAX_INLINE_KEY;
  const payload = valueBytes + (isLong ? keyBytes : 0);
  // What cannot fit shall evict nothing.
  if ((payload + PAGE_PAYLOAD - 1) / PAGE_PAYLOAD + LEFT_PAGES > pagesForValues(thread)) {
    return -<i32>ERROR_OUT_OF_MEMORY;
  }
  block.draftFirst = 0;
  block.draftLast = 0;
  block.draftBytes = payload;
  block.draftDone = 0;
  block.draftNext = partitionIndex(partition);
  return isLong ? DRAFT_WITH_KEY : DRAFT_BEGUN;
}

/** Pages that no table, log, or draft of another thread has. Racy. */
function pagesForValues(thread: u32): u32 {
  const head = header();
  let taken: u32 = 0;
  for (let i: u32 = 0; i < head.partitionCount; i++) {
    const partition = partitionAt(i);
    taken += partition.segments + partition.spareSegments + partition.logPages;
  }
  for (let other: u32 = 0; other < head.maxThreads; other++) {
    if (other != thread) taken += blockOf(other).draftPages;
  }
  const pages = head.endPage - head.firstPage;
  return pages > taken ? pages - taken : 0;
}

/**
 * Takes up to `count` pages more, as many as the payload still needs. Where the payload goes in each is written to the
 * reply area, as u32; each has room for PAGE_PAYLOAD bytes, and all but the last one must be filled. How many, or minus
 * an error status, and then there is no draft any more.
 */
export function draftGrow(thread: u32, count: u32, nowMs: f64): i32 {
  const block = blockOf(thread);
  const out = replyArea(thread);
  let taken: u32 = 0;
  for (; taken < count && block.draftDone < block.draftBytes; taken++) {
    const piece = addPage(thread, <i64>nowMs);
    if (piece == 0) {
      draftAbort(thread);
      return -<i32>ERROR_OUT_OF_MEMORY;
    }
    store<u32>(out + (taken << 2), piece + PIECE_FIXED_BYTES);
  }
  return <i32>taken;
}

/** One more page of the draft, as a piece; 0: out of memory. */
function addPage(thread: u32, nowMs: i64): Address {
  const block = blockOf(thread);
  const partition = partitionAt(block.draftNext & (header().partitionCount - 1));
  block.draftNext += 1;
  block.isDrafting = 1;
  lock(partition, thread);
  const page = findPage(partition, thread, nowMs);
  const piece = pageAddress(page);
  if (page) {
    block.draftPages += 1;
    claimPage(page, PAGE_DRAFT, 0, DRAFT_OWNER | thread);
    const fields = pieceAt(piece);
    const last = block.draftLast;
    fields.next = 0;
    fields.kind = CHUNK_PIECE;
    fields.previous = last;
    fields.bytes = min<u32>(block.draftBytes - block.draftDone, PAGE_PAYLOAD);
    if (last) pieceAt(last).next = piece;
    else block.draftFirst = piece;
    block.draftLast = piece;
    block.draftDone += fields.bytes;
  }
  unlock(partition);
  return piece;
}

/** A page out of the pool, evicting if need be; 0: out of memory. Nobody's yet. */
function findPage(partition: Partition, thread: u32, nowMs: i64): PageNumber {
  let page = takePage();
  for (let i: u32 = 0; i < MAX_RECLAIMS && page == 0; i++) {
    if (!reclaimPage(partition, thread, nowMs)) return 0;
    page = takePage();
  }
  return page;
}

/**
 * Stores the draft, whose pages are filled, under the key in the request area, the one that it was begun for: outcomes
 * as of `setDirect`. With NO_ROOM_FOR_OLD there still is the draft, to be tried again with the old value's chain as
 * `knownOld`; otherwise there is none any more.
 */
export function draftCommit(
  thread: u32,
  keyWord: KeyWord,
  ttlMs: f64,
  flags: u32,
  version: f64,
  knownOld: f64,
  nowMillis: f64,
): i32 {
  startClock(<i64>nowMillis);
  return commitDraft(thread, keyWord, ttlMs, flags, version, knownOld, <i64>nowMillis);
}

export function commitDraft(
  thread: u32,
  keyWord: KeyWord,
  ttlMs: f64,
  flags: u32,
  version: f64,
  knownOld: f64,
  nowMs: i64,
): i32 {
  const block = blockOf(thread);
  if (block.draftFirst == 0 || block.draftDone != block.draftBytes) return unreachable();
  const key = requestArea(thread);
  const out = replyArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, nowMs);
  let expiryMs: i64 = ttlMs > 0 ? nowMs + <i64>ttlMs : 0;
  block.knownOld = <u64>knownOld;
  const limit = out + header().areaBytes;
  let outcome = checkConditions(thread, slot, flags, versionGiven(thread, version), out, limit);
  block.knownOld = 0;
  if (isGiven() && newestOf(partition, slot, hash, key, keyWord) >= givenStamp()) outcome = NOT_STORED;
  if (outcome == STORED) {
    if (flags & SET_KEEPTTL && slot) expiryMs = expiryOfSlot(slot);
    if (slot) {
      stampKey(hash);
      sample(thread, hash);
    }
    if (install(partition, slot, hash, key, keyWord, expiryMs, thread, nowMs)) {
      // Whatever its length: the value lies nowhere in one piece, and the log leaves out what is so long.
      noteSet(partition, key, keyWord, key, LARGE_BYTES, expiryMs);
    } else {
      const full = slot == 0 && !mayEvict() && partition.entries >= partition.maxEntries;
      outcome = full ? -<i32>ERROR_ENTRIES_FULL : -<i32>ERROR_OUT_OF_MEMORY;
    }
  }
  unlock(partition);
  if (outcome == NO_ROOM_FOR_OLD) return outcome;
  draftAbort(thread);
  const isKnown = outcome >= 0 && (flags & SET_GET) != 0 && lastOldValueEnd() == out;
  return isKnown ? outcome | OLD_IS_KNOWN : outcome;
}

/** Makes the draft the key's entry. False: out of memory; the draft may be freed. */
function install(
  partition: Partition,
  slot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const keyBytes = lengthOf(keyWord);
  let flags = CHAINED | flagsOfKey(keyWord) | header().stampFlags;
  if (expiryMs != 0) flags |= HAS_EXPIRY;
  if (keyBytes > MAX_INLINE_KEY) flags |= LONG_KEY;
  if (slot) {
    const old = entryOf(slot);
    flags |= entryAt(old).flags & HAS_VERSION;
    partition.pinnedOld = old;
    const address = buildHead(partition, hash, key, keyBytes, flags, expiryMs, thread, nowMs);
    return takePlace(partition, slot, hash, old, address, expiryMs, thread, nowMs);
  }
  // As of any write (store.ts, `add`): the draft is dropped.
  if (isNamespaced(keyWord) && isCleared(load<u32>(key))) return true;
  const queue = queueOfNew(partition, hash, thread, nowMs);
  if (!makeRoomForOne(partition, nowMs)) return false;
  const address = buildHead(partition, hash, key, keyBytes, flags, expiryMs, thread, nowMs);
  return address != 0 && addBuilt(partition, queue, hash, address, expiryMs, thread, nowMs);
}

/** An entry in no slot yet, whose chain is the draft; 0: out of memory, and the draft is what it was. */
function buildHead(
  partition: Partition,
  hash: u32,
  key: Address,
  keyBytes: u32,
  flags: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): Address {
  const block = blockOf(thread);
  const inlineKey = flags & LONG_KEY ? 0 : keyBytes;
  const valueBytes = block.draftBytes - (keyBytes - inlineKey);
  const bytes = fieldsBytes(flags) + inlineKey + CHAIN_LINK_BYTES;
  const address = newEntry(partition, bytes, key, keyBytes, valueBytes, flags, expiryMs, thread, nowMs);
  if (address == 0) return 0;
  const entry = entryAt(address);
  const first = block.draftFirst;
  setFirstPiece(address, entry, first);
  describeChain(address, entry, hash, valueBytes, nextChain(partition));
  pieceAt(first).previous = address;
  for (let piece = first; piece; piece = pieceAt(piece).next) adoptPage(partition, pageOf(piece));
  block.draftFirst = 0;
  block.draftPages = 0;
  countNew(partition, address, valueBytes);
  return address;
}

/** Gives the pages of the thread's draft back, if it has one. */
export function draftAbort(thread: u32): void {
  const block = blockOf(thread);
  if (block.isDrafting == 0) return;
  const partition = partitionAt(block.draftNext & (header().partitionCount - 1));
  while (block.draftFirst) {
    // Pages are given under the lock of some partition (pages.ts).
    lock(partition, thread);
    for (let i: u32 = 0; i < GIVEN_AT_ONCE && block.draftFirst; i++) {
      const piece = block.draftFirst;
      block.draftFirst = pieceAt(piece).next;
      givePage(pageOf(piece));
      block.draftPages -= 1;
    }
    unlock(partition);
  }
  // A call that failed half-way, out of stack, may have left a page that is not in the chain.
  if (block.draftPages) sweepDraft(thread);
  atomic.store<u32>(draftingAddress(thread), 0);
}

/** `draftAbort` for a slot whose thread has ended, or was interrupted: nothing is trusted but what pages say. */
export function recoverDraft(slot: u32): void {
  if (blockOf(slot).isDrafting == 0) return;
  sweepDraft(slot);
  atomic.store<u32>(draftingAddress(slot), 0);
}

function sweepDraft(slot: u32): void {
  const block = blockOf(slot);
  const partition = partitionAt(0);
  const end = atomic.load<u32>(offsetof<Header>('poolBump'));
  for (let from = header().firstPage; from < end; from += SWEPT_AT_ONCE) {
    lock(partition, slot);
    // Under the lock: from now on, pages and chain do not agree.
    block.isDrafting = DRAFT_ABANDONED;
    block.draftFirst = 0;
    const to = min<u32>(from + SWEPT_AT_ONCE, end);
    for (let page = from; page < to; page++) if (isDraftOf(page, slot)) givePage(page);
    unlock(partition);
  }
  block.draftPages = 0;
}
