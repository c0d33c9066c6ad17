/** What an entry is: type, memory, and the rest that is known of it. */
import { openCache } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench } from '../support/kernel-memory.js';
import { command, NIL, str } from '../support/kernel-wire.js';

const NOON = Date.UTC(2030, 0, 1, 12);

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('an entry', () => {
  it('has a type, whatever its value', () => {
    using cache = openCache({ memory: '8mb' });
    const space = cache.namespace('space');
    const values = [1, 'text', Buffer.of(1), [1], { a: 1 }, null, 'x'.repeat(100_000)];
    for (const value of values) {
      cache.set('k', value);
      expect([cache.type('k'), space.type('k')]).toEqual(['string', undefined]);
    }
    space.set('k', 1, { ttl: 10 });
    cache.delete('k');
    expect([cache.type('k'), space.type('k')]).toEqual([undefined, 'string']);
    vi.setSystemTime(NOON + 10);
    expect(space.type('k')).toBeUndefined();
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 0, expired: 1 });
  });

  it('is described', () => {
    using cache = openCache({ memory: '8mb', policy: 'clock' });
    cache.set('k', 'text', { ttl: 1000 });
    vi.setSystemTime(NOON + 400);
    expect(cache.describe('k')).toEqual({
      type: 'string',
      encoding: 'inline',
      bytes: 5,
      memoryBytes: 24 + 9 + 4 + 4,
      ttlMs: 600,
      mark: 0,
      version: undefined,
    });
    const version = cache.getVersioned('k')!.version;
    cache.persist('k');
    expect(cache.describe('k')).toMatchObject({ ttlMs: Number.POSITIVE_INFINITY, version });
    expect(cache.describe('k')!.mark).toBeGreaterThan(0);
    cache.set('k', 'x'.repeat(1_000_000));
    const { encoding, bytes, memoryBytes } = cache.describe('k')!;
    expect([encoding, bytes]).toEqual(['chained', 1_000_005]);
    expect(memoryBytes).toBeGreaterThan(1_000_005);
    expect(memoryBytes).toBeLessThan(1_020_000);
  });

  it('is looked at without a trace', () => {
    using cache = openCache({ memory: '8mb', policy: 'clock' });
    cache.set('k', 1, { ttl: 50 });
    for (let i = 0; i < 5; i++) {
      cache.type('k');
      cache.describe('k');
      cache.memoryUsage('k');
      cache.describe('absent');
      cache.memoryUsage('absent');
    }
    expect(cache.describe('k')!.mark).toBe(0);
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 0, sets: 1 });
    vi.setSystemTime(NOON + 50);
    expect([cache.describe('k'), cache.memoryUsage('k')]).toEqual([undefined, undefined]);
    // It is the next reader's to remove.
    expect(cache.stats().expired).toBe(0);
  });

  it('of a key that no chunk holds is the same', () => {
    using cache = openCache({ memory: '8mb' });
    const key = 'k'.repeat(65_535);
    cache.set(key, 1);
    expect(cache.type(key)).toBe('string');
    expect(cache.describe(key)).toMatchObject({ encoding: 'chained', bytes: 1 });
    expect(cache.memoryUsage(key)).toBeGreaterThan(65_535);
  });
});

/** The budget that is used, as `stats` counts it, is what all entries together are said to take. */
it.each([
  ['small', 20, undefined],
  ['with an expiry', 300, '1h'],
  ['of several pieces', 30_000, undefined],
] as const)('entries that are %s take what they are said to', (_, valueBytes, ttl) => {
  using cache = openCache({ memory: '128mb', partitions: 4 });
  const count = valueBytes > 1000 ? 2500 : 150_000;
  let said = 0;
  for (let i = 0; i < count; i++) {
    const key = `key ${i}`;
    cache.setBytes(key, Buffer.alloc(valueBytes), ttl === undefined ? {} : { ttl });
    said += cache.memoryUsage(key)!;
  }
  const { usedBytes } = cache.stats();
  expect(said / usedBytes).toBeGreaterThan(0.9);
  expect(said / usedBytes).toBeLessThan(1.06);
});

it('wrong arguments are refused', () => {
  const bench = new Bench();
  for (const name of ['TYPE', 'MEMORY', 'OBJECT'] as const) {
    for (const args of [[], [str('k'), NIL], [NIL], [str('')]]) {
      expect(bench.one(command(name, ...args)).toString('latin1', 3)).toMatch(/^SYNTAX /);
    }
  }
});
