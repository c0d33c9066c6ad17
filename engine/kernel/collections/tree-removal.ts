/*
 * Taking items out of a tree (tree.ts). Leaves that become small are joined with a neighbour, branches that have no
 * child go. Nothing here needs memory that could not be done without.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { classOf, giveChunk, takeChunk } from '../slab';
import { entryOf, Slot } from '../table';
import { discard } from './garbage';
import { behindIn, closeLeaf, firstIn } from './leaf';
import { CHILD_BYTES, eachOutsideOf, formatNode, NODE_BYTES, NODE_LIST, nodeAt, ON_MOVE, payloadOf } from './node';
import { firstOutside, linkedBytes, linkOf } from './outside';
import { addBytes, addTreeCount, ROOT_TREE, rootOf } from './root';
import {
  branchAt,
  CHILD_SCORE,
  childAt,
  countBelow,
  endWayAt,
  findPlace,
  foundItem,
  foundLeaf,
  foundNumber,
  foundOffset,
  indexAt,
  isBranch,
  levelsOnWay,
  mostBytes,
  scoreOf,
  setChild,
  setScore,
  shrinkLeaf,
} from './tree';

/** Takes `count` items out of a tree that has them, from the one with this number on. */
export function removeFromTree(partition: Partition, slot: Slot, position: u32, count: u32, thread: u32): void {
  while (count > 0) {
    const address = entryOf(slot);
    findPlace(thread, address, position);
    const some = min<u32>(count, <u32>nodeAt(foundLeaf()).count - foundNumber());
    removeOnWay(partition, address, some);
    count -= some;
  }
}

/** Takes so many items out of the leaf on the way, which has them, from the one that it leads to on. */
export function removeOnWay(partition: Partition, address: Address, count: u32): void {
  const fields = nodeAt(foundLeaf());
  const isAll = count == <u32>fields.count;
  const outside = fields.outside ? discardLinks(partition, count) : 0;
  const bytes = isAll ? <u32>fields.bytes : bytesOf(count);
  addBytes(partition, address, -<i32>(bytes + outside));
  addTreeCount(address, -<i32>count);
  countBelow(-<i32>count);
  if (isAll) return dropLeaf(partition, address);
  closeLeaf(foundLeaf(), foundOffset(), bytes);
  fields.count -= <u16>count;
  if (foundNumber() == 0) setScore(scoreOf(foundLeaf()));
  tidyLeaf(partition, address);
}

/** Bytes of so many items from the one on the way on. */
function bytesOf(count: u32): u32 {
  const first = foundItem();
  let item = first;
  for (let i: u32 = 0; i < count; i++) item = behindIn(item, nodeAt(foundLeaf()).shape);
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
      nodeAt(foundLeaf()).outside -= 1;
    }
    item = behindIn(item, NODE_LIST);
  }
  return bytes;
}

/** Takes the leaf on the way out of the tree, and branches that have no child then. */
export function dropLeaf(partition: Partition, address: Address): void {
  let node = foundLeaf();
  let level = levelsOnWay();
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
  endWayAt(level);
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
export function dropTops(partition: Partition, address: Address): void {
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

/**
 * After items went from the leaf on the way: it is joined with a neighbour, or moved to a smaller chunk, if it is
 * small.
 */
export function tidyLeaf(partition: Partition, address: Address): void {
  if (levelsOnWay() > 0 && <u32>nodeAt(foundLeaf()).bytes < mostBytes(foundLeaf()) >> 2) {
    const branch = branchAt(levelsOnWay() - 1);
    const index = indexAt(levelsOnWay() - 1);
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
  endWayAt(levelsOnWay() - 1);
  removeChild(branch, index + 1);
  setChild(childAt(branch, index), target);
  giveChunk(partition, one);
  giveChunk(partition, other);
  return true;
}

