/** Rate limits: a bucket of tokens, exact to the millisecond, whatever the clock does. */
import { openCache, type SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { Bench } from '../support/kernel-memory.js';
import { command, float, integer, NIL, str } from '../support/kernel-wire.js';

const NOON = Date.UTC(2030, 0, 1, 12);

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

const at = (ms: number) => vi.setSystemTime(NOON + ms);

const open = () => openCache({ memory: '8mb', partitions: 2 });

describe('a limit', () => {
  it('allows what the bucket holds, and then what comes in', () => {
    using cache = open();
    const options = { capacity: 3, refillPerSecond: 2 };
    const take = () => cache.limit('k', options);
    expect([take(), take(), take(), take()]).toEqual([
      { allowed: true, remaining: 2, retryAfterMs: 0, fullAfterMs: 500 },
      { allowed: true, remaining: 1, retryAfterMs: 0, fullAfterMs: 1000 },
      { allowed: true, remaining: 0, retryAfterMs: 0, fullAfterMs: 1500 },
      { allowed: false, remaining: 0, retryAfterMs: 500, fullAfterMs: 1500 },
    ]);
    at(499);
    expect(take()).toEqual({
      allowed: false,
      remaining: 0,
      retryAfterMs: 1,
      fullAfterMs: 1001,
    });
    at(500);
    expect(take()).toMatchObject({ allowed: true, fullAfterMs: 1500 });
    at(1000);
    expect(cache.limit('k', { ...options, cost: 2 })).toMatchObject({
      allowed: false,
      remaining: 1,
      retryAfterMs: 500,
    });
    at(1500);
    expect(cache.limit('k', { ...options, cost: 2 })).toMatchObject({ allowed: true });
  });

  it('is an entry that is gone when the bucket is full', () => {
    using cache = open();
    cache.limit('k', { capacity: 10, refillPerSecond: 3, cost: 2 });
    expect(cache.ttl('k')).toBe(667);
    at(666);
    expect(cache.has('k')).toBe(true);
    expect(cache.limit('k', { capacity: 10, refillPerSecond: 3, cost: 0 })).toEqual({
      allowed: true,
      remaining: 9,
      retryAfterMs: 0,
      fullAfterMs: 1,
    });
    at(667);
    expect(cache.has('k')).toBe(false);
    expect(cache.limit('k', { capacity: 10, refillPerSecond: 3 }).remaining).toBe(9);
  });

  it('only looks for a cost of 0, and says never to what costs more than fits', () => {
    using cache = open();
    const options = { capacity: 5, refillPerSecond: 1 };
    expect(cache.limit('k', { ...options, cost: 0 })).toEqual({
      allowed: true,
      remaining: 5,
      retryAfterMs: 0,
      fullAfterMs: 0,
    });
    expect(cache.limit('k', { ...options, cost: 6 })).toEqual({
      allowed: false,
      remaining: 5,
      retryAfterMs: Number.POSITIVE_INFINITY,
      fullAfterMs: 0,
    });
    expect(cache.size).toBe(0);
    expect(cache.stats().sets).toBe(0);
  });

  it('writes nothing where nothing is taken', () => {
    using cache = open();
    const options = { capacity: 1, refillPerSecond: 1 };
    cache.limit('k', options);
    for (let i = 0; i < 10; i++) cache.limit('k', options);
    expect(cache.stats().sets).toBe(1);
  });

  it('keeps its tokens when it is given another size or rate', () => {
    using cache = open();
    const take = (capacity: number, refillPerSecond: number, cost = 0) =>
      cache.limit('k', { capacity, refillPerSecond, cost });
    take(100, 10, 60);
    expect(take(100, 1)).toMatchObject({ remaining: 40, fullAfterMs: 60_000 });
    at(1000);
    expect(take(100, 1).remaining).toBe(41);
    expect(take(1000, 1).remaining).toBe(41);
    expect(take(20, 1)).toMatchObject({ remaining: 20, fullAfterMs: 0 });
    expect(take(20, 1, 20)).toMatchObject({ remaining: 0, fullAfterMs: 20_000 });
    // A rate that was much too low is corrected at once, though nothing is taken.
    expect(take(20, 0.001, 1).allowed).toBe(false);
    expect(take(20, 1000, 1).allowed).toBe(false);
    at(1001);
    expect(take(20, 1000, 1).allowed).toBe(true);
  });

  it('gives nothing for a clock that goes back, and takes nothing', () => {
    using cache = open();
    const options = { capacity: 10, refillPerSecond: 10 };
    cache.limit('k', { ...options, cost: 10 });
    at(500);
    expect(cache.limit('k', options).remaining).toBe(4);
    // An hour back: what was there stays, and it goes on filling from there.
    at(-3_600_000);
    expect(cache.limit('k', { ...options, cost: 0 })).toMatchObject({ remaining: 4 });
    expect(cache.limit('k', { ...options, cost: 4 }).allowed).toBe(true);
    expect(cache.limit('k', options)).toMatchObject({ allowed: false, retryAfterMs: 100 });
    at(-3_600_000 + 100);
    expect(cache.limit('k', options).allowed).toBe(true);
    // And back again while nothing is left: the wait is no longer than it was.
    at(-7_200_000);
    expect(cache.limit('k', options)).toMatchObject({ allowed: false, retryAfterMs: 100 });
    at(-7_200_000 + 100);
    expect(cache.limit('k', options).allowed).toBe(true);
  });

  it('goes on where it was persisted, or its expiry changed', () => {
    using cache = open();
    const options = { capacity: 2, refillPerSecond: 1 };
    cache.limit('k', { ...options, cost: 2 });
    cache.persist('k');
    at(1_000_000);
    expect(cache.limit('k', options)).toMatchObject({ remaining: 1, fullAfterMs: 1000 });
    expect(cache.ttl('k')).toBe(1000);
  });

  it('has a key of any length, in a namespace too', () => {
    using cache = open();
    for (const keyspace of [cache, cache.namespace('limits')]) {
      for (const key of [1, 2049, 8170, 65_531].map((length) => 'k'.repeat(length))) {
        const take = () => keyspace.limit(key, { capacity: 2, refillPerSecond: 1 }).remaining;
        expect([take(), take(), take()]).toEqual([1, 0, 0]);
      }
    }
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('is not taken for one where it is none', () => {
    using cache = open();
    const five = [10, 1, NOON, NOON, 3.5].map((value) => value + 0.5);
    const values = [1, 'x', [1, 2, 3, 4, 5], five.slice(1), 'x'.repeat(9000), { a: 1 }];
    for (const value of values) {
      cache.set('k', value);
      const call = () => cache.limit('k', { capacity: 2, refillPerSecond: 1 });
      expect(call).toThrow(expect.objectContaining({ code: 'WRONGTYPE' }));
      expect(cache.get('k')).toEqual(value);
    }
  });

  it('is refused for wrong options, which change nothing', () => {
    using cache = open();
    const right = { capacity: 10, refillPerSecond: 1, cost: 1 };
    const numbers = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, 1_000_000_001];
    const wrongs = [
      ...[...numbers, 0, undefined, '5', 5n].map((capacity) => ({ ...right, capacity })),
      ...[...numbers, '5', 5n, null].map((cost) => ({ ...right, cost })),
      ...[...numbers.toSpliced(1, 1), 0, undefined, '5', 1e-9].map((refillPerSecond) => ({
        ...right,
        refillPerSecond,
      })),
      { ...right, costs: 5 },
      5,
      undefined,
    ];
    for (const wrong of wrongs) {
      let code: string | undefined;
      try {
        cache.limit('k', wrong as typeof right);
      } catch (error) {
        ({ code } = error as SlabringError);
      }
      expect([wrong, code]).toEqual([wrong, 'OPTION']);
    }
    expect(cache.size).toBe(0);
  });
});

/** The bucket in fractions, kept by adding what comes in: `rate` in thousandths of a token. */
class Bucket {
  /** Tokens times a million. */
  #level: bigint;
  #lastMs = 0;
  readonly #capacity: bigint;
  readonly #rate: bigint;

  constructor(capacity: number, rate: number) {
    this.#capacity = BigInt(capacity) * 1_000_000n;
    this.#rate = BigInt(rate);
    this.#level = this.#capacity;
  }

  take(nowMs: number, cost: number): { allowed: boolean; remaining: number; waitMs: number } {
    this.#level += this.#rate * BigInt(nowMs - this.#lastMs);
    if (this.#level > this.#capacity) this.#level = this.#capacity;
    this.#lastMs = nowMs;
    const wanted = BigInt(cost) * 1_000_000n;
    const allowed = this.#level >= wanted;
    if (allowed) this.#level -= wanted;
    const missing = wanted - this.#level;
    const waitMs = allowed ? 0 : Number((missing + this.#rate - 1n) / this.#rate);
    return { allowed, remaining: Number(this.#level / 1_000_000n), waitMs };
  }
}

it('is right to the millisecond and the token, for years and billions of tokens', () => {
  const seed = freshSeed();
  const random = new Random(seed);
  for (let round = 0; round < 30; round++) {
    using cache = open();
    const capacity = random.pick([1, 2, 7, 100, 1_000_000_000]);
    // Whole thousandths of a token, which most rates are not as floats.
    const rate = random.pick([1, 7, 100, 1000, 12_345, 333_333_333, 1_000_000_000]);
    const refillPerSecond = rate / 1000;
    if (capacity / refillPerSecond > 3e9) continue;
    const bucket = new Bucket(capacity, rate);
    let ms = 0;
    for (let call = 0; call < 500; call++) {
      const mean = Math.max(1, (1_000_000 * random.pick([1, 1, 1, capacity / 3])) / rate);
      ms += random.below(random.chance(0.01) ? 1e9 : Math.min(1e9, 2 * mean));
      at(ms);
      const cost = random.chance(0.7) ? 1 : random.between(0, capacity);
      const expected = bucket.take(ms, cost);
      const got = cache.limit('k', { capacity, refillPerSecond, cost });
      const where = `capacity ${capacity}, rate ${rate}, call ${call} (seed ${seed})`;
      expect([where, got.allowed, got.remaining, got.retryAfterMs]).toEqual([
        where,
        expected.allowed,
        expected.remaining,
        expected.waitMs,
      ]);
    }
  }
});

it('does not drift while it is never full', () => {
  using cache = open();
  // Three tokens in ten seconds are asked for one by one, as fast as they come.
  const options = { capacity: 5, refillPerSecond: 0.3 };
  cache.limit('k', { ...options, cost: 5 });
  let allowed = 0;
  let ms = 0;
  while (allowed < 20_000) {
    const { allowed: isAllowed, retryAfterMs } = cache.limit('k', options);
    if (isAllowed) allowed++;
    else ms += retryAfterMs;
    at(ms);
  }
  expect(ms).toBe(Math.ceil((20_000 / 0.3) * 1000));
});

it('counts on after more tokens than a float can count', () => {
  using cache = open();
  const options = { capacity: 1_000_000_000, refillPerSecond: 1_000_000_000 };
  let ms = 0;
  cache.limit('k', { ...options, cost: 1_000_000_000 });
  for (let i = 0; i < 20_000; i++) {
    ms += 999;
    at(ms);
    const taken = cache.limit('k', { ...options, cost: 999_000_000 });
    if (!taken.allowed || taken.remaining !== 0) throw new Error(`${i}: ${JSON.stringify(taken)}`);
  }
  expect(cache.get<number[]>('k')![4]).toBeLessThan(2 ** 41);
  expect(cache.limit('k', options)).toMatchObject({ allowed: false, retryAfterMs: 1 });
});

describe('on the wire', () => {
  const KEY = str('k');

  it('a bucket that somebody made up does no harm', () => {
    const bench = new Bench();
    const wild = [0, -1, 1e300, -1e300, Number.NaN, Number.POSITIVE_INFINITY, 5e-324, 2 ** 47, 1.5];
    const random = new Random(freshSeed());
    const fields = [[10], [1], [bench.nowMs], [bench.nowMs], [5]];
    for (let i = 0; i < 3000; i++) {
      const bucket = fields.map((right) => random.pick(random.chance(0.4) ? wild : right));
      const value = Buffer.concat([Buffer.of(0x95), ...bucket.map(float)]);
      bench.run(command('SET', KEY, value));
      const reply = bench.one(command('LIMIT', KEY, integer(10), integer(1), integer(3)));
      const isRefused = reply.toString('latin1', 3) === 'WRONGTYPE the value is not a rate limit';
      if (!isRefused) expect(reply[0]).toBe(0x94);
    }
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('a rate may be an integer or a float of either size', () => {
    const bench = new Bench();
    const single = Buffer.alloc(5);
    single[0] = 0xca;
    single.writeFloatBE(0.5, 1);
    for (const [i, rate] of [float(0.5), single].entries()) {
      const reply = bench.one(command('LIMIT', str(`k${i}`), integer(4), rate, NIL));
      expect([...reply]).toEqual([0x94, 0xc3, 3, 0, 0xcd, 0x07, 0xd0]);
    }
  });
});
