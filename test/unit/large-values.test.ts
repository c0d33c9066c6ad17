/** Values that do not fit a thread's areas: drafts, and reading without a lock. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arena } from '#engine/arena.js';
import { SetFlag } from '#engine/commands.js';
import {
  BLOCK_CONSUMED,
  BLOCK_HOST_ARG_COUNT,
  BLOCK_HOST_ARGS,
  BLOCK_HOST_CODE,
  BLOCK_HOST_END,
  BLOCK_REPLY_BYTES,
} from '#engine/kernel-exports.js';
import { LARGE_BYTES, type LargeValues } from '#engine/large.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import {
  Bench,
  CLASS_INFO_BYTES,
  Header,
  KIB,
  LEAST_MEMORY,
  MIB,
  NOON,
  PAGE_PAYLOAD,
} from '../support/kernel-memory.js';
import { bin, CODES, command, frame, integer, NIL, str, TRUE } from '../support/kernel-wire.js';
import { encoded, type Hooks, largeValuesOf, NIL_BYTES } from '../support/large-values.js';

const KEY = Buffer.from('key');
/** So long that it goes into the chain, and spans two of its pages. */
const LONG_KEY = Buffer.alloc(65_535, 'long key ');
const NOBODY = NO_OS_THREAD - 1;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

function benchOf(options: Partial<ConstructorParameters<typeof Bench>[0]> = {}): Bench {
  return new Bench({ memoryBytes: 32 * MIB, policy: 'none', maxValueBytes: 16 * MIB, ...options });
}

function expectSound(bench: Bench): void {
  expect(bench.arena.checkIntegrity()).toBeUndefined();
}

/** Compared without the time that an assertion takes to look at every byte. */
function expectBytes(found: Uint8Array | undefined, expected: Buffer): void {
  expect([found?.length, found !== undefined && expected.equals(found)]).toEqual([
    expected.length,
    true,
  ]);
}

describe('a value of any size', () => {
  const pages = (count: number, key: Buffer) =>
    count * PAGE_PAYLOAD - (key === LONG_KEY ? key.length : 0);
  const bench = benchOf();
  const values = largeValuesOf(bench.arena);

  const SIZES = [KEY, LONG_KEY].flatMap((key) =>
    [10, 8 * KIB, 1000 * KIB, LARGE_BYTES, pages(17, key), pages(18, key), pages(65, key)].flatMap(
      (bytes) => [-1, 0, 1].map((more) => [key.length, bytes + more, key] as const),
    ),
  );

  it.each(SIZES)('key of %i bytes, value of %i', (_keyBytes, bytes, key) => {
    const before = bench.arena.stats();
    const value = encoded(bytes, bytes);
    expect(values.set(key, value, 0, 0, 0)).toEqual({ stored: true, old: undefined });
    expectSound(bench);
    expectBytes(values.get(key, 'get'), value);
    expectBytes(values.get(key, 'peek'), value);
    expectBytes(bench.memory.valueOf(bench.memory.entry(key)), value);
    expect(bench.memory.keyOf(bench.memory.entry(key)).equals(key)).toBe(true);
    const { payloadBytes, hits, sets } = bench.arena.stats();
    expect(payloadBytes - before.payloadBytes).toBe(key.length + bytes);
    expect([hits - before.hits, sets - before.sets]).toEqual([1, 1]);
    expectBytes(values.get(key, 'take'), value);
    expect(values.get(key, 'take')).toBeUndefined();
    const { entries, chunkBytes, freePages, deletes } = bench.arena.stats();
    expect({ entries, chunkBytes }).toEqual({ entries: 0, chunkBytes: before.chunkBytes });
    expect(deletes - before.deletes).toBe(1);
    expect(freePages).toBeGreaterThanOrEqual(before.freePages - 3);
    expectSound(bench);
  });

  it('may come in parts', () => {
    const value = encoded(3 * MIB, 5);
    const parts = [value.subarray(0, 5), value.subarray(5, 70_000), value.subarray(70_000)];
    values.set(KEY, parts, 0, 0, 0);
    expectBytes(values.get(KEY, 'get'), value);
    values.set(KEY, [Buffer.of(0x92), Buffer.of(1), Buffer.of(2)], 0, 0, 0);
    expectBytes(values.get(KEY, 'get'), Buffer.of(0x92, 1, 2));
  });

  it('is read to where the caller wants it', () => {
    const value = encoded(2 * MIB, 6);
    values.set(KEY, value, 0, 0, 0);
    const place = Buffer.alloc(3 * MIB);
    const found = values.get(KEY, 'get', (bytes) => place.subarray(10, 10 + bytes));
    expectBytes(found, value);
    expect(place.compare(value, 0, value.length, 10, 10 + value.length)).toBe(0);
  });

  it('of more than the largest is refused', () => {
    values.set(KEY, encoded(100), 0, 0, 0);
    expect(() => values.set(KEY, encoded(16 * MIB + 1), 0, 0, 0)).toThrow(/^the value is larger/);
    expectBytes(values.get(KEY, 'get'), encoded(100));
    expectSound(bench);
  });

  it('is looked at and changed by the other commands as a small one', () => {
    values.set(KEY, encoded(2 * MIB), 0, 0, 0);
    expect(bench.one(command('EXISTS', str(KEY)))).toEqual(integer(1));
    expect(bench.one(command('TTL', str(KEY)))).toEqual(integer(-1));
    expect(bench.one(command('EXPIRE', str(KEY), integer(5000)))).toEqual(TRUE);
    expect(bench.one(command('TTL', str(KEY)))).toEqual(integer(5000));
    expect(bench.one(command('PERSIST', str(KEY)))).toEqual(TRUE);
    expect(bench.one(command('INCR', str(KEY))).toString('latin1')).toMatch(/WRONGTYPE/);
    expectSound(bench);
    expectBytes(values.get(KEY, 'get'), encoded(2 * MIB));
    expect(bench.one(command('DEL', str(KEY)))).toEqual(integer(1));
    expectSound(bench);
  });

  it('in whole pages also where it comes through the request area', () => {
    const value = encoded(LARGE_BYTES + 100 * KIB);
    expect(bench.one(command('SET', str(KEY), value))).toEqual(TRUE);
    expect(bench.memory.pieces(bench.memory.entry(KEY))).toHaveLength(18);
    expectSound(bench);
    expect(bench.one(command('GET', str(KEY))).equals(value)).toBe(true);
    expectBytes(values.get(KEY, 'take'), value);
  });
});

