/** Making an arena, attaching to one, and giving thread slots back. */
import { describe, expect, it } from 'vitest';
import {
  Arena,
  type ArenaHandle,
  type ArenaOptions,
  defaultPartitions,
  MAX_MEMORY_BYTES,
} from '#engine/arena.js';
import { FrameExecutor } from '#engine/frame.js';
import {
  ArenaMemory,
  Bench,
  Header,
  KIB,
  LEAST_MEMORY,
  MIB,
  PAGE_BYTES,
} from '../support/kernel-memory.js';
import {
  bin,
  command,
  difference,
  frame,
  integer,
  NIL,
  str,
  TRUE,
  valuesOf,
} from '../support/kernel-wire.js';

const OPTIONS: ArenaOptions = {
  memoryBytes: 4 * MIB,
  partitions: 1,
  policy: 'clock',
  maxValueBytes: 64 * KIB,
  maxThreads: 3,
};

describe('the options of an arena', () => {
  it.each([
    [
      { policy: 'lru2' },
      "policy must be one of adaptive, s3fifo, clock, lru, lfu, none, not 'lru2'",
    ],
    [
      { policy: undefined },
      "policy must be one of adaptive, s3fifo, clock, lru, lfu, none, not 'undefined'",
    ],
    [{ memoryBytes: 0 }, 'memory must be a whole number from 1 to 4026531840, not 0'],
    [
      { memoryBytes: 1.5 * MIB + 0.5 },
      'memory must be a whole number from 1 to 4026531840, not 1572864.5',
    ],
    [{ memoryBytes: Number.NaN }, 'memory must be a whole number from 1 to 4026531840, not NaN'],
    [
      { memoryBytes: MAX_MEMORY_BYTES + 1 },
      'memory must be a whole number from 1 to 4026531840, not 4026531841',
    ],
    [{ memoryBytes: '4mb' }, 'memory must be a whole number from 1 to 4026531840, not 4mb'],
    [{ maxValueBytes: 0 }, 'maxValue must be a whole number from 1 to 67108864, not 0'],
    [
      { maxValueBytes: 64 * MIB + 1 },
      'maxValue must be a whole number from 1 to 67108864, not 67108865',
    ],
    [{ maxThreads: 0 }, 'maxThreads must be a whole number from 1 to 64, not 0'],
    [{ node: 1024 }, 'node must be a whole number from 0 to 1023, not 1024'],
    [{ node: 1.5 }, 'node must be a whole number from 0 to 1023, not 1.5'],
    [{ node: 1, tombstoneMs: 0 }, 'tombstoneMs must be a whole number from 1 to 86400000, not 0'],
    [{ node: 1, maxNamespaces: 5 }, 'maxNamespaces must be 0 where there are several nodes, not 5'],
    [{ maxThreads: 65 }, 'maxThreads must be a whole number from 1 to 64, not 65'],
    [{ maxEntries: 0 }, 'maxEntries must be a whole number from 1 to 4294967294, not 0'],
    [
      { maxEntries: 2 ** 32 - 1 },
      'maxEntries must be a whole number from 1 to 4294967294, not 4294967295',
    ],
    [{ partitions: 0 }, 'partitions must be a whole number from 1 to 256, not 0'],
    [{ partitions: 3 }, 'partitions must be a power of two, not 3'],
    [{ partitions: 512 }, 'partitions must be a whole number from 1 to 256, not 512'],
    [
      { partitions: 4, maxEntries: 3 },
      'maxEntries must be at least the number of partitions, 4, not 3',
    ],
    [
      { memoryBytes: LEAST_MEMORY - 1 },
      'memory must be at least 458752 bytes for 1 partition(s), not 458751',
    ],
    [
      { memoryBytes: 1, partitions: 256 },
      'memory must be at least 84869120 bytes for 256 partition(s), not 1',
    ],
    [{ memoryBytes: MAX_MEMORY_BYTES, maxThreads: 64, maxValueBytes: MIB + 0 }, undefined],
    [
      { memoryBytes: MAX_MEMORY_BYTES, maxThreads: 64, maxValueBytes: MIB, partitions: 256 },
      undefined,
    ],
  ])('%j: %s', (wrong, message) => {
    const create = (): Arena => Arena.create({ ...OPTIONS, ...wrong } as ArenaOptions);
    if (message === undefined) {
      expect(create).not.toThrow();
      return;
    }
    expect(create).toThrow(expect.objectContaining({ code: 'OPTION', message }));
  });

  it('are the facts, and the memory is what was asked for', () => {
    const arena = Arena.create({ ...OPTIONS, maxEntries: 77 });
    expect(arena.facts).toEqual({
      memoryBytes: 4 * MIB,
      partitions: 1,
      policy: 'clock',
      maxEntries: 77,
      maxValueBytes: 64 * KIB,
      maxThreads: 3,
      maxNamespaces: 0,
      areaBytes: 192 * KIB,
      stampBits: 0,
      structureBytes: 0,
      slotBytes: 0,
      packedItems: 128,
      packedBytes: 2048,
      node: undefined,
      tombstoneMs: 600_000,
    });
    expect(arena.request).toHaveLength(192 * KIB);
    expect(arena.reply).toHaveLength(192 * KIB);
  });

  it.each([1, 2, 4, 8, 16, 32, 64, 128, 256])(
    '%d partitions work with the least memory',
    (partitions) => {
      const message = /at least (\d+) bytes/;
      let least = 0;
      try {
        Arena.create({ ...OPTIONS, partitions, memoryBytes: 1 });
      } catch (error) {
        least = Number(message.exec((error as Error).message)![1]);
      }
      expect(() => Arena.create({ ...OPTIONS, partitions, memoryBytes: least - 1 })).toThrow(
        message,
      );
      const bench = new Bench({ memoryBytes: least, partitions, maxValueBytes: 16 * KIB });
      const setAll = (count: number, sizes: readonly number[]): void => {
        for (let i = 0; i < count * partitions; i++) {
          const value = bin(Buffer.alloc(sizes[i % sizes.length]!));
          const key = str(`key ${i}`.padEnd(8));
          const [set, get] = bench.run(command('SET', key, value), command('GET', key));
          const wrong = difference(set!, TRUE) ?? difference(get!, value);
          if (wrong) throw new Error(`key ${i}: ${wrong}`);
        }
        expect(bench.arena.stats().usedBytes).toBeLessThanOrEqual(least);
        expect(bench.arena.checkIntegrity()).toBeUndefined();
      };
      // Every partition has a page for each of three sizes.
      setAll(20, [1, 200, 3000]);
      expect(bench.arena.stats()).toMatchObject({ entries: 20 * partitions, evictions: 0 });
      // Whatever the size, there is room for it, if need be for that of another.
      setAll(40, [1, 20, 200, 600, 3000, 7000, 12_000]);
      expect(bench.arena.stats().evictions).toBeGreaterThan(0);
    },
  );

  it('never use more than the budget, however much is written', () => {
    const bench = new Bench({ memoryBytes: MIB });
    const { memory, arena } = bench;
    const end = memory.header('endPage');
    for (let i = 0; i < 500; i++) {
      bench.one(command('SET', str(`key ${i}`), bin(Buffer.alloc(i * 97))));
      expect(arena.stats().usedBytes).toBeLessThanOrEqual(MIB);
      expect(memory.header('poolBump')).toBeLessThanOrEqual(end);
    }
    const { freePages, slabPages, indexPages, usedBytes } = arena.stats();
    expect(usedBytes + freePages * PAGE_BYTES).toBeLessThanOrEqual(MIB);
    expect(usedBytes + (freePages + 1) * PAGE_BYTES).toBeGreaterThan(MIB);
    expect(freePages + slabPages + indexPages).toBe(end - memory.header('firstPage'));
  });
});

