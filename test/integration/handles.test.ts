/**
 * Lists, sets and hashes by their handles: one body of tests for the cache, a namespace of it, a
 * cache of several arenas with structures, and a client of a real node.
 */
import { type Cache, type Hash, type List, type Member, type Members, openCache } from 'slabring';
import { type Client, connect } from 'slabring/client';
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { type SlabringNode, startNode } from '#server/index.js';

const MIB = 1024 ** 2;

/** What has handles. */
type Store = Pick<Cache | Client, 'list' | 'members' | 'hash' | 'sorted'>;
type Keys = Pick<Client, 'get' | 'set' | 'getMany' | 'delete' | 'deleteMany' | 'ttl' | 'expire'>;

let cache: Cache;
let several: Cache;
let node: SlabringNode;
let client: Client;

beforeAll(async () => {
  cache = openCache({ memory: '64mb' });
  several = openCache({ memory: '64mb', arenas: 3, structures: true, decoded: true });
  node = await startNode({ port: 0, memory: '64mb', threads: 1 });
  client = await connect(node.urls[0]!);
});

afterAll(async () => {
  expect(cache.checkIntegrity()).toBeUndefined();
  expect(several.checkIntegrity()).toBeUndefined();
  cache.close();
  several.close();
  await client.close();
  await node.close();
});

const STORES: [name: string, open: () => Store & Keys][] = [
  ['a cache', () => cache as unknown as Store & Keys],
  ['a namespace', () => cache.namespace('some') as unknown as Store & Keys],
  ['several arenas', () => several as unknown as Store & Keys],
  ['a client', () => client],
];

