/*
 * The fields of a hash that expire. Each has its expiry in its item (body.ts). A hash with a root has a tree besides,
 * of the names of these fields in the order of their expiries: what a sorted set has (order.ts), the expiry being the
 * score, which holds any expiry exactly. So the field that expires next is the first item of the tree, and the number
 * of those that have expired is a place in it: a hash knows how many fields it has at any time, in O(log size), though
 * nobody has removed anything yet. In a packed hash the items are walked over, which are few.
 *
 * Readers pass over fields that have expired. Writers remove some, and the wheel the others (lifetime.ts).
 *
 * Everything here runs under the partition's lock, what changes something with the entry pinned.
 */
import { Address } from '../layout';
import { holderOf } from '../lock';
import { Partition } from '../partition';
import { entryOf, Slot } from '../table';
import {
  behindItem,
  contentOf,
  EXPIRY_BYTES,
  expiryOfItem,
  isItemDue,
  lengthBytes,
  memberOf,
  removeFromBody,
  writeExpiry,
} from './body';
import { firstIn, openLeaf } from './leaf';
import { allowExpiry } from './lifetime';
import { holdMember, resumeMember, skipMember, takeStored } from './member';
import { formatNode, NODE_BYTES, NODE_ORDER, nodeAt } from './node';
import {
  AT_MEMBER,
  BEHIND_SCORE,
  insertOrdered,
  isBelow,
  memberOfItem,
  orderedBytes,
  placeOfBound,
  removeOrderedItem,
  scoreOfItem,
  writeItem,
} from './order';
import { reserve, takeReserved } from './reserve';
import {
  addBytes,
  addPackedCount,
  countOf,
  isMarked,
  isRooted,
  packedBody,
  packedBytes,
  packedCount,
  ROOT_TREE,
  rootOf,
  treeCountOf,
} from './root';
import { findMember, prepareResize, removeItem, resizeItem } from './table';
import { childAt, findPlace, foundItem, isBranch, scoreOf } from './tree';
import { removeOnWay } from './tree-removal';

/** Later than any expiry. */
export const NEVER: i64 = 0x7fff_ffff_ffff;
const SCORE_BYTES: u32 = 8;

/** When the first field of a MARKED hash expires; NEVER: none does. */
export function earliestExpiry(address: Address): i64 {
  if (isRooted(address)) {
    const tree = load<u32>(rootOf(address), ROOT_TREE);
    return tree ? <i64>scoreOf(tree) : NEVER;
  }
  let earliest = NEVER;
  let item = packedBody(address) + packedCount(address);
  for (let i = packedCount(address); i > 0; i--) {
    const expiryMs = expiryOfItem(item);
    if (expiryMs != 0 && expiryMs < earliest) earliest = expiryMs;
    item = behindItem(item);
  }
  return earliest;
}

/** When the last field of a MARKED hash expires; NEVER: some do not. */
export function latestExpiry(address: Address): i64 {
  if (isRooted(address)) return treeCountOf(address) < countOf(address) ? NEVER : lastOfTree(address);
  let latest: i64 = 0;
  let item = packedBody(address) + packedCount(address);
  for (let i = packedCount(address); i > 0; i--) {
    const expiryMs = expiryOfItem(item);
    if (expiryMs == 0) return NEVER;
    latest = max<i64>(latest, expiryMs);
    item = behindItem(item);
  }
  return latest;
}

function lastOfTree(address: Address): i64 {
  let node = load<u32>(rootOf(address), ROOT_TREE);
  while (isBranch(node)) node = load<u32>(childAt(node, <u32>nodeAt(node).count - 1));
  let item = firstIn(node);
  for (let i = <u32>nodeAt(node).count; i > 1; i--) item = behindItem(item);
  return <i64>scoreOfItem(item);
}

/** Fields of a hash that have expired and are still there. */
export function countDue(address: Address, thread: u32, nowMs: i64): u32 {
  if (!isMarked(address)) return 0;
  if (isRooted(address)) {
    if (earliestExpiry(address) > nowMs) return 0;
    return placeOfBound(address, <f64>nowMs, BEHIND_SCORE, thread);
  }
  let due: u32 = 0;
  let item = packedBody(address) + packedCount(address);
  for (let i = packedCount(address); i > 0; i--) {
    due += <u32>isItemDue(item, nowMs);
    item = behindItem(item);
  }
  return due;
}

/** Items of a set or hash that are not fields which have expired. */
@inline
export function countLive(address: Address, thread: u32, nowMs: i64): u32 {
  return countOf(address) - countDue(address, thread, nowMs);
}

/** The item of the member at hand, 0: it is not there, or has expired. */
@inline
export function findLiveMember(address: Address, nowMs: i64): Address {
  const item = findMember(address);
  return item != 0 && isItemDue(item, nowMs) ? 0 : item;
}

/** Puts the member at hand into the tree of a MARKED hash, if that has a root. False: out of memory, as it was. */
export function enlist(partition: Partition, slot: Slot, expiryMs: i64, thread: u32, nowMs: i64): bool {
  if (!isRooted(entryOf(slot))) return true;
  if (load<u32>(rootOf(entryOf(slot)), ROOT_TREE) == 0) {
    if (!reserve(partition, NODE_BYTES + orderedBytes(), thread, nowMs)) return false;
    const leaf = takeReserved(partition);
    formatNode(leaf, NODE_ORDER, entryOf(slot));
    store<u32>(rootOf(entryOf(slot)), leaf, ROOT_TREE);
  }
  return insertOrdered(partition, slot, <f64>expiryMs, thread, nowMs);
}

