/**
 * The wheel: what has expired goes though nobody asks for it, in steps, and when it is time. The
 * clock is the test's, and nothing here waits.
 */
import { describe, expect, it } from 'vitest';
import { Bench, MIB, NOON } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { bin, command, FALSE, integer, NIL, str, TRUE, type Wire } from '../support/kernel-wire.js';

/** What this file holds the wheel to (engine/kernel/wheel.ts). */
const TICK_MS = 512;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** The most entries that one call of upkeep may work on. */
const SLICE = 1100;

/** Lets upkeep do all that it finds; the calls that took. */
function keepUp(bench: Bench): number {
  const { kernel, slot } = bench.arena;
  let calls = 1;
  while (kernel.upkeep(slot, bench.nowMs) === 0) calls += 1;
  return calls;
}

function set(bench: Bench, key: string, ttlMs: number, value: Wire = integer(1)): Wire {
  return bench.one(command('SET', str(key), value, integer(ttlMs)));
}

/** Sets the clock to the first millisecond at which an expiry at `expiryMs` must have had effect. */
function passTick(bench: Bench, expiryMs: number): void {
  bench.nowMs = (Math.floor(expiryMs / TICK_MS) + 1) * TICK_MS;
}

function expectSound(bench: Bench): void {
  expect(bench.arena.checkIntegrity()).toBeUndefined();
}

describe('an entry that nobody asks for', () => {
  it.each([
    1,
    511,
    512,
    513,
    8191,
    8192,
    8193,
    131_071,
    131_072,
    40 * 60_000,
    9 * HOUR,
    10 * HOUR,
    6 * DAY,
    7 * DAY,
    99 * DAY,
    100 * DAY,
    4 * YEAR,
    5 * YEAR,
    69 * YEAR,
    71 * YEAR,
    3_153_600_000_000,
  ])('with %d ms to live is there until then, and gone within a tick', (ttlMs) => {
    for (const startMs of [NOON, NOON + 300, NOON + 12_345_678]) {
      const bench = new Bench();
      bench.nowMs = startMs;
      set(bench, 'k', ttlMs);
      set(bench, 'stays', 0);
      // Both on the way there, where the record moves from level to level, and at once.
      for (const share of [0.1, 0.5, 0.9, 0.999]) {
        bench.nowMs = startMs + Math.floor((ttlMs - 1) * share);
        keepUp(bench);
        expectSound(bench);
      }
      bench.nowMs = startMs + ttlMs - 1;
      keepUp(bench);
      expect(bench.arena.stats()).toMatchObject({ entries: 2, expired: 0 });
      passTick(bench, startMs + ttlMs);
      keepUp(bench);
      expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 1, evictions: 0 });
      expectSound(bench);
    }
  });

  it.each<[string, Wire, number | undefined]>([
    ['EXPIRE to a later time', command('EXPIRE', str('k'), integer(2 * HOUR)), 2 * HOUR],
    ['EXPIRE to an earlier time', command('EXPIRE', str('k'), integer(5000)), 5000],
    ['EXPIRE by a little less', command('EXPIRE', str('k'), integer(HOUR - 1)), HOUR - 1],
    ['SET with more time', command('SET', str('k'), integer(2), integer(2 * HOUR)), 2 * HOUR],
    ['SET with less time', command('SET', str('k'), integer(2), integer(5000)), 5000],
    ['SET of more bytes', command('SET', str('k'), bin(Buffer.alloc(99)), integer(5000)), 5000],
    [
      'SET of more bytes with more time',
      command('SET', str('k'), bin(Buffer.alloc(99)), integer(DAY)),
      DAY,
    ],
    ['SET KEEPTTL', command('SET', str('k'), integer(2), NIL, integer(4)), HOUR],
    [
      'SET KEEPTTL of more bytes',
      command('SET', str('k'), bin(Buffer.alloc(9000)), NIL, integer(4)),
      HOUR,
    ],
    ['GETV', command('GETV', str('k')), HOUR],
    ['INCR', command('INCR', str('k')), HOUR],
    ['PERSIST', command('PERSIST', str('k')), undefined],
    ['SET without a time', command('SET', str('k'), integer(2)), undefined],
  ])('goes when it should after %s', (_, request, ttlMs) => {
    const bench = new Bench();
    set(bench, 'k', HOUR);
    bench.one(request);
    expectSound(bench);
    const endMs = NOON + (ttlMs ?? 3 * DAY);
    for (let atMs = NOON; atMs < endMs; atMs += 997 * SECOND) {
      bench.nowMs = atMs;
      keepUp(bench);
    }
    bench.nowMs = endMs - 1;
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 0 });
    expectSound(bench);
    passTick(bench, endMs);
    keepUp(bench);
    expect(bench.arena.stats().entries).toBe(ttlMs === undefined ? 1 : 0);
    expectSound(bench);
  });

  it('and got its expiry after it was made goes too', () => {
    const bench = new Bench();
    for (const key of ['a', 'b', 'c']) set(bench, key, 0, bin(Buffer.alloc(60)));
    bench.one(command('EXPIRE', str('b'), integer(700)));
    passTick(bench, NOON + 700);
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 2, expired: 1 });
    expectSound(bench);
  });
});

