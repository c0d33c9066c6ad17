/** Several arenas as one cache: sizes, sharing, sums, slots; and calls that go to the right one. */
import { attachCache, openCache, SlabringError } from 'slabring';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Arena, MAX_MEMORY_BYTES } from '#engine/arena.js';
import { ArenaSet, arenasFor, MAX_ARENAS, MAX_SET_BYTES } from '#engine/arena-set.js';
import { Cache } from '#engine/cache.js';
import { PARTITIONS, Partition } from '../support/kernel-memory.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const caches: Cache[] = [];
const sets: ArenaSet[] = [];

afterEach(() => {
  for (const opened of [...caches.splice(0), ...sets.splice(0)]) opened.close();
});

function open(arenas: number, options = {}): Cache {
  const cache = openCache({ memory: '32mb', arenas, ...options });
  caches.push(cache);
  return cache;
}

function create(options: Partial<Parameters<typeof ArenaSet.create>[0]> = {}): ArenaSet {
  const defaults = { memoryBytes: 32 * MIB, maxValueBytes: MIB, maxThreads: 2, arenas: 3 };
  const set = ArenaSet.create({ policy: 'clock', ...defaults, ...options });
  sets.push(set);
  return set;
}

function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(SlabringError);
    expect((error as SlabringError).code).toBe('OPTION');
    return (error as SlabringError).message;
  }
  throw new Error('it was not refused');
}

describe('the number of arenas', () => {
  it('is as few as hold the memory', () => {
    expect(arenasFor(1)).toBe(1);
    expect(arenasFor(MAX_MEMORY_BYTES)).toBe(1);
    expect(arenasFor(MAX_MEMORY_BYTES + 1)).toBe(2);
    expect(arenasFor(12 * GIB)).toBe(4);
    expect(arenasFor(MAX_SET_BYTES)).toBe(MAX_ARENAS);
    expect(MAX_SET_BYTES).toBe(240 * GIB);
  });

  it('is chosen when a cache is opened, and memory is taken only when it is used', () => {
    const before = process.memoryUsage.rss();
    const cache = open(4, { memory: '12gb', arenas: undefined });
    expect(cache.share().arenas.facts).toMatchObject({ arenas: 4, memoryBytes: 12 * GIB });
    expect(cache.stats().memoryBytes).toBe(12 * GIB);
    const value = Buffer.alloc(100);
    for (let i = 0; i < 1000; i++) cache.setBytes(`key ${i}`, value);
    expect(cache.size).toBe(1000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
  });

  it('may be the largest', () => {
    const cache = open(0, { memory: '240gb', arenas: undefined, maxThreads: 2 });
    for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, i);
    for (let i = 0; i < 1000; i++) expect(cache.get(`key ${i}`)).toBe(i);
    expect(cache.getMany(['key 1', 'key 999', 'none'])).toEqual([1, 999, undefined]);
    expect(cache.stats()).toMatchObject({ entries: 1000, threads: 1, memoryBytes: 240 * GIB });
  });

  it.each([0, 65, 1.5])('is not %d', (arenas) => {
    expect(refusal(() => create({ arenas }))).toBe(
      `arenas must be a whole number from 1 to 64, not ${arenas}`,
    );
  });

  it('is one where nothing is said: the arena is the set', () => {
    const set = create({ arenas: 1, memoryBytes: 5_000_000, maxEntries: 1001 });
    expect(set.routes).toBeUndefined();
    expect(set.facts).toEqual({ ...set.arenas[0]!.facts, arenas: 1 });
    expect(set.stats()).toEqual(set.arenas[0]!.stats());
  });
});

