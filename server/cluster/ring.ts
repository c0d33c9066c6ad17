/**
 * The ring: which members own which slots. It is the same for the same members on every machine,
 * whatever order they came in, and whatever was before.
 */
import { SLOTS } from '../../engine/slots.js';
import {
  type FullMember,
  type RingMember,
  type RingOptions,
  readMembers,
  readOptions,
} from './ring-options.js';
import { NOBODY, placeSlots } from './ring-placement.js';
import { RingPoints } from './ring-points.js';

/** Immutable. */
export class Ring {
  /** In the order of their names, their defaults filled in. Owners are indexes of these. */
  readonly members: readonly FullMember[];
  /** As in the options; where there are fewer members, a slot has as many owners. */
  readonly copies: number;
  /**
   * {@link SLOTS} rows of {@link copies} owners, the primary first, {@link NOBODY} where there are
   * fewer members. Only to be read.
   */
  readonly table: Uint16Array;

  /** Places all slots anew, some milliseconds of work: see {@link buildRing}. */
  constructor(members: readonly FullMember[], options: Required<RingOptions>) {
    this.members = members;
    this.copies = options.copies;
    const points = new RingPoints(members, options.virtualNodes);
    this.table = placeSlots(members, points, options.copies);
  }

  /** {@link NOBODY} where there are no members. */
  primary(slot: number): number {
    return this.table[slot * this.copies]!;
  }

  /** All different, the primary first. */
  owners(slot: number): readonly number[] {
    const first = slot * this.copies;
    const row = this.table.subarray(first, first + this.copies);
    return [...row].filter((owner) => owner !== NOBODY);
  }

  /** The names of the owners, the primary's first. */
  ownerNames(slot: number): readonly string[] {
    return this.owners(slot).map((owner) => this.members[owner]!.name);
  }
}

/**
 * Places the slots on the members. The first owner of a slot is its primary; the others are the
 * next nearest, in zones that have no copy yet as long as there are any, then other members.
 *
 * Nobody is the primary of more than 1.08 times the slots that its weight asks for, and nobody
 * holds more than 1.15 times its copies; where there are less than some 350 slots a member it is
 * a little more (`ring-placement.ts`). Zones and different members go before these bounds.
 * @throws SlabringError `OPTION` when two members have one name, or a value is not allowed
 */
export function buildRing(members: readonly RingMember[], options: RingOptions): Ring {
  return new Ring(readMembers(members), readOptions(options));
}
