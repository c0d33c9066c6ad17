/*
 * The items of a list or sorted set by number, packed or in a tree: what commands work with. Everything here runs under
 * the partition's lock; what changes something, with the entry pinned.
 */
import { entryAt } from '../entry';
import { Address } from '../layout';
import { Partition } from '../partition';
import { entryOf, Slot } from '../table';
import { fitEntry, shrinkEntry } from './fit';
import { behindIn, elementBefore, firstIn, itemAt } from './leaf';
import { formatNode, NODE_BYTES, NODE_LIST, NODE_ORDER, nodeAt, payloadOf, shapeOfKind } from './node';
import { reserve, takeReserved } from './reserve';
import {
  addBytes,
  addPackedCount,
  countOf,
  isRooted,
  PACKED_HEAD,
  packedBody,
  packedBytes,
  packedCount,
  ROOT_BYTES,
  ROOT_TREE,
  rootOf,
} from './root';
import { makeRoot, mayStayPacked } from './table';
import { findPlace, foundItem, foundLeaf, foundNumber, nextLeaf, previousLeaf } from './tree';
import { cutTree } from './tree-cut';
import { addToTree } from './tree-growth';
import { removeFromTree } from './tree-removal';

/* Where a walk over items stands. Not state. */
let item: Address = 0;
let left: u32 = 0;
let shape: u32 = 0;
let isTree: bool = false;

/** Begins a walk at the item with this number. */
export function startAt(address: Address, position: u32, thread: u32): void {
  shape = shapeOfKind(entryAt(address).kind);
  isTree = isRooted(address);
  if (isTree) {
    findPlace(thread, address, position);
    item = foundItem();
    left = <u32>nodeAt(foundLeaf()).count - foundNumber();
  } else {
    const count = packedCount(address);
    item = itemAt(packedBody(address), packedBytes(address), count, position, shape);
    left = count - position;
  }
}

/** The item that the walk stands at, which then goes on; 0: that was all. */
export function takeNext(): Address {
  if (left == 0) {
    if (!isTree) return 0;
    const leaf = nextLeaf();
    if (leaf == 0) return 0;
    item = firstIn(leaf);
    left = nodeAt(leaf).count;
  }
  const taken = item;
  item = behindIn(taken, shape);
  left -= 1;
  return taken;
}

/** Begins a walk over the elements of a list, from the one before this number backwards. */
export function startBefore(address: Address, position: u32, thread: u32): void {
  isTree = isRooted(address);
  if (isTree) {
    findPlace(thread, address, position);
    item = foundItem();
    left = foundNumber();
  } else {
    const count = packedCount(address);
    item = itemAt(packedBody(address), packedBytes(address), count, position, NODE_LIST);
    left = position;
  }
}

/** The element before; 0: that was all. */
export function takePrevious(): Address {
  if (left == 0) {
    if (!isTree) return 0;
    const leaf = previousLeaf();
    if (leaf == 0) return 0;
    item = foundItem();
    left = nodeAt(leaf).count;
  }
  item = elementBefore(item);
  left -= 1;
  return item;
}

/** Bytes that `startBackwards` needs: the addresses of the items of a leaf of a sorted set, or of a packed one. */
export const BACKWARDS_BYTES: u32 = 4096;

/** Where those are. Not state. */
let row: Address = 0;

/** Begins a walk over a sorted set, from the item before this number backwards; `memory` for BACKWARDS_BYTES. */
export function startBackwards(address: Address, position: u32, memory: Address, thread: u32): void {
  row = memory;
  isTree = isRooted(address);
  if (isTree) {
    findPlace(thread, address, position);
    fillRow(firstIn(foundLeaf()), foundNumber());
  } else {
    fillRow(packedBody(address), position);
  }
}

/** Items can only be walked over forwards. */
function fillRow(first: Address, count: u32): void {
  left = count;
  item = first;
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(row + (i << 2), item);
    item = behindIn(item, NODE_ORDER);
  }
}

/** The item before; 0: that was all. */
export function takeBackwards(): Address {
  if (left == 0) {
    if (!isTree) return 0;
    const leaf = previousLeaf();
    if (leaf == 0) return 0;
    fillRow(firstIn(leaf), nodeAt(leaf).count);
  }
  left -= 1;
  return load<u32>(row + (left << 2));
}

/** The item with this number, which is there. */
export function itemOf(address: Address, position: u32, thread: u32): Address {
  startAt(address, position, thread);
  return item;
}

