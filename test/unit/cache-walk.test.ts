/** Iteration of the embedded cache, and reading without a trace. */
import { attachCache, type Cache, type CacheOptions, openCache, SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arena } from '#engine/arena.js';
import { Random, SEED } from '../support/kernel-random.js';

let cache: Cache;

function open(options: CacheOptions): Cache {
  cache.close();
  cache = openCache({ memory: '8mb', ...options });
  return cache;
}

beforeEach(() => {
  cache = openCache({ memory: '8mb' });
});

afterEach(() => {
  vi.useRealTimers();
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});

function refusal(call: () => unknown): SlabringError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(SlabringError);
    return error as SlabringError;
  }
  throw new Error('the call threw nothing');
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i);

describe('keys, values and entries', () => {
  it('of an empty cache are none', () => {
    expect([...cache.keys()]).toEqual([]);
    expect([...cache.values()]).toEqual([]);
    expect([...cache.entries()]).toEqual([]);
    expect([...cache]).toEqual([]);
  });

  it.each([1, 20, 3000, 30_000])('are all %i of them, each once', (entries) => {
    cache.setMany(upTo(entries).map((i) => [`key ${i}`, { i }]));
    const keys = upTo(entries).map((i) => `key ${i}`);
    expect([...cache.keys()].sort()).toEqual(keys.sort());
    const values = [...cache.values<{ i: number }>()].map(({ i }) => i);
    expect(values.sort((a, b) => a - b)).toEqual(upTo(entries));
    const found = [...cache.entries<{ i: number }>()];
    expect(found).toHaveLength(entries);
    expect(found.every(([key, { i }]) => key === `key ${i}`)).toBe(true);
    expect(new Map(cache)).toEqual(new Map(found));
  });

  it('are values of any kind and size', () => {
    const values = {
      null: null,
      text: 'né ü 語 😀',
      'long text': 'x'.repeat(5000),
      'longer text': 'y'.repeat(700_000),
      bytes: Buffer.alloc(300, 7),
      object: { list: [1, 'two'], date: new Date(1_700_000_000_123) },
      big: 2n ** 60n,
    };
    cache.setMany(Object.entries(values));
    for (const size of [1020, 1021, 1022, 1023]) cache.set(`of ${size}`, 'z'.repeat(size));
    const found = Object.fromEntries(cache.entries<unknown>()) as Record<string, unknown>;
    for (const [name, value] of Object.entries(values)) expect(found[name], name).toEqual(value);
    for (const size of [1020, 1021, 1022, 1023]) {
      expect(found[`of ${size}`]).toBe('z'.repeat(size));
    }
  });

  const texts = ['k', 'twelve chars', 'thirteen char', 'é', 'ключ', '語'.repeat(9), '\ufffd', '\0'];

  it.each([...texts, `${'x'.repeat(20)}\ufffd`, '\ufeffmark', 'y'.repeat(65_535)])(
    'give the key %j back as it was',
    (text) => {
      cache.set(Buffer.from(text), 1);
      expect([...cache.keys()]).toEqual([text]);
    },
  );

  it.each([
    Buffer.of(0xff),
    Buffer.of(0xc3, 0x28),
    Buffer.from([...Buffer.from('a long key, cut off in a character '), 0xe8]),
    Buffer.of(0xed, 0xa0, 0x80),
    Buffer.from([0xef, 0xbf, 0xbd, 0xff]),
  ])('give a key whose bytes are not UTF-8 as a Buffer of its own: %j', (bytes) => {
    cache.set(bytes, 1);
    const [key] = [...cache.keys()] as [Buffer];
    expect(key).toBeInstanceOf(Buffer);
    expect(key.equals(bytes)).toBe(true);
    key.fill(0);
    expect(cache.get(bytes)).toBe(1);
  });

  it('leave no trace', () => {
    for (let i = 0; i < 100; i++) cache.set(`${i}`, 'x'.repeat(20 * i));
    const before = cache.stats();
    expect([...cache.keys(), ...cache.values(), ...cache].length).toBe(300);
    expect(cache.stats()).toEqual(before);
  });

  it('are iterators that may be left, and stepped by hand', () => {
    cache.setMany(upTo(1000).map((i) => [`${i}`, i]));
    for (const key of cache.keys()) {
      expect(cache.has(key)).toBe(true);
      break;
    }
    const one = cache.values();
    const two = cache.values();
    let steps = 0;
    for (let a = one.next(), b = two.next(); !a.done; a = one.next(), b = two.next()) {
      expect(b).toEqual(a);
      steps++;
    }
    expect(steps).toBe(1000);
    expect(one.next()).toEqual({ done: true, value: undefined });
  });

  it('stop at a value that JavaScript has no type for; keys do not', () => {
    cache.set('fine', 1);
    // An extension that nobody has registered, as a client in another language may store it.
    const arena = Arena.attach(cache.share().arenas.arenas[0]!);
    arena.request.set(Buffer.from([...Buffer.from('odd'), 0xd4, 0x55, 0x00]));
    arena.kernel.setDirect(arena.slot, 3, 3, 0, 0, 0, Date.now());
    arena.close();
    expect(refusal(() => [...cache.values()]).code).toBe('WRONGTYPE');
    expect(refusal(() => [...cache]).code).toBe('WRONGTYPE');
    expect([...cache.keys()].sort()).toEqual(['fine', 'odd']);
  });
});

