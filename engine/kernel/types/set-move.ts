/* SMOVE: a member from one set to another, in one step. */
import { readMember } from '../collections/member';
import { findMember, removeItem } from '../collections/table';
import { CHUNK_SET, entryAt, lengthOf } from '../entry';
import { SADD, SREM, tellAs } from '../effects';
import { Address } from '../layout';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import { writeBoolean } from '../msgpack';
import { findLive } from '../read';
import { keyOf, lastKeyWord, otherStaged, partitionOf, Staged, stageKey } from '../staging';
import { ERROR_KEY, ERROR_MEMBER, ERROR_OUT_OF_MEMORY, ERROR_WRONG_TYPE, writeError } from '../status';
import { entryOf } from '../table';
import { closeHeld, lastFailure, openHeld } from './collection';
import { isSameKey } from './list-places';
import { addMember, behindKey, NO_MEMORY } from './set';

export function setMove(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const key = keyOf(behindKey(staged));
  if (key == 0) return writeError(out, ERROR_KEY);
  const other = otherStaged(thread);
  stageKey(other, key, lastKeyWord(), true);
  if (!readMember(thread, key + lengthOf(other.keyWord))) return writeError(out, ERROR_MEMBER);
  beginSet(thread);
  addToSet(thread, partitionOf(staged));
  addToSet(thread, partitionOf(other));
  lockSet(thread);
  const end = moveHeld(thread, staged, other, out, nowMs);
  unlockSet(thread);
  return end;
}

function moveHeld(thread: u32, staged: Staged, other: Staged, out: Address, nowMs: i64): Address {
  const source = partitionOf(staged);
  const target = partitionOf(other);
  const slot = findLive(source, staged.hash, staged.key, staged.keyWord, nowMs);
  if (slot == 0) return writeBoolean(out, false);
  if (entryAt(entryOf(slot)).kind != CHUNK_SET) return writeError(out, ERROR_WRONG_TYPE);
  const otherSlot = findLive(target, other.hash, other.key, other.keyWord, nowMs);
  if (otherSlot != 0 && entryAt(entryOf(otherSlot)).kind != CHUNK_SET) return writeError(out, ERROR_WRONG_TYPE);
  if (findMember(entryOf(slot)) == 0) return writeBoolean(out, false);
  if (isSameKey(staged, other)) return writeBoolean(out, true);
  // Memory for the member must not cost the set that it is in.
  source.pinnedSource = entryOf(slot);
  const opened = openHeld(target, thread, other, CHUNK_SET, true, nowMs);
  const outcome = opened ? addMember(target, opened, thread, nowMs) : NO_MEMORY;
  const member = other.key + lengthOf(other.keyWord);
  tellAs(SADD, 1, member, staged.end);
  if (opened) closeHeld(target, other, opened, outcome != NO_MEMORY);
  source.pinnedSource = 0;
  if (opened == 0) return writeError(out, lastFailure());
  if (outcome == NO_MEMORY) return writeError(out, ERROR_OUT_OF_MEMORY);
  const again = openHeld(source, thread, staged, CHUNK_SET, false, nowMs);
  removeItem(source, again, findMember(entryOf(again)));
  tellAs(SREM, 1, member, staged.end);
  closeHeld(source, staged, again, true);
  return writeBoolean(out, true);
}
