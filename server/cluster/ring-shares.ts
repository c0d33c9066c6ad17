/** How many slots each member should hold, by weights and zones. */
import type { FullMember } from './ring-options.js';

/** The members' zones as numbers; who names none is alone in one. */
export interface Zones {
  readonly count: number;
  /** By the member's index. */
  readonly of: Uint16Array;
}

export function zonesOf(members: readonly FullMember[]): Zones {
  const numbers = new Map<string, number>();
  let count = 0;
  const of = Uint16Array.from(members, ({ zone }) => {
    if (zone === '') return count++;
    const number = numbers.get(zone) ?? count++;
    numbers.set(zone, number);
    return number;
  });
  return { count, of };
}

/**
 * The share of all slots that each member should hold a copy of, if each slot has so many copies:
 * as its weight is, but no member holds two copies of a slot, and no zone before each has one.
 * @param copies at most as many as there are members
 */
export function sharesOf(
  members: readonly FullMember[],
  zones: Zones,
  copies: number,
): Float64Array {
  const weights = Float64Array.from(members, ({ weight }) => weight);
  const zoneWeights = new Float64Array(zones.count);
  for (const [index, zone] of zones.of.entries()) zoneWeights[zone]! += weights[index]!;
  const apart = Math.min(copies, zones.count);
  const zoneShares = pour(apart, zoneWeights, new Float64Array(zones.count).fill(1));
  const shares = weights.map((weight, index) => {
    const zone = zones.of[index]!;
    return (zoneShares[zone]! * weight) / zoneWeights[zone]!;
  });
  if (copies === apart) return shares;
  const room = shares.map((share) => 1 - share);
  const more = pour(copies - apart, weights, room);
  return shares.map((share, index) => share + more[index]!);
}

/** Pours an amount into vessels by their weights, into each as much as it holds. */
function pour(amount: number, weights: Float64Array, room: Float64Array): Float64Array {
  const poured = new Float64Array(weights.length);
  let [left, weightLeft] = [amount, weights.reduce((sum, weight) => sum + weight, 0)];
  // Those first that are full first.
  const order = [...weights.keys()].sort((a, b) => room[a]! / weights[a]! - room[b]! / weights[b]!);
  for (const index of order) {
    poured[index] = Math.min(room[index]!, (left * weights[index]!) / weightLeft);
    left -= poured[index]!;
    weightLeft -= weights[index]!;
  }
  return poured;
}
