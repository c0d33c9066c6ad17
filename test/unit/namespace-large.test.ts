/** Namespaces with values that do not fit a thread's areas. */
import { attachCache, type Cache, type CacheOptions, type Namespace, openCache } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Random } from '../support/fuzz-random.mjs';

const MIB = 1024 ** 2;
/** A bin's header. */
const BIN32_BYTES = 5;

function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length, `${seed} `);
  bytes.writeUInt32LE(seed, 0);
  bytes.writeUInt32LE(length, length - 4);
  return bytes;
}

/** As `toEqual`, which takes seconds for so much. */
function same(found: unknown, expected: unknown): boolean {
  if (!(expected instanceof Uint8Array)) {
    return JSON.stringify(found) === JSON.stringify(expected);
  }
  return found instanceof Uint8Array && Buffer.from(expected).equals(found);
}

const OPTIONS: Record<string, CacheOptions> = {
  'one arena': {},
  'two arenas': { arenas: 2 },
  'values kept decoded': { decoded: true },
  'all of it': { arenas: 2, decoded: true, structures: true, policy: 'lru' },
};

/** Short, as long as stands before a chain, and such that stand in the chain. */
const KEYS = ['key', 'long '.repeat(700), 'longest '.repeat(8191)];

let cache: Cache;
let other: Cache;

function open(options: CacheOptions): void {
  cache = openCache({ memory: '128mb', ...options });
  other = attachCache(cache.share());
}

afterEach(() => {
  expect(cache.checkIntegrity()).toBeUndefined();
  other.close();
  cache.close();
});