describe('a large value is stored', () => {
  let bench: Bench;
  let values: LargeValues;
  const SMALL = encoded(100, 1);
  const OLD = encoded(2 * MIB, 2);
  const NEW = encoded(3 * MIB, 3);

  beforeEach(() => {
    bench = benchOf();
    values = largeValuesOf(bench.arena);
  });
  afterEach(() => expectSound(bench));

  // It asked for ever whether there was still no key, which NX allows and the version does not.
  it('with NX and a version, which nothing has both of', () => {
    const flags = SetFlag.NX + SetFlag.GET + SetFlag.IF_VERSION;
    const absent = values.set(KEY, NEW, 0, flags, 7);
    expect([absent.stored, absent.old]).toEqual([false, Buffer.of(0xc0)]);
    values.set(KEY, OLD, 0, 0, 0);
    const present = values.set(KEY, NEW, 0, flags, 7);
    expect([present.stored, present.old!.equals(OLD)]).toEqual([false, true]);
  });

  it('with NX where there is none', () => {
    expect(values.set(KEY, NEW, 0, SetFlag.NX, 0).stored).toBe(true);
    expect(values.set(KEY, OLD, 0, SetFlag.NX, 0).stored).toBe(false);
    expectBytes(values.get(KEY, 'get'), NEW);
  });

  it('with XX where there is one', () => {
    expect(values.set(KEY, NEW, 0, SetFlag.XX, 0).stored).toBe(false);
    expect(values.get(KEY, 'get')).toBeUndefined();
    values.set(KEY, SMALL, 0, 0, 0);
    expect(values.set(KEY, NEW, 0, SetFlag.XX, 0).stored).toBe(true);
    expectBytes(values.get(KEY, 'get'), NEW);
  });

  it('for so long, or as long as the old one', () => {
    values.set(KEY, OLD, 1000, 0, 0);
    values.set(KEY, NEW, 0, SetFlag.KEEP_TTL, 0);
    vi.advanceTimersByTime(999);
    expectBytes(values.get(KEY, 'get'), NEW);
    vi.advanceTimersByTime(1);
    expect(values.get(KEY, 'get')).toBeUndefined();
    expect(values.set(KEY, NEW, 0, SetFlag.KEEP_TTL, 0).stored).toBe(true);
    vi.advanceTimersByTime(10_000);
    expectBytes(values.get(KEY, 'get'), NEW);
  });

  it('with IFVERSION where that is the version', () => {
    expect(values.set(KEY, NEW, 0, SetFlag.IF_VERSION, 7).stored).toBe(false);
    values.set(KEY, OLD, 0, 0, 0);
    expect(values.set(KEY, NEW, 0, SetFlag.IF_VERSION, 7).stored).toBe(false);
    const { bytes, version } = values.getVersioned(KEY)!;
    expectBytes(bytes, OLD);
    expect(values.set(KEY, NEW, 0, SetFlag.IF_VERSION, Number(version) + 1).stored).toBe(false);
    expect(values.set(KEY, NEW, 0, SetFlag.IF_VERSION, Number(version)).stored).toBe(true);
    expect(values.getVersioned(KEY)!.version).toBeGreaterThan(version);
    expect(values.set(KEY, OLD, 0, SetFlag.IF_VERSION, Number(version)).stored).toBe(false);
    expectBytes(values.getVersioned(KEY)!.bytes, NEW);
    values.set(KEY, SMALL, 0, 0, 0);
    expectBytes(values.getVersioned(KEY)!.bytes, SMALL);
    expect(values.getVersioned(Buffer.from('none'))).toBeUndefined();
  });

  it.each([
    ['none', NIL_BYTES],
    ['a small one', SMALL],
    ['a large one', OLD],
  ])('with GET, which tells the old one: %s', (_name, old) => {
    for (const value of [NEW, SMALL]) {
      if (old !== NIL_BYTES) values.set(KEY, old, 0, 0, 0);
      const isAllowed = old !== NIL_BYTES;
      const refused = values.set(KEY, value, 0, SetFlag.GET + SetFlag.IF_VERSION, 5);
      expectBytes(refused.old, old);
      expect(refused.stored).toBe(false);
      expect(values.set(KEY, value, 0, SetFlag.GET + SetFlag.XX, 0).stored).toBe(isAllowed);
      if (isAllowed) values.set(KEY, old, 0, 0, 0);
      const done = values.set(KEY, value, 0, SetFlag.GET, 0);
      expectBytes(done.old, old);
      expect(done.stored).toBe(true);
      expectBytes(values.get(KEY, 'take'), value);
      expectSound(bench);
    }
  });
});

