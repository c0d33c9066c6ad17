/**
 * Gives each slot its owners: those who are nearest, but nobody more than a bound.
 *
 * Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018,
 * https://arxiv.org/abs/1608.01350) sends on what comes to a full member. Who is sent on there
 * depends on the order of coming; here it is who is farthest away. This is the stable matching of
 * slots and members by distance (Gale and Shapley 1962): there is one, whatever the order, and a
 * member that comes or goes changes little of it but what was at the edge.
 */
import { SLOTS } from '../../engine/slots.js';
import type { FullMember } from './ring-options.js';
import type { RingPoints } from './ring-points.js';
import { Preferences } from './ring-preferences.js';
import { sharesOf, type Zones, zonesOf } from './ring-shares.js';

/**
 * What a member may hold above its share, of primaries and of all copies. Lower bounds move more
 * slots between members that stay when another one comes: with 0.06 for primaries a join of the
 * 101st moved 1.12 times its share in the mean, and with 0.08 1.05.
 */
const EXCESS = { primaries: 0.08, copies: 0.15 };
/**
 * And so many times the square root of its share, where that is more: about two standard
 * deviations, so that with many members, of few slots each, the bound catches the odd one only.
 */
const CHANCE = 1.5;

/** Stands for an owner where there are fewer members than copies. */
export const NOBODY = 0xffff;

/** How many members beyond the copies each slot knows from the start. */
const SPARE = 2;

/**
 * The owners of all slots: {@link SLOTS} rows of `copies` members' indexes, the primary first,
 * {@link NOBODY} where there are no more.
 */
export function placeSlots(
  members: readonly FullMember[],
  points: RingPoints,
  copies: number,
): Uint16Array {
  const owners = new Uint16Array(SLOTS * copies).fill(NOBODY);
  const preferences = new Preferences(points, members.length, copies + SPARE);
  const placement = new Placement(members, preferences, owners, copies);
  for (let copy = 0; copy < Math.min(copies, members.length); copy++) placement.place(copy);
  return owners;
}

class Placement {
  readonly #members: readonly FullMember[];
  readonly #memberCount: number;
  readonly #preferences: Preferences;
  readonly #owners: Uint16Array;
  readonly #copies: number;
  readonly #zones: Zones;
  /** Copies that each member holds, of all slots. */
  readonly #loads: Uint32Array;
  /** Of the copy at hand, by slot: the rank of its owner; whether that has it over its bound. */
  readonly #ranks = new Uint16Array(SLOTS);
  readonly #isForced = new Uint8Array(SLOTS);

  constructor(
    members: readonly FullMember[],
    preferences: Preferences,
    owners: Uint16Array,
    copies: number,
  ) {
    this.#members = members;
    this.#memberCount = members.length;
    this.#preferences = preferences;
    this.#owners = owners;
    this.#copies = copies;
    this.#zones = zonesOf(members);
    this.#loads = new Uint32Array(members.length);
  }

  /** Finds an owner for the copy of this number of each slot; those before have theirs. */
  place(copy: number): void {
    const excess = copy === 0 ? EXCESS.primaries : EXCESS.copies;
    const bounds = sharesOf(this.#members, this.#zones, copy + 1).map((share) => {
      const slots = share * SLOTS;
      return Math.ceil(slots + Math.max(slots * excess, Math.sqrt(slots) * CHANCE));
    });
    this.#isForced.fill(0);
    for (let slot = 0; slot < SLOTS; slot++) this.#take(slot, copy, this.#rank(slot, copy, 0));
    // It ends: a slot that is sent on goes to the next rank, and from the last one to who must.
    let isSentOn = true;
    while (isSentOn) {
      isSentOn = false;
      for (const member of this.#full(bounds)) {
        if (this.#sendOn(member, bounds[member]!, copy)) isSentOn = true;
      }
    }
  }

  #full(bounds: Float64Array): number[] {
    return [...this.#loads.keys()].filter((member) => this.#loads[member]! > bounds[member]!);
  }

  /** Sends on the farthest slots of a member that has too many; whether it had any to send. */
  #sendOn(member: number, bound: number, copy: number): boolean {
    const held = this.#heldBy(member, copy);
    for (const distance of held.slice(-(this.#loads[member]! - bound))) {
      const slot = distance % SLOTS;
      this.#loads[member]!--;
      const rank = this.#rank(slot, copy, this.#ranks[slot]! + 1);
      if (rank < this.#memberCount) {
        this.#take(slot, copy, rank);
      } else {
        this.#isForced[slot] = 1;
        this.#take(slot, copy, this.#rank(slot, copy, 0));
      }
    }
    return held.length > 0;
  }

  /**
   * The slots of this copy that a member may send on, nearest first: the distance of each, below
   * 2^39, times {@link SLOTS}, and the slot.
   */
  #heldBy(member: number, copy: number): Float64Array {
    const held = new Float64Array(this.#loads[member]!);
    let count = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#owners[slot * this.#copies + copy] !== member || this.#isForced[slot]) continue;
      held[count++] = this.#preferences.distance(slot, this.#ranks[slot]!) * SLOTS + slot;
    }
    return held.subarray(0, count).sort();
  }

  #take(slot: number, copy: number, rank: number): void {
    const member = this.#preferences.member(slot, rank);
    this.#owners[slot * this.#copies + copy] = member;
    this.#ranks[slot] = rank;
    this.#loads[member]!++;
  }

  /** The first rank from this one on whose member may have the copy; if none, their number. */
  #rank(slot: number, copy: number, from: number): number {
    let rank = from;
    while (rank < this.#memberCount && !this.#mayHave(slot, copy, rank)) rank++;
    return rank;
  }

  #mayHave(slot: number, copy: number, rank: number): boolean {
    if (copy === 0) return true;
    const member = this.#preferences.member(slot, rank);
    const zones = this.#zones.of;
    const isZoneLeft = copy < this.#zones.count;
    const first = slot * this.#copies;
    for (let at = first; at < first + copy; at++) {
      const owner = this.#owners[at]!;
      if (owner === member || (isZoneLeft && zones[owner] === zones[member])) return false;
    }
    return true;
  }
}
