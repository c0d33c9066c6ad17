/**
 * The queues of eviction: records stay in order, stale ones are told from others and trimmed away,
 * and where several entries look alike to a record the right one goes.
 */
import { describe, expect, it } from 'vitest';
import { Bench, LEAST_MEMORY, MIB, RECORDS_PER_BLOCK } from '../support/kernel-memory.js';
import { bin, command, integer, str, TRUE } from '../support/kernel-wire.js';

const set = (bench: Bench, key: string | Buffer): void => {
  expect(bench.one(command('SET', str(key), integer(1)))).toEqual(TRUE);
};
const del = (bench: Bench, key: string | Buffer): void => {
  expect(bench.one(command('DEL', str(key)))).toEqual(integer(1));
};
const isThere = (bench: Bench, key: string | Buffer): boolean =>
  bench.one(command('EXISTS', str(key))).equals(integer(1));

/** Deletes and writes a key until its entry has this generation. */
function setWith(bench: Bench, key: string | Buffer, generation: number): void {
  const { memory } = bench;
  for (let i = 0; i < 1000; i++) {
    set(bench, key);
    if (memory.generationOf(memory.slotOf(Buffer.from(key))) === generation) return;
    del(bench, key);
  }
  throw new Error(`no entry of 1,000 got the generation ${generation}`);
}

/** Likewise, any but this generation. */
function setWithOther(bench: Bench, key: string, generation: number): void {
  const other = (): number => bench.memory.generationOf(bench.memory.slotOf(Buffer.from(key)));
  for (set(bench, key); other() === generation; set(bench, key)) del(bench, key);
}

const generation = (bench: Bench, key: string | Buffer): number =>
  bench.memory.generationOf(bench.memory.slotOf(Buffer.from(key)));

/** What of the queue are records of entries that are there, as keys, from the head on. */
function keysInOrder(bench: Bench): string[] {
  const { memory } = bench;
  const keys = new Map(
    [...memory.slots(0)].map((slot) => [
      memory.recordOf(slot),
      memory.keyOf(memory.entryOf(slot)).toString(),
    ]),
  );
  return memory.records(0).flatMap((record) => keys.get(record) ?? []);
}