// (`lfu` keeps its sketch of frequencies.)
describe.each(['clock', 'none', 's3fifo', 'lru', 'adaptive'] as const)(
  'memory, with the policy %s',
  (policy) => {
    it.each([
      [1, 50],
      [8, 50],
      [8, 20_000],
    ])('in %d partition(s) comes back with no reads, values of %d bytes', (partitions, bytes) => {
      const bench = new Bench({ memoryBytes: 16 * MIB, partitions, policy });
      const count = bytes > 1000 ? 500 : 20_000;
      for (let i = 0; i < count; i++) set(bench, `key ${i}`, SECOND, bin(Buffer.alloc(bytes)));
      const full = bench.arena.stats();
      expect(full.slabPages).toBeGreaterThan(20);
      bench.nowMs += SECOND + TICK_MS;
      keepUp(bench);
      expect(bench.arena.stats()).toMatchObject({ entries: 0, expired: count, chunkBytes: 0 });
      expect(bench.arena.stats()).toMatchObject({ slabPages: 0, payloadBytes: 0, evictions: 0 });
      expectSound(bench);
      set(bench, 'and on', SECOND);
      expectSound(bench);
    });
  },
);

describe('memory', () => {
  it('comes back from pages in which most has expired', () => {
    const bench = new Bench({ memoryBytes: 16 * MIB });
    const value = bin(Buffer.alloc(100));
    for (let i = 0; i < 20_000; i++) set(bench, `key ${i}`, i % 10 ? SECOND : HOUR, value);
    const full = bench.arena.stats();
    bench.nowMs += SECOND + TICK_MS;
    keepUp(bench);
    const { entries, slabPages } = bench.arena.stats();
    expect(entries).toBe(2000);
    expect(slabPages).toBeLessThan(full.slabPages / 4);
    expectSound(bench);
  });

  it.each<[string, (bench: Bench, i: number) => void]>([
    [
      'deleted and set anew',
      (bench, i) => {
        bench.one(command('DEL', str(`key ${i % 50}`)));
        set(bench, `key ${i % 50}`, HOUR);
      },
    ],
    [
      'given a time to live and taken it away',
      (bench, i) => {
        bench.one(command('PERSIST', str(`key ${i % 50}`)));
        bench.one(command('EXPIRE', str(`key ${i % 50}`), integer(HOUR)));
      },
    ],
    [
      'given a long time to live, then a short one',
      (bench, i) => set(bench, `key ${i % 50}`, 1 + ((i * 7919) % DAY)),
    ],
    ['set again and again', (bench, i) => set(bench, `key ${i % 50}`, HOUR)],
  ])('does not grow when keys are %s', (_, step) => {
    const bench = new Bench({ policy: 'none', maxEntries: 100 });
    for (let i = 0; i < 50; i++) set(bench, `key ${i}`, HOUR);
    for (let i = 0; i < 30_000; i++) step(bench, i);
    expect(bench.arena.stats().entries).toBe(50);
    // 50 entries of 24 bytes, and blocks of 512 for 300 records and 20 slots.
    expect(bench.arena.stats().chunkBytes).toBeLessThan(50 * 32 + 26 * 512);
    expectSound(bench);
    bench.nowMs += DAY;
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, chunkBytes: 0 });
  });

  it('is kept in order when nothing is written', () => {
    const bench = new Bench({ memoryBytes: 16 * MIB });
    for (let i = 0; i < 20_000; i++) set(bench, `key ${i}`, HOUR);
    for (let i = 1; i < 20_000; i++) bench.one(command('DEL', str(`key ${i}`)));
    const { chunkBytes } = bench.arena.stats();
    keepUp(bench);
    expect(bench.arena.stats().chunkBytes).toBeLessThan(chunkBytes / 10);
    expect(bench.arena.stats().entries).toBe(1);
    expectSound(bench);
  });
});

