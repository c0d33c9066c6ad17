/** Threads that have ended, their slots and what they held: by writing into the arena's memory. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { isThreadGone, NO_OS_THREAD, ownIdentity } from '#engine/liveness.js';
import { Bench, MIB } from '../support/kernel-memory.js';
import { bin, command, NIL, str, TRUE } from '../support/kernel-wire.js';

/** Words of a thread's block. */
const OS_THREAD = 0;
const STARTED = 1;
const SLEEPS_ON = 10;
/** No system has a thread of this id. */
const NOBODY = NO_OS_THREAD - 1;
const READS_ONLY = 0x8000n;
/** Two sleeps of the lock's, and a good deal for a machine that is busy. */
const PATIENCE_MS = 2000;

describe('a thread', () => {
  const { osThread, started } = ownIdentity();

  it('that runs is there', () => {
    expect(isThreadGone(osThread, started, 0)).toBe(false);
    expect(isThreadGone(osThread | 0, started | 0, 5)).toBe(false);
  });

  it('of another start time or an unknown id is gone', () => {
    expect(isThreadGone(osThread, started ^ 1, 0)).toBe(osThread !== NO_OS_THREAD);
    expect(isThreadGone(NOBODY, started, 0)).toBe(true);
  });

  it('of which nothing is known is gone when it held a lock for long', () => {
    expect(isThreadGone(NO_OS_THREAD, 77, 0)).toBe(false);
    expect(isThreadGone(NO_OS_THREAD, 77, 999)).toBe(false);
    expect(isThreadGone(NO_OS_THREAD, 77, 1000)).toBe(true);
  });
});

describe('what a thread that has ended', () => {
  const VALUE = bin(Buffer.alloc(40, 'v'));
  let bench: Bench;
  let other: Arena;

  beforeEach(() => {
    bench = new Bench({ memoryBytes: 4 * MIB, partitions: 1, maxThreads: 2 });
    other = Arena.attach(bench.arena.handle);
    for (const name of ['a', 'b', 'c']) bench.one(command('SET', str(name), VALUE));
  });

  const end = () => {
    other.block[OS_THREAD] = NOBODY;
  };

  /** Lets a slot hold the lock. */
  const hold = (slot: number, flags = 0n) => {
    const at = bench.memory.partition(0, 'word');
    bench.memory.setU64(at, bench.memory.u64(at) | flags | BigInt(slot + 1));
  };

  it('held is taken over by one who waits', () => {
    hold(other.slot);
    end();
    const start = performance.now();
    expect(bench.one(command('SET', str('d'), VALUE))).toEqual(TRUE);
    expect(performance.now() - start).toBeLessThan(PATIENCE_MS);
    expect(bench.one(command('GET', str('a')))).toEqual(VALUE);
    expect(bench.arena.stats()).toMatchObject({ takeovers: 1, partitionsEmptied: 0, entries: 4 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('was overwriting is removed', () => {
    const { memory } = bench;
    memory.setU32(memory.partition(0, 'overwriting'), memory.entry(Buffer.from('b')));
    hold(other.slot);
    end();
    expect(bench.arena.reapThreads()).toBe(1);
    expect(bench.run(command('GET', str('a')), command('GET', str('b')))).toEqual([VALUE, NIL]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('left half done empties its partition', () => {
    const { memory } = bench;
    memory.setU32(memory.partition(0, 'entries'), 4);
    hold(other.slot);
    end();
    bench.arena.reapThreads();
    const emptied = { takeovers: 1, partitionsEmptied: 1, entriesLost: 4, entries: 0 };
    expect(bench.arena.stats()).toMatchObject(emptied);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    expect(bench.one(command('SET', str('a'), VALUE))).toEqual(TRUE);
  });

  it('only read is not looked at', () => {
    const { memory } = bench;
    memory.setU32(memory.partition(0, 'recovery'), 2);
    hold(other.slot, READS_ONLY);
    end();
    // Readers need not wait for one that only reads.
    expect(bench.one(command('GET', str('a')))).toEqual(VALUE);
    expect(bench.arena.stats().takeovers).toBe(0);
    bench.arena.reapThreads();
    expect(bench.arena.stats()).toMatchObject({ takeovers: 1, partitionsEmptied: 0, entries: 3 });
  });

  it('had, its slot, goes to one that finds none free', () => {
    expect(() => Arena.attach(bench.arena.handle)).toThrow(/all 2 thread slots are taken/);
    hold(other.slot);
    end();
    const third = Arena.attach(bench.arena.handle);
    expect(third.slot).toBe(other.slot);
    expect(third.stats()).toMatchObject({ takeovers: 1, threads: 2 });
    expect(third.checkIntegrity()).toBeUndefined();
  });

  it('waited for is forgotten', () => {
    const { memory } = bench;
    memory.setU32(memory.partition(0, 'waiters'), 1);
    other.block[SLEEPS_ON] = memory.partition(0);
    end();
    bench.arena.reapThreads();
    expect(memory.u32(memory.partition(0, 'waiters'))).toBe(0);
  });

  it('held is taken over by word of mouth where the system does not tell', () => {
    hold(other.slot);
    other.block[OS_THREAD] = NO_OS_THREAD;
    other.block[STARTED] = 4711;
    expect(bench.arena.reapThreads()).toBe(0);
    expect(bench.arena.reapThread(4711)).toBe(1);
    expect(bench.arena.stats()).toMatchObject({ takeovers: 1, threads: 1 });
  });
});

describe('a lock that a failed call of the same thread left', () => {
  it('is taken over at the next call, or when the slot is given back', () => {
    const bench = new Bench({ memoryBytes: 4 * MIB, partitions: 1, maxThreads: 2 });
    const { memory, arena } = bench;
    const word = memory.partition(0, 'word');
    memory.setU64(word, memory.u64(word) | BigInt(arena.slot + 1));
    expect(bench.one(command('SET', str('a'), bin(Buffer.alloc(3))))).toEqual(TRUE);
    const other = Arena.attach(arena.handle);
    memory.setU64(word, memory.u64(word) | BigInt(other.slot + 1));
    other.close();
    expect(memory.u64(word) & 0xffffn).toBe(0n);
    expect(arena.stats().takeovers).toBe(2);
  });
});
