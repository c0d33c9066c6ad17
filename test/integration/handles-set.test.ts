/** Sets by their handles, in each store that has them. */
import type { Client } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import { failure, key, STORES, useStores } from '../support/stores.js';

useStores();

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
