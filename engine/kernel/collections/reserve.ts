/*
 * Memory for a change is reserved before the change is made: reserving may evict entries and move chunks, of this very
 * collection too, and may fail. So a change goes:
 *
 *   look      what is it that has to be changed, and which chunks does it take?
 *   reserve   these; now everything may lie elsewhere, but nothing of the collection is another
 *   look      again, for the addresses
 *   change    with the chunks reserved; nothing can fail any more
 *
 * The entry itself is pinned meanwhile, so it stays where it is. What is reserved are nodes in the list that begins at
 * the partition's field `spareNode` (node.ts); the one reserved last is taken first.
 *
 * Everything here runs under the partition's lock.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { allocate } from '../room';
import { classOf, giveChunk } from '../slab';
import { formatNode, LISTED, listedBehind, NODE_SPARE, nodeAt, roomOf, setListedBehind } from './node';

/** Reserves a chunk for a node of so many bytes, head and all. False: out of memory, and nothing is reserved. */
export function reserve(partition: Partition, bytes: u32, thread: u32, nowMs: i64): bool {
  const node = allocate(partition, classOf(bytes), thread, nowMs);
  if (node == 0) {
    dropReserved(partition);
    return false;
  }
  const first = partition.spareNode;
  formatNode(node, NODE_SPARE | LISTED, 0);
  setListedBehind(node, first);
  if (first) nodeAt(first).parent = node;
  partition.spareNode = node;
  return true;
}

/** The chunk that was reserved last, for the caller to format. */
@inline
export function takeReserved(partition: Partition): Address {
  const node = partition.spareNode;
  const behind = listedBehind(node);
  partition.spareNode = behind;
  if (behind) nodeAt(behind).parent = 0;
  return node;
}

/** The smallest of the reserved chunks that holds a node of so many bytes. There is one. */
export function takeFitting(partition: Partition, bytes: u32): Address {
  let best: Address = 0;
  for (let node = partition.spareNode; node; node = listedBehind(node)) {
    if (roomOf(node) >= bytes && (best == 0 || roomOf(node) < roomOf(best))) best = node;
  }
  const before = nodeAt(best).parent;
  const behind = listedBehind(best);
  if (before) setListedBehind(before, behind);
  else partition.spareNode = behind;
  if (behind) nodeAt(behind).parent = before;
  return best;
}

/** Gives back what is reserved. */
export function dropReserved(partition: Partition): void {
  while (partition.spareNode) giveChunk(partition, takeReserved(partition));
}
