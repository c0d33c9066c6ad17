/*
 * The order of a list's elements, or of a sorted set's members: as long as they are few, items in the entry (root.ts);
 * else a tree whose ends are leaves, and whose branches count the items below each child. It is a B+ tree in which an
 * item is found by its number; the members of a sorted set by score and member too (order.ts). So both ends of a list
 * are a step or three away, and anything else takes the logarithm of its length.
 *
 * A tree is changed in steps, each of which leaves it a tree: a leaf gets a larger chunk, is split, a branch is split, a
 * branch is put on top. When there is room for the item, it is put in. Where memory ends, the steps that were made
 * stay: they changed nothing that a user could see.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { classOf, giveChunk, takeChunk } from '../slab';
import { entryOf, Slot } from '../table';
import { wayOf } from '../threads';
import { contentOf } from './body';
import { discard } from './garbage';
import { behindIn, closeLeaf, firstIn, itemAt, leafRoom, openLeaf } from './leaf';
import {
  CHILD_BYTES,
  eachOutsideOf,
  formatNode,
  MAX_NODE_PAYLOAD,
  NODE_BRANCH,
  NODE_BYTES,
  NODE_LIST,
  nodeAt,
  ON_MOVE,
  payloadOf,
  replaceNode,
  roomOf,
} from './node';
import { firstOutside, linkedBytes, linkOf } from './outside';
import { reserve, takeReserved } from './reserve';
import { addBytes, addCount, countOf, rootOf, ROOT_TREE } from './root';

/** Children of a branch at the most, so that it fits 2 KiB. */
const MAX_CHILDREN: u32 = 127;
const FIRST_CHILDREN: u32 = 4;
/** Levels of branches: 127 leaves, 16,129, two million, 260 million. */
const MAX_LEVELS: u32 = 8;
/** Leaves of lists are as large as can be: both ends are at hand without walking. */
const MAX_LIST_LEAF: u32 = MAX_NODE_PAYLOAD;
/** Those of sorted sets are walked over from their beginning. */
const MAX_ORDER_LEAF: u32 = 1024 - NODE_BYTES;

/* Offsets in a child. */
export const CHILD_ITEMS: u32 = 4;
export const CHILD_SCORE: u32 = 8;

/*
 * The way to an item: set by `findPlace`, good until something is changed or reserved. The branches on it, from the top
 * down, and which of their children, stand in the thread's block. Not state.
 */
let way: Address = 0;
let levels: u32 = 0;
let leaf: Address = 0;
/** Number of the item in the leaf, and how many bytes from the first one it stands. */
let number: u32 = 0;
let offset: u32 = 0;

@inline
export function foundLeaf(): Address {
  return leaf;
}

@inline
export function foundNumber(): u32 {
  return number;
}

@inline
export function foundItem(): Address {
  return firstIn(leaf) + offset;
}

@inline
function branchAt(level: u32): Address {
  return load<u32>(way + (level << 3));
}

@inline
function indexAt(level: u32): u32 {
  return load<u32>(way + (level << 3), 4);
}

/** Begins a way, which `descend` and `arrive` go on with. The top node. */
@inline
export function setOut(thread: u32, address: Address): Address {
  way = wayOf(thread);
  levels = 0;
  return load<u32>(rootOf(address), ROOT_TREE);
}

/** From a branch to one of its children. */
@inline
export function descend(branch: Address, index: u32): Address {
  store<u32>(way + (levels << 3), branch);
  store<u32>(way + (levels << 3), index, 4);
  levels += 1;
  return load<u32>(childAt(branch, index));
}

/** At an item of a leaf. */
@inline
export function arrive(node: Address, itemNumber: u32, item: Address): void {
  leaf = node;
  number = itemNumber;
  offset = item - firstIn(node);
}

@inline
export function childAt(branch: Address, index: u32): Address {
  return payloadOf(branch) + index * CHILD_BYTES;
}

@inline
export function itemsBelow(child: Address): u32 {
  return load<u32>(child, CHILD_ITEMS);
}

@inline
export function isBranch(node: Address): bool {
  return <u32>nodeAt(node).shape == NODE_BRANCH;
}

