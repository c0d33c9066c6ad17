/*
 * Values that are too long to stand among the items of a body or leaf stand outside, in a chain of nodes of their own.
 * In the item's place of the value is a link, which begins as no msgpack value does:
 *
 *   +0  0xc1
 *   +1  first   u32   the first NODE_OUTSIDE
 *   +5  bytes   u32   of the value
 */
import { copyBytes, equalBytes } from '../bytes';
import { Address } from '../layout';
import { Partition } from '../partition';
import { behindItem, valueOf } from './body';
import { behindElement } from './leaf';
import {
  formatNode,
  isInPages,
  MAX_NODE_PAYLOAD,
  NODE_BYTES,
  NODE_OUTSIDE,
  NODE_TABLE,
  nodeAt,
  onChild,
  payloadOf,
} from './node';
import { reserve, takeReserved } from './reserve';

export const OUTSIDE: u32 = 0xc1;
export const LINK_BYTES: u32 = 9;
const LINK_FIRST: u32 = 1;
const LINK_VALUE_BYTES: u32 = 5;

/** Longer values stand outside: eight to a full node. */
export const MAX_INSIDE: u32 = 1024;

@inline
export function isOutside(value: Address): bool {
  return <u32>load<u8>(value) == OUTSIDE;
}

/** Bytes of a value as it stands in an item. */
@inline
export function placeBytes(valueBytes: u32): u32 {
  return valueBytes > MAX_INSIDE ? LINK_BYTES : valueBytes;
}

/** Bytes of the value that a link leads to. */
@inline
export function linkedBytes(link: Address): u32 {
  return load<u32>(link, LINK_VALUE_BYTES);
}

@inline
export function firstOutside(link: Address): Address {
  return load<u32>(link, LINK_FIRST);
}

/** Reserves the nodes that a value needs. False: out of memory, and nothing is reserved. */
export function reserveOutside(partition: Partition, valueBytes: u32, thread: u32, nowMs: i64): bool {
  for (let left = valueBytes; left > 0; ) {
    const bytes = min<u32>(left, MAX_NODE_PAYLOAD);
    if (!reserve(partition, bytes + NODE_BYTES, thread, nowMs)) return false;
    left -= bytes;
  }
  return true;
}

/**
 * Writes a value into nodes that were reserved for it, and a link to them; `owner` is the chunk that the link is in.
 * The nodes reserved last are for the end of the value, which may be the shortest: so it is written from its end.
 */
export function writeOutside(partition: Partition, link: Address, owner: Address, value: Address, bytes: u32): void {
  let end = bytes;
  let behind: Address = 0;
  while (end > 0) {
    const start = ((end - 1) / MAX_NODE_PAYLOAD) * MAX_NODE_PAYLOAD;
    const node = takeReserved(partition);
    formatNode(node, NODE_OUTSIDE, 0);
    const fields = nodeAt(node);
    fields.bytes = <u16>(end - start);
    fields.next = behind;
    if (behind) nodeAt(behind).parent = node;
    copyBytes(payloadOf(node), value + start, end - start);
    behind = node;
    end = start;
  }
  nodeAt(behind).parent = owner;
  store<u8>(link, <u8>OUTSIDE);
  store<u32>(link, behind, LINK_FIRST);
  store<u32>(link, bytes, LINK_VALUE_BYTES);
}

/** Copies the value that a link leads to; false when it makes no sense, because somebody is writing. */
export function copyOutside(link: Address, bytes: u32, out: Address): bool {
  let node = firstOutside(link);
  while (bytes > 0) {
    if (!isInPages(node)) return false;
    const part = <u32>nodeAt(node).bytes;
    if (part == 0 || part > MAX_NODE_PAYLOAD || part > bytes) return false;
    copyBytes(out, payloadOf(node), part);
    out += part;
    bytes -= part;
    node = nodeAt(node).next;
  }
  return true;
}

/** Whether the value that a link leads to is this. Under the lock. */
export function equalsOutside(link: Address, value: Address, bytes: u32): bool {
  let at = value;
  for (let node = firstOutside(link); at < value + bytes; node = nodeAt(node).next) {
    const part = <u32>nodeAt(node).bytes;
    if (!equalBytes(payloadOf(node), at, part)) return false;
    at += part;
  }
  return true;
}

/**
 * Where the link of an item or element is, or 0: its value stands in it. `shape`: of the node that it is in, NODE_TABLE
 * or NODE_LIST.
 */
@inline
export function linkOf(item: Address, shape: u32): Address {
  let value = item;
  if (shape == NODE_TABLE) {
    value = valueOf(item);
    if (value == behindItem(item)) return 0;
  }
  return isOutside(value) ? value : 0;
}

/** Does something (node.ts) with every value outside of `count` items; of a body, `first` is its beginning. */
export function eachOutside(
  partition: Partition,
  first: Address,
  count: u32,
  shape: u32,
  action: u32,
  from: Address,
  to: Address,
): void {
  let item = shape == NODE_TABLE ? first + count : first;
  for (let i: u32 = 0; i < count; i++) {
    const link = linkOf(item, shape);
    if (link) onChild(partition, link + LINK_FIRST, action, from, to);
    item = shape == NODE_TABLE ? behindItem(item) : behindElement(item);
  }
}
