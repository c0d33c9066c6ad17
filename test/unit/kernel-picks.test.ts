/** SPOP of several members of a set that is longer than any reply. */
import { expect, it } from 'vitest';
import { Bench, KIB, MIB } from '../support/kernel-memory.js';
import { command, integer, itemsOf, str } from '../support/kernel-wire.js';

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
