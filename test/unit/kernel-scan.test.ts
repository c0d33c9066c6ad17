/** The walk by cursor: whole, each key once, whatever is written between two calls. */
import { describe, expect, it } from 'vitest';
import type { Arena } from '#engine/arena.js';
import {
  ArenaMemory,
  createArena,
  KIB,
  LEAST_MEMORY,
  MIB,
  NOON,
} from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { NO_VALUES, type Scanned, type ScannedEntry, START, scan } from '../support/kernel-scan.js';

const OK = 1;

function set(arena: Arena, key: Uint8Array, value: Uint8Array, ttlMs = 0): number {
  const { kernel, slot, request } = arena;
  request.set(key);
  request.set(value, key.length);
  return kernel.setDirect(slot, key.length, value.length, ttlMs, 0, 0, NOON);
}

function remove(arena: Arena, key: Uint8Array): void {
  arena.request.set(key);
  arena.kernel.deleteDirect(arena.slot, key.length, NOON);
}

const keyOf = (number: number): Buffer => Buffer.from(`key ${number}`);
const numberOf = (key: Buffer): number => Number(key.toString().slice(4));
const ONE = Buffer.of(1);

function fill(arena: Arena, first: number, end: number): void {
  for (let i = first; i < end; i++) {
    if (set(arena, keyOf(i), ONE) !== OK) throw new Error(`key ${i} was refused`);
  }
}

/** Several times what any walk here takes. */
const MOST_CALLS = 200_000;

/** All of it; `between` runs between two calls. */
function walk(
  arena: Arena,
  { count = 512, maxValueBytes = NO_VALUES, nowMs = NOON, between = () => {} } = {},
): ScannedEntry[] {
  const found: ScannedEntry[] = [];
  let scanned: Scanned | undefined;
  let calls = 0;
  do {
    if (++calls > MOST_CALLS) throw new Error('the walk does not end');
    if (scanned) between();
    scanned = scan(arena, scanned?.cursor ?? START, count, maxValueBytes, nowMs);
    expect(Number.isSafeInteger(scanned.cursor)).toBe(true);
    found.push(...scanned.entries);
  } while (scanned.cursor !== START);
  return found;
}

const names = (entries: readonly ScannedEntry[]): string[] =>
  entries.map(({ key }) => key.toString('latin1'));

/** Each of these once, and nothing else. */
function expectExactly(entries: readonly ScannedEntry[], numbers: readonly number[]): void {
  const found = entries.map(({ key }) => numberOf(key)).sort((a, b) => a - b);
  expect(found).toEqual([...numbers].sort((a, b) => a - b));
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i);

describe.each([1, 2, 16, 256])('with %i partition(s)', (partitions) => {
  const arena = createArena({ memoryBytes: 128 * MIB, partitions });

  it.each([0, 1, 50, 3000, 40_000])('%i entries are walked, each once', (entries) => {
    arena.clear();
    fill(arena, 0, entries);
    for (const count of entries > 3000 ? [512] : [1, 7, 512, 2 ** 32 - 1]) {
      expectExactly(walk(arena, { count }), upTo(entries));
    }
    expect(arena.checkIntegrity()).toBeUndefined();
  });
});

