/* Sets: SADD, SREM, SMISMEMBER, SCARD, SMEMBERS; SISMEMBER is in quick.ts. Members as of collections/member.ts. */
import { copyBytes } from '../bytes';
import { isItemDue, memberOf } from '../collections/body';
import { countLive, removeField } from '../collections/expiring';
import { nextItem, startItems } from '../collections/items';
import { memberBytes, readMember, skipMember, writeMember } from '../collections/member';
import { countOf } from '../collections/root';
import { addItem, findMember, prepareItem, removeItem } from '../collections/table';
import { CHUNK_HASH, CHUNK_SET, lengthOf } from '../entry';
import { Address } from '../layout';
import { writeArrayHead, writeBoolean, writeInteger } from '../msgpack';
import { Partition } from '../partition';
import { partitionOf, Staged } from '../staging';
import { ERROR_MEMBER, ERROR_OUT_OF_MEMORY, writeError } from '../status';
import { entryOf, Slot } from '../table';
import { close, closeRead, lastFailure, open, openToRead } from './collection';

/** The first argument behind the key. */
@inline
export function behindKey(staged: Staged): Address {
  return staged.key + lengthOf(staged.keyWord);
}

/** Whether `count` values from `at` on can be members. */
export function areMembers(thread: u32, at: Address, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    if (at == 0) return false;
  }
  return true;
}

/** The reply to a command on a collection that `open` did not find: what is wrong, or a count of 0. */
export function writeNothing(out: Address): Address {
  const failure = lastFailure();
  return failure ? writeError(out, failure) : writeInteger(out, 0);
}

const ADDED: u32 = 1;
const THERE: u32 = 0;
export const NO_MEMORY: u32 = 2;

/** Adds the member at hand: ADDED, THERE, or NO_MEMORY. */
export function addMember(partition: Partition, slot: Slot, thread: u32, nowMs: i64): u32 {
  if (findMember(entryOf(slot))) return THERE;
  const bytes = memberBytes();
  if (!prepareItem(partition, slot, bytes, false, thread, nowMs)) return NO_MEMORY;
  const at = addItem(partition, slot, bytes, thread, nowMs);
  if (at == 0) return NO_MEMORY;
  writeMember(at);
  return ADDED;
}

/** SADD. Where memory ends, the members before stay. */
export function setAdd(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  const slot = open(thread, staged, CHUNK_SET, true, nowMs);
  if (slot == 0) return writeError(out, lastFailure());
  const partition = partitionOf(staged);
  let added: u32 = 0;
  let outcome = THERE;
  for (let i: u32 = 0; i < count && outcome != NO_MEMORY; i++) {
    // A single one is still at hand.
    if (count > 1) at = readMember(thread, at);
    outcome = addMember(partition, slot, thread, nowMs);
    added += <u32>(outcome == ADDED);
  }
  close(thread, staged, slot, added != 0);
  return outcome == NO_MEMORY ? writeError(out, ERROR_OUT_OF_MEMORY) : writeInteger(out, added);
}

/** SREM. */
export function setRemove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return removeMembers(thread, staged, CHUNK_SET, out, nowMs);
}

/** Removes the fields of a hash or members of a set that are the command's arguments; replies how many were there. */
export function removeMembers(thread: u32, staged: Staged, kind: u8, out: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  const slot = open(thread, staged, kind, false, nowMs);
  if (slot == 0) return writeNothing(out);
  const partition = partitionOf(staged);
  let removed: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    const item = findMember(entryOf(slot));
    if (item == 0) continue;
    removed += <u32>!isItemDue(item, nowMs);
    if (kind == CHUNK_HASH) removeField(partition, slot, item, thread);
    else removeItem(partition, slot, item);
  }
  close(thread, staged, slot, removed != 0);
  return writeInteger(out, removed);
}

/** SMISMEMBER: a boolean for each. */
export function setHasMany(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const count = staged.argCount - 1;
  let at = behindKey(staged);
  if (out + count + 8 > limit) return 0;
  if (!areMembers(thread, at, count)) return writeError(out, ERROR_MEMBER);
  const address = openToRead(thread, staged, CHUNK_SET, nowMs);
  if (address == 0 && lastFailure()) return writeError(out, lastFailure());
  out = writeArrayHead(out, count);
  for (let i: u32 = 0; i < count; i++) {
    at = readMember(thread, at);
    out = writeBoolean(out, address != 0 && findMember(address) != 0);
  }
  if (address) closeRead(staged);
  return out;
}

/** SCARD. */
export function setSize(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return sizeOfCollection(thread, staged, CHUNK_SET, out, nowMs);
}

export function sizeOfCollection(thread: u32, staged: Staged, kind: u8, out: Address, nowMs: i64): Address {
  const address = openToRead(thread, staged, kind, nowMs);
  if (address == 0) return writeNothing(out);
  const count = countLive(address, thread, nowMs);
  closeRead(staged);
  return writeInteger(out, count);
}

/** The member of an item, as it is stored; the address behind, or 0: it does not fit. */
export function copyName(item: Address, out: Address, limit: Address): Address {
  const member = memberOf(item);
  const bytes = skipMember(member) - member;
  if (out + bytes > limit) return 0;
  copyBytes(out, member, bytes);
  return out + bytes;
}

/** SMEMBERS. */
export function setMembers(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const address = openToRead(thread, staged, CHUNK_SET, nowMs);
  if (address == 0) return lastFailure() ? writeError(out, lastFailure()) : writeArrayHead(out, 0);
  let end = writeArrayHead(out, countOf(address));
  startItems(address);
  for (let item = nextItem(); item != 0 && end != 0; item = nextItem()) end = copyName(item, end, limit);
  closeRead(staged);
  return end;
}
