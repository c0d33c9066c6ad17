/** Several members by chance: SPOP of a set that is longer than any reply, and those that stay. */
import { describe, expect, it } from 'vitest';
import { Bench, KIB, MIB } from '../support/kernel-memory.js';
import {
  array,
  command,
  integer,
  integerOf,
  itemsOf,
  NIL,
  shown,
  str,
  type Wire,
} from '../support/kernel-wire.js';

const MEMBERS = 20_000;

function filled(): Bench {
  const bench = new Bench({ memoryBytes: 16 * MIB, maxValueBytes: 64 * KIB });
  for (let from = 0; from < MEMBERS; from += 500) {
    const members = Array.from({ length: 500 }, (_, i) => str(`member ${from + i}`.padEnd(40)));
    bench.one(command('SADD', str('set'), ...members));
  }
  return bench;
}

it.each([2, 10, 1000])('takes %i members of a set that is longer than a reply', (count) => {
  const bench = filled();
  const taken = itemsOf(bench.one(command('SPOP', str('set'), integer(count))));
  expect(new Set(taken.map((one) => one.toString())).size).toBe(count);
  expect(bench.one(command('SCARD', str('set')))).toEqual(integer(MEMBERS - count));
});

it('takes as many as surely fit where those that were asked for do not', () => {
  const bench = filled();
  let left = MEMBERS;
  for (let i = 0; i < 3; i++) {
    const taken = itemsOf(bench.one(command('SPOP', str('set'), integer(MEMBERS))));
    expect(taken.length).toBeGreaterThan(10);
    left -= taken.length;
    expect(bench.one(command('SCARD', str('set')))).toEqual(integer(left));
  }
  expect(bench.arena.checkIntegrity()).toBeUndefined();
});

const RANDOM = { SRANDMEMBER: 0x47, HRANDFIELD: 0x5d, ZRANDMEMBER: 0x6c } as const;

/** The same numbers as members of a set, fields of a hash, and members of a sorted set in order. */
function numbered(size: number): Bench {
  const bench = new Bench({ memoryBytes: 16 * MIB, maxValueBytes: 64 * KIB });
  for (let from = 0; from < size; from += 500) {
    const most = Math.min(500, size - from);
    const numbers = Array.from({ length: most }, (_, i) => integer(from + i));
    bench.one(command('SADD', str('SRANDMEMBER'), ...numbers));
    bench.one(command('HSET', str('HRANDFIELD'), ...numbers.flatMap((one) => [one, one])));
    bench.one(command('ZADD', str('ZRANDMEMBER'), NIL, ...numbers.flatMap((one) => [one, one])));
  }
  return bench;
}

function drawn(bench: Bench, name: keyof typeof RANDOM, count: number): number[] {
  const call: Wire = array([integer(RANDOM[name]), str(name), integer(count)]);
  return itemsOf(bench.one(call)).map((one) => Number(integerOf(one)));
}

describe.each(Object.keys(RANDOM) as (keyof typeof RANDOM)[])('%s', (name) => {
  it.each([1, 2, 5, 6, 15, 16, 100, 20_000])('draws different ones of %i', (size) => {
    const bench = numbered(size);
    for (const count of [
      0,
      1,
      2,
      3,
      size >> 5,
      (size >> 4) - 1,
      size >> 4,
      (size >> 4) + 1,
      size,
    ]) {
      // As many as fit a reply.
      const asked = Math.max(0, Math.min(count, 9000));
      const found = drawn(bench, name, asked);
      expect(found.length).toBe(Math.min(asked, size));
      expect(new Set(found).size).toBe(found.length);
      expect(found.every((one) => one >= 0 && one < size)).toBe(true);
      if (name === 'ZRANDMEMBER') expect(found).toEqual(found.toSorted((a, b) => a - b));
    }
  });

  it('takes any count of 64 bits, of which no reply holds too many', () => {
    const bench = numbered(20);
    for (const count of [-(2n ** 63n), -(2n ** 32n), -(2n ** 32n) + 1n]) {
      const reply = bench.one(array([integer(RANDOM[name]), str(name), integer(count)]));
      expect(shown(reply)).toMatch(/TOOLARGE /);
      const absent = bench.one(array([integer(RANDOM[name]), str('absent'), integer(count)]));
      expect(itemsOf(absent)).toEqual([]);
    }
    const reply = bench.one(array([integer(RANDOM[name]), str(name), integer(2n ** 63n - 1n)]));
    expect(itemsOf(reply)).toHaveLength(20);
  });

  it.each([
    [2, 5],
    [3, 60],
    [40, 2000],
  ])('draws %i of %i, each as often as the others', (count, size) => {
    const bench = numbered(size);
    const tenths = Array.from({ length: Math.min(10, size) }, () => 0);
    const rounds = Math.ceil(20_000 / count);
    for (let i = 0; i < rounds; i++) {
      for (const one of drawn(bench, name, count)) {
        tenths[Math.floor((one * tenths.length) / size)]! += 1;
      }
    }
    const expected = (rounds * count) / tenths.length;
    // Some ten standard deviations.
    for (const found of tenths) {
      expect(Math.abs(found - expected)).toBeLessThan(10 * Math.sqrt(expected));
    }
  });
});

describe('HRANDFIELD of few fields among many that have just expired', () => {
  const LIVE = 4;

  function expired(): Bench {
    const bench = numbered(LIVE);
    for (let from = LIVE; from < 40_000; from += 500) {
      const numbers = Array.from({ length: 500 }, (_, i) => integer(from + i));
      const pairs = numbers.flatMap((one) => [one, one]);
      bench.one(command('HSETEX', str('HRANDFIELD'), integer(10), NIL, ...pairs));
    }
    bench.nowMs += 10;
    return bench;
  }

  it.each([-1, 1, -100])('draws each as often as the others, %i at a time', (count) => {
    const bench = expired();
    const found = Array.from({ length: LIVE }, () => 0);
    for (let draws = 0; draws < 400; draws += Math.abs(count)) {
      for (const one of drawn(bench, 'HRANDFIELD', count)) found[one]! += 1;
    }
    for (const times of found) expect(Math.abs(times - 100)).toBeLessThan(60);
  });

  it('does not walk over all of them for each one', () => {
    const bench = expired();
    const begin = performance.now();
    expect(drawn(bench, 'HRANDFIELD', -50_000)).toHaveLength(50_000);
    // One by one it takes some seconds.
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});