describe('an entry', () => {
  const arena = createArena({ memoryBytes: 16 * MIB });
  const long = Buffer.alloc(3000, 'long key');
  const sizes = [1, 40, 1024, 1025, 8000, 20_000, 900_000];
  for (const size of sizes) set(arena, Buffer.from(`of ${size}`), Buffer.alloc(size, `${size}.`));
  set(arena, long, Buffer.alloc(5000, 'a'));
  set(arena, Buffer.from('with expiry'), ONE, 1000);

  const entryOf = (maxValueBytes: number, key: Buffer, nowMs = NOON) =>
    walk(arena, { maxValueBytes, nowMs }).find((entry) => entry.key.equals(key));

  function expectValue(key: Buffer, value: Buffer, maxValueBytes: number): void {
    const { value: found, ...facts } = entryOf(maxValueBytes, key)!;
    expect(facts).toEqual({ key, kind: 1, valueBytes: value.length, expiryMs: 0 });
    // Not by toEqual, which takes a second for a megabyte.
    if (value.length <= maxValueBytes) expect(found!.equals(value)).toBe(true);
    else expect(found).toBeUndefined();
  }

  it.each(sizes)('comes with its value of %i bytes if that is asked for', (size) => {
    const value = Buffer.alloc(size, `${size}.`);
    for (const most of [size, MIB, 2 ** 32 - 1, size - 1, NO_VALUES]) {
      expectValue(Buffer.from(`of ${size}`), value, most);
    }
  });

  it('of a key that lies in its chain comes with both', () => {
    for (const most of [5000, 4999, NO_VALUES]) expectValue(long, Buffer.alloc(5000, 'a'), most);
  });

  it('says when it expires, and is left out from then on', () => {
    const key = Buffer.from('with expiry');
    const facts = { key, kind: 1, valueBytes: 1, expiryMs: NOON + 1000 };
    expect(entryOf(1, key)).toEqual({ ...facts, value: ONE });
    expect(entryOf(1, key, NOON + 999)).toBeDefined();
    expect(entryOf(1, key, NOON + 1000)).toBeUndefined();
    expect(walk(arena, { nowMs: NOON + 1000 })).toHaveLength(sizes.length + 1);
  });
});

it('leaves no trace', () => {
  const arena = createArena();
  const memory = new ArenaMemory(arena);
  fill(arena, 0, 1000);
  const [segment] = memory.segments(0) as [number];
  const before = Buffer.from(memory.bytes.subarray(segment, segment + 64 * KIB));
  const stats = arena.stats();
  expect(walk(arena, { maxValueBytes: 100 })).toHaveLength(1000);
  expect(memory.bytes.subarray(segment, segment + 64 * KIB).equals(before)).toBe(true);
  expect(arena.stats()).toEqual(stats);
});

describe('a table that grows between two calls', () => {
  it.each([1, 100])('loses nothing and repeats nothing, %i entries a call', (count) => {
    const arena = createArena({ memoryBytes: 64 * MIB, policy: 'none' }, SEED);
    fill(arena, 0, 5000);
    let next = 5000;
    // From one segment to thirty, before the walk is through with the first tenth.
    const found = walk(arena, {
      count,
      between: () => {
        if (next >= 200_000) return;
        fill(arena, next, next + 500 * count);
        next += 500 * count;
      },
    });
    expect(arena.stats().tableSplits).toBeGreaterThan(20);
    const numbers = found.map(({ key }) => numberOf(key));
    expect(new Set(numbers).size).toBe(numbers.length);
    expectExactly(
      found.filter(({ key }) => numberOf(key) < 5000),
      upTo(5000),
    );
  });

  it('may do so at any place of the walk', () => {
    for (const stop of [1, 2, 50, 500, 900]) {
      const arena = createArena({ memoryBytes: 16 * MIB, policy: 'none' }, SEED + stop);
      fill(arena, 0, 8000);
      let calls = 0;
      const found = walk(arena, {
        count: 1,
        between: () => {
          if (++calls === stop) fill(arena, 8000, 30_000);
        },
      });
      expect(arena.stats().tableSplits).toBeGreaterThan(2);
      expectExactly(
        found.filter(({ key }) => numberOf(key) < 8000),
        upTo(8000),
      );
    }
  });
});

