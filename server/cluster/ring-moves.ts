/** What changes hands from one ring to the next. */
import { SLOTS } from '../../engine/slots.js';
import type { Ring } from './ring.js';

/** A copy of a slot, and the name of the member that holds it. */
export interface SlotCopy {
  readonly slot: number;
  readonly name: string;
}

export interface Moves {
  /** Copies that there were not before, by slot. */
  readonly gained: readonly SlotCopy[];
  /** Copies that are no more, by slot. */
  readonly lost: readonly SlotCopy[];
  /** The share of the slots that have another primary, from 0 to 1. */
  readonly primaryShare: number;
}

/**
 * Compares the owners of all slots, by their names: who has the same name is the same member.
 * Zones, weights and numbers of copies may differ.
 */
export function movedSlots(from: Ring, to: Ring): Moves {
  const gained: SlotCopy[] = [];
  const lost: SlotCopy[] = [];
  let primaries = 0;
  for (let slot = 0; slot < SLOTS; slot++) {
    const before = from.ownerNames(slot);
    const after = to.ownerNames(slot);
    if (before[0] !== after[0]) primaries++;
    for (const name of after) if (!before.includes(name)) gained.push({ slot, name });
    for (const name of before) if (!after.includes(name)) lost.push({ slot, name });
  }
  return { gained, lost, primaryShare: primaries / SLOTS };
}
