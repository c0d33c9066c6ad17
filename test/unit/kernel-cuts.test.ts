/**
 * LTRIM and LREM of long lists, and what else leaves little or nothing of a large collection: it is
 * right wherever it cuts, and holds the lock for a bounded number of steps, as DEL does.
 */
import { describe, expect, it } from 'vitest';
import { Bench, MIB } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import {
  array,
  bin,
  CODES,
  command,
  integer,
  itemsOf,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const LTRIM = 0x3a;
const LREM = 0x3c;
const KEY = str('list');

const trim = (start: number, stop: number): Wire =>
  array([integer(LTRIM), KEY, integer(start), integer(stop)]);

/** Nodes that a command frees, and the chunks on the way to where it cuts. */
const FREED_AT_ONCE = 128 + 200;

/** Elements that stand among others, that are few to a leaf, and that stand outside of leaves. */
const LENGTHS: Record<string, (random: Random) => number> = {
  short: (random) => random.below(12),
  long: (random) => 500 + random.below(500),
  'of all sorts': (random) => [3, 200, 1000, 1100, 9000][random.below(5)]!,
};

function push(bench: Bench, elements: readonly Wire[]): void {
  for (let i = 0; i < elements.length; i += 50) {
    bench.one(command('RPUSH', KEY, ...elements.slice(i, i + 50)));
  }
}

/** All elements of the list, read a page at a time. */
function elementsOf(bench: Bench, length: number): Wire[] {
  const elements: Wire[] = [];
  for (let i = 0; i < length; i += 50) {
    const page = bench.one(command('LRANGE', KEY, integer(i), integer(i + 49)));
    elements.push(...itemsOf(page));
  }
  return elements;
}

/** How many chunks a call frees, of all classes. */
function freedBy({ memory }: Bench, call: () => void): number {
  const used = (): number =>
    memory
      .classSizes()
      .map((_, i) => memory.u32(memory.classInfo(0, i, 'chunksUsed')))
      .reduce((sum, one) => sum + one, 0);
  const before = used();
  call();
  return before - used();
}

describe.each(Object.entries(LENGTHS))('a list of elements that are %s', (name, lengthOf) => {
  it('is trimmed to what lies between the indexes', () => {
    const random = new Random(SEED);
    const bench = new Bench({ memoryBytes: 64 * MIB, policy: 'none' });
    let elements: Wire[] = [];
    for (let round = 0; round < 40; round++) {
      const more = Array.from({ length: name === 'short' ? 5000 : 800 }, (_, i) =>
        bin(Buffer.alloc(lengthOf(random), i)),
      );
      push(bench, more);
      elements.push(...more);
      const start = random.below(elements.length) * random.below(2);
      const count = random.below(2) === 0 ? random.below(40) : random.below(elements.length);
      elements = elements.slice(start, start + count);
      const what = `seed ${SEED}, round ${round}: from ${start}, ${count}`;
      expect(bench.one(trim(start, start + count - 1)), what).toEqual(TRUE);
      expect(bench.one(command('LLEN', KEY)), what).toEqual(integer(elements.length));
      expect(bench.arena.checkIntegrity(), what).toBeUndefined();
      const isSame = Buffer.concat(elementsOf(bench, elements.length)).equals(
        Buffer.concat(elements),
      );
      expect(isSame, what).toBe(true);
    }
  });
});

/** What LREM leaves, and how many it takes. */
function without(elements: readonly Wire[], value: Wire, count: number): [Wire[], number] {
  const places = elements.flatMap((element, i) => (element.equals(value) ? [i] : []));
  const gone = new Set(count < 0 ? places.slice(count) : places.slice(0, count || undefined));
  return [elements.filter((_, i) => !gone.has(i)), gone.size];
}

describe('a long list loses elements by what they are', () => {
  it.each(Object.entries(LENGTHS))('that are %s', (name, lengthOf) => {
    const random = new Random(SEED);
    const bench = new Bench({ memoryBytes: 64 * MIB, policy: 'none' });
    const values = Array.from({ length: 12 }, (_, i) => bin(Buffer.alloc(lengthOf(random), i)));
    let elements: Wire[] = [];
    for (let round = 0; round < 60; round++) {
      const more = Array.from({ length: name === 'short' ? 3000 : 150 }, () => random.pick(values));
      push(bench, more);
      elements.push(...more);
      const value = random.pick(values);
      const count = random.pick([0, 1, -1, random.below(400), -random.below(400)]);
      const what = `seed ${SEED}, round ${round}: ${count}`;
      const [rest, gone] = without(elements, value, count);
      const remove = array([integer(LREM), KEY, integer(count), value]);
      expect(bench.one(remove), what).toEqual(integer(gone));
      elements = rest;
      if (round % 10 === 9) elements = elements.filter((one) => !one.equals(values[0]!));
      if (round % 10 === 9) bench.one(array([integer(LREM), KEY, integer(0), values[0]!]));
      if (random.below(6) === 0) {
        for (const one of values) bench.one(array([integer(LREM), KEY, integer(-1000), one]));
        for (const one of values) [elements] = without(elements, one, -1000);
      }
      expect(bench.arena.checkIntegrity(), what).toBeUndefined();
      expect(bench.one(command('LLEN', KEY)), what).toEqual(integer(elements.length));
      const found = Buffer.concat(elementsOf(bench, elements.length));
      expect(found.equals(Buffer.concat(elements)), what).toBe(true);
    }
  });
});

describe('the lock is not held for all that goes', () => {
  it.each([
    ['the first ten stay', 0, 9],
    ['the last ten stay', -10, -1],
    ['ten in the midst stay', 12_000, 12_009],
    ['none stays', 1, 0],
  ])('when of a long list %s', (_, start, stop) => {
    const bench = new Bench({ memoryBytes: 64 * MIB, policy: 'none' });
    push(
      bench,
      Array.from({ length: 24_000 }, (_, i) => bin(Buffer.alloc(900, i))),
    );
    expect(freedBy(bench, () => bench.one(trim(start, stop)))).toBeLessThan(FREED_AT_ONCE);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('when all members of a large set or sorted set are taken', () => {
    const bench = new Bench({ memoryBytes: 64 * MIB, policy: 'none' });
    for (let i = 0; i < 60_000; i += 500) {
      const members = Array.from({ length: 500 }, (_, j) => integer(i + j));
      bench.one(command('SADD', str('set'), ...members));
      const pairs = members.flatMap((member) => [integer(7), member]);
      bench.one(command('ZADD', str('zset'), NIL, ...pairs));
    }
    for (const [code, key, items] of [
      [CODES.SPOP, 'set', 60_000],
      [0x6a, 'zset', 120_000],
    ] as const) {
      const pop = array([integer(code), str(key), integer(100_000)]);
      let reply: Wire = NIL;
      const freed = freedBy(bench, () => {
        reply = bench.one(pop);
      });
      expect(freed).toBeLessThan(FREED_AT_ONCE);
      expect(itemsOf(reply).length).toBe(items);
      expect(bench.one(command('EXISTS', str(key)))).toEqual(integer(0));
    }
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
