/*
 * Sorted sets: members in the order of their scores, and those with one score in the order of their bytes, an integer
 * before text of the same ones. Packed, they
 * are the items of one leaf (leaf.ts). With a root there are both a tree of such items (tree.ts), for the order, and a
 * table (table.ts) from members to scores; the bytes of a member stand in both, so that neither has to ask the other.
 * The fields of a large hash that expire have such a tree, too, of what they are and when (expiring.ts).
 *
 * Everything here runs under the partition's lock, what changes something with the entry pinned.
 */
import { copyBytes } from '../bytes';
import { Address, MAX_CHUNK } from '../layout';
import { Partition } from '../partition';
import { entryOf, Slot } from '../table';
import { behindItem, contentOf, lengthBytes, tagOfHash, valueOf, writeLength } from './body';
import { openDirectory } from './directory';
import { fitEntry, shrinkEntry } from './fit';
import { firstIn } from './leaf';
import {
  hashOfStored,
  isMember,
  isStoredInteger,
  lastStoredLength,
  memberBytes,
  memberIsInteger,
  memberLength,
  memberText,
  storedText,
  writeMember,
} from './member';
import { formatNode, NODE_BYTES, NODE_TABLE, nodeAt, payloadOf } from './node';
import { reserve, takeReserved } from './reserve';
import {
  addBytes,
  isRooted,
  PACKED_HEAD,
  packedBody,
  packedBytes,
  packedCount,
  ROOT_BUCKETS,
  ROOT_BYTES,
  ROOT_TABLE,
  ROOT_TREE,
  rootOf,
} from './root';
import { addPackedItem, removeItems, unpackLeaf } from './sequence';
import { addItem, findMember, makeRoot, mayStayPacked, prepareItem, removeItem } from './table';
import {
  arrive,
  CHILD_SCORE,
  childAt,
  descend,
  foundLeaf,
  foundNumber,
  isBranch,
  nextLeaf,
  placeOfWay,
  setOut,
} from './tree';
import { addOnWay, addToTree } from './tree-growth';
import { removeOnWay } from './tree-removal';

const SCORE_BYTES: u32 = 8;

@inline
export function scoreOfItem(item: Address): f64 {
  return load<f64>(contentOf(item));
}

@inline
export function memberOfItem(item: Address): Address {
  return contentOf(item) + SCORE_BYTES;
}

/* The score of the member that was found last, and where it stands in the table, if there is one. Not state. */
let foundScore: f64 = 0;
let foundAt: Address = 0;

@inline
export function lastScore(): f64 {
  return foundScore;
}

/** Whether the member at hand (member.ts) is there; its score in `lastScore()`. May run beside a writer. */
export function findScore(address: Address): bool {
  if (isRooted(address)) {
    const item = findMember(address);
    if (item == 0) return false;
    foundAt = valueOf(item);
    foundScore = load<f64>(foundAt);
    return true;
  }
  const body = packedBody(address);
  let item = body;
  for (let i = packedCount(address); i > 0; i--) {
    // A reader without the lock may walk over anything.
    if (item - body > MAX_CHUNK) return false;
    if (isMember(memberOfItem(item))) {
      foundScore = scoreOfItem(item);
      return true;
    }
    item = behindItem(item);
  }
  return false;
}

/*
 * Places in the order. A bound is a score and, where among the members of this score it is.
 */
/** Before all of them. */
export const BEFORE_SCORE: u32 = 0;
/** Before the member at hand, if it is there, or where it would be. */
export const AT_MEMBER: u32 = 1;
/** Behind the member at hand. */
export const BEHIND_MEMBER: u32 = 2;
/** Behind all of them. */
export const BEHIND_SCORE: u32 = 3;

/** Below 0 when the stored member comes before the one at hand, 0 when they are equal. */
function compareMember(stored: Address): i32 {
  const text = storedText(stored);
  const order = compareTexts(text, lastStoredLength(), memberText(), memberLength());
  // A place is that of one member only: an integer and text of the same bytes are two.
  return order != 0 ? order : <i32>memberIsInteger() - <i32>isStoredInteger(stored);
}

/** The same of two stored members. */
export function compareStored(one: Address, other: Address): i32 {
  const text = storedText(one);
  const bytes = lastStoredLength();
  const otherText = storedText(other);
  const order = compareTexts(text, bytes, otherText, lastStoredLength());
  return order != 0 ? order : <i32>isStoredInteger(other) - <i32>isStoredInteger(one);
}

function compareTexts(text: Address, bytes: u32, other: Address, otherBytes: u32): i32 {
  const shorter = min<u32>(bytes, otherBytes);
  let i: u32 = 0;
  while (i + 8 <= shorter && load<u64>(text + i) == load<u64>(other + i)) i += 8;
  for (; i < shorter; i++) {
    const difference = <i32>load<u8>(text + i) - <i32>load<u8>(other + i);
    if (difference != 0) return difference;
  }
  return <i32>(bytes - otherBytes);
}

