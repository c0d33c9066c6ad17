/** The cache's calls with values that do not fit a thread's areas. */
import { attachCache, type Cache, type CacheOptions, openCache } from 'slabring';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../support/fuzz-random.mjs';

const MIB = 1024 ** 2;

function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length, `${seed} `);
  bytes.writeUInt32LE(seed, 0);
  bytes.writeUInt32LE(length, length - 4);
  return bytes;
}

/** Values above 1 MiB of every kind that has a way of its own. */
const VALUES: Record<string, () => unknown> = {
  bytes: () => bytesOf(3 * MIB, 1),
  'bytes just above what an area takes': () => bytesOf(MIB - 4, 2),
  text: () => 'text '.repeat(500_000),
  'text of several bytes a character': () => 'ключ'.repeat(300_000),
  'an array': () => Array.from({ length: 250_000 }, (_, i) => 70_000 + i),
  'an object': () => ({
    name: 'x'.repeat(MIB),
    list: [1, [2, { three: 3 }]],
    bytes: bytesOf(99, 1),
  }),
  'objects of the same keys': () =>
    Array.from({ length: 12_000 }, (_, i) => ({
      id: i,
      name: `${i} `.repeat(20),
      tags: ['a', 'b'],
    })),
};

/** As `toEqual`, which takes seconds for so much. */
function same(found: unknown, expected: unknown): boolean {
  if (expected instanceof Uint8Array) {
    return found instanceof Uint8Array && Buffer.from(expected).equals(found);
  }
  if (typeof expected === 'string') return found === expected;
  return JSON.stringify(found) === JSON.stringify(expected);
}

const OPTIONS: Record<string, CacheOptions> = {
  'one arena': {},
  'two arenas': { arenas: 2 },
  'values kept decoded': { decoded: true },
  structures: { structures: true },
  'all of it': { arenas: 3, decoded: true, structures: true, policy: 'lru' },
};

