/** What happens at the limits: the largest value, memory that runs out, too many entries. */
import { describe, expect, it } from 'vitest';
import { MAX_MEMORY_BYTES } from '#engine/arena.js';
import { Bench, Header, KIB, LEAST_MEMORY, MIB, PAGE_BYTES } from '../support/kernel-memory.js';
import {
  bin,
  command,
  difference,
  FALSE,
  frame,
  integer,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const K = str('k');
const textOf = (reply: Wire): string => reply.toString('latin1', reply[0] === 0xc7 ? 3 : 0);

describe('maxValue', () => {
  it.each([1, 100, 8192, 100_000, MIB])('of %d bytes is met to the byte', (maxValueBytes) => {
    const bench = new Bench({ maxValueBytes, memoryBytes: 8 * MIB });
    const fits = bin(Buffer.alloc(maxValueBytes)).subarray(0, maxValueBytes);
    const most = wireOf(maxValueBytes);
    const tooMuch = wireOf(maxValueBytes + 1);
    expect(fits).toHaveLength(most.length);
    bench.one(command('SET', K, NIL));
    for (const args of [
      [],
      [integer(1000)],
      [NIL, integer(8)],
      [NIL, integer(1)],
      [NIL, integer(2)],
    ]) {
      const reply = bench.one(command('SET', K, tooMuch, ...args));
      expect(textOf(reply)).toMatch(/^TOOLARGE the value is larger/);
      expect(bench.one(command('GET', K))).toEqual(NIL);
    }
    expect(bench.one(command('SET', K, most))).toEqual(TRUE);
    expect(difference(bench.one(command('GET', K)), most)).toBeUndefined();
    const { kernel, slot, request } = bench.arena;
    request.set(Buffer.from('k'));
    const status = kernel.setDirect(slot, 1, maxValueBytes + 1, 0, 0, 0, bench.nowMs);
    expect(bench.arena.errorOf(status)).toMatchObject({ code: 'TOOLARGE' });
    expect(bench.arena.stats()).toMatchObject({ entries: 1, sets: 2 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('has room in a frame with the longest key, and in a reply with a version', () => {
    const bench = new Bench({ memoryBytes: 8 * MIB });
    const key = str('k'.repeat(65_535));
    const value = wireOf(MIB);
    expect(bench.one(command('SET', key, value, integer(2 ** 40), integer(8)))).toEqual(NIL);
    expect(difference(bench.one(command('GET', key)), value)).toBeUndefined();
    const reply = bench.one(command('GETV', key));
    expect(difference(reply.subarray(1, 1 + MIB), value)).toBeUndefined();
    const old = bench.one(command('SET', key, value, NIL, integer(8)));
    expect(difference(old, value)).toBeUndefined();
  });

  /** A value of so many bytes on the wire. */
  function wireOf(bytes: number): Wire {
    if (bytes === 1) return integer(7);
    const header = bytes < 258 ? 2 : bytes < 65_539 ? 3 : 5;
    const value = bin(Buffer.alloc(bytes - header, 0xa5), header - 1);
    if (value.length !== bytes) throw new Error(`${value.length} instead of ${bytes}`);
    return value;
  }
});

describe('memory that runs out with the policy none', () => {
  /** Fills the memory with values of one size; the keys that found room. */
  function fill(bench: Bench, bytes: number): Wire[] {
    const keys: Wire[] = [];
    for (let i = 0; ; i++) {
      const key = str(`key ${i}`.padEnd(9));
      const reply = bench.one(command('SET', key, bin(Buffer.alloc(bytes, i))));
      if (!reply.equals(TRUE)) {
        expect(textOf(reply)).toMatch(/^OOM no memory/);
        return keys;
      }
      keys.push(key);
    }
  }

  function expectAll(bench: Bench, keys: readonly Wire[], bytes: number): void {
    for (const [i, key] of keys.entries()) {
      const wrong = difference(bench.one(command('GET', key)), bin(Buffer.alloc(bytes, i)));
      if (wrong) throw new Error(`key ${i}: ${wrong}`);
    }
    expect(bench.arena.stats()).toMatchObject({ entries: keys.length, evictions: 0, expired: 0 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  }

  it.each([
    [1, 5],
    [1, 100],
    [1, 8000],
    [1, 30_000],
    [1, 200_000],
    [4, 100],
    [4, 30_000],
  ])('loses nothing, with %d partition(s) and values of %d bytes', (partitions, bytes) => {
    // Small, so that it is soon full; large enough for pages of the sizes that a chain has.
    const memoryBytes = bytes > 100 ? 3 * MIB : 1450 * KIB;
    const bench = new Bench({ memoryBytes, partitions, policy: 'none' });
    const keys = fill(bench, bytes);
    expectAll(bench, keys, bytes);
    // Every way of asking for more is refused, and changes nothing.
    const last = keys.at(-1)!;
    const large = bin(Buffer.alloc(1_000_000));
    for (const wish of [
      command('SET', last, large),
      command('SET', last, large, integer(1000)),
      command('SET', last, large, NIL, integer(8)),
      command('SET', str('new'), large),
    ]) {
      expect(textOf(bench.one(wish))).toMatch(/^OOM no memory/);
    }
    expectAll(bench, keys, bytes);
  });

  it('uses nearly all of it for values of one size', () => {
    const bench = new Bench({ memoryBytes: 4 * MIB, policy: 'none' });
    fill(bench, 1000);
    const { payloadBytes, freePages, indexPages } = bench.arena.stats();
    expect(freePages).toBe(0);
    expect(payloadBytes).toBeGreaterThan(0.88 * (4 * MIB - indexPages * PAGE_BYTES));
  });

  it('refuses to give an entry fields that it has no room for, and keeps it as it was', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY, policy: 'none' });
    // 8 + 9 + 2 + 45 bytes fill chunks of 64 to the last byte: more fields need the next size.
    const keys = fill(bench, 45);
    const key = keys[0]!;
    expect(textOf(bench.one(command('EXPIRE', key, integer(1000))))).toMatch(/^OOM/);
    expect(textOf(bench.one(command('GETV', key)))).toMatch(/^OOM/);
    expect(bench.one(command('TTL', key))).toEqual(integer(-1));
    expect(bench.one(command('PERSIST', key))).toEqual(FALSE);
    expect(textOf(bench.one(command('SET', key, bin(Buffer.alloc(45)), integer(5))))).toMatch(
      /^OOM/,
    );
    expectAll(bench, keys, 45);
    // In place there is room.
    expect(bench.one(command('SET', key, bin(Buffer.alloc(45, 0))))).toEqual(TRUE);
  });

  it('takes what others give back', () => {
    const bench = new Bench({ memoryBytes: 2 * MIB, policy: 'none' });
    const keys = fill(bench, 100_000);
    expect(bench.one(command('DEL', keys[0]!))).toEqual(integer(1));
    const another = str('another a');
    expect(bench.one(command('SET', another, bin(Buffer.alloc(100_000))))).toEqual(TRUE);
    bench.one(command('DEL', ...keys, another));
    const more = fill(bench, 300);
    expect(more.length).toBeGreaterThan(3000);
  });
});

describe('memory that runs out with the policy clock', () => {
  // Once, building a value larger than half the pages failed: when the class of its pieces had
  // become the largest one, and all of it pinned, nobody looked at the pages of other classes.
  it('makes room for a value that takes most of it', () => {
    const bench = new Bench({ memoryBytes: MIB });
    for (let i = 0; i < 20_000; i++) bench.one(command('SET', str(`key ${i}`), integer(i)));
    const value = bin(Buffer.alloc(450_000, 1));
    expect(bench.one(command('SET', K, value))).toEqual(TRUE);
    expect(difference(bench.one(command('GET', K)), value)).toBeUndefined();
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it.each([1, 4])(
    'refuses a value that is larger than all of it, with %d partition(s)',
    (partitions) => {
      const bench = new Bench({
        memoryBytes: partitions === 1 ? 900 * KIB : 1408 * KIB,
        partitions,
      });
      for (let i = 0; i < 100; i++) {
        bench.one(command('SET', str(`key ${i}`), integer(i)));
        expect(textOf(bench.one(command('SET', K, bin(Buffer.alloc(MIB - 5)))))).toMatch(/^OOM/);
        expect(bench.one(command('GET', K))).toEqual(NIL);
        expect(bench.arena.checkIntegrity()).toBeUndefined();
      }
      // It works as before.
      expect(bench.run(command('SET', K, integer(1)), command('GET', K))).toEqual([
        TRUE,
        integer(1),
      ]);
    },
  );

  it('keeps the old value when there is no room for a new one', () => {
    const bench = new Bench({ memoryBytes: 900 * KIB });
    bench.one(command('SET', K, bin('old')));
    expect(textOf(bench.one(command('SET', K, bin(Buffer.alloc(MIB - 5)))))).toMatch(/^OOM/);
    expect(bench.one(command('GET', K))).toEqual(bin('old'));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('keeps what is used, of sizes that share the memory', () => {
    const bench = new Bench({ memoryBytes: MIB });
    const hot = Array.from({ length: 20 }, (_, i) => str(`hot ${i}`));
    for (const key of hot) bench.one(command('SET', key, bin('hot')));
    for (let i = 0; i < 40_000; i++) {
      bench.executor.execute(
        Buffer.concat([
          integer(1),
          command('SET', str(`cold ${i}`), bin('cold')),
          command('GET', hot[i % 20]!),
        ]),
        undefined,
      );
    }
    expect(bench.one(command('EXISTS', ...hot))).toEqual(integer(20));
    expect(bench.arena.stats().evictions).toBeGreaterThan(5000);
  });
});

describe('maxEntries', () => {
  it('with the policy none refuses new keys, and takes the place of one that goes', () => {
    const bench = new Bench({ policy: 'none', maxEntries: 3 });
    const keys = ['a', 'b', 'c'].map((name) => str(name));
    for (const key of keys) bench.one(command('SET', key, integer(1)));
    const full = /^OOM the key's partition has its share of maxEntries/;
    expect(textOf(bench.one(command('SET', K, integer(1))))).toMatch(full);
    expect(textOf(bench.one(command('SET', K, integer(1), NIL, integer(8))))).toMatch(full);
    expect(textOf(bench.one(command('INCR', K)))).toMatch(full);
    expect(bench.one(command('SET', K, integer(1), NIL, integer(2)))).toEqual(FALSE);
    // What is there may be written.
    expect(bench.one(command('INCR', keys[0]!))).toEqual(integer(2));
    expect(bench.one(command('SET', keys[1]!, bin(Buffer.alloc(20_000))))).toEqual(TRUE);
    bench.one(command('DEL', keys[0]!));
    expect(bench.one(command('INCR', K))).toEqual(integer(1));
    expect(bench.arena.stats().entries).toBe(3);
  });

  it.each([1, 2, 3, 100])('with the policy clock holds %d', (maxEntries) => {
    const bench = new Bench({ maxEntries });
    for (let i = 0; i < 500; i++) {
      const key = str(`key ${i}`);
      const value = bin(Buffer.alloc([5, 500, 20_000][i % 3]!));
      expect(bench.one(command('SET', key, value))).toEqual(TRUE);
      expect(difference(bench.one(command('GET', key)), value)).toBeUndefined();
      expect(bench.arena.stats().entries).toBe(Math.min(i + 1, maxEntries));
    }
    expect(bench.arena.stats().evictions).toBe(500 - maxEntries);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

describe('the largest memory', () => {
  // Addresses beyond 2^31 are negative where somebody takes them for signed numbers.
  it.each([1, 256])('works in its last pages, with %d partition(s)', (partitions) => {
    const bench = new Bench({ memoryBytes: MAX_MEMORY_BYTES, partitions, maxThreads: 1 });
    const { memory } = bench;
    const end = memory.header('endPage');
    expect(end).toBeGreaterThan(61_000);
    // As if all but the last pages were in use.
    memory.setU32(Header.poolBump, end - (partitions === 1 ? 20 : 600));
    const values = [
      integer(1),
      bin(Buffer.alloc(48)),
      bin(Buffer.alloc(8179)),
      bin(Buffer.alloc(70_000)),
    ];
    const valueFor = (i: number): Wire => values[i % 10 === 0 ? (i / 10) % 4 : i % 2]!;
    // Small ones first, so that a segment splits while there are pages.
    for (let i = 0; i < 12_000; i++) {
      bench.executor.execute(frame(1, command('SET', str(`k${i}`), NIL)), undefined);
    }
    expect(bench.arena.stats().tableSplits).toBe(partitions === 1 ? 1 : 0);
    for (let i = 0; i < 60_000; i++) {
      const key = str(`key ${i}`);
      bench.executor.execute(
        frame(1, command('SET', key, valueFor(i), integer(60_000))),
        undefined,
      );
      if (i % 7 !== 0) continue;
      const [value, left] = bench.run(command('GET', key), command('TTL', key));
      const wrong = difference(value!, valueFor(i)) ?? difference(left!, integer(60_000));
      if (wrong) throw new Error(`key ${i}: ${wrong}`);
    }
    expect(memory.header('poolBump')).toBe(end);
    expect(bench.arena.stats().evictions).toBeGreaterThan(1000);
    // The pages that are said to be in use are nobody's; everything else is well.
    expect(bench.arena.checkIntegrity()).toMatch(/^BROKEN_PAGE_TOTAL/);
  });
});
