/**
 * The ring's slow twin: every slot against every point of every member, and then the nearest pairs
 * of all first. No zones. It must place every slot as `server/cluster/ring.ts` does.
 */
import xxhash from 'xxhash-wasm';
import type { RingMember } from '#server/cluster/ring-options.js';

const { h64 } = await xxhash();

const SLOTS = 16_384;
const PROBES = 16;
const CIRCLE = 2 ** 32;

/** Where each slot looks from. */
function probesOf(): number[][] {
  const hashed: { slot: number; place: number }[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    const hash = h64(String(slot));
    const [first, stride] = [hash % 2n ** 32n, (hash >> 32n) | 1n];
    for (let i = 0n; i < PROBES; i++) {
      hashed.push({ slot, place: Number((first + i * stride) % 2n ** 32n) });
    }
  }
  // A stable sort: of the same place, the lower slot first.
  hashed.sort((a, b) => a.place - b.place);
  const probes: number[][] = Array.from({ length: SLOTS }, () => []);
  for (const [rank, { slot }] of hashed.entries()) {
    probes[slot]!.push(((rank + 0.5) * CIRCLE) / hashed.length);
  }
  return probes;
}

const probes = probesOf();

/** How far each slot is from a member: clockwise, from its best probe to the member's best point. */
function distancesTo({ name, weight = 1 }: RingMember, virtualNodes: number): number[] {
  const points = Array.from({ length: Math.round(weight * virtualNodes) }, (_, i) =>
    Number(h64(`${name}#${i}`) >> 32n),
  );
  return probes.map((places) => {
    let least = CIRCLE;
    for (const place of places) {
      for (const point of points) least = Math.min(least, (point - place + CIRCLE) % CIRCLE);
    }
    return least;
  });
}

/** The names of each slot's owners. */
export function slowRing(
  members: readonly RingMember[],
  { copies, virtualNodes }: { copies: number; virtualNodes: number },
): string[][] {
  const sorted = [...members].sort((a, b) => (a.name < b.name ? -1 : 1));
  const pairs = sorted.flatMap((member, index) =>
    distancesTo(member, virtualNodes).map((distance, slot) => ({ distance, index, slot })),
  );
  pairs.sort((a, b) => a.distance - b.distance || a.index - b.index || a.slot - b.slot);
  const weights = sorted.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const owners: string[][] = Array.from({ length: SLOTS }, () => []);
  const loads = sorted.map(() => 0);
  for (let copy = 1; copy <= Math.min(copies, members.length); copy++) {
    const bounds = sorted.map(({ weight = 1 }) => {
      const share = (SLOTS * copy * weight) / weights;
      return Math.ceil(share + Math.max(share * (copy === 1 ? 0.08 : 0.15), 1.5 * share ** 0.5));
    });
    for (const { slot, index } of pairs) {
      const name = sorted[index]!.name;
      const mine = owners[slot]!;
      if (mine.length === copy || mine.includes(name) || loads[index] === bounds[index]) continue;
      mine.push(name);
      loads[index]!++;
    }
  }
  return owners;
}
