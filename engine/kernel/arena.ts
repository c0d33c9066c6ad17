/* Making an arena, checking one that somebody else made, counting what is in it, emptying it. */
import {
  AREA_SLACK,
  ERROR_TEXT_BYTES,
  ERROR_TEXTS,
  alignUp,
  header,
  LAYOUT_VERSION,
  MAGIC,
  PAGE_BYTES,
  PAGE_SHIFT,
  PARTITIONS,
  THREAD_BLOCK_BYTES,
  Address,
} from './layout';
import { ADAPTIVE_BYTES, resetAdaptive } from './eviction/adaptive';
import { resetPolicy } from './eviction/policy';
import { noteClear } from './changelog';
import { openKeySlots } from './keyslots';
import { lock, unlock } from './lock';
import { givePage, PAGE_INFO_BYTES, pageAddress, pageInfo } from './pages';
import { namespaceBytes } from './namespaces';
import { clearedBytes, countCleared, namespaceCounterBytes } from './rows';
import { classInfo, logOf, Partition, PARTITION_BYTES, partitionAt, resetPartition } from './partition';
import { buildClasses } from './slab';
import { stampPartition } from './stamps';
import { maxDirectoryEntries, newSegment, openDirectory } from './table';
import { blockOf, replyArea } from './threads';

/** The least a partition needs to do anything: a segment, a page of records, and a page for a few classes. */
const MIN_PAGES_PER_PARTITION: u32 = 5;

/**
 * Pages behind the last one. A reader without the lock may take anything for an entry, at any chunk's address: it reads
 * at most a key of 64 KiB and the fields around it from there on. They also keep the end address below 2^32.
 */
const GUARD_PAGES: u32 = 2;

export const FORMAT_OK: i32 = 0;
export const FORMAT_TOO_SMALL: i32 = 1;
export const FORMAT_TOO_LARGE: i32 = 2;

export const VALID: i32 = 0;
export const INVALID_MAGIC: i32 = 1;
export const INVALID_VERSION: i32 = 2;
export const INVALID_SIZE: i32 = 3;

@inline
function threadStride(areaBytes: u32, maxNamespaces: u32): u32 {
  const areas = 2 * (areaBytes + AREA_SLACK);
  return alignUp(THREAD_BLOCK_BYTES + areas + namespaceCounterBytes(maxNamespaces), 4096);
}

/** The depth that segments may reach with so many pages. */
function maxDepthFor(pages: u32, partitionsLog2: u32): u32 {
  let bits: u32 = 1;
  // A segment indexes some 8,000 entries, which fill several pages: a quarter of the pages as segments is plenty, and
  // two more bits let hot prefixes go deeper.
  while (((1 as u32) << bits) < pages / 4) bits += 1;
  return max<u32>(bits + 2, partitionsLog2 + 2);
}

/** Address of the first page when `budgetBytes` shall hold everything but the thread areas. */
function headBytesFor(budgetBytes: u32, partitionsLog2: u32): u32 {
  const pages = budgetBytes >> PAGE_SHIFT;
  const directory = ((1 as u32) << maxDepthFor(pages, partitionsLog2)) << 2;
  const infos = PARTITIONS + (PARTITION_BYTES << partitionsLog2) + directory + pages * PAGE_INFO_BYTES;
  return alignUp(infos, 4096) + alignUp(ADAPTIVE_BYTES, 4096);
}

/**
 * WebAssembly pages that the memory must have for this geometry; 0: more than the 65,536 that there can be.
 * `extraBytes`, here and below: of stamps, structures, slots and namespaces, a multiple of 4,096.
 */
export function memoryPages(
  budgetBytes: u32,
  partitionsLog2: u32,
  maxThreads: u32,
  areaBytes: u32,
  extraBytes: u32,
  maxNamespaces: u32,
): u32 {
  const head = <u64>(headBytesFor(budgetBytes, partitionsLog2) + extraBytes);
  const threads = <u64>maxThreads * <u64>threadStride(areaBytes, maxNamespaces);
  const first = (head + threads + PAGE_BYTES - 1) >> PAGE_SHIFT;
  const pages = budgetBytes > <u32>head ? (budgetBytes - <u32>head) >> PAGE_SHIFT : 0;
  const total = first + <u64>pages + GUARD_PAGES;
  return total > 65536 ? 0 : <u32>total;
}

/** The least budget that works for so many partitions. */
export function minBudgetBytes(partitionsLog2: u32, extraBytes: u32): u32 {
  const pages = MIN_PAGES_PER_PARTITION << partitionsLog2;
  let budget = (pages << PAGE_SHIFT) + alignUp(extraBytes, PAGE_BYTES);
  while ((budget - headBytesFor(budget, partitionsLog2) - extraBytes) >> PAGE_SHIFT < pages) budget += PAGE_BYTES;
  return budget;
}

/**
 * Lays out an arena in a fresh, zeroed memory. `firstVersion` is below every version and fence it will hand out. It has
 * 2^stampBits stamps, stampBits being 10 at least, or none with 0; structureBytes is a multiple of 4,096; 0 to 4,095
 * namespaces; slotBytes is KEY_SLOT_BYTES, or 0 for an arena without slots of keys.
 */
