/** Pages of keys: options, cursors, what a walk must meet; and keys at random. */
import { type Cache, openCache, type SlabringError } from 'slabring';
import { describe, expect, it } from 'vitest';
import { ArenaCommands } from '#engine/arena-commands.js';
import { ArenaSet } from '#engine/arena-set.js';
import { createExecutor } from '#engine/routed-frame.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import {
  command,
  float,
  frame,
  integer,
  map,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const SHAPES = [
  ['one partition', { memory: '8mb', partitions: 1 }],
  ['many partitions', { memory: '64mb', partitions: 64 }],
  ['three arenas', { memory: '24mb', partitions: 2, arenas: 3 }],
] as const;

/** Enough for every segment of two partitions to split. */
const MOST_COMING = 40_000;

/** The pages of a whole walk. */
function pagesOf(cache: Pick<Cache, 'scanPage'>, options = {}): (string | Buffer)[][] {
  const pages: (string | Buffer)[][] = [];
  let cursor = 0;
  do {
    const page = cache.scanPage(cursor, options);
    expect(Number.isSafeInteger(page.cursor)).toBe(true);
    pages.push(page.keys);
    ({ cursor } = page);
  } while (cursor !== 0);
  return pages;
}

describe.each(SHAPES)('pages of %s', (_, options) => {
  it('have each key once, whatever the count', () => {
    using cache = openCache(options);
    const keys = Array.from({ length: 3000 }, (_, i) => `key ${i}`);
    for (const key of keys) cache.set(key, 1);
    cache.namespace('other').set('not here', 1);
    cache.set('expired', 1, { ttl: 1 });
    const end = Date.now() + 2;
    while (Date.now() <= end);
    for (const count of [undefined, 1, 10, 999, 1e9, 2 ** 53]) {
      const pages = pagesOf(cache, count === undefined ? undefined : { count });
      expect(pages.flat().sort()).toEqual(keys.toSorted());
      // A hint: what one bucket holds stays together.
      expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan((count ?? 100) + 1000);
    }
    expect([...cache.scan()].sort()).toEqual(keys.toSorted());
    expect(pagesOf(cache, { count: 1 }).length).toBeGreaterThan(500);
  });

  it('have only keys that match, of the type that is wanted', () => {
    using cache = openCache(options);
    for (let i = 0; i < 500; i++) cache.set(`${i % 2 ? 'odd' : 'even'}:${i}`, i);
    cache.set(Buffer.of(0x6f, 0xff), 1);
    const odd = Array.from({ length: 250 }, (_, i) => `odd:${2 * i + 1}`);
    expect([...cache.scan({ match: 'odd:*' })].sort()).toEqual(odd.toSorted());
    expect([...cache.scan({ match: Buffer.from('odd:?') })].sort()).toEqual(odd.slice(0, 5));
    expect([...cache.scan({ match: Buffer.of(0x6f, 0xff) })]).toEqual([Buffer.of(0x6f, 0xff)]);
    expect([...cache.scan({ match: 'odd:1', type: 'string' })]).toEqual(['odd:1']);
    expect([...cache.scan({ match: 'nothing' })]).toEqual([]);
    for (const type of ['list', 'set', 'hash', 'zset'] as const) {
      expect([...cache.scan({ type })]).toEqual([]);
    }
  });

  it('of a namespace have its keys without its prefix', () => {
    using cache = openCache(options);
    const space = cache.namespace('space');
    for (let i = 0; i < 300; i++) {
      cache.set(`plain ${i}`, 1);
      space.set(`spaced ${i}`, 1);
    }
    expect(pagesOf(space).flat().sort()).toEqual(
      Array.from({ length: 300 }, (_, i) => `spaced ${i}`).sort(),
    );
    expect([...cache.scan({ match: 'spaced*' })]).toEqual([]);
    space.clear();
    expect(pagesOf(space).flat()).toEqual([]);
  });

  it('are few where there are few keys', () => {
    using cache = openCache(options);
    cache.set('the only one', 1);
    expect(pagesOf(cache).length).toBeLessThan(80);
  });

  it('have all keys that stay, while others come and go and the table grows', () => {
    using cache = openCache({ ...options, memory: '96mb' });
    const seed = freshSeed();
    const random = new Random(seed);
    const stay = Array.from({ length: 2000 }, (_, i) => `stay ${i}`);
    for (const key of stay) cache.set(key, 1);
    let come = 0;
    const seen = new Map<string, number>();
    for (const key of cache.scan({ count: 20 })) {
      seen.set(key as string, (seen.get(key as string) ?? 0) + 1);
      for (let i = random.below(20); i > 0 && come < MOST_COMING; i--)
        cache.set(`come ${come++}`, 1);
      if (random.chance(0.5)) cache.delete(`come ${random.below(come)}`);
      if (random.chance(0.2)) cache.set(random.pick(stay), 'x'.repeat(random.below(2000)));
    }
    expect(stay.filter((key) => seen.get(key) !== 1)).toEqual([]);
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
    if (options.partitions === 1) expect(cache.stats().tableSplits).toBeGreaterThan(0);
  });

  it('with a wrong option or cursor are refused', () => {
    using cache = openCache(options);
    const wrongs: [unknown, unknown][] = [
      ...[-1, 0.5, Number.NaN, '0', undefined, null, 2 ** 53, 2 ** 52].map(
        (cursor): [unknown, unknown] => [cursor, {}],
      ),
      ...[0, -1, 0.5, Number.NaN, '5'].map((count): [unknown, unknown] => [0, { count }]),
      ...['none', 'lists', 5, null].map((type): [unknown, unknown] => [0, { type }]),
      ...[5, null, 'x'.repeat(257)].map((match): [unknown, unknown] => [0, { match }]),
      [0, { matches: 'x' }],
      [0, null],
      [0, 'x*'],
    ];
    for (const [cursor, given] of wrongs) {
      let code: string | undefined;
      try {
        cache.scanPage(cursor as number, given as object);
      } catch (cause) {
        ({ code } = cause as SlabringError);
      }
      expect([cursor, given, code]).toEqual([cursor, given, 'OPTION']);
    }
    expect(() => cache.scan({ count: 0 })).toThrow('count must be a whole number from 1 on, not 0');
    // Any number below the end is some place to begin.
    for (const cursor of [1, 12_345, 2 ** 31, 2 ** 37 + 5]) cache.scanPage(cursor);
  });
});

