/* ZRANGESTORE: a range of a sorted set, stored as one of its own (building.ts). */
import { dropReserved } from '../collections/reserve';
import { startAt, takeNext } from '../collections/sequence';
import { CHUNK_ZSET, entryAt, lengthOf, MAX_INLINE_KEY } from '../entry';
import { Address } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import { writeInteger } from '../msgpack';
import { Partition } from '../partition';
import { findLive } from '../read';
import { keyOf, lastKeyWord, otherStaged, partitionOf, Staged, stageKey } from '../staging';
import { ERROR_COLLECTION_KEY, ERROR_KEY, ERROR_OUT_OF_MEMORY, ERROR_WRONG_TYPE, writeError } from '../status';
import { entryOf, Slot } from '../table';
import { beginBuilding, copyRanked, dropBuilding, endBuilding, pour } from './building';
import { behindKey } from './set';
import { findRangeRead, firstOfRange, itemsOfRange, readRangeArguments } from './sorted-ranges';

/** A page of members at the least. */
const BUFFER_BYTES: u32 = 8192;
/** Bytes after which members are added. */
const PAGE_BYTES: u32 = 16384;

/** Its arguments: the destination, the sorted set, and those of ZRANGE. How many members there are. */
export function sortedRangeStore(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const key = keyOf(behindKey(staged));
  if (key == 0) return writeError(out, ERROR_KEY);
  const source = otherStaged(thread);
  stageKey(source, key, lastKeyWord(), true);
  const status = readRangeArguments(thread, key + lengthOf(source.keyWord), staged.argCount - 2, staged.end);
  if (status) return writeError(out, status);
  if (lengthOf(staged.keyWord) > MAX_INLINE_KEY) return writeError(out, ERROR_COLLECTION_KEY);
  if (out + BUFFER_BYTES > limit) return 0;
  beginSet(thread);
  addToSet(thread, partitionOf(staged));
  addToSet(thread, partitionOf(source));
  lockSet(thread);
  const end = storeHeld(thread, staged, source, out, limit, nowMs);
  unlockSet(thread);
  return end;
}

function storeHeld(
  thread: u32,
  staged: Staged,
  source: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const target = partitionOf(staged);
  const from = partitionOf(source);
  const sourceSlot = findLive(from, source.hash, source.key, source.keyWord, nowMs);
  const address = sourceSlot ? entryOf(sourceSlot) : 0;
  if (address != 0 && entryAt(address).kind != CHUNK_ZSET) return writeError(out, ERROR_WRONG_TYPE);
  from.pinnedSource = address;
  const slot = beginBuilding(target, staged.hash, staged.key, staged.keyWord, CHUNK_ZSET, thread, nowMs);
  let done = slot != 0;
  let count: u32 = 0;
  if (done && address != 0) {
    findRangeRead(address, thread);
    count = itemsOfRange();
    done = pourRange(target, slot, address, firstOfRange(), count, out, limit, thread, nowMs);
  }
  from.pinnedSource = 0;
  if (done) {
    endBuilding(target, slot, staged.hash, staged.key, staged.keyWord, 0, thread, nowMs);
    return writeInteger(out, count);
  }
  dropReserved(target);
  if (slot) dropBuilding(target, staged.hash, staged.key, staged.keyWord);
  return writeError(out, ERROR_OUT_OF_MEMORY);
}

/** Adds so many items of a sorted set from a place on. False: out of memory. */
function pourRange(
  target: Partition,
  slot: Slot,
  address: Address,
  first: u32,
  count: u32,
  buffer: Address,
  limit: Address,
  thread: u32,
  nowMs: i64,
): bool {
  let place = first;
  while (place < first + count) {
    let end = buffer;
    startAt(address, place, thread);
    while (place < first + count && end - buffer < PAGE_BYTES) {
      const behind = copyRanked(takeNext(), end, limit);
      if (behind == 0) break;
      end = behind;
      place += 1;
    }
    if (!pour(target, slot, buffer, end, thread, nowMs)) return false;
  }
  return true;
}
