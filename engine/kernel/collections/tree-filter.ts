/*
 * Taking elements out of a list's tree (tree.ts) by what they are, a leaf at a time: one by one, each would move those
 * behind it and look for its place anew, and LREM of half a million would hold the lock for seconds.
 *
 * Everything here runs under the partition's lock, with the entry pinned.
 */
import { equalBytes } from '../bytes';
import { Address } from '../layout';
import { Partition } from '../partition';
import { entryOf, Slot } from '../table';
import { discard } from './garbage';
import { behindElement, firstIn, valueEndOf } from './leaf';
import { nodeAt } from './node';
import { equalsOutside, firstOutside, isOutside, linkedBytes } from './outside';
import { addBytes, addCount, countOf } from './root';
import { countBelow, findLeaf, foundLeaf, foundNumber } from './tree';
import { dropLeaf, tidyLeaf } from './tree-removal';

/** Whether the value of an element is this msgpack, byte by byte. */
export function isElement(element: Address, value: Address, bytes: u32): bool {
  if (isOutside(element)) return linkedBytes(element) == bytes && equalsOutside(element, value, bytes);
  return valueEndOf(element) - element == bytes && equalBytes(element, value, bytes);
}

/** Takes up to `most` elements with a value out of a tree, from the left or the right end on; how many there were. */
export function removeEqual(
  partition: Partition,
  slot: Slot,
  value: Address,
  bytes: u32,
  most: u32,
  isLeft: bool,
  thread: u32,
): u32 {
  const address = entryOf(slot);
  let removed: u32 = 0;
  // Elements before it have been looked at, or those from it on.
  let place: u32 = isLeft ? 0 : countOf(address);
  while (removed < most && (isLeft ? place < countOf(address) : place > 0)) {
    findLeaf(thread, address, isLeft ? place : place - 1);
    const number = foundNumber();
    const count = <u32>nodeAt(foundLeaf()).count;
    const from = isLeft ? number : 0;
    const to = isLeft ? count : number + 1;
    let stay: u32 = 0;
    if (!isLeft) {
      const equal = countEqual(value, bytes, to);
      if (equal > most - removed) stay = equal - (most - removed);
    }
    const gone = removeFromLeaf(partition, address, value, bytes, from, to, stay, most - removed);
    removed += gone;
    place = isLeft ? place + to - from - gone : place - to;
  }
  return removed;
}

/** How many of the first elements of the leaf on the way have a value. */
function countEqual(value: Address, bytes: u32, count: u32): u32 {
  let equal: u32 = 0;
  let element = firstIn(foundLeaf());
  for (let i: u32 = 0; i < count; i++) {
    equal += <u32>isElement(element, value, bytes);
    element = behindElement(element);
  }
  return equal;
}

/**
 * Takes elements with a value out of the leaf on the way, of those from one number to another, which is not among them:
 * the first `stay` stay, and up to `most` go. How many went.
 */
function removeFromLeaf(
  partition: Partition,
  address: Address,
  value: Address,
  bytes: u32,
  from: u32,
  to: u32,
  stay: u32,
  most: u32,
): u32 {
  const fields = nodeAt(foundLeaf());
  const count = <u32>fields.count;
  let element = firstIn(foundLeaf());
  let target = element;
  let gone: u32 = 0;
  let outside: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const behind = behindElement(element);
    const isEqual = i >= from && i < to && gone < most && isElement(element, value, bytes);
    if (isEqual && stay == 0) {
      if (isOutside(element)) {
        outside += bytes;
        discard(partition, firstOutside(element));
        fields.outside -= 1;
      }
      gone += 1;
    } else {
      stay -= <u32>isEqual;
      if (gone) memory.copy(target, element, behind - element);
      target += behind - element;
    }
    element = behind;
  }
  if (gone == 0) return 0;
  const less = element - target;
  addBytes(partition, address, -<i32>(less + outside));
  addCount(address, -<i32>gone);
  countBelow(-<i32>gone);
  fields.count -= <u16>gone;
  fields.bytes -= <u16>less;
  if (fields.count) tidyLeaf(partition, address);
  else dropLeaf(partition, address);
  return gone;
}
