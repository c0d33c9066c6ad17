/** Namespaces: what they have in common with a cache, and what each has for itself. */
import { attachCache, type Cache, type CacheOptions, openCache, SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { POLICIES } from '#engine/arena.js';

let cache: Cache;

function open(options: CacheOptions = {}): Cache {
  cache?.close();
  cache = openCache({ memory: '8mb', ...options });
  return cache;
}

beforeEach(() => {
  open();
});

afterEach(() => {
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});

const failure = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    if (error instanceof SlabringError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
};

/** The payload sizes as a map from the upper end. */
const sizes = (name: string) =>
  Object.fromEntries(
    cache
      .namespace(name)
      .stats()
      .sizes.map(({ to, entries }) => [to, entries]),
  );

describe.each([
  ['one arena', {}],
  ['two arenas', { arenas: 2, memory: '16mb' }],
  ['decoded values', { decoded: true }],
  [
    'two arenas, decoded values, structures',
    { ...{ arenas: 2, memory: '16mb' as const }, decoded: true, structures: true },
  ],
] as [string, CacheOptions][])('with %s', (_, options) => {
  beforeEach(() => {
    open(options);
  });

  it('keys of a namespace are its own', () => {
    const users = cache.namespace('users');
    const posts = cache.namespace('posts');
    cache.set('a', 'root');
    users.set('a', { in: 'users' });
    posts.set('a', ['posts']);
    expect([cache.get('a'), users.get('a'), posts.get('a')]).toEqual([
      'root',
      { in: 'users' },
      ['posts'],
    ]);
    expect(posts.delete('a')).toBe(true);
    expect([cache.has('a'), users.has('a'), posts.has('a')]).toEqual([true, true, false]);
    expect([cache.size, users.size, posts.size]).toEqual([1, 1, 0]);
  });

  it('all that a cache does with keys', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    try {
      const users = cache.namespace('users', { ttl: 5000 });
      expect(users.set('a', 1)).toBe(true);
      expect(users.set('a', 2, { ifAbsent: true })).toBe(false);
      expect(users.ttl('a')).toBe(5000);
      expect(users.expire('a', 7000)).toBe(true);
      expect(users.ttl('a')).toBe(7000);
      expect(users.persist('a')).toBe(true);
      expect(users.ttl('a')).toBe(Infinity);
      expect(users.ttl('none')).toBeUndefined();
      expect(users.increment('a', 4)).toBe(5);
      expect(users.increment('n')).toBe(1);
      expect(users.peek('a')).toBe(5);
      expect(users.swap('a', 'six')).toBe(5);
      expect(users.touch('a')).toBe(true);
      const { value, version } = users.getVersioned<string>('a')!;
      expect(value).toBe('six');
      expect(users.set('a', 7, { ifVersion: Number(version) + 1 })).toBe(false);
      expect(users.set('a', 7, { ifVersion: version })).toBe(true);
      expect(users.take('a')).toBe(7);
      expect(users.take('a')).toBeUndefined();
      users.setBytes('bytes', Buffer.of(1, 2));
      expect(users.getBytes('bytes')).toEqual(Buffer.of(1, 2));
      const pairs = Array.from({ length: 600 }, (_, i) => [`many ${i}`, i] as const);
      expect(users.setMany(pairs)).toEqual(pairs.map(() => true));
      expect(users.getMany(['many 0', 'many 599', 'none', 'many 7'])).toEqual([
        0,
        599,
        undefined,
        7,
      ]);
      expect(users.hasMany(['many 0', 'none', 'many 1'])).toBe(2);
      expect(users.touchMany(['many 0', 'none'])).toBe(1);
      expect(users.deleteMany(pairs.map(([key]) => key))).toBe(600);
      expect([...users.keys()].sort()).toEqual(['bytes', 'n']);
      expect([...users.values<number>()].map(Number).includes(1)).toBe(true);
      expect(new Map(users)).toEqual(
        new Map<unknown, unknown>([
          ['bytes', Buffer.of(1, 2)],
          ['n', 1],
        ]),
      );
      const seen: unknown[] = [];
      users.forEach((_, key, from) => {
        seen.push(key, from === users);
      });
      expect(seen.length).toBe(4);
      vi.advanceTimersByTime(5000);
      expect(users.get('n')).toBeUndefined();
      expect([...users]).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keys of any kind and length', () => {
    const users = cache.namespace('ключ');
    const keys = [
      'a',
      Buffer.of(0xff, 0),
      'ключ',
      '{tag}1',
      'k'.repeat(32),
      'k'.repeat(33),
      'l'.repeat(3000),
      'l'.repeat(65_531),
    ];
    for (const [i, key] of keys.entries()) users.set(key, 'v'.repeat(4000 * i));
    for (const [i, key] of keys.entries()) {
      expect(users.get(key)).toBe('v'.repeat(4000 * i));
      expect(users.getMany([key])).toEqual(['v'.repeat(4000 * i)]);
      expect(users.ttl(key)).toBe(Infinity);
      expect(cache.get(key)).toBeUndefined();
    }
    expect([...users.keys()].map(String).sort()).toEqual(keys.map(String).sort());
    expect(cache.checkIntegrity()).toBeUndefined();
    users.clear();
    for (const key of keys) expect(users.get(key)).toBeUndefined();
    const tooLong = /^OPTION: a key of a namespace must have 1 to 65531 bytes, not 65532$/;
    for (const call of ['get', 'ttl', 'delete'] as const) {
      expect(failure(() => users[call]('l'.repeat(65_532)))).toMatch(tooLong);
    }
    expect(failure(() => users.getMany(['l'.repeat(65_532)]))).toMatch(tooLong);
    expect(failure(() => users.get(''))).toMatch(/^OPTION: a key must have 1 to/);
  });

  it('a clear removes all of it and nothing else', () => {
    const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
    for (let i = 0; i < 1000; i++) {
      for (const keyspace of [cache, users, posts]) keyspace.set(`key ${i}`, { i });
    }
    for (let i = 0; i < 5; i++) users.get('key 1');
    users.clear();
    expect(users.get('key 1')).toBeUndefined();
    expect(users.getMany(['key 1', 'key 2'])).toEqual([undefined, undefined]);
    expect([...users]).toEqual([]);
    expect(users.stats()).toMatchObject({ entries: 0, bytes: 0, sizes: [] });
    expect([cache.size, users.size, posts.size]).toEqual([1000, 0, 1000]);
    expect([...cache.keys()].length).toBe(1000);
    expect(cache.stats()).toMatchObject({ entries: 2000, namespaceEntries: 1000 });
    expect(cache.checkIntegrity()).toBeUndefined();
    users.set('key 1', 'again');
    expect([users.get('key 1'), users.size]).toEqual(['again', 1]);
    cache.clear();
    expect([cache.size, users.size, posts.size]).toEqual([0, 0, 0]);
    expect([users.get('key 1'), posts.get('key 1')]).toEqual([undefined, undefined]);
    expect(posts.stats().bytes).toBe(0);
  });

  it('a clear that the walk meets ends it', () => {
    open({ ...options, partitions: 4 });
    // Some of them are cleared in another partition than the one that the walk is in.
    for (const name of ['a', 'b', 'c', 'd']) {
      const space = cache.namespace(name);
      for (let i = 0; i < 400; i++) space.set(`key ${i}`, i);
      let seen = 0;
      for (const _ of space) if (++seen === 3) space.clear();
      expect(seen).toBe(3);
    }
  });

  it('counters are its own, and add up', () => {
    const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
    cache.set('root', 1);
    cache.get('root');
    users.set('a', 'x'.repeat(100));
    users.set('b', 1);
    users.set('b', 2);
    posts.set('a', 1);
    users.get('a');
    users.get('a');
    users.getMany(['a', 'b', 'none']);
    users.get('none');
    users.getVersioned('a');
    users.getVersioned('none');
    users.delete('b');
    posts.take('a');
    expect(users.stats()).toEqual({
      entries: 1,
      bytes: 1 + 102,
      hits: 5,
      misses: 3,
      hitRatio: 5 / 8,
      sets: 3,
      deletes: 1,
      evictions: 0,
      expired: 0,
      sizes: [{ from: 64, to: 127, entries: 1 }],
    });
    expect(posts.stats()).toMatchObject({ entries: 0, hits: 1, sets: 1, deletes: 1, sizes: [] });
    expect(cache.stats()).toMatchObject({ hits: 7, misses: 3, sets: 5, deletes: 2, entries: 2 });
  });
});

it('sizes of values follow them', () => {
  const users = cache.namespace('users');
  users.setBytes('a', Buffer.alloc(10));
  users.setBytes('b', Buffer.alloc(10));
  users.set('c', 1);
  expect(sizes('users')).toEqual({ 1: 1, 15: 2 });
  // In place, into another chunk, into a chain, and back.
  for (const [length, upTo] of [
    [11, 15],
    [13, 15],
    [200, 255],
    [30_000, 32_767],
    [4, 7],
  ] as const) {
    users.setBytes('a', Buffer.alloc(length));
    expect(cache.checkIntegrity()).toBeUndefined();
    expect(sizes('users')).toEqual(upTo === 15 ? { 1: 1, 15: 2 } : { 1: 1, 15: 1, [upTo]: 1 });
  }
  users.expire('b', '1h');
  users.getVersioned('b');
  expect(sizes('users')).toEqual({ 1: 1, 7: 1, 15: 1 });
  users.delete('b');
  expect(sizes('users')).toEqual({ 1: 1, 7: 1 });
});

it('what expires and is evicted is counted where it was', () => {
  open({ maxEntries: 100, partitions: 1, policy: 'clock' });
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  try {
    const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
    for (let i = 0; i < 50; i++) users.set(`key ${i}`, i, { ttl: 10 });
    vi.advanceTimersByTime(10);
    for (let i = 0; i < 50; i++) expect(users.get(`key ${i}`)).toBeUndefined();
    expect(users.stats()).toMatchObject({ expired: 50, entries: 0 });
    for (let i = 0; i < 150; i++) posts.set(`key ${i}`, i);
    expect(posts.stats()).toMatchObject({ evictions: 50, entries: 100 });
    expect(cache.stats()).toMatchObject({ expired: 50, evictions: 50, entries: 100 });
  } finally {
    vi.useRealTimers();
  }
});

describe('names', () => {
  it('stand for the same namespace wherever the cache is open', () => {
    const other = attachCache(cache.share());
    const names = ['a', 'b', 'ж'.repeat(127)];
    for (const name of names) cache.namespace(name).set('key', name);
    for (const name of names.toReversed()) expect(other.namespace(name).get('key')).toBe(name);
    other.namespace('later').set('key', 1);
    expect(cache.namespace('later').get('key')).toBe(1);
    expect(cache.namespace('later').name).toBe('later');
    expect(cache.namespace('later')).toBe(cache.namespace('later'));
    expect(cache.namespace('later', { ttl: 5 })).not.toBe(cache.namespace('later'));
    expect(cache.namespaces()).toEqual([...names, 'later']);
    expect(other.namespaces()).toEqual(cache.namespaces());
    other.close();
  });

  it('ends walks over what was cleared, so that no key comes twice', () => {
    const users = cache.namespace('users');
    const store = () => {
      for (let i = 0; i < 1000; i++) users.set(`key ${i}`, i);
    };
    store();
    const walk = users.keys();
    const seen = Array.from({ length: 500 }, () => String(walk.next().value));
    users.clear();
    store();
    seen.push(...Array.from(walk, String));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeLessThan(1000);
    expect([...users.keys()].length).toBe(1000);
  });

  it.each([
    ['', "a namespace's name must be text of 1 to 255 bytes, not ''"],
    ['x'.repeat(256), /must be text of 1 to 255 bytes/],
    ['ж'.repeat(128), /must be text of 1 to 255 bytes/],
    ['\ud800', /must be text of 1 to 255 bytes/],
    [7, "a namespace's name must be text of 1 to 255 bytes, not 7"],
    [undefined, /must be text of 1 to 255 bytes, not undefined/],
    [Symbol('x'), /must be text of 1 to 255 bytes/],
  ])('%j is none', (name, message) => {
    expect(() => cache.namespace(name as string)).toThrow(message);
    expect(cache.namespaces()).toEqual([]);
  });

  it('are text, also where the same text is known', () => {
    cache.namespace('7');
    expect(() => cache.namespace(7 as unknown as string)).toThrow('must be text');
  });

  it('are refused beyond maxNamespaces, and those there are stay', () => {
    open({ maxNamespaces: 2 });
    cache.namespace('a').set('key', 1);
    cache.namespace('b');
    expect(failure(() => cache.namespace('c'))).toBe(
      "OPTION: all 2 namespaces are in use; raise maxNamespaces for 'c'",
    );
    expect(cache.namespace('a').get('key')).toBe(1);
    open({ maxNamespaces: 0 });
    expect(failure(() => cache.namespace('c'))).toBe(
      'OPTION: this cache was opened with maxNamespaces: 0',
    );
    open({ maxNamespaces: 1024, memory: '32mb' });
    for (let i = 0; i < 1024; i++) cache.namespace(`n${i}`).set('key', i);
    for (let i = 0; i < 1024; i++) expect(cache.namespace(`n${i}`).get('key')).toBe(i);
  });

  it('options are checked', () => {
    expect(failure(() => cache.namespace('a', { ttl: 'soon' }))).toMatch(/^OPTION: ttl/);
    expect(failure(() => cache.namespace('a', { ttls: 1 } as object))).toMatch(/^OPTION/);
    expect(failure(() => openCache({ maxNamespaces: 1025 }))).toMatch(
      /^OPTION: maxNamespaces must be a whole number from 0 to 1024, not 1025/,
    );
  });
});

it('is closed with its cache', () => {
  const users = cache.namespace('users');
  users.set('a', 1);
  cache.close();
  for (const call of [
    () => users.get('a'),
    () => users.clear(),
    () => users.stats(),
    () => users.size,
    () => users.getMany(['a']),
    () => cache.namespace('users'),
  ]) {
    expect(failure(call)).toBe('CLOSED: the cache was closed in this thread');
  }
  open();
});

describe('what was cleared', () => {
  const value = Buffer.alloc(300);

  it.each([...POLICIES])(
    'makes room before anything is evicted or refused, policy %s',
    (policy) => {
      open({ memory: '4mb', partitions: 2, policy });
      const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
      // As many as fit, whichever policy.
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 8000; i++) users.setBytes(`key ${i}`, value);
        expect(users.size).toBe(8000);
        users.clear();
      }
      for (let i = 0; i < 8000; i++) posts.setBytes(`key ${i}`, value);
      expect(posts.size).toBe(8000);
      expect(cache.stats()).toMatchObject({ evictions: 0, entries: 8000 });
      expect(cache.checkIntegrity()).toBeUndefined();
    },
  );

  it.each([...POLICIES])('makes room below maxEntries, policy %s', (policy) => {
    open({ maxEntries: 100, partitions: 1, policy });
    const users = cache.namespace('users');
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 100; i++) expect(users.set(`key ${i}`, round)).toBe(true);
      expect(users.size).toBe(100);
      users.clear();
    }
    for (let i = 0; i < 100; i++) expect(cache.set(`key ${i}`, i)).toBe(true);
    expect(cache.stats()).toMatchObject({ evictions: 0, entries: 100, namespaceEntries: 0 });
  });

  it('gives its memory back in upkeep', async () => {
    open({ memory: '32mb' });
    const users = cache.namespace('users');
    const before = cache.stats().usedBytes;
    for (let i = 0; i < 20_000; i++) users.setBytes(`key ${i}`, value);
    const filled = cache.stats().usedBytes;
    users.clear();
    expect(cache.stats()).toMatchObject({ entries: 0, payloadBytes: 0 });
    await vi.waitFor(
      () => expect(cache.stats().usedBytes).toBeLessThan(before + (filled - before) / 4),
      { timeout: 20_000, interval: 50 },
    );
    expect(cache.stats()).toMatchObject({ evictions: 0, expired: 0, deletes: 0 });
    expect(cache.checkIntegrity()).toBeUndefined();
  });
});

