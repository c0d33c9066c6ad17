import { type Cache, type Key, openCache } from 'slabring';
import { afterEach, describe, expect, it, vi } from 'vitest';

/** What a cache does, in the plainest way: a Map with deadlines. */
class Model {
  readonly #entries = new Map<string, { value: unknown; deadline: number }>();

  #live(key: string) {
    const entry = this.#entries.get(key);
    if (entry && entry.deadline > Date.now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  get = (key: string) => this.#live(key)?.value;
  has = (key: string) => this.#live(key) !== undefined;
  delete = (key: string) => this.#live(key) !== undefined && this.#entries.delete(key);

  set(key: string, value: unknown, ttl: number, condition?: 'ifAbsent' | 'ifPresent' | 'keepTtl') {
    const entry = this.#live(key);
    if (condition === 'ifAbsent' && entry) return false;
    if (condition === 'ifPresent' && !entry) return false;
    const deadline = ttl > 0 ? Date.now() + ttl : Infinity;
    const kept = condition === 'keepTtl' && entry ? entry.deadline : deadline;
    this.#entries.set(key, { value, deadline: kept });
    return true;
  }

  expire(key: string, ttl: number) {
    const entry = this.#live(key);
    if (entry) entry.deadline = ttl > 0 ? Date.now() + ttl : Infinity;
    return entry !== undefined;
  }

  persist(key: string) {
    const entry = this.#live(key);
    if (!entry || entry.deadline === Infinity) return false;
    entry.deadline = Infinity;
    return true;
  }

  ttl(key: string) {
    const entry = this.#live(key);
    return entry && entry.deadline - Date.now();
  }

  increment(key: string, delta: number) {
    const entry = this.#live(key);
    if (entry && !Number.isInteger(entry.value)) return 'WRONGTYPE';
    const sum = ((entry?.value as number) ?? 0) + delta;
    this.set(key, sum, 0, 'keepTtl');
    return sum;
  }

  keys = () => [...this.#entries.keys()].filter((key) => this.has(key));
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const CONDITIONS = [undefined, undefined, 'ifAbsent', 'ifPresent', 'keepTtl'] as const;

function someKey(pick: (below: number) => number): string {
  const number = pick(60);
  if (number < 5) return `${number}`.padEnd(200 * number + 3, 'long key ');
  return number < 15 ? `ключ ${number}` : `key ${number}`;
}

function someValue(pick: (below: number) => number): unknown {
  const number = pick(1000);
  switch (pick(8)) {
    case 0:
      return `text ${number}`;
    case 1:
      return 'long '.repeat(pick(5000));
    case 2:
      return { number, list: [number, `${number}`], flag: number % 2 === 0 };
    case 3:
      return null;
    case 4:
      return Buffer.alloc(pick(300), `${number}`);
    case 5:
      return number / 8 + 0.0625;
    default:
      return number - 500;
  }
}

/** One random call on both; returns what it was, for the message of a failure. */
function step(cache: Cache, model: Model, pick: (below: number) => number): string {
  const key = someKey(pick);
  const asKey: Key = pick(4) === 0 ? Buffer.from(key) : key;
  const check = (name: string, real: unknown, expected: unknown) => {
    expect(real, `${name} ${key.slice(0, 20)}`).toEqual(expected);
    return name;
  };
  switch (pick(14)) {
    case 0:
    case 1:
    case 2: {
      const value = someValue(pick);
      const condition = CONDITIONS[pick(CONDITIONS.length)];
      const ttl = condition === 'keepTtl' || pick(2) === 0 ? 0 : 1 + pick(5000);
      const options = { ...(ttl > 0 && { ttl }), ...(condition && { [condition]: true }) };
      const old = model.get(key);
      const stored = model.set(key, value, ttl, condition);
      if (pick(3) > 0) return check('set', cache.set(asKey, value, options), stored);
      return check('swap', cache.swap(asKey, value, options), old ?? undefined);
    }
    case 3: {
      const entries = Array.from({ length: pick(pick(10) === 0 ? 600 : 30) }, () => [
        someKey(pick),
        someValue(pick),
      ]);
      const expected = entries.map(([name, value]) => model.set(name as string, value, 0));
      return check('setMany', cache.setMany(entries as [string, unknown][]), expected);
    }
    case 4: {
      const keys = Array.from({ length: pick(pick(10) === 0 ? 600 : 30) }, () => someKey(pick));
      return check('getMany', cache.getMany(keys), keys.map(model.get));
    }
    case 5:
      return check('delete', cache.delete(asKey), model.delete(key));
    case 6:
      return check('has', cache.has(asKey), model.has(key));
    case 7: {
      const ttl = pick(3) === 0 ? 0 : 1 + pick(5000);
      return check('expire', cache.expire(asKey, ttl), model.expire(key, ttl));
    }
    case 8:
      return check('persist', cache.persist(asKey), model.persist(key));
    case 9:
      return check('ttl', cache.ttl(asKey), model.ttl(key));
    case 10: {
      const expected = model.increment(key, 7);
      try {
        return check('increment', cache.increment(asKey, 7), expected);
      } catch (error) {
        return check('increment', (error as { code?: string }).code, expected);
      }
    }
    case 11: {
      const keys = Array.from({ length: pick(5) }, () => someKey(pick));
      const expected = keys.filter((name) => model.delete(name)).length;
      return check('deleteMany', cache.deleteMany(keys), expected);
    }
    case 12:
      vi.setSystemTime(Date.now() + pick(500));
      return 'time passes';
    default:
      return check('get', cache.get(asKey), model.get(key));
  }
}

describe('against a model', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 1],
    [5, 2],
    [6, 3],
  ])('thousands of random calls do the same, seed %i, %i arenas', (seed, arenas) => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    const cache = openCache({ memory: '32mb', partitions: 2 ** (seed % 4), arenas });
    const model = new Model();
    const pick = random(seed);
    const last: string[] = [];
    try {
      for (let i = 0; i < 3000; i++) {
        last.push(step(cache, model, pick));
        if (i % 100 === 0) expect(cache.checkIntegrity()).toBeUndefined();
      }
      expect(cache.hasMany(model.keys())).toBe(model.keys().length);
      expect(cache.stats().evictions).toBe(0);
    } catch (error) {
      throw new Error(`seed ${seed}, call ${last.length}, after ${last.slice(-8).join(', ')}`, {
        cause: error,
      });
    } finally {
      cache.close();
    }
  });
});
