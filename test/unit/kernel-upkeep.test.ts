/**
 * Whose upkeep it is: of several threads that have an arena each does its share, and the others'
 * when they do not. The threads here are attachments of one thread, which is all that the kernel
 * sees of them.
 */
import { describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import { Bench, MIB, NOON, PARTITIONS } from '../support/kernel-memory.js';
import { command, integer, str } from '../support/kernel-wire.js';

const TICK_MS = 512;
const COUNT = 4000;
/** Where a slot of 16 ticks begins, so that a second later no further one does. */
const START_MS = NOON - (NOON % (16 * TICK_MS));
/** The first tick in which entries that expire a second later are due. */
const DUE_MS = (Math.floor((START_MS + 1000) / TICK_MS) + 1) * TICK_MS;

/** An arena of 8 partitions with entries that expire after a second, and others attached to it. */
function crew(others: number): { bench: Bench; threads: Arena[] } {
  const bench = new Bench({ memoryBytes: 32 * MIB, partitions: 8, maxThreads: 8 });
  bench.nowMs = START_MS;
  for (let i = 0; i < COUNT; i++) {
    bench.one(command('SET', str(`key ${i}`), integer(1), integer(1000)));
  }
  const attached = Array.from({ length: others }, () => Arena.attach(bench.arena.handle));
  return { bench, threads: [bench.arena, ...attached] };
}

/** Lets a thread do all that it finds to do. */
function keepUp(arena: Arena, nowMs: number): number {
  for (;;) {
    const waitMs = arena.kernel.upkeep(arena.slot, nowMs);
    if (waitMs > 0) return waitMs;
  }
}

describe('upkeep', () => {
  it('of partitions where nothing expires is done by whoever is left, some ticks later', () => {
    const { bench, threads } = crew(3);
    const value = str('x'.repeat(500));
    for (let i = 0; i < COUNT; i++) {
      bench.one(command('SET', str(`key ${i}`), value));
      bench.one(command('SET', str(`other ${i}`), value));
    }
    keepUp(threads[2]!, DUE_MS);
    for (let i = 0; i < COUNT; i++) bench.one(command('DEL', str(`key ${i}`)));
    const { slabPages } = bench.arena.stats();
    for (let tick = 1; tick <= threads.length; tick++) {
      keepUp(threads[2]!, DUE_MS + tick * TICK_MS);
    }
    // A page for each partition at least, whoever it belongs to.
    expect(bench.arena.stats().slabPages).toBeLessThan(slabPages);
    const left = Array.from({ length: 8 }, (_, i) =>
      bench.memory.u64(bench.memory.partition(i, 'slackClasses')),
    );
    expect(left).toEqual(left.map(() => 0n));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('gives back the slots of threads that have ended', () => {
    const { bench, threads } = crew(3);
    const view = new DataView(bench.arena.handle.memory.buffer);
    // No system has a thread of such an id.
    for (const { block } of threads.slice(1))
      view.setUint32(block.byteOffset, NO_OS_THREAD - 1000, true);
    for (let tick = 0; tick < bench.arena.facts.maxThreads; tick++) {
      keepUp(bench.arena, DUE_MS + tick * TICK_MS);
    }
    expect(bench.arena.stats().threads).toBe(1);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('is shared among the threads', () => {
    const { bench, threads } = crew(3);
    // Up to the tick before, so that no partition is overdue.
    for (const thread of threads) keepUp(thread, DUE_MS - 1);
    let expired = 0;
    for (const thread of threads) {
      keepUp(thread, DUE_MS);
      const now = bench.arena.stats().expired;
      expect((now - expired) / COUNT).toBeGreaterThan(0.15);
      expect((now - expired) / COUNT).toBeLessThan(0.35);
      expired = now;
    }
    expect(expired).toBe(COUNT);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('of a thread that does not do it is done by another one, a tick later', () => {
    const { bench, threads } = crew(3);
    for (const thread of threads) keepUp(thread, DUE_MS - 1);
    keepUp(threads[2]!, DUE_MS);
    expect(bench.arena.stats().entries).toBeGreaterThan(COUNT / 2);
    keepUp(threads[2]!, DUE_MS + TICK_MS);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, expired: COUNT });
  });

  it('of a thread that has closed the arena is its no more', () => {
    const { bench, threads } = crew(1);
    for (const thread of threads) keepUp(thread, DUE_MS - 1);
    threads[0]!.close();
    keepUp(threads[1]!, DUE_MS);
    expect(threads[1]!.stats()).toMatchObject({ entries: 0, expired: COUNT });
    expect(bench.arena.closed).toBe(true);
  });

  it('leaves out a partition that is locked, and comes again soon', () => {
    const { bench, threads } = crew(1);
    const [, other] = threads;
    // Held by the first thread, as a write in progress would.
    const word = PARTITIONS;
    const view = new DataView(bench.arena.bytes.buffer);
    const unlocked = view.getBigUint64(word, true);
    view.setBigUint64(word, unlocked | 1n, true);
    expect(keepUp(other!, DUE_MS + TICK_MS)).toBeLessThanOrEqual(10);
    const { entries } = bench.arena.stats();
    expect(entries).toBeGreaterThan(0);
    expect(entries).toBeLessThan(COUNT / 4);
    view.setBigUint64(word, unlocked, true);
    expect(keepUp(other!, DUE_MS + TICK_MS)).toBeGreaterThan(10);
    expect(bench.arena.stats().entries).toBe(0);
  });

  it.each([0, 1, 200, 511])('asks for the next tick, %d ms into this one', (ms) => {
    const { kernel, slot } = new Bench().arena;
    expect(kernel.upkeep(slot, DUE_MS + ms)).toBe(TICK_MS - ms);
  });

  it('does not do the same partition first in every slice', () => {
    const { bench, threads } = crew(0);
    const { kernel, slot } = threads[0]!;
    const partitions = () =>
      Array.from({ length: 8 }, (_, i) => bench.memory.u32(bench.memory.partition(i, 'entries')));
    const before = partitions();
    expect(kernel.upkeep(slot, DUE_MS)).toBe(0);
    const first = partitions();
    expect(kernel.upkeep(slot, DUE_MS)).toBe(0);
    const second = partitions();
    // The partition that the first slice ended in has to wait for the others.
    const half = first.findIndex((entries, i) => entries > 0 && entries < before[i]!);
    expect(half).toBeGreaterThanOrEqual(0);
    expect(second[half]).toBe(first[half]);
    expect(second).not.toEqual(first);
    expect(keepUp(threads[0]!, DUE_MS)).toBeGreaterThan(0);
    expect(bench.arena.stats().entries).toBe(0);
  });
});
