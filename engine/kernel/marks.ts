/*
 * Access marks: two bits for each slot of the table, in its bucket at +12. Readers set them without the lock: a lost or
 * stray mark costs nothing but a little of the hit ratio, and a segment's memory never becomes anything else.
 */
import { Address } from './layout';
import { Partition } from './partition';
import { bucketOf, Slot } from './table';

const MARKS: u32 = 12;

@inline
function marksAddress(slot: Slot): Address {
  return bucketOf(slot) + MARKS + ((slot & 63) >> 2);
}

@inline
function marksShift(slot: Slot): u32 {
  return (slot & 3) << 1;
}

/** For `Partition.epoch`: a mark counts uses, to 3. */
export const COUNT_USES: u32 = 4;

/**
 * Marks the slot's entry as used, in the way of the partition's policy: counts to 3, or stores the epoch. By any
 * reader, without the lock.
 */
@inline
export function mark(partition: Partition, slot: Slot): void {
  const at = marksAddress(slot);
  const shift = marksShift(slot);
  const marks = <u32>load<u8>(at);
  const uses = (marks >> shift) & 3;
  const epoch = partition.epoch;
  if (epoch == COUNT_USES) {
    if (uses != 3) store<u8>(at, <u8>(marks + (1 << shift)));
  } else if (uses != epoch) {
    store<u8>(at, <u8>((marks & ~(3 << shift)) | (epoch << shift)));
  }
}

/** The access mark, 0 to 3. */
@inline
export function marksOf(slot: Slot): u32 {
  return (<u32>load<u8>(marksAddress(slot)) >> marksShift(slot)) & 3;
}

@inline
export function setMarks(slot: Slot, marks: u32): void {
  const at = marksAddress(slot);
  const shift = marksShift(slot);
  store<u8>(at, <u8>((<u32>load<u8>(at) & ~(3 << shift)) | (marks << shift)));
}

@inline
export function isMarked(slot: Slot): bool {
  return marksOf(slot) != 0;
}

@inline
export function clearMark(slot: Slot): void {
  setMarks(slot, 0);
}
