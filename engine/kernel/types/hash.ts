/* Hashes: fields as of collections/member.ts, values any msgpack. HGET and HEXISTS are in quick.ts. */
import { copyBytes } from '../bytes';
import {
  behindItem,
  contentOf,
  expiryBytes,
  expiryOfItem,
  isItemDue,
  valueOf,
  writeExpiry,
} from '../collections/body';
import { countLive, delist, enlist, findLiveMember } from '../collections/expiring';
import { nextItem, startItems } from '../collections/items';
import { memberBytes, readMember, writeMember } from '../collections/member';
import { allowExpiry } from '../collections/lifetime';
import { nodeAt } from '../collections/node';
import {
  copyOutside,
  isOutside,
  linkedBytes,
  MAX_INSIDE,
  placeBytes,
  reserveOutside,
  writeOutside,
} from '../collections/outside';
import { dropReserved } from '../collections/reserve';
import { addBytes } from '../collections/root';
import { addItem, findMember, foundNode, prepareItem, prepareResize, resizeItem } from '../collections/table';
import { CHUNK_HASH } from '../entry';
import { Address, header } from '../layout';
import { skipValue, writeArrayHead, writeBoolean, writeInteger, writeMapHead, writeNil } from '../msgpack';
import { Partition } from '../partition';
import { partitionOf, Staged } from '../staging';
import { ERROR_MEMBER, ERROR_OUT_OF_MEMORY, ERROR_PAIRS, ERROR_VALUE_TOO_LARGE, writeError } from '../status';
import { entryOf, Slot } from '../table';
import { close, closeRead, lastFailure, open, openToRead } from './collection';
import { areMembers, behindKey, copyName, removeMembers, sizeOfCollection } from './set';

export const FIELD_NEW: u32 = 1;
export const FIELD_CHANGED: u32 = 0;
export const FIELD_NO_MEMORY: u32 = 2;

/** Sets the field at hand to a value, and lets it expire, 0: not. One that had expired is new. */
export function putField(
  partition: Partition,
  slot: Slot,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): u32 {
  const isLong = valueBytes > MAX_INSIDE;
  const bytes = expiryBytes(expiryMs) + memberBytes() + placeBytes(valueBytes);
  if (expiryMs != 0 && !allowExpiry(partition, slot, expiryMs, thread, nowMs)) return FIELD_NO_MEMORY;
  const item = findMember(entryOf(slot));
  const isNew = item == 0;
  const old: i64 = isNew ? 0 : expiryOfItem(item);
  // Most values take the place of one that is as long.
  if (!isNew && !isLong && (old | expiryMs) == 0 && isOfLength(item, bytes)) {
    copyBytes(writeMember(contentOf(item)), value, valueBytes);
    return FIELD_CHANGED;
  }
  if (isNew) {
    if (!prepareItem(partition, slot, bytes, isLong, thread, nowMs)) return FIELD_NO_MEMORY;
  } else if (isLong || expiryMs != 0) {
    if (!prepareResize(partition, slot, item, bytes, isLong, thread, nowMs)) return FIELD_NO_MEMORY;
  }
  // For a moment it may be in the tree with both expiries.
  const isListed = expiryMs != 0 && expiryMs != old;
  if (isListed && !enlist(partition, slot, expiryMs, thread, nowMs)) return FIELD_NO_MEMORY;
  let at: Address = 0;
  if (!isLong || reserveOutside(partition, valueBytes, thread, nowMs)) {
    at = isNew
      ? addItem(partition, slot, bytes, thread, nowMs)
      : resizeItem(partition, slot, bytes, false, thread, nowMs);
  }
  if (at == 0) {
    dropReserved(partition);
    if (isListed) delist(partition, slot, expiryMs, thread);
    return FIELD_NO_MEMORY;
  }
  at = writeMember(writeExpiry(at, expiryMs));
  if (isLong) {
    writeOutside(partition, at, foundNode(), value, valueBytes);
    nodeAt(foundNode()).outside += 1;
    addBytes(partition, entryOf(slot), valueBytes);
  } else {
    copyBytes(at, value, valueBytes);
  }
  if (old != 0 && old != expiryMs) delist(partition, slot, old, thread);
  return isNew || (old != 0 && old <= nowMs) ? FIELD_NEW : FIELD_CHANGED;
}

/** Whether the content of an item, its value with it, has so many bytes. */
@inline
function isOfLength(item: Address, bytes: u32): bool {
  return behindItem(item) - contentOf(item) == bytes && !isOutside(valueOf(item));
}

