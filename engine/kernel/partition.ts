/*
 * A partition: a share of the keys (by the top bits of their hash) with everything that serves them.
 *
 *   +0    word        u64  version << 16 | owner + 1; owner 0: unlocked. Lock and version in one word (lock.ts).
 *   +8    waiters     u32  threads asleep on the word (atomic add)
 *   +12   ...         the directory, then fields under the lock, see the class
 *   +192  ClassInfo   CLASS_INFO_BYTES x MAX_CLASSES, under the lock
 */
import { Address, header, MAX_CLASSES, PageNumber, PARTITIONS } from './layout';

@unmanaged
export class Partition {
  word: u64;
  waiters: u32;
  // -- the directory (table.ts), changed under the lock, read without it
  /** (hash >> directoryShift) & directoryMask is the index into the directory. */
  directoryShift: u32;
  directoryMask: u32;
  directory: Address;
  // -- under the lock; entries is also read racily for statistics
  entries: u32;
  maxEntries: u32;
  /** The last entry version handed out. */
  version: u64;
  /** Key and value bytes of all entries. */
  payloadBytes: u64;
  /** Bytes of all chunks in use. */
  chunkBytes: u64;
  sets: u64;
  deletes: u64;
  evictions: u64;
  expired: u64;
  /** Entries that eviction must pass over: the one being replaced and the one being built. */
  pinnedOld: Address;
  pinnedNew: Address;
  slabPages: u32;
  segments: u32;
  splits: u32;
  // -- for whoever takes over after a death under the lock (recovery.ts)
  /** The entry whose bytes are being changed where it stands; 0: none. */
  overwriting: Address;
  /** How far the last rescuer came; 0: there is nothing to rescue. */
  recovery: u32;
  /** List of pages that were segments and will be again. */
  spareSegment: PageNumber;
  spareSegments: u32;
  /** Times the lock was taken over; times the partition had to be emptied then, and entries lost so. */
  takeovers: u32;
  emptied: u32;
  lost: u64;
}

/**
 * Makes a partition, whose segments are empty and whose slab pages went to the pool, one without entries: by `clear`,
 * and after a death (recovery.ts), when any field may hold anything. What must outlive the entries stays: limits, the
 * last version, counters, segments.
 */
export function resetPartition(partition: Partition): void {
  partition.entries = 0;
  partition.payloadBytes = 0;
  partition.chunkBytes = 0;
  partition.pinnedOld = 0;
  partition.pinnedNew = 0;
  partition.slabPages = 0;
  partition.overwriting = 0;
  memory.fill(changetype<usize>(partition) + CLASS_INFOS, 0, CLASS_INFO_BYTES * MAX_CLASSES);
}

/** The pages of one chunk size in one partition. */
@unmanaged
export class ClassInfo {
  /** The page the CLOCK hand is in, and the entry to the ring of all pages of the class; 0: the class has none. */
  handPage: PageNumber;
  /** The next chunk of that page to be looked at. */
  handIndex: u32;
  /** List of pages with a free or never used chunk. */
  roomy: PageNumber;
  pages: u32;
  chunksUsed: u32;
}

export const CLASS_INFO_BYTES: u32 = 32;
const CLASS_INFOS: u32 = 192;
export const PARTITION_BYTES: u32 = CLASS_INFOS + CLASS_INFO_BYTES * MAX_CLASSES;

@inline
export function partitionAt(index: u32): Partition {
  return changetype<Partition>(PARTITIONS + index * PARTITION_BYTES);
}

@inline
export function partitionOfHash(hash: u32): Partition {
  return partitionAt(<u32>((<u64>hash) >> header().partitionShift));
}

@inline
export function partitionIndex(partition: Partition): u32 {
  return (changetype<u32>(partition) - PARTITIONS) / PARTITION_BYTES;
}

@inline
export function classInfo(partition: Partition, sizeClass: u32): ClassInfo {
  return changetype<ClassInfo>(
    changetype<u32>(partition) + CLASS_INFOS + sizeClass * CLASS_INFO_BYTES,
  );
}
