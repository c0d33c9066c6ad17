/** Commands on several keys: all or nothing, and pages that come from partitions which are held. */
import { describe, expect, it } from 'vitest';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { Bench, KIB, MIB } from '../support/kernel-memory.js';
import {
  array,
  bin,
  CODES,
  command,
  error,
  FALSE,
  integer,
  NIL,
  shown,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const errorOf = (name: string): Wire => error(KERNEL_ERROR_TEXTS[name]!);
const blob = (length: number, byte: number): Wire => bin(Buffer.alloc(length, byte));

/** Keys of a partition. */
function* keysOf(bench: Bench, partition: number, name: string): Generator<string> {
  for (let i = 0; ; i++) {
    const key = `${name} ${i}`;
    if (bench.memory.partitionIndexOf(Buffer.from(key)) === partition) yield key;
  }
}

const firstOf = (bench: Bench, partition: number, name: string): string =>
  keysOf(bench, partition, name).next().value as string;

describe.each(['lru', 'clock', 's3fifo', 'lfu', 'adaptive'] as const)('policy %s', (policy) => {
  it.each(['MSET', 'COPY'])('%s takes pages of a partition that it holds itself', (name) => {
    const bench = new Bench({ memoryBytes: 2 * MIB, policy, partitions: 2, maxValueBytes: MIB });
    const filling = keysOf(bench, 1, 'filling');
    for (let i = 0; i < 3000; i++) {
      bench.one(command('SET', str(filling.next().value as string), blob(1000, 1)));
    }
    const [here, there] = [firstOf(bench, 0, 'here'), firstOf(bench, 1, 'there')];
    const value = blob(300_000, 2);
    if (name === 'COPY') bench.one(command('SET', str(there), value));
    const wire =
      name === 'COPY'
        ? command('COPY', str(there), str(here))
        : command('MSET', str(here), value, str(there), value);
    expect(bench.one(wire)).toEqual(TRUE);
    const [a, b] = bench.run(command('GET', str(here)), command('GET', str(there)));
    expect([a!.equals(value), b!.equals(value)]).toEqual([true, true]);
    expect(bench.arena.stats().takeovers).toBe(0);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('MSET for which there is no memory leaves no key the new value', () => {
    const bench = new Bench({
      memoryBytes: 1 * MIB,
      policy,
      partitions: 2,
      maxValueBytes: 900 * KIB,
    });
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    for (const key of keys) bench.one(command('SET', str(key), str('old')));
    const small = keys.flatMap((key) => [str(key), str('new')]);
    const reply = bench.one(command('MSET', ...small, str('large'), blob(800 * KIB, 1)));
    expect(reply).toEqual(errorOf('ERROR_OUT_OF_MEMORY'));
    const found = bench.run(...keys.map((key) => command('GET', str(key))));
    expect(found.filter((value) => !value.equals(NIL) && !value.equals(str('old')))).toEqual([]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

describe('policy none', () => {
  const open = (more = {}): Bench =>
    new Bench({ memoryBytes: 1 * MIB, policy: 'none', partitions: 2, ...more });

  it('MSET for which there is no memory changes nothing', () => {
    const bench = open({ memoryBytes: 6 * MIB });
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    for (const [i, key] of keys.entries()) {
      const ttl = integer(i % 2 === 0 ? 0 : 50_000);
      expect(bench.one(command('SET', str(key), blob(100 * i, 1), ttl))).toEqual(TRUE);
    }
    const fill = (i: number): Wire =>
      bench.one(command('SET', str(`filling ${i}`), blob(60_000, 1)));
    for (let i = 0; fill(i).equals(TRUE); i++);
    for (let i = 0; i < 14; i++) bench.one(command('DEL', str(`filling ${i}`)));
    const before = bench.arena.stats();
    const pairs = keys.flatMap((key, i) => [str(key), blob(50 * i, 2), str(`new ${key}`), NIL]);
    for (const ttl of [[], [integer(7000)]]) {
      const reply = bench.one(command('MSET', ...pairs, str('large'), blob(900_000, 3), ...ttl));
      expect(reply).toEqual(errorOf('ERROR_OUT_OF_MEMORY'));
      expect(bench.arena.checkIntegrity()).toBeUndefined();
      const { entries, payloadBytes, chunkBytes, sets, deletes } = bench.arena.stats();
      expect({ entries, payloadBytes, sets, deletes }).toEqual({
        entries: before.entries,
        payloadBytes: before.payloadBytes,
        sets: before.sets,
        deletes: before.deletes,
      });
      // Blocks of the wheel may be left for the next ones.
      expect(chunkBytes - before.chunkBytes).toBeLessThan(8 * KIB);
      for (const [i, key] of keys.entries()) {
        expect(shown(bench.one(command('GET', str(key))))).toBe(shown(blob(100 * i, 1)));
        const left = bench.one(command('TTL', str(key)));
        expect(left).toEqual(integer(i % 2 === 0 ? -1 : 50_000));
      }
    }
  });

  it('MSET counts keys against maxEntries as they are in the end', () => {
    const bench = open({ partitions: 1, maxEntries: 3 });
    const mset = (...keys: string[]): Wire =>
      bench.one(command('MSET', ...keys.flatMap((key) => [str(key), str(key)])));
    expect(mset('a', 'b')).toEqual(TRUE);
    expect(mset('a', 'b', 'c', 'a', 'c')).toEqual(TRUE);
    expect(mset('a', 'd')).toEqual(errorOf('ERROR_ENTRIES_FULL'));
    expect(mset('c', 'b', 'a')).toEqual(TRUE);
    expect(bench.arena.stats().entries).toBe(3);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('gives versions that were handed out new ones', () => {
    const bench = open();
    /** The reply is [nil, version], the version in 9 bytes: it begins with the time. */
    const versionOf = (key: string): bigint => {
      const reply = bench.one(command('GETV', str(key)));
      return reply.subarray(-8).readBigUInt64BE();
    };
    bench.run(command('MSET', str('a'), NIL, str('b'), NIL), command('SET', str('c'), NIL));
    const before = versionOf('a');
    bench.one(command('MSET', str('a'), NIL, str('b'), NIL));
    const after = versionOf('a');
    expect(after).toBeGreaterThan(before);
    bench.one(command('RENAME', str('c'), str('a')));
    expect(versionOf('a')).toBeGreaterThan(after);
  });
});

describe('MGET', () => {
  it('replies more values than fit one area with an error, and runs what comes behind', () => {
    const bench = new Bench({ memoryBytes: 32 * MIB, maxValueBytes: 4 * MIB });
    const large = blob(700_000, 1);
    bench.run(command('SET', str('a'), large), command('SET', str('b'), large));
    const mget = (...keys: string[]): Wire => command('MGET', ...keys.map((key) => str(key)));
    const replies = bench.run(command('PING'), mget('a'), mget('a', 'b'), mget('x'), mget('b'));
    expect(replies[1]!.equals(array([large]))).toBe(true);
    expect(replies[2]).toEqual(errorOf('ERROR_TOO_MANY_VALUES'));
    expect(replies[3]).toEqual(array([NIL]));
    expect(replies[4]!.equals(array([large]))).toBe(true);
    const many = (count: number): Wire =>
      array([integer(CODES.MGET), ...Array.from({ length: count }, () => str('x'))]);
    expect(bench.one(many(70_000)).length).toBe(5 + 70_000);
    expect(bench.one(many(210_000))).toEqual(errorOf('ERROR_TOO_MANY_VALUES'));
  });

  it('counts hits and misses', () => {
    const bench = new Bench();
    bench.run(command('SET', str('a'), NIL), command('SET', str('b'), NIL, integer(5)));
    bench.nowMs += 5;
    expect(bench.one(command('MGET', str('a'), str('b'), str('c'), str('a')))).toEqual(
      array([NIL, NIL, NIL, NIL]),
    );
    const { hits, misses, entries, expired } = bench.arena.stats();
    expect({ hits, misses, entries, expired }).toEqual({
      hits: 2,
      misses: 2,
      entries: 1,
      expired: 1,
    });
  });
});

it('MSETNX stores nothing when any key is there', () => {
  for (const policy of ['none', 'lru'] as const) {
    const bench = new Bench({ policy, partitions: 4 });
    bench.one(command('SET', str('c'), str('old')));
    const nx = (...keys: string[]): Wire =>
      bench.one(command('MSETNX', ...keys.flatMap((key) => [str(key), str('new')])));
    expect(nx('a', 'b', 'c')).toEqual(FALSE);
    expect(nx('a', 'b', 'a')).toEqual(TRUE);
    expect(nx('b')).toEqual(FALSE);
    const found = bench.one(command('MGET', str('a'), str('b'), str('c')));
    expect(found).toEqual(array([str('new'), str('new'), str('old')]));
  }
});
