/** Writing into values that lie in chunks, in chains of pieces and in whole pages. */
import { beforeEach, describe, expect, it } from 'vitest';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { LARGE_BYTES } from '#engine/large.js';
import { Bench, Entry, KIB, MIB, PAGE_PAYLOAD } from '../support/kernel-memory.js';
import {
  bin,
  command,
  difference,
  error,
  integer,
  type Name,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const KEYS = { short: Buffer.from('key'), long: Buffer.alloc(3000, 'long key ') };
const NOISE = Buffer.alloc(5 * MIB);
for (let i = 0; i < NOISE.length; i += 4)
  NOISE.writeUInt32LE(Math.imul(i + 1, 0x9e3779b1) >>> 0, i);

const errorOf = (name: string): Wire => error(KERNEL_ERROR_TEXTS[name]!);

/** Compared without the time that an assertion takes to look at every byte. */
function expectWire(found: Wire, expected: Wire): void {
  expect(difference(found, expected)).toBeUndefined();
}

describe.each(Object.entries(KEYS))('with a %s key', (_name, key) => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench({ memoryBytes: 64 * MIB, policy: 'none', maxValueBytes: 16 * MIB });
  });

  const run = (name: Name, ...args: Wire[]): Wire => {
    const reply = bench.one(command(name, str(key), ...args));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    return reply;
  };
  const expectValue = (content: Buffer): void => {
    expectWire(run('GET'), bin(content));
    expect(run('STRLEN')).toEqual(integer(content.length));
    expect(bench.arena.stats().payloadBytes).toBe(key.length + bin(content).length);
  };

  it.each([1, 100, 5000, 70_000])('APPEND of %i bytes again and again', (step) => {
    const most = step < 1000 ? 300 * step : 40 * step;
    for (let length = step; length <= most; length += step) {
      const data = NOISE.subarray(length - step, length);
      expect(run('APPEND', bin(data))).toEqual(integer(length));
    }
    expectValue(NOISE.subarray(0, most));
    // Whatever the steps: a chain is made of pieces that are full, but for the last one.
    const { chunkBytes, payloadBytes } = bench.arena.stats();
    expect(chunkBytes).toBeLessThan(
      payloadBytes * 1.15 + (most > LARGE_BYTES ? 128 * KIB : 1 * KIB),
    );
  });

  it.each([
    ['within a chunk', 20, 15],
    ['to a longer head', 250, 10],
    ['out of the chunk', 8000, 300],
    ['to another piece', 16_000, 1000],
    ['to a head of 5 bytes', 65_500, 100],
    ['to whole pages', LARGE_BYTES - 5000, 10_000],
    ['to another page', 20 * PAGE_PAYLOAD - 10, 100],
    ['over several pages', 17 * PAGE_PAYLOAD + 5, 900 * KIB],
  ])('APPEND and SETRANGE %s', (_what, length, more) => {
    const old = NOISE.subarray(0, length);
    const data = NOISE.subarray(1000, 1000 + more);
    for (const offset of [length, length - 7, length + 9]) {
      expect(run('SET', bin(old), integer(60_000))).toEqual(TRUE);
      const content = Buffer.alloc(offset + more);
      old.copy(content);
      data.copy(content, offset);
      const isAppend = offset === length;
      const reply = isAppend
        ? run('APPEND', str(data))
        : run('SETRANGE', integer(offset), str(data));
      expect(reply).toEqual(integer(content.length));
      expectValue(content);
      expect(run('TTL')).toEqual(integer(60_000));
      for (const [start, end] of [
        [0, -1],
        [-5000, -1],
        [offset - 3, offset + 3],
      ] as const) {
        const behind = end < 0 ? content.length : end + 1;
        const from = start < 0 ? Math.max(0, content.length + start) : start;
        const range = run('GETRANGE', integer(start), integer(end));
        expectWire(range, bin(content.subarray(from, behind)));
      }
    }
  });

  it('writes into a value of whole pages where it stands', () => {
    const old = NOISE.subarray(0, 3 * MIB);
    run('SET', bin(old));
    const before = bench.memory.entry(key);
    const pages = bench.arena.stats().chunkBytes;
    const data = Buffer.alloc(100_000, 7);
    for (const offset of [0, MIB, 3 * MIB - 100_000]) run('SETRANGE', integer(offset), bin(data));
    run('APPEND', bin('x'));
    const content = Buffer.concat([old, Buffer.from('x')]);
    for (const offset of [0, MIB, 3 * MIB - 100_000]) data.copy(content, offset);
    expectValue(content);
    expect(bench.memory.entry(key)).toBe(before);
    expect(bench.arena.stats().chunkBytes).toBe(pages);
  });

  it('gives a version that was handed out a new one', () => {
    for (const length of [10, 9000, 2 * MIB]) {
      run('SET', bin(NOISE.subarray(0, length)));
      // Where only the version is looked at: at its end.
      const versionOf = (): bigint => run('GETV').subarray(-9).readBigUInt64BE(1);
      let last = versionOf();
      for (const change of [
        () => run('APPEND', bin('more')),
        () => run('SETRANGE', integer(3), str('x')),
      ]) {
        change();
        const next = versionOf();
        expect(next).toBeGreaterThan(last);
        last = next;
      }
      expect(run('SETRANGE', integer(3), str(''))).toEqual(integer(length + 4));
      expect(versionOf()).toBe(last);
    }
  });

  it('GETEX and GETDEL of a value that fits no reply area', () => {
    const value = bin(NOISE.subarray(0, 3 * MIB));
    run('SET', value);
    expectWire(run('GETEX', integer(5000)), value);
    expect(run('TTL')).toEqual(integer(5000));
    expectWire(run('GETEX', NIL), value);
    expectWire(run('GETEX'), value);
    expect(run('TTL')).toEqual(integer(5000));
    expectWire(run('GETEX', integer(0)), value);
    expect(run('TTL')).toEqual(integer(-1));
    expectWire(run('GETDEL'), value);
    expect(run('GETDEL')).toEqual(NIL);
    const { hits, misses, deletes, entries } = bench.arena.stats();
    expect([hits, misses, deletes, entries]).toEqual([5, 1, 1, 0]);
  });

  it('refuses what would be larger than a value may be, and changes nothing', () => {
    const old = NOISE.subarray(0, 2 * MIB);
    run('SET', bin(old));
    const tooLarge = errorOf('ERROR_VALUE_TOO_LARGE');
    const most = 16 * MIB;
    const i64 = 2n ** 63n - 1n;
    for (const offset of [most, most - 5, most + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53, i64]) {
      expect(run('SETRANGE', integer(offset), bin('x'))).toEqual(tooLarge);
    }
    expectValue(old);
    expect(run('SETRANGE', integer(most - 6), bin('x'))).toEqual(integer(most - 5));
    expect(run('APPEND', bin('x'))).toEqual(tooLarge);
  });
});

