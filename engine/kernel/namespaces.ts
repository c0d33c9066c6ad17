/*
 * Namespaces: sets of keys with counters of their own that can be cleared in one step. In arenas whose creator asked
 * for room for them; everything here at Header.namespaces:
 *
 *   epochs   u32 x max          by number - 1: how often the namespace was cleared      under the lock of its home
 *   names    256 bytes x max    u8 length, UTF-8                                        under the lock of partition 0
 *   rows     Row x max, for each partition                                              under the partition's lock
 * Header.namespaceCount says how many names there are; it grows after the name was written, and nothing goes away.
 * With several arenas, names are in the first one only; the others follow it in the count and the epochs
 * (engine/space.ts).
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
 * The home of a namespace is the partition in which the log tells of its clears, and under whose lock its epoch
 * changes: whoever dies between the two leaves a log that tells its readers that they lost something (recovery.ts).
 */
import { equalBytes } from './bytes';
import { noteNamespaceClear } from './changelog';
import { Address, alignUp, Header, header } from './layout';
import { lock, unlock } from './lock';
import { Partition, partitionAt, partitionIndex } from './partition';
import { ROW_BYTES } from './rows';
import { requestArea } from './threads';

const NUMBER_SHIFT: u32 = 20;
const EPOCH_MASK: u32 = ((1 as u32) << NUMBER_SHIFT) - 1;

const NAME_BYTES: u32 = 256;
/** Bytes that so many namespaces take in an arena's head. */
export function namespaceBytes(max: u32, partitionsLog2: u32): u32 {
  return alignUp(namesOffset(max) + max * NAME_BYTES + ((max * ROW_BYTES) << partitionsLog2), 4096);
}

@inline
function namesOffset(max: u32): u32 {
  return alignUp(max << 2, 64);
}

@inline
export function numberOf(prefix: u32): u32 {
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

/** Where the row of a namespace in a partition stands. */
@inline
export function rowAddress(partition: Partition, number: u32): Address {
  const head = header();
  const rows = head.namespaces + namesOffset(head.maxNamespaces) + head.maxNamespaces * NAME_BYTES;
  return rows + (partitionIndex(partition) * head.maxNamespaces + number - 1) * ROW_BYTES;
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
 * call needs that twice in 2^20 clears. -1: they were not.
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
  // Twice in a round, at its end and one before: a sweep leaves the entries of the epoch that it is done in, and the
  // next one to be done in that epoch would leave them again, though they are of a round ago.
  const ends = (from ^ to) >> NUMBER_SHIFT != 0 || ((from + 1) ^ (to + 1)) >> NUMBER_SHIFT != 0;
  if (ends && sweptEpoch != <f64>from) return NAMESPACE_NEEDS_SWEEP;
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