describe('the default number of partitions', () => {
  it.each([
    [LEAST_MEMORY, undefined, 1],
    [15.9 * MIB, undefined, 1],
    [16 * MIB, undefined, 2],
    [64 * MIB, undefined, 8],
    [511 * MIB, undefined, 32],
    [512 * MIB, undefined, 64],
    [3000 * MIB, undefined, 64],
    [512 * MIB, 1000, 1],
    [512 * MIB, 1999, 1],
    [512 * MIB, 2000, 2],
    [512 * MIB, 100_000, 64],
  ])('for %d bytes and maxEntries %s is %d', (memoryBytes, maxEntries, expected) => {
    expect(defaultPartitions(memoryBytes, maxEntries)).toBe(expected);
  });

  it('is a number that works, for any memory', () => {
    for (
      let memoryBytes = LEAST_MEMORY;
      memoryBytes < 300 * MIB;
      memoryBytes = Math.ceil(memoryBytes * 1.37)
    ) {
      expect(() =>
        Arena.create({ ...OPTIONS, partitions: undefined as never, memoryBytes }),
      ).not.toThrow();
    }
  });
});

describe('maxEntries', () => {
  it.each([1, 4, 16])('is shared out exactly over %d partitions', (partitions) => {
    for (const maxEntries of [16, 17, 100, 1003]) {
      const { memory } = new Bench({ memoryBytes: 32 * MIB, partitions, maxEntries });
      const shares = Array.from({ length: partitions }, (_, i) =>
        memory.u32(memory.partition(i, 'maxEntries')),
      );
      expect(shares.reduce((sum, share) => sum + share)).toBe(maxEntries);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }
  });
});

