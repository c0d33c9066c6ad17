/*
 * Putting an item into a tree (tree.ts), in steps, each of which leaves it a tree: a leaf gets a larger chunk, is
 * split, a branch is split, a branch is put on top. When there is room for the item, it is put in. Where memory ends,
 * the steps that were made stay: they changed nothing that a user could see.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { entryOf, Slot } from '../table';
import { behindIn, firstIn, leafRoom, openLeaf } from './leaf';
import {
  CHILD_BYTES,
  eachOutsideOf,
  formatNode,
  NODE_BRANCH,
  NODE_BYTES,
  NODE_LIST,
  nodeAt,
  ON_MOVE,
  payloadOf,
  replaceNode,
  roomOf,
} from './node';
import { linkOf } from './outside';
import { reserve, takeReserved } from './reserve';
import { addBytes, addCount, addTreeCount, ROOT_TREE, rootOf } from './root';
import {
  branchAt,
  CHILD_ITEMS,
  childAt,
  countBelow,
  countItems,
  findPlace,
  foundLeaf,
  foundNumber,
  foundOffset,
  indexAt,
  isBranch,
  levelsOnWay,
  mostBytes,
  moveLeaf,
  setChild,
  setScore,
  shrinkLeaf,
  wordAt,
} from './tree';

/** Children of a branch at the most, so that it fits 2 KiB. */
const MAX_CHILDREN: u32 = 127;
const FIRST_CHILDREN: u32 = 4;
/** Levels of branches: 127 leaves, 16,129, two million, 260 million. */
const MAX_LEVELS: u32 = 8;

/**
 * Makes an item of so many bytes that becomes the one with this number: where it goes, and the caller writes it at
 * once.
 * 0: out of memory, nothing has changed. `score`: of an item of a sorted set.
 */
export function addToTree(
  partition: Partition,
  slot: Slot,
  position: u32,
  more: u32,
  score: f64,
  thread: u32,
  nowMs: i64,
): Address {
  for (;;) {
    findPlace(thread, entryOf(slot), position);
    const bytes = <u32>nodeAt(foundLeaf()).bytes + more;
    if (bytes <= leafRoom(foundLeaf())) break;
    const done = bytes <= mostBytes(foundLeaf()) || nodeAt(foundLeaf()).count == 0
      ? enlargeLeaf(partition, slot, position, bytes, thread, nowMs)
      : splitStep(partition, slot, position, more, thread, nowMs);
    if (!done) return 0;
  }
  return putOnWay(partition, slot, more, score);
}

/** `addToTree` where the way leads, if the leaf has room; else 0, and nothing is done. */
export function addOnWay(partition: Partition, slot: Slot, more: u32, score: f64): Address {
  const bytes = <u32>nodeAt(foundLeaf()).bytes + more;
  return bytes <= leafRoom(foundLeaf()) ? putOnWay(partition, slot, more, score) : 0;
}

/**
 * Makes an item of so many bytes the first or last one of a list with a tree, if the leaf at that end has room for it
 * as it lies there: where it goes; else 0, and nothing is done. That is what most pushes come to, and takes half of the
 * time of the steps above, as nothing is kept of the way.
 */
export function openEnd(partition: Partition, address: Address, isFirst: bool, more: u32): Address {
  const top = load<u32>(rootOf(address), ROOT_TREE);
  let node = top;
  while (isBranch(node)) node = load<u32>(endOf(node, isFirst));
  const fields = nodeAt(node);
  const start = fields.next;
  const bytes = <u32>fields.bytes;
  if (isFirst ? start < more : start + bytes + more > leafRoom(node)) return 0;
  if (isFirst) fields.next = start - more;
  fields.bytes = <u16>(bytes + more);
  fields.count += 1;
  for (let branch = top; branch != node; ) {
    const child = endOf(branch, isFirst);
    store<u32>(child, load<u32>(child, CHILD_ITEMS) + 1, CHILD_ITEMS);
    branch = load<u32>(child);
  }
  addBytes(partition, address, more);
  addCount(address, 1);
  return payloadOf(node) + (isFirst ? start - more : start + bytes);
}

/** The first or last child of a branch. */
@inline
function endOf(branch: Address, isFirst: bool): Address {
  return childAt(branch, isFirst ? 0 : <u32>nodeAt(branch).count - 1);
}

