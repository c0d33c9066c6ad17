/*
 * A new entry for a key in two steps, between which the caller writes its value: for values that lie nowhere in one
 * piece. Everything here runs under the partition's lock.
 *
 *   beginEntry    room is found, the entry is built but for its value; the key's old one, if any, is pinned
 *   ...           the value is written (parts.ts), and nothing else done
 *   finishEntry   the entry takes the old one's place, or a slot of its own
 */
import { entryAt, flagsOfKey, HAS_EXPIRY, HAS_VERSION, isNamespaced, KeyWord } from './entry';
import { mayEvict, queueOfNew } from './eviction/policy';
import { Address, header } from './layout';
import { isCleared } from './namespaces';
import { Partition } from './partition';
import { Queue } from './records';
import { makeRoomForOne } from './room';
import { ERROR_ENTRIES_FULL, ERROR_OUT_OF_MEMORY } from './status';
import { addBuilt, buildEntry, takePlace } from './store';
import { entryOf, Slot } from './table';

/** Instead of an entry: there is no room; `whyNoRoom` tells which. */
export const NO_ENTRY: Address = 0;
/** Instead of an entry: the namespace was cleared since the command began. Done, as if just before that. */
export const CLEARED_ENTRY: Address = 1;

/** For `buildEntry`: the caller writes the value. */
const NO_VALUE: Address = 0;

/** Where the record of a new entry goes: from `beginEntry` to `finishEntry`. Not state. */
let queue: u32 = 0;

/**
 * An entry of the key for a value of so many bytes, which is in no slot yet. `slot` is where the key's entry stands now
 * (0: none; it must not be expired); a version that has gets a new one. `expiryMs` 0: none.
 */
export function beginEntry(
  partition: Partition,
  slot: Slot,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  valueBytes: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): Address {
  let flags: u32 = (expiryMs != 0 ? HAS_EXPIRY : 0) | flagsOfKey(keyWord) | header().stampFlags;
  if (slot) {
    const old = entryOf(slot);
    flags |= entryAt(old).flags & HAS_VERSION;
    partition.pinnedOld = old;
  } else {
    if (isNamespaced(keyWord) && isCleared(load<u32>(key))) return CLEARED_ENTRY;
    queue = changetype<u32>(queueOfNew(partition, hash, thread, nowMs));
    if (!makeRoomForOne(partition, nowMs)) return NO_ENTRY;
  }
  const address = buildEntry(
    partition, hash, key, keyWord, NO_VALUE, valueBytes, flags, expiryMs, thread, nowMs,
  );
  if (address == 0) partition.pinnedOld = 0;
  return address;
}

/** Puts the entry into the table. False: out of memory, and it is freed; the old one stands. */
export function finishEntry(
  partition: Partition,
  slot: Slot,
  hash: u32,
  address: Address,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  if (slot) return takePlace(partition, slot, hash, entryOf(slot), address, expiryMs, thread, nowMs);
  return addBuilt(partition, changetype<Queue>(queue), hash, address, expiryMs, thread, nowMs);
}

/** Why an entry could not be made, as a status. */
export function whyNoRoom(partition: Partition, slot: Slot): u32 {
  const full = slot == 0 && !mayEvict() && partition.entries >= partition.maxEntries;
  return full ? ERROR_ENTRIES_FULL : ERROR_OUT_OF_MEMORY;
}