describe('memory for a large value', () => {
  const OLD = encoded(2 * MIB, 2);
  const NEW = encoded(2 * MIB + 1, 3);
  const pagesOf = (bytes: number) => Math.ceil(bytes / PAGE_PAYLOAD);

  it.each(['a new key', 'a key with a value'])('is all or nothing: %s', (name) => {
    const bench = benchOf({ partitions: 2 });
    const { memory } = bench;
    const values = largeValuesOf(bench.arena);
    const end = memory.header('endPage');
    const key = name === 'a new key' ? Buffer.from('new') : KEY;
    values.set(KEY, OLD, 0, 0, 0);
    const healthy = Buffer.from(memory.bytes);
    let pages = 0;
    for (; ; pages++) {
      memory.bytes.set(healthy);
      // So many pages are left.
      memory.setU32(Header.poolBump, end - pages);
      const stored = (() => {
        try {
          return values.set(key, NEW, 1000, 0, 0).stored;
        } catch (error) {
          expect(error).toMatchObject({ code: 'OOM' });
          return false;
        }
      })();
      expect(memory.u32(memory.threadBlock('draftPages'))).toBe(0);
      expectBytes(values.get(KEY, 'peek'), stored && key === KEY ? NEW : OLD);
      if (stored) break;
      const free = memory.header('poolStacked') + end - memory.header('poolBump');
      expect(free).toBeGreaterThanOrEqual(pages);
      // As it would be had there been no such limit.
      memory.setU32(Header.poolBump, end);
      for (let page = memory.header('firstPage'); page < end - pages; page++) {
        if (memory.u8(memory.pageInfo(page)) !== 5) continue;
        throw new Error(`page ${page} is still a draft's`);
      }
    }
    // Pages for the value itself, and up to three for its head and records of two kinds.
    expect(pages - pagesOf(NEW.length)).toBeGreaterThanOrEqual(0);
    expect(pages - pagesOf(NEW.length)).toBeLessThanOrEqual(4);
  });

  it('is asked of all partitions alike', () => {
    const bench = benchOf({ partitions: 4, policy: 'clock' });
    const values = largeValuesOf(bench.arena);
    for (let i = 0; i < 100_000; i++)
      bench.one(command('SET', str(`key ${i}`), bin(Buffer.alloc(400))));
    const entries = () =>
      [0, 1, 2, 3].map((i) => bench.memory.u32(bench.memory.partition(i, 'entries')));
    const before = entries();
    values.set(KEY, encoded(8 * MIB), 0, 0, 0);
    const gone = entries().map((count, i) => before[i]! - count);
    // A quarter of the memory, a quarter of each partition's.
    for (const [i, count] of gone.entries()) {
      expect(count / before[i]!).toBeGreaterThan(0.15);
      expect(count / before[i]!).toBeLessThan(0.4);
    }
    expectSound(bench);
    expectBytes(values.get(KEY, 'get'), encoded(8 * MIB));
  });

  it.each(['clock', 'none'] as const)('that can never be had evicts nothing: %s', (policy) => {
    const bench = benchOf({ memoryBytes: 4 * MIB, maxValueBytes: 64 * MIB, policy });
    const values = largeValuesOf(bench.arena);
    for (let i = 0; i < 1000; i++)
      bench.one(command('SET', str(`key ${i}`), bin(Buffer.alloc(400))));
    for (const bytes of [4 * MIB, 64 * MIB]) {
      expect(() => values.set(KEY, encoded(bytes), 0, 0, 0)).toThrow(/^no memory/);
    }
    expect(bench.arena.stats()).toMatchObject({ entries: 1000, evictions: 0 });
    expectSound(bench);
  });

  it('is had by evicting large values, their pages being pages', () => {
    const bench = benchOf({ policy: 'lru', partitions: 2 });
    const values = largeValuesOf(bench.arena);
    for (let i = 0; i < 40; i++) {
      const value = encoded(5 * MIB + i * 10_000, i);
      expect(values.set(Buffer.from(`large ${i}`), value, 0, 0, 0).stored).toBe(true);
      expectBytes(values.get(Buffer.from(`large ${i}`), 'get'), value);
      expectSound(bench);
    }
    const { entries, evictions } = bench.arena.stats();
    expect(entries).toBeGreaterThanOrEqual(4);
    expect(entries + evictions).toBe(40);
  });

  it('comes back when it expires, by upkeep', () => {
    const bench = benchOf();
    const values = largeValuesOf(bench.arena);
    values.set(KEY, NEW, 1000, 0, 0);
    const { slabPages } = bench.arena.stats();
    expect(slabPages).toBeGreaterThanOrEqual(pagesOf(NEW.length));
    vi.advanceTimersByTime(3000);
    while (bench.arena.kernel.upkeep(bench.arena.slot, Date.now()) === 0);
    expect(bench.arena.stats()).toMatchObject({ entries: 0, expired: 1 });
    expect(bench.arena.stats().slabPages).toBeLessThan(5);
    expectSound(bench);
  });

  it('of a value above maxEntries goes where the policy says', () => {
    const full = benchOf({ maxEntries: 1 });
    largeValuesOf(full.arena).set(KEY, NEW, 0, 0, 0);
    expect(() => largeValuesOf(full.arena).set(Buffer.from('b'), NEW, 0, 0, 0)).toThrow(
      /maxEntries/,
    );
    expectSound(full);
    const evicting = benchOf({ maxEntries: 1, policy: 'lru' });
    for (const name of ['a', 'b'])
      largeValuesOf(evicting.arena).set(Buffer.from(name), NEW, 0, 0, 0);
    expect(evicting.arena.stats()).toMatchObject({ entries: 1, evictions: 1 });
    expectSound(evicting);
  });
});

