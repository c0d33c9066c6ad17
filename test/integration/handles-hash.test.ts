/** Hashes by their handles, in each store that has them. */
import type { Client } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import { failure, key, STORES, useStores } from '../support/stores.js';

useStores();

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

  it('replaces values of any length by others of any length', async () => {
    const bytes = Buffer.alloc(100_000, 'bytes');
    for (let i = 0; i < 60; i++) {
      // Long ones stand elsewhere: what stands for one must not be taken for a short one.
      for (const length of [70_000 + i, i, i, 300 - i]) {
        await hash().set('field', bytes.subarray(0, length));
        const found = Buffer.from((await hash().get('field')) as Uint8Array);
        expect(found.equals(bytes.subarray(0, length)), `${length} bytes`).toBe(true);
      }
    }
    expect(await (open() as Client).memoryUsage(key)).toBeLessThan(2000);
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
