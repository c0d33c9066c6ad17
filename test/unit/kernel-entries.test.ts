/**
 * Entries of all shapes: in one chunk, in a chain, with their key in the chain; and what once went
 * wrong with them.
 */
import { describe, expect, it } from 'vitest';
import { Bench, Entry, Flag } from '../support/kernel-memory.js';
import {
  bin,
  command,
  difference,
  FALSE,
  integer,
  integerOf,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const CHUNK = 8192;
const NONE = integer(0);
const IFVERSION = integer(16);

/** The version that GETV tells. */
function versionOf(bench: Bench, key: Wire): bigint {
  const [, version] = valuesOf(bench.one(command('GETV', key)).subarray(1));
  return integerOf(version!);
}

describe('entries', () => {
  // Found by the model test. A key of 8 KiB leaves no room for its value in the same chunk, so the
  // value stands in a chain, and INCR took every chained value for a blob: the second INCR of such
  // a key answered WRONGTYPE.
  it.each([2048, 8174, 8175, 8183, 8184, 65_535])('count under a key of %d bytes', (length) => {
    const bench = new Bench();
    const key = str(Buffer.alloc(length, 'k'));
    for (const sum of [1, 2, 3]) expect(bench.one(command('INCR', key))).toEqual(integer(sum));
    const more = integer(2n ** 40n);
    expect(bench.one(command('INCR', key, more))).toEqual(integer(2n ** 40n + 3n));
    expect(bench.one(command('GET', key))).toEqual(integer(2n ** 40n + 3n));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  // A key of 5 bytes, a header of 6, a bin's header of 3: what is left of the largest chunk, and
  // some more or less.
  const full = CHUNK - 6 - 5 - 3;
  const lengths = [-17, -16, -15, -9, -8, -7, -1, 0, 1, 8, 9].map((more) => full + more);
  it.each(lengths)('keep a value of %d bytes when fields come and go', (length) => {
    const bench = new Bench();
    const { memory } = bench;
    const key = str('chunk');
    const value = bin(Buffer.from(Array.from({ length }, (_, i) => i % 251)));
    const flags = (): number => memory.flags(memory.entry(Buffer.from('chunk')));
    const check = (fields: number): void => {
      expect(flags() & ~Flag.CHAINED).toBe(fields);
      expect(difference(bench.one(command('GET', key)), value)).toBeUndefined();
      expect(bench.arena.stats().payloadBytes).toBe(5 + value.length);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    };
    expect(bench.one(command('SET', key, value))).toEqual(TRUE);
    expect(flags() & Flag.CHAINED).toBe(length > full ? Flag.CHAINED : 0);
    check(0);
    const version = versionOf(bench, key);
    check(Flag.VERSION);
    expect(bench.one(command('EXPIRE', key, integer(1000)))).toEqual(TRUE);
    expect(flags() & Flag.CHAINED).toBe(length > full - 16 ? Flag.CHAINED : 0);
    check(Flag.VERSION | Flag.EXPIRY);
    expect(bench.one(command('TTL', key))).toEqual(integer(1000));
    expect(versionOf(bench, key)).toBe(version);
    expect(bench.one(command('PERSIST', key))).toEqual(TRUE);
    check(Flag.VERSION);
    expect(bench.one(command('SET', key, value, NIL, IFVERSION, integer(version)))).toEqual(TRUE);
    check(Flag.VERSION);
    expect(versionOf(bench, key)).toBeGreaterThan(version);
  });

  it.each([1, 2047, 2048, 2049, 8175, 8176, 8177, 16_352, 65_535])(
    'tell keys of %d bytes apart',
    (length) => {
      const bench = new Bench();
      const keys = ['a', 'b', 'c'].map((end) => str(`${'k'.repeat(length - 1)}${end}`));
      // In a chunk where there is room for both, and in chains.
      for (const value of [integer(1), bin(Buffer.alloc(9000, 7)), bin(Buffer.alloc(100, 8))]) {
        for (const [i, key] of keys.entries()) {
          expect(bench.one(command('SET', key, value))).toEqual(TRUE);
          expect(bench.one(command('EXISTS', ...keys))).toEqual(integer(i + 1));
        }
        for (const key of keys)
          expect(difference(bench.one(command('GET', key)), value)).toBeUndefined();
        for (const [i, key] of keys.entries()) {
          expect(bench.one(command('DEL', key, key))).toEqual(integer(1));
          expect(bench.one(command('EXISTS', ...keys))).toEqual(integer(2 - i));
        }
      }
      expect(bench.arena.stats()).toMatchObject({ entries: 0, payloadBytes: 0, slabPages: 0 });
    },
  );

  it.each([
    ['all 32 bits of their hash', 'key:lj0p.', 'key:1090h', 0xffff_ffff],
    ['tag and bucket', longKey(2049, 'kkkk0000'), longKey(2049, '00063189'), 0x3_ffff],
    // These differ in the second piece of their chains only.
    ['tag and bucket', longKey(8200, '00000000'), longKey(8200, '00234680'), 0x3_ffff],
  ] as [string, string, string, number][])('tell keys apart that share %s', (_, one, two, mask) => {
    const bench = new Bench();
    const [oneHash, twoHash] = [one, two].map((key) => bench.memory.hash(Buffer.from(key)));
    expect(((oneHash! ^ twoHash!) & mask) >>> 0).toBe(0);
    for (const value of [integer(1), bin(Buffer.alloc(9000, 1))]) {
      bench.run(command('SET', str(one), value), command('SET', str(two), integer(2)));
      const [first, second] = bench.run(command('GET', str(one)), command('GET', str(two)));
      expect(difference(first!, value)).toBeUndefined();
      expect(second).toEqual(integer(2));
      expect(bench.arena.stats().entries).toBe(2);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
      expect(bench.one(command('DEL', str(one)))).toEqual(integer(1));
      expect(bench.one(command('GET', str(one)))).toEqual(NIL);
      expect(bench.one(command('GET', str(two)))).toEqual(integer(2));
    }
  });

  it('go back to the pool with all pieces of their chains', () => {
    const bench = new Bench();
    const key = str('k');
    for (const length of [8170, 8190, 100_000, 17, 300_000, 8176 * 3, 1, 500_000]) {
      const value = bin(Buffer.alloc(length, length));
      bench.one(command('SET', key, value));
      expect(difference(bench.one(command('GET', key)), value)).toBeUndefined();
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    }
    bench.one(command('DEL', key));
    expect(bench.arena.stats()).toMatchObject({ chunkBytes: 0, slabPages: 0 });
  });
});

/** A key that goes into the chain with its value. */
function longKey(length: number, end: string): string {
  return `${'k'.repeat(length - end.length)}${end}`;
}

describe('versions', () => {
  const key = str('k');
  const setIf = (version: bigint): Wire =>
    command('SET', key, integer(9), NIL, IFVERSION, integer(version));

  it('cost an entry nothing until somebody asks', () => {
    const bench = new Bench();
    bench.run(command('SET', key, integer(1)), command('SET', key, integer(2)));
    expect(bench.memory.flags(bench.memory.entry(Buffer.from('k')))).toBe(0);
    versionOf(bench, key);
    expect(bench.memory.flags(bench.memory.entry(Buffer.from('k')))).toBe(Flag.VERSION);
  });

  it('stay while the entry stays, whatever happens to its expiry', () => {
    const bench = new Bench();
    bench.one(command('SET', key, integer(1)));
    const version = versionOf(bench, key);
    for (const other of [
      command('GET', key),
      command('TOUCH', key),
      command('EXPIRE', key, integer(1000)),
      command('PERSIST', key),
      command('SET', key, integer(5), NIL, integer(1)),
      command('SET', str('other'), integer(5)),
    ]) {
      bench.one(other);
      expect(versionOf(bench, key)).toBe(version);
    }
    expect(bench.one(setIf(version))).toEqual(TRUE);
  });

  it.each([
    ['SET', command('SET', key, integer(2))],
    ['SET of the same value', command('SET', key, integer(1))],
    ['SET of a value in a chain', command('SET', key, bin(Buffer.alloc(20_000)))],
    ['SET with a TTL', command('SET', key, integer(1), integer(1000))],
    ['INCR', command('INCR', key)],
    ['INCR by 0', command('INCR', key, NONE)],
  ])('change with %s', (_, write) => {
    const bench = new Bench();
    bench.one(command('SET', key, integer(1)));
    const version = versionOf(bench, key);
    bench.one(write);
    expect(bench.one(setIf(version))).toEqual(FALSE);
    const next = versionOf(bench, key);
    expect(next).toBeGreaterThan(version);
    expect(bench.one(setIf(next))).toEqual(TRUE);
    expect(bench.one(setIf(next))).toEqual(FALSE);
  });

  it('do not come back with a key that was away', () => {
    const bench = new Bench();
    const old: bigint[] = [];
    const ways: ((bench: Bench) => void)[] = [
      ({ run }) => run.call(bench, command('DEL', key)),
      () => {
        bench.one(command('EXPIRE', key, integer(1)));
        bench.nowMs += 1;
      },
      () => bench.arena.clear(),
    ];
    for (const goAway of [...ways, ...ways]) {
      bench.one(command('SET', key, integer(1)));
      for (const version of old) expect(bench.one(setIf(version))).toEqual(FALSE);
      old.push(versionOf(bench, key));
      expect(new Set(old).size).toBe(old.length);
      goAway(bench);
      for (const version of old) expect(bench.one(setIf(version))).toEqual(FALSE);
      expect(bench.one(command('EXISTS', key))).toEqual(NONE);
    }
  });

  it('begin where those of an arena made earlier cannot have got to', () => {
    const earlier = new Bench();
    earlier.one(command('SET', key, integer(1)));
    const version = versionOf(earlier, key);
    const later = new Bench();
    later.one(command('SET', key, integer(1)));
    // 1024 for every millisecond since 1970: an arena would have to hand out more of them to catch
    // up with its successor.
    expect(version).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1024n);
    expect(versionOf(later, key)).toBeGreaterThanOrEqual(version);
  });
});

describe('a wrong command', () => {
  it('of many keys touches none of them', () => {
    const bench = new Bench();
    bench.one(command('SET', str('a'), integer(1)));
    for (const wrong of [NIL, str(''), integer(5), bin(Buffer.alloc(65_536))]) {
      const reply = bench.one(command('DEL', str('a'), str('b'), wrong));
      expect(reply.toString('latin1')).toContain('SYNTAX a key is');
      expect(bench.one(command('EXISTS', str('a')))).toEqual(integer(1));
    }
    expect(bench.arena.stats().deletes).toBe(0);
  });

  it('does not reach an entry that has expired', () => {
    const bench = new Bench();
    bench.one(command('SET', str('a'), integer(1), integer(5)));
    const entry = bench.memory.entry(Buffer.from('a'));
    bench.nowMs += 5;
    bench.run(command('EXPIRE', str('a'), integer(-1)), command('SET', str('a'), NIL, str('x')));
    expect(bench.memory.u16(entry + Entry.valueBytes)).toBe(1);
    expect(bench.arena.stats()).toMatchObject({ entries: 1, expired: 0 });
  });
});

describe('names of commands', () => {
  it.each(['GET\0', 'GET\0\0\0', '\0', 'GETV\0', 'GE', 'GETVV', 'G\0T', ' GET', 'GET '])(
    'are not matched by %j',
    (name) => {
      const bench = new Bench();
      const reply = bench.one(Buffer.concat([Buffer.of(0x92), str(name), str('k')]));
      expect(reply.toString('latin1', 3)).toMatch(/^UNKNOWN /);
    },
  );
});
