/*
 * The side table: what a policy remembers of keys beyond their marks, be they in the cache or not: ghosts (ghosts.ts)
 * or a frequency sketch (sketch.ts). Units of 64 bytes, found by hash, in chunks of the slab:
 *
 *   root    +0  unused        +4  kind CHUNK_TABLE, +5 ROOT    +8  u32 x blocks: their addresses
 *   block   +0  u32 its index +4  kind CHUNK_TABLE, +5 BLOCK   +64 units
 *
 * The chunks, of the largest class, are had one by one, before an entry is built, as the partition fills. A table that
 * grows starts to look elsewhere for most keys, and so forgets them: it grows by a quarter at least, so that is seldom.
 *
 * Everything here runs under the partition's lock.
 */
import { CHUNK_TABLE, pieceAt } from '../entry';
import { Address, header, MAX_CHUNK } from '../layout';
import { PAGE_SLAB, pageInfo, pageOf } from '../pages';
import { Partition, partitionIndex } from '../partition';
import { allocate } from '../room';
import { classOf } from '../slab';

export const UNIT_BYTES: u32 = 64;
const BLOCK_HEAD: u32 = 64;
const ROOT_HEAD: u32 = 8;
const ROOT: u8 = 0;
const BLOCK: u8 = 1;

const UNITS_PER_BLOCK: u32 = (MAX_CHUNK - BLOCK_HEAD) / UNIT_BYTES;
/** As many as a root has room for, 16 MiB in all. */
const MAX_BLOCKS: u32 = (MAX_CHUNK - ROOT_HEAD) / 4;
const MAX_UNITS: u32 = MAX_BLOCKS * UNITS_PER_BLOCK;

/** The bits of a hash that a record (records.ts) keeps: what is found must be the same by a record and by a hash. */
const HASH_MASK: u32 = ~(7 << 13);

/** Other bits than the table, the directory and the partitions take: none of those says anything about these. */
@inline
export function mixed(hash: u32): u32 {
  let x = (hash & HASH_MASK) * 0x9e3779b1;
  x ^= x >> 15;
  x *= 0x85ebca77;
  return x ^ (x >> 13);
}

/** The unit of a key, by its `mixed` hash; 0 when there is no table (yet). */
@inline
export function unitFor(partition: Partition, mixedHash: u32): Address {
  const units = partition.tableUnits;
  if (units == 0) return 0;
  const index = <u32>((<u64>mixedHash * <u64>units) >> 32);
  return blockOf(partition, index / UNITS_PER_BLOCK) + BLOCK_HEAD + (index % UNITS_PER_BLOCK) * UNIT_BYTES;
}

@inline
function blockOf(partition: Partition, index: u32): Address {
  return load<u32>(partition.tableRoot + ROOT_HEAD + (index << 2));
}

/** The first unit of a block, for whoever walks the table; `unitsOfBlock` of them follow. */
@inline
export function unitsStart(partition: Partition, block: u32): Address {
  return blockOf(partition, block) + BLOCK_HEAD;
}

@inline
export function unitsOfBlock(partition: Partition, block: u32): u32 {
  return min<u32>(partition.tableUnits - block * UNITS_PER_BLOCK, UNITS_PER_BLOCK);
}

/** Asks for a table of so many units. Slightly more than there are count as enough. */
@inline
export function wantUnits(partition: Partition, units: u32): void {
  const wanted = partition.tableWanted;
  if (units > wanted + (wanted >> 2)) partition.tableWanted = min<u32>(units, MAX_UNITS);
}

/** Gets the table one block further towards what is wanted. Called before an entry is built, never while evicting. */
@inline
export function growTable(partition: Partition, thread: u32, nowMs: i64): void {
  if (partition.tableWanted <= partition.tableUnits) return;
  // Without memory, it stays as it is until more is wanted.
  if (!grow(partition, thread, nowMs)) partition.tableWanted = partition.tableUnits;
}

function grow(partition: Partition, thread: u32, nowMs: i64): bool {
  const wanted = partition.tableWanted;
  if (wanted > partition.tableBlocks * UNITS_PER_BLOCK && !addBlock(partition, thread, nowMs)) return false;
  partition.tableUnits = min<u32>(wanted, partition.tableBlocks * UNITS_PER_BLOCK);
  return true;
}

function addBlock(partition: Partition, thread: u32, nowMs: i64): bool {
  // All chunks of one class, the largest, so that they share pages.
  if (partition.tableRoot == 0) {
    const root = allocate(partition, classOf(MAX_CHUNK), thread, nowMs);
    if (root == 0) return false;
    name(root, ROOT);
    partition.tableRoot = root;
  }
  const block = allocate(partition, classOf(MAX_CHUNK), thread, nowMs);
  if (block == 0) return false;
  memory.fill(block, 0, MAX_CHUNK);
  name(block, BLOCK);
  store<u32>(block, partition.tableBlocks);
  store<u32>(partition.tableRoot + ROOT_HEAD + (partition.tableBlocks << 2), block);
  partition.tableBlocks += 1;
  return true;
}

function name(chunk: Address, part: u8): void {
  pieceAt(chunk).kind = CHUNK_TABLE;
  pieceAt(chunk).spare = part;
}

/** For a partition whose chunks are gone. */
export function forgetTable(partition: Partition): void {
  partition.tableRoot = 0;
  partition.tableBlocks = 0;
  partition.tableUnits = 0;
  partition.tableWanted = 0;
}

/** Tells the table that one of its chunks was moved (vacate.ts). */
export function tableMoved(partition: Partition, chunk: Address): void {
  if (pieceAt(chunk).spare == ROOT) partition.tableRoot = chunk;
  else store<u32>(partition.tableRoot + ROOT_HEAD + (load<u32>(chunk) << 2), chunk);
}

/** Bytes of the table's chunks, for the integrity check; u32.MAX_VALUE: something is wrong with it. */
export function tableBytes(partition: Partition): u32 {
  const blocks = partition.tableBlocks;
  if (partition.tableUnits > blocks * UNITS_PER_BLOCK || blocks > MAX_BLOCKS) return u32.MAX_VALUE;
  if (partition.tableRoot == 0) return blocks == 0 ? 0 : u32.MAX_VALUE;
  if (!isPart(partition, partition.tableRoot, ROOT)) return u32.MAX_VALUE;
  for (let i: u32 = 0; i < blocks; i++) {
    const block = blockOf(partition, i);
    if (!isPart(partition, block, BLOCK) || load<u32>(block) != i) return u32.MAX_VALUE;
  }
  return (blocks + 1) * MAX_CHUNK;
}

/** Whether this is a chunk of the partition's table. */
function isPart(partition: Partition, address: Address, part: u8): bool {
  const page = pageOf(address);
  if (page < header().firstPage || page >= header().endPage) return false;
  const info = pageInfo(page);
  if (info.kind != PAGE_SLAB || info.partition != <u16>partitionIndex(partition)) return false;
  if (<u32>info.sizeClass != classOf(MAX_CHUNK) || address % MAX_CHUNK) return false;
  return pieceAt(address).kind == CHUNK_TABLE && pieceAt(address).spare == part;
}