/** Finds the way to the item with this number; or, with as many as there are, to the end. */
export function findPlace(thread: u32, address: Address, position: u32): void {
  let node = setOut(thread, address);
  const isEnd = position == countOf(address);
  let left = position;
  while (isBranch(node)) {
    const last = <u32>nodeAt(node).count - 1;
    let index: u32 = isEnd ? last : 0;
    if (!isEnd) {
      while (index < last && left != 0 && left >= itemsBelow(childAt(node, index))) {
        left -= itemsBelow(childAt(node, index));
        index += 1;
      }
    }
    node = descend(node, index);
  }
  const fields = nodeAt(node);
  if (isEnd) left = fields.count;
  arrive(node, left, itemAt(firstIn(node), fields.bytes, fields.count, left, fields.shape));
}

/** Goes on to the next leaf on the way; 0: there is none. */
export function nextLeaf(): Address {
  for (let level = levels; level > 0; level--) {
    const branch = branchAt(level - 1);
    const index = indexAt(level - 1) + 1;
    if (index == <u32>nodeAt(branch).count) continue;
    levels = level - 1;
    let node = descend(branch, index);
    while (isBranch(node)) node = descend(node, 0);
    arrive(node, 0, firstIn(node));
    return node;
  }
  return 0;
}

/** Goes back to the leaf before on the way; 0: there is none. */
export function previousLeaf(): Address {
  for (let level = levels; level > 0; level--) {
    const branch = branchAt(level - 1);
    const index = indexAt(level - 1);
    if (index == 0) continue;
    levels = level - 1;
    let node = descend(branch, index - 1);
    while (isBranch(node)) node = descend(node, <u32>nodeAt(node).count - 1);
    arrive(node, nodeAt(node).count, firstIn(node) + nodeAt(node).bytes);
    return node;
  }
  return 0;
}

/*
 * Putting items in.
 */

/**
 * Makes an item of so many bytes that becomes the one with this number: where it goes, and the caller writes it at once.
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
    const bytes = <u32>nodeAt(leaf).bytes + more;
    if (bytes <= leafRoom(leaf)) break;
    const done = bytes <= mostBytes(leaf) || nodeAt(leaf).count == 0
      ? enlargeLeaf(partition, slot, position, bytes, thread, nowMs)
      : splitStep(partition, slot, position, more, thread, nowMs);
    if (!done) return 0;
  }
  const at = openLeaf(leaf, offset, more);
  nodeAt(leaf).count += 1;
  countBelow(1);
  if (number == 0) setScore(score);
  addBytes(partition, entryOf(slot), more);
  if (<u32>nodeAt(leaf).shape == NODE_LIST) addCount(entryOf(slot), 1);
  return at;
}

@inline
function mostBytes(node: Address): u32 {
  return <u32>nodeAt(node).shape == NODE_LIST ? MAX_LIST_LEAF : MAX_ORDER_LEAF;
}

/** There are so many items more below each branch on the way. */
function countBelow(by: i32): void {
  for (let level: u32 = 0; level < levels; level++) {
    const child = childAt(branchAt(level), indexAt(level));
    store<u32>(child, itemsBelow(child) + by, CHILD_ITEMS);
  }
}

/** The first item of the leaf has another score. */
export function setScore(score: f64): void {
  for (let level = levels; level > 0; level--) {
    store<f64>(childAt(branchAt(level - 1), indexAt(level - 1)), score, CHILD_SCORE);
    if (indexAt(level - 1) != 0) return;
  }
}

