/*
 * Where the value of an entry stands, that of a collection looks thus:
 *
 * packed   +0  count   u16   items, below FIELDS_EXPIRE; none of them has its value outside (outside.ts)
 *          +2  own     i48   only with the bit FIELDS_EXPIRE in the count, see below
 *              items   a body (body.ts) of fields or members, or the items of a leaf (leaf.ts), up to the value's end
 *
 * ROOTED   +0  count   u32   items
 *          +4  bytes   u32   of all bodies and leaves, and of the values outside
 *          +8  table   u32   directory of the members or fields (table.ts); 0: a list
 *          +12 buckets u32   of the table
 *          +16 tree    u32   the top node of a tree (tree.ts): of a list, of a sorted set, or of the fields of a hash
 *                            that expire (expiring.ts); 0: it has none
 *          +20 expires u32   fields in that tree of a hash
 *          +24 own     i64   only where the value is so long, see below
 *
 * Roots stand at any alignment.
 *
 * A hash of which a field expires is MARKED: packed by FIELDS_EXPIRE, with a root by the length of its value. Its entry
 * has an expiry, which is when the whole of it is gone, be it that the key expires or that the last field does, and
 * `own` is the key's own expiry (0: none). lifetime.ts keeps the two right.
 */
import { CHUNK_HASH, entryAt, expiryOf, HAS_EXPIRY, NAMESPACED, ROOTED, valueAddress, valueBytesOf } from '../entry';
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
export const ROOT_OWN: u32 = 24;
/** Of a MARKED hash. */
export const MARKED_ROOT_BYTES: u32 = 32;

/** Before the items of a packed collection that is not MARKED. */
export const PACKED_HEAD: u32 = 2;
const PACKED_OWN: u32 = 2;
/** What `own` takes of a packed hash. */
export const OWN_BYTES: u32 = 6;
/** More than any packed collection has items. */
const FIELDS_EXPIRE: u32 = 0x8000;
const MARK_SHIFT: u32 = 15;

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
  return <u32>load<u16>(rootOf(address)) & (FIELDS_EXPIRE - 1);
}

/** Bytes before the items of a packed collection. */
@inline
export function packedHead(address: Address): u32 {
  return PACKED_HEAD + (<u32>load<u16>(rootOf(address)) >> MARK_SHIFT) * OWN_BYTES;
}

@inline
export function packedBody(address: Address): Address {
  const head = rootOf(address);
  return head + PACKED_HEAD + (<u32>load<u16>(head) >> MARK_SHIFT) * OWN_BYTES;
}

/** Bytes of the items of a packed collection. */
@inline
export function packedBytes(address: Address): u32 {
  return <u32>entryAt(address).valueBytes - packedHead(address);
}

/** Whether a packed or ROOTED hash is MARKED. */
@inline
export function isMarked(address: Address): bool {
  const entry = entryAt(address);
  if (entry.kind != CHUNK_HASH || !(entry.flags & HAS_EXPIRY)) return false;
  return entry.flags & ROOTED ? <u32>entry.valueBytes > ROOT_BYTES : <u32>load<u16>(rootOf(address)) >= FIELDS_EXPIRE;
}

/** The own expiry of a MARKED hash's key, 0: none. */
@inline
export function ownExpiryOf(address: Address): i64 {
  const root = rootOf(address);
  return entryAt(address).flags & ROOTED ? load<i64>(root, ROOT_OWN) : (load<i64>(root, PACKED_OWN) << 16) >> 16;
}

export function setOwnExpiry(address: Address, expiryMs: i64): void {
  const root = rootOf(address);
  if (entryAt(address).flags & ROOTED) {
    store<i64>(root, expiryMs, ROOT_OWN);
  } else {
    store<u32>(root, <u32>expiryMs, PACKED_OWN);
    store<u16>(root, <u16>(expiryMs >> 32), PACKED_OWN + 4);
  }
}

/** When the key of any entry expires by itself, 0: it does not. What a reader without the lock gets may be garbage. */
@inline
export function keyExpiryOf(address: Address): i64 {
  if (!(entryAt(address).flags & HAS_EXPIRY)) return 0;
  return isMarked(address) ? ownExpiryOf(address) : expiryOf(address);
}

/** Lets a hash be MARKED. Its entry has an expiry, and room for `own`. */
export function markHash(partition: Partition, address: Address, own: i64): void {
  const entry = entryAt(address);
  if (entry.flags & ROOTED) {
    entry.valueBytes = <u16>MARKED_ROOT_BYTES;
  } else {
    const body = packedBody(address);
    memory.copy(body + OWN_BYTES, body, packedBytes(address));
    addBytes(partition, address, OWN_BYTES);
    store<u16>(rootOf(address), <u16>(packedCount(address) | FIELDS_EXPIRE));
  }
  setOwnExpiry(address, own);
}

/** The reverse of `markHash`. */
export function unmarkHash(partition: Partition, address: Address): void {
  const entry = entryAt(address);
  if (entry.flags & ROOTED) {
    entry.valueBytes = <u16>ROOT_BYTES;
  } else {
    const body = packedBody(address);
    memory.copy(body - OWN_BYTES, body, packedBytes(address));
    store<u16>(rootOf(address), <u16>packedCount(address));
    addBytes(partition, address, -<i32>OWN_BYTES);
  }
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

/** Where the root has the number of items in the tree: of a hash, not all of its fields are in it. */
@inline
function treeCountAt(address: Address): Address {
  return rootOf(address) + (isHash(address) ? ROOT_EXPIRES : ROOT_COUNT);
}

/** Items in the tree of a ROOTED collection. */
@inline
export function treeCountOf(address: Address): u32 {
  return load<u32>(treeCountAt(address));
}

@inline
export function addTreeCount(address: Address, by: i32): void {
  const at = treeCountAt(address);
  store<u32>(at, load<u32>(at) + by);
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