describe('writes while it is walked', () => {
  const fill = (entries: number, value: (i: number) => unknown = (i) => i) =>
    cache.setMany(upTo(entries).map((i) => [`key ${i}`, value(i)]));

  it('deleting the current key', () => {
    fill(2000);
    let seen = 0;
    for (const key of cache.keys()) {
      expect(cache.delete(key)).toBe(true);
      seen++;
    }
    expect(seen).toBe(2000);
    expect(cache.size).toBe(0);
  });

  it('deleting a key that was not reached yet: it does not come', () => {
    fill(2000);
    const left = new Set(cache.keys());
    for (const key of cache.keys()) {
      expect(left.delete(key)).toBe(true);
      const [other] = left;
      if (other === undefined) continue;
      left.delete(other);
      cache.delete(other);
    }
    expect(left.size).toBe(0);
  });

  it('clear ends it', () => {
    fill(2000);
    for (const walk of [cache.keys(), cache.values(), cache.entries()]) {
      fill(2000);
      for (let i = 0; i < 5; i++) expect(walk.next().done).toBe(false);
      cache.clear();
      expect(walk.next()).toEqual({ done: true, value: undefined });
    }
  });

  it('a value that is replaced meanwhile comes as it is now', () => {
    fill(2000, () => 'old');
    const walk = cache.entries<string>();
    const seen = new Set([walk.next().value![0]]);
    fill(2000, () => ({ new: 'x'.repeat(100) }));
    for (const [key, value] of walk) {
      expect(value).toEqual({ new: 'x'.repeat(100) });
      seen.add(key);
    }
    expect(seen.size).toBe(2000);
  });

  it('an entry that expires meanwhile does not come', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    cache.setMany(
      upTo(100).map((i) => [`short ${i}`, i]),
      { ttl: 1000 },
    );
    cache.setMany(
      upTo(100).map((i) => [`long ${i}`, i]),
      { ttl: 5000 },
    );
    const walks = [cache.keys(), cache.entries()].map((walk) => {
      const [first] = [walk.next().value].flat();
      return { walk, first };
    });
    vi.setSystemTime(Date.now() + 1000);
    for (const { walk, first } of walks) {
      const rest = [...walk].map((found) => [found].flat()[0] as string);
      expect(rest.filter((key) => key.startsWith('short'))).toEqual([]);
      expect(new Set([first, ...rest].filter((key) => `${key}`.startsWith('long'))).size).toBe(100);
    }
  });

  it('close ends it with an error', () => {
    fill(100);
    for (const walk of [cache.keys(), cache.values(), cache.entries(), cache[Symbol.iterator]()]) {
      const other = attachCache(cache.share());
      expect(walk.next().done).toBe(false);
      cache.close();
      expect(refusal(() => walk.next()).code).toBe('CLOSED');
      expect(walk.next()).toEqual({ done: true, value: undefined });
      cache = other;
      break;
    }
  });

  it('may use the cache in any way between two steps', () => {
    fill(500, (i) => ({ i }));
    let steps = 0;
    for (const [key, value] of cache.entries<{ i: number }>()) {
      expect(key).toBe(`key ${value.i}`);
      cache.getMany([key, 'absent']);
      cache.set(`other ${steps}`, 'x'.repeat(steps));
      cache.delete(`other ${steps}`);
      for (const inner of cache.values()) {
        expect(inner).toBeDefined();
        break;
      }
      steps++;
    }
    expect(steps).toBe(500);
  });
});