describe.each(Object.entries(OPTIONS))('large values of a namespace: %s', (_name, options) => {
  let users: Namespace;
  let alsoUsers: Namespace;
  let posts: Namespace;

  beforeEach(() => {
    open(options);
    users = cache.namespace('users');
    alsoUsers = other.namespace('users');
    posts = cache.namespace('posts');
  });

  it.each(KEYS.map((key) => [key.length, key] as const))(
    'with a key of %i bytes: all calls for one key',
    (_bytes, key) => {
      const value = bytesOf(3 * MIB, 1);
      const mine = bytesOf(2 * MIB, 2);
      expect(cache.set(key, mine)).toBe(true);
      posts.set(key, 'small');
      expect(users.get(key)).toBeUndefined();
      expect(users.set(key, value)).toBe(true);
      for (const reader of [users, alsoUsers, users]) {
        expect(same(reader.get(key), value)).toBe(true);
        expect(same(reader.peek(key), value)).toBe(true);
        expect(same(reader.getBytes(key), value)).toBe(true);
        expect(same([...reader.values()][0], value)).toBe(true);
        expect([...reader.keys()]).toEqual([key]);
      }
      expect(same(users.swap(key, 'small'), value)).toBe(true);
      expect(alsoUsers.swap(key, value)).toBe('small');
      expect(same(alsoUsers.swap(key, mine), value)).toBe(true);
      expect(alsoUsers.setBytes(key, value)).toBe(true);
      const found = users.getVersioned(key)!;
      expect(same(found.value, value)).toBe(true);
      expect(alsoUsers.set(key, value, { ifVersion: Number(found.version) + 1 })).toBe(false);
      expect(alsoUsers.set(key, value, { ifVersion: found.version, ttl: '1h' })).toBe(true);
      expect(users.set(key, value, { ifAbsent: true })).toBe(false);
      expect(same(users.swap(key, mine, { ifAbsent: true }), value)).toBe(true);
      expect(users.ttl(key)).toBeGreaterThan(3_500_000);
      expect([users.has(key), users.touch(key), users.persist(key)]).toEqual([true, true, true]);
      expect(() => users.increment(key)).toThrow(/not an integer/);
      expect(users.increment('count', 3)).toBe(3);
      expect(same(alsoUsers.take(key), value)).toBe(true);
      expect(users.take(key)).toBeUndefined();
      expect([users.get(key), users.size]).toEqual([undefined, 1]);
      expect([same(cache.get(key), mine), posts.get(key)]).toEqual([true, 'small']);
    },
  );

  it('by setMany and getMany among small ones', () => {
    const pairs: [string, unknown][] = [];
    for (let i = 0; i < 12; i++) {
      // Some fit the reply area, though not the request area.
      const bytes = (i % 2 === 0 ? MIB : 2 * MIB) + i * 999;
      pairs.push([`key ${i % 9}`, i % 3 === 1 ? bytesOf(bytes, i) : `small ${i}`]);
    }
    cache.set('key 1', 'of none');
    expect(users.setMany(pairs)).toEqual(pairs.map(() => true));
    const expected = new Map(pairs);
    const keys = ['none', ...expected.keys(), ...expected.keys()];
    const found = alsoUsers.getMany(keys);
    expect(found.map((value, i) => same(value, expected.get(keys[i]!)))).toEqual(
      keys.map(() => true),
    );
    expect(users.setMany(pairs, { ifAbsent: true })).toEqual(pairs.map(() => false));
    expect(users.hasMany(keys)).toBe(18);
    expect(cache.getMany(keys).filter((value) => value !== undefined)).toEqual([
      'of none',
      'of none',
    ]);
    expect(users.deleteMany(expected.keys())).toBe(9);
    expect([users.size, cache.size]).toEqual([0, 1]);
  });

  it('counts them', () => {
    const value = bytesOf(3 * MIB, 1);
    const [key, long] = ['key', KEYS[1]!];
    users.set(key, value);
    users.set(long, value);
    users.set(long, bytesOf(5 * MIB, 2));
    users.set('small', 'x');
    alsoUsers.get(key);
    users.peek(key);
    users.getMany([key, 'none']);
    users.getVersioned(key);
    users.getBytes(key);
    users.get('none');
    const large = 3 * MIB + BIN32_BYTES;
    const larger = 5 * MIB + BIN32_BYTES;
    expect(users.stats()).toEqual({
      entries: 3,
      bytes: key.length + large + long.length + larger + 'small'.length + 2,
      hits: 4,
      misses: 2,
      hitRatio: 4 / 6,
      sets: 4,
      deletes: 0,
      evictions: 0,
      expired: 0,
      sizes: [
        { from: 2, to: 3, entries: 1 },
        { from: 2 * MIB, to: 4 * MIB - 1, entries: 1 },
        { from: 4 * MIB, to: 8 * MIB - 1, entries: 1 },
      ],
    });
    expect(cache.stats()).toMatchObject({ entries: 3, namespaceEntries: 3, hits: 4, misses: 2 });
    users.take(long);
    users.delete(key);
    expect(users.stats()).toMatchObject({ entries: 1, hits: 5, deletes: 2 });
    expect(cache.stats()).toMatchObject({ entries: 1, hits: 5, deletes: 2, sets: 4 });
  });

  it('a clear removes them at once', () => {
    const value = bytesOf(3 * MIB, 1);
    for (const key of KEYS) {
      users.set(key, value);
      posts.set(key, value);
    }
    expect(same(alsoUsers.get('key'), value)).toBe(true);
    const version = users.getVersioned('key')!.version;
    users.clear();
    expect(alsoUsers.getMany(KEYS)).toEqual([undefined, undefined, undefined]);
    expect([alsoUsers.get('key'), alsoUsers.peek('key'), alsoUsers.take('key')]).toEqual(
      Array(3).fill(undefined),
    );
    expect([users.getVersioned('key'), users.swap('key', 'new')]).toEqual([undefined, undefined]);
    expect(users.set('key', value, { ifVersion: version })).toBe(false);
    expect([...users.entries()]).toEqual([['key', 'new']]);
    expect(users.stats()).toMatchObject({ entries: 1, bytes: 'key'.length + 4 });
    expect(posts.getMany(KEYS).map((found) => same(found, value))).toEqual([true, true, true]);
  });

  it('in the changes', () => {
    const changes = other.changes();
    const value = bytesOf(2 * MIB, 9);
    users.set('key', value, { ttl: '1h' });
    cache.set('key', 'of none');
    users.take('key');
    users.set('key', value);
    const told = changes.read().filter(({ namespace }) => namespace === 'users');
    expect(told.map(({ type }) => type)).toEqual(['set', 'delete', 'set']);
    expect(told[0]).toMatchObject({ key: 'key', expiresAt: expect.any(Number) });
    // The log holds no such value: it is the key's present one.
    expect(same((told[2] as { value: unknown }).value, value)).toBe(true);
    users.clear();
    expect(changes.read()).toMatchObject([{ type: 'clear', namespace: 'users' }]);
    changes.close();
  });

  it('a key with its prefix is not too long', () => {
    const longest = 'x'.repeat(65_531);
    expect(users.set(longest, bytesOf(2 * MIB, 1))).toBe(true);
    expect(same(alsoUsers.get(longest), bytesOf(2 * MIB, 1))).toBe(true);
    expect(() => users.set(`${longest}x`, bytesOf(2 * MIB, 1))).toThrow(/1 to 65531 bytes/);
    expect(() => users.setMany([[`${longest}x`, bytesOf(2 * MIB, 1)]])).toThrow(/1 to 65531/);
    expect(users.size).toBe(1);
  });
});

it('the memory of those that were cleared is there for others, without evicting', () => {
  open({ memory: '64mb', policy: 'none', maxValue: '16mb', partitions: 4 });
  const users = cache.namespace('users');
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 5; i++) expect(users.set(`${i}`, bytesOf(11 * MIB, i))).toBe(true);
    expect(() => users.set('one too many', bytesOf(11 * MIB, 9))).toThrow(/OOM|no memory/);
    expect(users.size).toBe(5);
    users.clear();
  }
  expect(cache.set('of none', bytesOf(11 * MIB, 1))).toBe(true);
  expect(users.stats()).toMatchObject({ entries: 0, bytes: 0, sets: 25, evictions: 0 });
});

it('what is kept decoded of a namespace is not in the place of a large value', () => {
  open({ decoded: true });
  const users = cache.namespace('users');
  users.set('key', { small: 1 });
  expect(users.get('key')).toBe(users.get('key'));
  users.set('key', bytesOf(2 * MIB, 1));
  expect(same(users.get('key'), bytesOf(2 * MIB, 1))).toBe(true);
  other.namespace('users').clear();
  expect(users.get('key')).toBeUndefined();
});

