/*
 * The size of a collection's entry: a packed one grows and shrinks with its items, and one that gets a root becomes
 * small. Everything here runs under the partition's lock; the entry is pinned.
 */
import { entryAt, entryBytes, fieldsBytes } from '../entry';
import { Address } from '../layout';
import { Partition } from '../partition';
import { allocate } from '../room';
import { chunkBytesOf, classOf, classOfChunk, giveChunk, takeChunk } from '../slab';
import { entryOf, setEntryOf, Slot } from '../table';
import { collectionMoved } from './node';

/** Lets the entry in a slot have room for a value of so many bytes. Its address then; 0: out of memory. */
export function fitEntry(partition: Partition, slot: Slot, valueBytes: u32, thread: u32, nowMs: i64): Address {
  const address = entryOf(slot);
  const bytes = headBytes(address) + valueBytes;
  if (bytes <= chunkBytesOf(classOfChunk(address))) return address;
  const target = allocate(partition, classOf(bytes), thread, nowMs);
  if (target) moveTo(partition, slot, address, target);
  return target;
}

@inline
function headBytes(address: Address): u32 {
  const entry = entryAt(address);
  return fieldsBytes(entry.flags) + <u32>entry.keyBytes;
}

function moveTo(partition: Partition, slot: Slot, address: Address, target: Address): void {
  memory.copy(target, address, entryBytes(entryAt(address)));
  partition.pinnedOld = target;
  partition.overwriting = target;
  setEntryOf(slot, target);
  collectionMoved(partition, target);
  giveChunk(partition, address);
}

/** An entry is moved to a smaller chunk when it takes less than this many eighths of its own. */
const FULL_EIGHTHS: u32 = 5;

/** Moves an entry that has become small to a smaller chunk, if there is one to be had without evicting anything. */
export function shrinkEntry(partition: Partition, slot: Slot): void {
  const address = entryOf(slot);
  const bytes = entryBytes(entryAt(address));
  if (bytes << 3 >= chunkBytesOf(classOfChunk(address)) * FULL_EIGHTHS) return;
  const target = takeChunk(partition, classOf(bytes));
  if (target) moveTo(partition, slot, address, target);
}