describe('several arenas', () => {
  it('are of equal size, whole pages, and no more than asked for', () => {
    const set = create({ memoryBytes: 32 * MIB + 12_345 });
    const sizes = set.arenas.map(({ facts }) => facts.memoryBytes);
    expect(new Set(sizes).size).toBe(1);
    expect(sizes[0]! % 65_536).toBe(0);
    expect(set.facts.memoryBytes).toBe(3 * sizes[0]!);
    expect(32 * MIB + 12_345 - set.facts.memoryBytes).toBeLessThan(3 * 65_536);
    expect(set.facts.memoryBytes).toBeLessThanOrEqual(32 * MIB + 12_345);
  });

  it('share out maxEntries, so that the shares add up', () => {
    const set = create({ maxEntries: 1001, partitions: 1 });
    expect(set.arenas.map(({ facts }) => facts.maxEntries)).toEqual([334, 334, 333]);
    expect(set.facts.maxEntries).toBe(1001);
    expect(refusal(() => create({ maxEntries: 2, partitions: 1 }))).toBe(
      'maxEntries must be at least the number of arenas, 3, not 2',
    );
    const cache = open(3, { maxEntries: 1001, partitions: 1 });
    for (let i = 0; i < 5000; i++) cache.set(`key ${i}`, i);
    expect(cache.size).toBe(1001);
  });

  it('name the option that is wrong, and leave nothing open', () => {
    expect(refusal(() => create({ memoryBytes: 3 * 65_536 }))).toMatch(/^memory must be at least/);
  });

  it('are attached to all or none, and closed the first one last', () => {
    const set = create();
    const second = ArenaSet.attach(set.handle);
    sets.push(second);
    expect(set.stats().threads).toBe(2);
    expect(refusal(() => ArenaSet.attach(set.handle))).toMatch(/^all 2 thread slots are taken/);
    second.close();
    // A slot taken in the last arena alone: the other two are given back.
    const [first, , last] = set.arenas as [Arena, Arena, Arena];
    const alone = Arena.attach(last.handle);
    expect(refusal(() => ArenaSet.attach(set.handle))).toMatch(/^all 2 thread slots are taken/);
    expect(first.stats().threads).toBe(1);
    alone.close();
    sets.push(ArenaSet.attach(set.handle));
    expect(set.stats().threads).toBe(2);
  });

  it.each([undefined, {}, { arenas: [] }, { arenas: [{}], facts: {} }])(
    'are not attached by %j',
    (handle) => {
      expect(refusal(() => ArenaSet.attach(handle as never))).toMatch(/not one that share/);
    },
  );

  it('are one cache to all threads that attach', () => {
    const cache = open(3);
    const other = attachCache(structuredClone(cache.share()));
    caches.push(other);
    const keys = Array.from({ length: 500 }, (_, i) => (i % 3 ? `key ${i}` : `ключ ${i}`));
    for (const [i, key] of keys.entries()) cache.set(key, { i });
    for (const [i, key] of keys.entries()) expect(other.get(Buffer.from(key))).toEqual({ i });
    const shares = cache.share().arenas.arenas.map((handle) => {
      const arena = Arena.attach(handle);
      const { entries } = arena.stats();
      arena.close();
      return entries;
    });
    expect(shares.reduce((sum, share) => sum + share)).toBe(500);
    expect(Math.min(...shares)).toBeGreaterThan(100);
    expect([...other.keys()].sort()).toEqual([...keys].sort());
    expect(other.deleteMany(keys.slice(0, 100))).toBe(100);
    expect(cache.stats()).toMatchObject({ entries: 400, threads: 2, hits: 500, hitRatio: 1 });
    other.clear();
    expect(cache.size).toBe(0);
    expect([...cache.entries()]).toEqual([]);
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('keep decoded values and structures as one does', () => {
    const cache = open(3, { decoded: { entries: 1000 }, structures: true });
    const other = attachCache(cache.share());
    caches.push(other);
    for (let i = 0; i < 300; i++) cache.set(`user ${i}`, { name: `n${i}`, age: i });
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 300; i++) {
        const value = other.get(`user ${i}`);
        expect(value).toEqual({ name: `n${i}`, age: i });
        expect(other.get(`user ${i}`)).toBe(value);
      }
    }
    // Whichever arena it is in, a write is seen at once.
    for (let i = 0; i < 300; i += 7) cache.set(`user ${i}`, { name: 'new', age: 1000 + i });
    for (let i = 0; i < 300; i++) {
      const [name, age] = i % 7 === 0 ? ['new', 1000 + i] : [`n${i}`, i];
      expect(other.get(`user ${i}`)).toEqual({ name, age });
    }
    expect(cache.getMany(['user 0', 'user 1'])).toEqual([
      { name: 'new', age: 1000 },
      { name: 'n1', age: 1 },
    ]);
    // The keys of the objects are kept once, in the first arena.
    const sizes = cache.share().arenas.arenas.map(({ facts }) => facts.structureBytes);
    expect(sizes.map((bytes) => bytes > 0)).toEqual([true, false, false]);
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('tell the changes in all of them, with partitions numbered through', () => {
    const cache = open(3, { partitions: 2 });
    const changes = cache.changes({ types: ['set'] });
    const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`);
    for (const [i, key] of keys.entries()) cache.set(key, i);
    const seen = changes.read();
    const partitions = new Set(seen.map(({ partition }) => partition));
    for (const change of seen) {
      if (change.type !== 'set') throw new Error(change.type);
      expect(change.partition).toBe(changes.partitionOf(change.key));
      expect(change.key).toBe(`key ${change.value}`);
    }
    expect(seen).toHaveLength(60);
    expect([...partitions].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    changes.close();
  });

  it('lose what has expired without anybody asking for it', async () => {
    const cache = open(3);
    for (let i = 0; i < 300; i++) cache.set(`key ${i}`, i, { ttl: 20 });
    cache.set('stays', 1);
    // Upkeep does it: nobody reads or writes.
    await vi.waitUntil(() => cache.size === 1, { timeout: 20_000 });
    expect(cache.get('stays')).toBe(1);
  });

  it('keep what has a tag in common in one', () => {
    const set = create();
    const cache = new Cache(ArenaSet.attach(set.handle), 0);
    caches.push(cache);
    for (let i = 0; i < 200; i++) cache.set(`{user:7}:field ${i}`, i);
    const shares = set.arenas.map((arena) => arena.stats().entries).sort();
    expect(shares).toEqual([0, 0, 200].sort());
  });

  it('say which of them is broken', () => {
    const set = create();
    const cache = new Cache(ArenaSet.attach(set.handle), 0);
    caches.push(cache);
    for (let i = 0; i < 100; i++) cache.set(`key ${i}`, 'value');
    expect(set.checkIntegrity()).toBeUndefined();
    const { bytes } = set.arenas[1]!;
    bytes[PARTITIONS + Partition.entries]! ^= 1;
    expect(set.checkIntegrity()).toMatch(/^arena 1: BROKEN_/);
    bytes[PARTITIONS + Partition.entries]! ^= 1;
  });

  it('refuse keys and values as one does', () => {
    const cache = open(3);
    for (const key of ['', 'x'.repeat(65_536), 5, undefined, Buffer.alloc(0)]) {
      for (const call of ['get', 'has', 'delete', 'ttl', 'peek'] as const) {
        expect(refusal(() => cache[call](key as string))).toMatch(/^a key must/);
      }
    }
    expect(cache.set('x'.repeat(65_535), 1)).toBe(true);
    const { maxValueBytes } = cache.share().arenas.facts;
    expect(() => cache.set('k', Buffer.alloc(maxValueBytes))).toThrow(
      `at most ${maxValueBytes} bytes`,
    );
    cache.close();
    expect(() => cache.get('k')).toThrow(/closed/);
  });
});
