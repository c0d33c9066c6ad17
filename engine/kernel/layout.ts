/*
 * The arena: one shared WebAssembly memory. Every thread runs its own instance of this kernel on it; nothing lives in
 * WebAssembly globals, because each instance has its own.
 *
 *   0x00000  Header              geometry, seed, page pool               fixed after format(), but for the page pool
 *   0x00400  class of size       u8 per 8 bytes of chunk, to MAX_CHUNK   fixed after format()
 *   0x00c00  class sizes         u32 per class                           fixed after format()
 *   0x00d00  class capacities    u32 per class: chunks to a page         fixed after format()
 *   0x01000  command rows        256 x 8 bytes, by code                  fixed after format()
 *   0x01800  command names       256 x 16 bytes, by code                 fixed after format()
 *   0x02800  error texts         64 x 128 bytes, by status               fixed after format()
 *   0x04800  slots of keys       in an arena that has them               most by the host alone (keyslots.ts)
 *   0x10000  partitions          count x PARTITION_BYTES                 each under its own lock (partition.ts)
 *            directories         per partition: u32 segment addresses     under the partition's lock (table.ts)
 *            page infos          PAGE_INFO_BYTES per slab page           under the lock of the page's partition
 *            shadows             for the policy `adaptive`               under a lock of its own (eviction/adaptive.ts)
 *            stamps              in an arena that has them               under the partition's lock (stamps.ts)
 *            structures          in an arena that has them               by the host alone (engine/structures.ts)
 *            slots of keys       in an arena that has them: the rest     by the host, by addition (keyslots.ts)
 *            namespaces          in an arena that has them               under several locks (namespaces.ts)
 *            thread areas        block, request, reply per thread slot   its thread only; states by compare-and-swap
 *            pages               64 KiB each: table segments and slabs   under the lock of the page's partition
 *            guard pages         never allocated: an optimistic reader may run over the end of the last page
 *
 * Addresses are u32 and 0 is null. Pages are aligned to their size, so a page's number is its address >> 16.
 */

/** The address of something in the arena. */
export type Address = u32;
/** The number of a page: its address >> PAGE_SHIFT. 0 is no page. */
export type PageNumber = u32;

export const MAGIC: u32 = 0x52424c53; // 'SLBR' in memory order
/** Raised whenever anything drawn above or in partition.ts, page.ts, entry.ts, table.ts changes. */
export const LAYOUT_VERSION: u32 = 1;

export const PAGE_SHIFT: u32 = 16;
export const PAGE_BYTES: u32 = 1 << PAGE_SHIFT;

/**
 * A chunk is never larger than this: eight to a page, so that the last chunk's slack stays below a ninth of the page.
 */
export const MAX_CHUNK: u32 = 8192;
/** Payloads of chains above this are cut into whole pages: fewer pieces to free, and they never move (large.ts). */
export const LARGE_BYTES: u32 = 1 << 20;
/** Chunks are multiples of 8 bytes, so that keys and fixed fields can be read as words. */
export const MIN_CHUNK: u32 = 16;
/** Room for every class of `buildClasses`, those of blocks of records and of whole pages too, with some to spare. */
export const MAX_CLASSES: u32 = 64;
/**
 * Blocks of eviction's records (records.ts): 1.6% of it is no record, and a partition has a few that are half empty.
 */
export const RECORD_BLOCK_BYTES: u32 = 512;

/** Readable, and no address of anything: what is touched where there is nothing to touch (bytes.ts, `touched`). */
export const NOTHING: Address = 0x3f0;
export const CLASS_OF_SIZE: Address = 0x400;
export const CLASS_SIZES: Address = 0xc00;
export const CLASS_CAPACITIES: Address = 0xd00;
export const COMMAND_ROWS: Address = 0x1000;
export const COMMAND_NAMES: Address = 0x1800;
export const COMMAND_NAME_BYTES: u32 = 16;
export const ERROR_TEXTS: Address = 0x2800;
export const ERROR_TEXT_BYTES: u32 = 128;
export const ERROR_TEXTS_MAX: u32 = 64;
/** Here, so that their addresses are constants of the code that looks up the slot of each key. */
export const KEY_SLOTS: Address = ERROR_TEXTS + ERROR_TEXTS_MAX * ERROR_TEXT_BYTES;
export const PARTITIONS: Address = 0x10000;

