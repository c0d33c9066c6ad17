/** Slots of keys: those of a Redis Cluster, whatever the key; and the tables that say whose they are. */
import { describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { Access, Service, SLOT_COUNT, SlotTable } from '#engine/slot-table.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { createArena, KIB, MIB } from '../support/kernel-memory.js';
import { slotOf } from '../support/slot-twin.js';

const arena = createArena({ slots: true });

function slotInKernel(key: string | Uint8Array): number {
  const bytes = Buffer.from(key as string);
  arena.request.set(bytes);
  return arena.kernel.slotOfKey(arena.slot, bytes.length);
}

describe('the slot of a key', () => {
  // From the specification of Redis Cluster, and from CLUSTER KEYSLOT.
  it.each([
    ['123456789', 0x31c3],
    ['foo', 12_182],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['user1000', 3443],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['bar', 5061],
  ])('%s is %i', (key, slot) => {
    expect(slotInKernel(key)).toBe(slot);
    expect(slotOf(Buffer.from(key))).toBe(slot);
  });

  it('is that of the twin for keys of every length', () => {
    const random = new Random(1);
    for (const length of [...Array(300).keys(), 4095, 65_534].map((bytes) => bytes + 1)) {
      for (let i = 0; i < 5; i++) {
        const key = random.bytes(length);
        expect(slotInKernel(key), key.toString('hex')).toBe(slotOf(key));
      }
    }
  });

  const seed = freshSeed();
  it(`is that of the twin for keys full of braces (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let i = 0; i < 20_000; i++) {
      const key = Array.from({ length: random.between(1, 40) }, () =>
        random.pick(['{', '}', 'a', 'b', '\u007f', '\u00ff']),
      ).join('');
      const bytes = Buffer.from(key, 'latin1');
      expect(slotInKernel(bytes), key).toBe(slotOf(bytes));
    }
  });

  it('does not depend on what stands in front of it', () => {
    const { request, kernel, slot } = arena;
    for (const before of [0, 0xff, 0x7b]) {
      request.fill(before, 0, 64);
      request.set(Buffer.from([1, 0x92, 0x10, 0xa3, ...Buffer.from('foo')]), 32);
      new SlotTable({ arenas: [arena] }).setServiceFrom(0, SLOT_COUNT, Service.NONE);
      new SlotTable({ arenas: [arena] }).setService(12_182, Service.ALL);
      expect(kernel.findElsewhere(slot, 33, 39, Access.OWNER)).toBe(39);
    }
  });
});

describe('a table of slots', () => {
  const set = ArenaSet.create({
    memoryBytes: 3 * 4 * MIB,
    partitions: 1,
    policy: 'none',
    maxValueBytes: 64 * KIB,
    maxThreads: 2,
    arenas: 3,
    slots: true,
  });
  const table = new SlotTable(set);

  it('says of each slot what was set, to every thread', () => {
    const other = new SlotTable(ArenaSet.attach(set.handle));
    expect([other.serviceOf(0), other.targetsOf(0)]).toEqual([Service.NONE, 0n]);
    table.setService(5, Service.READS);
    table.setServiceFrom(7, 9, Service.ALL | Service.READS);
    expect([4, 5, 6, 7, 8, 9].map((slot) => other.serviceOf(slot))).toEqual([0, 2, 0, 3, 3, 0]);
    expect([other.serves(5, Access.OWNER), other.serves(5, Access.REPLICA)]).toEqual([false, true]);
    table.setTargets(16_383, 2n ** 64n - 1n);
    table.setTargetsFrom(1, 3, 5n);
    const slots = [0, 1, 2, 3, 16_383];
    expect(slots.map((slot) => other.targetsOf(slot))).toEqual([0n, 5n, 5n, 0n, 2n ** 64n - 1n]);
  });

  it('takes all slots at once', () => {
    table.setServices(Array.from({ length: SLOT_COUNT }, (_, slot) => slot & 3));
    table.setAllTargets(Array.from({ length: SLOT_COUNT }, (_, slot) => BigInt(slot) << 40n));
    for (const slot of [0, 1, 2, 3, 9999, 16_383]) {
      expect(table.serviceOf(slot)).toBe(slot & 3);
      expect(table.targetsOf(slot)).toBe(BigInt(slot) << 40n);
    }
  });

  it.each<[() => unknown, string]>([
    [() => table.serviceOf(16_384), 'a slot is a whole number below 16384, not 16384'],
    [() => table.setService(1.5, 1), 'a slot is a whole number below 16384, not 1.5'],
    [() => table.setService(1, 4), 'a service is a sum of 1 ALL and 2 READS, not 4'],
    [() => table.setServiceFrom(3, 2, 1), 'slots are a range within 0 to 16384, not 3 to 2'],
    [() => table.setServices([1]), 'there are 16384 slots, not 1'],
    [() => table.setTargets(1, 2n ** 64n), 'targets are a bigint of 64 bits, not 184467440737'],
    [() => table.setTargets(1, -1n), 'targets are a bigint of 64 bits, not -1'],
    [() => new SlotTable({ arenas: [createArena()] }), 'the arena was made without `slots`'],
  ])('%s throws', (call, message) => {
    expect(call).toThrow(message);
  });

  it('leaves the arena sound', () => {
    expect(arena.checkIntegrity()).toBeUndefined();
    expect(set.checkIntegrity()).toBeUndefined();
  });
});
