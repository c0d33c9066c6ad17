/**
 * Pages go from size to size: whatever a cache was full of, it soon holds as much of something
 * else as a new one would; and what is moved on the way stays what it was.
 */
import { describe, expect, it } from 'vitest';
import type { ArenaStats } from '#engine/arena.js';
import { Bench, KIB, MIB, PAGE_BYTES } from '../support/kernel-memory.js';
import {
  bin,
  command,
  difference,
  integer,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

/** The value of a key: long ones are told apart everywhere. */
function valueFor(name: string, bytes: number): Buffer {
  const tile = Buffer.from(`${name}|`);
  return Buffer.alloc(bytes, tile);
}

const wireFor = (name: string, bytes: number): Wire => bin(valueFor(name, bytes));

/** Keys of values in chains are long, so that heads of chains take room as well. */
const keyFor = (name: string, bytes: number): Wire => str(bytes > 8192 ? name.padEnd(2000) : name);

function set(bench: Bench, name: string, bytes: number): void {
  const reply = bench.one(command('SET', keyFor(name, bytes), wireFor(name, bytes)));
  if (!reply.equals(TRUE)) throw new Error(`SET ${name}: ${reply}`);
}

/** Whether the entry is there, and then whole. */
function isThere(bench: Bench, name: string, bytes: number): boolean {
  const reply = bench.one(command('GET', keyFor(name, bytes)));
  if (reply.equals(NIL)) return false;
  const wrong = difference(reply, wireFor(name, bytes));
  if (wrong) throw new Error(`${name}: ${wrong}`);
  return true;
}

/** Writes so many entries of one size, under names of their own. */
function write(bench: Bench, phase: string, bytes: number, count: number): void {
  for (let i = 0; i < count; i++) set(bench, `${phase} ${String(i).padStart(6, '0')}`, bytes);
}

/** How many of the phase's entries are there; those that are must be whole. */
function survivors(bench: Bench, phase: string, bytes: number, count: number): number {
  let found = 0;
  for (let i = 0; i < count; i++) {
    if (isThere(bench, `${phase} ${String(i).padStart(6, '0')}`, bytes)) found += 1;
  }
  return found;
}

const MEMORY = 3 * MIB;
const POLICY = 'clock';
/** Of a working set, until it must be held. */
const MAX_ROUNDS = 30;

describe.each([1, 4])('a cache of %d partition(s)', (partitions) => {
  /** What a new cache of one size is like once it evicts. */
  function full(bytes: number): ArenaStats {
    const bench = new Bench({ memoryBytes: MEMORY, partitions, policy: POLICY });
    write(bench, 'z', bytes, Math.ceil((1.6 * MEMORY) / bytes));
    expect(bench.arena.stats().evictions).toBeGreaterThan(0);
    return bench.arena.stats();
  }

  it('holds as many as a new one when the sizes change', () => {
    const bench = new Bench({ memoryBytes: MEMORY, partitions, policy: POLICY });
    const report: string[] = [];
    for (const [phase, bytes] of [
      ['a', 64],
      ['b', KIB],
      ['c', 5 * KIB],
      ['d', 64],
      ['e', 20_000],
      ['f', 300],
    ] as const) {
      const count = Math.ceil((1.6 * MEMORY) / bytes);
      write(bench, phase, bytes, count);
      const { entries, slabPages } = bench.arena.stats();
      const fresh = full(bytes);
      report.push(`${bytes}: ${((100 * entries) / fresh.entries).toFixed(1)}%`);
      expect([bytes, entries > 0.88 * fresh.entries]).toEqual([bytes, true]);
      // What is missing are index pages, of which small entries had more, and which stay such. The
      // others are as full, but for one or two of records.
      const perPage = entries / slabPages / (fresh.entries / fresh.slabPages);
      expect([bytes, perPage > 0.96]).toEqual([bytes, true]);
      expect(survivors(bench, phase, bytes, count)).toBeGreaterThan(0.98 * entries);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    }
    console.log(`of what a new cache holds, ${partitions} partition(s): ${report.join(', ')}`);
  });

  it('keeps values whole that are moved, with all pieces of their chains', () => {
    // Partitions with too few pages for their sizes lose used entries as well.
    const memoryBytes = (partitions === 1 ? 5 : 12) * MIB;
    const bench = new Bench({ memoryBytes, partitions, policy: POLICY });
    const { memory } = bench;
    // Used again and again, so that they outlive what lies around them.
    const kept = Array.from({ length: 24 }, (_, i) => {
      const sizes = [64, 700, 5000, 9000, 20_000, 45_000];
      return { name: `kept ${String(i).padStart(2, '0')}`, bytes: sizes[i % sizes.length]! };
    });
    const touch = (): void => {
      for (const { name, bytes } of kept) expect(isThere(bench, name, bytes)).toBe(true);
    };
    const places = (): number[][] =>
      kept.map(({ name, bytes }) => {
        const entry = memory.entry(Buffer.from(bytes > 8192 ? name.padEnd(2000) : name));
        return [entry, ...memory.pieces(entry)];
      });
    const moved = kept.map(() => new Set<number>());
    // Between entries of their own sizes: pages that hold some of each.
    let filler = 0;
    const fill = (bytes: number, count: number): void => {
      for (let i = 0; i < count; i++) set(bench, `f${String(filler++).padStart(6, '0')}`, bytes);
    };
    for (const { name, bytes } of kept) {
      fill(bytes, 2);
      set(bench, name, bytes);
      fill(bytes, 2);
    }
    let before = places();
    for (let round = 0; round < 8; round++) {
      const bytes = [100, 5000, 1000, 20_000][round % 4]!;
      for (let i = 0; i < (1.3 * memoryBytes) / bytes; i++) {
        fill(bytes, 1);
        if (i % Math.ceil(100_000 / bytes) === 0) touch();
      }
      const after = places();
      for (const [i, place] of after.entries()) {
        for (const [j, address] of place.entries()) if (before[i]![j] !== address) moved[i]!.add(j);
      }
      before = after;
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    }
    touch();
    const chained = kept.flatMap(({ bytes }, i) => (bytes > 8192 ? [moved[i]!] : []));
    const inChunks = kept.flatMap(({ bytes }, i) => (bytes < 8192 ? [moved[i]!] : []));
    // Entries, heads of chains, first pieces, pieces in the middle and last ones.
    expect(inChunks.some((places) => places.has(0))).toBe(true);
    // Shared out over several partitions, heads are too few to fill more than a page.
    for (const place of partitions === 1 ? [0, 1, 2, 3] : [1, 2, 3]) {
      expect([place, chained.some((places) => places.has(place))]).toEqual([place, true]);
    }
  });
});

describe.each(['adaptive', 's3fifo', 'clock', 'lru', 'lfu'] as const)('the policy %s', (policy) => {
  it('comes to hold whatever is used, when the sizes change', () => {
    const memoryBytes = 1.5 * MIB;
    const bench = new Bench({ memoryBytes, policy });
    const rates: string[] = [];
    for (const [phase, bytes] of [
      ['a', 64],
      ['b', KIB],
      ['c', 5 * KIB],
      ['d', 64],
      ['e', 20_000],
    ] as const) {
      // A working set of three quarters of what a new cache would hold, as a cache-aside user uses
      // it.
      const fresh = new Bench({ memoryBytes, policy });
      write(fresh, phase, bytes, Math.ceil((1.3 * memoryBytes) / bytes));
      const used = Math.floor(0.75 * fresh.arena.stats().entries);
      let hits = 0;
      let rounds = 0;
      // `lfu` learns at last that what was used in another phase is not used any more.
      for (; hits < 0.98 * used && rounds < MAX_ROUNDS; rounds++) {
        hits = 0;
        for (let i = 0; i < used; i++) {
          const name = `${phase} ${String(i).padStart(6, '0')}`;
          if (isThere(bench, name, bytes)) hits += 1;
          else set(bench, name, bytes);
        }
      }
      rates.push(`${bytes}: ${rounds}`);
      expect([bytes, rounds < MAX_ROUNDS]).toEqual([bytes, true]);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    }
    console.log(`rounds until a working set was held, ${policy}: ${rates.join(', ')}`);
  });
});

describe('the policy none', () => {
  it('has room for another size where entries are deleted here and there', () => {
    const bench = new Bench({ memoryBytes: MEMORY, policy: 'none' });
    const names: string[] = [];
    for (let i = 0; ; i++) {
      const name = `key ${String(i).padStart(6, '0')}`;
      const reply = bench.one(command('SET', str(name), wireFor(name, 64)));
      if (!reply.equals(TRUE)) break;
      names.push(name);
    }
    const large = (i: number): boolean =>
      bench.one(command('SET', str(`large ${i}`), wireFor(`large ${i}`, 5000))).equals(TRUE);
    expect(large(0)).toBe(false);
    const [deleted, kept] = [0, 1].map((odd) => names.filter((_, i) => i % 2 === odd));
    for (const name of deleted!) expect(bench.one(command('DEL', str(name)))).toEqual(integer(1));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    let stored = 0;
    while (large(stored)) stored += 1;
    // Chunks of 88 bytes were freed, and pages take 12 of 5,456.
    const pages = (deleted!.length * 88) / PAGE_BYTES;
    expect(stored).toBeGreaterThan(0.9 * 12 * pages);
    expect(stored).toBeLessThanOrEqual(12 * (pages + 1));
    for (const name of kept!) expect(isThere(bench, name, 64)).toBe(true);
    for (let i = 0; i < stored; i++) expect(isThere(bench, `large ${i}`, 5000)).toBe(true);
    expect(bench.arena.stats()).toMatchObject({ entries: kept!.length + stored, evictions: 0 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('moves the pieces of chains while another chain is built', () => {
    const bench = new Bench({ memoryBytes: 3 * MIB, policy: 'none' });
    // Last pieces of one size, of chains every second of which goes.
    const bytes = 8176 + 900;
    let count = 0;
    const nameOf = (i: number): string => `key ${String(i).padStart(6, '0')}`;
    for (; ; count++) {
      const name = nameOf(count);
      const reply = bench.one(command('SET', keyFor(name, bytes), wireFor(name, bytes)));
      if (!reply.equals(TRUE)) break;
    }
    for (let i = 0; i < count; i += 2) {
      expect(bench.one(command('DEL', keyFor(nameOf(i), bytes)))).toEqual(integer(1));
    }
    // Needs more pages than there are free ones, so that while it is built others are vacated.
    const free = bench.arena.stats().freePages;
    const name = 'long';
    const long = 1_000_000;
    expect(long).toBeGreaterThan(free * PAGE_BYTES);
    set(bench, name, long);
    expect(isThere(bench, name, long)).toBe(true);
    for (let i = 1; i < count; i += 2) expect(isThere(bench, nameOf(i), bytes)).toBe(true);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