/** Whether an item comes before a bound. */
@inline
export function isBelow(item: Address, score: f64, where: u32): bool {
  const itemScore = scoreOfItem(item);
  return itemScore == score ? isMemberBelow(item, where) : itemScore < score;
}

function isMemberBelow(item: Address, where: u32): bool {
  if (where == BEFORE_SCORE || where == BEHIND_SCORE) return where == BEHIND_SCORE;
  const order = compareMember(memberOfItem(item));
  return order < 0 || (order == 0 && where == BEHIND_MEMBER);
}

/** How many items come before a bound: its place. */
export function placeOfBound(address: Address, score: f64, where: u32, thread: u32): u32 {
  if (isRooted(address)) {
    goToBound(address, score, where, thread);
    return placeOfWay();
  }
  const count = packedCount(address);
  let item = packedBody(address);
  let place: u32 = 0;
  while (place < count && isBelow(item, score, where)) {
    item = behindItem(item);
    place += 1;
  }
  return place;
}

/**
 * Finds the way (tree.ts) to a bound: to the first item that does not come before it, or behind the last one that does.
 */
function goToBound(address: Address, score: f64, where: u32, thread: u32): void {
  let node = setOut(thread, address);
  while (isBranch(node)) node = descend(node, lastBelow(node, score, where));
  const count = <u32>nodeAt(node).count;
  let item = firstIn(node);
  let number: u32 = 0;
  // Most items have the length of the one before: the processor then goes on with that, before it has read this one's.
  let bytes: u32 = 0;
  while (number < count && isBelow(item, score, where)) {
    const behind = behindItem(item);
    if (behind - item == bytes) {
      item += bytes;
    } else {
      bytes = behind - item;
      item = behind;
    }
    number += 1;
  }
  arrive(node, number, item);
}

/** Finds the way to the member at hand, which is there with this score. */
function goToMember(address: Address, score: f64, thread: u32): void {
  goToBound(address, score, AT_MEMBER, thread);
  if (foundNumber() == <u32>nodeAt(foundLeaf()).count) nextLeaf();
}

/** The last child of a branch whose first item comes before a bound, or the first child. */
function lastBelow(branch: Address, score: f64, where: u32): u32 {
  let low: u32 = 0;
  let high = <u32>nodeAt(branch).count;
  // Up to `low` the children's first items come before the bound, or it is number 0; from `high` on they do not.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const child = childAt(branch, middle);
    const childScore = load<f64>(child, CHILD_SCORE);
    const isBefore = childScore == score ? isMemberBelow(firstBelow(load<u32>(child)), where) : childScore < score;
    if (isBefore) low = middle;
    else high = middle;
  }
  return low;
}

/** The first item below a node. */
function firstBelow(node: Address): Address {
  while (isBranch(node)) node = load<u32>(childAt(node, 0));
  return firstIn(node);
}

/** Bytes of an item with the member at hand. */
@inline
export function orderedBytes(): u32 {
  const content = SCORE_BYTES + memberBytes();
  return lengthBytes(content) + content;
}

export function writeItem(at: Address, score: f64): void {
  const content = writeLength(at, SCORE_BYTES + memberBytes());
  store<f64>(content, score);
  writeMember(content + SCORE_BYTES);
}

/** Puts the member at hand, which is not there with this score, in its place. False: out of memory, nothing changed. */
export function insertOrdered(partition: Partition, slot: Slot, score: f64, thread: u32, nowMs: i64): bool {
  const bytes = orderedBytes();
  let at: Address;
  if (isRooted(entryOf(slot))) {
    goToBound(entryOf(slot), score, AT_MEMBER, thread);
    at = addOnWay(partition, slot, bytes, score);
    if (at == 0) at = addToTree(partition, slot, placeOfWay(), bytes, score, thread, nowMs);
  } else {
    at = addPackedItem(partition, slot, placeOfBound(entryOf(slot), score, AT_MEMBER, thread), bytes, thread, nowMs);
  }
  if (at == 0) return false;
  writeItem(at, score);
  return true;
}

/** Adds the member at hand, which is not there. False: out of memory, nothing has changed. */
export function addOrdered(partition: Partition, slot: Slot, score: f64, thread: u32, nowMs: i64): bool {
  if (!isRooted(entryOf(slot)) && !mayStayPacked(entryOf(slot), 1, orderedBytes())) {
    if (!makeOrdered(partition, slot, thread, nowMs)) return false;
  }
  if (!insertOrdered(partition, slot, score, thread, nowMs)) return false;
  if (!isRooted(entryOf(slot))) return true;
  const bytes = memberBytes() + SCORE_BYTES;
  if (prepareItem(partition, slot, bytes, false, thread, nowMs)) {
    const at = addItem(partition, slot, bytes, thread, nowMs);
    if (at) {
      store<f64>(writeMember(at), score);
      return true;
    }
  }
  removeOrderedItem(partition, slot, score, thread);
  return false;
}