/** Bytes of a thread's block: its state and counters, then the staging slots of exec.ts. */
export const THREAD_BLOCK_BYTES: u32 = 4096;
/** An area may be read this far past its end by word-wide compares and by the parser. */
export const AREA_SLACK: u32 = 512;

export const POLICY_NONE: u32 = 0;
export const POLICY_CLOCK: u32 = 1;
export const POLICY_S3FIFO: u32 = 2;
export const POLICY_LRU: u32 = 3;
export const POLICY_LFU: u32 = 4;
export const POLICY_ADAPTIVE: u32 = 5;

@unmanaged
export class Header {
  // -- fixed after format()
  magic: u32;
  layoutVersion: u32;
  /** The end of the last page. Below 2^32, because the guard pages follow. */
  endAddress: u32;
  hashSeed: u32;
  partitionCount: u32;
  /** hash >> partitionShift (on 64 bits: it is 32 for one partition) is the partition. */
  partitionShift: u32;
  /** The most leading hash bits that the entries of one segment may share. */
  maxDepth: u32;
  /** Address of page info number 0, had it one: page infos start at `firstPage`. */
  pageInfoBias: u32;
  firstPage: PageNumber;
  /** One past the last page. */
  endPage: PageNumber;
  threads: Address;
  threadStride: u32;
  maxThreads: u32;
  areaBytes: u32;
  policy: u32;
  maxEntries: u32;
  maxValueBytes: u32;
  classCount: u32;
  /** The `memory` option: head without thread areas, and pages. */
  budgetBytes: u32;
  /** Where the next search for another partition's page begins; any value will do. */
  reclaimFrom: u32;
  // -- the policy `adaptive` (eviction/adaptive.ts): its state, the manner in use, and which hashes are sampled
  adaptive: Address;
  manner: u32;
  sampleMask: u32;
  sampleValue: u32;
  // -- the page pool, changed by compare-and-swap only (pages.ts)
  /** Stack of pages given back: tag << 32 | first page; linked through PageInfo.next. */
  poolStack: u64;
  /** The first page that was never handed out. */
  poolBump: PageNumber;
  /** Pages on the stack (for statistics). */
  poolStacked: u32;
  /** 1: a page may be free and not in the pool, because a thread died with it in its hands (recovery.ts). */
  pagesAstray: u32;
  // -- readers of the change log (changelog.ts)
  /** 1: some reader sleeps, or is about to. */
  logSleepers: u32;
  /** What they sleep on: grows when they are woken. */
  logGrew: u32;
  // -- fixed after format(), 0 in arenas without: addresses; a stamp has the number hash >> stampShift
  stamps: Address;
  stampShift: u32;
  structures: Address;
  // -- namespaces (namespaces.ts): where, the most there can be, how many there are, times that one was cleared
  namespaces: Address;
  maxNamespaces: u32;
  namespaceCount: u32;
  namespaceClears: u32;
  // -- collections (collections/root.ts): what one may have, and be packed. Fixed after setPacked()
  packedItems: u32;
  packedBytes: u32;
  /** The last fence of a lease (types/lease.ts) or version of a namespace's entry. Changed by atomic addition. */
  lastNumber: u64;
  // -- of a node of several (hybridclock.ts): what flag every entry gets for it (NO_STAMPS: it is no such node), which
  // node, the highest stamp that was seen, which changes by compare-and-swap, and how long a tombstone lasts
  stampFlags: u32;
  node: u32;
  clock: u64;
  tombstoneMs: u64;
  /** Slots of keys (keyslots.ts): where the rest of their region is. 0: the arena has none. */
  keySlots: Address;
}

/* Values of `stampFlags`; the latter is HAS_VERSION of entry.ts. */
export const NO_STAMPS: u32 = 0;
export const STAMPED: u32 = 2;

@inline
export function header(): Header {
  return changetype<Header>(0);
}

@inline
export function alignUp(value: u32, alignment: u32): u32 {
  return (value + alignment - 1) & ~(alignment - 1);
}