describe('attaching', () => {
  const setOne = frame(1, command('SET', str('k'), integer(1)));

  it('opens the same entries', () => {
    const first = Arena.create(OPTIONS);
    const second = Arena.attach(first.handle);
    expect(second.slot).not.toBe(first.slot);
    expect(second.facts).toEqual(first.facts);
    new FrameExecutor(first, () => NIL).execute(setOne, undefined);
    const reply = new FrameExecutor(second, () => NIL).execute(
      frame(2, command('GET', str('k'))),
      undefined,
    );
    expect(valuesOf(reply as Uint8Array)).toEqual([integer(2), integer(1)]);
    expect(first.stats()).toMatchObject({ threads: 2, entries: 1, frames: 2, hits: 1 });
  });

  it('survives structuredClone of the handle', () => {
    const first = Arena.create(OPTIONS);
    const second = Arena.attach(structuredClone(first.handle));
    new FrameExecutor(second, () => NIL).execute(setOne, undefined);
    expect(first.stats().entries).toBe(1);
  });

  it.each([
    [undefined],
    [null],
    [{}],
    ['handle'],
    [{ memory: new SharedArrayBuffer(8) }],
    [{ memory: new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }) }],
  ])('refuses %j as a handle', (handle) => {
    expect(() => Arena.attach(handle as unknown as ArenaHandle)).toThrow(
      expect.objectContaining({
        code: 'OPTION',
        message: 'the handle is not one that share() returned',
      }),
    );
  });

  const attachTo = (handle: ArenaHandle, memory: WebAssembly.Memory) => (): Arena =>
    Arena.attach({ ...handle, memory });
  const notAnArena = expect.objectContaining({
    code: 'OPTION',
    message: 'the shared memory is not an arena',
  });

  it('refuses a memory that nobody laid out', () => {
    const { handle } = Arena.create(OPTIONS);
    const blank = new WebAssembly.Memory({ initial: 4, maximum: 65_536, shared: true });
    expect(attachTo(handle, blank)).toThrow(notAnArena);
  });

  it('refuses a memory that is smaller than its header says', () => {
    const arena = Arena.create(OPTIONS);
    const cut = new WebAssembly.Memory({ initial: 2, maximum: 65_536, shared: true });
    new Uint8Array(cut.buffer).set(arena.bytes.subarray(0, 2 * PAGE_BYTES));
    expect(attachTo(arena.handle, cut)).toThrow(notAnArena);
  });

  it.each([
    ['magic', 0x5242_4c54, 'the shared memory is not an arena'],
    ['layoutVersion', 2, 'the shared memory was laid out by another version of slabring'],
    ['layoutVersion', 0, 'the shared memory was laid out by another version of slabring'],
    ['endPage', 60_000, 'the shared memory is not an arena'],
    ['firstPage', 60_000, 'the shared memory is not an arena'],
    ['partitionCount', 0, 'the shared memory is not an arena'],
  ] as const)('refuses a header with the %s %d', (field, value, message) => {
    const arena = Arena.create(OPTIONS);
    new ArenaMemory(arena).setU32(Header[field], value);
    expect(() => Arena.attach(arena.handle)).toThrow(
      expect.objectContaining({ code: 'OPTION', message }),
    );
  });

  it('refuses one thread more than there are slots, until one is given back', () => {
    const first = Arena.create(OPTIONS);
    const second = Arena.attach(first.handle);
    const third = Arena.attach(first.handle);
    expect([first, second, third].map(({ slot }) => slot)).toEqual([0, 1, 2]);
    expect(() => Arena.attach(first.handle)).toThrow(
      expect.objectContaining({
        code: 'OPTION',
        message:
          'all 3 thread slots are taken; raise maxThreads (at most 64), or close() caches you no longer use',
      }),
    );
    expect(first.stats().threads).toBe(3);
    second.close();
    expect(second.closed).toBe(true);
    expect(first.stats().threads).toBe(2);
    expect(Arena.attach(first.handle).slot).toBe(1);
    // A slot is given back once: by now it is somebody else's.
    second.close();
    expect(first.stats().threads).toBe(3);
    expect(() => Arena.attach(first.handle)).toThrow(/all 3 thread slots are taken/);
  });

  it('leaves nothing behind when it is refused', () => {
    const arena = Arena.create({ ...OPTIONS, maxThreads: 1 });
    for (let i = 0; i < 5; i++) expect(() => Arena.attach(arena.handle)).toThrow(/thread slots/);
    expect(arena.stats().threads).toBe(1);
    expect(arena.checkIntegrity()).toBeUndefined();
  });

  it('keeps the areas of threads apart', () => {
    const first = Arena.create(OPTIONS);
    const second = Arena.attach(first.handle);
    const ranges = [first, second].flatMap(({ request, reply }) =>
      [request, reply].map((area) => [area.byteOffset, area.byteOffset + area.length]),
    );
    ranges.sort((a, b) => a[0]! - b[0]!);
    for (const [i, [start]] of ranges.entries()) {
      if (i > 0) expect(start).toBeGreaterThanOrEqual(ranges[i - 1]![1]!);
    }
    expect(ranges.at(-1)![1]).toBeLessThanOrEqual(
      new ArenaMemory(first).header('firstPage') * PAGE_BYTES,
    );
  });
});

