/*
 * Garbage: nodes of collections that are no more. A collection of a million members is some sixty thousand nodes, and
 * freeing them takes ten milliseconds; so whoever removes it frees a few, and the rest is freed in steps, by upkeep, or
 * by whoever needs memory.
 *
 * A discarded node is LISTED (node.ts), the partition's field `garbage` being the first one. What is below it is not
 * touched until it is its turn: a step discards its last child, or frees it when it has none. Nodes that are not
 * garbage yet may only be reached through garbage; their parents are right as ever, so all of them can be moved.
 *
 * Everything here runs under the partition's lock.
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { giveChunk } from '../slab';
import {
  CHILD_BYTES,
  eachOutsideOf,
  LISTED,
  listedBehind,
  NODE_BRANCH,
  NODE_DIRECTORY,
  NODE_OUTSIDE,
  NODE_TABLE,
  nodeAt,
  ON_DISCARD,
  payloadOf,
  setListedBehind,
  shapeOf,
} from './node';

/** Nodes that are freed at once, by whoever makes them garbage: some ten microseconds. */
const FREED_AT_ONCE: u32 = 128;

/** Makes a node, and all that is below it, garbage. Whoever pointed to it does not any more. */
export function discard(partition: Partition, node: Address): void {
  eachOutsideOf(partition, node, ON_DISCARD, 0, 0);
  const first = partition.garbage;
  const fields = nodeAt(node);
  fields.shape |= <u8>LISTED;
  fields.parent = 0;
  setListedBehind(node, first);
  if (first) nodeAt(first).parent = node;
  partition.garbage = node;
}

/** Frees about `limit` nodes of garbage; how many there were. Less than `limit`: there are no more. */
export function freeGarbage(partition: Partition, limit: u32): u32 {
  let done: u32 = 0;
  for (; done < limit && partition.garbage != 0; done++) freeStep(partition);
  return done;
}

/** Frees some of what was just discarded: all of it, if it is not much. */
@inline
export function freeSoon(partition: Partition): void {
  if (partition.garbage) freeGarbage(partition, FREED_AT_ONCE);
}

function freeStep(partition: Partition): void {
  const node = partition.garbage;
  const fields = nodeAt(node);
  const shape = shapeOf(node);
  if (shape == NODE_DIRECTORY || shape == NODE_BRANCH) {
    while (fields.count) {
      fields.count -= 1;
      const step: u32 = shape == NODE_DIRECTORY ? 4 : CHILD_BYTES;
      const child = load<u32>(payloadOf(node) + <u32>fields.count * step);
      if (child) return discard(partition, child);
    }
  }
  const next = shape == NODE_TABLE || shape == NODE_OUTSIDE ? fields.next : 0;
  const behind = listedBehind(node);
  partition.garbage = behind;
  if (behind) nodeAt(behind).parent = 0;
  giveChunk(partition, node);
  if (next) discard(partition, next);
}
