/** Sorted sets by their handles, in each store that has them. */
import type { Client } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import { failure, key, STORES, useStores } from '../support/stores.js';

useStores();

describe.each(STORES)('the sorted set of %s', (_, open) => {
  const sorted = () => (open() as Client).sorted(key);
  const people = { ada: 30, grace: 10, joan: 20 };

  it('has members in the order of their scores', async () => {
    expect(await sorted().set('ada', 1)).toBe(true);
    expect(await sorted().set('ada', 1)).toBe(false);
    expect(await sorted().set('ada', 2)).toBe(true);
    expect(await sorted().setMany(Object.entries(people))).toBe(3);
    expect(await sorted().setMany(new Map([['ada', 30]]))).toBe(0);
    expect(await sorted().size()).toBe(3);
    expect(await sorted().slice()).toEqual(['grace', 'joan', 'ada']);
    expect(await sorted().slice(0, -1)).toEqual(['grace', 'joan']);
    expect(await sorted().slice(0, 2, { reverse: true })).toEqual(['ada', 'joan']);
    expect(await sorted().slice(1, 0)).toEqual([]);
    expect(await sorted().entries(-2)).toEqual([
      ['joan', 20],
      ['ada', 30],
    ]);
    expect(await sorted().entries(0, 1, { reverse: true })).toEqual([['ada', 30]]);
    expect([await sorted().score('joan'), await sorted().score('x')]).toEqual([20, undefined]);
    expect(await sorted().scores(['x', 'ada'])).toEqual([undefined, 30]);
    expect([await sorted().has('joan'), await sorted().has('x')]).toEqual([true, false]);
    expect([await sorted().rank('joan'), await sorted().rank('x')]).toEqual([1, undefined]);
    expect(await sorted().reverseRank('ada')).toBe(0);
    expect(await sorted().delete('ada', 'x')).toBe(1);
    expect(await sorted().slice()).toEqual(['grace', 'joan']);
  });

  it('adds to scores', async () => {
    expect(await sorted().increment('a')).toBe(1);
    expect(await sorted().increment('a', 0.5)).toBe(1.5);
    expect(await sorted().increment('a', Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
    expect(await failure(() => sorted().increment('a', Number.POSITIVE_INFINITY))).toMatch(
      /^OVERFLOW: /,
    );
  });

  it('sets scores under conditions', async () => {
    await sorted().set('a', 5);
    expect(await sorted().set('a', 9, { ifAbsent: true })).toBe(false);
    expect(await sorted().set('b', 9, { ifPresent: true })).toBe(false);
    expect(await sorted().set('a', 4, { ifHigher: true })).toBe(false);
    expect(await sorted().set('a', 6, { ifLower: true })).toBe(false);
    expect(await sorted().entries()).toEqual([['a', 5]]);
    expect(await sorted().set('a', 6, { ifHigher: true, ifPresent: true })).toBe(true);
    expect(await sorted().set('a', 3, { ifLower: true })).toBe(true);
    expect(await sorted().set('b', 1, { ifAbsent: true })).toBe(true);
    expect(
      await sorted().setMany(
        [
          ['a', 1],
          ['c', 1],
        ],
        { ifPresent: true },
      ),
    ).toBe(1);
    expect(await sorted().entries()).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  it('has ranges of scores, with either bound in or out', async () => {
    const all = Array.from({ length: 400 }, (__, i) => [`m${i}`, i / 2] as const);
    await sorted().setMany(all);
    const within = (is: (score: number) => boolean) =>
      all.filter(([, score]) => is(score)).map(([member]) => member);
    expect(await sorted().byScore()).toEqual(within(() => true));
    expect(await sorted().byScore({ min: 10 })).toEqual(within((score) => score >= 10));
    expect(await sorted().byScore({ max: 10, excludeMax: true })).toEqual(
      within((score) => score < 10),
    );
    const some = { min: 10, max: 20, excludeMin: true };
    const expected = within((score) => score > 10 && score <= 20);
    expect(await sorted().byScore(some)).toEqual(expected);
    expect(await sorted().byScore({ ...some, reverse: true })).toEqual(expected.toReversed());
    expect(await sorted().byScore({ ...some, offset: 2, count: 3 })).toEqual(expected.slice(2, 5));
    expect(await sorted().byScore({ min: 1, max: 2, excludeMax: true, reverse: true })).toEqual([
      'm3',
      'm2',
    ]);
    expect(await sorted().entriesByScore({ min: 1, max: 1.5 })).toEqual([
      ['m2', 1],
      ['m3', 1.5],
    ]);
    expect(await sorted().countByScore()).toBe(400);
    expect(await sorted().countByScore(some)).toBe(expected.length);
    const here = (open() as Client).sorted(`{${key}}`);
    await here.setMany(all.slice(0, 10));
    expect(await here.byScoreInto(`{${key}} target`, { min: 1, max: 2, excludeMax: true })).toBe(2);
    expect(await (open() as Client).sorted(`{${key}} target`).entries()).toEqual([
      ['m2', 1],
      ['m3', 1.5],
    ]);
    const target = (open() as Client).sorted(`{${key}} target`);
    expect(await here.sliceInto(target.key, -3, -1)).toBe(2);
    expect(await target.slice()).toEqual(await here.slice(-3, -1));
    expect(await here.sliceInto(target.key, 0, 2, { reverse: true })).toBe(2);
    expect(await target.entries()).toEqual(await here.entries(-2));
    expect(await here.sliceInto(target.key, 0, 0)).toBe(0);
    expect(await target.size()).toBe(0);
    expect(await sorted().byScore({ min: 5, max: 4 })).toEqual([]);
    expect(await sorted().byScore({ count: 0 })).toEqual([]);
  });

  it('has ranges of names, where all scores are the same', async () => {
    const names = ['a', 'b', 'ba', 'c', 'd'];
    await sorted().setMany(names.map((name) => [name, 0]));
    expect(await sorted().byName({ min: 'b' })).toEqual(['b', 'ba', 'c', 'd']);
    expect(await sorted().byName({ min: 'b', excludeMin: true, max: 'c' })).toEqual(['ba', 'c']);
    expect(await sorted().byName({ max: Buffer.from('ba'), reverse: true })).toEqual([
      'ba',
      'b',
      'a',
    ]);
    expect(await sorted().countByName({ min: 'b', max: 'd', excludeMax: true })).toBe(3);
    const here = (open() as Client).sorted(`{${key}}`);
    await here.setMany(names.map((name) => [name, 0]));
    const target = (open() as Client).sorted(`{${key}} target`);
    expect(await here.byNameInto(target.key, { min: 'b', offset: 1, count: 2 })).toBe(2);
    expect(await target.slice()).toEqual(['ba', 'c']);
  });

  it('has its ends taken', async () => {
    expect([await sorted().popLowest(), await sorted().popHighest(2)]).toEqual([undefined, []]);
    await sorted().setMany(Object.entries(people));
    expect(await sorted().popLowest()).toEqual(['grace', 10]);
    expect(await sorted().popHighest(1)).toEqual([['ada', 30]]);
    expect(await sorted().popHighest()).toEqual(['joan', 20]);
    expect(await sorted().size()).toBe(0);
    await sorted().setMany(Object.entries(people));
    expect(await sorted().popHighest(9)).toEqual([
      ['ada', 30],
      ['joan', 20],
      ['grace', 10],
    ]);
  });

  it('gives members by chance, and page by page', async () => {
    expect([await sorted().random(), await sorted().random(2)]).toEqual([undefined, []]);
    const all = Array.from({ length: 500 }, (__, i) => [i, -i] as const);
    await sorted().setMany(all);
    expect(await sorted().has((await sorted().random())!)).toBe(true);
    expect(new Set(await sorted().random(40)).size).toBe(40);
    for (const [member, score] of await sorted().randomEntries(-50)) {
      expect(score).toBe(0 - (member as number));
    }
    const seen = new Map<unknown, number>();
    for (let cursor = 0; ; ) {
      const page = await sorted().scanPage(cursor, { count: 50 });
      for (const [member, score] of page.items) seen.set(member, score);
      cursor = page.cursor;
      if (cursor === 0) break;
    }
    expect(seen.size).toBe(500);
    expect(seen.get(7)).toBe(-7);
  });

  it('does nothing without members', async () => {
    expect([await sorted().setMany([]), await sorted().delete()]).toEqual([0, 0]);
    expect(await sorted().scores([])).toEqual([]);
  });

  it('refuses wrong arguments, and then nothing has changed', async () => {
    await sorted().set('a', 1);
    const wrong = <T>(value: unknown) => value as T;
    const calls: [RegExp, () => unknown][] = [
      [/^OPTION: score must be a number, not NaN$/, () => sorted().set('a', Number.NaN)],
      [/^OPTION: score must be .* not '2'$/, () => sorted().set('a', wrong('2'))],
      [/^OPTION: a member must be/, () => sorted().set(wrong(null), 2)],
      [
        /^OPTION: set has no option 'ifAbsnt'/,
        () => sorted().set('a', 2, wrong({ ifAbsnt: true })),
      ],
      [/^OPTION: ifHigher must be true/, () => sorted().set('a', 2, wrong({ ifHigher: 1 }))],
      [
        /^OPTION: ifAbsent, .* exclude/,
        () => sorted().set('b', 2, { ifAbsent: true, ifLower: true }),
      ],
      [
        /^OPTION: ifAbsent, .* exclude/,
        () => sorted().set('b', 2, { ifAbsent: true, ifPresent: true }),
      ],
      [/^OPTION: setMany takes \[member/, () => sorted().setMany(wrong([['b', 2], ['c']]))],
      [/^OPTION: setMany takes an iterable/, () => sorted().setMany(wrong({ b: 2 }))],
      [
        /^OPTION: score must be/,
        () =>
          sorted().setMany(
            wrong([
              ['b', 2],
              ['c', null],
            ]),
          ),
      ],
      [/^OPTION: delta must be/, () => sorted().increment('a', wrong('1'))],
      [/^OPTION: min must be a number/, () => sorted().byScore(wrong({ min: 'a' }))],
      [/^OPTION: max must be a string or bytes/, () => sorted().byName(wrong({ max: 5 }))],
      [/^OPTION: a range has no option 'mx'/, () => sorted().byScore(wrong({ mx: 5 }))],
      [/^OPTION: offset must be/, () => sorted().byScore({ offset: -1 })],
      [/^OPTION: count must be/, () => sorted().byScore({ count: 0.5 })],
      [/^OPTION: reverse must be/, () => sorted().slice(0, 1, wrong({ reverse: 'yes' }))],
      [/^OPTION: excludeMin must be/, () => sorted().countByScore(wrong({ excludeMin: 0 }))],
      [/^OPTION: start must be/, () => sorted().slice(0.5)],
      [/^OPTION: count must be/, () => sorted().popLowest(-1)],
    ];
    for (const [message, call] of calls) expect(await failure(call)).toMatch(message);
    expect(await sorted().entries()).toEqual([['a', 1]]);
  });
});