describe('trimming', () => {
  /** Deletes and writes keys over and over; the most blocks that the queue had. */
  function churn(bench: Bench, keys: readonly Buffer[], rounds: number): number {
    const { memory, arena, nowMs } = bench;
    const { kernel, slot, request } = arena;
    let most = 0;
    for (let i = 0; i < rounds; i++) {
      const key = keys[i % keys.length]!;
      request.set(key);
      request[key.length] = 1;
      if (kernel.deleteDirect(slot, key.length, nowMs) !== 1) throw new Error(`DEL ${i}`);
      if (kernel.setDirect(slot, key.length, 1, 0, 0, 0, nowMs) !== 1) throw new Error(`SET ${i}`);
      if (i % 500 === 0) most = Math.max(most, memory.blocks(0).length);
    }
    return most;
  }

  // Numbers of keys that go with the number of generations, and others.
  it.each([1, 8, 100, 1000, 4096, 5003])(
    'keeps the queue of %d keys short that come and go',
    (count) => {
      const bench = new Bench({ memoryBytes: 2 * MIB });
      const keys = Array.from({ length: count }, (_, i) => Buffer.from(`key ${i}`));
      for (const key of keys) set(bench, key);
      const most = churn(bench, keys, 1_000_000);
      // As many stale ones as there are others, twice the records of a block, and what comes while
      // the trimming goes around.
      const due = (2 * count) / RECORDS_PER_BLOCK + 2;
      expect(most).toBeLessThan(1.5 * due + 12);
      expect(bench.memory.u32(bench.memory.partition(0, 'spareBlocks'))).toBeLessThanOrEqual(4);
      expect(bench.arena.stats()).toMatchObject({
        entries: count,
        evictions: 0,
        deletes: 1_000_000,
      });
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    },
  );

  it.each(['adaptive', 's3fifo', 'lru', 'lfu'] as const)(
    'goes through all queues of the policy %s',
    (policy) => {
      const bench = new Bench({ memoryBytes: 2 * MIB, policy, maxEntries: 3000 });
      const { memory } = bench;
      // Some keys are used, so that their records come to other queues when others are evicted.
      for (let i = 0; i < 12_000; i++) {
        set(bench, `key ${i % 4000}`);
        if (i % 3 === 0)
          for (const _ of [1, 2, 3]) bench.one(command('GET', str(`key ${i % 4000}`)));
      }
      const keys = [...memory.slots(0)].map((slot) =>
        Buffer.from(memory.keyOf(memory.entryOf(slot))),
      );
      const { evictions, entries } = bench.arena.stats();
      expect([entries, evictions > 1000]).toEqual([3000, true]);
      churn(bench, keys, 300_000);
      const queues = Array.from({ length: 8 }, (_, i) => memory.records(0, i).length);
      expect(queues.filter((records) => records > 0).length).toBeGreaterThan(0);
      expect(queues.reduce((sum, records) => sum + records)).toBeLessThan(3 * 3000);
      expect(bench.arena.stats()).toMatchObject({ entries: 3000, evictions });
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    },
  );

  it('keeps the order', () => {
    const bench = new Bench({ memoryBytes: 2 * MIB });
    const stay: string[] = [];
    const others = Array.from({ length: 100 }, (_, i) => Buffer.from(`other ${i}`));
    for (const key of others) set(bench, key);
    for (let i = 0; i < 1000; i++) {
      stay.push(`stay ${i}`);
      set(bench, `stay ${i}`);
      churn(bench, others, 57);
    }
    for (const key of others) del(bench, key);
    expect(keysInOrder(bench).filter((key) => key.startsWith('stay'))).toEqual(stay);
    // Far fewer than the 58,000 that came.
    expect(bench.memory.records(0).length).toBeLessThan(6000);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('is not needed where records are popped', () => {
    const bench = new Bench({ maxEntries: 300 });
    for (let i = 0; i < 50_000; i++) {
      bench.executor.execute(
        Buffer.concat([integer(1), command('SET', str(`${i}`), integer(1))]),
        undefined,
      );
    }
    expect(bench.memory.blocks(0).length).toBeLessThanOrEqual(4);
    expect(keysInOrder(bench)).toEqual(Array.from({ length: 300 }, (_, i) => `${49_700 + i}`));
  });
});

describe('a stale record', () => {
  it('is not one of the entry that has its key now', () => {
    const bench = new Bench({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) set(bench, key);
    const old = generation(bench, 'a');
    del(bench, 'a');
    setWithOther(bench, 'a', old);
    set(bench, 'd');
    expect(['a', 'b', 'c', 'd'].map((key) => isThere(bench, key))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    set(bench, 'e');
    expect(['a', 'c', 'd', 'e'].map((key) => isThere(bench, key))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('of the same generation is taken for one of the new entry, which then goes early', () => {
    const bench = new Bench({ maxEntries: 8 });
    set(bench, 'a');
    for (let i = 0; i < 7; i++) set(bench, `b${i}`);
    const old = generation(bench, 'a');
    del(bench, 'a');
    setWith(bench, 'a', old);
    set(bench, 'c');
    // Not the oldest, b0; but one, and the right number of them.
    expect([isThere(bench, 'a'), isThere(bench, 'b0')]).toEqual([false, true]);
    expect(bench.arena.stats()).toMatchObject({ entries: 8, evictions: 1 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('is not left by an entry that is written again in another size: it keeps its place', () => {
    const bench = new Bench({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) set(bench, key);
    const record = bench.memory.recordOf(bench.memory.slotOf(Buffer.from('a')));
    bench.one(command('SET', str('a'), bin(Buffer.alloc(20_000))));
    expect(bench.memory.recordOf(bench.memory.slotOf(Buffer.from('a')))).toBe(record);
    expect(keysInOrder(bench)).toEqual(['a', 'b', 'c']);
  });
});

describe('keys that look alike to a record', () => {
  /** Bits of the hash that are the bucket's, and those of the tag's that a record keeps. */
  const LOOKED_AT = 0x3_1fff;
  const DROPPED = 0xe000;

  /** So many keys of one bucket whose tags a record does not tell apart. */
  function alike(
    bench: Bench,
    count: number,
    areAlike: (one: number, other: number) => boolean,
  ): Buffer[] {
    const groups = new Map<number, Buffer[]>();
    for (let i = 0; ; i++) {
      const key = Buffer.from(i.toString(36));
      const hash = bench.memory.hash(key);
      const group = groups.get(hash & LOOKED_AT) ?? [];
      groups.set(hash & LOOKED_AT, group);
      if (!group.every((other) => areAlike(hash, bench.memory.hash(other)))) continue;
      group.push(key);
      if (group.length === count) return group;
    }
  }

  /** Entries between two that look alike. */
  const fillers = Array.from({ length: 7 }, (_, i) => `filler ${i}`);

  // Keys of other tags, and keys of one tag: 0 is written as 8, a bit that records do not keep.
  const LIKENESSES: [string, (one: number, other: number) => boolean][] = [
    ['other tags', (one, other) => ((one ^ other) & DROPPED) !== 0],
    ['the same tag', (one, other) => ((one ^ other) & DROPPED) === 0],
    ['the tags 0 and 8', (one, other) => ((one | other) & 0x3_dc00) === 0],
  ];

  it.each(LIKENESSES)('go in their order: %s', (_, areAlike) => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY, maxEntries: 9 });
    const [first, a, b] = alike(bench, 3, areAlike);
    // So that b comes to stand before a in their bucket.
    set(bench, first!);
    set(bench, a!);
    del(bench, first!);
    for (const key of fillers) set(bench, key);
    setWith(bench, b!, generation(bench, a!));
    const [slotA, slotB] = [a!, b!].map((key) => bench.memory.slotOf(key));
    expect(slotB).toBeLessThan(slotA!);
    set(bench, 'more');
    expect([isThere(bench, a!), isThere(bench, b!)]).toEqual([false, true]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it.each(LIKENESSES)('do not go by the record of one that is gone: %s', (_, areAlike) => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY, maxEntries: 8 });
    const [a, b] = alike(bench, 2, areAlike);
    set(bench, a!);
    const old = generation(bench, a!);
    for (const key of fillers) set(bench, key);
    del(bench, a!);
    setWith(bench, b!, old);
    // The record of a comes first, and leads to b.
    set(bench, 'more');
    expect([isThere(bench, b!), isThere(bench, fillers[0]!)]).toEqual([true, false]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('do not go by the record of one that is gone where there are two of them', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY, maxEntries: 16 });
    const [a, b, c] = alike(bench, 3, LIKENESSES[0]![1]);
    set(bench, a!);
    const old = generation(bench, a!);
    for (const key of fillers) set(bench, key);
    del(bench, a!);
    setWith(bench, b!, old);
    for (const key of fillers) set(bench, `${key} too`);
    setWith(bench, c!, old);
    set(bench, 'more');
    expect([b!, c!, fillers[0]!].map((key) => isThere(bench, key))).toEqual([true, true, false]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
