/**
 * However large a collection is, whoever removes it holds the partition's lock for a bounded number
 * of steps: a few nodes are freed at once, the rest by upkeep, or by whoever needs memory.
 */
import { describe, expect, it } from 'vitest';
import { Bench, KIB, MIB } from '../support/kernel-memory.js';
import { bin, command, integer, NIL, str, type Wire } from '../support/kernel-wire.js';

const MEMBERS = 60_000;
const A_FRAME = 500;
/** Nodes that a command frees, which may remove two keys, and some chunks beside. */
const FREED_AT_ONCE = 2 * 128 + 32;
/** Records, slots or nodes that a call of upkeep works on. */
const SLICE = 1024;
/** Nodes that a write frees until a page of its own comes free: they are scattered over the pages. */
const FREED_FOR_A_PAGE = 3000;

type Add = (bench: Bench, from: number) => void;

const members = (from: number): number[] => Array.from({ length: A_FRAME }, (_, i) => from + i);

const LARGE: Record<string, Add> = {
  list: (bench, from) => {
    // So long that a leaf has few of them.
    const elements = members(from / 8).map((i) => bin(Buffer.alloc(900, i)));
    if (from % (8 * A_FRAME) === 0) bench.one(command('RPUSH', str('large'), ...elements));
  },
  'list of long values': (bench, from) => {
    if (from % (50 * A_FRAME) !== 0) return;
    for (let i = 0; i < A_FRAME; i++) {
      bench.one(command('RPUSH', str('large'), bin(Buffer.alloc(9000, i))));
    }
  },
  set: (bench, from) => {
    bench.one(command('SADD', str('large'), ...members(from).map((i) => integer(i))));
  },
  hash: (bench, from) => {
    const pairs = members(from).flatMap((i) => [str(`field ${i}`), integer(i)]);
    bench.one(command('HSET', str('large'), ...pairs));
  },
  'sorted set': (bench, from) => {
    const pairs = members(from).flatMap((i) => [integer(i), str(`member ${i}`)]);
    bench.one(command('ZADD', str('large'), NIL, ...pairs));
  },
};

/** Chunks in use, of all classes. */
function chunksUsed({ memory }: Bench): number {
  return memory
    .classSizes()
    .map((_, i) => memory.u32(memory.classInfo(0, i, 'chunksUsed')))
    .reduce((sum, one) => sum + one, 0);
}

/** How many chunks a call frees. */
function freedBy(bench: Bench, call: () => void): number {
  const before = chunksUsed(bench);
  call();
  return before - chunksUsed(bench);
}

function fill(bench: Bench, add: Add): void {
  for (let from = 0; from < MEMBERS; from += A_FRAME) add(bench, from);
}

const REMOVALS: Record<string, (bench: Bench) => void> = {
  DEL: (bench) => bench.one(command('DEL', str('large'))),
  'SET of a value': (bench) => bench.one(command('SET', str('large'), integer(1))),
  'RENAME of another key': (bench) => {
    bench.one(command('RENAME', str('small'), str('large')));
  },
  'its expiry, met by a reader': (bench) => {
    bench.one(command('EXPIRE', str('large'), integer(1000)));
    bench.nowMs += 2000;
    bench.one(command('RPUSH', str('large'), integer(1)));
  },
};

describe.each(Object.entries(LARGE))('a large %s', (_, add) => {
  it('is freed in steps, whatever removes it', () => {
    const bench = new Bench({ memoryBytes: 64 * MIB, maxValueBytes: MIB });
    const { kernel, slot } = bench.arena;
    for (const [what, remove] of Object.entries(REMOVALS)) {
      fill(bench, add);
      bench.one(command('SET', str('small'), integer(1)));
      const all = chunksUsed(bench);
      expect(all, what).toBeGreaterThan(800);
      expect(
        freedBy(bench, () => remove(bench)),
        what,
      ).toBeLessThan(FREED_AT_ONCE);
      expect(bench.arena.checkIntegrity(), what).toBeUndefined();
      let wait = 0;
      while (wait === 0) {
        const freed = freedBy(bench, () => {
          wait = kernel.upkeep(slot, bench.nowMs);
        });
        expect(freed, what).toBeLessThan(SLICE + FREED_AT_ONCE);
      }
      expect(chunksUsed(bench), what).toBeLessThan(20);
      bench.one(command('DEL', str('large')));
    }
  });

  it('is evicted in steps', () => {
    const bench = new Bench({ memoryBytes: 24 * MIB, policy: 'lru', maxValueBytes: MIB });
    fill(bench, add);
    const value: Wire = bin(Buffer.alloc(30 * KIB));
    let most = 0;
    for (let i = 0; bench.arena.stats().evictions === 0 || i % 500 !== 0; i++) {
      const freed = freedBy(bench, () => bench.one(command('SET', str(`filling ${i}`), value)));
      most = Math.max(most, freed);
    }
    expect(bench.one(command('EXISTS', str('large')))).toEqual(integer(0));
    expect(most).toBeLessThan(FREED_FOR_A_PAGE);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