describe('while a draft is filled', () => {
  const VALUE = encoded(2 * MIB, 9);
  let bench: Bench;
  let other: Arena;

  beforeEach(() => {
    bench = benchOf({ partitions: 2, policy: 'clock' });
    other = Arena.attach(bench.arena.handle);
    for (let i = 0; i < 1000; i++)
      bench.one(command('SET', str(`key ${i}`), bin(Buffer.alloc(400))));
    largeValuesOf(bench.arena).set(KEY, encoded(3 * MIB, 1), 0, 0, 0);
  });

  /** Stores the value, and calls `meanwhile` when its pages are there. */
  const setBeside = (meanwhile: () => void): boolean =>
    largeValuesOf(bench.arena, { draftCommit: meanwhile }).set(KEY, VALUE, 0, 0, 0).stored;

  it.each<[string, () => void]>([
    ['everything is removed', () => other.clear()],
    [
      'its key is removed',
      () => {
        other.request.set(KEY);
        other.kernel.deleteDirect(other.slot, KEY.length, NOON);
      },
    ],
    ['its key is written', () => largeValuesOf(other).set(KEY, encoded(5 * MIB), 0, 0, 0)],
    [
      'memory becomes scarce',
      () => {
        for (let i = 0; i < 20; i++) {
          largeValuesOf(other).set(Buffer.from(`other ${i}`), encoded(3 * MIB), 0, 0, 0);
        }
      },
    ],
    [
      'a partition is emptied',
      () => {
        const { memory } = bench;
        const home = memory.partitionIndexOf(KEY);
        memory.setU32(memory.partition(home, 'entries'), 4);
        const word = memory.partition(home, 'word');
        memory.setU64(word, memory.u64(word) | BigInt(bench.arena.slot + 1));
        bench.arena.reapThreads();
      },
    ],
    ['the memory is checked', () => expect(other.checkIntegrity()).toBeUndefined()],
  ])('%s', (name, meanwhile) => {
    if (name === 'a partition is emptied') {
      // This thread's call had failed: its draft goes with it, and it finds out.
      expect(() => setBeside(meanwhile)).toThrow(WebAssembly.RuntimeError);
      expect(bench.memory.u32(bench.memory.threadBlock('draftPages'))).toBe(0);
      bench.arena.reapThreads();
    } else {
      expect(setBeside(meanwhile)).toBe(true);
      expectBytes(largeValuesOf(other).get(KEY, 'get'), VALUE);
    }
    expectSound(bench);
  });

  it('it is counted as used memory, and not as an entry', () => {
    const before = bench.arena.stats();
    setBeside(() => {
      const { slabPages, freePages, entries } = bench.arena.stats();
      expect([slabPages - before.slabPages, before.freePages - freePages]).toEqual([33, 33]);
      expect(entries).toBe(before.entries);
      expectSound(bench);
    });
  });

  it.each(['in order', 'with a chain that makes no sense'])('its thread may end: %s', (how) => {
    const { kernel, slot, request, block } = other;
    const { freePages } = bench.arena.stats();
    request.set(KEY);
    expect(kernel.draftBegin(slot, KEY.length, 2 * MIB, 0, 0, NOON)).toBe(1);
    expect(kernel.draftGrow(slot, 20, NOON)).toBe(20);
    expect(bench.arena.stats().freePages).toBe(freePages - 20);
    if (how !== 'in order') {
      block.fill(0xdead, 25, 28);
      new DataView(block.buffer).setUint32(block.byteOffset + 104, 0xdead_0000, true);
    }
    block[0] = NOBODY;
    expect(bench.arena.reapThreads()).toBe(1);
    expect(bench.arena.stats().freePages).toBe(freePages);
    expectSound(bench);
    // Another thread may have the slot.
    expect(Arena.attach(bench.arena.handle).slot).toBe(slot);
    expect(bench.arena.stats().freePages).toBe(freePages);
  });

  it('its thread may end: upkeep of another one gives its pages back', () => {
    const { kernel, slot, request, block } = other;
    const { freePages } = bench.arena.stats();
    request.set(KEY);
    kernel.draftBegin(slot, KEY.length, 2 * MIB, 0, 0, NOON);
    kernel.draftGrow(slot, 20, NOON);
    bench.arena.kernel.upkeep(bench.arena.slot, NOON);
    expect(bench.arena.stats()).toMatchObject({ freePages: freePages - 20, threads: 2 });
    block[0] = NOBODY;
    bench.arena.kernel.upkeep(bench.arena.slot, NOON);
    expect(bench.arena.stats()).toMatchObject({ freePages, threads: 1 });
    expectSound(bench);
  });

  it('the cache may be closed', () => {
    const { kernel, slot, request } = other;
    const { freePages } = bench.arena.stats();
    request.set(KEY);
    kernel.draftBegin(slot, KEY.length, 2 * MIB, 0, 0, NOON);
    kernel.draftGrow(slot, 20, NOON);
    other.close();
    expect(bench.arena.stats()).toMatchObject({ freePages, threads: 1 });
    expectSound(bench);
  });

  it('another one drops it', () => {
    const { kernel, slot, request } = bench.arena;
    const { freePages } = bench.arena.stats();
    request.set(KEY);
    for (let i = 0; i < 3; i++) {
      kernel.draftBegin(slot, KEY.length, 2 * MIB, 0, 0, NOON);
      kernel.draftGrow(slot, 20, NOON);
      expect(bench.arena.stats().freePages).toBe(freePages - 20);
    }
    kernel.draftAbort(slot);
    expect(bench.arena.stats().freePages).toBe(freePages);
    expectSound(bench);
  });
});

