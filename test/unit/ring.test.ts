/** The ring: where slots are, how evenly, and how few of them move. */
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { slotOfText } from '#engine/slots.js';
import { buildRing, type Ring } from '#server/cluster/ring.js';
import { movedSlots } from '#server/cluster/ring-moves.js';
import type { RingMember, RingOptions } from '#server/cluster/ring-options.js';
import { NOBODY } from '#server/cluster/ring-placement.js';
import { Random, SEED } from '../support/kernel-random.js';
import { slowRing } from '../support/slow-ring.js';

const { h64ToString } = await xxhash();

const SLOTS = 16_384;
const slots = Array.from({ length: SLOTS }, (_, slot) => slot);

/** So many members of weight 1. */
function equal(count: number, prefix: string): RingMember[] {
  return Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i}` }));
}

/** A membership drawn by chance. */
function someMembers(random: Random, most = 30): RingMember[] {
  const zones = random.chance(0.5) ? random.between(1, 5) : 0;
  const isEqual = random.chance(0.3);
  return Array.from({ length: random.between(1, most) }, (_, i) => ({
    name: `${random.bytes(4).toString('hex')}:${7000 + i}`,
    ...(!isEqual && { weight: random.pick([0.1, 0.5, 1, 1, 2, 3.5, 20]) }),
    ...(zones > 0 && random.chance(0.9) && { zone: `zone-${random.below(zones)}` }),
  }));
}

/** Slots that each member is the primary of, and those that it has a copy of. */
function loadsOf(ring: Ring): { primaries: number[]; copies: number[] } {
  const primaries = ring.members.map(() => 0);
  const copies = ring.members.map(() => 0);
  for (const slot of slots) {
    primaries[ring.primary(slot)]!++;
    for (const owner of ring.owners(slot)) copies[owner]!++;
  }
  return { primaries, copies };
}

const layoutOf = (ring: Ring): string => h64ToString(ring.table.join());

describe('the layout', () => {
  // Nodes of two versions must place slots alike: a change here is a change of the protocol.
  it.each<[string, RingMember[], RingOptions, string]>([
    ['three members', equal(3, 'node-'), { copies: 2 }, '007ff4f1ee82e9b9'],
    ['more points', equal(12, '10.0.0.'), { copies: 1, virtualNodes: 200 }, '1a9903ef8c07f6d2'],
    [
      'weights and zones',
      equal(40, 'n').map((member, i) => ({ ...member, weight: 1 + (i % 3), zone: `z${i % 4}` })),
      { copies: 3 },
      'd324dcaf8a7296af',
    ],
    [
      'far weights and a small zone',
      equal(9, 'n').map((member, i) => ({ ...member, weight: 0.1 + i ** 2, zone: `${i > 0}` })),
      { copies: 3, virtualNodes: 100 },
      '5d539109d868de68',
    ],
  ])('of %s is pinned', (_, members, options, layout) => {
    expect(layoutOf(buildRing(members, options))).toBe(layout);
  });

  it('does not depend on the order of the members', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 10; round++) {
      const members = someMembers(random);
      const options = { copies: random.between(1, 4) };
      const layout = layoutOf(buildRing(members, options));
      for (let i = members.length - 1; i > 0; i--) {
        const other = random.below(i + 1);
        [members[i], members[other]] = [members[other]!, members[i]!];
      }
      expect([SEED, round, layoutOf(buildRing(members, options))]).toEqual([SEED, round, layout]);
    }
  });

  it.each<[string, RingMember[], { copies: number; virtualNodes: number }]>([
    // Two of them are at their bound.
    ['many members', equal(30, 'e'), { copies: 1, virtualNodes: 16 }],
    ['few members', equal(5, 'host-'), { copies: 3, virtualNodes: 20 }],
    ['more copies than members', equal(2, 'b'), { copies: 3, virtualNodes: 16 }],
    [
      // All eight light ones are at the bound of their copies.
      'weights',
      equal(10, 'y').map((member, i) => ({ ...member, weight: i < 2 ? 10 : 1 })),
      { copies: 2, virtualNodes: 16 },
    ],
  ])('is that of the slow twin: %s', (_, members, options) => {
    const ring = buildRing(members, options);
    expect(slots.map((slot) => ring.ownerNames(slot))).toEqual(slowRing(members, options));
  });
});

describe('the owners of a slot', () => {
  it('are different members, in as many zones as there are', () => {
    const random = new Random(SEED + 1);
    for (let round = 0; round < 15; round++) {
      const members = someMembers(random);
      const copies = random.between(1, 5);
      const ring = buildRing(members, { copies });
      const zones = new Set(members.map(({ name, zone }) => zone ?? `only ${name}`)).size;
      const count = Math.min(copies, members.length);
      const zoneOf = ring.members.map(({ name, zone }) => zone || `only ${name}`);
      const wrong = slots.filter((slot) => {
        const owners = ring.owners(slot);
        const ownZones = new Set(owners.map((owner) => zoneOf[owner])).size;
        return new Set(owners).size !== count || ownZones !== Math.min(count, zones);
      });
      expect([SEED, round, wrong.slice(0, 5)]).toEqual([SEED, round, []]);
    }
  });

  it('are as many as there are members, and nobody beyond', () => {
    const ring = buildRing(equal(2, 'n'), { copies: 3 });
    expect(new Set(slots.map((slot) => ring.owners(slot).length))).toEqual(new Set([2]));
    expect(ring.table[2]).toBe(NOBODY);
    expect(ring.table.length).toBe(3 * SLOTS);
    const empty = buildRing([], { copies: 1 });
    expect([empty.primary(0), empty.owners(0)]).toEqual([NOBODY, []]);
    const alone = buildRing([{ name: 'n', weight: 0.1 }], { copies: 1, virtualNodes: 16 });
    expect(alone.table.every((owner) => owner === 0)).toBe(true);
  });
});

describe('the load', () => {
  it('is within its bounds, whatever the members are', () => {
    const random = new Random(SEED + 2);
    for (let round = 0; round < 30; round++) {
      const members = someMembers(random, 60);
      const ring = buildRing(members, { copies: 1 });
      const weights = members.reduce((sum, { weight = 1 }) => sum + weight, 0);
      const over = loadsOf(ring).primaries.filter((load, member) => {
        const share = (SLOTS * ring.members[member]!.weight) / weights;
        return load > Math.ceil(share + Math.max(share * 0.08, 1.5 * Math.sqrt(share)));
      });
      expect([SEED, round, over]).toEqual([SEED, round, []]);
    }
  });

  it.each([3, 5, 10, 20])(
    'of %i equal members is near the mean: at most 15 percent above, of copies 20',
    (count) => {
      for (let seed = 0; seed < 10; seed++) {
        const ring = buildRing(equal(count, `seed${seed}-`), { copies: 2 });
        const { primaries, copies } = loadsOf(ring);
        expect([seed, Math.max(...primaries) / (SLOTS / count)]).toEqual([seed, within(1, 1.15)]);
        expect([seed, Math.max(...copies) / ((2 * SLOTS) / count)]).toEqual([seed, within(1, 1.2)]);
      }
    },
  );

  it('is within 15% of the mean by keys, too', () => {
    const ring = buildRing(equal(10, 'cache-'), { copies: 1 });
    const keys = new Uint32Array(10);
    const random = new Random(SEED);
    for (let i = 0; i < 1_000_000; i++) {
      keys[ring.primary(slotOfText(`key:${random.below(2 ** 32)}`))]!++;
    }
    expect([SEED, Math.max(...keys) / 100_000]).toEqual([SEED, within(1, 1.15)]);
  });

  it('is as the weights are', () => {
    const members = equal(12, 'n').map((member, i) => ({ ...member, weight: 1 + (i % 2) }));
    const ring = buildRing(members, { copies: 1 });
    const { primaries } = loadsOf(ring);
    for (const [member, { weight }] of ring.members.entries()) {
      expect(primaries[member]! / ((SLOTS * weight) / 18)).toEqual(within(0.85, 1.08));
    }
  });

  it('goes beyond its bounds rather than two copies into one zone', () => {
    // The only one of its zone has a copy of everything.
    const members = equal(5, 'n').map(({ name }, i) => ({ name, zone: i === 0 ? 'b' : 'a' }));
    const { copies } = loadsOf(buildRing(members, { copies: 2 }));
    expect(copies[0]).toBe(SLOTS);
    // And of a zone of many more than its share, what is left is even.
    expect(Math.max(...copies.slice(1))).toBeLessThanOrEqual((SLOTS / 4) * 1.15);
  });
});

describe('what moves', () => {
  it.each([3, 5, 10, 20, 50])('when one joins %i is at most 1.1 times its share', (count) => {
    for (let seed = 0; seed < 10; seed++) {
      const members = equal(count + 1, `seed${seed}-`);
      const before = buildRing(members.slice(0, -1), { copies: 1 });
      const after = buildRing(members, { copies: 1 });
      const { primaryShare } = movedSlots(before, after);
      expect([seed, primaryShare * (count + 1)]).toEqual([seed, within(0.8, 1.1)]);
      // When it leaves, the same.
      expect(movedSlots(after, before).primaryShare).toBe(primaryShare);
    }
  });

  it('goes to who comes, but a hundredth, also of replicas', () => {
    for (const copies of [2, 3]) {
      const members = equal(21, `c${copies}-`);
      const before = buildRing(members.slice(1), { copies });
      const after = buildRing(members, { copies });
      const { gained, lost } = movedSlots(before, after);
      const toNew = gained.filter(({ name }) => name === members[0]!.name).length;
      expect(gained.length / ((SLOTS * copies) / 21)).toEqual(within(0.9, 1.1));
      expect(toNew / gained.length).toBeGreaterThan(0.99);
      expect(lost.length).toBe(gained.length);
    }
  });

  it('when a primary leaves goes to who has a copy already, but a hundredth', () => {
    const members = equal(11, 'n');
    const before = buildRing(members, { copies: 2 });
    const after = buildRing(members.slice(1), { copies: 2 });
    const orphans = slots.filter((slot) => before.ownerNames(slot)[0] === 'n0');
    const without = orphans.filter(
      (slot) => !before.ownerNames(slot).includes(after.ownerNames(slot)[0]!),
    );
    expect(orphans.length).toBeGreaterThan(1000);
    expect(without.length / orphans.length).toBeLessThan(0.01);
  });

  it('is told by names, copy by copy', () => {
    const from = buildRing(equal(2, 'n'), { copies: 1 });
    const to = buildRing(equal(6, 'n').slice(1), { copies: 2 });
    const { gained, lost, primaryShare } = movedSlots(from, to);
    const copyOf = (slot: number) => (name: string) => ({ slot, name });
    const [fromNames, toNames] = [from, to].map((ring) => slots.map((s) => ring.ownerNames(s)));
    const without = (some: readonly string[], others: readonly string[]): readonly string[] =>
      some.filter((name) => !others.includes(name));
    expect(gained).toEqual(
      slots.flatMap((s) => without(toNames![s]!, fromNames![s]!).map(copyOf(s))),
    );
    expect(lost).toEqual(
      slots.flatMap((s) => without(fromNames![s]!, toNames![s]!).map(copyOf(s))),
    );
    expect(lost.length).toBeGreaterThan(0);
    expect(primaryShare).toBe(
      slots.filter((s) => fromNames![s]![0] !== toNames![s]![0]).length / SLOTS,
    );
    expect(movedSlots(to, to)).toEqual({ gained: [], lost: [], primaryShare: 0 });
    // An empty ring loses and gains everything.
    const none = buildRing([], { copies: 1 });
    expect(movedSlots(none, from)).toMatchObject({ lost: [], primaryShare: 1 });
    expect(movedSlots(none, from).gained.length).toBe(SLOTS);
  });
});

describe('a ring refuses', () => {
  const named = (changes: object): RingMember[] => [{ name: 'n', ...changes }];
  it.each<[RingMember[], Partial<RingOptions>, RegExp]>([
    [named({ name: '' }), {}, /name of a ring's member must be a text that is not empty, not ''/],
    [named({ name: 7 }), {}, /must be a text that is not empty, not 7/],
    [[...named({}), ...named({})], {}, /two members of a ring have the name 'n'/],
    [named({ weight: 0 }), {}, /the weight of 'n' must be 0.1 to 100, not 0/],
    [named({ weight: 101 }), {}, /must be 0.1 to 100, not 101/],
    [named({ weight: Number.NaN }), {}, /must be 0.1 to 100, not NaN/],
    [named({ weight: '1' }), {}, /must be 0.1 to 100, not '1'/],
    [named({ zone: '' }), {}, /the zone of 'n' must be a text that is not empty, not ''/],
    [equal(1025, 'n'), {}, /a ring has at most 1024 members, not 1025/],
    [[], { copies: 0 }, /copies must be a whole number from 1 to 8, not 0/],
    [[], { copies: 1.5 }, /copies must be a whole number from 1 to 8, not 1.5/],
    [[], { copies: 9 }, /copies must be a whole number from 1 to 8, not 9/],
    [[], { virtualNodes: 15 }, /virtualNodes must be a whole number from 16 to 1000, not 15/],
    [[], { virtualNodes: 1001 }, /virtualNodes must be .* not 1001/],
  ])('what is not allowed, %#', (members, options, message) => {
    expect(() => buildRing(members, { copies: 1, ...options })).toThrow(message);
    expect(() => buildRing(members, { copies: 1, ...options })).toThrow(
      expect.objectContaining({ name: 'SlabringError', code: 'OPTION' }),
    );
  });
});

/** Matches numbers from `least` to `most`. */
function within(least: number, most: number): unknown {
  return expect.toSatisfy(
    (value: number) => value >= least && value <= most,
    `${least} to ${most}`,
  );
}
