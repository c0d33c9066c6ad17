/** Sets of slots, what nodes have of them, and who serves what. */
import { expect, it } from 'vitest';
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
  expect(SlotSet.all().size).toBe(SLOTS);
  expect(new SlotSet().isEmpty).toBe(true);
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
  const dead = nodes(Level.NONE, undefined).map((node, i) => ({ ...node, isLive: i === 0 }));
  expect(new Set(viewOf(dead).primaries)).toEqual(new Set([0]));
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
