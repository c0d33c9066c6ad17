/* RENAME, RENAMENX, COPY: an entry under another key. */
import { equalBytes } from '../bytes';
import { noteStored } from '../changelog';
import { entryAt, KeyWord, lengthOf, valueBytesOf } from '../entry';
import { sample } from '../eviction/adaptive';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import { integerOf, IS_INTEGER, isNil, lastInteger, writeBoolean } from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { copyPart } from '../parts';
import { findLive, isCollection } from '../read';
import { beginEntry, CLEARED_ENTRY, finishEntry, NO_ENTRY, whyNoRoom } from '../renewal';
import { keyOf, lastKeyWord, Staged } from '../staging';
import { stampKey } from '../stamps';
import {
  ERROR_COPY_FLAGS,
  ERROR_KEY,
  ERROR_NO_SUCH_KEY,
  ERROR_OUT_OF_MEMORY,
  ERROR_SAME_KEY,
  writeError,
} from '../status';
import { entryOf, Slot } from '../table';
import { deleteEntry } from '../tombstones';
import { expiryOfSlot } from './blob';
import { copyCollection, NO_BUFFER } from './building';

const COPY_REPLACE: i64 = 1;

/* The new key, of the command at hand. Not state. */
let newKey: Address = 0;
let newKeyWord: KeyWord = 0;
let newHash: u32 = 0;

/** Reads the new key; false: it is none. */
function readNewKey(staged: Staged): bool {
  newKey = keyOf(staged.key + lengthOf(staged.keyWord));
  if (newKey == 0) return false;
  newKeyWord = lastKeyWord();
  newHash = hashKey(newKey, lengthOf(newKeyWord));
  return true;
}

function isSameKey(staged: Staged): bool {
  return newKeyWord == staged.keyWord && equalBytes(newKey, staged.key, lengthOf(newKeyWord));
}

export function rename(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return move(thread, staged, true, out, limit, nowMs);
}

export function renameIfAbsent(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return move(thread, staged, false, out, limit, nowMs);
}

/** `replace`: whether a value that the new key has gives way. */
function move(thread: u32, staged: Staged, replace: bool, out: Address, limit: Address, nowMs: i64): Address {
  if (!readNewKey(staged)) return writeError(out, ERROR_KEY);
  lockBoth(thread, staged);
  const source = partitionOfHash(staged.hash);
  let slot = findLive(source, staged.hash, staged.key, staged.keyWord, nowMs);
  let status: u32 = slot ? 0 : ERROR_NO_SUCH_KEY;
  let isDone = replace;
  if (slot != 0 && !isSameKey(staged)) {
    const target = findLive(partitionOfHash(newHash), newHash, newKey, newKeyWord, nowMs);
    isDone = replace || target == 0;
    if (isDone) status = copyEntry(source, slot, target, newHash, newKey, newKeyWord, out, limit, thread, nowMs);
    if (isDone && status == 0) {
      // The table may have grown for the new entry.
      slot = findLive(source, staged.hash, staged.key, staged.keyWord, nowMs);
      if (slot) {
        deleteEntry(source, slot, staged.hash, staged.key, staged.keyWord, nowMs);
        source.deletes += 1;
      }
    }
  }
  unlockSet(thread);
  if (status == NO_BUFFER) return 0;
  return status ? writeError(out, status) : writeBoolean(out, isDone);
}

export function copy(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (!readNewKey(staged)) return writeError(out, ERROR_KEY);
  let replace = false;
  const at = newKey + lengthOf(newKeyWord);
  if (staged.argCount > 2 && !isNil(at)) {
    if (integerOf(at) != IS_INTEGER || (lastInteger() & ~COPY_REPLACE) != 0) return writeError(out, ERROR_COPY_FLAGS);
    replace = lastInteger() == COPY_REPLACE;
  }
  if (isSameKey(staged)) return writeError(out, ERROR_SAME_KEY);
  lockBoth(thread, staged);
  const source = partitionOfHash(staged.hash);
  const slot = findLive(source, staged.hash, staged.key, staged.keyWord, nowMs);
  let status: u32 = 0;
  let isDone = slot != 0;
  if (slot) {
    const target = findLive(partitionOfHash(newHash), newHash, newKey, newKeyWord, nowMs);
    isDone = replace || target == 0;
    if (isDone) status = copyEntry(source, slot, target, newHash, newKey, newKeyWord, out, limit, thread, nowMs);
  }
  unlockSet(thread);
  if (status == NO_BUFFER) return 0;
  return status ? writeError(out, status) : writeBoolean(out, isDone);
}

function lockBoth(thread: u32, staged: Staged): void {
  beginSet(thread);
  addToSet(thread, partitionOfHash(staged.hash));
  addToSet(thread, partitionOfHash(newHash));
  lockSet(thread);
}

/**
 * Under the locks of both keys' partitions: stores value and expiry of the entry in `slot` under a key, whose entry
 * stands in `targetSlot` (0: it has none). A status, or 0, or NO_BUFFER; slots may be others then. What is between
 * `buffer` and `limit` is used for the items of a collection.
 */
export function copyEntry(
  source: Partition,
  slot: Slot,
  targetSlot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  buffer: Address,
  limit: Address,
  thread: u32,
  nowMs: i64,
): u32 {
  if (isCollection(slot)) {
    const address = entryOf(slot);
    const expiry = expiryOfSlot(slot);
    source.pinnedSource = address;
    const status = copyCollection(
      address, partitionOfHash(hash), hash, key, keyWord, expiry, buffer, limit, thread, nowMs,
    );
    source.pinnedSource = 0;
    return status;
  }
  const from = entryOf(slot);
  const valueBytes = valueBytesOf(from, entryAt(from));
  const expiryMs = expiryOfSlot(slot);
  const target = partitionOfHash(hash);
  if (targetSlot) {
    stampKey(hash);
    sample(thread, hash);
  }
  source.pinnedSource = from;
  const address = beginEntry(target, targetSlot, hash, key, keyWord, valueBytes, expiryMs, thread, nowMs);
  if (address == CLEARED_ENTRY || address == NO_ENTRY) {
    source.pinnedSource = 0;
    return address == CLEARED_ENTRY ? 0 : whyNoRoom(target, targetSlot);
  }
  copyPart(from, 0, address, 0, valueBytes);
  const done = finishEntry(target, targetSlot, hash, address, expiryMs, thread, nowMs);
  source.pinnedSource = 0;
  if (!done) return ERROR_OUT_OF_MEMORY;
  noteStored(target, key, keyWord, address);
  return 0;
}