describe('a clear at any moment of', () => {
  const value = bytesOf(9 * MIB, 1);
  const old = bytesOf(2 * MIB, 2);
  const wasThere = (found: unknown): boolean => found === undefined || same(found, old);
  const CALLS: Record<string, (users: Namespace, key: string) => unknown> = {
    set: (users, key) => users.set(key, value),
    'set of a long key': (users, key) => users.set(key.repeat(5000), value),
    setMany: (users, key) => users.setMany([[key, value]])[0],
    swap: (users, key) => wasThere(users.swap(key, value)),
    get: (users, key) => wasThere(users.get(key)),
    take: (users, key) => wasThere(users.take(key)),
    getVersioned: (users, key) => wasThere(users.getVersioned(key)?.value),
    getMany: (users, key) => wasThere(users.getMany([key])[0]),
  };

  it.each(Object.entries(CALLS))('%s', (_name, call) => {
    // One partition: what it counts of the time before ends with its first entry of the new one.
    open({ partitions: 1 });
    const users = cache.namespace('users');
    const others = other.namespace('users');
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now');
    try {
      // A call asks for the time wherever it is about to call the kernel.
      for (let moment = 1, isLast = false; !isLast; moment++) {
        clock.mockImplementation(() => now);
        users.clear();
        users.set('key', old);
        let moments = 0;
        clock.mockImplementation(() => {
          if (++moments === moment) {
            others.clear();
            others.set('fresh', 1);
          }
          return now;
        });
        expect(call(users, 'key')).toBe(true);
        isLast = moments < moment;
        clock.mockImplementation(() => now);
        if (isLast) expect(moment).toBeGreaterThan(1);
        else
          expect([others.size, others.has('key'), users.peek('key')]).toEqual([
            1,
            false,
            undefined,
          ]);
        expect(cache.checkIntegrity()).toBeUndefined();
      }
    } finally {
      clock.mockRestore();
    }
  });
});

describe('a model with sizes to some MiB', () => {
  const SIZES = [8, 100, 5000, 70_000, MIB - 5, MIB - 4, MIB, 1.1 * MIB, 2.5 * MIB, 5 * MIB];

  it.each([
    { policy: 'none', memory: '192mb' },
    { policy: 'none', memory: '192mb', arenas: 2, structures: true },
    { policy: 'adaptive', memory: '12mb', maxValue: '8mb' },
    { policy: 'lru', memory: '24mb', arenas: 2, maxValue: '8mb', decoded: true },
    { policy: 'clock', memory: '16mb', partitions: 4, maxValue: '8mb', maxEntries: 5 },
  ] as const)('agrees with Maps: %j', (options) => {
    open(options);
    const random = new Random(7);
    const names = ['users', 'posts', undefined];
    const models = names.map(() => new Map<string, Buffer>());
    const spaces = [cache, other].map((at) =>
      names.map((name) => (name === undefined ? at : at.namespace(name))),
    );
    const mayMiss = options.policy !== 'none';
    for (let i = 0; i < 400; i++) {
      const which = random.below(names.length);
      const model = models[which]!;
      const at = random.pick(spaces)[which]!;
      const key = random.pick([...KEYS, 'a', 'b']);
      const value = bytesOf(Math.max(8, Math.floor(random.pick(SIZES))), i);
      const expectFound = (found: unknown): void => {
        if (found === undefined && mayMiss) model.delete(key);
        else expect([i, same(found, model.get(key))]).toEqual([i, true]);
      };
      switch (random.below(9)) {
        case 0:
          expectFound(at.get(key));
          break;
        case 1:
          expectFound(at.getMany([key])[0]);
          break;
        case 2:
          expectFound(at.take(key));
          model.delete(key);
          break;
        case 3:
          expectFound(at.swap(key, value));
          model.set(key, value);
          break;
        case 4: {
          const versioned = at.getVersioned(key);
          expectFound(versioned?.value);
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
          // The cache's own would empty all.
          if (names[which] !== undefined && random.chance(0.2)) {
            at.clear();
            model.clear();
          }
          break;
        default:
          if (random.chance(0.5)) at.setMany([[key, value]]);
          else at.set(key, value);
          model.set(key, value);
      }
      if (i % 10 === 0) expect(cache.checkIntegrity()).toBeUndefined();
    }
    for (const [which, model] of models.entries()) {
      const at = spaces[1]![which]!;
      for (const [key, value] of at.entries()) {
        expect(same(value, model.get(key as string))).toBe(true);
      }
      if (mayMiss) continue;
      expect(at.size).toBe(model.size);
      const bytes = [...model].map(([key, { length }]) => {
        return key.length + length + (length < 256 ? 2 : length < 65_536 ? 3 : BIN32_BYTES);
      });
      if (at !== other) {
        const sum = bytes.reduce((total, count) => total + count, 0);
        expect((at as Namespace).stats()).toMatchObject({ entries: model.size, bytes: sum });
      }
    }
  });
});