export function format(
  budgetBytes: u32,
  partitionsLog2: u32,
  policy: u32,
  maxEntries: u32,
  hashSeed: u32,
  maxThreads: u32,
  areaBytes: u32,
  maxValueBytes: u32,
  firstVersion: f64,
  stampBits: u32,
  structureBytes: u32,
  maxNamespaces: u32,
  slotBytes: u32,
): i32 {
  const stampBytes: u32 = stampBits == 0 ? 0 : 4 << stampBits;
  const extraBytes = stampBytes + structureBytes + slotBytes + namespaceBytes(maxNamespaces, partitionsLog2);
  if (budgetBytes < minBudgetBytes(partitionsLog2, extraBytes)) return FORMAT_TOO_SMALL;
  const total = memoryPages(budgetBytes, partitionsLog2, maxThreads, areaBytes, extraBytes, maxNamespaces);
  if (total == 0 || total > <u32>memory.size()) return FORMAT_TOO_LARGE;
  const head = header();
  const partitions: u32 = (1 as u32) << partitionsLog2;
  const budgetPages = budgetBytes >> PAGE_SHIFT;
  const shadowsEnd = headBytesFor(budgetBytes, partitionsLog2);
  const headEnd = shadowsEnd + extraBytes;
  head.layoutVersion = LAYOUT_VERSION;
  head.hashSeed = hashSeed;
  head.partitionCount = partitions;
  head.partitionShift = 32 - partitionsLog2;
  head.maxDepth = maxDepthFor(budgetPages, partitionsLog2);
  const directories = PARTITIONS + partitions * PARTITION_BYTES;
  const infos = directories + ((1 << head.maxDepth) << 2);
  head.adaptive = shadowsEnd - alignUp(ADAPTIVE_BYTES, 4096);
  head.stamps = stampBits == 0 ? 0 : shadowsEnd;
  head.stampShift = 32 - stampBits;
  head.structures = structureBytes == 0 ? 0 : shadowsEnd + stampBytes;
  if (slotBytes) openKeySlots(shadowsEnd + stampBytes + structureBytes);
  head.namespaces = shadowsEnd + stampBytes + structureBytes + slotBytes;
  head.maxNamespaces = maxNamespaces;
  head.threads = headEnd;
  head.threadStride = threadStride(areaBytes, maxNamespaces);
  head.maxThreads = maxThreads;
  head.areaBytes = areaBytes;
  head.firstPage = (headEnd + maxThreads * head.threadStride + PAGE_BYTES - 1) >> PAGE_SHIFT;
  head.endPage = head.firstPage + ((budgetBytes - headEnd) >> PAGE_SHIFT);
  head.endAddress = pageAddress(head.endPage);
  head.pageInfoBias = infos - head.firstPage * PAGE_INFO_BYTES;
  head.policy = policy;
  head.maxEntries = maxEntries;
  head.maxValueBytes = maxValueBytes;
  head.budgetBytes = budgetBytes;
  head.poolBump = head.firstPage;
  head.lastNumber = <u64>firstVersion;
  buildClasses();
  resetAdaptive();
  for (let i: u32 = 0; i < partitions; i++) {
    const partition = partitionAt(i);
    partition.maxEntries = shareOf(maxEntries, partitions, i);
    partition.version = <u64>firstVersion;
    logOf(partition).next = 1;
    logOf(partition).oldest = 1;
    const directory = directories + ((i * maxDirectoryEntries()) << 2);
    openDirectory(partition, directory, newSegment(partition, partitionsLog2));
    resetPolicy(partition);
  }
  head.magic = MAGIC;
  return FORMAT_OK;
}

/** A partition's share of `maxEntries`, so that the shares add up to it. 0 means no limit. */
function shareOf(maxEntries: u32, partitions: u32, index: u32): u32 {
  if (maxEntries == 0) return u32.MAX_VALUE;
  return maxEntries / partitions + <u32>(index < maxEntries % partitions);
}

/** Whether this memory holds an arena that this kernel can work on. */
export function validate(): i32 {
  const head = header();
  if (head.magic != MAGIC) return INVALID_MAGIC;
  if (head.layoutVersion != LAYOUT_VERSION) return INVALID_VERSION;
  const end = <u64>head.endPage + GUARD_PAGES;
  if (end > <u64>(<u32>memory.size())) return INVALID_SIZE;
  if (head.firstPage >= head.endPage || head.partitionCount == 0) return INVALID_SIZE;
  return VALID;
}

/** Where the host keeps record structures; 0: the arena has no place for them. */
export function structuresAt(): Address {
  return header().structures;
}

/** More bytes would let a packed collection, with its key, pass a chunk. */
export const MAX_PACKED_BYTES: u32 = 4096;
/** Items are walked over one by one: more would take microseconds. */
export const MAX_PACKED_ITEMS: u32 = 1024;