it('a walk ends with an error when the cache is closed', () => {
  const cache = openCache({ memory: '8mb' });
  for (let i = 0; i < 500; i++) cache.set(`k${i}`, i);
  const walk = cache.scan({ count: 5 });
  walk.next();
  cache.close();
  expect(() => [...walk]).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  expect(() => cache.randomKey()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  expect(() => cache.scanPage(0)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});

describe('a random key', () => {
  /** How often each key came. */
  function draw(cache: Pick<Cache, 'randomKey'>, times: number): Map<string, number> {
    const drawn = new Map<string, number>();
    for (let i = 0; i < times; i++) {
      const key = String(cache.randomKey());
      drawn.set(key, (drawn.get(key) ?? 0) + 1);
    }
    return drawn;
  }

  /** What the sum of squares is above its mean, in standard deviations, were all equally likely. */
  function surprise(drawn: Map<string, number>, keys: number, times: number): number {
    const expected = times / keys;
    let chi = (keys - drawn.size) * expected;
    for (const count of drawn.values()) chi += (count - expected) ** 2 / expected;
    return (chi - (keys - 1)) / Math.sqrt(2 * (keys - 1));
  }

  it.each(SHAPES)('of %s is any key, each as likely as any other', (_, options) => {
    using cache = openCache({ ...options, memory: '64mb' });
    const space = cache.namespace('space');
    // Some partitions have more of the namespace's keys than others, and segments that were split.
    for (let i = 0; i < 400; i++) cache.set(`plain ${i}`, 1);
    for (let i = 0; i < 600; i++) space.set(`spaced ${i}`, 1);
    for (let i = 0; i < 14_000; i++) space.set(`gone ${i}`, 1);
    for (let i = 0; i < 14_000; i++) space.delete(`gone ${i}`);
    const plain = draw(cache, 20_000);
    expect([...plain.keys()].every((key) => key.startsWith('plain '))).toBe(true);
    expect(surprise(plain, 400, 20_000)).toBeLessThan(6);
    const spaced = draw(space, 20_000);
    expect([...spaced.keys()].every((key) => key.startsWith('spaced '))).toBe(true);
    expect(surprise(spaced, 600, 20_000)).toBeLessThan(6);
  });

  it.each(SHAPES)('of %s is found among very many others, or is none', (_, options) => {
    using cache = openCache({ ...options, memory: '64mb' });
    const space = cache.namespace('space');
    expect(cache.randomKey()).toBeUndefined();
    expect(space.randomKey()).toBeUndefined();
    for (let i = 0; i < 50_000; i++) space.set(`spaced ${i}`, 1);
    expect(cache.randomKey()).toBeUndefined();
    const long = 'k'.repeat(65_000);
    cache.set(long, 1);
    cache.set(Buffer.of(0xff), 1);
    const drawn = draw(cache, 200);
    expect(drawn.size).toBe(2);
    space.clear();
    expect(space.randomKey()).toBeUndefined();
    cache.set('soon gone', 1, { ttl: 1 });
    cache.delete(long);
    cache.delete(Buffer.of(0xff));
    const end = Date.now() + 2;
    while (Date.now() <= end);
    expect(cache.randomKey()).toBeUndefined();
  });
});

describe.each([1, 3])('commands about all keys, on %i arena(s)', (arenas) => {
  const open = () => {
    const options = { memoryBytes: arenas * 8 * 1024 ** 2, partitions: 2, maxThreads: 2 } as const;
    const set = ArenaSet.create({ ...options, policy: 'none', maxValueBytes: 65_536, arenas });
    const commands = new ArenaCommands(set);
    const executor = createExecutor<undefined>(set, (name, args) => commands.answer(name, args));
    const run = (...all: Wire[]): Wire[] =>
      valuesOf(executor.execute(frame(1, ...all), undefined) as Uint8Array).slice(1);
    return { set, run };
  };
  const text = (reply: Wire | undefined) => reply!.toString('latin1', 3);

  it('see what the commands before them in the frame did', () => {
    const { run, set } = open();
    const sets = Array.from({ length: 50 }, (_, i) => command('SET', str(`k${i}`), NIL));
    const replies = run(...sets, command('DBSIZE'), command('FLUSH'), command('DBSIZE'), sets[0]!);
    expect(replies.slice(50)).toEqual([integer(50), TRUE, integer(0), TRUE]);
    expect(run(command('RANDOMKEY'), command('FLUSH'), command('RANDOMKEY'))).toEqual([
      str('k0'),
      TRUE,
      NIL,
    ]);
    expect(set.checkIntegrity()).toBeUndefined();
    set.close();
  });

  it('scan all arenas, with cursors in any form', () => {
    const { run, set } = open();
    const keys = Array.from({ length: 700 }, (_, i) => `key ${i}`);
    run(...keys.map((key) => command('SET', str(key), NIL)));
    const seen: string[] = [];
    let cursor: Wire = integer(0);
    let pages = 0;
    do {
      const options = map([
        str('count'),
        integer(50),
        str('match'),
        str('key *'),
        str('type'),
        NIL,
      ]);
      const [reply] = run(command('SCAN', cursor, options));
      const [next, ...found] = valuesOf(reply!.subarray(1));
      cursor = next!;
      const list = found[0]!;
      const head = list[0]! === 0xdc ? 3 : 1;
      seen.push(...valuesOf(list.subarray(head)).map((key) => key.toString('latin1', 1)));
      pages++;
    } while (!cursor.equals(integer(0)));
    expect(seen.sort()).toEqual(keys.toSorted());
    expect(pages).toBeGreaterThan(5);
    for (const zero of [integer(0, 'uint64'), integer(0, 'int32'), float(0)]) {
      expect(run(command('SCAN', zero))[0]![0]).toBe(0x92);
    }
    set.close();
  });

  it('refuse wrong arguments', () => {
    const { run, set } = open();
    const scans = [
      [NIL],
      [str('0')],
      [integer(-1)],
      [integer(2n ** 63n)],
      [float(0.5)],
      [float(Number.NaN)],
      [integer(2n ** 52n)],
      [integer(0), integer(5)],
      [integer(0), str('x')],
      [integer(0), map([str('match'), integer(5)])],
      [integer(0), map([str('match'), str('x'.repeat(257))])],
      [integer(0), map([str('count'), integer(0)])],
      [integer(0), map([str('count'), float(Number.NaN)])],
      [integer(0), map([str('type'), str('blob')])],
      [integer(0), map([str('x'.repeat(60_000)), NIL])],
      [integer(0), Buffer.of(0xd4, 0x73, 0x01)],
    ];
    for (const args of scans) expect(text(run(command('SCAN', ...args))[0])).toMatch(/^SYNTAX /);
    expect(run(command('SCAN', integer(0), map([str('count'), integer(2n ** 63n)])))[0]![0]).toBe(
      0x92,
    );
    for (const name of ['RANDOMKEY', 'DBSIZE', 'FLUSH'] as const) {
      expect(text(run(command(name, NIL))[0])).toMatch(/^SYNTAX wrong number/);
    }
    expect(text(run(command('SCAN'))[0])).toMatch(/^SYNTAX wrong number/);
    const many = new Array<Wire>(70).fill(command('DBSIZE'));
    const replies = run(...many);
    expect(replies.slice(0, 64)).toEqual(new Array(64).fill(integer(0)));
    expect(replies.slice(64).map(text)).toEqual(
      new Array(6).fill(
        'BUSY a frame may hold 64 commands that the node itself answers, such as HELLO',
      ),
    );
    set.close();
  });
});
