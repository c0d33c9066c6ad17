/*
 * Building a collection of what is in others: for COPY and RENAME, SUNIONSTORE and the like. It is built beside what is
 * at its key, as a pending entry (pending.ts), and takes its place in the end, so that nothing has changed should
 * memory run out. Items come by way of a buffer, a page at a time, as msgpack, because memory for one may move the
 * others:
 *
 *   beginBuilding
 *   gather, pour   until there is no more
 *   endBuilding    or dropBuilding
 *
 * Everything here runs under the locks of all partitions in question (locks.ts).
 */
import { copyBytes } from '../bytes';
import {
  expiryBytes,
  expiryOfItem,
  isItemDue,
  memberOf,
  readExpiry,
  writeExpiry,
} from '../collections/body';
import { shrinkEntry } from '../collections/fit';
import { nextItem, startBucket } from '../collections/items';
import { settleExpiry } from '../collections/lifetime';
import { readMember, skipMember } from '../collections/member';
import { addOrdered, findScore, memberOfItem, scoreOfItem } from '../collections/order';
import { dropReserved } from '../collections/reserve';
import { countOf, isRooted } from '../collections/root';
import { bucketAt, isTold, isWithinBucket, nextCursor } from '../collections/scan';
import { startAt, takeNext } from '../collections/sequence';
import {
  CHUNK_BLOB,
  CHUNK_HASH,
  CHUNK_LIST,
  CHUNK_SET,
  CHUNK_ZSET,
  COLLECTION,
  entryAt,
  flagsOfKey,
  KeyWord,
  lengthOf,
  MAX_INLINE_KEY,
  PENDING_KEY,
} from '../entry';
import { Address, header } from '../layout';
import { numberOf, skipValue, writeFloat } from '../msgpack';
import { Partition } from '../partition';
import { cancelPending, findPending, settlePending } from '../pending';
import { findLive } from '../read';
import { expireAt } from '../reshape';
import { ERROR_COLLECTION_KEY, ERROR_OUT_OF_MEMORY } from '../status';
import { add, KIND_SHIFT } from '../store';
import { entryOf, Slot } from '../table';
import { scratchOf } from '../threads';
import { deleteEntry } from '../tombstones';
import { copyField, FIELD_NO_MEMORY, putField } from './hash';
import { copyElement, putElement } from './list';
import { addMember, NO_MEMORY } from './set';

/** Bytes after which a page ends: some hundred items. */
const PAGE_BYTES: u32 = 32768;
/* Of the gathering at hand. */
let pageBytes: u32 = PAGE_BYTES;

/** Begins a collection beside what is at a key: its slot, pinned; 0: out of memory. */
export function beginBuilding(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  kind: u8,
  thread: u32,
  nowMs: i64,
): Slot {
  partition.pending = 1;
  cancelPending(partition, hash, key, keyWord);
  const head = scratchOf(thread);
  store<u16>(head, 0);
  const kindFlags = <u32>COLLECTION | (<u32>(kind - CHUNK_BLOB) << KIND_SHIFT);
  const flags = kindFlags | flagsOfKey(keyWord | PENDING_KEY) | header().stampFlags;
  const added = add(partition, hash, key, keyWord, head, 2, flags, 0, thread, nowMs);
  const slot = added ? findPending(hash, key, keyWord) : 0;
  if (slot == 0) partition.pending = 0;
  partition.pinnedOld = slot ? entryOf(slot) : 0;
  return slot;
}

/** Gives up what was built. */
export function dropBuilding(partition: Partition, hash: u32, key: Address, keyWord: KeyWord): void {
  partition.overwriting = 0;
  partition.pinnedOld = 0;
  cancelPending(partition, hash, key, keyWord);
  partition.pending = 0;
}

/** Puts what was built in the place of what is at the key, or removes that, where nothing was. False: out of memory. */
export function endBuilding(
  partition: Partition,
  slot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const isEmpty = countOf(entryOf(slot)) == 0;
  if (!isEmpty) {
    settleExpiry(partition, slot);
    shrinkEntry(partition, slot);
  }
  partition.overwriting = 0;
  partition.pinnedOld = 0;
  if (isEmpty || (expiryMs != 0 && !expireAt(partition, slot, hash, expiryMs, thread, nowMs))) {
    dropBuilding(partition, hash, key, keyWord);
    const old = isEmpty ? findLive(partition, hash, key, keyWord, nowMs) : 0;
    if (old) deleteEntry(partition, old, hash, key, keyWord, nowMs);
    return isEmpty;
  }
  settlePending(partition, hash, key, keyWord);
  partition.pending = 0;
  return true;
}

/* Where gathering goes on: the number of an item; of a set or hash a cursor and the number of an item in its bucket. */
let place: u32 = 0;
let cursor: u32 = 0;
let isOver: bool = false;

export function startGathering(): void {
  resumeGathering(0, 0, PAGE_BYTES);
}

/** Begins where another gathering of the collection came to, pages of about so many bytes. */
export function resumeGathering(fromCursor: u32, fromPlace: u32, bytes: u32): void {
  place = fromPlace;
  cursor = fromCursor;
  pageBytes = bytes;
  isOver = false;
}

/** The cursor that `gather` has come to. */
@inline
export function gatheredTo(): u32 {
  return cursor;
}

/** And the place. Of a set or hash 0, but where a bucket had no room: only as long as none of its fields goes. */
@inline
export function gatheredPlace(): u32 {
  return place;
}

