/**
 * Random calls on several namespaces and on the keys of none, against a Map for each: clears among
 * them, expiry, eviction, several arenas, decoded values, another thread's hand.
 */
import { attachCache, type Cache, type CacheOptions, openCache } from 'slabring';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { FullKeyspace } from '#engine/full-keyspace.js';
import { Random } from '../support/fuzz-random.mjs';
import { NOON } from '../support/kernel-memory.js';

const CALLS = 4000;
const NAMES = [undefined, 'users', 'posts', 'ключи'] as const;
const LONG = 'long '.repeat(700);

/** A Map with deadlines. */
class Model {
  readonly #entries = new Map<string, { value: unknown; deadline: number }>();

  get(key: string): unknown {
    return this.#live(key)?.value;
  }

  has(key: string): boolean {
    return this.#live(key) !== undefined;
  }

  ttl(key: string): number | undefined {
    const entry = this.#live(key);
    return entry && entry.deadline - Date.now();
  }

  set(key: string, value: unknown, ttlMs: number): void {
    this.#entries.set(key, { value, deadline: ttlMs > 0 ? Date.now() + ttlMs : Infinity });
  }

  expire(key: string, ttlMs: number): boolean {
    const entry = this.#live(key);
    if (entry) entry.deadline = Date.now() + ttlMs;
    return entry !== undefined;
  }

  delete(key: string): boolean {
    return this.has(key) && this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.has(key));
  }

  #live(key: string) {
    const entry = this.#entries.get(key);
    if (entry && entry.deadline > Date.now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }
}

interface Place {
  readonly model: Model;
  /** The same keys, as this and as another opening of the cache has them. */
  readonly keyspaces: readonly FullKeyspace[];
}

function someValue(random: Random): unknown {
  switch (random.below(6)) {
    case 0:
      return { list: [random.below(100)], name: 'Ada' };
    case 1:
      return 'x'.repeat(random.below(2000));
    case 2:
      return random.chance(0.1) ? 'y'.repeat(20_000) : null;
    case 3:
      return Buffer.alloc(random.below(200), 7);
    default:
      return random.below(1000);
  }
}

/** One call; `mayEvict`: what the model has may be gone, and then it forgets it. */
function step(random: Random, { model, keyspaces }: Place, mayEvict: boolean): void {
  const keyspace = random.pick(keyspaces);
  const number = random.below(80);
  const key = number < 3 ? `${number}${LONG}` : `key ${number}`;
  const found = (value: unknown): unknown => {
    if (mayEvict && value === undefined) model.delete(key);
    return value;
  };
  switch (random.below(12)) {
    case 0:
      if (mayEvict && !keyspace.has(key)) model.delete(key);
      expect(keyspace.delete(key)).toBe(model.delete(key));
      break;
    case 1:
      if (mayEvict && !keyspace.has(key)) model.delete(key);
      expect(keyspace.has(key)).toBe(model.has(key));
      break;
    case 2: {
      const ttl = keyspace.ttl(key);
      if (mayEvict && ttl === undefined) model.delete(key);
      expect(ttl).toBe(model.ttl(key));
      break;
    }
    case 3: {
      const ttl = 1 + random.below(300);
      const done = keyspace.expire(key, ttl);
      if (mayEvict && !done) model.delete(key);
      expect(done).toBe(model.expire(key, ttl));
      break;
    }
    case 4: {
      const taken = found(keyspace.take(key));
      expect(taken ?? null).toEqual(model.get(key) ?? null);
      model.delete(key);
      break;
    }
    case 5: {
      const pairs = Array.from(
        { length: random.below(50) },
        () => [`key ${random.below(80)}`, someValue(random)] as const,
      );
      keyspace.setMany(pairs);
      for (const [name, value] of pairs) model.set(name, value, 0);
      break;
    }
    case 6: {
      const names = Array.from({ length: random.below(50) }, () => `key ${random.below(80)}`);
      for (const [i, value] of keyspace.getMany(names).entries()) {
        if (!mayEvict || value !== undefined) expect(value).toEqual(model.get(names[i]!));
      }
      break;
    }
    case 7:
    case 8: {
      const value = someValue(random);
      const ttl = random.chance(0.3) ? 1 + random.below(300) : 0;
      keyspace.set(key, value, { ttl });
      model.set(key, value, ttl);
      break;
    }
    case 9:
      if (random.chance(0.3)) vi.setSystemTime(Date.now() + random.below(50));
      break;
    default:
      expect(found(keyspace.get(key))).toEqual(model.get(key));
  }
}