describe('keys that come and go between two calls', () => {
  const CASES = [
    { entries: 300, memoryBytes: 4 * MIB, partitions: 1, count: 1 },
    { entries: 9000, memoryBytes: 4 * MIB, partitions: 1, count: 40 },
    // Segments that cannot split: more than a quarter of the entries stand behind their homes.
    { entries: 11_000, memoryBytes: 900 * KIB, partitions: 1, count: 60 },
    { entries: 20_000, memoryBytes: 16 * MIB, partitions: 4, count: 100 },
  ];

  it.each(CASES)('others are walked once: %j', ({ entries, count, ...options }) => {
    const random = new Random(SEED);
    const arena = createArena({ ...options, policy: 'none' }, random.below(2 ** 32));
    const isStaying = (number: number) => number % 3 === 0;
    const last = Math.floor((entries * 3) / 2);
    const present = new Set<number>();
    const add = (number: number) => {
      if (set(arena, keyOf(number), ONE) === OK) present.add(number);
    };
    for (let i = 0; i < last; i++) if (isStaying(i) || random.chance(0.5)) add(i);
    const staying = [...present].filter(isStaying);
    expect(staying.length).toBeGreaterThan(entries / 4);
    for (let round = 0; round < 3; round++) {
      const found = walk(arena, {
        count,
        between: () => {
          for (let i = 0; i < count; i++) {
            const number = random.below(last);
            if (isStaying(number)) continue;
            if (random.chance(0.5)) add(number);
            else remove(arena, keyOf(number));
          }
        },
      });
      const numbers = found.map(({ key }) => numberOf(key));
      expect(new Set(numbers).size, 'no key twice').toBe(numbers.length);
      expectExactly(
        found.filter(({ key }) => isStaying(numberOf(key))),
        staying,
      );
    }
    expect(arena.checkIntegrity()).toBeUndefined();
  });
});

describe('entries that do not fit the reply area together', () => {
  /** Keys of one home bucket, of the greatest length. */
  function keysOfOneBucket(memory: ArenaMemory, many: number): Buffer[] {
    const keys: Buffer[] = [];
    const key = Buffer.alloc(65_535, 'k');
    for (let i = 0; keys.length < many; i++) {
      key.writeUInt32LE(i, 0);
      if (memory.hash(key) % 1024 === 7) keys.push(Buffer.from(key));
    }
    return keys;
  }

  /** Its area holds one of the values. */
  const arenaOfBig = () => createArena({ ...options, maxValueBytes: 400 * KIB }, SEED);

  // Two of the keys fit the area.
  const options = { memoryBytes: 16 * MIB, maxValueBytes: 1, policy: 'none' } as const;

  it.each([1, 512])('come in several calls, %i at a time', (count) => {
    const arena = createArena(options);
    const keys = keysOfOneBucket(new ArenaMemory(arena), 15);
    for (const key of keys) expect(set(arena, key, ONE)).toBe(OK);
    fill(arena, 0, 500);
    const found = walk(arena, { count, maxValueBytes: 1 });
    expect(names(found).sort()).toEqual(
      [
        ...names(keys.map((key) => ({ key }) as ScannedEntry)),
        ...upTo(500).map((i) => `key ${i}`),
      ].sort(),
    );
    expect(found.every(({ value }) => value?.equals(ONE))).toBe(true);
  });

  it('also when their segment splits in between', () => {
    const arena = createArena(options);
    const keys = keysOfOneBucket(new ArenaMemory(arena), 15);
    for (const key of keys) expect(set(arena, key, ONE)).toBe(OK);
    let next = 0;
    const found = walk(arena, {
      between: () => {
        if (next === 40_000) return;
        fill(arena, next, next + 5000);
        next += 5000;
      },
    });
    expect(arena.stats().tableSplits).toBeGreaterThan(2);
    const long = found.filter(({ key }) => key.length > 100);
    expect(names(long).sort()).toEqual(names(keys.map((key) => ({ key }) as ScannedEntry)).sort());
  });

  it('but have one hash come together, without their values if need be', () => {
    const memory = new ArenaMemory(arenaOfBig());
    const byHash = new Map<number, Buffer>();
    let twins: Buffer[] = [];
    for (let i = 0; twins.length === 0; i++) {
      const key = keyOf(i);
      const hash = memory.hash(key);
      const other = byHash.get(hash);
      if (other) twins = [other, key];
      byHash.set(hash, key);
    }
    const { arena } = memory;
    for (const key of twins) set(arena, key, Buffer.alloc(400 * KIB, numberOf(key)));
    fill(arena, 0, 100);
    const numbers = [...new Set([...upTo(100), ...twins.map(numberOf)])];
    const found = walk(arena, { maxValueBytes: 400 * KIB });
    expectExactly(found, numbers);
    for (const { key, valueBytes, value } of found) {
      expect(value?.length).toBe(valueBytes === 400 * KIB ? undefined : 1);
      expect(twins.some((twin) => twin.equals(key))).toBe(valueBytes === 400 * KIB);
    }
  });

  it('whose values do not fit either are walked with those that do', () => {
    const arena = createArena({ ...options, maxValueBytes: 200 * KIB });
    for (let i = 0; i < 40; i++) set(arena, keyOf(i), Buffer.alloc(200 * KIB, i));
    const found = walk(arena, { maxValueBytes: 200 * KIB });
    expectExactly(found, upTo(40));
    for (const { key, value } of found) expect(value![5]).toBe(numberOf(key));
  });
});