describe('a value that is replaced while it is read', () => {
  let bench: Bench;
  let writer: LargeValues;
  let writes: number;
  const numbered = (write: number) => encoded(2 * MIB + write * 3, write);

  beforeEach(() => {
    bench = benchOf();
    writer = largeValuesOf(Arena.attach(bench.arena.handle));
    writes = 0;
    write();
  });
  afterEach(() => expectSound(bench));

  function write(): void {
    writes++;
    writer.set(KEY, numbered(writes), 0, 0, 0);
  }

  /** A reader; whenever it asks whether the value is still there, it is not, `times` times. */
  function disturbed(
    times: number,
    hook: keyof Hooks = 'largeIsStill',
    more: Hooks = {},
  ): LargeValues {
    let left = times;
    const disturb = () => {
      if (left-- > 0) write();
    };
    return largeValuesOf(bench.arena, { ...more, [hook]: disturb });
  }

  it.each([1, 5])('is read anew: %i times', (times) => {
    expectBytes(disturbed(times).get(KEY, 'get'), numbered(1 + times));
    expect(bench.arena.stats()).toMatchObject({ hits: 1, misses: 0 });
  });

  it('again and again makes writers wait', () => {
    let held = false;
    let released = 0;
    const reader = largeValuesOf(bench.arena, {
      largeIsStill: () => held || write(),
      largeHold: () => {
        held = true;
      },
      largeRelease: () => {
        released++;
      },
    });
    expectBytes(reader.get(KEY, 'get'), numbered(9));
    expect([held, released, writes]).toEqual([true, 1, 9]);
    // Nothing is locked any more.
    write();
    expectBytes(reader.get(KEY, 'get'), numbered(10));
  });

  it('by a small one is the small one', () => {
    const reader = largeValuesOf(bench.arena, {
      largeIsStill: () => writer.set(KEY, encoded(100, 5), 0, 0, 0),
    });
    expectBytes(reader.get(KEY, 'get'), encoded(100, 5));
  });

  it('by nothing is absent', () => {
    const reader = largeValuesOf(bench.arena, { largeIsStill: () => writer.get(KEY, 'take') });
    expect(reader.get(KEY, 'get')).toBeUndefined();
    expect(bench.arena.stats()).toMatchObject({ hits: 1, misses: 1 });
  });

  it('by one with the same pages is not the old one', () => {
    // A chain of the same pages in the same order: only its number is another one.
    const pages = () => bench.memory.pieces(bench.memory.entry(KEY));
    const first = pages();
    let seen: number[] = [];
    const reader = largeValuesOf(bench.arena, {
      largeIsStill: () => {
        if (writes > 1) return;
        writer.get(KEY, 'take');
        write();
        seen = pages();
      },
    });
    expectBytes(reader.get(KEY, 'get'), numbered(2));
    expect(seen.toSorted()).toEqual(first.toSorted());
  });

  it('is taken once, as a whole', () => {
    expectBytes(disturbed(2, 'largeRemove').get(KEY, 'take'), numbered(3));
    expect(writer.get(KEY, 'get')).toBeUndefined();
    expect(bench.arena.stats()).toMatchObject({ hits: 1, deletes: 1 });
  });

  it.each([encoded(3 * MIB, 77), encoded(100, 77)])('is what SET with GET tells', (value) => {
    const hook = value.length > LARGE_BYTES ? 'draftCommit' : 'setKnowing';
    let left = 3;
    const setter = largeValuesOf(bench.arena, {
      [hook]: () => {
        // The first time nothing is known of the old value.
        if (left-- < 3 && left > 0) write();
      },
    });
    const { old, stored } = setter.set(KEY, value, 0, SetFlag.GET, 0);
    expect(stored).toBe(true);
    expectBytes(old, numbered(writes));
    expect(writes).toBe(3 - 1);
    expectBytes(writer.get(KEY, 'get'), value);
  });

  it('has the version that goes with it', () => {
    const reader = disturbed(3, 'getVersionedDirect');
    const { bytes, version } = reader.getVersioned(KEY)!;
    expectBytes(bytes, numbered(writes));
    expect(writer.getVersioned(KEY)!.version).toBe(version);
    expect(writer.set(KEY, encoded(100), 0, SetFlag.IF_VERSION, Number(version)).stored).toBe(true);
  });
});