/** Each place has its keys, and no other; and what is counted adds up. */
function compare(cache: Cache, places: readonly Place[], mayEvict: boolean): void {
  expect(cache.checkIntegrity()).toBeUndefined();
  for (const { model, keyspaces } of places) {
    const keys = [...keyspaces[0]!.keys()].map(String);
    const expected = new Set(model.keys());
    expect(keys.length).toBe(new Set(keys).size);
    if (mayEvict) expect(keys.filter((key) => !expected.has(key))).toEqual([]);
    else expect(new Set(keys)).toEqual(expected);
  }
  const total = cache.stats();
  const spaces = NAMES.slice(1).map((name) => cache.namespace(name!).stats());
  const sum = (field: 'entries' | 'evictions' | 'expired'): number =>
    spaces.reduce((so, stats) => so + stats[field], 0);
  expect(sum('entries')).toBe(total.namespaceEntries);
  expect(sum('entries') + cache.size).toBe(total.entries);
  expect(sum('evictions')).toBeLessThanOrEqual(total.evictions);
  expect(sum('expired')).toBeLessThanOrEqual(total.expired);
  for (const { entries, sizes } of spaces) {
    expect(sizes.reduce((so, size) => so + size.entries, 0)).toBe(entries);
  }
}

const PLANS: [string, CacheOptions][] = [
  ['ample', { memory: '32mb', partitions: 1 }],
  ['ample, partitions', { memory: '32mb', partitions: 8 }],
  ['policy none', { memory: '32mb', policy: 'none', partitions: 2 }],
  ['several arenas', { memory: '48mb', arenas: 3, partitions: 2 }],
  ['decoded', { memory: '32mb', decoded: true, structures: true }],
  ['decoded, several arenas', { memory: '32mb', arenas: 2, decoded: true }],
  ['few entries', { maxEntries: 100, partitions: 1 }],
  ['few entries, decoded', { maxEntries: 128, partitions: 2, policy: 'lru', decoded: true }],
  ['little memory', { memory: '700kb', partitions: 1, policy: 's3fifo', maxValue: '64kb' }],
];

describe.each(PLANS)('%s', (name, options) => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([1, 2])('thousands of random calls do as the Maps do, seed %i', (seed) => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOON });
    const cache = openCache(options);
    const other = attachCache(cache.share());
    const mayEvict = options.maxEntries !== undefined || name === 'little memory';
    const random = new Random(seed);
    const places = NAMES.map((space) => ({
      model: new Model(),
      keyspaces: [cache, other].map((from) => (space === undefined ? from : from.namespace(space))),
    }));
    try {
      for (let i = 0; i < CALLS; i++) {
        step(random, random.pick(places), mayEvict);
        if (random.chance(0.01)) {
          const at = random.between(1, places.length - 1);
          random.pick([cache, other]).namespace(NAMES[at]!).clear();
          places[at]!.model.clear();
        }
        if (random.chance(0.001)) {
          cache.clear();
          for (const { model } of places) model.clear();
        }
        if (i % 200 === 0) compare(cache, places, mayEvict);
      }
      compare(cache, places, mayEvict);
      if (mayEvict) expect(cache.stats().evictions).toBeGreaterThan(0);
      else expect(cache.stats().evictions).toBe(0);
    } finally {
      other.close();
      cache.close();
    }
  });
});
