/*
 * Where the value of an entry stands, that of a collection looks thus:
 *
 * packed   +0  count   u16   items; none of them has its value outside (outside.ts)
 *          +2  items   a body (body.ts) of fields or members, or the items of a leaf (leaf.ts), up to the value's end
 *
 * ROOTED   +0  count   u32   items
 *          +4  bytes   u32   of all bodies and leaves, and of the values outside
 *          +8  table   u32   directory of the members or fields (table.ts); 0: a list
 *          +12 buckets u32   of the table
 *          +16 tree    u32   the top node of a list's or sorted set's tree (tree.ts); 0: it has none
 *          +20 expires u32   fields with an expiry
 *
 * Roots stand at any alignment.
 */
import { CHUNK_HASH, entryAt, NAMESPACED, ROOTED, valueAddress, valueBytesOf } from '../entry';
import { Address } from '../layout';
import { Partition } from '../partition';
import { resizeInNamespace } from '../rows';

export const ROOT_COUNT: u32 = 0;
export const ROOT_ITEMS: u32 = 4;
export const ROOT_TABLE: u32 = 8;
export const ROOT_BUCKETS: u32 = 12;
export const ROOT_TREE: u32 = 16;
export const ROOT_EXPIRES: u32 = 20;
export const ROOT_BYTES: u32 = 24;

/** Before the items of a packed collection. */
export const PACKED_HEAD: u32 = 2;

/** Where the root of a ROOTED entry stands, or the head of a packed one. */
@inline
export function rootOf(address: Address): Address {
  return valueAddress(address, entryAt(address));
}

@inline
export function isRooted(address: Address): bool {
  return (entryAt(address).flags & ROOTED) != 0;
}

@inline
export function packedCount(address: Address): u32 {
  return load<u16>(rootOf(address));
}

@inline
export function packedBody(address: Address): Address {
  return rootOf(address) + PACKED_HEAD;
}

/** Bytes of the items of a packed collection. */
@inline
export function packedBytes(address: Address): u32 {
  return <u32>entryAt(address).valueBytes - PACKED_HEAD;
}

@inline
export function addPackedCount(address: Address, by: i32): void {
  const head = rootOf(address);
  store<u16>(head, <u16>(<u32>load<u16>(head) + by));
}

@inline
export function isHash(address: Address): bool {
  return entryAt(address).kind == CHUNK_HASH;
}

/** Items of a collection. */
@inline
export function countOf(address: Address): u32 {
  return isRooted(address) ? load<u32>(rootOf(address), ROOT_COUNT) : packedCount(address);
}

/** The bytes of a collection change by so many: what is packed, or what the root says of its items. */
export function addBytes(partition: Partition, address: Address, by: i32): void {
  const entry = entryAt(address);
  const bytes = valueBytesOf(address, entry) + by;
  if (entry.flags & NAMESPACED) resizeInNamespace(partition, address, bytes);
  partition.payloadBytes += <u64>(<i64>by);
  if (entry.flags & ROOTED) store<u32>(rootOf(address), bytes, ROOT_ITEMS);
  else entry.valueBytes = <u16>bytes;
}

@inline
export function addCount(address: Address, by: i32): void {
  if (isRooted(address)) {
    const root = rootOf(address);
    store<u32>(root, load<u32>(root, ROOT_COUNT) + by, ROOT_COUNT);
  } else {
    addPackedCount(address, by);
  }
}
