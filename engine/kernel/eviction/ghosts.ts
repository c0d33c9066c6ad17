/*
 * Ghosts: the keys that were evicted lately, as fingerprints of 16 bits. A key that comes back while its ghost is there was
 * evicted too early, and is let into the main queue at once (s3fifo.ts).
 *
 * A table of buckets of eight fingerprints, each bucket a queue of its own: the newest in lane 0, the oldest falls out of
 * lane 7. As many fingerprints as the partition has entries, so a ghost lasts for about as many evictions. False
 * positives: 8 in 65,536.
 *
 * The table lies in chunks of the slab, which are had one by one once a partition begins to evict:
 *
 *   root    +0  unused        +6  kind CHUNK_GHOSTS, +7 ROOT    +8  u32 x blocks: their addresses
 *   block   +0  u32 its index +6  kind CHUNK_GHOSTS, +7 BLOCK   +16 buckets of 16 bytes
 *
 * Everything here runs under the partition's lock.
 */
import { CHUNK_GHOSTS, pieceAt } from '../entry';
import { Address, MAX_CHUNK } from '../layout';
import { Partition } from '../partition';
import { allocate } from '../room';
import { chunkBytesOf, classOf, classOfChunk, giveChunk } from '../slab';

const BLOCK_HEAD: u32 = 16;
const BUCKET_BYTES: u32 = 16;
const LANES: u32 = 8;
const ROOT_HEAD: u32 = 8;
const ROOT: u8 = 0;
const BLOCK: u8 = 1;

const BUCKETS_PER_BLOCK: u32 = (MAX_CHUNK - BLOCK_HEAD) / BUCKET_BYTES;
/** As many as a root has room for: ghosts of 8.3 million entries. */
const MAX_BLOCKS: u32 = (MAX_CHUNK - ROOT_HEAD) / 4;

/** Bits of a record that are the key's hash (table.ts); ghosts must be the same whether they come of a record or of a hash. */
const HASH_MASK: u32 = ~(7 << 13);

@inline
function mixed(hash: u32): u32 {
  let x = (hash & HASH_MASK) * 0x9e3779b1;
  x ^= x >> 15;
  x *= 0x85ebca77;
  return x ^ (x >> 13);
}

@inline
function fingerprint(mixedHash: u32): u16 {
  const print = <u16>mixedHash;
  return print ? print : 1;
}

/** The bucket of a key, or 0 when there is no table (yet). */
@inline
function bucketFor(partition: Partition, mixedHash: u32): Address {
  const blocks = partition.ghostBlocks;
  if (blocks == 0) return 0;
  const index = <u32>((<u64>mixedHash * <u64>partition.ghostBuckets) >> 32);
  const block = load<u32>(partition.ghostRoot + ROOT_HEAD + ((index / BUCKETS_PER_BLOCK) << 2));
  return block + BLOCK_HEAD + (index % BUCKETS_PER_BLOCK) * BUCKET_BYTES;
}

/** Remembers a key that is evicted. */
export function addGhost(partition: Partition, hash: u32): void {
  const x = mixed(hash);
  const bucket = bucketFor(partition, x);
  if (bucket == 0) return;
  const print = i16x8.splat(<i16>fingerprint(x));
  v128.store(bucket, v128.shuffle<i16>(v128.load(bucket), print, 8, 0, 1, 2, 3, 4, 5, 6));
}

/** Whether a key is remembered; it then is no more. */
export function takeGhost(partition: Partition, hash: u32): bool {
  const x = mixed(hash);
  const bucket = bucketFor(partition, x);
  if (bucket == 0) return false;
  const prints = v128.load(bucket);
  const equal = i16x8.eq(prints, i16x8.splat(<i16>fingerprint(x)));
  if (!v128.any_true(equal)) return false;
  v128.store(bucket, v128.andnot(prints, equal));
  return true;
}

/** Asks for a table that fits the entries there are now; called when something is evicted. */
@inline
export function wantGhosts(partition: Partition): void {
  // A partition that holds a quarter more entries than its table was made for gets a larger one.
  if (partition.entries / LANES > partition.ghostsWanted + (partition.ghostsWanted >> 2)) {
    partition.ghostsWanted = min<u32>(partition.entries / LANES, MAX_BLOCKS * BUCKETS_PER_BLOCK);
  }
}