/** HSET: pairs of field and value; replies how many fields are new. Where memory ends, the pairs before stay. */
export function hashSet(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const pairs = (staged.argCount - 1) >> 1;
  if (pairs << 1 != staged.argCount - 1) return writeError(out, ERROR_PAIRS);
  let at = behindKey(staged);
  let first: Address = 0;
  for (let i: u32 = 0; i < pairs; i++) {
    const value = readMember(thread, at);
    if (value == 0) return writeError(out, ERROR_MEMBER);
    if (i == 0) first = value;
    at = skipValue(value, staged.end);
    if (at - value > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
  }
  const slot = open(thread, staged, CHUNK_HASH, true, nowMs);
  if (slot == 0) return writeError(out, lastFailure());
  const partition = partitionOf(staged);
  let added: u32 = 0;
  let outcome = FIELD_CHANGED;
  at = behindKey(staged);
  for (let i: u32 = 0; i < pairs && outcome != FIELD_NO_MEMORY; i++) {
    // A single one is still at hand.
    const value = pairs > 1 ? readMember(thread, at) : first;
    at = skipValue(value, staged.end);
    outcome = putField(partition, slot, value, at - value, 0, thread, nowMs);
    added += <u32>(outcome == FIELD_NEW);
  }
  close(thread, staged, slot, true);
  return outcome == FIELD_NO_MEMORY ? writeError(out, ERROR_OUT_OF_MEMORY) : writeInteger(out, added);
}

/** HSETNX. */
export function hashSetIfAbsent(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const value = readMember(thread, behindKey(staged));
  if (value == 0) return writeError(out, ERROR_MEMBER);
  const valueBytes = staged.end - value;
  if (valueBytes > header().maxValueBytes) return writeError(out, ERROR_VALUE_TOO_LARGE);
  const slot = open(thread, staged, CHUNK_HASH, true, nowMs);
  if (slot == 0) return writeError(out, lastFailure());
  let outcome = FIELD_CHANGED;
  if (findLiveMember(entryOf(slot), nowMs) == 0) {
    outcome = putField(partitionOf(staged), slot, value, valueBytes, 0, thread, nowMs);
  }
  close(thread, staged, slot, outcome == FIELD_NEW);
  return outcome == FIELD_NO_MEMORY ? writeError(out, ERROR_OUT_OF_MEMORY) : writeBoolean(out, outcome == FIELD_NEW);
}

/** Bytes of the value of an item. */
export function valueBytesOfField(item: Address): u32 {
  const value = valueOf(item);
  return isOutside(value) ? linkedBytes(value) : behindItem(item) - value;
}

/** Copies the value of an item to `out`: the address behind it, or 0: it does not fit before `limit`. */
export function copyField(item: Address, out: Address, limit: Address): Address {
  const value = valueOf(item);
  if (isOutside(value)) {
    const bytes = linkedBytes(value);
    if (out + bytes > limit) return 0;
    copyOutside(value, bytes, out);
    return out + bytes;
  }
  const bytes = behindItem(item) - value;
  if (out + bytes > limit) return 0;
  copyBytes(out, value, bytes);
  return out + bytes;
}

/** HMGET: a value or nil for each field. */
export function hashGetMany(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  if (out + count + 8 > limit) return 0;
  const address = openToRead(thread, staged, CHUNK_HASH, nowMs);
  if (address == 0 && lastFailure()) return writeError(out, lastFailure());
  let end = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count && end != 0; i++) {
    at = readMember(thread, at);
    const item = address ? findLiveMember(address, nowMs) : 0;
    // Nils may be all that is left.
    if (item) end = copyField(item, end, limit - (count - i));
    else end = writeNil(end);
  }
  if (address) closeRead(staged);
  return end;
}

const FIELDS: u32 = 1;
const VALUES: u32 = 2;

/** HGETALL: a map. */
export function hashGetAll(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return copyAll(thread, staged, FIELDS | VALUES, out, limit, nowMs);
}

/** HKEYS: an array. */
export function hashFields(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return copyAll(thread, staged, FIELDS, out, limit, nowMs);
}

/** HVALS: an array. */
export function hashValues(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return copyAll(thread, staged, VALUES, out, limit, nowMs);
}

function copyAll(thread: u32, staged: Staged, what: u32, out: Address, limit: Address, nowMs: i64): Address {
  const address = openToRead(thread, staged, CHUNK_HASH, nowMs);
  if (address == 0 && lastFailure()) return writeError(out, lastFailure());
  const count = address ? countLive(address, thread, nowMs) : 0;
  let end = what == (FIELDS | VALUES) ? writeMapHead(out, count) : writeArrayHead(out, count);
  if (address == 0) return end;
  startItems(address);
  for (let item = nextItem(); item != 0 && end != 0; item = nextItem()) {
    if (isItemDue(item, nowMs)) continue;
    if (what & FIELDS) end = copyName(item, end, limit);
    if (what & VALUES && end != 0) end = copyField(item, end, limit);
  }
  closeRead(staged);
  return end;
}

/** HDEL. */
export function hashDelete(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return removeMembers(thread, staged, CHUNK_HASH, out, nowMs);
}

/** HLEN. */
export function hashSize(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return sizeOfCollection(thread, staged, CHUNK_HASH, out, nowMs);
}
