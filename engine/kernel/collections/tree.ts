/*
 * The order of a list's elements, or of a sorted set's members: as long as they are few, items in the entry (root.ts);
 * else a tree whose ends are leaves, and whose branches count the items below each child. It is a B+ tree in which an
 * item is found by its number; the members of a sorted set by score and member too (order.ts), and so are the fields of
 * a large hash that expire (expiring.ts). So both ends of a list
 * are a step or three away, and anything else takes the logarithm of its length.
 *
 * A tree is changed in steps, each of which leaves it a tree: a leaf gets a larger chunk, is split, a branch is split,
 * a branch is put on top. When there is room for the item, it is put in. Where memory ends, the steps that were made
 * stay: they changed nothing that a user could see.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { classOf, takeChunk } from '../slab';
import { wayOf } from '../threads';
import { contentOf } from './body';
import { firstIn, itemAt, leafRoom } from './leaf';
import {
  CHILD_BYTES,
  MAX_NODE_PAYLOAD,
  NODE_BRANCH,
  NODE_BYTES,
  NODE_LIST,
  nodeAt,
  payloadOf,
  replaceNode,
  roomOf,
} from './node';
import { ROOT_TREE, rootOf, treeCountOf } from './root';

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

/** Branches on the way. */
@inline
export function levelsOnWay(): u32 {
  return levels;
}

/** Lets the way end at a branch above its leaf. */
@inline
export function endWayAt(level: u32): void {
  levels = level;
}

@inline
export function foundLeaf(): Address {
  return leaf;
}

@inline
export function foundNumber(): u32 {
  return number;
}

/** Bytes of the leaf's items before the one that was found. */
@inline
export function foundOffset(): u32 {
  return offset;
}

@inline
export function foundItem(): Address {
  return firstIn(leaf) + offset;
}

@inline
export function branchAt(level: u32): Address {
  return load<u32>(way + (level << 3));
}

@inline
export function indexAt(level: u32): u32 {
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
  const isEnd = position == treeCountOf(address);
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

/** The way to the leaf of an item that is there, past leaves that were left empty when memory ended. */
export function findLeaf(thread: u32, address: Address, position: u32): void {
  findPlace(thread, address, position);
  while (nodeAt(leaf).count == 0) nextLeaf();
}

/** The number of the item that the way leads to. */
export function placeOfWay(): u32 {
  let place = number;
  for (let level: u32 = 0; level < levels; level++) {
    const branch = branchAt(level);
    for (let i = indexAt(level); i > 0; i--) place += itemsBelow(childAt(branch, i - 1));
  }
  return place;
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
 * What growth and removal have in common.
 */

@inline
export function mostBytes(node: Address): u32 {
  return <u32>nodeAt(node).shape == NODE_LIST ? MAX_LIST_LEAF : MAX_ORDER_LEAF;
}

/** There are so many items more below each branch on the way. */
export function countBelow(by: i32): void {
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
export function wordAt(address: Address, level: u32): Address {
  return level == 0 ? rootOf(address) + ROOT_TREE : childAt(branchAt(level - 1), indexAt(level - 1));
}

/** Describes a node in a child of a branch. */
export function setChild(child: Address, node: Address): void {
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

/** Copies the leaf on the way to another chunk, its items to the beginning, or to the end if they grow that way. */
export function moveLeaf(partition: Partition, address: Address, target: Address): void {
  const bytes = <u32>nodeAt(leaf).bytes;
  const start: u32 = number == 0 ? leafRoom(target) - bytes : 0;
  memory.copy(target, leaf, NODE_BYTES);
  nodeAt(target).next = start;
  memory.copy(payloadOf(target) + start, firstIn(leaf), bytes);
  replaceNode(partition, wordAt(address, levels), leaf, target);
  leaf = target;
}

/** Moves the leaf on the way to a smaller chunk if it takes less than half of its own, and there is one at hand. */
export function shrinkLeaf(partition: Partition, address: Address): void {
  const bytes = NODE_BYTES + <u32>nodeAt(leaf).bytes;
  if (bytes << 1 >= roomOf(leaf)) return;
  const target = takeChunk(partition, classOf(bytes));
  if (target) moveLeaf(partition, address, target);
}
