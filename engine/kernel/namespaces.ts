/*
 * Namespaces: sets of keys with counters of their own that can be cleared in one step. In arenas whose creator asked for
 * room for them; everything here at Header.namespaces:
 *
 *   epochs   u32 x max          by number - 1: how often the namespace was cleared      under the lock of its home
 *   names    256 bytes x max    u8 length, UTF-8                                        under the lock of partition 0
 *   rows     Row x max, for each partition                                              under the partition's lock
 * Header.namespaceCount says how many names there are; it grows after the name was written, and nothing goes away.
 * With several arenas, names are in the first one only; the others follow it in the count and the epochs (engine/space.ts).
 *
 * A key of a namespace begins with its prefix, and the entry with it is flagged (entry.ts):
 *
 *   bits 31..20  number of the namespace, from 1 on
 *   bits 19..0   its epoch at that time, as far as they go
 *
 * Clearing a namespace raises its epoch. From then on nobody looks for keys with the old prefix: they are cleared, as
 * fast as one word can be stored. Their memory comes back later (sweep.ts). A prefix comes again after 2^20 clears, so
 * before the epoch's low bits come round, all entries of the namespace's old epochs are removed (`clearNamespace`).
 * An entry whose prefix is not the present one is never made: it counts as written just before the clear (store.ts).
 *
 * A partition has a row for each namespace. It counts the entries of one epoch, the last one that an entry was made in;
 * entries of other epochs are counted nowhere but in Partition.spaced and spacedBytes. So a row whose prefix is not the
 * present one counts nothing that is still there.
 *
 * The home of a namespace is the partition in which the log tells of its clears, and under whose lock its epoch changes:
 * whoever dies between the two leaves a log that tells its readers that they lost something (recovery.ts).
 */
import { equalBytes } from './bytes';
import { LOG_CLEARED, LOG_EVICTED, LOG_EXPIRED, noteNamespaceClear } from './changelog';
import { Entry, entryAt, keyPrefixOf } from './entry';
import { Address, alignUp, AREA_SLACK, Header, header } from './layout';
import { lock, unlock } from './lock';
import { Partition, partitionAt, partitionIndex } from './partition';
import { replyArea, requestArea } from './threads';

const NUMBER_SHIFT: u32 = 20;
const EPOCH_MASK: u32 = ((1 as u32) << NUMBER_SHIFT) - 1;

const NAME_BYTES: u32 = 256;
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

/** Bytes that so many namespaces take in an arena's head. */
export function namespaceBytes(max: u32, partitionsLog2: u32): u32 {
  return alignUp(namesOffset(max) + max * NAME_BYTES + ((max * ROW_BYTES) << partitionsLog2), 4096);
}

@inline
function namesOffset(max: u32): u32 {
  return alignUp(max << 2, 64);
}

/** Bytes of a thread's counters of hits and misses, by namespace, behind its areas. */
@inline
export function namespaceCounterBytes(max: u32): u32 {
  return max << 4;
}

@inline
function numberOf(prefix: u32): u32 {
  return prefix >> NUMBER_SHIFT;
}

@inline
function epochAddress(number: u32): Address {
  return header().namespaces + ((number - 1) << 2);
}

/** The prefix of a namespace's keys now. */
@inline
export function prefixNow(number: u32): u32 {
  return (number << NUMBER_SHIFT) | (atomic.load<u32>(epochAddress(number)) & EPOCH_MASK);
}

/** Whether what has this prefix was cleared. */
@inline
export function isCleared(prefix: u32): bool {
  return prefix != prefixNow(numberOf(prefix));
}

@inline
function nameAddress(number: u32): Address {
  const head = header();
  return head.namespaces + namesOffset(head.maxNamespaces) + (number - 1) * NAME_BYTES;
}

