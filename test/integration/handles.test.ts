/** What lists, sets, hashes and sorted sets have in common, by their handles, in each store that has them. */
import {
  type Cache,
  type Hash,
  type List,
  type Member,
  type Members,
  type Mode,
  type Namespace,
  openCache,
  type Store,
} from 'slabring';
import type { Client } from 'slabring/client';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { cache, client, failure, key, STORES, several, useStores } from '../support/stores.js';

const MIB = 1024 ** 2;

useStores();

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

it('code that takes any store has the methods that all of them have', async () => {
  type Shared = Exclude<keyof Cache & keyof Client, 'close' | 'on' | 'size' | 'cluster'>;
  expectTypeOf<keyof Store<Mode>>().toEqualTypeOf<Shared>();
  expectTypeOf<Namespace>().toExtend<Store<'sync'>>();
  const count = async (store: Store<Mode>): Promise<string[]> => {
    await store.delete(key);
    expectTypeOf(await store.list(key).push('a', 'b')).toEqualTypeOf<number>();
    const found: string[] = [];
    for await (const name of store.scan({ match: key, type: 'list' })) found.push(String(name));
    return found.concat(await store.list(key).slice<string>());
  };
  for (const store of [cache, cache.namespace('some'), client]) {
    expect(await count(store)).toEqual([key, 'a', 'b']);
  }
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
