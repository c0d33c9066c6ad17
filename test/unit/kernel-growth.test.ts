/**
 * The index: growth by splits, a million keys in one partition, crowded segments, overflow counts.
 */
import { describe, expect, it } from 'vitest';
import {
  Bench,
  BUCKET_BYTES,
  Bucket,
  LEAST_MEMORY,
  MIB,
  PAGE_BYTES,
  SLOTS,
} from '../support/kernel-memory.js';
import { bin, command, integer, NIL, str, TRUE } from '../support/kernel-wire.js';

/** Slots of a segment, and how many of them make it split, or full when it cannot. */
const SEGMENT_SLOTS = 12_288;
const SPLIT_AT = 9984;
const CROWDED_AT = 11_520;

/**
 * Frames of one command whose key is `digits` decimal digits, written over and over without
 * allocating.
 */
class NumberedFrame {
  readonly bytes: Buffer;
  readonly #keyAt: number;
  readonly #digits: number;

  constructor(name: 'GET' | 'SET' | 'DEL', digits: number) {
    const value = name === 'SET' ? [integer(5)] : [];
    this.bytes = Buffer.concat([integer(1), command(name, str('0'.repeat(digits)), ...value)]);
    this.#keyAt = this.bytes.indexOf('0');
    this.#digits = digits;
  }