describe('a million entries at once, or some of them', () => {
  it('are removed in slices, and none is seen in between', () => {
    const count = 20_000;
    const bench = new Bench({ memoryBytes: 16 * MIB, partitions: 4 });
    for (let i = 0; i < count; i++) set(bench, `key ${i}`, SECOND);
    bench.nowMs += SECOND + TICK_MS;
    const { kernel, slot } = bench.arena;
    let expired = 0;
    let calls = 0;
    for (let isMore = true; isMore; calls++) {
      isMore = kernel.upkeep(slot, bench.nowMs) === 0;
      const stats = bench.arena.stats();
      expect(stats.expired - expired).toBeLessThanOrEqual(SLICE);
      expired = stats.expired;
      expect(stats.entries).toBe(count - expired);
      if (calls % 4 === 0) expectSound(bench);
    }
    expect(expired).toBe(count);
    expect(calls).toBeGreaterThanOrEqual(count / SLICE);
    expect(bench.one(command('GET', str('key 7')))).toEqual(NIL);
  });

  it('with values in many pieces count by their pieces', () => {
    const bench = new Bench({ memoryBytes: 64 * MIB });
    const value = bin(Buffer.alloc(800_000));
    for (let i = 0; i < 40; i++) set(bench, `key ${i}`, SECOND, value);
    bench.nowMs += SECOND + TICK_MS;
    bench.arena.kernel.upkeep(bench.arena.slot, bench.nowMs);
    expect(bench.arena.stats().expired).toBeLessThan(15);
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, slabPages: 0 });
  });
});

describe('the clock', () => {
  it('may stand still, and what is due is done but once', () => {
    const bench = new Bench();
    set(bench, 'k', SECOND);
    keepUp(bench);
    bench.nowMs += SECOND + TICK_MS;
    for (let i = 0; i < 5; i++) expect(keepUp(bench)).toBe(1);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, expired: 1 });
  });

  it('may jump by a hundred years in one step', () => {
    const bench = new Bench({ memoryBytes: 16 * MIB });
    for (let i = 0; i < 5000; i++) set(bench, `key ${i}`, 1 + ((i * 630_720_001) % (99 * YEAR)));
    set(bench, 'stays', 0);
    bench.nowMs += 100 * YEAR;
    expect(keepUp(bench)).toBeLessThan(20);
    expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 5000 });
    expectSound(bench);
  });

  it.each([SECOND, 20 * SECOND, HOUR, 3 * YEAR])('may be set back by %d ms', (backMs) => {
    const bench = new Bench({ memoryBytes: 16 * MIB });
    for (let i = 0; i < 3000; i++) set(bench, `old ${i}`, 1 + i * 4 * SECOND);
    bench.nowMs += HOUR;
    keepUp(bench);
    const { entries } = bench.arena.stats();
    bench.nowMs -= backMs;
    for (let i = 0; i < 1000; i++) set(bench, `new ${i}`, 1 + i);
    keepUp(bench);
    expectSound(bench);
    expect(bench.arena.stats().entries).toBe(entries + 1000);
    // Within eight seconds it is taken for two clocks that do not agree, and waited for.
    bench.nowMs += SECOND + TICK_MS + (backMs < 8 * SECOND ? backMs : 0);
    keepUp(bench);
    expectSound(bench);
    expect(bench.arena.stats().entries).toBeLessThanOrEqual(entries);
    bench.nowMs += backMs + 4 * HOUR;
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, chunkBytes: 0 });
  });

  it('may be wrong by years before the first entry comes', () => {
    const bench = new Bench();
    bench.nowMs = NOON + 50 * YEAR;
    set(bench, 'k', 1);
    passTick(bench, bench.nowMs + 1);
    keepUp(bench);
    bench.nowMs = NOON;
    set(bench, 'k', SECOND);
    passTick(bench, NOON + SECOND);
    keepUp(bench);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, expired: 2 });
  });
});