/** The row of a namespace in a partition. */
@inline
export function rowAt(partition: Partition, number: u32): Row {
  const head = header();
  const rows = head.namespaces + namesOffset(head.maxNamespaces) + head.maxNamespaces * NAME_BYTES;
  const index = partitionIndex(partition) * head.maxNamespaces + number - 1;
  return changetype<Row>(rows + index * ROW_BYTES);
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
export function bytesInNamespace(entry: Entry): u32 {
  return entry.keyBytes - 4 + entry.valueBytes;
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
  const bytes = bytesInNamespace(entry);
  partition.spaced += 1;
  partition.spacedBytes += bytes;
  row.entries += 1;
  row.bytes += bytes;
  count(row, entry.valueBytes, 1);
}

/** An entry of a namespace goes from the table; counts why, and returns it: LOG_CLEARED where it is no more already. */
export function leaveNamespace(partition: Partition, address: Address, reason: u32): u32 {
  const entry = entryAt(address);
  const prefix = keyPrefixOf(address);
  const row = rowAt(partition, numberOf(prefix));
  const bytes = bytesInNamespace(entry);
  partition.spaced -= 1;
  partition.spacedBytes -= bytes;
  if (row.prefix == prefix) {
    row.entries -= 1;
    row.bytes -= bytes;
    count(row, entry.valueBytes, -1);
  }
  if (isCleared(prefix)) {
    if (partition.cleared) partition.cleared -= 1;
    return LOG_CLEARED;
  }
  if (reason == LOG_EXPIRED) row.expired += 1;
  else if (reason == LOG_EVICTED) row.evictions += 1;
  else row.deletes += 1;
  return reason;
}

/** The value of an entry of a namespace is about to be one of another length. */
export function resizeInNamespace(partition: Partition, address: Address, valueBytes: u32): void {
  const prefix = keyPrefixOf(address);
  const row = rowAt(partition, numberOf(prefix));
  const oldBytes = entryAt(address).valueBytes;
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

/*
 * Names.
 */

@inline
export function countNamespaces(): u32 {
  return atomic.load<u32>(offsetof<Header>('namespaceCount'));
}

/** The number of the namespace whose name is at the start of the request area; 0: there is none. */
function findNamespace(thread: u32, bytes: u32): u32 {
  const known = countNamespaces();
  for (let number: u32 = 1; number <= known; number++) {
    const at = nameAddress(number);
    if (<u32>load<u8>(at) == bytes && equalBytes(at + 1, requestArea(thread), bytes)) return number;
  }
  return 0;
}

/** The same, which is made if need be; 0: there are as many as there can be. Names have 1 to 255 bytes. */
export function openNamespace(thread: u32, bytes: u32): u32 {
  let number = findNamespace(thread, bytes);
  if (number) return number;
  const partition = partitionAt(0);
  lock(partition, thread);
  number = findNamespace(thread, bytes);
  const known = countNamespaces();
  if (number == 0 && known < header().maxNamespaces) {
    number = known + 1;
    const at = nameAddress(number);
    store<u8>(at, <u8>bytes);
    memory.copy(at + 1, requestArea(thread), bytes);
    atomic.store<u32>(offsetof<Header>('namespaceCount'), number);
  }
  unlock(partition);
  return number;
}

/** Makes an arena that has no names, because it is not the first one, know of a number before it is used there. */
export function useNamespace(number: u32): void {
  let known = countNamespaces();
  while (known < number) {
    const found = atomic.cmpxchg<u32>(offsetof<Header>('namespaceCount'), known, number);
    if (found == known) return;
    known = found;
  }
}

/** Where the names and the epochs stand, for the host. */
export function namespaceNamesAt(): Address {
  return nameAddress(1);
}

export function namespaceEpochsAt(): Address {
  return header().namespaces;
}

/*
 * Clearing.
 */

@inline
function homeOf(number: u32): Partition {
  return partitionAt(number & (header().partitionCount - 1));
}

/* What `clearNamespace` and `raiseNamespace` return. */
export const NAMESPACE_DONE: u32 = 0;
/** Nothing was done: first entries of old epochs are to be swept (sweep.ts), and then this called again. */
export const NAMESPACE_NEEDS_SWEEP: u32 = 1;

/**
 * Clears a namespace. `sweptEpoch`: the epoch in which all entries that had been cleared were swept, just before; the
 * call needs that once in 2^20 clears. -1: they were not.
 */
export function clearNamespace(thread: u32, number: u32, sweptEpoch: f64): u32 {
  const partition = homeOf(number);
  lock(partition, thread);
  const epoch = atomic.load<u32>(epochAddress(number));
  const outcome = changeEpoch(partition, number, epoch, epoch + 1, sweptEpoch);
  unlock(partition);
  return outcome;
}

/** Lets the epoch of a namespace be `epoch` unless it is beyond that: that of the first arena, in the others. */
export function raiseNamespace(thread: u32, number: u32, epoch: u32, sweptEpoch: f64): u32 {
  const partition = homeOf(number);
  lock(partition, thread);
  const present = atomic.load<u32>(epochAddress(number));
  let outcome = NAMESPACE_DONE;
  if (<i32>(epoch - present) > 0) outcome = changeEpoch(partition, number, present, epoch, sweptEpoch);
  unlock(partition);
  return outcome;
}

function changeEpoch(partition: Partition, number: u32, from: u32, to: u32, sweptEpoch: f64): u32 {
  if ((from ^ to) >> NUMBER_SHIFT != 0 && sweptEpoch != <f64>from) return NAMESPACE_NEEDS_SWEEP;
  atomic.store<u32>(epochAddress(number), to);
  noteClears();
  noteNamespaceClear(partition, prefixNow(number));
  return NAMESPACE_DONE;
}

/** There may be entries that were cleared: partitions shall count them anew. After the change of the epoch. */
@inline
export function noteClears(): void {
  atomic.add<u32>(offsetof<Header>('namespaceClears'), 1);
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
  const x = ((<u64>number << 8) | part) * 0x9e3779b97f4a7c15;
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
  const bytes = <u64>bytesInNamespace(entry);
  entrySum += weight(0, 0) + bytes * weight(0, 1);
  if (rowAt(partition, number).prefix != prefix) return;
  entrySum += weight(number, 0) + bytes * weight(number, 1) + weight(number, 2 + sizeOf(entry.valueBytes));
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