/** Takes the member at hand, which is there with this score, out of the order. */
export function removeOrderedItem(partition: Partition, slot: Slot, score: f64, thread: u32): void {
  const address = entryOf(slot);
  if (isRooted(address)) {
    goToMember(address, score, thread);
    removeOnWay(partition, address, 1);
  } else {
    removeItems(partition, slot, placeOfBound(address, score, AT_MEMBER, thread), 1, thread);
  }
}

/**
 * Gives the member at hand, which `findScore` has just found with the score `old`, another one. False: out of memory,
 * nothing changed.
 */
export function changeScore(partition: Partition, slot: Slot, old: f64, score: f64, thread: u32, nowMs: i64): bool {
  // Where it stands twice for a moment, its two items have different scores.
  if (!isRooted(entryOf(slot)) && !mayStayPacked(entryOf(slot), 1, orderedBytes())) {
    if (!makeOrdered(partition, slot, thread, nowMs)) return false;
  } else if (isRooted(entryOf(slot))) {
    // Where the leaf has room nothing moves, and the score stands where it was found.
    goToBound(entryOf(slot), score, AT_MEMBER, thread);
    const at = addOnWay(partition, slot, orderedBytes(), score);
    if (at) {
      writeItem(at, score);
      store<f64>(foundAt, score);
      removeOrderedItem(partition, slot, old, thread);
      return true;
    }
  }
  if (!insertOrdered(partition, slot, score, thread, nowMs)) return false;
  removeOrderedItem(partition, slot, old, thread);
  if (isRooted(entryOf(slot))) store<f64>(valueOf(findMember(entryOf(slot))), score);
  return true;
}

/** Removes the member at hand, which is there with this score. */
export function removeOrdered(partition: Partition, slot: Slot, score: f64, thread: u32): void {
  removeOrderedItem(partition, slot, score, thread);
  if (isRooted(entryOf(slot))) removeItem(partition, slot, findMember(entryOf(slot)));
}

/** Lets a packed sorted set have a tree, of one leaf, and a table, of one bucket. False: out of memory. */
function makeOrdered(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  const bytes = packedBytes(entryOf(slot));
  const tableBytes = bytesOfTable(entryOf(slot));
  if (!fitEntry(partition, slot, max<u32>(PACKED_HEAD + bytes, ROOT_BYTES), thread, nowMs)) return false;
  if (tableBytes != 0 && !reserve(partition, NODE_BYTES + tableBytes, thread, nowMs)) return false;
  if (!reserve(partition, NODE_BYTES + 4, thread, nowMs)) return false;
  if (!reserve(partition, NODE_BYTES + max<u32>(bytes, 1), thread, nowMs)) return false;
  const address = entryOf(slot);
  const leaf = unpackLeaf(partition, address);
  const directory = openDirectory(partition, address);
  nodeAt(directory).count = 1;
  store<u32>(payloadOf(directory), tableBytes ? fillTable(partition, leaf, directory, tableBytes) : 0);
  makeRoot(partition, address, bytes);
  const root = rootOf(address);
  addBytes(partition, address, tableBytes);
  store<u32>(root, leaf, ROOT_TREE);
  store<u32>(root, directory, ROOT_TABLE);
  store<u32>(root, 1, ROOT_BUCKETS);
  shrinkEntry(partition, slot);
  return true;
}

/** Bytes of a body with the members and scores of a packed sorted set. */
function bytesOfTable(address: Address): u32 {
  let item = packedBody(address);
  let bytes: u32 = 0;
  for (let i = packedCount(address); i > 0; i--) {
    // Score and member, the other way round, and a tag.
    const behind = behindItem(item);
    bytes += 1 + (behind - item);
    item = behind;
  }
  return bytes;
}

/** A node with the members of a leaf, and their scores, in the chunk that was reserved last. */
function fillTable(partition: Partition, leaf: Address, directory: Address, bytes: u32): Address {
  const target = takeReserved(partition);
  const count = <u32>nodeAt(leaf).count;
  formatNode(target, NODE_TABLE, directory);
  nodeAt(target).count = <u16>count;
  nodeAt(target).bytes = <u16>bytes;
  let item = firstIn(leaf);
  let out = payloadOf(target) + count;
  for (let i: u32 = 0; i < count; i++) {
    const behind = behindItem(item);
    const member = memberOfItem(item);
    store<u8>(payloadOf(target) + i, tagOfHash(hashOfStored(member)));
    out = writeLength(out, behind - contentOf(item));
    copyBytes(out, member, behind - member);
    store<f64>(out + (behind - member), scoreOfItem(item));
    out += behind - contentOf(item);
    item = behind;
  }
  return target;
}
