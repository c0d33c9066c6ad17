/** Records that another node tells, on a node that has several arenas. */
import { describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { LOG_SET, VALUE_LEFT_OUT, writeRecord } from '#engine/log-record.js';
import { ReplicaSet } from '#engine/replica-set.js';
import { MIB } from '../support/kernel-memory.js';
import { integer } from '../support/kernel-wire.js';

const NOW_MS = 1_900_000_000_000;
const stampOf = (i: number): bigint => (BigInt(NOW_MS) << 22n) | (BigInt(i) << 10n) | 7n;

function open(arenas: number, node?: number): ArenaSet {
  const options = { memoryBytes: 16 * MIB, policy: 'none', maxValueBytes: MIB } as const;
  return ArenaSet.create({ ...options, maxThreads: 1, arenas, node });
}

describe.each([1, 3])('of %d arenas', (arenas) => {
  it('each key is applied to its own, and what is missing is told by its place in the run', () => {
    const set = open(arenas, 1);
    const replicas = new ReplicaSet(set);
    const keys = Array.from({ length: 60 }, (_, i) => Buffer.from(`key ${i}`));
    const places: number[] = [];
    let length = 0;
    const records = keys.map((key, i) => {
      const isLeftOut = i % 10 === 9;
      const value = isLeftOut ? Buffer.alloc(0) : integer(i);
      const detail = isLeftOut ? VALUE_LEFT_OUT : 0;
      const record = writeRecord({ kind: LOG_SET, key, stamp: stampOf(i), detail, value });
      if (isLeftOut) places.push(length);
      length += record.length;
      return record;
    });
    const done = replicas.applyRecords(Buffer.concat(records), NOW_MS);
    expect([done.applied, done.refused, done.unstored]).toEqual([54, 0, []]);
    expect([...done.missing].sort((a, b) => a - b)).toEqual(places);
    expect(done.highestStamp).toBe(stampOf(59));
    expect(replicas.clock()).toBe(stampOf(59));
    for (const [i, key] of keys.entries()) {
      const { stamp } = replicas.of(key).stampOf(key, NOW_MS);
      expect(stamp).toBe(i % 10 === 9 ? 0n : stampOf(i));
    }
    expect(set.stats().entries).toBe(54);
    for (const arena of set.arenas) expect(arena.stats().entries).toBeGreaterThan(0);
    replicas.raiseClock(stampOf(99));
    expect(replicas.clock()).toBe(stampOf(99));
  });
});

describe('what is wrong', () => {
  it('is a set of no node', () => {
    expect(() => new ReplicaSet(open(2))).toThrow('was not made with the option node');
  });

  it('is what is no record: then nothing is applied', () => {
    const set = open(2, 1);
    const good = writeRecord({
      kind: LOG_SET,
      key: Buffer.from('a'),
      stamp: 1n,
      value: integer(1),
    });
    const act = () =>
      new ReplicaSet(set).applyRecords(Buffer.concat([good, Buffer.alloc(8)]), NOW_MS);
    expect(act).toThrow(`at byte ${good.length}`);
    expect(set.stats().entries).toBe(0);
  });
});