describe('memory that is used up, with the policy none', () => {
  /** Sets until it is refused; how many were stored. */
  function fill(bench: Bench, name: string, ttlMs: (i: number) => number, bytes = 100): number {
    for (let i = 0; ; i++) {
      if (!set(bench, `${name} ${i}`, ttlMs(i), bin(Buffer.alloc(bytes))).equals(TRUE)) return i;
    }
  }

  it.each([1, 4])('has room for others once its entries expired, in %d partition(s)', (count) => {
    const bench = new Bench({ memoryBytes: 4 * MIB, partitions: count, policy: 'none' });
    const stored = fill(bench, 'old', () => SECOND);
    expectSound(bench);
    bench.nowMs += SECOND + TICK_MS;
    const after = fill(bench, 'new', () => SECOND);
    expect(after).toBeGreaterThan(0.9 * stored);
    expect(bench.arena.stats().evictions).toBe(0);
    expectSound(bench);
  });

  it('has room for others once its entries expired, where maxEntries is the limit', () => {
    const bench = new Bench({ policy: 'none', maxEntries: 1000 });
    expect(fill(bench, 'old', () => SECOND)).toBe(1000);
    bench.nowMs += SECOND + TICK_MS;
    expect(fill(bench, 'new', () => 0)).toBe(1000);
    expect(bench.arena.stats()).toMatchObject({ entries: 1000, expired: 1000, evictions: 0 });
  });

  it('refuses an expiry that it has no memory for, and changes nothing', () => {
    const bench = new Bench({ memoryBytes: 2 * MIB, policy: 'none' });
    const stored = fill(bench, 'key', () => 0, 90);
    fill(bench, 'small', () => 0, 1);
    let given = 0;
    for (let i = 0; i < stored; i++) {
      const request = command('EXPIRE', str(`key ${i}`), integer(10 ** (3 + (i % 9))));
      if (bench.one(request).equals(TRUE)) given += 1;
      else expect(bench.one(command('TTL', str(`key ${i}`)))).toEqual(integer(-1));
      if (i % 500 === 0) expectSound(bench);
    }
    expect(given).toBeLessThan(stored);
    expectSound(bench);
  });

  // Records move from level to level, and at first there is no block to be had for them.
  it('expires in time all the same', () => {
    const bench = new Bench({ memoryBytes: 4 * MIB, policy: 'none' });
    const random = new Random(SEED);
    const name = (i: number): string => String(i).padStart(5, '0');
    // A page of blocks; then entries that have room for another field, until all memory is used.
    set(bench, 'first', 20 * HOUR);
    let count = 0;
    const value = bin(Buffer.alloc(117));
    while (set(bench, name(count), 0, value).equals(TRUE)) count += 1;
    const expiries: number[] = [];
    for (let i = 0; i < count; i++) {
      const ttlMs = 10 * 60 * SECOND + random.below(10 * HOUR);
      const request = command('EXPIRE', str(name(i)), integer(ttlMs));
      if (bench.one(request).equals(TRUE)) expiries.push(NOON + ttlMs);
    }
    // Some were refused: there is no block left, but one to spare.
    expect(expiries.length).toBeGreaterThan(5000);
    expect(expiries.length).toBeLessThan(count - 1000);
    const lastMs = Math.max(...expiries);
    while (bench.nowMs < lastMs) {
      bench.nowMs += random.below(10 * 60 * SECOND);
      keepUp(bench);
      expectSound(bench);
      const tickMs = bench.nowMs - (bench.nowMs % TICK_MS);
      const { expired } = bench.arena.stats();
      expect(expired).toBeGreaterThanOrEqual(expiries.filter((ms) => ms < tickMs).length);
      expect(expired).toBeLessThanOrEqual(expiries.filter((ms) => ms <= bench.nowMs).length);
    }
  });
});