/** The message of the error that a call throws or rejects with. */
async function failure(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code}: ${message}`;
  }
  return 'no error';
}

let count = 0;
/** A key that nothing is at. */
let key = '';
beforeEach(() => {
  key = `key ${count++}`;
});

describe.each(STORES)('the list of %s', (_, open) => {
  // Typed as the client's; `await` takes what the cache returns as well.
  const list = () => (open() as Client).list(key);

  it('grows at both ends as an array does, and shrinks', async () => {
    expect(await list().push('c', 'd')).toBe(2);
    expect(await list().unshift('a', 'b')).toBe(4);
    expect(await list().slice()).toEqual(['a', 'b', 'c', 'd']);
    expect(await list().length()).toBe(4);
    expect(await list().pop()).toBe('d');
    expect(await list().shift()).toBe('a');
    expect(await list().slice()).toEqual(['b', 'c']);
    expect([await list().pop(), await list().pop(), await list().pop()]).toEqual([
      'c',
      'b',
      undefined,
    ]);
    expect(await list().shift()).toBeUndefined();
    expect(await list().length()).toBe(0);
  });

  it('takes several at once, in the order in which they go', async () => {
    await list().push(1, 2, 3, 4, 5);
    expect(await list().pop(2)).toEqual([5, 4]);
    expect(await list().shift(2)).toEqual([1, 2]);
    expect(await list().pop(0)).toEqual([]);
    expect(await list().shift(9)).toEqual([3]);
    expect([await list().pop(3), await list().shift(3)]).toEqual([[], []]);
  });

  it('has the slices that an array has', async () => {
    const all = Array.from({ length: 300 }, (__, i) => i);
    await list().push(...all);
    for (const start of [0, 1, 150, 299, 300, 500, -1, -2, -300, -500]) {
      expect(await list().slice(start)).toEqual(all.slice(start));
      for (const end of [0, 1, 2, 150, 299, 300, 500, -1, -2, -299, -300, -500]) {
        expect([start, end, await list().slice(start, end)]).toEqual([
          start,
          end,
          all.slice(start, end),
        ]);
      }
    }
    for (const index of [0, 1, 299, 300, -1, -300, -301]) {
      expect(await list().at(index)).toBe(all.at(index));
    }
  });

  it('is trimmed to a slice', async () => {
    await list().push(0, 1, 2, 3, 4, 5);
    expect(await list().trim(1, -1)).toBeUndefined();
    expect(await list().slice()).toEqual([1, 2, 3, 4]);
    await list().trim(-3);
    expect(await list().slice()).toEqual([2, 3, 4]);
    await list().trim(0, 0);
    expect(await list().length()).toBe(0);
  });

  it('grows only if it is there, where that is asked for', async () => {
    expect(await list().pushIfPresent(1)).toBe(0);
    expect(await list().unshiftIfPresent(1)).toBe(0);
    await list().push(2);
    expect(await list().pushIfPresent(3, 4)).toBe(3);
    expect(await list().unshiftIfPresent(0, 1)).toBe(5);
    expect(await list().slice()).toEqual([0, 1, 2, 3, 4]);
  });

  it('has its elements replaced, by their index', async () => {
    expect(await list().set(0, 'x')).toBe(false);
    await list().push('a', 'b', 'c');
    expect(await list().set(1, { b: 1 })).toBe(true);
    expect(await list().set(-1, Buffer.alloc(9000, 1))).toBe(true);
    expect(await list().set(3, 'x')).toBe(false);
    expect(await list().set(-4, 'x')).toBe(false);
    expect(await list().slice(0, 2)).toEqual(['a', { b: 1 }]);
    expect(await list().at<Uint8Array>(2)).toHaveLength(9000);
  });

  it('finds elements', async () => {
    expect(await list().indexOf('a')).toBe(-1);
    await list().push('a', 'b', 'a', 1, '1', Buffer.from('a'), 'b', 'a');
    expect(await list().indexOf('a')).toBe(0);
    expect(await list().lastIndexOf('a')).toBe(7);
    expect(await list().indexOf(1)).toBe(3);
    expect(await list().indexOf('1')).toBe(4);
    expect(await list().indexOf(Buffer.from('a'))).toBe(5);
    expect(await list().lastIndexOf('x')).toBe(-1);
    expect(await list().indexesOf('a')).toEqual([0, 2, 7]);
    expect(await list().indexesOf('a', 2)).toEqual([0, 2]);
    expect(await list().indexesOf('x')).toEqual([]);
  });

  it('takes an element beside another', async () => {
    expect(await list().insertBefore('b', 'a')).toBeUndefined();
    await list().push('b', 'd', 'b');
    expect(await list().insertBefore('b', 'a')).toBe(4);
    expect(await list().insertAfter('b', ['c'])).toBe(5);
    expect(await list().insertAfter('x', 1)).toBeUndefined();
    expect(await list().slice()).toEqual(['a', 'b', ['c'], 'd', 'b']);
  });

  it('loses elements by what they are', async () => {
    expect(await list().remove('a')).toBe(0);
    await list().push('a', 'b', 'a', 'c', 'a', 'a');
    expect(await list().remove('a', 1)).toBe(1);
    expect(await list().remove('a', -2)).toBe(2);
    expect(await list().slice()).toEqual(['b', 'a', 'c']);
    expect(await list().remove('a')).toBe(1);
    expect(await list().remove('x', 5)).toBe(0);
    expect(await list().slice()).toEqual(['b', 'c']);
  });

  it('hands elements over to another list in one step', async () => {
    const there = `{${key}} there`;
    const here = (open() as Client).list(`{${key}}`);
    const other = (open() as Client).list(there);
    expect(await here.moveTo(there)).toBeUndefined();
    await here.push(1, 2, 3, 4);
    expect(await here.moveTo(there)).toBe(1);
    expect(await here.moveTo(there, 'end')).toBe(4);
    expect(await here.moveTo(there, 'start', 'start')).toBe(2);
    expect(await other.slice()).toEqual([2, 1, 4]);
    expect(await other.moveTo(there)).toBe(2);
    expect(await other.slice()).toEqual([1, 4, 2]);
    expect(await failure(() => here.moveTo(there, 'left' as 'start'))).toBe(
      "OPTION: from must be 'start' or 'end', not 'left'",
    );
    expect(await failure(() => here.moveTo(there, 'end', 'up' as 'end'))).toMatch(/^OPTION: to /);
    expect(await failure(() => here.moveTo(''))).toMatch(/^OPTION: a key must have/);
    expect(await here.slice()).toEqual([3]);
  });

  it('does nothing with no elements, but says the length', async () => {
    expect(await list().push()).toBe(0);
    await list().push(1);
    const { pushIfPresent, unshift, unshiftIfPresent } = list();
    for (const add of [pushIfPresent, unshift, unshiftIfPresent]) {
      expect(await add.call(list())).toBe(1);
    }
  });

  it('holds whatever a value can be, each as it came', async () => {
    const values = [
      ...['text', '', 'grüße '.repeat(300), 0, -1, 1.5, 2 ** 40, true, null],
      ...[Buffer.from('bytes'), { a: 1, b: ['c', null] }, { a: 2, b: [] }, [], new Date(7)],
      ...[2n ** 63n, -(2n ** 60n) - 1n, Buffer.alloc(20_000, 7), { a: 3, b: { a: 1, b: 2 } }],
    ];
    // As msgpack has them: twice, so that objects come to have structures.
    for (let i = 0; i < 3; i++) await list().push(...values);
    const plain = (value: unknown) => (value instanceof Uint8Array ? Buffer.from(value) : value);
    expect((await list().slice(0, values.length)).map(plain)).toEqual(values);
    expect((await list().slice(-values.length)).map(plain)).toEqual(values);
    for (const [i, value] of values.entries()) {
      expect(plain(await list().at(i))).toEqual(value ?? undefined);
    }
    for (const value of values) expect(plain(await list().shift())).toEqual(value ?? undefined);
    for (const value of values) expect((await list().shift(1)).map(plain)).toEqual([value]);
    expect((await list().shift(99)).map(plain)).toEqual(values);
  });

  it('refuses wrong arguments, and then nothing has changed', async () => {
    await list().push(1);
    const wrong = (value: unknown) => value as number;
    expect(await failure(() => list().at(1.5))).toBe(
      'OPTION: index must be a whole number, not 1.5',
    );
    expect(await failure(() => list().at(wrong('1')))).toMatch(/^OPTION: index .* not '1'$/);
    expect(await failure(() => list().pop(-1))).toBe(
      'OPTION: count must be a whole number from 0 on, not -1',
    );
    expect(await failure(() => list().shift(wrong(null)))).toMatch(/^OPTION: count .* not null$/);
    expect(await failure(() => list().slice(wrong('a')))).toMatch(/^OPTION: start .* not 'a'$/);
    expect(await failure(() => list().slice(0, 0.1))).toMatch(/^OPTION: end .* not 0.1$/);
    expect(await failure(() => list().trim(wrong(undefined)))).toMatch(/^OPTION: start/);
    expect(await failure(() => list().set(0.5, 2))).toMatch(/^OPTION: index .* not 0.5$/);
    expect(await failure(() => list().set(0, undefined))).toMatch(/^OPTION: .*undefined/);
    expect(await failure(() => list().remove(1, 0))).toBe(
      'OPTION: count must not be 0; without a count all are removed',
    );
    expect(await failure(() => list().indexesOf(1, 0))).toBe(
      'OPTION: count must be a whole number from 1 on, not 0',
    );
    expect(await failure(() => list().insertAfter(1, undefined))).toMatch(/^OPTION: .*undefined/);
    expect(await failure(() => list().push(2, undefined))).toMatch(/^OPTION: .*undefined/);
    expect(await failure(() => list().push(2, () => 3))).toMatch(/^OPTION: .*a function/);
    expect(await failure(() => list().unshift(Symbol('x')))).toMatch(/^OPTION: .*symbol/i);
    const long = 'k'.repeat(2049);
    expect(await failure(() => (open() as Client).list(long).push(1))).toMatch(
      /^TOOLARGE: the key/,
    );
    expect(await failure(() => (open() as Client).list('').length())).toMatch(/^OPTION: a key/);
    expect(await failure(() => (open() as Client).list(wrong(5) as never).length())).toMatch(
      /^OPTION: a key must be a string/,
    );
    expect(await list().slice()).toEqual([1]);
  });

  it('takes more elements than 16 bits count, and none of them as a command', async () => {
    await open().set(`${key} other`, 1);
    const elements = [['DEL', `${key} other`], ...Array.from({ length: 65_535 }, () => 1)];
    expect(await list().push(...elements)).toBe(65_536);
    expect(await list().at(0)).toEqual(elements[0]);
    expect(await open().get(`${key} other`)).toBe(1);
    await open().deleteMany([key, `${key} other`]);
  });

  it('refuses results and arguments that are too long', async () => {
    for (let i = 0; i < 32; i++) await list().push(Buffer.alloc(64 * 1024, i));
    expect(await failure(() => list().slice())).toMatch(/^TOOLARGE: the reply is longer/);
    expect(await failure(() => list().pop(32))).toMatch(/^TOOLARGE: the reply is longer/);
    expect(await list().length()).toBe(32);
    expect(await list().slice(30)).toHaveLength(2);
    expect(await failure(() => list().push(Buffer.alloc(2 * MIB)))).toMatch(/^TOOLARGE: /);
    const parts = Array.from({ length: 30 }, () => Buffer.alloc(50_000));
    expect(await failure(() => list().push(...parts))).toMatch(/^TOOLARGE: /);
    expect(await list().length()).toBe(32);
    await open().delete(key);
  });
});

describe.each(STORES)('the set of %s', (_, open) => {
  const members = () => (open() as Client).members(key);
  const plain = (values: readonly unknown[]) =>
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));

  it('has each member once', async () => {
    expect(await members().add('a', 'b', 'a')).toBe(2);
    expect(await members().add('b', 'c')).toBe(1);
    expect((await members().values()).sort()).toEqual(['a', 'b', 'c']);
    expect([await members().size(), await members().has('c')]).toEqual([3, true]);
    expect(await members().hasMany(['c', 'x', 'a'])).toEqual([true, false, true]);
    expect(await members().delete('a', 'x')).toBe(1);
    expect(await members().has('a')).toBe(false);
    expect(await members().delete('b', 'c')).toBe(2);
    expect([await members().size(), await members().values()]).toEqual([0, []]);
  });

  it('gives members back as they came', async () => {
    const all = ['text', '', Buffer.from([0xff, 0]), 7, -300, 2 ** 40, 2n ** 63n, 'ü'.repeat(2000)];
    expect(await members().add(...all)).toBe(all.length);
    const found = plain(await members().values());
    expect(found).toHaveLength(all.length);
    for (const member of all) {
      expect(found).toContainEqual(member);
      expect(await members().has(member)).toBe(true);
    }
    // Text and bytes are one, a number is another.
    expect(await members().hasMany([Buffer.from('text'), '7'])).toEqual([true, false]);
  });

  it('gives members by chance', async () => {
    expect([await members().pop(), await members().random()]).toEqual([undefined, undefined]);
    expect([await members().pop(2), await members().random(2)]).toEqual([[], []]);
    const all = Array.from({ length: 500 }, (__, i) => i);
    await members().add(...all);
    expect(all).toContain(await members().random());
    expect(new Set(await members().random(50)).size).toBe(50);
    expect(await members().random(-1000)).toHaveLength(1000);
    expect([...(await members().random<number>(600))].sort((a, b) => a - b)).toEqual(all);
    expect(await members().size()).toBe(500);
    const taken = new Set([await members().pop(), ...(await members().pop(99))]);
    expect(taken.size).toBe(100);
    expect(await members().hasMany([...taken] as number[])).not.toContain(true);
    expect(await members().size()).toBe(400);
    expect(await members().pop(1000)).toHaveLength(400);
    expect(await members().size()).toBe(0);
  });

  it('moves a member in one step', async () => {
    const there = `{${key}} there`;
    const here = (open() as Client).members(`{${key}}`);
    await here.add('a', 'b');
    expect(await here.moveTo(there, 'a')).toBe(true);
    expect(await here.moveTo(there, 'a')).toBe(false);
    expect(await here.values()).toEqual(['b']);
    expect(await (open() as Client).members(there).values()).toEqual(['a']);
    expect(await failure(() => here.moveTo(there, null as never))).toMatch(/^OPTION: a member/);
  });

  it('is combined with others', async () => {
    const keys = ['x', 'y', 'none'].map((name) => `{${key}} ${name}`) as [string, string, string];
    const here = (open() as Client).members(`{${key}}`);
    await here.add(1, 2, 3, 4);
    await (open() as Client).members(keys[0]).add(2, 3, 5);
    await (open() as Client).members(keys[1]).add(3, 6);
    const sorted = (values: unknown[]) => values.sort();
    expect(sorted(await here.intersection(keys[0]))).toEqual([2, 3]);
    expect(sorted(await here.intersection(keys[0], keys[1]))).toEqual([3]);
    expect(await here.intersection(keys[2])).toEqual([]);
    expect(sorted(await here.intersection())).toEqual([1, 2, 3, 4]);
    expect(await here.intersectionSize(keys[0])).toBe(2);
    expect(sorted(await here.union(keys[0], keys[1], keys[2]))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sorted(await here.difference(keys[0]))).toEqual([1, 4]);
    expect(sorted(await here.difference(keys[2]))).toEqual([1, 2, 3, 4]);
    expect(await failure(() => here.union(5 as never))).toMatch(/^OPTION: a key must be/);
    const target = `{${key}} target`;
    const there = (open() as Client).members(target);
    expect(await here.unionInto(target, keys[0])).toBe(5);
    expect(sorted(await there.values())).toEqual([1, 2, 3, 4, 5]);
    expect(await here.differenceInto(target, keys[0])).toBe(2);
    expect(sorted(await there.values())).toEqual([1, 4]);
    expect(await here.intersectionInto(`{${key}}`, keys[0])).toBe(2);
    expect(sorted(await here.values())).toEqual([2, 3]);
    expect(await here.intersectionInto(target, keys[2])).toBe(0);
    expect(await there.size()).toBe(0);
  });

  it('is walked over page by page', async () => {
    const all = Array.from({ length: 3000 }, (__, i) => `member ${i}`);
    for (let i = 0; i < 3000; i += 500) await members().add(...all.slice(i, i + 500));
    const seen = new Set<unknown>();
    let pages = 0;
    for (let cursor = 0; ; pages++) {
      const page = await members().scanPage(cursor, { count: 100 });
      for (const member of page.items) seen.add(member);
      cursor = page.cursor;
      if (cursor === 0) break;
    }
    expect([...seen].sort()).toEqual([...all].sort());
    expect(pages).toBeGreaterThan(10);
    const found: unknown[] = [];
    for (let cursor = 0; ; ) {
      const page = await members().scanPage(cursor, { match: 'member 12?' });
      found.push(...page.items);
      cursor = page.cursor;
      if (cursor === 0) break;
    }
    expect(found).toHaveLength(10);
    expect(await (open() as Client).members(`${key} none`).scanPage(0)).toEqual({
      cursor: 0,
      items: [],
    });
    const wrong: [string, unknown[]][] = [
      ['cursor must be a whole number from 0 on, not -1', [-1]],
      ['count must be a whole number from 1 on, not 0', [0, { count: 0 }]],
      ['match must be a string, not 5', [0, { match: 5 }]],
      ["scan has no option 'cout'; did you mean 'count'?", [0, { cout: 5 }]],
    ];
    for (const [message, args] of wrong) {
      const call = () => members().scanPage(...(args as [number]));
      expect(await failure(call)).toBe(`OPTION: ${message}`);
    }
  });

  it('does nothing without members', async () => {
    expect([await members().add(), await members().delete()]).toEqual([0, 0]);
    expect(await members().hasMany([])).toEqual([]);
    expect(await members().hasMany(new Set(['a']))).toEqual([false]);
  });

  it('refuses wrong members, and then nothing has changed', async () => {
    await members().add('a');
    const wrong = (value: unknown) => value as string;
    const allowed = 'a string, a Uint8Array, or a whole number of up to 64 bits';
    expect(await failure(() => members().add('b', wrong(null)))).toBe(
      `OPTION: a member must be ${allowed}, not null`,
    );
    for (const value of [undefined, 1.5, {}, [], true, Number.NaN, 2n ** 64n, -(2n ** 63n) - 1n]) {
      expect(await failure(() => members().add('b', wrong(value)))).toMatch(/^OPTION: a member/);
      expect(await failure(() => members().has(wrong(value)))).toMatch(/^OPTION: a member/);
      expect(await failure(() => members().delete('a', wrong(value)))).toMatch(/^OPTION: a member/);
    }
    for (const long of ['x'.repeat(4001), 'ü'.repeat(2001), '€'.repeat(1334), '😀'.repeat(1001)]) {
      expect(await failure(() => members().add(long))).toMatch(
        /^OPTION: a member may have up to 4000/,
      );
    }
    expect(await failure(() => members().add(Buffer.alloc(4001)))).toMatch(/^OPTION: a member may/);
    expect(await members().add('€'.repeat(1333), '😀'.repeat(1000))).toBe(2);
    expect(await failure(() => members().hasMany('abc'))).toBe(
      "OPTION: hasMany takes an iterable of members, not 'abc'",
    );
    expect(await members().size()).toBe(3);
  });
});

describe.each(STORES)('the hash of %s', (_, open) => {
  const hash = () => (open() as Client).hash(key);
  const keys = () => open();

  it('has a value for each field', async () => {
    expect(await hash().set('name', 'Ada')).toBe(true);
    expect(await hash().set('name', 'Grace')).toBe(false);
    expect(await hash().setMany({ born: 1906, langs: ['cobol'] })).toBe(2);
    expect(await hash().setMany(new Map<string, unknown>([['born', 1907]]))).toBe(0);
    expect(await hash().get('name')).toBe('Grace');
    expect(await hash().get('nothing')).toBeUndefined();
    expect(await hash().getMany(['langs', 'x', 'born'])).toEqual([['cobol'], undefined, 1907]);
    expect([await hash().has('name'), await hash().has('x')]).toEqual([true, false]);
    expect(await hash().size()).toBe(3);
    expect((await hash().fields()).sort()).toEqual(['born', 'langs', 'name']);
    expect(await hash().values()).toEqual(expect.arrayContaining(['Grace', 1907, ['cobol']]));
    const all = { name: 'Grace', born: 1907, langs: ['cobol'] };
    expect(await hash().toObject()).toEqual(all);
    expect(await hash().toMap()).toEqual(new Map(Object.entries(all)));
    expect((await hash().entries()).sort()).toEqual(Object.entries(all).sort());
    expect(await hash().delete('name', 'x')).toBe(1);
    expect(await hash().delete('born', 'langs')).toBe(2);
    expect([await hash().size(), await hash().toObject()]).toEqual([0, {}]);
    expect([await hash().fields(), await hash().values(), await hash().entries()]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it('has fields that expire', async () => {
    expect(await hash().set('a', 1, { ttl: '1h' })).toBe(true);
    expect(await hash().set('a', 2, { ifAbsent: true })).toBe(false);
    expect(await hash().set('a', 3, { keepTtl: true, ifPresent: true })).toBe(true);
    expect(await hash().setMany({ b: [1], c: 'd' }, { ttl: 90_000, ifAbsent: true })).toBe(true);
    expect(await hash().setMany({ c: 'e', z: 1 }, { ifPresent: true })).toBe(false);
    expect(await hash().setMany({}, { ttl: 1 })).toBe(true);
    expect(await hash().set('forever', null)).toBe(true);
    const left = await hash().ttlMany(['a', 'b', 'forever', 'nothing']);
    expect(left).toEqual([expect.any(Number), expect.any(Number), Infinity, undefined]);
    expect(left[0]).toBeGreaterThan(3_590_000);
    expect(await hash().ttl('b')).toBeLessThanOrEqual(90_000);
    expect(await hash().toObject()).toEqual({ a: 3, b: [1], c: 'd', forever: null });

    expect(await hash().expire('forever', '2h')).toBe(true);
    expect(await hash().expire('nothing', '2h')).toBe(false);
    expect(await hash().expire('a', '1m', { ifLater: true })).toBe(false);
    expect(await hash().expire('a', '1m', { ifEarlier: true })).toBe(true);
    expect(await hash().expireMany(['a', 'x', 'b'], 1e6, { ifAny: true })).toEqual([
      true,
      false,
      true,
    ]);
    expect(await hash().persist('a', 'x', 'forever', 'a')).toBe(2);
    expect(await hash().expireMany(['a', 'b'], 1e6, { ifNone: true })).toEqual([true, false]);
    expect(await hash().getAndExpire('a', '3h')).toBe(3);
    expect(await hash().ttl('a')).toBeGreaterThan(1e7);
    expect(await hash().getManyAndExpire(['a', 'x', 'b'], 0)).toEqual([3, undefined, [1]]);
    expect(await hash().ttlMany(['a', 'b'])).toEqual([Infinity, Infinity]);
    expect(await hash().take('b')).toEqual([1]);
    expect(await hash().takeMany(['b', 'c', 'c'])).toEqual([undefined, 'd', undefined]);
    expect(await hash().getManyAndExpire([], 5)).toEqual([]);
    expect([await hash().takeMany([]), await hash().ttlMany([])]).toEqual([[], []]);
    expect([await hash().persist(), await hash().expireMany([], 5)]).toEqual([0, []]);

    expect(await hash().set('soon', 1, { ttl: 30 })).toBe(true);
    expect(await hash().increment('soon')).toBe(2);
    // Sleeps: a field expires by the clock of the machine, which a node has, too.
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await hash().has('soon')).toBe(false);
    expect(await hash().size()).toBe(2);
    expect((await hash().fields()).sort()).toEqual(['a', 'forever']);
    expect(await hash().increment('soon')).toBe(1);
    expect(await hash().ttl('soon')).toBe(Infinity);
  });

  it('goes with its last field, and has a time of its own besides', async () => {
    await hash().set('a', 1, { ttl: '1h' });
    expect(await keys().ttl(key)).toBe(Infinity);
    expect(await keys().expire(key, '2h')).toBe(true);
    expect(await keys().ttl(key)).toBeGreaterThan(7_000_000);
    expect(await hash().expire('a', 30)).toBe(true);
    // Sleeps: a field expires by the clock of the machine, which a node has, too.
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await keys().ttl(key)).toBeUndefined();
    expect(await hash().size()).toBe(0);
  });

  it('refuses times and conditions that mean nothing', async () => {
    await hash().set('a', 1);
    const wrong = <T>(value: unknown): T => value as T;
    const calls: [RegExp, () => unknown][] = [
      [/^OPTION: ttl must be more than 0, not 0: persist/, () => hash().expire('a', 0)],
      [/^OPTION: ttl must be more than 0/, () => hash().expireMany(['a'], Infinity)],
      [/^OPTION: ttl must be milliseconds/, () => hash().expire('a', wrong(null))],
      [/^OPTION: ttl must be milliseconds/, () => hash().set('a', 1, { ttl: -1 })],
      [/^OPTION: ttl must be milliseconds/, () => hash().getAndExpire('a', 'soon')],
      [/^OPTION: set of a hash has no option 'tll'/, () => hash().set('a', 1, wrong({ tll: 1 }))],
      [/^OPTION: .* takes an object/, () => hash().setMany({ a: 1 }, wrong(5))],
      [/^OPTION: ttl and keepTtl/, () => hash().set('a', 1, { ttl: 1, keepTtl: true })],
      [/^OPTION: ifAb.* exclude/, () => hash().set('a', 1, { ifAbsent: true, ifPresent: true })],
      [/^OPTION: keepTtl must be/, () => hash().setMany({ a: 1 }, { keepTtl: wrong(1) })],
      [/^OPTION: ifNone and/, () => hash().expire('a', 1, { ifNone: true, ifLater: true })],
      [/^OPTION: ifLater and/, () => hash().expire('a', 1, { ifLater: true, ifEarlier: true })],
      [/^OPTION: expire of a hash has no/, () => hash().expire('a', 1, wrong({ ifMore: true }))],
      [/^OPTION: ttlMany takes an iterable/, () => hash().ttlMany(wrong('a'))],
      [/^OPTION: a field must be/, () => hash().take(wrong(null))],
    ];
    for (const [message, call] of calls) expect(await failure(call)).toMatch(message);
    expect(await hash().ttl('a')).toBe(Infinity);
    expect(await hash().get('a')).toBe(1);
  });

  it('has hundreds of fields', async () => {
    const all = Object.fromEntries(Array.from({ length: 700 }, (__, i) => [`field ${i}`, { i }]));
    expect(await hash().setMany(all)).toBe(700);
    expect(await hash().toObject()).toEqual(all);
    expect(await hash().fields()).toHaveLength(700);
    expect(await hash().getMany(Object.keys(all))).toEqual(Object.values(all));
  });

  it('sets a field that is not there, where that is asked for', async () => {
    expect(await hash().setIfAbsent('a', 1)).toBe(true);
    expect(await hash().setIfAbsent('a', 2)).toBe(false);
    expect(await hash().get('a')).toBe(1);
  });

  it('keeps objects, and null, which get does not tell from nothing', async () => {
    const value = { a: 1, b: { c: [null] } };
    for (const field of ['x', 'y', 'z']) await hash().set(field, value);
    await hash().set('null', null);
    expect(await hash().getMany(['x', 'y', 'z'])).toEqual([value, value, value]);
    expect([await hash().get('null'), await hash().has('null')]).toEqual([undefined, true]);
    expect(await hash().toObject()).toEqual({ x: value, y: value, z: value, null: null });
  });

  it('has fields that are text, bytes or numbers', async () => {
    expect(
      await hash().setMany([
        [Buffer.from([0xff]), 1],
        [7, 2],
        ['7', 3],
      ]),
    ).toBe(3);
    expect(await hash().getMany([7, '7', Buffer.from([0xff])])).toEqual([2, 3, 1]);
    const fields = await hash().fields();
    expect(fields).toEqual(expect.arrayContaining([7, '7']));
    expect(fields.filter((field) => field instanceof Uint8Array)).toHaveLength(1);
    expect(await failure(() => hash().toObject())).toMatch(/^WRONGTYPE: a field is .*: use toMap$/);
    expect((await hash().toMap()).size).toBe(3);
    await hash().delete(Buffer.from([0xff]), '7');
    expect(await hash().toObject()).toEqual({ 7: 2 });
  });

  it('gives an object all its fields, also such as objects have without them', async () => {
    await hash().setMany([
      ['__proto__', { bad: true }],
      ['constructor', 1],
      ['toString', 2],
    ]);
    const object = await hash().toObject();
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect((object as { bad?: boolean }).bad).toBeUndefined();
    expect(Object.keys(object).sort()).toEqual(['__proto__', 'constructor', 'toString']);
    expect(Object.getOwnPropertyDescriptor(object, '__proto__')!.value).toEqual({ bad: true });
  });

  it('counts in fields', async () => {
    expect(await hash().increment('n')).toBe(1);
    expect(await hash().increment('n', 41)).toBe(42);
    expect(await hash().increment('n', -50)).toBe(-8);
    expect(await hash().increment('big', 2n ** 60n)).toBe(2n ** 60n);
    expect(await hash().incrementFloat('f', 1.5)).toBe(1.5);
    expect(await hash().incrementFloat('f', 0.25)).toBe(1.75);
    expect(await hash().incrementFloat('zero', -0)).toBe(0);
    expect(await hash().get('f')).toBe(1.75);
    await hash().set('text', 'grün');
    expect(await failure(() => hash().increment('text'))).toMatch(/^WRONGTYPE: .*integer/);
    expect(await failure(() => hash().incrementFloat('text', 1))).toMatch(/^WRONGTYPE: .*number/);
    expect(await failure(() => hash().increment('big', 2n ** 63n - 1n))).toMatch(/^OVERFLOW: /);
    for (const delta of [0.5, '1', null, 2n ** 63n]) {
      expect(await failure(() => hash().increment('n', delta as number))).toMatch(/^OPTION: delta/);
    }
    for (const delta of [Number.NaN, Number.POSITIVE_INFINITY, '1', 1n]) {
      const call = () => hash().incrementFloat('f', delta as number);
      expect(await failure(call)).toMatch(/^OPTION: delta must be a finite number/);
    }
    expect(await hash().byteLength('text')).toBe(5);
    expect(await hash().byteLength('none')).toBe(0);
    expect(await failure(() => hash().byteLength('n'))).toMatch(/^WRONGTYPE: /);
  });

  it('gives fields by chance', async () => {
    expect([await hash().random(), await hash().random(3)]).toEqual([undefined, []]);
    expect(await hash().randomEntries(3)).toEqual([]);
    await hash().setMany(Array.from({ length: 300 }, (__, i) => [i, { twice: 2 * i }] as const));
    expect(await hash().has((await hash().random())!)).toBe(true);
    expect(new Set(await hash().random(20)).size).toBe(20);
    expect(await hash().random(-400)).toHaveLength(400);
    const entries = await hash().randomEntries<{ twice: number }>(20);
    expect(new Set(entries.map(([field]) => field)).size).toBe(20);
    for (const [field, { twice }] of entries) expect(twice).toBe(2 * (field as number));
  });

  it('is walked over page by page', async () => {
    const all = Array.from({ length: 1000 }, (__, i) => [`f${i}`, { i }] as const);
    await hash().setMany(all);
    const seen = new Map<unknown, unknown>();
    for (let cursor = 0; ; ) {
      const page = await hash().scanPage(cursor, { count: 50 });
      for (const [field, value] of page.items) seen.set(field, value);
      cursor = page.cursor;
      if (cursor === 0) break;
    }
    expect(seen).toEqual(new Map(all));
    expect((await hash().scanPage(0, { match: 'nothing*', count: 5000 })).items).toEqual([]);
  });

  it('does nothing without fields', async () => {
    expect([await hash().setMany({}), await hash().setMany([])]).toEqual([0, 0]);
    expect([await hash().delete(), await hash().getMany([])]).toEqual([0, []]);
  });

  it('refuses wrong arguments, and then nothing has changed', async () => {
    await hash().set('a', 1);
    const wrong = (value: unknown) => value as string;
    expect(await failure(() => hash().set(wrong(null), 1))).toMatch(/^OPTION: a field must be/);
    expect(await failure(() => hash().set('b', undefined))).toMatch(/^OPTION: .*undefined/);
    expect(await failure(() => hash().get('x'.repeat(4001)))).toMatch(/^OPTION: a field may have/);
    expect(await failure(() => hash().getMany(wrong('ab')))).toMatch(/^OPTION: getMany takes an/);
    expect(await failure(() => hash().delete('a', wrong(1.5)))).toMatch(/^OPTION: a field must/);
    for (const value of [null, 'ab', 5, Buffer.from('a')]) {
      expect(await failure(() => hash().setMany(wrong(value) as never))).toMatch(
        /^OPTION: setMany takes \[field, value\] pairs or an object, not /,
      );
    }
    for (const value of [['a'], [['a']], [['a', 1, 2]], new Set(['ab'])]) {
      expect(await failure(() => hash().setMany(value as never))).toMatch(
        /^OPTION: setMany takes \[field, value\] pairs, not /,
      );
    }
    expect(await failure(() => hash().setMany({ b: 2, c: undefined }))).toMatch(/^OPTION: /);
    expect(await hash().toObject()).toEqual({ a: 1 });
  });

  it('refuses results that are too long', async () => {
    for (let i = 0; i < 32; i++) await hash().set(`field ${i}`, Buffer.alloc(64 * 1024, i));
    for (const read of ['entries', 'toMap', 'toObject', 'values'] as const) {
      expect(await failure(() => hash()[read]())).toMatch(/^TOOLARGE: the reply is longer/);
    }
    const fields = Array.from({ length: 32 }, (__, i) => `field ${i}`);
    expect(await failure(() => hash().getMany(fields))).toMatch(/^TOOLARGE: the reply is longer/);
    expect(await hash().fields()).toHaveLength(32);
    await open().delete(key);
  });
});

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

describe.each(STORES)('a key of %s with a collection', (_, open) => {
  const WRONG = /^WRONGTYPE: the value is of another type than the command works on$/;

  it('has no value to get, and none of another type', async () => {
    const store = open() as Client;
    await store.list(key).push(1);
    for (const call of [
      () => store.get(key),
      () => store.getBytes(key),
      () => store.getVersioned(key),
      () => store.swap(key, 1),
      () => store.swap(key, 1, { ifAbsent: true }),
      () => store.swap(key, Buffer.alloc(2 * MIB)),
      () => store.members(key).size(),
      () => store.members(key).add('a'),
      () => store.hash(key).get('a'),
      () => store.hash(key).toObject(),
      () => store.sorted(key).slice(),
    ]) {
      expect(await failure(call)).toMatch(WRONG);
    }
    expect(await failure(() => store.increment(key))).toMatch(/^WRONGTYPE: /);
    expect(await store.list(key).slice()).toEqual([1]);
    expect(await store.has(key)).toBe(true);
    expect(await store.set(key, 1, { ifAbsent: true })).toBe(false);
    expect(await store.set(key, 'plain')).toBe(true);
    expect(await store.get(key)).toBe('plain');
    expect(await failure(() => store.list(key).push(1))).toMatch(WRONG);
    expect(await failure(() => store.list(key).length())).toMatch(WRONG);
  });

  it('is undefined among many', async () => {
    const store = open() as Client;
    await store.members(`${key} set`).add('a');
    await store.set(`${key} null`, null);
    await store.set(`${key} 1`, 1);
    const keys = ['1', 'set', 'none', '1'].map((name) => `${key} ${name}`);
    expect(await store.getMany(keys)).toEqual([1, undefined, undefined, 1]);
  });

  it('has an expiry like any other', async () => {
    const store = open() as Client;
    await store.hash(key).set('a', 1);
    expect(await store.ttl(key)).toBe(Number.POSITIVE_INFINITY);
    expect(await store.expire(key, '1m')).toBe(true);
    await store.hash(key).set('b', 1);
    expect(await store.ttl(key)).toBeGreaterThan(59_000);
    expect(await store.delete(key)).toBe(true);
    expect(await store.hash(key).size()).toBe(0);
  });
});

describe('the types', () => {
  it('are the results themselves in a cache, and promises of them in a client', () => {
    const here = () => cache.list('k');
    const there = () => client.list('k');
    expectTypeOf(here).returns.toEqualTypeOf<List<'sync'>>();
    expectTypeOf(there).returns.toEqualTypeOf<List<'async'>>();
    expectTypeOf(() => here().push(1)).returns.toEqualTypeOf<number>();
    expectTypeOf(() => there().push(1)).returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf(() => here().pop<string>()).returns.toEqualTypeOf<string | undefined>();
    expectTypeOf(() => there().pop<string>(2)).returns.toEqualTypeOf<Promise<string[]>>();
    expectTypeOf(() => there().trim(0)).returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf(() => cache.members('k')).returns.toEqualTypeOf<Members>();
    expectTypeOf(() => client.members('k').random()).returns.toEqualTypeOf<
      Promise<Member | undefined>
    >();
    expectTypeOf(() => cache.hash('k')).returns.toEqualTypeOf<Hash>();
    expectTypeOf(() => cache.hash('k').entries<Date>()).returns.toEqualTypeOf<[Member, Date][]>();
    expectTypeOf(() => client.hash('k').getMany<number>([])).returns.toEqualTypeOf<
      Promise<(number | undefined)[]>
    >();
  });

  it('refuse what the methods refuse', () => {
    // Not called: what would be refused at run time is refused by the compiler before.
    const wrong = () => {
      // @ts-expect-error: an index is a number.
      cache.list('k').at('0');
      // @ts-expect-error: a member is no object.
      cache.members('k').add({});
      // @ts-expect-error: a list has two ends.
      client.list('k').moveTo('q', 'left');
      // @ts-expect-error: a delta is a number.
      client.hash('k').increment('f', '1');
    };
    expect(wrong).toBeTypeOf('function');
  });
});

describe('a cache with collections', () => {
  it('walks over their keys, and not over values that they do not have', () => {
    const own = openCache({ memory: '8mb' });
    own.list('list').push(1);
    own.hash('hash').setMany(Array.from({ length: 3000 }, (_, i) => [i, 'x'.repeat(50)] as const));
    own.set('plain', 2);
    expect([...own.keys()].sort()).toEqual(['hash', 'list', 'plain']);
    expect([...own.values()]).toEqual([2]);
    expect([...own]).toEqual([['plain', 2]]);
    expect(own.take('plain')).toBe(2);
    for (const call of [() => own.peek('list'), () => own.take('list')]) {
      expect(call).toThrow(expect.objectContaining({ code: 'WRONGTYPE' }));
    }
    expect(own.list('list').length()).toBe(1);
    own.close();
  });

  it('tells of changes without a value', async () => {
    const own = openCache({ memory: '8mb' });
    const changes = own.changes();
    own.list('list').push(1);
    const [change] = changes.read();
    expect([change?.type, change && 'value' in change && change.value]).toEqual(['set', undefined]);
    own.list('list').push(2);
    own.list('list').pop(2);
    const seen = changes.read().map((each) => [each.type, 'key' in each ? each.key : '']);
    expect(seen).toEqual([
      ['set', 'list'],
      ['delete', 'list'],
    ]);
    own.close();
  });

  it('lets a value use the cache while it is encoded', () => {
    const own = openCache({ memory: '8mb' });
    class Value {
      toJSON(): unknown {
        own.list('other').push('inner');
        return own.list('other').slice();
      }
    }
    own.list('list').push('before', new Value(), 'after');
    expect(own.list('list').slice()).toEqual(['before', ['inner'], 'after']);
    own.close();
  });

  it('refuses its handles when it is closed', () => {
    const own = openCache({ memory: '8mb' });
    const list = own.list('list');
    own.close();
    expect(() => list.length()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(() => own.members('set').add()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });
});

it('keys in several arenas are not worked on together', () => {
  const source = several.list('source');
  source.push(1);
  several.members('source set').add(1);
  const others = Array.from({ length: 20 }, (_, i) => `other ${i}`);
  const codes = others.map((other) => {
    try {
      several.members('source set').union(other);
      return 'none';
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
  expect(new Set(codes)).toEqual(new Set(['none', 'CROSSSLOT']));
  expect(source.slice()).toEqual([1]);
});

describe('a client', () => {
  it('rejects wrong arguments instead of throwing', async () => {
    const calls = [
      () => client.list(key).at(0.5),
      () => client.members(key).add(null as never),
      () => client.hash(key).setMany(5 as never),
    ];
    for (const call of calls) {
      const promise = call();
      await expect(promise).rejects.toMatchObject({ code: 'OPTION' });
    }
  });

  it('sends several objects in one command', async () => {
    const objects = [{ a: 1 }, { b: [2, 3] }, { c: 'd' }];
    expect(await client.send('RPUSH', key, ...objects)).toBe(3);
    expect(await client.send('LRANGE', key, 0, -1)).toEqual(objects);
  });

  it('goes on behind an error whose result would have been in parts', async () => {
    await client.set(key, 'plain');
    const results = await Promise.allSettled([
      client.members(key).scanPage(0),
      client.hash(key).entries(),
      client.list(key).slice(),
      client.get(key),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      ...['rejected', 'rejected', 'rejected', 'fulfilled'],
    ]);
    expect(results[3]).toMatchObject({ value: 'plain' });
  });

  it('has the commands of a turn in one frame, and their results in order', async () => {
    const list = client.list(key);
    const results = await Promise.all([
      list.push(1),
      list.slice(),
      client
        .hash(key)
        .size()
        .catch((error) => error.code),
      list.push(2),
      client.get('nothing'),
      list.slice(),
    ]);
    expect(results).toEqual([1, [1], 'WRONGTYPE', 2, undefined, [1, 2]]);
  });
});

it('a sorted set takes members that are longer than its leaves', () => {
  const sorted = cache.sorted('long members');
  const member = (i: number) => String.fromCharCode(97 + (i % 26)).repeat(3900 - i) + i;
  for (let i = 0; i < 60; i++) expect(sorted.set(member(i), (i * 7) % 60)).toBe(true);
  for (let i = 0; i < 60; i++) sorted.increment(member(i), i % 5);
  expect(sorted.size()).toBe(60);
  expect(sorted.score(member(3))).toBe(21 + 3);
  expect(cache.checkIntegrity()).toBeUndefined();
  expect(sorted.delete(...Array.from({ length: 60 }, (_, i) => member(i)))).toBe(60);
});