/** Takes the member at hand out of the tree, where it is with this expiry, if the hash has a root. */
export function delist(partition: Partition, slot: Slot, expiryMs: i64, thread: u32): void {
  if (isRooted(entryOf(slot))) removeOrderedItem(partition, slot, <f64>expiryMs, thread);
}

/** Removes the field at hand, whose item `findMember` found. */
export function removeField(partition: Partition, slot: Slot, item: Address, thread: u32): void {
  const expiryMs = expiryOfItem(item);
  // A tree changes without anything of the table being moved.
  if (expiryMs) delist(partition, slot, expiryMs, thread);
  removeItem(partition, slot, item);
}

/** Lets the field at hand, which is there, expire, or at another time. False: out of memory, nothing has changed. */
export function expireField(partition: Partition, slot: Slot, expiryMs: i64, thread: u32, nowMs: i64): bool {
  if (expiryOfItem(findMember(entryOf(slot))) == expiryMs) return true;
  if (!allowExpiry(partition, slot, expiryMs, thread, nowMs)) return false;
  const item = findMember(entryOf(slot));
  const old = expiryOfItem(item);
  const bytes = behindItem(item) - contentOf(item) + (old ? 0 : EXPIRY_BYTES);
  if (!prepareResize(partition, slot, item, bytes, false, thread, nowMs)) return false;
  if (!enlist(partition, slot, expiryMs, thread, nowMs)) return false;
  if (old) {
    writeExpiry(contentOf(findMember(entryOf(slot))), expiryMs);
    delist(partition, slot, old, thread);
    return true;
  }
  const at = resizeItem(partition, slot, bytes, true, thread, nowMs);
  if (at) writeExpiry(at, expiryMs);
  else delist(partition, slot, expiryMs, thread);
  return at != 0;
}

/** Lets the field at hand, which is there and expires, not do so any more. */
export function persistField(partition: Partition, slot: Slot, thread: u32, nowMs: i64): void {
  const item = findMember(entryOf(slot));
  const old = expiryOfItem(item);
  // What becomes shorter needs no memory.
  resizeItem(partition, slot, behindItem(item) - contentOf(item) - EXPIRY_BYTES, true, thread, nowMs);
  delist(partition, slot, old, thread);
}

/**
 * Removes about `limit` of the fields of a MARKED hash that have expired, of a packed one all; how many. The member at
 * hand stays at hand, for it may be a command's that has to make room: nothing here takes memory.
 */
export function removeDue(partition: Partition, slot: Slot, limit: u32, nowMs: i64): u32 {
  if (!isRooted(entryOf(slot))) return removePackedDue(partition, entryOf(slot), nowMs);
  const thread = holderOf(partition);
  const address = entryOf(slot);
  let done: u32 = 0;
  holdMember();
  while (done < limit && earliestExpiry(address) <= nowMs) {
    findPlace(thread, address, 0);
    takeStored(memberOfItem(foundItem()));
    removeItem(partition, slot, findMember(address));
    removeOnWay(partition, address, 1);
    done += 1;
  }
  resumeMember();
  return done;
}

function removePackedDue(partition: Partition, address: Address, nowMs: i64): u32 {
  let done: u32 = 0;
  let number: u32 = 0;
  let item = packedBody(address) + packedCount(address);
  while (number < packedCount(address)) {
    if (!isItemDue(item, nowMs)) {
      item = behindItem(item);
      number += 1;
      continue;
    }
    const less = 1 + (behindItem(item) - item);
    removeFromBody(packedBody(address), packedCount(address), packedBytes(address), item, number);
    addBytes(partition, address, -<i32>less);
    addPackedCount(address, -1);
    // Its tag went, too.
    item -= 1;
    done += 1;
  }
  return done;
}

/* -- The tree of a packed hash that gets a root (table.ts) -- */

/** Bytes of a leaf of the fields of a packed hash that expire. */
export function bytesOfTree(address: Address): u32 {
  let bytes: u32 = 0;
  let item = packedBody(address) + packedCount(address);
  for (let i = packedCount(address); i > 0; i--) {
    if (expiryOfItem(item)) {
      const content = SCORE_BYTES + (skipMember(memberOf(item)) - memberOf(item));
      bytes += lengthBytes(content) + content;
    }
    item = behindItem(item);
  }
  return bytes;
}

/** Such a leaf, in the chunk that was reserved last, which has room. */
export function unpackTree(partition: Partition, address: Address): Address {
  const leaf = takeReserved(partition);
  formatNode(leaf, NODE_ORDER, address);
  holdMember();
  let item = packedBody(address) + packedCount(address);
  for (let i = packedCount(address); i > 0; i--) {
    if (expiryOfItem(item)) {
      takeStored(memberOf(item));
      insertInLeaf(leaf, <f64>expiryOfItem(item));
    }
    item = behindItem(item);
  }
  resumeMember();
  return leaf;
}

/** Puts the member at hand in its place in a leaf. */
function insertInLeaf(leaf: Address, score: f64): void {
  const first = firstIn(leaf);
  let item = first;
  for (let i = <u32>nodeAt(leaf).count; i > 0 && isBelow(item, score, AT_MEMBER); i--) item = behindItem(item);
  writeItem(openLeaf(leaf, item - first, orderedBytes()), score);
  nodeAt(leaf).count += 1;
}
