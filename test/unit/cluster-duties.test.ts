/** What a node does with each slot: the words of the store, by the rules slot by slot. */
import { expect, it } from 'vitest';
import { below, streamOf } from '#bench/sim/random.js';
import { SLOTS } from '#engine/slots.js';
import { Duties } from '#server/cluster/duties.js';
import { Placements } from '#server/cluster/placement.js';
import { Level, Levels, SlotSet } from '#server/cluster/slot-set.js';
import { type ReplicaStore, Service } from '#server/cluster/store.js';
import { View } from '#server/cluster/view.js';

const COPIES = 3;
const placements = new Placements({ copies: COPIES });
/** Links of both words. */
const LINKS = new Map([1, 31, 32, 63].map((link, i) => [`node-${i + 1}`, link]));

/** The slow twin: what the store is to be told of a slot. */
function wantedOf(
  view: View,
  slot: number,
  levels: Levels,
  minOwners: number,
  pulling: ReadonlyMap<string, SlotSet>,
): string {
  const owners = view.ownersOf(slot);
  const isEnough = owners.filter((owner) => view.nodes[owner]!.isLive).length >= minOwners;
  const isOwner = owners.includes(0);
  const ids = new Set(owners.map((owner) => view.nodes[owner]!.id));
  for (const [id, slots] of pulling) if (slots.has(slot)) ids.add(id);
  let links = 0n;
  for (const id of ids) if (LINKS.has(id)) links |= 1n << BigInt(LINKS.get(id)!);
  let service = 0;
  if (isEnough && view.primaryOf(slot) === 0) service |= Service.SERVES;
  if (isEnough && isOwner && levels.of(slot) === Level.FULL) service |= Service.REPLICA;
  if (isEnough && (isOwner || levels.of(slot) !== Level.NONE)) service |= Service.ACCEPTS;
  return `${service} ${links}`;
}

it.each([1, 2, 3])('with %s owners that must be live the store is told what it is to be', (min) => {
  const random = streamOf(min, 0);
  const told = Array.from({ length: SLOTS }, () => '0 0');
  const levels = new Levels();
  const store = {
    setSlot: (slot: number, service: number, low: number, high: number) => {
      const links = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      expect(`${service} ${links}`).not.toBe(told[slot]);
      told[slot] = `${service} ${links}`;
    },
  } as ReplicaStore;
  const duties = new Duties({ store, levels, minOwners: min, linkOf: (id) => LINKS.get(id) });
  for (let round = 0; round < 5; round++) {
    const nodes = Array.from({ length: 6 }, (_, i) => {
      const id = `node-${i}`;
      const own = i === 0 ? levels : new Levels();
      for (let n = 0; n < SLOTS; n++) own.set(below(random, SLOTS), below(random, 3));
      const isLive = i === 0 || random() < 0.6;
      return { id, name: id, address: id, clientUrl: '', isLive, isPlaced: true, levels: own };
    });
    const view = new View(nodes, placements.of(nodes));
    const some = SlotSet.of(Array.from({ length: 100 }, () => below(random, SLOTS)));
    const pulling = new Map([[`node-${below(random, 6)}`, some]]);
    duties.apply(view, 0, pulling);
    const wanted = told.map((_, slot) => wantedOf(view, slot, levels, min, pulling));
    expect(told).toEqual(wanted);
  }
});

it('who is in no view serves nothing, and what it served before is taken back', () => {
  const services = new Set<number>();
  const levels = new Levels();
  const store = {
    setSlot: (_: number, service: number) => services.add(service),
  } as unknown as ReplicaStore;
  const duties = new Duties({ store, levels, minOwners: 1, linkOf: () => undefined });
  const id = 'node-0';
  const node = { id, name: id, address: id, clientUrl: '', isLive: true, isPlaced: true, levels };
  const view = new View([node], placements.of([node]));
  duties.apply(view, 0, new Map());
  expect([...services]).toEqual([Service.SERVES | Service.ACCEPTS]);
  services.clear();
  duties.apply(view, -1, new Map());
  expect([...services]).toEqual([Service.NONE]);
});