/** Gets the table one block further towards what is wanted. Called before an entry is built. */
@inline
export function growGhosts(partition: Partition, thread: u32, nowMs: i64): void {
  if (partition.ghostsWanted <= partition.ghostBuckets) return;
  if (!addBlock(partition, thread, nowMs)) partition.ghostsWanted = partition.ghostBuckets;
}

function addBlock(partition: Partition, thread: u32, nowMs: i64): bool {
  const wanted = partition.ghostsWanted;
  const blocks = (wanted + BUCKETS_PER_BLOCK - 1) / BUCKETS_PER_BLOCK;
  // A table that has become too small, root or single block, is dropped: its ghosts are soon old anyway.
  if (partition.ghostRoot != 0 && (blocks > rootBlocks(partition) || partition.ghostBuckets < BUCKETS_PER_BLOCK)) {
    dropGhosts(partition);
  }
  if (partition.ghostRoot == 0) {
    const bytes = ROOT_HEAD + (min<u32>(blocks + blocks / 2, MAX_BLOCKS) << 2);
    const root = allocate(partition, classOf(bytes), thread, nowMs);
    if (root == 0) return false;
    name(root, ROOT);
    partition.ghostRoot = root;
  }
  const buckets = min<u32>(wanted, BUCKETS_PER_BLOCK);
  const block = allocate(partition, classOf(BLOCK_HEAD + buckets * BUCKET_BYTES), thread, nowMs);
  if (block == 0) return false;
  name(block, BLOCK);
  memory.fill(block + BLOCK_HEAD, 0, chunkBytesOf(classOfChunk(block)) - BLOCK_HEAD);
  store<u32>(block, partition.ghostBlocks);
  store<u32>(partition.ghostRoot + ROOT_HEAD + (partition.ghostBlocks << 2), block);
  partition.ghostBlocks += 1;
  partition.ghostBuckets = blocks == 1 ? buckets : partition.ghostBlocks * BUCKETS_PER_BLOCK;
  return true;
}

function name(chunk: Address, part: u8): void {
  pieceAt(chunk).kind = CHUNK_GHOSTS;
  pieceAt(chunk).spare = part;
}

/** Blocks that the root has room for. */
function rootBlocks(partition: Partition): u32 {
  return (chunkBytesOf(classOfChunk(partition.ghostRoot)) - ROOT_HEAD) / 4;
}

function dropGhosts(partition: Partition): void {
  for (let i: u32 = 0; i < partition.ghostBlocks; i++) {
    giveChunk(partition, load<u32>(partition.ghostRoot + ROOT_HEAD + (i << 2)));
  }
  giveChunk(partition, partition.ghostRoot);
  partition.ghostRoot = 0;
  partition.ghostBlocks = 0;
  partition.ghostBuckets = 0;
}

/** Tells the table that one of its chunks was moved (vacate.ts). */
export function moveGhosts(partition: Partition, chunk: Address): void {
  if (pieceAt(chunk).spare == ROOT) partition.ghostRoot = chunk;
  else store<u32>(partition.ghostRoot + ROOT_HEAD + (load<u32>(chunk) << 2), chunk);
}

/** Bytes of the table's chunks, for the integrity check; u32.MAX_VALUE: something is wrong with it. */
export function ghostBytes(partition: Partition): u32 {
  if (partition.ghostRoot == 0) return partition.ghostBlocks == 0 ? 0 : u32.MAX_VALUE;
  if (partition.ghostBlocks > rootBlocks(partition)) return u32.MAX_VALUE;
  let bytes = chunkBytesOf(classOfChunk(partition.ghostRoot));
  for (let i: u32 = 0; i < partition.ghostBlocks; i++) {
    const block = load<u32>(partition.ghostRoot + ROOT_HEAD + (i << 2));
    if (pieceAt(block).kind != CHUNK_GHOSTS || load<u32>(block) != i) return u32.MAX_VALUE;
    bytes += chunkBytesOf(classOfChunk(block));
  }
  return bytes;
}