  set(key: number): Buffer {
    let rest = key;
    for (let at = this.#keyAt + this.#digits - 1; at >= this.#keyAt; at--) {
      this.bytes[at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    return this.bytes;
  }
}

describe('a million keys in one partition', () => {
  const KEYS = 1_000_000;
  const bench = new Bench({ memoryBytes: 128 * MIB, policy: 'none' });
  const { arena, memory } = bench;
  const { kernel, slot, request, reply } = arena;
  const splitsAt = memory.partition(0, 'splits');

  function run(frame: Buffer): number {
    request.set(frame);
    return kernel.exec(slot, 0, frame.length, bench.nowMs);
  }

  it('are inserted with one split at a time', () => {
    const frame = new NumberedFrame('SET', 8);
    let splits = 0;
    let longestMs = 0;
    let longestSplitMs = 0;
    for (let i = 0; i < KEYS; i++) {
      const bytes = frame.set(i);
      request.set(bytes);
      const start = performance.now();
      const outcome = kernel.exec(slot, 0, bytes.length, bench.nowMs);
      const ms = performance.now() - start;
      if (outcome !== 0 || reply[1] !== 0xc3) throw new Error(`key ${i}: ${outcome}, ${reply[1]}`);
      longestMs = Math.max(longestMs, ms);
      const now = memory.u32(splitsAt);
      // This is what bounds the pause: a call moves the entries of one segment at the most.
      if (now > splits + 1) throw new Error(`${now - splits} splits in one call`);
      if (now > splits) longestSplitMs = Math.max(longestSplitMs, ms);
      splits = now;
    }
    console.log(
      `growing to ${KEYS} keys: ${splits} splits, longest call ${longestMs.toFixed(2)} ms, ` +
        `longest call with a split ${longestSplitMs.toFixed(2)} ms`,
    );
    const stats = arena.stats();
    expect(stats).toMatchObject({ entries: KEYS, sets: KEYS, tableSplits: splits, evictions: 0 });
    expect(stats.indexPages).toBe(splits + 1);
    // A segment is at least half of what made it split, on average more.
    expect(splits).toBeGreaterThan(KEYS / SPLIT_AT);
    expect(splits).toBeLessThan((2 * KEYS) / SPLIT_AT);
    expect(arena.checkIntegrity()).toBeUndefined();
  });

  it('are all found, and no others', () => {
    const frame = new NumberedFrame('GET', 8);
    for (let i = 0; i < KEYS; i++) {
      run(frame.set(i));
      if (reply[1] !== 5) throw new Error(`key ${i}: ${reply[1]}`);
    }
    for (let i = KEYS; i < KEYS + 1000; i++) {
      run(frame.set(i));
      if (reply[1] !== 0xc0) throw new Error(`key ${i}: ${reply[1]}`);
    }
    expect(arena.stats()).toMatchObject({ hits: KEYS, misses: 1000 });
  });

  it('stand in segments none of which is too full', () => {
    for (const segment of memory.segments(0)) {
      const count = memory.u32(memory.pageInfo(memory.pageOf(segment), 'count'));
      expect(count).toBeLessThanOrEqual(SPLIT_AT);
    }
  });

  it('are deleted, which gives back every page but those of the index', () => {
    const frame = new NumberedFrame('DEL', 8);
    // Not in the order in which they came: pages empty here and there.
    for (let i = 0; i < KEYS; i++) {
      const key = (i * 618_033) % KEYS;
      run(frame.set(key));
      if (reply[1] !== 1) throw new Error(`key ${key}: ${reply[1]}`);
      if (i === KEYS / 2) expect(arena.checkIntegrity()).toBeUndefined();
    }
    const { indexPages } = arena.stats();
    expect(arena.stats()).toMatchObject({
      entries: 0,
      deletes: KEYS,
      payloadBytes: 0,
      chunkBytes: 0,
      slabPages: 0,
    });
    expect(indexPages).toBe(memory.segments(0).length);
    expect(arena.checkIntegrity()).toBeUndefined();
  });

  it('leave an index that works as before', () => {
    const set = new NumberedFrame('SET', 8);
    const get = new NumberedFrame('GET', 8);
    const { tableSplits } = arena.stats();
    for (let i = 0; i < 50_000; i++) run(set.set(i));
    for (let i = 0; i < 50_000; i++) {
      run(get.set(i));
      if (reply[1] !== 5) throw new Error(`key ${i}: ${reply[1]}`);
    }
    expect(arena.stats()).toMatchObject({ entries: 50_000, tableSplits });
    expect(arena.checkIntegrity()).toBeUndefined();
  });
});

describe('a split', () => {
  it('takes along what was used', () => {
    const bench = new Bench({ memoryBytes: 8 * MIB });
    const { memory } = bench;
    const isMarked = (key: Buffer): boolean => {
      const slot = memory.slotOf(key);
      const index = slot % BUCKET_BYTES;
      const marks = memory.u8(memory.bucketOf(slot) + Bucket.marks + (index >> 2));
      return (marks & (1 << ((index & 3) << 1))) !== 0;
    };
    const keys = Array.from({ length: 60 }, (_, i) => Buffer.from(`key ${i}`));
    for (const key of keys) bench.one(command('SET', str(key), integer(1)));
    const used = keys.filter((_, i) => i % 3 === 0);
    for (const key of used) bench.one(command('GET', str(key)));
    expect(keys.filter(isMarked)).toEqual(used);
    const frame = new NumberedFrame('SET', 6);
    for (let i = 0; bench.arena.stats().tableSplits < 3; i++) {
      for (let j = 0; j < 500; j++) bench.executor.execute(frame.set(500 * i + j), undefined);
    }
    expect(new Set(keys.map((key) => memory.pageOf(memory.slotOf(key)))).size).toBeGreaterThan(2);
    expect(keys.filter(isMarked)).toEqual(used);
  });
});

describe('several partitions', () => {
  it('grow apart from each other, with directories of their own', () => {
    const bench = new Bench({ memoryBytes: 64 * MIB, partitions: 4 });
    const { memory } = bench;
    const frames = new NumberedFrame('SET', 8);
    for (let i = 0; i < 300_000; i++) bench.executor.execute(frames.set(i), undefined);
    for (let partition = 0; partition < 4; partition++) {
      const splits = memory.u32(memory.partition(partition, 'splits'));
      expect(splits).toBeGreaterThan(4);
      expect(memory.segments(partition)).toHaveLength(splits + 1);
    }
    expect(bench.arena.stats()).toMatchObject({ entries: 300_000, evictions: 0 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

/**
 * Keys whose hashes begin with three zero bits: more than one segment of the deepest level can hold
 * of a small arena.
 */
function* crowdingKeys(bench: Bench): Generator<Buffer> {
  for (let i = 0; ; i++) {
    const key = Buffer.from(i.toString(36));
    if (bench.memory.hash(key) >>> 29 === 0) yield key;
  }
}

describe('a segment that cannot split', () => {
  /**
   * Pages for four segments and the small entries, so few that the directory ends at a depth of 3.
   */
  const memoryBytes = LEAST_MEMORY + 4 * PAGE_BYTES;

  it('refuses more with the policy none, and loses nothing', () => {
    const bench = new Bench({ memoryBytes, policy: 'none' });
    expect(bench.memory.header('maxDepth')).toBe(3);
    const stored: Buffer[] = [];
    for (const key of crowdingKeys(bench)) {
      const reply = bench.one(command('SET', str(key), integer(1)));
      if (!reply.equals(TRUE)) {
        expect(reply.toString('latin1', 3)).toMatch(/^OOM no memory/);
        break;
      }
      stored.push(key);
    }
    expect(stored).toHaveLength(CROWDED_AT);
    expect(bench.arena.stats()).toMatchObject({ entries: CROWDED_AT, tableSplits: 3 });
    expect(bench.arena.stats().freePages).toBeGreaterThan(0);
    for (const key of stored) expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    // A key that is there may be written; and the place of one that goes is free for another.
    expect(bench.one(command('SET', str(stored[0]!), integer(2)))).toEqual(TRUE);
    expect(bench.one(command('DEL', str(stored[1]!)))).toEqual(integer(1));
    expect(bench.one(command('SET', str(stored[1]!), integer(2)))).toEqual(TRUE);
  });

  it('makes room near by with the policy clock', () => {
    const bench = new Bench({ memoryBytes });
    const keys: Buffer[] = [];
    for (const key of crowdingKeys(bench)) {
      keys.push(key);
      expect(bench.one(command('SET', str(key), integer(1)))).toEqual(TRUE);
      // What was written last is there; something else went.
      expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
      if (keys.length === CROWDED_AT + 2000) break;
    }
    const stats = bench.arena.stats();
    expect(stats.entries + stats.evictions).toBe(keys.length);
    expect(stats.evictions).toBeGreaterThanOrEqual(2000);
    const segment = bench.memory.segments(0)[0]!;
    const count = bench.memory.u32(bench.memory.pageInfo(bench.memory.pageOf(segment), 'count'));
    expect(count).toBeLessThanOrEqual(CROWDED_AT);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  // Once, every insert into such a segment took a page of entries from the largest class, for a
  // split that was not to be: 66 inserts evicted 7,884 entries while 50 pages were free.
  it('makes room near by, and takes no page from others for a split that cannot be', () => {
    const bench = new Bench({ memoryBytes: 4 * MIB });
    const { memory } = bench;
    const depth = memory.header('maxDepth');
    const value = bin(Buffer.alloc(700));
    for (let i = 0; i < 3000; i++) bench.one(command('SET', str(`large ${i}`), value));
    let stored = 0;
    for (let i = 0; stored < CROWDED_AT + 100; i++) {
      const key = Buffer.from(i.toString(36));
      if (memory.hash(key) >>> (32 - depth) !== 0) continue;
      stored += 1;
      expect(bench.one(command('SET', str(key), integer(1)))).toEqual(TRUE);
      expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
    }
    const stats = bench.arena.stats();
    expect(stats.freePages).toBeGreaterThan(0);
    // The large entries that were in the segment from the start take the place of some small ones.
    expect(stats.evictions).toBeLessThan(200);
    const segment = memory.segments(0)[0]!;
    expect(memory.u32(memory.pageInfo(memory.pageOf(segment), 'count'))).toBe(CROWDED_AT);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('makes room when no page is left, with many tiny values in the least memory', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    const frame = new NumberedFrame('SET', 6);
    for (let i = 0; i < 60_000; i++) {
      const reply = bench.executor.execute(frame.set((i * 7919) % 40_000), undefined) as Uint8Array;
      if (reply[1] !== 0xc3) throw new Error(`SET ${i} was answered by ${reply[1]}`);
    }
    const stats = bench.arena.stats();
    expect(stats.freePages).toBe(0);
    expect(stats.evictions).toBeGreaterThan(1000);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

describe('overflow counts', () => {
  /** Keys that all begin their probing in bucket 5. */
  function* keysOfBucket(bench: Bench): Generator<Buffer> {
    for (let i = 0; ; i++) {
      const key = Buffer.from(i.toString(36));
      if ((bench.memory.hash(key) & 1023) === 5) yield key;
    }
  }

  function take(bench: Bench, count: number): Buffer[] {
    const keys: Buffer[] = [];
    for (const key of keysOfBucket(bench)) {
      if (keys.length === count) break;
      keys.push(key);
    }
    return keys;
  }

  function overflow(bench: Bench, bucket: number): number {
    const segment = bench.memory.segments(0)[0]!;
    return bench.memory.u8(segment + bucket * BUCKET_BYTES + Bucket.overflow);
  }

  it('go up and down with the entries that passed', () => {
    const bench = new Bench();
    const keys = take(bench, 3 * SLOTS + 1);
    for (const key of keys) bench.one(command('SET', str(key), integer(1)));
    expect([5, 6, 7, 8, 9].map((bucket) => overflow(bench, bucket))).toEqual([25, 13, 1, 0, 0]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    for (const key of keys) expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
    // The first twelve stand at home: nobody passed anything for them.
    for (const key of keys.slice(0, SLOTS)) bench.one(command('DEL', str(key)));
    expect([5, 6, 7].map((bucket) => overflow(bench, bucket))).toEqual([25, 13, 1]);
    for (const key of keys.slice(SLOTS))
      expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
    for (const key of keys.slice(SLOTS)) bench.one(command('DEL', str(key)));
    expect([5, 6, 7].map((bucket) => overflow(bench, bucket))).toEqual([0, 0, 0]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('stick at 255 for good, and nothing is lost by it', () => {
    const bench = new Bench();
    const keys = take(bench, SLOTS + 300);
    for (const key of keys) bench.one(command('SET', str(key), integer(1)));
    expect(overflow(bench, 5)).toBe(255);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    for (const key of keys.slice(20))
      expect(bench.one(command('DEL', str(key)))).toEqual(integer(1));
    expect(overflow(bench, 5)).toBe(255);
    for (const key of keys.slice(0, 20))
      expect(bench.one(command('GET', str(key)))).toEqual(integer(1));
    for (const key of keys.slice(20)) expect(bench.one(command('GET', str(key)))).toEqual(NIL);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    bench.arena.clear();
    expect(overflow(bench, 5)).toBe(0);
  });

  it('let probing go around the end of a segment', () => {
    const bench = new Bench();
    const keys: Buffer[] = [];
    for (let i = 0; keys.length < 3 * SLOTS; i++) {
      const key = Buffer.from(i.toString(36));
      if ((bench.memory.hash(key) & 1023) === 1023) keys.push(key);
    }
    for (const key of keys) bench.one(command('SET', str(key), bin(key)));
    expect([1023, 0, 1].map((bucket) => overflow(bench, bucket))).toEqual([24, 12, 0]);
    for (const key of keys) expect(bench.one(command('GET', str(key)))).toEqual(bin(key));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

it('a segment has the slots that these tests count with', () => {
  expect([SEGMENT_SLOTS * (13 / 16), SEGMENT_SLOTS * (15 / 16)]).toEqual([SPLIT_AT, CROWDED_AT]);
  expect((PAGE_BYTES / BUCKET_BYTES) * SLOTS).toBe(SEGMENT_SLOTS);
});
