/**
 * What handles make of several sets, sorted or not, and walks over all of one: for the cache, a
 * namespace of it, a cache of several arenas, and a client of a real node.
 */
import type { Member, Scored } from 'slabring';
import type { Client } from 'slabring/client';
import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { cache, client, failure, STORES, several, useStores } from '../support/stores.js';

useStores();

let count = 0;
/** Keys that nothing is at, of one arena. */
let key: (name: string) => string;
beforeEach(() => {
  const tag = `{test ${count++}}`;
  key = (name) => `${tag} ${name}`;
});

/** The items of a walk, which `for await` goes over in a cache as well. */
async function collect<T>(walk: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of walk) items.push(item);
  return items;
}

const wrong = <T>(value: unknown) => value as T;

describe.each(STORES)('several sorted sets of %s', (_, open) => {
  // Typed as the client's; `await` takes what the cache returns as well.
  const store = () => open() as Client;
  const sorted = (name: string) => store().sorted(key(name));

  beforeEach(async () => {
    const b: Scored[] = [
      ['ann', 10],
      ['cid', -5],
    ];
    await sorted('a').setMany(Object.entries({ ann: 1, bob: 2, cid: 3 }));
    await sorted('b').setMany([...b, ['dan', 0.5]]);
    await store().members(key('plain')).add('ann', 'eve');
  });

  it('are united, in the order of the scores that come of theirs', async () => {
    const keys = [key('b')];
    expect(await sorted('a').union(keys)).toEqual(['cid', 'dan', 'bob', 'ann']);
    expect(await sorted('a').unionEntries(keys)).toEqual([
      ['cid', -2],
      ['dan', 0.5],
      ['bob', 2],
      ['ann', 11],
    ]);
    expect(await sorted('a').unionEntries(keys, { aggregate: 'max' })).toEqual([
      ['dan', 0.5],
      ['bob', 2],
      ['cid', 3],
      ['ann', 10],
    ]);
    const weights = [2, 0.5, -1];
    const weighed = await sorted('a').unionEntries(new Set([key('b'), key('plain')]), { weights });
    expect(weighed).toEqual([
      ['eve', -1],
      ['dan', 0.25],
      ['cid', 3.5],
      ['bob', 4],
      ['ann', 6],
    ]);
    expect(await sorted('a').union([])).toEqual(['ann', 'bob', 'cid']);
    expect(await sorted('none').union([key('no')])).toEqual([]);
  });

  it('are intersected', async () => {
    expect(await sorted('a').intersection([key('b')], { aggregate: 'min' })).toEqual([
      'cid',
      'ann',
    ]);
    expect(await sorted('a').intersectionEntries([key('b'), key('plain')])).toEqual([['ann', 12]]);
    const weights = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect(await sorted('a').intersectionEntries([key('b')], { weights })).toEqual([
      ['ann', 0],
      ['cid', Number.POSITIVE_INFINITY],
    ]);
    expect(await sorted('a').intersectionSize([key('b')])).toBe(2);
    expect(await sorted('a').intersectionSize([key('b')], { limit: 1 })).toBe(1);
    expect(await sorted('a').intersection([key('no')])).toEqual([]);
  });

  it('are taken from one', async () => {
    expect(await sorted('a').difference([key('plain')])).toEqual(['bob', 'cid']);
    expect(await sorted('a').differenceEntries([key('b')])).toEqual([['bob', 2]]);
    expect(await sorted('a').differenceEntries([key('no')])).toHaveLength(3);
  });

  it('are stored, also in the place of one of them', async () => {
    const target = key('target');
    expect(await sorted('a').unionInto(target, [key('b')], { weights: [0, 1] })).toBe(4);
    expect(await sorted('target').entries()).toEqual([
      ['cid', -5],
      ['bob', 0],
      ['dan', 0.5],
      ['ann', 10],
    ]);
    expect(await sorted('a').intersectionInto(key('a'), [key('b')], { aggregate: 'max' })).toBe(2);
    expect(await sorted('a').entries()).toEqual([
      ['cid', 3],
      ['ann', 10],
    ]);
    expect(await sorted('target').differenceInto(target, [key('a'), key('plain')])).toBe(2);
    expect(await sorted('target').entries()).toEqual([
      ['bob', 0],
      ['dan', 0.5],
    ]);
    expect(await sorted('target').differenceInto(target, [target])).toBe(0);
    expect(await sorted('target').size()).toBe(0);
  });

  it('may have thousands of members', async () => {
    const some = (from: number): Scored[] =>
      Array.from({ length: 3000 }, (__, i) => [`member ${from + i}`, (i * 7919) % 3000]);
    await sorted('a').setMany(some(0));
    await sorted('b').setMany(some(1500));
    const sums = new Map<Member, number>();
    for (const [member, score] of [
      ...(await sorted('a').entries()),
      ...(await sorted('b').entries()),
    ]) {
      sums.set(member, (sums.get(member) ?? 0) + score);
    }
    const inOrder = [...sums].sort(
      ([one, score], [other, otherScore]) =>
        score - otherScore || Buffer.compare(Buffer.from(`${one}`), Buffer.from(`${other}`)),
    );
    expect(await sorted('a').unionEntries([key('b')])).toEqual(inOrder);
    expect(await sorted('a').unionInto(key('target'), [key('b')])).toBe(sums.size);
    expect(await sorted('target').entries()).toEqual(inOrder);
  });

  it('refuse wrong arguments and other types, and then nothing has changed', async () => {
    await store().set(key('text'), 'text');
    const keys = [key('b')];
    const calls: [RegExp, () => unknown][] = [
      [/^WRONGTYPE: the value is of another type/, () => sorted('a').union([key('text')])],
      [/^WRONGTYPE/, () => sorted('a').unionInto(key('a'), [key('text')])],
      [/^OPTION: a key must be/, () => sorted('a').union([wrong(5)])],
      [
        /^OPTION: difference takes an iterable of keys, not 'b'$/,
        () => sorted('a').difference('b'),
      ],
      [
        /^OPTION: aggregate must be 'sum', 'min' or 'max', not 'avg'$/,
        () => sorted('a').union(keys, { aggregate: wrong('avg') }),
      ],
      [
        /^OPTION: weights must be an array of 2: a number for this set .*, not of 1$/,
        () => sorted('a').unionInto(key('a'), keys, { weights: [1] }),
      ],
      [
        /^OPTION: weights must be an array of 2.*, not 'ab'$/,
        () => sorted('a').union(keys, { weights: wrong('ab') }),
      ],
      [
        /^OPTION: a weight must be a number, not NaN$/,
        () => sorted('a').unionInto(key('a'), keys, { weights: [1, Number.NaN] }),
      ],
      [
        /^OPTION: intersectionInto has no option 'wieghts'; did you mean 'weights'\?$/,
        () => sorted('a').intersectionInto(key('a'), keys, wrong({ wieghts: [1, 2] })),
      ],
      [
        /^OPTION: limit must be a whole number from 1 on, not -1$/,
        () => sorted('a').intersectionSize(keys, { limit: -1 }),
      ],
    ];
    for (const [message, call] of calls) expect(await failure(call)).toMatch(message);
    expect(await sorted('a').entries()).toEqual([
      ['ann', 1],
      ['bob', 2],
      ['cid', 3],
    ]);
  });
});

