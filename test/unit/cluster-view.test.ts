/** Sets of slots, what nodes have of them, and who serves what. */
import { expect, it } from 'vitest';
import { below, streamOf } from '#bench/sim/random.js';
import { SLOTS } from '#engine/slots.js';
import { Placements } from '#server/cluster/placement.js';
import { Level, Levels, SlotSet } from '#server/cluster/slot-set.js';
import { View, type ViewNode } from '#server/cluster/view.js';

it('sets of slots are as sets of numbers', () => {
  const set = SlotSet.of([0, 8, 9, SLOTS - 1]);
  expect([...set]).toEqual([0, 8, 9, SLOTS - 1]);
  expect(set.size).toBe(4);
  const other = set.copy();
  other.delete(8);
  set.deleteAll(other);
  expect([...set]).toEqual([8]);
  other.addAll(set);
  other.retainAll(SlotSet.of([8, 9]));
  expect([...other]).toEqual([8, 9]);
  const differing = new SlotSet();
  differing.addDifferences(other, SlotSet.of([9, 10, 700]));
  expect([...differing]).toEqual([8, 10, 700]);
  const called: number[] = [];
  differing.forEach((slot) => {
    called.push(slot);
  });
  expect(called).toEqual([8, 10, 700]);
  expect(SlotSet.all().size).toBe(SLOTS);
  expect(new SlotSet().isEmpty).toBe(true);
});

it("a copy of a set is nobody else's memory, whatever the set is made of", () => {
  for (let at = 0; at < 4; at++) {
    const bytes = Buffer.alloc(at + SlotSet.BYTES).subarray(at);
    const set = new SlotSet(bytes);
    set.add(9);
    const copy = set.copy();
    copy.deleteAll(SlotSet.all());
    expect([...set]).toEqual([9]);
  }
});

it('levels tell which slots are full, and which are held', () => {
  const levels = new Levels();
  levels.set(5, Level.FULL);
  levels.set(6, Level.STALE);
  expect([...levels.full]).toEqual([5]);
  expect([...levels.held]).toEqual([5, 6]);
  levels.set(5, Level.NONE);
  expect([...levels.full]).toEqual([]);
  expect([...levels.held]).toEqual([6]);
});

const placements = new Placements({ copies: 2 });

function nodes(...levels: (number | undefined)[]): ViewNode[] {
  return levels.map((level, i) => {
    const told = level === undefined ? undefined : new Levels();
    for (let slot = 0; told && slot < SLOTS; slot++) told.set(slot, level!);
    const id = `node-${i}`;
    return {
      ...{ id, name: id, address: id, clientUrl: '' },
      ...{ isLive: true, isPlaced: true, levels: told },
    };
  });
}

const viewOf = (of: ViewNode[], before?: View) => new View(of, placements.of(of), before);

it('the first owner that has everything serves', () => {
  const view = viewOf(nodes(Level.FULL, Level.FULL, Level.FULL));
  for (let slot = 0; slot < SLOTS; slot++) expect(view.primaryOf(slot)).toBe(view.ownerAt(slot, 0));
});

it('who has everything comes before owners who have less, and something before nothing', () => {
  const view = viewOf(nodes(Level.NONE, Level.FULL, Level.STALE));
  expect(new Set(view.primaries)).toEqual(new Set([1]));
  const stale = viewOf(nodes(Level.NONE, Level.NONE, Level.STALE));
  expect(new Set(stale.primaries)).toEqual(new Set([2]));
});

it('nobody serves what somebody may have who has not said so', () => {
  const view = viewOf(nodes(Level.NONE, undefined));
  expect(new Set(view.primaries)).toEqual(new Set([-1]));
  expect(new Set(viewOf(nodes(Level.STALE, undefined)).primaries)).toEqual(new Set([-1]));
  expect(new Set(viewOf(nodes(Level.FULL, undefined)).primaries)).toEqual(new Set([0]));
  const dead = nodes(Level.NONE, undefined).map((node, i) => ({ ...node, isLive: i === 0 }));
  expect(new Set(viewOf(dead).primaries)).toEqual(new Set([0]));
});

it('nobody serves a slot of which only a dead node has anything that keeps its place', () => {
  const withDead = (...levels: number[]) =>
    viewOf(nodes(...levels).map((node, i) => ({ ...node, isLive: i > 0 })));
  const primariesOf = (view: View) => [...new Set(view.primaries)];
  expect(primariesOf(withDead(Level.FULL, Level.NONE))).toEqual([-1]);
  expect(primariesOf(withDead(Level.STALE, Level.NONE))).toEqual([-1]);
  // An old state is better than none, but for that of one that is no owner any more.
  expect(primariesOf(withDead(Level.FULL, Level.STALE))).toEqual([1]);
  const wasOwner = withDead(Level.FULL, Level.NONE, Level.NONE, Level.STALE);
  const owned = Array.from({ length: SLOTS }, (_, slot) => wasOwner.isOwner(slot, 3));
  expect([...wasOwner.primaries].map((primary) => primary === 3)).toEqual(owned);
  expect(new Set(wasOwner.primaries)).toEqual(new Set([-1, 3]));
  expect(primariesOf(withDead(Level.NONE, Level.NONE))).toEqual([1]);
  expect(primariesOf(withDead(Level.FULL, Level.NONE, Level.FULL))).toEqual([2]);
});

it('a view after another one keeps its owners where the nodes stay', () => {
  const some = nodes(Level.FULL, Level.FULL);
  const view = viewOf(some);
  expect(viewOf(some, view).owners).toBe(view.owners);
  expect(viewOf(nodes(Level.FULL, Level.FULL, Level.NONE), view).owners).not.toBe(view.owners);
  const owned = view.slotsOf(0);
  expect([...owned].every((slot) => view.isOwner(slot, 0))).toBe(true);
  expect(owned.size).toBe(SLOTS);
});

it('a view after another one has the primaries that it would have alone', () => {
  const random = streamOf(1, 0);
  let before: View | undefined;
  for (let round = 0; round < 60; round++) {
    // The same nodes as a rule, with other levels of some slots, or dead, or silent about them.
    const some = (before && random() < 0.9 ? before.nodes : nodes(2, 2, 1, 0)).map((node, i) => {
      const isLive = i === 0 || random() < 0.7;
      if (random() < 0.1) return { ...node, isLive, levels: undefined };
      const levels = node.levels?.copy() ?? new Levels();
      const changes = [0, 0, 1, 100, SLOTS][below(random, 5)]!;
      for (let n = 0; n < changes; n++) levels.set(below(random, SLOTS), below(random, 3));
      return { ...node, isLive: random() < 0.8 ? node.isLive : isLive, levels };
    });
    const view = viewOf(some, before);
    expect(view.primaries.join()).toBe(viewOf(some).primaries.join());
    before = view;
  }
});

it('levels tell where they differ from others', () => {
  const levels = new Levels();
  levels.set(3, Level.FULL);
  const others = levels.copy();
  expect([...levels.differingFrom(others)]).toEqual([]);
  others.set(3, Level.STALE);
  others.set(SLOTS - 1, Level.FULL);
  levels.set(4, Level.STALE);
  expect([...levels.differingFrom(others)]).toEqual([3, 4, SLOTS - 1]);
  expect([...levels.atLeast(Level.FULL)]).toEqual([3]);
  expect([...levels.atLeast(Level.STALE)]).toEqual([3, 4]);
  expect(levels.atLeast(Level.NONE).size).toBe(SLOTS);
});