/** What a collection may have and be packed. By the host, before the arena is shared. */
export function setPacked(items: u32, bytes: u32): void {
  header().packedItems = min<u32>(items, MAX_PACKED_ITEMS);
  header().packedBytes = min<u32>(bytes, MAX_PACKED_BYTES);
}

/** The host writes the text of a status (`CODE message`, at most 126 bytes, lying at `text`). */
export function setErrorText(status: u32, text: Address, bytes: u32): void {
  const at = ERROR_TEXTS + status * ERROR_TEXT_BYTES;
  store<u8>(at, <u8>bytes);
  memory.copy(at + 1, text, bytes);
}

/**
 * Writes totals as f64 to the reply area: entries, payload bytes, chunk bytes, slab pages, segments, free pages, all
 * pages, hits, misses, sets, deletes, evictions, expired, commands, frames, threads, splits, head bytes, takeovers,
 * partitions emptied, entries lost so, log pages, entries in namespaces. Entries that were cleared are not counted.
 * Racy by nature.
 */
export function collectStats(thread: u32): u32 {
  const head = header();
  let entries: u64 = 0;
  let payloadBytes: u64 = 0;
  let chunkBytes: u64 = 0;
  let slabPages: u64 = 0;
  let segments: u64 = 0;
  let sets: u64 = 0;
  let deletes: u64 = 0;
  let evictions: u64 = 0;
  let expired: u64 = 0;
  let splits: u64 = 0;
  let takeovers: u64 = 0;
  let emptied: u64 = 0;
  let lost: u64 = 0;
  let logPages: u64 = 0;
  let namespaced: u64 = 0;
  for (let i: u32 = 0; i < head.partitionCount; i++) {
    const partition = partitionAt(i);
    const cleared = countCleared(partition);
    entries += partition.entries - partition.tombstones - cleared;
    namespaced += partition.spaced - cleared;
    // Each of them has a prefix, which the bytes of namespaces leave out.
    payloadBytes += partition.payloadBytes - clearedBytes(partition) - 4 * cleared;
    chunkBytes += partition.chunkBytes;
    slabPages += partition.slabPages;
    segments += partition.segments + partition.spareSegments;
    sets += partition.sets;
    deletes += partition.deletes;
    evictions += partition.evictions;
    expired += partition.expired;
    splits += partition.splits;
    takeovers += partition.takeovers;
    emptied += partition.emptied;
    lost += partition.lost;
    logPages += partition.logPages;
  }
  let hits: u64 = 0;
  let misses: u64 = 0;
  let commands: u64 = 0;
  let frames: u64 = 0;
  let threads: u64 = 0;
  for (let i: u32 = 0; i < head.maxThreads; i++) {
    const block = blockOf(i);
    hits += block.hits;
    misses += block.misses;
    commands += block.commands;
    frames += block.frames;
    threads += <u64>(block.identity != 0);
    slabPages += block.draftPages;
  }
  const pages = <u64>(head.endPage - head.firstPage);
  let out = replyArea(thread);
  out = put(out, entries);
  out = put(out, payloadBytes);
  out = put(out, chunkBytes);
  out = put(out, slabPages);
  out = put(out, segments);
  out = put(out, pages - slabPages - segments - logPages);
  out = put(out, pages);
  out = put(out, hits);
  out = put(out, misses);
  out = put(out, sets);
  out = put(out, deletes);
  out = put(out, evictions);
  out = put(out, expired);
  out = put(out, commands);
  out = put(out, frames);
  out = put(out, threads);
  out = put(out, splits);
  out = put(out, <u64>head.budgetBytes - (pages << PAGE_SHIFT));
  out = put(out, takeovers);
  out = put(out, emptied);
  out = put(out, lost);
  out = put(out, logPages);
  out = put(out, namespaced);
  return (out - replyArea(thread)) >> 3;
}

@inline
function put(out: Address, value: u64): Address {
  store<f64>(out, <f64>value);
  return out + 8;
}

/** Removes every entry, one partition after the other. Readers and writers go on in between. */
export function clear(thread: u32): void {
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const partition = partitionAt(i);
    lock(partition, thread);
    clearPartition(partition);
    noteClear(partition);
    unlock(partition);
  }
}

function clearPartition(partition: Partition): void {
  stampPartition(partition);
  const head = header();
  let last: Address = 0;
  for (let i: u32 = 0; i <= partition.directoryMask; i++) {
    const segment = load<u32>(partition.directory + (i << 2));
    if (segment == last) continue;
    last = segment;
    memory.fill(segment, 0, PAGE_BYTES);
    pageInfo(segment >> PAGE_SHIFT).count = 0;
  }
  for (let sizeClass: u32 = 0; sizeClass < head.classCount; sizeClass++) {
    const info = classInfo(partition, sizeClass);
    for (let page = info.anyPage, left = info.pages; left > 0; left--) {
      const next = pageInfo(page).next;
      givePage(page);
      page = next;
    }
  }
  resetPolicy(partition);
  // What was cleared is gone already, and counted nowhere.
  partition.deletes += partition.entries - partition.tombstones - countCleared(partition);
  resetPartition(partition);
}
