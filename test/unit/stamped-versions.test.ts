/**
 * Versions of a node that is one of several are stamps, which no number holds: nothing of them gets
 * lost on the way to the host and back, also of values that do not fit the areas of a thread.
 */
import { describe, expect, it } from 'vitest';
import { SetFlag } from '#engine/commands.js';
import { Desk } from '#engine/desk.js';
import { SetArguments } from '#engine/setoptions.js';
import { MIB } from '../support/kernel-memory.js';
import { bin, command, FALSE, integer, integerOf, NIL, str, TRUE } from '../support/kernel-wire.js';
import { StampedBench } from '../support/stamped-arena.js';

const OPTIONS = { memoryBytes: 32 * MIB, maxValueBytes: 4 * MIB };
const LENGTHS = [10, 2 * MIB];

describe.each(LENGTHS)('of a value of %d bytes', (length) => {
  const value = bin(Buffer.alloc(length));

  it('the version that the host is told is the stamp, and the only one that is met', () => {
    const bench = new StampedBench(1000, OPTIONS, Date.now());
    const desk = new Desk(bench.arena);
    const word = () => desk.writeKey('key');
    expect(desk.storeLarge(word(), [value], 0, 0, 0).stored).toBe(true);
    const { stamp } = bench.records()[0]!;
    const found = desk.readLargeVersioned('key')!;
    expect(found.bytes).toHaveLength(value.length);
    expect(found.version).toBe(stamp);
    const store = (version: bigint) =>
      desk.storeLarge(word(), [value], 0, SetFlag.IF_VERSION, version).stored;
    expect([store(stamp - 1n), store(stamp + 1n), store(stamp), store(stamp)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it('it is the same on the wire', () => {
    const bench = new StampedBench(1000, OPTIONS, Date.now());
    expect(bench.one(command('SET', str('key'), value))).toEqual(TRUE);
    const { stamp } = bench.records()[0]!;
    const reply = bench.one(command('GETV', str('key')));
    expect(integerOf(reply.subarray(-9))).toBe(stamp);
    const set = (version: bigint) =>
      bench.one(command('SET', str('key'), value, NIL, integer(16), integer(version)));
    expect([set(stamp - 1n), set(stamp), set(stamp)]).toEqual([FALSE, TRUE, FALSE]);
  });
});

describe('as an option', () => {
  it('is a whole number of up to 64 bits', () => {
    expect(new SetArguments().read({ ifVersion: 2n ** 64n - 1n }, 0).version).toBe(2n ** 64n - 1n);
    for (const ifVersion of [2n ** 64n, -1n, 0.5, -1]) {
      expect(() => new SetArguments().read({ ifVersion }, 0)).toThrow(
        'ifVersion must be a version',
      );
    }
  });
});
