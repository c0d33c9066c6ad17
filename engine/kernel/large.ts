/*
 * Reading a value that is too large for a thread's reply area. The host copies it out of its pages by itself, part by
 * part, without a lock however long that takes. What it needs from here: where the pages are, and whether what it has
 * copied by now was the value.
 *
 * Why no lock is needed. A chain with one number never changes, and its pieces, whole pages, never move (slab.ts): from
 * the commit that makes it an entry's (draft.ts) until that entry goes, or is written into (types/string.ts), its pages
 * hold its bytes. Its number (entry.ts) is that of no other chain of the partition, and who writes into a chain gives
 * it another one in the same hold of the lock. So if the key's entry has the chain with this number now, it had it all
 * the time since it was seen first, and all that was read of the pages in between was the chain's.
 *
 * Memory order. Take a copy that has read a byte of somebody who got one of the pages later. That byte was stored after
 * the page was taken from the pool, hence after it was given back, hence after the lock was taken in which the entry
 * was freed: each of these is an atomic operation that the next one has seen, and on ARM the fence behind the lock's
 * compare-and-swap keeps stores after it. A byte that was written into the chain itself was stored behind that
 * compare-and-swap, too. `largeIsStill` puts a fence behind the copy and then loads the partition's word: it finds it
 * locked, or a later one, and by that the entry without this chain.
 */
import {
  chainedValueBytes,
  chainOf,
  chainSkip,
  entryAt,
  firstPiece,
  isExpired,
  isNamespaced,
  KeyWord,
  lengthOf,
  PAGE_PAYLOAD,
  PIECE_FIXED_BYTES,
  pieceAt,
} from './entry';
import { lengthOrWhy, setDirect } from './direct';
import { OLD_IS_KNOWN } from './draft';
import { hashKey } from './hash';
import { startClock } from './hybridclock';
import { touchStamped } from './kept';
import { Address, header, LARGE_BYTES, PAGE_BYTES } from './layout';
import { isLocked, lock, lockToRead, orderLoads, readIsValid, readWord, unlock } from './lock';
import { pageOf } from './pages';
import { Partition, partitionOfHash } from './partition';
import { copyHeld, findLive, isCollection, NO_ROOM, WRONG_TYPE } from './read';
import { countHit, countMiss } from './rows';
import { entryOf, find, homeBucket } from './table';
import { blockOf, replyArea, requestArea, scratchOf } from './threads';
import { deleteEntry } from './tombstones';
import { lastOldValueEnd, SET_GET, versionOf } from './types/blob';
import { changeHeld } from './types/keys';

/** Tries without the lock, as for other reads (read.ts). */
const ATTEMPTS: u32 = 8;

/* What `largeOpen` writes to the reply area: f64 number of the chain, u32 bytes of the value, u32 bytes before it. */
const OPEN_CHAIN: u32 = 0;
const OPEN_VALUE_BYTES: u32 = 8;
const OPEN_SKIP: u32 = 12;
/** And then, as u32, where the payload of each of its pages stands. */
const OPEN_PAGES: u32 = 16;

/** What one look found: read right after it by the same thread, not state. */
let foundChain: u64 = 0;
let foundFirst: Address = 0;
let foundBytes: u32 = 0;
let foundSkip: u32 = 0;

/** One look at the key's entry: its chain's number in `foundChain`, 0 when it is not there or not chained. */
function lookOnce(hash: u32, key: Address, keyWord: KeyWord, nowMs: i64): void {
  foundChain = 0;
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot == 0) return;
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (nowMs != 0 && isExpired(address, entry, nowMs)) return;
  foundChain = chainOf(address, entry);
  if (foundChain == 0) return;
  foundFirst = firstPiece(address, entry);
  foundBytes = chainedValueBytes(address, entry);
  foundSkip = chainSkip(entry);
}

/** `lookOnce` at what was there at one moment. `nowMs` 0: also at what has expired. */
function lookAtChain(thread: u32, key: Address, keyWord: KeyWord, nowMs: i64): void {
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  for (let i: u32 = 0; i < ATTEMPTS; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    lookOnce(hash, key, keyWord, nowMs);
    if (readIsValid(partition, word)) return;
  }
  lockToRead(partition, thread);
  lookOnce(hash, key, keyWord, nowMs);
  unlock(partition);
}

/**
 * Where the pages of the key's value are, written to the reply area as drawn above: how many; 0 when the key has no
 * such value by now, -1 when it was replaced meanwhile. What it says may be garbage until `largeIsStill` says that it
 * was not; but all addresses are those of pages.
 */
export function largeOpen(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  lookAtChain(thread, requestArea(thread), keyWord, <i64>nowMs);
  const reply = replyArea(thread);
  let left = foundSkip + foundBytes;
  if (foundChain == 0 || left <= LARGE_BYTES) return 0;
  store<f64>(reply, <f64>foundChain, OPEN_CHAIN);
  store<u32>(reply, foundBytes, OPEN_VALUE_BYTES);
  store<u32>(reply, foundSkip, OPEN_SKIP);
  let count: u32 = 0;
  for (let piece = foundFirst; left > 0; piece = pieceAt(piece).next) {
    if (piece & (PAGE_BYTES - 1) || pageOf(piece) < header().firstPage || piece >= header().endAddress) return -1;
    const bytes = min<u32>(left, PAGE_PAYLOAD);
    if (pieceAt(piece).bytes != bytes) return -1;
    store<u32>(reply + OPEN_PAGES + (count << 2), piece + PIECE_FIXED_BYTES);
    left -= bytes;
    count += 1;
  }
  return <i32>count;
}