describe('clear', () => {
  it.each([1, 4])(
    'removes everything from %d partitions and gives the pages back',
    (partitions) => {
      const bench = new Bench({ memoryBytes: 8 * MIB, partitions });
      for (let i = 0; i < 20_000; i++) {
        bench.executor.execute(
          frame(1, command('SET', str(`key ${i}`), bin(Buffer.alloc(i % 300)))),
          undefined,
        );
      }
      bench.one(command('SET', str('long'), bin(Buffer.alloc(100_000))));
      const before = bench.arena.stats();
      bench.arena.clear();
      expect(bench.arena.stats()).toMatchObject({
        entries: 0,
        payloadBytes: 0,
        chunkBytes: 0,
        slabPages: 0,
        indexPages: before.indexPages,
        deletes: before.entries,
        evictions: before.evictions,
      });
      expect(bench.arena.checkIntegrity()).toBeUndefined();
      expect(bench.run(command('GET', str('key 1')), command('GET', str('long')))).toEqual([
        NIL,
        NIL,
      ]);
      for (let i = 0; i < 20_000; i++) {
        bench.executor.execute(frame(1, command('SET', str(`key ${i}`), integer(i))), undefined);
      }
      expect(bench.arena.stats().entries).toBe(20_000);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    },
  );

  it('of an empty arena does nothing', () => {
    const bench = new Bench();
    bench.arena.clear();
    expect(bench.arena.stats()).toMatchObject({ entries: 0, deletes: 0 });
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