it('decoded values: a thread sees the clear of another at once', () => {
  open({ decoded: true });
  const other = attachCache(cache.share());
  const [mine, theirs] = [cache.namespace('users'), other.namespace('users')];
  mine.set('a', { n: 1 });
  expect(mine.get('a')).toBe(mine.get('a'));
  theirs.clear();
  expect(mine.get('a')).toBeUndefined();
  theirs.set('a', { n: 2 });
  expect(mine.get('a')).toEqual({ n: 2 });
  const kept = mine.get('a');
  expect(mine.get('a')).toBe(kept);
  expect(mine.stats().hits).toBe(5);
  other.close();
});

it('code of the caller that clears the namespace meanwhile', () => {
  const users = cache.namespace('users');
  function* pairs(): Generator<[string, number]> {
    yield ['a', 1];
    users.clear();
    yield ['b', 2];
  }
  expect(users.setMany(pairs())).toEqual([true, true]);
  expect([users.get('a'), users.get('b')]).toEqual([1, 2]);
  users.set('c', {
    get a() {
      users.clear();
      return 1;
    },
  });
  expect([users.get('a'), users.get('c')]).toEqual([undefined, { a: 1 }]);
});

// Versions came from the counter of the key's partition. A clear gives the key another hash, and so
// another partition, which had handed out less: somebody with a version of before the clear could
// overwrite what came after it.
it('a version never comes back, though each clear moves the key to another partition', () => {
  open({ partitions: 16 });
  const users = cache.namespace('users');
  let last = 0;
  for (let clears = 0; clears < 100; clears++) {
    users.set('a', clears);
    const { version } = users.getVersioned('a')!;
    expect(version).toBeGreaterThan(last);
    users.set('a', clears, { ifVersion: version });
    last = Number(users.getVersioned('a')!.version);
    users.clear();
  }
  users.set('a', 1);
  users.getVersioned('a');
  expect(users.set('a', 2, { ifVersion: last })).toBe(false);
});

it('the memory of a large collection comes back after a clear, few as entries are', async () => {
  for (let i = 0; i < 2000; i++) cache.set(`other ${i}`, i);
  const before = cache.stats().chunkBytes;
  const list = cache.namespace('users').list('l');
  for (let i = 0; i < 20_000; i++) list.push(`element ${i}`);
  expect(cache.stats().chunkBytes).toBeGreaterThan(before + 200_000);
  cache.namespace('users').clear();
  await vi.waitFor(() => expect(cache.stats().chunkBytes).toBeLessThan(before + 10_000), 5000);
});
