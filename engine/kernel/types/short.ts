/* Values of a few bytes, which commands of their own read and write. */
import { CHAINED, CHUNK_BLOB, entryAt, valueAddress, valueBytesOf } from '../entry';
import { Address } from '../layout';
import { copyHeld } from '../read';
import { entryOf, Slot } from '../table';

/**
 * Under the lock: where the value in a slot stands, or a copy of it at `copy`; 0: it is no blob, or longer than
 * `mostBytes`.
 */
export function shortValue(copy: Address, slot: Slot, mostBytes: u32): Address {
  const address = entryOf(slot);
  const entry = entryAt(address);
  if (entry.kind != CHUNK_BLOB || valueBytesOf(address, entry) > mostBytes) return 0;
  if (!(entry.flags & CHAINED)) return valueAddress(address, entry);
  // Short, and yet in a chain: its key is so long that no chunk holds both.
  copyHeld(slot, copy, copy + mostBytes);
  return copy;
}

/** The bytes of the value in a slot. */
@inline
export function bytesInSlot(slot: Slot): u32 {
  const address = entryOf(slot);
  return valueBytesOf(address, entryAt(address));
}