describe('a frame', () => {
  const bench = benchOf();
  const { arena } = bench;
  const values = largeValuesOf(arena);
  const LARGE = encoded(2 * MIB);

  const run = (start: number, bytes: Buffer) => {
    arena.request.set(bytes);
    const outcome = arena.kernel.exec(arena.slot, start, bytes.length, NOON);
    const [consumed, replyBytes] = [arena.block[BLOCK_CONSUMED]!, arena.block[BLOCK_REPLY_BYTES]!];
    return { outcome, consumed, reply: Buffer.from(arena.reply.subarray(0, replyBytes)) };
  };

  it.each([
    ['GET', command('GET', str(KEY))],
    ['GETV', command('GETV', str(KEY))],
    ['SET', command('SET', str(KEY), NIL, NIL, integer(SetFlag.GET))],
  ] as const)('stops at a %s whose reply fits no area', (name, large) => {
    const { EXEC_REPLY_FULL, EXEC_LARGE_VALUE, EXEC_DONE } = arena.kernel;
    values.set(KEY, LARGE, 0, 0, 0);
    const small = command('EXISTS', str(KEY));
    const bytes = frame(1, small, large, small);
    const at = 1 + small.length;
    expect(run(0, bytes)).toEqual({
      outcome: EXEC_REPLY_FULL.value,
      consumed: at,
      reply: Buffer.of(1, 1),
    });
    const { commands } = arena.stats();
    expect(run(at, bytes)).toEqual({
      outcome: EXEC_LARGE_VALUE.value,
      consumed: at,
      reply: Buffer.alloc(0),
    });
    const argsAt = bytes.indexOf(str(KEY), at);
    expect(arena.block[BLOCK_HOST_CODE]).toBe(CODES[name]);
    expect(arena.block[BLOCK_HOST_ARGS]).toBe(argsAt);
    expect(arena.block[BLOCK_HOST_ARG_COUNT]).toBe(name === 'SET' ? 4 : 1);
    expect(arena.block[BLOCK_HOST_END]).toBe(at + large.length);
    expect(arena.stats().commands).toBe(commands + 1);
    expect(run(at + large.length, bytes)).toMatchObject({
      outcome: EXEC_DONE.value,
      consumed: bytes.length,
      reply: Buffer.of(1),
    });
    expectBytes(values.get(KEY, 'get'), LARGE);
  });

  it('that begins with it stops behind its id', () => {
    values.set(KEY, LARGE, 0, 0, 0);
    const found = run(0, frame(7, command('GET', str(KEY))));
    const outcome = arena.kernel.EXEC_LARGE_VALUE.value;
    expect(found).toEqual({ outcome, consumed: 1, reply: Buffer.of(7) });
  });
});

it('takes the least arena there is', () => {
  const bench = new Bench({ memoryBytes: LEAST_MEMORY, maxValueBytes: 64 * MIB, policy: 'clock' });
  const values = largeValuesOf(bench.arena);
  expect(() => values.set(KEY, encoded(LARGE_BYTES + 1), 0, 0, 0)).toThrow(/^no memory/);
  expect(CLASS_INFO_BYTES * bench.memory.header('classCount')).toBeLessThanOrEqual(2048);
  expectSound(bench);
});