describe('where there is no memory', () => {
  it.each([10_000, 500_000, 2 * MIB])('a value of %i bytes stays what it was', (length) => {
    const bench = new Bench({ memoryBytes: 8 * MIB, policy: 'none', maxValueBytes: 7 * MIB });
    const value = bin(NOISE.subarray(0, length));
    expect(bench.one(command('SET', str('key'), value))).toEqual(TRUE);
    const filling = bin(NOISE.subarray(0, 60_000));
    for (let i = 0; i < 200; i++) bench.one(command('SET', str(`filling ${i}`), filling));
    const { chunkBytes } = bench.arena.stats();
    const data = bin(NOISE.subarray(0, 300_000));
    for (const write of [
      command('APPEND', str('key'), data),
      command('SETRANGE', str('key'), integer(length - 10), data),
      command('SETRANGE', str('new'), integer(1000), data),
    ]) {
      expect(bench.one(write)).toEqual(errorOf('ERROR_OUT_OF_MEMORY'));
      expect(bench.arena.checkIntegrity()).toBeUndefined();
      expectWire(bench.one(command('GET', str('key'))), value);
    }
    // The last piece may have moved to a larger chunk.
    expect(bench.arena.stats().chunkBytes - chunkBytes).toBeLessThanOrEqual(8 * KIB);
  });

  it('others are evicted, and the value is not', () => {
    for (const policy of ['lru', 'clock', 's3fifo', 'lfu', 'adaptive'] as const) {
      const bench = new Bench({
        memoryBytes: 4 * MIB,
        policy,
        maxValueBytes: 3 * MIB,
        partitions: 2,
      });
      const filling = bin(NOISE.subarray(0, 3000));
      bench.one(command('SET', str('key'), bin('')));
      for (let i = 0; i < 2000; i++) bench.one(command('SET', str(`filling ${i}`), filling));
      bench.one(command('SET', str('key'), bin('')));
      for (let length = 700; length <= 1_400_000; length += 700) {
        const data = bin(NOISE.subarray(length - 700, length));
        expect(bench.one(command('APPEND', str('key'), data))).toEqual(integer(length));
        if (length % 7000 === 0) expect(bench.arena.checkIntegrity()).toBeUndefined();
      }
      expectWire(bench.one(command('GET', str('key'))), bin(NOISE.subarray(0, 1_400_000)));
    }
  });
});

it('a value keeps its type, and a new one has that of what is written', () => {
  const bench = new Bench();
  const cases = [
    [str('a'), bin('b'), str('ab')],
    [bin('a'), str('b'), bin('ab')],
    [undefined, str('b'), str('b')],
    [undefined, bin('b'), bin('b')],
    // A head that is longer than it need be becomes as short as can be.
    [str('a', 4), bin('b'), str('ab')],
    [bin('a', 2), bin(''), bin('a')],
  ] as const;
  for (const [old, data, expected] of cases) {
    bench.one(command('DEL', str('k')));
    if (old !== undefined) bench.one(command('SET', str('k'), old));
    bench.one(command('APPEND', str('k'), data));
    expect(bench.one(command('GET', str('k')))).toEqual(expected);
    expect(bench.memory.u8(bench.memory.entry(Buffer.from('k')) + Entry.flags)).toBe(0);
  }
});
