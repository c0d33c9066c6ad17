/** Which members are how near to each slot. */
import { SLOTS } from '../../engine/slots.js';
import type { RingPoints } from './ring-points.js';

/** Members by nearness, and how far each is. */
interface Order {
  readonly members: Uint16Array;
  readonly distances: Float64Array;
}

/** A member fits beside a distance in a double: 16 and 32 of 53 bits. */
const MEMBERS = 2 ** 16;

/**
 * The first few members of each slot, and more of them when they are asked for: few slots ask, but
 * for those that look for a small zone.
 */
export class Preferences {
  readonly #points: RingPoints;
  readonly #memberCount: number;
  /** What each slot has in the table. */
  readonly #depth: number;
  readonly #members: Uint16Array;
  readonly #distances: Float64Array;
  readonly #deeper = new Map<number, Order>();
  /** Of each member to all slots; made when a walk was too long. */
  #tables: readonly Uint32Array[] | undefined;

  /** @param wanted members that each slot is likely to ask for */
  constructor(points: RingPoints, memberCount: number, wanted: number) {
    const depth = Math.min(memberCount, wanted);
    this.#points = points;
    this.#memberCount = memberCount;
    this.#depth = depth;
    this.#members = new Uint16Array(SLOTS * depth);
    this.#distances = new Float64Array(SLOTS * depth);
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = slot * depth;
      if (points.nearest(slot, depth, this.#members, this.#distances, at)) continue;
      const { members, distances } = this.#orderAll(slot);
      this.#members.set(members.subarray(0, depth), at);
      this.#distances.set(distances.subarray(0, depth), at);
    }
  }

  /** The slot's member of this rank, from 0. */
  member(slot: number, rank: number): number {
    if (rank < this.#depth) return this.#members[slot * this.#depth + rank]!;
    return this.#deep(slot, rank).members[rank]!;
  }

  /** How far that member is. */
  distance(slot: number, rank: number): number {
    if (rank < this.#depth) return this.#distances[slot * this.#depth + rank]!;
    return this.#deep(slot, rank).distances[rank]!;
  }

  #deep(slot: number, rank: number): Order {
    const known = this.#deeper.get(slot);
    if (known !== undefined && rank < known.members.length) return known;
    const order = this.#walk(slot, 2 * rank + 2) ?? this.#orderAll(slot);
    this.#deeper.set(slot, order);
    return order;
  }

  /** So many members, or undefined when the way to them is too long. */
  #walk(slot: number, wanted: number): Order | undefined {
    if (this.#tables !== undefined) return undefined;
    const depth = Math.min(this.#memberCount, wanted);
    const members = new Uint16Array(depth);
    const distances = new Float64Array(depth);
    const isFound = this.#points.nearest(slot, depth, members, distances, 0);
    return isFound ? { members, distances } : undefined;
  }

  /** All members, by their distances instead of a walk past their points. */
  #orderAll(slot: number): Order {
    this.#tables ??= Array.from({ length: this.#memberCount }, (_, member) =>
      this.#points.distancesTo(member),
    );
    const tables = this.#tables;
    const { length } = tables;
    const sorted = new Float64Array(length);
    for (let i = 0; i < length; i++) sorted[i] = tables[i]![slot]! * MEMBERS + i;
    sorted.sort();
    const members = new Uint16Array(length);
    for (let i = 0; i < length; i++) {
      members[i] = sorted[i]! % MEMBERS;
      sorted[i] = Math.floor(sorted[i]! / MEMBERS);
    }
    return { members, distances: sorted };
  }
}