describe('a cursor', () => {
  const arena = createArena({ memoryBytes: 16 * MIB, partitions: 4 });
  fill(arena, 0, 30_000);

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 38, 2 ** 53, -(2 ** 60)])(
    '%d is none, and nothing is walked',
    (cursor) => {
      expect(scan(arena, cursor, 100, 1, NOON)).toMatchObject({ cursor: 0, entries: [] });
    },
  );

  it('that nobody was given ends all the same, with entries that there are, each once', () => {
    const random = new Random(SEED);
    for (let i = 0; i < 40; i++) {
      const region = random.below(64);
      const start = region * 2 ** 32 + random.below(2 ** 32);
      const found: ScannedEntry[] = [];
      let cursor = start;
      for (let calls = 0; calls === 0 || cursor !== 0; calls++) {
        expect(calls, `cursor ${start}`).toBeLessThan(2000);
        const scanned = scan(arena, cursor, 5000, NO_VALUES, NOON);
        found.push(...scanned.entries);
        cursor = scanned.cursor;
      }
      const numbers = found.map(({ key }) => numberOf(key));
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(numbers.every((number) => number >= 0 && number < 30_000)).toBe(true);
    }
  });
});

describe('the word that a batch is true for', () => {
  const arena = createArena({ partitions: 2 });
  const memory = new ArenaMemory(arena);
  fill(arena, 0, 1000);

  it('is that of its partition, and no other entries are in the batch', () => {
    let cursor = START;
    let batches = 0;
    do {
      const scanned = scan(arena, cursor, 100, NO_VALUES, NOON);
      cursor = scanned.cursor;
      if (scanned.entries.length === 0) continue;
      batches++;
      expect(scanned.word).toBe(memory.u64(scanned.partition));
      for (const { key } of scanned.entries) {
        expect(memory.partition(memory.partitionIndexOf(key))).toBe(scanned.partition);
      }
    } while (cursor !== START);
    expect(batches).toBeGreaterThan(8);
  });

  it('is past when anything was written there', () => {
    const { word, partition } = scan(arena, START, 100, NO_VALUES, NOON);
    const key = upTo(1000)
      .map(keyOf)
      .find((one) => {
        return memory.partition(memory.partitionIndexOf(one)) === partition;
      })!;
    set(arena, key, Buffer.of(2));
    expect(memory.u64(partition)).not.toBe(word);
  });
});

it('a memory of the least size is walked', () => {
  const arena = createArena({ memoryBytes: LEAST_MEMORY, policy: 'none' });
  fill(arena, 0, 100);
  expectExactly(walk(arena), upTo(100));
});