describe.each(Object.entries(OPTIONS))('large values: %s', (_name, options) => {
  let cache: Cache;
  let other: Cache;

  beforeEach(() => {
    cache = openCache({ memory: '128mb', ...options });
    other = attachCache(cache.share());
  });
  afterEach(() => {
    expect(cache.checkIntegrity()).toBeUndefined();
    other.close();
    cache.close();
  });

  it.each(Object.entries(VALUES))('%s', (_kind, make) => {
    const value = make();
    expect(cache.set('key', value)).toBe(true);
    for (const reader of [cache, other, cache]) {
      expect(same(reader.get('key'), value)).toBe(true);
      expect(same(reader.peek('key'), value)).toBe(true);
    }
    expect(same([...other.values()][0], value)).toBe(true);
    const [[key, walked]] = [...cache.entries()] as [[string, unknown]];
    expect([key, same(walked, value)]).toEqual(['key', true]);
    expect(same(cache.swap('key', 'small'), value)).toBe(true);
    expect(other.swap('key', value)).toBe('small');
    expect(same(other.swap('key', value), value)).toBe(true);
    const found = cache.getVersioned('key')!;
    expect(same(found.value, value)).toBe(true);
    expect(other.set('key', value, { ifVersion: Number(found.version) + 1 })).toBe(false);
    expect(other.set('key', value, { ifVersion: found.version })).toBe(true);
    expect(same(cache.take('key'), value)).toBe(true);
    expect(other.take('key')).toBeUndefined();
    expect(cache.get('key')).toBeUndefined();
    expect(cache.stats().entries).toBe(0);
  });

  it('as bytes', () => {
    const bytes = bytesOf(5 * MIB, 3);
    expect(cache.setBytes('key', bytes)).toBe(true);
    expect(same(other.getBytes('key'), bytes)).toBe(true);
    const text = 'text '.repeat(400_000);
    cache.set(Buffer.from('key'), text);
    expect(same(other.getBytes('key'), Buffer.from(text))).toBe(true);
    cache.set('key', VALUES['an array']!());
    expect(() => other.getBytes('key')).toThrow(/neither bytes nor a string/);
    // What was read is the caller's, and not the cache's.
    cache.setBytes('key', bytes);
    cache.getBytes('key')!.fill(0);
    (cache.get('key') as Buffer).fill(0);
    expect(same(other.get('key'), bytes)).toBe(true);
  });

  it('with the options of set', () => {
    const [first, second] = [bytesOf(2 * MIB, 1), bytesOf(2 * MIB, 2)];
    expect(cache.set('key', first, { ifPresent: true })).toBe(false);
    expect(cache.set('key', first, { ifAbsent: true, ttl: '1h' })).toBe(true);
    expect(cache.set('key', second, { ifAbsent: true })).toBe(false);
    expect(same(cache.swap('key', second, { ifAbsent: true }), first)).toBe(true);
    expect(cache.set('key', second, { keepTtl: true })).toBe(true);
    expect(cache.ttl('key')).toBeGreaterThan(3_500_000);
    expect(() => cache.increment('key')).toThrow(/not an integer/);
    expect(same(other.get('key'), second)).toBe(true);
    expect([cache.has('key'), cache.touch('key'), cache.expire('key', 0)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(cache.ttl('key')).toBe(Number.POSITIVE_INFINITY);
    expect([cache.delete('key'), other.has('key')]).toEqual([true, false]);
  });

  it('by setMany among small ones, in order', () => {
    const pairs: [string, unknown][] = [];
    for (let i = 0; i < 12; i++) {
      pairs.push([`key ${i % 9}`, i % 3 === 1 ? bytesOf(MIB + i * 999, i) : `small ${i}`]);
    }
    expect(cache.setMany(pairs)).toEqual(pairs.map(() => true));
    for (const [key, value] of new Map(pairs)) expect(same(other.get(key), value)).toBe(true);
    expect(cache.setMany(pairs, { ifAbsent: true })).toEqual(pairs.map(() => false));
    const refused = [...pairs, ['too large', bytesOf(65 * MIB, 1)]] as const;
    cache.clear();
    expect(() => cache.setMany(refused)).toThrow(/at most/);
    expect(cache.size).toBe(0);
  });

  it('by getMany among small ones', () => {
    const pairs: [string, unknown][] = [];
    for (let i = 0; i < 9; i++) {
      // Some fit the reply area, though not the request area.
      const bytes = (i % 2 === 0 ? MIB : 2 * MIB) + i * 999;
      pairs.push([`key ${i}`, i % 3 === 1 ? bytesOf(bytes, i) : `small ${i}`]);
    }
    cache.setMany(pairs);
    const keys = pairs.map(([key]) => key);
    const found = other.getMany(['none', ...keys, ...keys, 'none']);
    const expected = pairs.map(([, value]) => value);
    const wanted = [undefined, ...expected, ...expected, undefined];
    expect(found.map((value, i) => same(value, wanted[i]) || value === wanted[i])).toEqual(
      wanted.map(() => true),
    );
  });

  it('in the change log and to listeners', () => {
    const changes = other.changes();
    const value = bytesOf(2 * MIB, 9);
    cache.set('key', value, { ttl: '1h' });
    cache.delete('key');
    cache.set('key', 'small');
    const [set, gone, small] = changes.read();
    expect([set!.type, gone!.type, small!.type]).toEqual(['set', 'delete', 'set']);
    // The log holds no such value: it is the key's present one.
    expect(set).toMatchObject({ key: 'key', value: 'small', expiresAt: expect.any(Number) });
    cache.set('key', value);
    const [last] = changes.read();
    expect(same((last as { value: unknown }).value, value)).toBe(true);
    changes.close();
  });

  it('up to maxValue, and not of a byte more', () => {
    const { maxValueBytes } = cache.share().arenas.facts;
    const largest = bytesOf(maxValueBytes - 5, 4);
    expect(cache.set('key', largest)).toBe(true);
    expect(same(other.get('key'), largest)).toBe(true);
    const larger = Buffer.concat([largest, Buffer.alloc(1)]);
    const text = `at most ${maxValueBytes} bytes once encoded, this one has ${maxValueBytes + 1}`;
    expect(() => cache.set('key', larger)).toThrow(text);
    expect(() => cache.setBytes('key', larger)).toThrow(text);
    expect(() => cache.swap('key', larger)).toThrow(text);
    expect(() => cache.set('key', 'x'.repeat(larger.length))).toThrow(/at most .* bytes/);
    expect(same(other.get('key'), largest)).toBe(true);
    expect(() => cache.set('key', 'x'.repeat(3 * maxValueBytes))).toThrow(/at most .* bytes/);
  });
});

it('a value that cannot be stored is refused as a small one is', () => {
  using cache = openCache({ memory: '64mb' });
  const value = Array.from({ length: 300_000 }, (_, i) => i * 70_000);
  cache.set('key', value);
  expect(() => cache.set('key', [value, new Set([1])])).toThrow(/msgpack can hold/);
  expect(same(cache.get('key'), value)).toBe(true);
});

it('a large value in the place of one that is kept decoded is seen at once', () => {
  using cache = openCache({ memory: '64mb', decoded: true });
  using other = attachCache(cache.share());
  cache.set('key', { small: true });
  expect(other.get('key')).toBe(other.get('key'));
  const value = VALUES['an object']!();
  cache.set('key', value);
  expect(same(other.get('key'), value)).toBe(true);
  cache.set('key', { small: false });
  expect(other.get('key')).toEqual({ small: false });
});

describe('a model with sizes to some MiB', () => {
  const SIZES = [1, 100, 5000, 70_000, MIB - 5, MIB - 4, MIB, 1.1 * MIB, 2.5 * MIB, 6 * MIB];
  const KEYS = ['a', 'b', 'c', 'd', 'e', 'long '.repeat(700), 'longest '.repeat(8000)];

  it.each([
    { policy: 'none', memory: '128mb' },
    { policy: 'none', memory: '128mb', arenas: 2, structures: true },
    { policy: 'adaptive', memory: '12mb', maxValue: '8mb' },
    { policy: 'lru', memory: '24mb', arenas: 2, maxValue: '8mb', decoded: true },
    { policy: 'clock', memory: '16mb', partitions: 4, maxValue: '8mb', maxEntries: 5 },
  ] as const)('agrees with a Map: %j', (options) => {
    using cache = openCache(options);
    using other = attachCache(cache.share());
    const random = new Random(5);
    const model = new Map<string, Buffer>();
    const mayMiss = options.policy !== 'none';
    const expectFound = (found: unknown, key: string): void => {
      const expected = model.get(key);
      if (found === undefined && mayMiss) model.delete(key);
      else expect([key, same(found, expected) || found === expected]).toEqual([key, true]);
    };
    for (let i = 0; i < 300; i++) {
      const at = random.chance(0.5) ? cache : other;
      const key = random.pick(KEYS);
      const value = bytesOf(Math.max(8, Math.floor(random.pick(SIZES))), i);
      switch (random.below(8)) {
        case 0:
          expectFound(at.get(key), key);
          break;
        case 1:
          expectFound(at.peek(key), key);
          break;
        case 2:
          expectFound(at.take(key), key);
          model.delete(key);
          break;
        case 3:
          expectFound(at.swap(key, value), key);
          model.set(key, value);
          break;
        case 4: {
          const versioned = at.getVersioned(key);
          expectFound(versioned?.value, key);
          if (versioned && at.set(key, value, { ifVersion: versioned.version })) {
            model.set(key, value);
          }
          break;
        }
        case 5:
          at.delete(key);
          model.delete(key);
          break;
        case 6:
          at.setMany([
            [key, value],
            [`${key}!`, value],
          ]);
          model.set(key, value);
          model.set(`${key}!`, value);
          break;
        default:
          expect(at.set(key, value)).toBe(true);
          model.set(key, value);
      }
      if (i % 10 === 0) expect(cache.checkIntegrity()).toBeUndefined();
    }
    for (const [key, value] of other.entries()) expectFound(value, key as string);
    if (!mayMiss) expect(cache.size).toBe(model.size);
  });
});

it('swap of a large value asks for no memory where a condition forbids it', () => {
  const cache = openCache({ memory: '8mb', policy: 'none', partitions: 4, maxValue: '3mb' });
  const there = bytesOf(1_200_000, 1);
  const value = bytesOf(1_500_000, 2);
  cache.set('key', there);
  expect(() => {
    for (let i = 0; ; i++) cache.set(`fills ${i}`, Buffer.alloc(50_000));
  }).toThrow(/no memory/);
  expect(cache.swap('key', 'small', { ifAbsent: true })).toEqual(there);
  expect(cache.swap('key', value, { ifAbsent: true })).toEqual(there);
  expect(cache.swap('none', value, { ifPresent: true })).toBeUndefined();
  expect(() => cache.swap('none', value, { ifAbsent: true })).toThrow(/no memory/);
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});