describe.each(STORES)('several sets of %s', (_, open) => {
  const members = (name: string) => (open() as Client).members(key(name));

  it('are counted, up to a limit', async () => {
    await members('a').add(1, 2, 3, 4);
    await members('b').add(3, 4, 5);
    const b = key('b');
    expect(await members('a').intersectionSize(b)).toBe(2);
    expect(await members('a').intersectionSize([b], { limit: 1 })).toBe(1);
    expect(await members('a').unionSize(b, b)).toBe(5);
    expect(await members('a').unionSize([b], { limit: 4 })).toBe(4);
    expect(await members('a').unionSize()).toBe(4);
    expect(await members('a').differenceSize(b, key('none'))).toBe(2);
    expect(await members('a').differenceSize([b], { limit: 9 })).toBe(2);
    expect(await members('a').differenceSize([])).toBe(4);
    const call = () => members('a').unionSize([b], { limit: 0 });
    expect(await failure(call)).toBe('OPTION: limit must be a whole number from 1 on, not 0');
    expect(await failure(() => members('a').unionSize(b, wrong({ limit: 1 })))).toMatch(
      /^OPTION: a key must be/,
    );
  });
});

describe.each(STORES)('a walk over all of one of %s', (_, open) => {
  const store = () => open() as Client;
  const names = Array.from({ length: 1200 }, (__, i) => `name ${i}`);

  it('has each member of a set', async () => {
    await store()
      .members(key('set'))
      .add(...names);
    expect((await collect(store().members(key('set')).scan())).sort()).toEqual(names.toSorted());
    const some = store().members(key('set')).scan({ match: 'name 12?', count: 7 });
    expect((await collect(some)).length).toBe(10);
    expect(await collect(store().members(key('none')).scan())).toEqual([]);
  });

  it('has each field of a hash, with its value', async () => {
    const pairs = names.map((name, i) => [name, { i }] as const);
    await store().hash(key('hash')).setMany(pairs);
    const found = await collect(store().hash(key('hash')).scan<{ i: number }>({ count: 50 }));
    expect(new Map(found)).toEqual(new Map(pairs));
    expect(found).toHaveLength(1200);
  });

  it('has each member of a sorted set, with its score', async () => {
    const pairs = names.map((name, i) => [name, i / 2] as const);
    await store().sorted(key('sorted')).setMany(pairs);
    expect(new Map(await collect(store().sorted(key('sorted')).scan()))).toEqual(new Map(pairs));
  });

  it('has what stays while others come and go', async () => {
    const members = store().members(key('set'));
    await members.add(...names);
    const seen = new Set<Member>();
    let i = 0;
    for await (const member of members.scan({ count: 20 })) {
      seen.add(member);
      if (i++ % 10 === 0) await members.add(...names.slice(0, 40).map((name) => `${name} ${i}`));
      if (i === 300) await members.delete(...names.slice(600));
    }
    for (const name of names.slice(0, 600)) expect(seen).toContain(name);
  });

  it('may be given up, and refuses wrong options before it begins', async () => {
    await store().members(key('set')).add('a', 'b');
    for await (const member of store().members(key('set')).scan()) {
      expect(['a', 'b']).toContain(member);
      break;
    }
    expect(() => store().members(key('set')).scan({ count: 0 })).toThrow('count must be');
    const call = () =>
      store()
        .hash(key('set'))
        .scan({ match: wrong(5) });
    expect(call).toThrow('match must be a string, not 5');
    const walk = store().sorted(key('set')).scan();
    expect(await failure(() => collect(walk))).toMatch(/^WRONGTYPE/);
  });
});

it('a walk is an iterator in a cache, and one to be awaited in a client', () => {
  expectTypeOf(cache.members('k').scan<string>()).toEqualTypeOf<
    Generator<string, void, undefined>
  >();
  expectTypeOf(client.sorted('k').scan()).toEqualTypeOf<AsyncGenerator<Scored, void, undefined>>();
  cache.members('walked').add('a', 'b');
  expect([...cache.members('walked').scan()].sort()).toEqual(['a', 'b']);
});

it('commands on several keys with options behind them may be part of a step', async () => {
  for (const store of [cache, several, client]) {
    await store.sorted('{step} a').set('x', 2);
    await store.sorted('{step} b').set('x', 3);
    const result = await store.atomic([
      ['ZUNIONSTORE', '{step} c', '{step} a', '{step} b', 2, [10, 1]],
      ['ZUNION', '{step} c', 8],
      ['SUNIONCARD', '{step} c', 5],
    ]);
    expect(result.done && result.replies.slice(0, 2)).toEqual([1, ['x', 20]]);
    expect(result.done && (result.replies[2] as Error).message).toMatch(/another type/);
  }
});
