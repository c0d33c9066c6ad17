/*
 * What is counted of namespaces (namespaces.ts): by partition in rows, under its lock, and hits and misses by thread.
 *
 * A row counts the entries of one epoch, the last one that an entry was made in; entries of other epochs are counted
 * nowhere but in Partition.spaced and spacedBytes. So a row whose prefix is not the present one counts nothing that is
 * still there, and what was cleared is the rest: all entries but those in rows of the present.
 *
 * A thread's counters stand behind its areas (threads.ts), by number - 1, touched by that thread only:
 *   +0  hits    u64
 *   +8  misses  u64
 */
import { LOG_CLEARED, LOG_DELETED, LOG_EVICTED, LOG_EXPIRED } from './changelog';
import { Entry, entryAt, keyPrefixOf, valueBytesOf } from './entry';
import { Address, AREA_SLACK, header } from './layout';
import { countNamespaces, isCleared, numberOf, prefixNow, rowAddress } from './namespaces';
import { Partition, partitionAt } from './partition';
import { replyArea } from './threads';

/** Sizes of values by their number of bits: a value of 64 MiB has 27. */
const SIZES: u32 = 28;

/** What a partition knows of a namespace. */
@unmanaged
export class Row {
  /** Of the entries counted in the next three; 0: none ever. */
  prefix: u32;
  entries: u32;
  /** Key and value bytes, the keys without their prefixes. */
  bytes: u64;
  // -- since the arena was made
  sets: u64;
  deletes: u64;
  evictions: u64;
  expired: u64;
}

const ROW_FIXED_BYTES: u32 = 48;
export const ROW_BYTES: u32 = ROW_FIXED_BYTES + 4 * SIZES;

/** Bytes of a thread's counters of hits and misses, by namespace, behind its areas. */
@inline
export function namespaceCounterBytes(max: u32): u32 {
  return max << 4;
}

/** The row of a namespace in a partition. */
@inline
export function rowAt(partition: Partition, number: u32): Row {
  return changetype<Row>(rowAddress(partition, number));
}

/** Where a row counts values of such a size. */
@inline
export function sizeAddress(row: Row, size: u32): Address {
  return changetype<u32>(row) + ROW_FIXED_BYTES + (size << 2);
}

@inline
export function sizeOf(valueBytes: u32): u32 {
  return min<u32>(32 - clz(valueBytes), SIZES - 1);
}

/** Lets a row count nothing that is there. */
function emptyRow(row: Row): void {
  row.entries = 0;
  row.bytes = 0;
  memory.fill(sizeAddress(row, 0), 0, 4 * SIZES);
}

/** All entries of the partition are gone, or to be forgotten. */
export function resetRows(partition: Partition): void {
  partition.spaced = 0;
  partition.spacedBytes = 0;
  partition.cleared = 0;
  for (let number: u32 = 1; number <= header().maxNamespaces; number++) emptyRow(rowAt(partition, number));
}

@inline
function count(row: Row, valueBytes: u32, by: i32): void {
  const at = sizeAddress(row, sizeOf(valueBytes));
  store<u32>(at, load<u32>(at) + by);
}

/** Bytes of an entry without its prefix. */
@inline
function bytesInNamespace(entry: Entry, valueBytes: u32): u32 {
  return <u32>entry.keyBytes - 4 + valueBytes;
}

/** An entry of a namespace is in the table now. */
export function enterNamespace(partition: Partition, address: Address): void {
  const entry = entryAt(address);
  const prefix = keyPrefixOf(address);
  const row = rowAt(partition, numberOf(prefix));
  if (row.prefix != prefix) {
    // It was not cleared when the lock was taken, and no row is of a time to come: the row's epoch is over.
    emptyRow(row);
    row.prefix = prefix;
  }
  const valueBytes = valueBytesOf(address, entry);
  const bytes = bytesInNamespace(entry, valueBytes);
  partition.spaced += 1;
  partition.spacedBytes += bytes;
  row.entries += 1;
  row.bytes += bytes;
  count(row, valueBytes, 1);
}

/** An entry of a namespace goes from the table; counts why, and returns it: LOG_CLEARED where it is no more already. */
export function leaveNamespace(partition: Partition, address: Address, reason: u32): u32 {
  const entry = entryAt(address);
  const prefix = keyPrefixOf(address);
  const row = rowAt(partition, numberOf(prefix));
  const valueBytes = valueBytesOf(address, entry);
  const bytes = bytesInNamespace(entry, valueBytes);
  partition.spaced -= 1;
  partition.spacedBytes -= bytes;
  if (row.prefix == prefix) {
    row.entries -= 1;
    row.bytes -= bytes;
    count(row, valueBytes, -1);
  }
  if (isCleared(prefix)) {
    if (partition.cleared) partition.cleared -= 1;
    return LOG_CLEARED;
  }
  if (reason == LOG_EXPIRED) row.expired += 1;
  else if (reason == LOG_EVICTED) row.evictions += 1;
  else if (reason == LOG_DELETED) row.deletes += 1;
  return reason;
}