/** Whether `gather` has come to the end. */
@inline
export function isGathered(): bool {
  return isOver;
}

/**
 * Copies a page of a collection's items to `out`, and goes on behind them the next time. The address behind; `out`
 * itself before the end: not one item fits before `limit`.
 */
export function gather(address: Address, out: Address, limit: Address, thread: u32, nowMs: i64): Address {
  const kind = entryAt(address).kind;
  return kind == CHUNK_LIST || kind == CHUNK_ZSET
    ? gatherInOrder(address, kind, out, limit, thread)
    : gatherBuckets(address, kind, out, limit, nowMs);
}

function gatherInOrder(address: Address, kind: u8, out: Address, limit: Address, thread: u32): Address {
  const count = countOf(address);
  let end = out;
  startAt(address, place, thread);
  while (place < count && end - out < pageBytes) {
    const item = takeNext();
    const behind = kind == CHUNK_LIST ? copyElement(item, end, limit) : copyRanked(item, end, limit);
    if (behind == 0) return end;
    end = behind;
    place += 1;
  }
  isOver = place == count;
  return end;
}

/** Copies an item of a sorted set as its score and its member; the address behind, or 0. */
export function copyRanked(item: Address, out: Address, limit: Address): Address {
  const member = memberOfItem(item);
  const bytes = skipMember(member) - member;
  if (out + 9 + bytes > limit) return 0;
  const at = writeFloat(out, scoreOfItem(item));
  copyBytes(at, member, bytes);
  return at + bytes;
}

/** A field that expires has its expiry before it, as in its item; one that has expired is left out. */
function gatherBuckets(address: Address, kind: u8, out: Address, limit: Address, nowMs: i64): Address {
  let end = out;
  while (!isOver && end - out < pageBytes) {
    const isTable = isRooted(address);
    const skipsTold = isTable && place == 0 && isWithinBucket(address, cursor);
    startBucket(address, isTable ? bucketAt(address, cursor) : 0);
    let number: u32 = 0;
    for (let item = nextItem(); item; item = nextItem()) {
      number += 1;
      if (number <= place || isItemDue(item, nowMs)) continue;
      const member = memberOf(item);
      if (skipsTold && isTold(member, cursor)) continue;
      const bytes = skipMember(member) - member;
      const expiryMs = expiryOfItem(item);
      let behind: Address = 0;
      if (end + expiryBytes(expiryMs) + bytes <= limit) {
        const at = writeExpiry(end, expiryMs);
        copyBytes(at, member, bytes);
        behind = kind == CHUNK_HASH ? copyField(item, at + bytes, limit) : at + bytes;
      }
      if (behind == 0) return end;
      end = behind;
      place = number;
    }
    place = 0;
    cursor = nextCursor(address, cursor);
    isOver = cursor == 0;
  }
  return end;
}

/** Adds the items that stand from `from` to `to` to what is being built. False: out of memory. */
export function pour(partition: Partition, slot: Slot, from: Address, to: Address, thread: u32, nowMs: i64): bool {
  const kind = entryAt(entryOf(slot)).kind;
  partition.overwriting = entryOf(slot);
  let at = from;
  while (at < to) {
    if (kind == CHUNK_LIST) {
      const end = skipValue(at, to);
      const last = countOf(entryOf(slot));
      if (!putElement(partition, slot, last, at, end - at, thread, nowMs)) return false;
      at = end;
    } else if (kind == CHUNK_SET) {
      at = readMember(thread, at);
      if (addMember(partition, slot, thread, nowMs) == NO_MEMORY) return false;
    } else if (kind == CHUNK_HASH) {
      const expiryMs = readExpiry(at);
      const value = readMember(thread, at + expiryBytes(expiryMs));
      at = skipValue(value, to);
      if (putField(partition, slot, value, at - value, expiryMs, thread, nowMs) == FIELD_NO_MEMORY) return false;
    } else {
      const score = numberOf(at);
      at = readMember(thread, skipValue(at, to));
      if (!findScore(entryOf(slot)) && !addOrdered(partition, slot, score, thread, nowMs)) return false;
    }
  }
  return true;
}

/** Instead of a status: an item does not fit the buffer. */
export const NO_BUFFER: u32 = u32.MAX_VALUE;

/**
 * Copies the collection at `address`, which is pinned, to another key, in place of what is there: a status, or 0. A key
 * that is too long for a collection is refused.
 */
export function copyCollection(
  address: Address,
  target: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
  buffer: Address,
  limit: Address,
  thread: u32,
  nowMs: i64,
): u32 {
  if (lengthOf(keyWord) > MAX_INLINE_KEY) return ERROR_COLLECTION_KEY;
  const slot = beginBuilding(target, hash, key, keyWord, entryAt(address).kind, thread, nowMs);
  if (slot == 0) return ERROR_OUT_OF_MEMORY;
  startGathering();
  while (!isGathered()) {
    const end = gather(address, buffer, limit, thread, nowMs);
    const isStuck = end == buffer && !isGathered();
    if (isStuck || !pour(target, slot, buffer, end, thread, nowMs)) {
      dropReserved(target);
      dropBuilding(target, hash, key, keyWord);
      return isStuck ? NO_BUFFER : ERROR_OUT_OF_MEMORY;
    }
  }
  return endBuilding(target, slot, hash, key, keyWord, expiryMs, thread, nowMs) ? 0 : ERROR_OUT_OF_MEMORY;
}
