/** How even a ring is, and what moves when a member joins it. */
import { SLOTS, slotOfText } from '../../engine/slots.js';
import { buildRing, type Ring } from '../../server/cluster/ring.js';
import { movedSlots } from '../../server/cluster/ring-moves.js';
import type { RingMember } from '../../server/cluster/ring-options.js';

export interface RingPlan {
  /** Members before one joins. */
  readonly members: number;
  readonly copies: number;
  /** Memberships, each of other names. */
  readonly rounds: number;
  /** Weights 1 and 2 in turns instead of 1. */
  readonly isWeighted: boolean;
  /** Zones, members in turns; 0: none. */
  readonly zones: number;
}

/** Of each membership; where a ratio is meant, 1 is what the weights ask for. */
export interface RingRow extends RingPlan {
  /** Of the fullest member: slots that it is the primary of, by its share. */
  readonly primaryLoads: readonly number[];
  /** The same of all copies. */
  readonly copyLoads: readonly number[];
  /** Slots that have another primary when a member joins, by its share. */
  readonly primaryMoves: readonly number[];
  /** Copies that are new somewhere, by the new member's share. */
  readonly copyMoves: readonly number[];
  /** Of those copies, how many are not the new member's, from 0 to 1. */
  readonly strayMoves: readonly number[];
  readonly buildMs: readonly number[];
}

export function measureRing(plan: RingPlan): RingRow {
  const row = {
    ...{ primaryLoads: [] as number[], copyLoads: [] as number[], primaryMoves: [] as number[] },
    ...{ copyMoves: [] as number[], strayMoves: [] as number[], buildMs: [] as number[] },
  };
  for (let round = 0; round < plan.rounds; round++) {
    const members = membersOf(plan, round);
    const newcomer = members.at(-1)!;
    const before = buildRing(members.slice(0, -1), { copies: plan.copies });
    const start = performance.now();
    const after = buildRing(members, { copies: plan.copies });
    row.buildMs.push(performance.now() - start);
    row.primaryLoads.push(fullest(before, 1));
    row.copyLoads.push(fullest(before, Math.min(plan.copies, plan.members)));
    const { gained, primaryShare } = movedSlots(before, after);
    const share = newcomer.weight! / weightOf(members);
    row.primaryMoves.push(primaryShare / share);
    const copies = Math.min(plan.copies, members.length);
    row.copyMoves.push(gained.length / (SLOTS * copies * share));
    const strays = gained.filter(({ name }) => name !== newcomer.name).length;
    row.strayMoves.push(strays / gained.length);
  }
  return { ...plan, ...row };
}

function membersOf(plan: RingPlan, round: number): RingMember[] {
  return Array.from({ length: plan.members + 1 }, (_, i) => ({
    name: `node-${round}-${i}`,
    weight: plan.isWeighted ? 1 + (i % 2) : 1,
    ...(plan.zones > 0 && { zone: `zone-${i % plan.zones}` }),
  }));
}

function weightOf(members: readonly RingMember[]): number {
  return members.reduce((sum, { weight = 1 }) => sum + weight, 0);
}

/** By its share, the load of the member that has most of the first `copies` of each slot. */
function fullest(ring: Ring, copies: number): number {
  const loads = ring.members.map(() => 0);
  for (let slot = 0; slot < SLOTS; slot++) {
    for (const owner of ring.owners(slot).slice(0, copies)) loads[owner]!++;
  }
  const weights = weightOf(ring.members);
  return Math.max(
    ...loads.map((load, i) => (load * weights) / (SLOTS * copies * ring.members[i]!.weight)),
  );
}

/** Ns that the slot of a key takes, and the sum of the slots, so that the work is done. */
export function timeSlots(
  keys: readonly string[],
  rounds: number,
): { nsPerKey: number; checksum: number } {
  let checksum = 0;
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const key of keys) checksum = (checksum + slotOfText(key)) % 2 ** 32;
  }
  return { nsPerKey: ((performance.now() - start) * 1e6) / (rounds * keys.length), checksum };
}