/** The value of an entry of a namespace is about to be one of another length. */
export function resizeInNamespace(partition: Partition, address: Address, valueBytes: u32): void {
  const prefix = keyPrefixOf(address);
  const row = rowAt(partition, numberOf(prefix));
  const oldBytes = valueBytesOf(address, entryAt(address));
  const more = <u64>valueBytes - <u64>oldBytes;
  partition.spacedBytes += more;
  if (row.prefix != prefix) return;
  row.bytes += more;
  count(row, oldBytes, -1);
  count(row, valueBytes, 1);
}

/** Counts a write of a namespace's key. */
export function countSet(partition: Partition, key: Address): void {
  rowAt(partition, numberOf(load<u32>(key))).sets += 1;
}

@inline
function countersOf(thread: u32, number: u32): Address {
  return replyArea(thread) + header().areaBytes + AREA_SLACK + ((number - 1) << 4);
}

/** Counts a read that found a namespace's key. */
export function countHit(thread: u32, key: Address): void {
  addNamespaceHits(thread, numberOf(load<u32>(key)), 1);
}

/** Counts hits that the host served by itself. */
export function addNamespaceHits(thread: u32, number: u32, hits: u32): void {
  const at = countersOf(thread, number);
  store<u64>(at, load<u64>(at) + hits);
}

/** Counts a read that did not find a namespace's key. */
export function countMiss(thread: u32, key: Address): void {
  const at = countersOf(thread, numberOf(load<u32>(key)));
  store<u64>(at, load<u64>(at, 8) + 1, 8);
}

/** Entries in a partition whose namespace was cleared. Exact under its lock. */
export function countCleared(partition: Partition): u32 {
  let cleared = partition.spaced;
  if (cleared == 0) return 0;
  for (let number = countNamespaces(); number > 0; number--) {
    const row = rowAt(partition, number);
    if (row.prefix == prefixNow(number)) cleared -= row.entries;
  }
  return cleared;
}

/** Their bytes. */
export function clearedBytes(partition: Partition): u64 {
  let bytes = partition.spacedBytes;
  if (bytes == 0) return 0;
  for (let number = countNamespaces(); number > 0; number--) {
    const row = rowAt(partition, number);
    if (row.prefix == prefixNow(number)) bytes -= row.bytes;
  }
  return bytes;
}

/**
 * Writes totals of a namespace as f64 to the reply area: entries, bytes, sets, deletes, evictions, expired, hits,
 * misses, and how many values have so many bits in their length, from 0 on. How many totals. Racy by nature.
 */
export function collectNamespace(thread: u32, number: u32): u32 {
  const head = header();
  const out = replyArea(thread);
  const totals = 8 + SIZES;
  memory.fill(out, 0, totals << 3);
  for (let i: u32 = 0; i < head.partitionCount; i++) {
    const row = rowAt(partitionAt(i), number);
    if (row.prefix == prefixNow(number)) {
      add(out, <f64>row.entries);
      add(out + 8, <f64>row.bytes);
      for (let size: u32 = 0; size < SIZES; size++) {
        add(out + 64 + (size << 3), <f64>load<u32>(sizeAddress(row, size)));
      }
    }
    add(out + 16, <f64>row.sets);
    add(out + 24, <f64>row.deletes);
    add(out + 32, <f64>row.evictions);
    add(out + 40, <f64>row.expired);
  }
  for (let i: u32 = 0; i < head.maxThreads; i++) {
    const counters = countersOf(i, number);
    add(out + 48, <f64>load<u64>(counters));
    add(out + 56, <f64>load<u64>(counters, 8));
  }
  return totals;
}

@inline
function add(at: Address, value: f64): void {
  store<f64>(at, load<f64>(at) + value);
}

/*
 * Integrity: sums over entries and over rows that are equal when each row counts what it should. Each term is weighted
 * by what it is about, so that errors do not cancel out.
 */

let entrySum: u64 = 0;

@inline
function weight(number: u32, part: u32): u64 {
  const x = (((<u64>number << 8) | part) + 1) * 0x9e3779b97f4a7c15;
  return (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9;
}

/** Begins the check of a partition's rows: to be called before `sumEntry` for each of its entries of namespaces. */
export function beginSums(): void {
  entrySum = 0;
}

/** An entry that is in the table. */
export function sumEntry(partition: Partition, address: Address): void {
  const entry = entryAt(address);
  const prefix = keyPrefixOf(address);
  const number = numberOf(prefix);
  if (number == 0 || number > countNamespaces()) {
    entrySum += 1;
    return;
  }
  const valueBytes = valueBytesOf(address, entry);
  const bytes = <u64>bytesInNamespace(entry, valueBytes);
  entrySum += weight(0, 0) + bytes * weight(0, 1);
  if (rowAt(partition, number).prefix != prefix) return;
  entrySum += weight(number, 0) + bytes * weight(number, 1) + weight(number, 2 + sizeOf(valueBytes));
}

/** Whether the rows count what was summed. */
export function areSumsRight(partition: Partition): bool {
  let sum = <u64>partition.spaced * weight(0, 0) + partition.spacedBytes * weight(0, 1);
  for (let number: u32 = 1; number <= header().maxNamespaces; number++) {
    const row = rowAt(partition, number);
    sum += <u64>row.entries * weight(number, 0) + row.bytes * weight(number, 1);
    for (let size: u32 = 0; size < SIZES; size++) {
      sum += <u64>load<u32>(sizeAddress(row, size)) * weight(number, 2 + size);
    }
  }
  return sum == entrySum;
}