/** What the model knows of a key: when it expires, and the latest time there was since it was set. */
interface Known {
  readonly expiryMs: number;
  latestMs: number;
}

/** A bench and a Map, to which the same is done. */
class Pair {
  readonly bench = new Bench({ memoryBytes: 16 * MIB, partitions: 2 });
  readonly random: Random;
  readonly #known = new Map<string, Known>();

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  #isLive(name: string): boolean {
    return (this.#known.get(name)?.expiryMs ?? 0) > this.bench.nowMs;
  }

  #isThere(name: string): boolean {
    return this.bench.one(command('EXISTS', str(name))).equals(integer(1));
  }

  step(): void {
    const { bench, random } = this;
    const name = `key ${random.below(400)}`;
    const key = str(name);
    const ttlMs = random.chance(0.2) ? 0 : Math.ceil(10 ** (10 * random.next()));
    const expiryMs = ttlMs === 0 ? Infinity : bench.nowMs + ttlMs;
    const known = this.#known.get(name);
    // Whether it is gone since the clock was set back nobody knows but the cache.
    if (known && known.latestMs >= known.expiryMs && !this.#isThere(name)) this.#known.delete(name);
    const was = this.#isLive(name);
    const know = (ms: number) => this.#known.set(name, { expiryMs: ms, latestMs: bench.nowMs });
    switch (random.below(5)) {
      case 0:
        expect(bench.one(command('DEL', key))).toEqual(integer(was ? 1 : 0));
        this.#known.delete(name);
        break;
      case 1:
        expect(bench.one(command('EXPIRE', key, integer(ttlMs)))).toEqual(was ? TRUE : FALSE);
        if (was) know(expiryMs);
        break;
      case 2:
        bench.one(command('PERSIST', key));
        if (was) know(Infinity);
        break;
      case 3:
        if (random.chance(0.1)) bench.one(command('GETV', key));
        break;
      default:
        set(bench, name, ttlMs, bin(Buffer.alloc(random.pick([1, 1, 1, 40, 40, 9000]))));
        know(expiryMs);
    }
  }

  /** Sets the clock: mostly on, sometimes back by more than clocks of threads may differ. */
  jump(): void {
    const { bench, random } = this;
    const ms = Math.floor(10 ** (10 * random.next()));
    bench.nowMs += random.chance(0.15) ? -ms - 10 * SECOND : ms;
    for (const known of this.#known.values()) {
      known.latestMs = Math.max(known.latestMs, bench.nowMs);
    }
  }

  /** What has expired must be gone, and nothing else may be. */
  check(): void {
    const { bench } = this;
    expectSound(bench);
    const tickMs = bench.nowMs - (bench.nowMs % TICK_MS);
    const left = [...this.#known.values()].filter(({ expiryMs }) => expiryMs >= tickMs).length;
    expect(bench.arena.stats().entries).toBeLessThanOrEqual(left);
    for (const [name, { expiryMs, latestMs }] of this.#known) {
      const isThere = this.#isThere(name);
      if (isThere) expect(expiryMs).toBeGreaterThan(bench.nowMs);
      else expect(expiryMs).toBeLessThanOrEqual(latestMs);
      if (!isThere) this.#known.delete(name);
    }
  }
}

describe('a wheel at random', () => {
  it.each(Array.from({ length: 6 }, (_, i) => SEED + i))('agrees with a Map, seed %d', (seed) => {
    const pair = new Pair(seed);
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 300; i++) pair.step();
      expectSound(pair.bench);
      pair.jump();
      // Now and then a slice is all there is time for.
      const { arena, nowMs } = pair.bench;
      if (pair.random.chance(0.3)) arena.kernel.upkeep(arena.slot, nowMs);
      else {
        keepUp(pair.bench);
        pair.check();
      }
      expectSound(pair.bench);
    }
  });
});
