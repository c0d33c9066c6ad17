/*
 * Leaves: runs of items in order, the ends of a tree (tree.ts). A packed list or sorted set is one.
 *
 * Item of a list, an element:                    Item of a sorted set:
 *   value   msgpack, or a link (outside.ts)        length  as of an item of a body (body.ts)
 *   bytes   of the value, to be read backwards:    score   f64
 *           below 128 in a byte, else two          member  msgpack (member.ts)
 *
 * Elements are read from both ends. The bytes behind are listpack's idea (Redis), as is the packed form of lists.
 *
 * In a node the items may begin anywhere (`next` in its head), so that both ends can grow without moving the others.
 */
import { Address } from '../layout';
import { skipValue } from '../msgpack';
import { behindItem } from './body';
import { NODE_BYTES, NODE_LIST, nodeAt, payloadOf, roomOf } from './node';
import { LINK_BYTES, OUTSIDE } from './outside';

/** Bytes behind an element of so many. */
@inline
function backBytes(bytes: u32): u32 {
  return bytes < 0x80 ? 1 : 2;
}

/** Bytes of an element whose value takes so many. */
@inline
export function elementBytes(valueBytes: u32): u32 {
  return valueBytes + backBytes(valueBytes);
}

/** Writes what stands behind an element's value of so many bytes. */
@inline
export function endElement(valueEnd: Address, bytes: u32): void {
  if (bytes < 0x80) {
    store<u8>(valueEnd, <u8>bytes);
  } else {
    store<u8>(valueEnd, <u8>(bytes >> 7));
    store<u8>(valueEnd, <u8>(0x80 | (bytes & 0x7f)), 1);
  }
}

/** The address behind the value of an element, or behind its link. */
@inline
export function valueEndOf(element: Address): Address {
  const byte = <u32>load<u8>(element);
  if (byte == OUTSIDE) return element + LINK_BYTES;
  // What elements mostly are: short texts and small numbers.
  if (byte >= 0xa0 && byte < 0xc0) return element + 1 + (byte & 31);
  if (byte < 0x80) return element + 1;
  return skipValue(element, u32.MAX_VALUE);
}

/** The address behind an element. */
@inline
export function behindElement(element: Address): Address {
  const end = valueEndOf(element);
  return end + backBytes(end - element);
}

/** The element that ends at `end`. */
@inline
export function elementBefore(end: Address): Address {
  const byte = <u32>load<u8>(end - 1);
  if (byte < 0x80) return end - 1 - byte;
  return end - 2 - ((byte & 0x7f) | (<u32>load<u8>(end - 2) << 7));
}

/** The address behind an item of a leaf of either sort. */
@inline
export function behindIn(item: Address, shape: u32): Address {
  return shape == NODE_LIST ? behindElement(item) : behindItem(item);
}

/** The item with this number, or with as many as there are, the end. `first` is number 0. */
export function itemAt(first: Address, bytes: u32, count: u32, number: u32, shape: u32): Address {
  if (shape == NODE_LIST && number << 1 > count) {
    let item = first + bytes;
    for (let i = count; i > number; i--) item = elementBefore(item);
    return item;
  }
  let item = first;
  for (let i: u32 = 0; i < number; i++) item = behindIn(item, shape);
  return item;
}

/** The first item of a leaf. */
@inline
export function firstIn(leaf: Address): Address {
  return payloadOf(leaf) + nodeAt(leaf).next;
}

/** Bytes of items that a leaf's chunk has room for. */
@inline
export function leafRoom(leaf: Address): u32 {
  return roomOf(leaf) - NODE_BYTES;
}

/** Makes room for `more` bytes before the item that is `offset` bytes into a leaf, which has them; where. */
export function openLeaf(leaf: Address, offset: u32, more: u32): Address {
  const fields = nodeAt(leaf);
  const bytes = <u32>fields.bytes;
  const room = leafRoom(leaf);
  let start = fields.next;
  if (offset == 0) {
    if (start < more) {
      // To the end of the chunk, for others that come before.
      memory.copy(payloadOf(leaf) + room - bytes, payloadOf(leaf) + start, bytes);
      start = room - bytes;
    }
    start -= more;
  } else {
    if (start + bytes + more > room) {
      memory.copy(payloadOf(leaf), payloadOf(leaf) + start, bytes);
      start = 0;
    }
    const at = payloadOf(leaf) + start + offset;
    memory.copy(at + more, at, bytes - offset);
  }
  fields.next = start;
  fields.bytes = <u16>(bytes + more);
  return payloadOf(leaf) + start + offset;
}

/** Takes `less` bytes, `offset` bytes into a leaf, out of it. */
export function closeLeaf(leaf: Address, offset: u32, less: u32): void {
  const fields = nodeAt(leaf);
  if (offset == 0) {
    fields.next += less;
  } else {
    const at = firstIn(leaf) + offset;
    memory.copy(at, at + less, <u32>fields.bytes - offset - less);
  }
  fields.bytes -= <u16>less;
}