/** The word that points to the node on the way at a level; `levels` is the leaf's. */
@inline
function wordAt(address: Address, level: u32): Address {
  return level == 0 ? rootOf(address) + ROOT_TREE : childAt(branchAt(level - 1), indexAt(level - 1));
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
  const spare = <u32>nodeAt(leaf).shape == NODE_LIST ? bytes >> 1 : 0;
  if (!reserve(partition, NODE_BYTES + min<u32>(bytes + spare, mostBytes(leaf)), thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  moveLeaf(partition, entryOf(slot), takeReserved(partition));
  return true;
}

/** Copies the leaf on the way to another chunk, its items to the beginning, or to the end if they grow that way. */
function moveLeaf(partition: Partition, address: Address, target: Address): void {
  const bytes = <u32>nodeAt(leaf).bytes;
  const start: u32 = number == 0 ? leafRoom(target) - bytes : 0;
  memory.copy(target, leaf, NODE_BYTES);
  nodeAt(target).next = start;
  memory.copy(payloadOf(target) + start, firstIn(leaf), bytes);
  replaceNode(partition, wordAt(address, levels), leaf, target);
  leaf = target;
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
  if (levels == 0) return addTop(partition, slot, thread, nowMs);
  let level = levels - 1;
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
  if (levels == MAX_LEVELS || !reserve(partition, branchBytes(FIRST_CHILDREN), thread, nowMs)) return false;
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

/** Describes a node in a child of a branch. */
function setChild(child: Address, node: Address): void {
  store<u32>(child, node);
  store<u32>(child, countItems(node), CHILD_ITEMS);
  store<f64>(child, scoreOf(node), CHILD_SCORE);
}

/** Items in a leaf, or below a branch. */
export function countItems(node: Address): u32 {
  const count = <u32>nodeAt(node).count;
  if (!isBranch(node)) return count;
  let items: u32 = 0;
  for (let i: u32 = 0; i < count; i++) items += itemsBelow(childAt(node, i));
  return items;
}

/** The least score of a node, 0 in lists. */
export function scoreOf(node: Address): f64 {
  if (isBranch(node)) return load<f64>(childAt(node, 0), CHILD_SCORE);
  if (<u32>nodeAt(node).shape == NODE_LIST || nodeAt(node).count == 0) return 0;
  return load<f64>(contentOf(firstIn(node)));
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
  const shape = <u32>nodeAt(leaf).shape;
  const isEnd = number == <u32>nodeAt(leaf).count;
  const isWhole = isEnd || position == 0 || nodeAt(leaf).count == 1;
  const half = isWhole ? 0 : halfOf();
  const bytes = isWhole ? endLeafBytes(shape, more) : <u32>nodeAt(leaf).bytes - half;
  if (!reserve(partition, NODE_BYTES + bytes, thread, nowMs)) return false;
  findPlace(thread, entryOf(slot), position);
  const branch = branchAt(levels - 1);
  const index = <i32>indexAt(levels - 1);
  const target = takeReserved(partition);
  formatNode(target, shape, branch);
  if (isWhole) {
    if (!isEnd) nodeAt(target).next = leafRoom(target);
    insertChild(branch, isEnd ? index : index - 1, target);
    return true;
  }
  const from = nodeAt(leaf);
  const at = firstIn(leaf) + half;
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
function endLeafBytes(shape: u32, more: u32): u32 {
  return max<u32>(more, min<u32>(more << 2, shape == NODE_LIST ? MAX_LIST_LEAF : MAX_ORDER_LEAF));
}

/** Bytes of the first items of the leaf on the way that are half of them or somewhat more; not all of them. */
function halfOf(): u32 {
  const fields = nodeAt(leaf);
  const first = firstIn(leaf);
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
  for (let item = firstIn(leaf); item < at; item = behindIn(item, nodeAt(leaf).shape)) count += 1;
  return count;
}

/** Elements of a leaf whose value stands outside. */
export function countLinks(node: Address): u32 {
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

/*
 * Taking items out.
 */

/** Takes `count` items out of a tree that has them, from the one with this number on. */
export function removeFromTree(partition: Partition, slot: Slot, position: u32, count: u32, thread: u32): void {
  while (count > 0) {
    const address = entryOf(slot);
    findPlace(thread, address, position);
    const fields = nodeAt(leaf);
    const some = min<u32>(count, <u32>fields.count - number);
    const isAll = some == <u32>fields.count;
    const outside = fields.outside ? discardLinks(partition, some) : 0;
    const bytes = isAll ? <u32>fields.bytes : bytesOf(some);
    addBytes(partition, address, -<i32>(bytes + outside));
    if (<u32>fields.shape == NODE_LIST) addCount(address, -<i32>some);
    countBelow(-<i32>some);
    if (isAll) {
      dropLeaf(partition, address);
    } else {
      closeLeaf(leaf, offset, bytes);
      fields.count -= <u16>some;
      if (number == 0) setScore(scoreOf(leaf));
      tidyLeaf(partition, address);
    }
    count -= some;
  }
}

/** Bytes of so many items from the one on the way on. */
function bytesOf(count: u32): u32 {
  const first = foundItem();
  let item = first;
  for (let i: u32 = 0; i < count; i++) item = behindIn(item, nodeAt(leaf).shape);
  return item - first;
}

/** Discards what so many items from the one on the way on have outside; the bytes of that. */
function discardLinks(partition: Partition, count: u32): u32 {
  let bytes: u32 = 0;
  let item = foundItem();
  for (let i: u32 = 0; i < count; i++) {
    const link = linkOf(item, NODE_LIST);
    if (link) {
      bytes += linkedBytes(link);
      discard(partition, firstOutside(link));
      nodeAt(leaf).outside -= 1;
    }
    item = behindIn(item, NODE_LIST);
  }
  return bytes;
}

/** Takes the leaf on the way out of the tree, and branches that have no child then. */
function dropLeaf(partition: Partition, address: Address): void {
  let node = leaf;
  let level = levels;
  for (;;) {
    giveChunk(partition, node);
    if (level == 0) {
      store<u32>(rootOf(address), 0, ROOT_TREE);
      return;
    }
    level -= 1;
    node = branchAt(level);
    if (<u32>nodeAt(node).count > 1) break;
  }
  levels = level;
  removeChild(node, indexAt(level));
  dropTops(partition, address);
}

/** Takes a child out of the branch at the end of the way; others stay. */
function removeChild(branch: Address, index: u32): void {
  const fields = nodeAt(branch);
  const at = childAt(branch, index);
  fields.count -= 1;
  memory.copy(at, at + CHILD_BYTES, childAt(branch, fields.count) - at);
  if (index == 0) setScore(load<f64>(childAt(branch, 0), CHILD_SCORE));
}

/** Removes branches on top that have one child only. */
function dropTops(partition: Partition, address: Address): void {
  const word = rootOf(address) + ROOT_TREE;
  let top = load<u32>(word);
  while (isBranch(top) && nodeAt(top).count == 1) {
    const below = load<u32>(childAt(top, 0));
    nodeAt(below).parent = address;
    store<u32>(word, below);
    giveChunk(partition, top);
    top = below;
  }
}

/** After items went from the leaf on the way: it is joined with a neighbour, or moved to a smaller chunk, if it is small. */
function tidyLeaf(partition: Partition, address: Address): void {
  if (levels > 0 && <u32>nodeAt(leaf).bytes < mostBytes(leaf) >> 2) {
    const branch = branchAt(levels - 1);
    const index = indexAt(levels - 1);
    if (index + 1 < <u32>nodeAt(branch).count && join(partition, branch, index)) return dropTops(partition, address);
    if (index > 0 && join(partition, branch, index - 1)) return dropTops(partition, address);
  }
  shrinkLeaf(partition, address);
}

/** Joins the leaves at `index` and behind it if that makes one of half the size; false: not. */
function join(partition: Partition, branch: Address, index: u32): bool {
  const one = load<u32>(childAt(branch, index));
  const other = load<u32>(childAt(branch, index + 1));
  const bytes = <u32>nodeAt(one).bytes;
  const otherBytes = <u32>nodeAt(other).bytes;
  if (bytes + otherBytes > mostBytes(one) >> 1) return false;
  const target = takeChunk(partition, classOf(NODE_BYTES + bytes + otherBytes));
  if (target == 0) return false;
  formatNode(target, nodeAt(one).shape, branch);
  const fields = nodeAt(target);
  fields.count = nodeAt(one).count + nodeAt(other).count;
  fields.bytes = <u16>(bytes + otherBytes);
  fields.outside = nodeAt(one).outside + nodeAt(other).outside;
  memory.copy(payloadOf(target), firstIn(one), bytes);
  memory.copy(payloadOf(target) + bytes, firstIn(other), otherBytes);
  eachOutsideOf(partition, target, ON_MOVE, 0, target);
  levels -= 1;
  removeChild(branch, index + 1);
  setChild(childAt(branch, index), target);
  giveChunk(partition, one);
  giveChunk(partition, other);
  return true;
}

/** Moves the leaf on the way to a smaller chunk if it takes less than half of its own, and there is one at hand. */
function shrinkLeaf(partition: Partition, address: Address): void {
  const bytes = NODE_BYTES + <u32>nodeAt(leaf).bytes;
  if (bytes << 1 >= roomOf(leaf)) return;
  const target = takeChunk(partition, classOf(bytes));
  if (target) moveLeaf(partition, address, target);
}