/**
 * Prepares the addition of an element of so many bytes: a tree where it cannot be packed. `isLong`: its value stands
 * outside. False: out of memory, nothing has changed.
 */
export function prepareElement(
  partition: Partition,
  slot: Slot,
  bytes: u32,
  isLong: bool,
  thread: u32,
  nowMs: i64,
): bool {
  if (isRooted(entryOf(slot)) || (!isLong && mayStayPacked(entryOf(slot), 1, bytes))) return true;
  return makeTree(partition, slot, thread, nowMs);
}

/**
 * Makes an element of so many bytes, all in all, that becomes the one with this number, after `prepareElement`: where
 * it goes, and the caller writes it at once. 0: out of memory, nothing has changed.
 */
export function addElement(
  partition: Partition,
  slot: Slot,
  position: u32,
  bytes: u32,
  thread: u32,
  nowMs: i64,
): Address {
  if (!isRooted(entryOf(slot))) return addPackedItem(partition, slot, position, bytes, thread, nowMs);
  return addToTree(partition, slot, position, bytes, 0, thread, nowMs);
}

/** The same in a packed collection that stays so. */
export function addPackedItem(
  partition: Partition,
  slot: Slot,
  position: u32,
  bytes: u32,
  thread: u32,
  nowMs: i64,
): Address {
  const before = packedBytes(entryOf(slot));
  const address = fitEntry(partition, slot, PACKED_HEAD + before + bytes, thread, nowMs);
  if (address == 0) return 0;
  const body = packedBody(address);
  const shapeHere = shapeOfKind(entryAt(address).kind);
  const at = itemAt(body, before, packedCount(address), position, shapeHere);
  memory.copy(at + bytes, at, body + before - at);
  addBytes(partition, address, bytes);
  addPackedCount(address, 1);
  return at;
}

/** Lets a packed list have a tree, of one leaf. False: out of memory. */
function makeTree(partition: Partition, slot: Slot, thread: u32, nowMs: i64): bool {
  const bytes = packedBytes(entryOf(slot));
  if (!fitEntry(partition, slot, max<u32>(PACKED_HEAD + bytes, ROOT_BYTES), thread, nowMs)) return false;
  if (!reserve(partition, NODE_BYTES + max<u32>(bytes, 1), thread, nowMs)) return false;
  const address = entryOf(slot);
  const leaf = unpackLeaf(partition, address);
  makeRoot(partition, address, bytes);
  store<u32>(rootOf(address), leaf, ROOT_TREE);
  shrinkEntry(partition, slot);
  return true;
}

/** The items of a packed list or sorted set as a leaf, in the chunk that was reserved last. */
export function unpackLeaf(partition: Partition, address: Address): Address {
  const leaf = takeReserved(partition);
  const bytes = packedBytes(address);
  formatNode(leaf, shapeOfKind(entryAt(address).kind), address);
  nodeAt(leaf).count = <u16>packedCount(address);
  nodeAt(leaf).bytes = <u16>bytes;
  memory.copy(payloadOf(leaf), packedBody(address), bytes);
  return leaf;
}

/**
 * Takes so many items out, from the one with this number on; they are there. Of a sorted set with a root, of its tree.
 */
export function removeItems(partition: Partition, slot: Slot, position: u32, count: u32, thread: u32): void {
  const address = entryOf(slot);
  if (isRooted(address)) {
    removeFromTree(partition, slot, position, count, thread);
    return;
  }
  const body = packedBody(address);
  const bytes = packedBytes(address);
  const here = shapeOfKind(entryAt(address).kind);
  const from = itemAt(body, bytes, packedCount(address), position, here);
  const to = itemAt(from, body + bytes - from, packedCount(address) - position, count, here);
  memory.copy(from, to, body + bytes - to);
  addBytes(partition, address, -<i32>(to - from));
  addPackedCount(address, -<i32>count);
}

/** Takes all elements of a list out but `count`, one at least, from the one with this number on. */
export function keepItems(partition: Partition, slot: Slot, position: u32, count: u32, thread: u32): void {
  const address = entryOf(slot);
  if (isRooted(address)) return cutTree(partition, slot, position, count, thread);
  const end = position + count;
  if (end < countOf(address)) removeItems(partition, slot, end, countOf(address) - end, thread);
  if (position) removeItems(partition, slot, 0, position, thread);
}