/** Whether the key's entry has the chain with this number all the time since `largeOpen` told it. */
export function largeIsStill(thread: u32, keyWord: KeyWord, chain: f64): bool {
  orderLoads();
  lookAtChain(thread, requestArea(thread), keyWord, 0);
  return foundChain == <u64>chain;
}

/** Counts a read that the host did by itself, and marks the key as used. */
export function largeUsed(thread: u32, keyWord: KeyWord): void {
  countRead(thread, requestArea(thread), keyWord);
  touchStamped(thread, keyWord);
}

function countRead(thread: u32, key: Address, keyWord: KeyWord): void {
  blockOf(thread).hits += 1;
  if (isNamespaced(keyWord)) countHit(thread, key);
}

/** Keeps everybody from writing in the key's partition until `largeRelease`. */
export function largeHold(thread: u32, keyWord: KeyWord): void {
  lockToRead(partitionOfKey(thread, keyWord), thread);
}

export function largeRelease(thread: u32, keyWord: KeyWord): void {
  unlock(partitionOfKey(thread, keyWord));
}

function partitionOfKey(thread: u32, keyWord: KeyWord): Partition {
  return partitionOfHash(hashKey(requestArea(thread), lengthOf(keyWord)));
}

/** Removes the key if its value is the chain with this number: 1, or 0. Counted as a read and a delete. */
export function largeRemove(thread: u32, keyWord: KeyWord, chain: f64, nowMs: f64): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, <i64>nowMs);
  let removed = false;
  if (slot) {
    const address = entryOf(slot);
    removed = chainOf(address, entryAt(address)) == <u64>chain;
  }
  if (removed) {
    deleteEntry(partition, slot, hash, key, keyWord, <i64>nowMs);
    partition.deletes += 1;
    countRead(thread, key, keyWord);
  }
  unlock(partition);
  return <i32>removed;
}

/**
 * Gives the key another expiry, as `expireDirect` does, if its value is the chain with this number: 1, or 0;
 * IS_OUT_OF_MEMORY. Counted as a read.
 */
export function largeExpire(thread: u32, keyWord: KeyWord, chain: f64, ttlMs: f64, nowMs: f64): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, <i64>nowMs);
  let outcome: i32 = 0;
  if (slot) {
    const address = entryOf(slot);
    if (chainOf(address, entryAt(address)) == <u64>chain) {
      const done = changeHeld(partition, slot, thread, hash, key, keyWord, <i64>ttlMs, <i64>nowMs);
      outcome = done ? 1 : IS_OUT_OF_MEMORY;
    }
  }
  if (outcome == 1) countRead(thread, key, keyWord);
  unlock(partition);
  return outcome;
}

/** `setDirect`, which with GET does not copy an old value whose chain has the number `knownOld`: then OLD_IS_KNOWN. */
export function setKnowing(
  thread: u32,
  keyWord: KeyWord,
  valueBytes: u32,
  ttlMs: f64,
  flags: u32,
  version: f64,
  knownOld: f64,
  nowMs: f64,
): i32 {
  const block = blockOf(thread);
  block.knownOld = <u64>knownOld;
  const outcome = setDirect(thread, keyWord, valueBytes, ttlMs, flags, version, nowMs);
  block.knownOld = 0;
  const isKnown = outcome >= 0 && (flags & SET_GET) != 0 && lastOldValueEnd() == replyArea(thread);
  return isKnown ? outcome | OLD_IS_KNOWN : outcome;
}

/** `getVersionedDirect`: the value is the chain with the number given, and was not copied. */
const IS_KNOWN: i32 = -3;
const IS_OUT_OF_MEMORY: i32 = -4;

/**
 * `getDirect` with the entry's version, as u64 in the thread's scratch (kept.ts). IS_KNOWN instead of IS_LARGE, with
 * the version, when the value's chain has the number `known`.
 */
export function getVersionedDirect(thread: u32, keyWord: KeyWord, known: f64, nowMs: f64): i32 {
  const key = requestArea(thread);
  const out = replyArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, <i64>nowMs);
  let length: i32 = -1;
  if (slot == 0) {
    blockOf(thread).misses += 1;
    if (isNamespaced(keyWord)) countMiss(thread, key);
  } else if (isCollection(slot)) {
    length = lengthOrWhy(WRONG_TYPE, out);
  } else {
    const end = copyHeld(slot, out, out + header().areaBytes);
    const address = entryOf(slot);
    const isKnown = end == NO_ROOM && chainOf(address, entryAt(address)) == <u64>known;
    length = isKnown ? IS_KNOWN : lengthOrWhy(end, out);
    if (isKnown || end != NO_ROOM) {
      const version = versionOf(partition, thread, slot, key, keyWord, <i64>nowMs);
      if (version == 0) length = IS_OUT_OF_MEMORY;
      store<u64>(scratchOf(thread), version);
    }
  }
  unlock(partition);
  return length;
}
