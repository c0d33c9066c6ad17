/** Expiry: what has expired is as good as absent in every command, and goes when it is met. */
import { describe, expect, it } from 'vitest';
import { Bench, LEAST_MEMORY, MIB, NOON } from '../support/kernel-memory.js';
import {
  bin,
  command,
  FALSE,
  integer,
  integerOf,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const K = str('k');
const MAX_TTL_MS = 3_153_600_000_000;
/** Values in a chunk and in a chain. */
const VALUES: [string, Wire][] = [
  ['in a chunk', bin('value')],
  ['in a chain', bin(Buffer.alloc(20_000, 1))],
];

describe.each(VALUES)('an entry %s', (_, value) => {
  /** A bench whose key k expires in 10 ms. */
  function expiring(): Bench {
    const bench = new Bench();
    bench.one(command('SET', K, value, integer(10)));
    return bench;
  }

  it('is there one millisecond before its time, and is gone on it', () => {
    const bench = expiring();
    bench.nowMs = NOON + 9;
    expect(bench.one(command('EXISTS', K))).toEqual(integer(1));
    expect(bench.one(command('TTL', K))).toEqual(integer(1));
    bench.nowMs = NOON + 10;
    expect(bench.one(command('EXISTS', K))).toEqual(integer(0));
  });

  it.each<[string, Wire, Wire]>([
    ['GET', command('GET', K), NIL],
    ['EXISTS', command('EXISTS', K), integer(0)],
    ['TOUCH', command('TOUCH', K), integer(0)],
    ['TTL', command('TTL', K), integer(-2)],
    ['DEL', command('DEL', K), integer(0)],
    ['EXPIRE', command('EXPIRE', K, integer(1000)), FALSE],
    ['PERSIST', command('PERSIST', K), FALSE],
    ['GETV', command('GETV', K), NIL],
    ['SET XX', command('SET', K, NIL, NIL, integer(2)), FALSE],
    ['SET GET XX', command('SET', K, NIL, NIL, integer(10)), NIL],
    ['SET IFVERSION', command('SET', K, NIL, NIL, integer(16), integer(1)), FALSE],
  ])('that has expired is absent to %s, which removes it', (_name, request, reply) => {
    const bench = expiring();
    bench.nowMs += 10;
    expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 0 });
    expect(bench.one(request)).toEqual(reply);
    expect(bench.arena.stats()).toMatchObject({
      entries: 0,
      expired: 1,
      deletes: 0,
      evictions: 0,
      payloadBytes: 0,
      chunkBytes: 0,
      slabPages: 0,
    });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it.each<[string, Wire, Wire]>([
    ['SET', command('SET', K, integer(5)), TRUE],
    ['SET NX', command('SET', K, integer(5), NIL, integer(1)), TRUE],
    ['SET GET', command('SET', K, integer(5), NIL, integer(8)), NIL],
    ['SET KEEPTTL, which finds none', command('SET', K, integer(5), NIL, integer(4)), TRUE],
    ['INCR, which begins at 0', command('INCR', K, integer(5)), integer(5)],
  ])('that has expired is replaced by %s', (_name, request, reply) => {
    const bench = expiring();
    bench.nowMs += 10;
    expect(bench.one(request)).toEqual(reply);
    expect(bench.run(command('GET', K), command('TTL', K))).toEqual([integer(5), integer(-1)]);
    expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 1, sets: 2 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('that has expired is absent to embedding, which removes it', () => {
    for (const ask of ['getDirect', 'hasDirect', 'deleteDirect'] as const) {
      const bench = expiring();
      const { kernel, slot, request } = bench.arena;
      request.set(Buffer.from('k'));
      expect(kernel[ask](slot, 1, NOON + 9)).toBeGreaterThan(0);
      const again = ask === 'deleteDirect' ? expiring() : bench;
      again.arena.request.set(Buffer.from('k'));
      const absent = ask === 'getDirect' ? -1 : 0;
      expect(again.arena.kernel[ask](slot, 1, NOON + 10)).toBe(absent);
      expect(again.arena.stats()).toMatchObject({ entries: 0, expired: 1 });
    }
  });

  it('is not served from a group of commands that were looked up before', () => {
    const bench = expiring();
    bench.nowMs += 10;
    // All of these are staged together. The first one removes the entry, the third makes another.
    const get = command('GET', K);
    const replies = bench.run(get, get, command('SET', K, integer(1), integer(10)), get, get);
    expect(replies).toEqual([NIL, NIL, TRUE, integer(1), integer(1)]);
  });
});

describe('the time to live', () => {
  it.each([1, 2, 999, 1000, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, MAX_TTL_MS])(
    'of %d ms is told and counted down to the millisecond',
    (ttlMs) => {
      const bench = new Bench();
      bench.one(command('SET', K, integer(1), integer(ttlMs)));
      expect(integerOf(bench.one(command('TTL', K)))).toBe(BigInt(ttlMs));
      bench.nowMs += ttlMs - 1;
      expect(integerOf(bench.one(command('TTL', K)))).toBe(1n);
      expect(bench.one(command('GET', K))).toEqual(integer(1));
      bench.nowMs += 1;
      expect(integerOf(bench.one(command('TTL', K)))).toBe(-2n);
    },
  );

  it.each<[string, Wire, bigint]>([
    ['SET without one', command('SET', K, integer(2)), -1n],
    ['SET with 0', command('SET', K, integer(2), integer(0)), -1n],
    ['SET with another', command('SET', K, integer(2), integer(77)), 77n],
    ['SET with KEEPTTL', command('SET', K, integer(2), NIL, integer(4)), 60n],
    ['SET with KEEPTTL and 0', command('SET', K, integer(2), integer(0), integer(4)), 60n],
    [
      'SET with KEEPTTL of a longer value',
      command('SET', K, bin(Buffer.alloc(300)), NIL, integer(4)),
      60n,
    ],
    ['SET NX, which stores nothing', command('SET', K, integer(2), integer(77), integer(1)), 60n],
    ['INCR', command('INCR', K), 60n],
    ['INCR with another', command('INCR', K, NIL, integer(77)), 60n],
    ['GET', command('GET', K), 60n],
    ['GETV', command('GETV', K), 60n],
    ['TOUCH', command('TOUCH', K), 60n],
    ['EXPIRE', command('EXPIRE', K, integer(77)), 77n],
    ['EXPIRE with 0', command('EXPIRE', K, integer(0)), -1n],
    ['EXPIRE with nil', command('EXPIRE', K, NIL), -1n],
    ['PERSIST', command('PERSIST', K), -1n],
  ])('after %s', (_name, request, left) => {
    const bench = new Bench();
    bench.one(command('SET', K, integer(1), integer(100)));
    bench.nowMs += 40;
    bench.one(request);
    expect(integerOf(bench.one(command('TTL', K)))).toBe(left);
    bench.nowMs += 60;
    expect(bench.one(command('EXISTS', K))).toEqual(integer(left === 60n ? 0 : 1));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  // The API rounds fractions of a millisecond up; the kernel cuts off what is left of one.
  it('is whole milliseconds, also of a clock that is finer', () => {
    const bench = new Bench();
    bench.nowMs = NOON + 0.9;
    bench.one(command('SET', K, integer(1), integer(10)));
    expect(bench.one(command('TTL', K))).toEqual(integer(10));
    bench.nowMs = NOON + 9.99;
    expect(bench.one(command('TTL', K))).toEqual(integer(1));
    bench.nowMs = NOON + 10;
    expect(bench.one(command('TTL', K))).toEqual(integer(-2));
  });

  it('keeps the version, and the version keeps it', () => {
    const bench = new Bench();
    bench.one(command('SET', K, integer(1), integer(100)));
    const [, version] = valuesOf(bench.one(command('GETV', K)).subarray(1));
    expect(bench.one(command('TTL', K))).toEqual(integer(100));
    bench.run(command('PERSIST', K), command('EXPIRE', K, integer(50)));
    expect(bench.one(command('SET', K, integer(2), NIL, integer(4 + 16), version!))).toEqual(TRUE);
    expect(bench.one(command('TTL', K))).toEqual(integer(50));
  });
});

describe('room for others', () => {
  it('is made of expired entries, which count as expired and not as evicted', () => {
    const bench = new Bench({ maxEntries: 10 });
    for (let i = 0; i < 10; i++) bench.one(command('SET', str(`old ${i}`), integer(i), integer(5)));
    // Used again and again, which would protect them if they were alive.
    for (let i = 0; i < 10; i++) bench.one(command('GET', str(`old ${i}`)));
    bench.nowMs += 5;
    // As long as the old ones with their expiry, so that they take the same chunks.
    const value = bin('12345678');
    for (let i = 0; i < 10; i++) bench.one(command('SET', str(`new ${i}`), value));
    expect(bench.arena.stats()).toMatchObject({ entries: 10, expired: 10, evictions: 0 });
    for (let i = 0; i < 10; i++) expect(bench.one(command('GET', str(`new ${i}`)))).toEqual(value);
  });

  it('is made of expired entries where memory is the limit', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    let stored = 0;
    while (bench.arena.stats().evictions === 0) {
      bench.one(command('SET', str(`old ${stored}`), bin(Buffer.alloc(500)), integer(5)));
      stored += 1;
    }
    const { entries, evictions } = bench.arena.stats();
    bench.nowMs += 5;
    for (let i = 0; i < entries; i++) {
      bench.one(command('SET', str(`new ${i}`.padEnd(7)), bin(Buffer.alloc(500))));
    }
    expect(bench.arena.stats()).toMatchObject({ evictions, expired: entries, entries });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('is all given back when everything has expired and was met', () => {
    const bench = new Bench({ memoryBytes: 8 * MIB, partitions: 4 });
    const keys = Array.from({ length: 2000 }, (_, i) => str(`key ${i}`));
    for (const [i, key] of keys.entries()) {
      bench.one(
        command('SET', key, bin(Buffer.alloc(i % 5 === 0 ? 12_000 : i)), integer(1 + (i % 50))),
      );
    }
    const { entries, evictions } = bench.arena.stats();
    bench.nowMs += 50;
    expect(bench.one(command('EXISTS', ...keys))).toEqual(integer(0));
    expect(bench.arena.stats()).toMatchObject({
      entries: 0,
      expired: entries,
      evictions,
      payloadBytes: 0,
      chunkBytes: 0,
      slabPages: 0,
    });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