function putOnWay(partition: Partition, slot: Slot, more: u32, score: f64): Address {
  const at = openLeaf(foundLeaf(), foundOffset(), more);
  nodeAt(foundLeaf()).count += 1;
  countBelow(1);
  if (foundNumber() == 0 && <u32>nodeAt(foundLeaf()).shape != NODE_LIST) setScore(score);
  addBytes(partition, entryOf(slot), more);
  addTreeCount(entryOf(slot), 1);
  return at;
}

/** Gives the leaf a chunk for so many bytes, with some more: lists grow at their ends. */
function enlargeLeaf(
  partition: Partition,
  slot: Slot,
  position: u32,
  bytes: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const spare = <u32>nodeAt(foundLeaf()).shape == NODE_LIST ? bytes >> 1 : 0;
  // A single member may be longer than leaves of many are.
  const room = max<u32>(bytes, min<u32>(bytes + spare, mostBytes(foundLeaf())));
  if (!reserve(partition, NODE_BYTES + room, thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  moveLeaf(partition, entryOf(slot), takeReserved(partition));
  return true;
}

/** A step towards room for an item that the leaf on the way has none for. False: out of memory. */
function splitStep(
  partition: Partition,
  slot: Slot,
  position: u32,
  more: u32,
  thread: u32,
  nowMs: i64,
): bool {
  if (levelsOnWay() == 0) return addTop(partition, slot, thread, nowMs);
  let level = levelsOnWay() - 1;
  if (<u32>nodeAt(branchAt(level)).count < MAX_CHILDREN) {
    if (hasRoomForChild(level)) return splitLeaf(partition, slot, position, more, thread, nowMs);
    return enlargeBranch(partition, slot, position, level, thread, nowMs);
  }
  // The branch is full: it is split, or the one above it that has no room for its half.
  while (level > 0 && <u32>nodeAt(branchAt(level - 1)).count == MAX_CHILDREN) level -= 1;
  if (level == 0) return addTop(partition, slot, thread, nowMs);
  if (hasRoomForChild(level - 1)) return splitBranch(partition, slot, position, level, thread, nowMs);
  return enlargeBranch(partition, slot, position, level - 1, thread, nowMs);
}

@inline
function branchBytes(children: u32): u32 {
  return NODE_BYTES + children * CHILD_BYTES;
}

@inline
function hasRoomForChild(level: u32): bool {
  const branch = branchAt(level);
  return branchBytes(<u32>nodeAt(branch).count + 1) <= roomOf(branch);
}

/** Puts a branch above the top of the tree. */
function addTop(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  if (levelsOnWay() == MAX_LEVELS || !reserve(partition, branchBytes(FIRST_CHILDREN), thread, nowMs)) return false;
  const address = entryOf(slot);
  const word = rootOf(address) + ROOT_TREE;
  const below = load<u32>(word);
  const top = takeReserved(partition);
  formatNode(top, NODE_BRANCH, address);
  nodeAt(top).next = isBranch(below) ? nodeAt(below).next + 1 : 0;
  nodeAt(top).count = 1;
  setChild(childAt(top, 0), below);
  nodeAt(below).parent = top;
  store<u32>(word, top);
  return true;
}

/** Gives a branch on the way a chunk for more children. */
function enlargeBranch(
  partition: Partition,
  slot: Slot,
  position: u32,
  level: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const children = min<u32>(<u32>nodeAt(branchAt(level)).count << 1, MAX_CHILDREN);
  if (!reserve(partition, branchBytes(children), thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  const branch = branchAt(level);
  const target = takeReserved(partition);
  memory.copy(target, branch, branchBytes(nodeAt(branch).count));
  replaceNode(partition, wordAt(entryOf(slot), level), branch, target);
  return true;
}

/** Makes a node the child behind the one at `index`, or with -1 the first one. There is room for it. */
function insertChild(branch: Address, index: i32, node: Address): void {
  const fields = nodeAt(branch);
  const at = childAt(branch, index + 1);
  memory.copy(at + CHILD_BYTES, at, childAt(branch, fields.count) - at);
  fields.count += 1;
  setChild(at, node);
  nodeAt(node).parent = branch;
}

/**
 * Splits the leaf on the way. At an end of the tree it stays as it is and gets an empty neighbour, so that what grows
 * there has full leaves; as does one of a single long item.
 */
function splitLeaf(
  partition: Partition,
  slot: Slot,
  position: u32,
  more: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const shape = <u32>nodeAt(foundLeaf()).shape;
  const isEnd = foundNumber() == <u32>nodeAt(foundLeaf()).count;
  const isWhole = isEnd || position == 0 || nodeAt(foundLeaf()).count == 1;
  const half = isWhole ? 0 : halfOf();
  const bytes = isWhole ? endLeafBytes(more) : <u32>nodeAt(foundLeaf()).bytes - half;
  if (!reserve(partition, NODE_BYTES + bytes, thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  const branch = branchAt(levelsOnWay() - 1);
  const index = <i32>indexAt(levelsOnWay() - 1);
  const target = takeReserved(partition);
  formatNode(target, shape, branch);
  if (isWhole) {
    if (!isEnd) nodeAt(target).next = leafRoom(target);
    insertChild(branch, isEnd ? index : index - 1, target);
    return true;
  }
  const from = nodeAt(foundLeaf());
  const at = firstIn(foundLeaf()) + half;
  const count = countTo(at);
  const to = nodeAt(target);
  to.bytes = <u16>bytes;
  to.count = from.count - <u16>count;
  memory.copy(payloadOf(target), at, bytes);
  from.bytes = <u16>half;
  from.count = <u16>count;
  if (from.outside) {
    to.outside = <u16>countLinks(target);
    from.outside -= to.outside;
    eachOutsideOf(partition, target, ON_MOVE, 0, target);
  }
  store<u32>(childAt(branch, index), count, CHILD_ITEMS);
  insertChild(branch, index, target);
  shrinkLeaf(partition, entryOf(slot));
  return true;
}

/** Bytes of a leaf that is made at an end: it shall take a few of the same size. */
function endLeafBytes(more: u32): u32 {
  return max<u32>(more, min<u32>(more << 2, mostBytes(foundLeaf())));
}

/** Bytes of the first items of the leaf on the way that are half of them or somewhat more; not all of them. */
function halfOf(): u32 {
  const fields = nodeAt(foundLeaf());
  const first = firstIn(foundLeaf());
  let item = first;
  for (let i: u32 = 1; i < <u32>fields.count; i++) {
    item = behindIn(item, fields.shape);
    if (item - first >= <u32>fields.bytes >> 1) break;
  }
  return item - first;
}

/** Items of the leaf on the way before an address. */
function countTo(at: Address): u32 {
  let count: u32 = 0;
  for (let item = firstIn(foundLeaf()); item < at; item = behindIn(item, nodeAt(foundLeaf()).shape)) count += 1;
  return count;
}

/** Elements of a leaf whose value stands outside. */
function countLinks(node: Address): u32 {
  let item = firstIn(node);
  let links: u32 = 0;
  for (let i: u32 = 0; i < <u32>nodeAt(node).count; i++) {
    links += <u32>(linkOf(item, NODE_LIST) != 0);
    item = behindIn(item, NODE_LIST);
  }
  return links;
}

/** Splits a branch on the way, which is full, in half; the one above has room. */
function splitBranch(
  partition: Partition,
  slot: Slot,
  position: u32,
  level: u32,
  thread: u32,
  nowMs: i64,
): bool {
  if (!reserve(partition, branchBytes(MAX_CHILDREN), thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  const branch = branchAt(level);
  const above = branchAt(level - 1);
  const index = indexAt(level - 1);
  const stay = <u32>nodeAt(branch).count >> 1;
  const go = <u32>nodeAt(branch).count - stay;
  const target = takeReserved(partition);
  formatNode(target, NODE_BRANCH, above);
  nodeAt(target).next = nodeAt(branch).next;
  nodeAt(target).count = <u16>go;
  memory.copy(payloadOf(target), childAt(branch, stay), go * CHILD_BYTES);
  for (let i: u32 = 0; i < go; i++) nodeAt(load<u32>(childAt(target, i))).parent = target;
  nodeAt(branch).count = <u16>stay;
  store<u32>(childAt(above, index), countItems(branch), CHILD_ITEMS);
  insertChild(above, index, target);
  return true;
}

