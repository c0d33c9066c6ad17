/*
 * A partition: a share of the keys (by the top bits of their hash) with everything that serves them.
 *
 *   +0    word        u64  version << 16 | owner + 1; owner 0: unlocked. Lock and version in one word (lock.ts).
 *   +8    waiters     u32  threads asleep on the word (atomic add)
 *   +12   ...         fields under the lock, see the class
 *   +64   ...         the directory, in a line that hardly ever changes
 *   +320  queues      QUEUE_BYTES x MAX_QUEUES, under the lock (records.ts); which is which, the policy knows
 *   +448  ClassInfo   CLASS_INFO_BYTES x MAX_CLASSES, under the lock; the last one is for blocks of records
 *   +2496 Wheel       WHEEL_BYTES, under the lock (wheel.ts)
 *   +3136 Log         LOG_BYTES, written under the lock, read without it (changelog.ts)
 */
import { Log } from './changelog';
import { Address, header, MAX_CLASSES, PageNumber, PARTITIONS } from './layout';
import { resetRows } from './rows';
import { Queue } from './records';

@unmanaged
export class Partition {
  word: u64;
  waiters: u32;
  // -- under the lock; entries is also read racily for statistics. What every write of a value changes or asks for
  entries: u32;
  // -- the change log (changelog.ts)
  /** Where its next record goes; 0: it is off. */
  logHead: Address;
  logPages: u32;
  /** The entry whose bytes are being changed where it stands; 0: none. For recovery.ts. */
  overwriting: Address;
  /** Counts the entries that came; their generations are made of it. */
  generation: u32;
  sets: u64;
  /** Key and value bytes of all entries. */
  payloadBytes: u64;
  /** Bytes of all chunks in use. */
  chunkBytes: u64;
  deletes: u64;
  // -- a line of its own, which readers and writers of other threads ask for and hardly anything changes
  // -- the directory (table.ts), changed under the lock, read without it
  /** (hash >> directoryShift) & directoryMask is the index into the directory. */
  directoryShift: u32;
  directoryMask: u32;
  directory: Address;
  /** What a use makes of an entry's mark (marks.ts): COUNT_USES, or the epoch that it stores. */
  epoch: u32;
  maxEntries: u32;
  segments: u32;
  splits: u32;
  // -- for whoever takes over after a death under the lock (recovery.ts)
  /** How far the last rescuer came; 0: there is nothing to rescue. */
  recovery: u32;
  /** List of pages that were segments and will be again. */
  spareSegment: PageNumber;
  spareSegments: u32;
  /** Times the lock was taken over; times the partition had to be emptied then, and entries lost so. */
  takeovers: u32;
  emptied: u32;
  lost: u64;
  /** Size classes that have pages. */
  classesUsed: u32;
  slabPages: u32;
  // -- under the lock
  evictions: u64;
  expired: u64;
  /** Entries that must stay where they are: the one being replaced and the one being built. */
  pinnedOld: Address;
  pinnedNew: Address;
  /** The last piece of the chain being built. */
  chainEnd: Address;
  // -- eviction's queues
  /** Free blocks for them, linked, and how many. */
  spareBlock: Address;
  spareBlocks: u32;
  /** Where the next trimming step begins: a queue, and a block in it; 0: at its head. */
  trimQueue: u32;
  trimBlock: Address;
  // -- the policy's side table (eviction/sidetable.ts): root, blocks and units, and the units that it should have
  tableRoot: Address;
  tableBlocks: u32;
  tableUnits: u32;
  tableWanted: u32;
  // -- lru: generations in use, and the entries added to the newest
  generations: u32;
  epochAdded: u32;
  // -- lfu: additions since the sketch was aged last, and the block that ageing has come to
  sketchAdded: u32;
  ageingBlock: u32;
  /** The last entry version handed out. */
  version: u64;
  /** A bit for each size class that may have a page to give (slab.ts, `hasSlack`). */
  slackClasses: u64;
  // -- namespaces (namespaces.ts, sweep.ts): their entries, cleared ones too, and the bytes of these
  spaced: u32;
  /** Of these entries those that were cleared, as of so many clears in the arena. */
  cleared: u32;
  spacedBytes: u64;
  clearsSeen: u32;
  /** Where sweeping goes on. */
  sweepAt: u32;
  // -- commands on several keys
  /** One more entry that must stay where it is: that which is being copied. */
  pinnedSource: Address;
  /** 1: there may be entries that are pending (pending.ts). */
  pending: u32;
  // -- collections: lists of nodes (collections/node.ts), of garbage, and of what is reserved for the write at hand
  garbage: Address;
  spareNode: Address;
  /** Of the entries those that are no keys' (tombstones.ts, whole.ts). */
  tombstones: u32;
}

/**
 * Makes a partition, whose segments are empty and whose slab pages went to the pool, one without entries: by `clear`,
 * and after a death (recovery.ts), when any field may hold anything. What must outlive the entries stays: limits, the
 * last version, counters, segments.
 */
export function resetPartition(partition: Partition): void {
  if (offsetof<Partition>() > QUEUES) ERROR('the fields of Partition reach into its queues');
  partition.entries = 0;
  partition.payloadBytes = 0;
  partition.chunkBytes = 0;
  partition.pinnedOld = 0;
  partition.pinnedNew = 0;
  partition.pinnedSource = 0;
  partition.pending = 0;
  partition.slabPages = 0;
  partition.overwriting = 0;
  partition.chainEnd = 0;
  partition.garbage = 0;
  partition.spareNode = 0;
  partition.tombstones = 0;
  resetRows(partition);
  memory.fill(changetype<usize>(partition) + WHEEL, 0, WHEEL_BYTES);
  memory.fill(changetype<usize>(partition) + CLASS_INFOS, 0, CLASS_INFO_BYTES * MAX_CLASSES);
}

/** The pages of one chunk size in one partition. */
@unmanaged
export class ClassInfo {
  /** A page of the ring of all pages of the class; 0: the class has none. */
  anyPage: PageNumber;
  /** List of pages with a free or never used chunk. */
  roomy: PageNumber;
  pages: u32;
  chunksUsed: u32;
}

export const CLASS_INFO_BYTES: u32 = 32;
const QUEUES: u32 = 320;
export const QUEUE_BYTES: u32 = 16;
export const MAX_QUEUES: u32 = 8;
const CLASS_INFOS: u32 = QUEUES + QUEUE_BYTES * MAX_QUEUES;
export const WHEEL: u32 = CLASS_INFOS + CLASS_INFO_BYTES * MAX_CLASSES;
export const WHEEL_BYTES: u32 = 640;
const LOG: u32 = WHEEL + WHEEL_BYTES;
/** A cache line of its own: readers look at it all the time. */
const LOG_BYTES: u32 = 64;
export const PARTITION_BYTES: u32 = LOG + LOG_BYTES;

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

@inline
export function queueOf(partition: Partition, index: u32): Queue {
  return changetype<Queue>(changetype<u32>(partition) + QUEUES + index * QUEUE_BYTES);
}

@inline
export function logOf(partition: Partition): Log {
  return changetype<Log>(changetype<u32>(partition) + LOG);
}