describe('against a model, with random writes between the steps', () => {
  const CASES = [
    { keys: 40, partitions: 1, ttl: false },
    { keys: 2000, partitions: 4, ttl: true },
    { keys: 15_000, partitions: 1, ttl: true },
  ];

  it.each(CASES)('%j', ({ keys, partitions, ttl }) => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    const random = new Random(SEED + keys);
    open({ memory: '32mb', partitions, policy: 'none' });
    const model = new Map<string, { value: unknown; deadline: number }>();
    const live = (key: string) => {
      const entry = model.get(key);
      return entry && entry.deadline > Date.now() ? entry : undefined;
    };
    /** Keys that have been there since the walk began. */
    let staying = new Set<string>();
    const write = () => {
      const what = random.below(200);
      const key = `key ${random.below(keys)}`;
      if (what === 0 && random.chance(0.05)) {
        cache.clear();
        model.clear();
        staying.clear();
      } else if (what < 60) {
        expect(cache.delete(key)).toBe(live(key) !== undefined);
        model.delete(key);
        staying.delete(key);
      } else if (what < 70 && ttl) {
        vi.setSystemTime(Date.now() + random.below(20));
      } else {
        const value = random.chance(0.05) ? 'x'.repeat(random.below(20_000)) : random.below(1000);
        const ms = ttl && random.chance(0.5) ? 1 + random.below(1000) : 0;
        if (!live(key)) staying.delete(key);
        cache.set(key, value, { ttl: ms });
        model.set(key, { value, deadline: ms ? Date.now() + ms : Infinity });
      }
    };
    for (let i = 0; i < 2 * keys; i++) write();
    for (let round = 0; round < 12; round++) {
      staying = new Set([...model.keys()].filter(live));
      const seen = new Set<string>();
      const wantsValues = round % 2 === 0;
      const walk = wantsValues ? cache.entries() : cache.keys();
      const rate = random.pick([0, 0.05, 1, 5]);
      for (const found of walk) {
        const [key, value] = (wantsValues ? found : [found, undefined]) as [string, unknown];
        expect(seen.has(key), `${key} comes twice`).toBe(false);
        seen.add(key);
        const entry = live(key);
        if (entry === undefined) throw new Error(`${key} is not there`);
        if (wantsValues) expect(value).toEqual(entry.value);
        for (let writes = rate; random.next() < writes; writes--) write();
      }
      const lost = [...staying].filter((key) => live(key) && !seen.has(key));
      expect(lost).toEqual([]);
    }
    expect(cache.checkIntegrity()).toBeUndefined();
  });
});

describe('forEach', () => {
  it('calls with value, key and cache', () => {
    cache.set('a', 1);
    cache.set('b', { two: 2 });
    const calls: unknown[][] = [];
    cache.forEach((...args) => {
      calls.push(args);
    });
    expect(calls).toHaveLength(2);
    for (const [value, key, self] of calls) {
      expect(value).toEqual(cache.get(key as string));
      expect(self).toBe(cache);
    }
  });

  it.each([undefined, null, 5, {}])('refuses %j', (wrong) => {
    expect(refusal(() => cache.forEach(wrong as never)).message).toMatch(
      /^forEach takes a function, not /,
    );
  });
});

describe('peek', () => {
  it('reads as get does', () => {
    const values = [null, 0, 'text', Buffer.alloc(40, 1), { a: [1] }, 'x'.repeat(100_000)];
    for (const value of values) {
      cache.set('key', value);
      expect(cache.peek('key')).toEqual(value);
    }
    expect(cache.peek('absent')).toBeUndefined();
  });

  it('counts neither a hit nor a miss, and removes nothing', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    cache.set('key', 1, { ttl: 5 });
    const before = cache.stats();
    expect(cache.peek('key')).toBe(1);
    expect(cache.peek('absent')).toBeUndefined();
    vi.setSystemTime(Date.now() + 5);
    expect(cache.peek('key')).toBeUndefined();
    expect(cache.stats()).toEqual(before);
  });

  it.each([
    ['get', true],
    ['peek', false],
    ['has', false],
  ] as const)('%s makes an entry stay: %s', (method, stays) => {
    open({ maxEntries: 100, partitions: 1, policy: 'clock' });
    // Of one size: one class of chunks.
    cache.set('watched', 1);
    for (let i = 1; i < 100; i++) cache.set(`old ${i % 90}`.padEnd(7, i < 90 ? '-' : '+'), 1);
    expect(cache.stats().evictions).toBe(0);
    for (let i = 10; i < 60; i++) {
      cache[method]('watched');
      cache.set(`new ${i}.`, 1);
    }
    expect(cache.has('watched')).toBe(stays);
  });
});

describe('take', () => {
  it('returns the value and removes the key', () => {
    for (const value of [null, 7, 'text', { a: 1 }, Buffer.alloc(70_000, 3)]) {
      cache.set('key', value);
      expect(cache.take('key')).toEqual(value);
      expect(cache.has('key')).toBe(false);
      expect(cache.take('key')).toBeUndefined();
    }
    expect(cache.stats()).toMatchObject({ entries: 0, hits: 5, misses: 5, deletes: 5 });
  });

  it('does not return what has expired', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    cache.set('key', 1, { ttl: 5 });
    vi.setSystemTime(Date.now() + 5);
    expect(cache.take('key')).toBeUndefined();
    expect(cache.stats()).toMatchObject({ entries: 0, expired: 1, deletes: 0 });
  });
});

describe('hitRatio', () => {
  it('is hits of all reads', () => {
    expect(cache.stats().hitRatio).toBe(0);
    cache.set('key', 1);
    cache.getMany(['key', 'key', 'key', 'absent']);
    expect(cache.stats().hitRatio).toBe(0.75);
  });
});
