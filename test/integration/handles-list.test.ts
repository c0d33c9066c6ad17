/** Lists by their handles, in each store that has them. */
import type { Client } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import { failure, key, STORES, useStores } from '../support/stores.js';

const MIB = 1024 ** 2;

useStores();

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
