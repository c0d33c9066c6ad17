/*
 * Cutting a list's tree (tree.ts) down to a part of it. Leaf by leaf, trimming a million long elements to ten would
 * hold the lock for tens of milliseconds. So whole branches become garbage (garbage.ts), and of the leaves only those
 * that stay, or those that go, are looked at, whichever are fewer: for the bytes of a collection are counted.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { classOf, takeChunk } from '../slab';
import { entryOf, Slot } from '../table';
import { discard } from './garbage';
import { behindElement, firstIn } from './leaf';
import { CHILD_BYTES, formatNode, NODE_BRANCH, NODE_BYTES, NODE_LIST, nodeAt, payloadOf } from './node';
import { linkedBytes, linkOf } from './outside';
import { addBytes, addCount, countOf, ROOT_ITEMS, rootOf } from './root';
import {
  branchAt,
  childAt,
  findLeaf,
  findPlace,
  foundLeaf,
  foundNumber,
  indexAt,
  levelsOnWay,
  nextLeaf,
  setChild,
} from './tree';
import { dropTops, removeFromTree } from './tree-removal';

/** Takes all elements out of a list's tree but `count`, one at least, from the one with this number on. */
export function cutTree(partition: Partition, slot: Slot, position: u32, count: u32, thread: u32): void {
  const address = entryOf(slot);
  const length = countOf(address);
  findLeaf(thread, address, position + count - 1);
  const end = position + count - 1 - foundNumber() + <u32>nodeAt(foundLeaf()).count;
  findLeaf(thread, address, position);
  const begin = position - foundNumber();
  const goes = begin + (length - end);
  if (goes) {
    const areFew = goes < end - begin;
    let less = areFew ? bytesOfLeaves(thread, address, 0, begin) + bytesOfLeaves(thread, address, end, length) : 0;
    if (end < length) cutSide(partition, thread, address, end - 1, false);
    if (begin) cutSide(partition, thread, address, begin, true);
    addCount(address, -<i32>goes);
    dropTops(partition, address);
    if (!areFew) less = load<u32>(rootOf(address), ROOT_ITEMS) - bytesOfLeaves(thread, address, 0, end - begin);
    addBytes(partition, address, -<i32>less);
  }
  if (position + count < end) removeFromTree(partition, slot, position + count - begin, end - position - count, thread);
  if (position > begin) removeFromTree(partition, slot, 0, position - begin, thread);
}

/** Bytes of the leaves from the one that begins with an element to that before another one, with what is outside. */
function bytesOfLeaves(thread: u32, address: Address, from: u32, to: u32): u32 {
  if (from == to) return 0;
  let bytes: u32 = 0;
  let left = to - from;
  findPlace(thread, address, from);
  for (let leaf = foundLeaf(); leaf != 0 && left != 0; leaf = left ? nextLeaf() : 0) {
    const fields = nodeAt(leaf);
    bytes += fields.bytes;
    if (fields.outside) bytes += bytesOutside(leaf);
    left -= fields.count;
  }
  return bytes;
}

function bytesOutside(leaf: Address): u32 {
  let bytes: u32 = 0;
  let element = firstIn(leaf);
  for (let i: u32 = nodeAt(leaf).count; i > 0; i--) {
    const link = linkOf(element, NODE_LIST);
    if (link) bytes += linkedBytes(link);
    element = behindElement(element);
  }
  return bytes;
}

/** Discards all that comes before the leaf with an element, or behind it. */
function cutSide(partition: Partition, thread: u32, address: Address, position: u32, isBefore: bool): void {
  findLeaf(thread, address, position);
  let below = foundLeaf();
  for (let level = levelsOnWay(); level > 0; level--) {
    const branch = branchAt(level - 1);
    const index = indexAt(level - 1);
    if (isBefore) discardChildren(partition, branch, 0, index);
    else discardChildren(partition, branch, index + 1, nodeAt(branch).count);
    setChild(childAt(branch, isBefore ? 0 : index), below);
    below = branch;
  }
}

/** Takes a branch's children from one number to another, which is not among them, out of it, and discards them. */
function discardChildren(partition: Partition, branch: Address, from: u32, to: u32): void {
  if (from == to) return;
  const fields = nodeAt(branch);
  const at = childAt(branch, from);
  const bytes = (to - from) * CHILD_BYTES;
  // As one branch: what is below it is looked at only when it is freed, also the values outside of leaves.
  const whole = takeChunk(partition, classOf(NODE_BYTES + bytes));
  if (whole) {
    formatNode(whole, NODE_BRANCH, 0);
    nodeAt(whole).next = fields.next;
    nodeAt(whole).count = <u16>(to - from);
    memory.copy(payloadOf(whole), at, bytes);
  }
  for (let child = at; child < at + bytes; child += CHILD_BYTES) {
    if (whole) nodeAt(load<u32>(child)).parent = whole;
    else discard(partition, load<u32>(child));
  }
  if (whole) discard(partition, whole);
  memory.copy(at, at + bytes, childAt(branch, fields.count) - at - bytes);
  fields.count -= <u16>(to - from);
}
