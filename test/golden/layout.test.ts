/**
 * Where everything stands in an arena's memory, to the byte. Threads of one process share an arena
 * by these numbers: whoever changes one raises LAYOUT_VERSION (engine/kernel/layout.ts) and the
 * numbers here and in kernel-memory.ts.
 */
import { describe, expect, it } from 'vitest';
import {
  Bench,
  Block,
  Bucket,
  CLASS_CAPACITIES,
  Header,
  KIB,
  LEAST_MEMORY,
  Log,
  MIB,
  PAGE_BYTES,
} from '../support/kernel-memory.js';
import { bin, command, integer, str } from '../support/kernel-wire.js';

const spaced = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');

/** A twentieth of the entries in the small queue, all ghosts count, the main queue is filled. */
const MANNER = 3277 | (256 << 16) | (1 << 26);

describe('the layout', () => {
  it('has version 1', () => {
    expect(new Bench().arena.kernel.LAYOUT_VERSION.value).toBe(1);
  });

  const SMALL = { memoryBytes: LEAST_MEMORY };
  const LARGE = {
    memoryBytes: 64 * MIB,
    partitions: 16,
    maxEntries: 1000,
    policy: 'none',
    maxValueBytes: 64 * KIB,
    maxThreads: 8,
    maxNamespaces: 3,
  } as const;

  /**
   * Every field of the header. The page infos' bias shows the sizes of partitions and directories
   * before them.
   */
  const HEADERS: [object, Record<keyof typeof Header, number>][] = [
    [
      SMALL,
      {
        magic: 0x5242_4c53,
        layoutVersion: 1,
        endAddress: 79 * PAGE_BYTES,
        hashSeed: 7,
        partitionCount: 1,
        partitionShift: 32,
        maxDepth: 3,
        // 64 KiB, a partition of 3,200 bytes and a directory of 8 words, less 74 infos of 32 bytes.
        pageInfoBias: 0x10000 + 3200 + 8 * 4 - 74 * 32,
        firstPage: 74,
        endPage: 79,
        // Before the areas of threads stand the shadows of the policy `adaptive`, 45,056 bytes.
        threads: 69_632 + 45_056,
        // A block of 4,096 bytes and two areas with 512 bytes of slack.
        threadStride: 4096 + 2 * (1_179_648 + 512) + 3072,
        maxThreads: 2,
        areaBytes: 1_179_648,
        policy: 1,
        maxEntries: 0,
        maxValueBytes: MIB,
        classCount: 54,
        budgetBytes: LEAST_MEMORY,
        reclaimFrom: 0,
        adaptive: 69_632,
        manner: MANNER,
        sampleMask: 0,
        sampleValue: 0xffff_ffff,
        poolStack: 0,
        poolBump: 75,
        poolStacked: 0,
        pagesAstray: 0,
        logSleepers: 0,
        logGrew: 0,
        stamps: 0,
        stampShift: 32,
        structures: 0,
        namespaces: 69_632 + 45_056,
        maxNamespaces: 0,
        namespaceCount: 0,
        namespaceClears: 0,
        // That of the arena's creation, see below.
        lastNumber: 0,
        packedItems: 128,
        packedBytes: 2048,
        stampFlags: 0,
        node: 0,
        clock: 0,
        tombstoneMs: 0,
        keySlots: 0,
      },
    ],
    [
      LARGE,
      {
        magic: 0x5242_4c53,
        layoutVersion: 1,
        endAddress: 1073 * PAGE_BYTES,
        hashSeed: 7,
        partitionCount: 16,
        partitionShift: 28,
        maxDepth: 10,
        pageInfoBias: 0x10000 + 16 * 3200 + 1024 * 4 - 53 * 32,
        firstPage: 53,
        endPage: 1073,
        // Three words, names of 256 bytes and, in each partition, rows of 160, in whole 4 KiB.
        threads: 155_648 + 45_056 + 12_288,
        threadStride: 401_408,
        maxThreads: 8,
        areaBytes: 196_608,
        policy: 0,
        maxEntries: 1000,
        maxValueBytes: 64 * KIB,
        classCount: 54,
        budgetBytes: 64 * MIB,
        reclaimFrom: 0,
        adaptive: 155_648,
        manner: MANNER,
        sampleMask: 0,
        sampleValue: 0xffff_ffff,
        poolStack: 0,
        poolBump: 69,
        poolStacked: 0,
        pagesAstray: 0,
        logSleepers: 0,
        logGrew: 0,
        stamps: 0,
        stampShift: 32,
        structures: 0,
        namespaces: 155_648 + 45_056,
        maxNamespaces: 3,
        namespaceCount: 0,
        namespaceClears: 0,
        // That of the arena's creation, see below.
        lastNumber: 0,
        packedItems: 128,
        packedBytes: 2048,
        stampFlags: 0,
        node: 0,
        clock: 0,
        tombstoneMs: 0,
        keySlots: 0,
      },
    ],
  ];

  it.each(HEADERS)('has the header of %j', (options, expected) => {
    const { memory } = new Bench(options);
    const ageMs = Date.now() - Number(memory.u64(Header.lastNumber)) / 1024;
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(ageMs).toBeLessThan(10_000);
    memory.setU64(Header.lastNumber, 0n);
    const fields = Object.keys(expected) as (keyof typeof Header)[];
    const found = Object.fromEntries(fields.map((field) => [field, memory.header(field)]));
    expect(found).toEqual(expected);
  });

  it('begins with SLBR', () => {
    expect(new Bench().memory.bytes.toString('latin1', 0, 4)).toBe('SLBR');
  });

  it('has partitions whose fields stand where they stand', () => {
    const bench = new Bench({ ...LARGE, policy: 'clock' });
    const { memory } = bench;
    const key = Buffer.from('some key');
    const index = memory.partitionIndexOf(key);
    expect(index).toBeGreaterThan(0);
    const at = (field: Parameters<typeof memory.partition>[1]): number =>
      memory.partition(index, field);
    memory.setU64(at('version'), 999n);
    bench.run(
      command('SET', str(key), integer(1)),
      command('SET', str(key), integer(2)),
      command('DEL', str(key)),
      command('SET', str(key), bin('0123456789'), integer(5)),
    );
    bench.nowMs += 5;
    bench.run(command('SET', str(key), bin('0123456789')), command('GETV', str(key)));
    // Unlocked six times: four SETs, DEL, GETV.
    expect(memory.u64(at('word'))).toBe(6n << 16n);
    const words = ['waiters', 'directoryShift', 'directoryMask', 'entries', 'maxEntries'] as const;
    expect(words.map((field) => memory.u32(at(field)))).toEqual([
      0,
      28,
      0,
      1,
      63 - Number(index >= 8),
    ]);
    const counts = ['version', 'payloadBytes', 'chunkBytes', 'sets', 'deletes', 'expired'] as const;
    expect(counts.map((field) => memory.u64(at(field)))).toEqual([
      1000n,
      20n,
      // The entry, and five blocks of records: one in use, four spare ones.
      40n + 5n * 512n,
      4n,
      1n,
      1n,
    ]);
    const pages = [
      'pinnedOld',
      'pinnedNew',
      'chainEnd',
      'slabPages',
      'segments',
      'splits',
    ] as const;
    expect(pages.map((field) => memory.u32(at(field)))).toEqual([0, 0, 0, 2, 1, 0]);
    expect([memory.u32(at('garbage')), memory.u32(at('spareNode'))]).toEqual([0, 0]);
    // Three entries came, of the same key; when the second one went, all records did. The last
    // spare block taken lies fourth in its page.
    const records = memory.u32(memory.queue(index, 'head')) - 4 * 512;
    const eviction = ['spareBlock', 'spareBlocks', 'trimBlock', 'generation'] as const;
    expect(eviction.map((field) => memory.u32(at(field)))).toEqual([records + 3 * 512, 4, 0, 3]);
    expect(memory.u64(at('slackClasses'))).toBe(0n);
    const block = records + 4 * 512;
    const queues = Array.from({ length: 8 * 4 }, (_, i) => memory.u32(at('queues') + 4 * i));
    expect(queues).toEqual([block, 0, block, 1, ...new Array<number>(7 * 4).fill(0)]);
    expect(memory.u32(memory.u32(at('directory')))).toBe((53 + index) * PAGE_BYTES);
    const sizeClass = memory.classOf(40);
    const facts = ['pages', 'chunksUsed'] as const;
    expect(facts.map((field) => memory.u32(memory.classInfo(index, sizeClass, field)))).toEqual([
      1, 1,
    ]);
    const page = memory.u32(memory.classInfo(index, sizeClass, 'anyPage'));
    expect(memory.u32(memory.classInfo(index, sizeClass, 'roomy'))).toBe(page);
    expect(page).toBe(memory.pageOf(memory.entry(key)));
    const info = memory.pageInfo(page);
    // Kind, class, partition, first free chunk, chunks handed out at least once, chunks in use.
    const class16 = sizeClass.toString(16).padStart(2, '0');
    const expected = `02 ${class16} 0${index.toString(16)} 00 00 00 00 00 01 00 01 00`;
    expect(spaced(memory.bytes.subarray(info, info + 12))).toBe(expected);
    // In a chain: a page for the head, one for the full pieces, one for the last piece.
    bench.one(command('SET', str(key), bin(Buffer.alloc(20_000))));
    expect(pages.map((field) => memory.u32(at(field)))).toEqual([0, 0, 0, 4, 1, 0]);
  });
});

describe('chunk sizes', () => {
  const { memory } = new Bench();
  const sizes = memory.classSizes().slice(0, -2);

  it('end with those of the blocks of records, which have pages of their own, and of pages', () => {
    expect(memory.classSizes().slice(-2)).toEqual([512, PAGE_BYTES]);
    expect(memory.classOf(512)).toBe(sizes.indexOf(512));
  });

  it('go into a page as often as the table next to theirs says', () => {
    for (const [i, size] of memory.classSizes().entries()) {
      expect(memory.u32(CLASS_CAPACITIES + 4 * i)).toBe(Math.floor(PAGE_BYTES / size));
    }
  });

  it('are these', () => {
    expect(sizes).toEqual([
      ...[16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 144, 160, 176, 192, 216],
      ...[240, 264, 296, 328, 368, 408, 456, 512, 568, 632, 712, 792, 880, 992, 1104, 1232, 1392],
      ...[1560, 1768, 1984, 2256, 2520, 2848, 3272, 3640, 4096, 4680, 5456, 5952, 6552, 7280, 8192],
    ]);
  });

  it('are multiples of 8, an eighth apart or the one that cuts a page into one chunk less', () => {
    for (const [i, size] of sizes.entries()) {
      const next = sizes[i + 1];
      expect(size % 8).toBe(0);
      if (next === undefined) continue;
      const perPage = (bytes: number): number => Math.floor(PAGE_BYTES / bytes);
      const isEighth = next <= Math.max(size + 8, size * 1.14);
      expect([next, isEighth || perPage(next) <= perPage(size) - 1]).toEqual([next, true]);
      expect(next / size).toBeLessThan(size < 72 ? 1.51 : 1.17);
    }
  });

  it('leave less than a ninth of a page unused', () => {
    for (const size of sizes)
      expect([size, PAGE_BYTES % size < PAGE_BYTES / 9]).toEqual([size, true]);
  });

  it('are found for every length: the least that holds it', () => {
    for (let bytes = 1; bytes <= 8192; bytes++) {
      const least = sizes.findIndex((size) => size >= bytes);
      expect([bytes, memory.classOf(bytes)]).toEqual([bytes, least]);
    }
  });
});

describe('entries', () => {
  const key = str('a');

  /** What commands leave under a key, byte by byte. */
  class Dump {
    readonly bench = new Bench({ memoryBytes: LEAST_MEMORY });

    constructor(...commands: readonly Buffer[]) {
      const { memory } = this.bench;
      memory.setU64(memory.partition(0, 'version'), 255n);
      this.bench.run(...commands);
    }

    entry(name: string): number {
      return this.bench.memory.entry(Buffer.from(name));
    }

    at(address: number, bytes: number): string {
      return spaced(this.bench.memory.bytes.subarray(address, address + bytes));
    }
  }

  const CASES: [what: string, commands: Buffer[], expected: string][] = [
    [
      'nothing else: lengths of value and key, kind, flags, key, value',
      [command('SET', key, integer(1))],
      '01 00  01 00  01 00  61 01',
    ],
    [
      'an expiry',
      [command('SET', key, integer(1), integer(1000))],
      '01 00  01 00  01 01  e8 80 bd 06 90 01 1d 00  61 01',
    ],
    [
      'a version',
      [command('SET', key, integer(1)), command('GETV', key)],
      '01 00  01 00  01 02  00 01 00 00 00 00 00 00  61 01',
    ],
    [
      'both: a header of 22 bytes, and never more',
      [command('SET', key, integer(1), integer(1000)), command('GETV', key)],
      '01 00  01 00  01 03  e8 80 bd 06 90 01 1d 00  00 01 00 00 00 00 00 00  61 01',
    ],
  ];

  it.each(CASES)('with %s', (_, commands, expected) => {
    const dump = new Dump(...commands);
    const bytes = expected.replaceAll('  ', ' ');
    expect(dump.at(dump.entry('a'), (bytes.length + 1) / 3)).toBe(bytes);
  });

  it('in a chain: address of the first piece, hash and length instead of the value', () => {
    const dump = new Dump(command('SET', key, bin(Buffer.alloc(9000, 0x55))));
    const entry = 0x4b_0000;
    expect(dump.entry('a')).toBe(entry);
    expect(dump.at(entry, 19)).toBe('00 00 01 00 01 04 61 00 00 4c 00 a8 c2 82 da 2b 23 00 00');
    // Next piece, kind, a spare byte, 2 unused bytes, what comes before, bytes of payload, payload.
    const first = '00 00 4d 00 ff 00 00 00 00 00 4b 00 f0 1f 00 00 c5 23 28 55';
    expect(dump.at(0x4c_0000, 20)).toBe(first);
    expect(dump.at(0x4d_0000, 17)).toBe('00 00 00 00 ff 00 00 00 00 00 4c 00 3b 03 00 00 55');
  });

  it('with a long key: that is the beginning of the chain', () => {
    const long = 'l'.repeat(3000);
    const dump = new Dump(command('SET', str(long), bin(Buffer.alloc(6000, 0x55))));
    expect(dump.entry(long)).toBe(0x4b_0000);
    expect(dump.at(0x4b_0000, 18)).toBe('00 00 b8 0b 01 0c 00 00 4c 00 6c 86 87 d4 73 17 00 00');
    expect(dump.at(0x4c_0000 + 16 + 2999, 5)).toBe('6c c5 17 70 55');
  });

  it('as free chunks: the next free one of the page, kind 0, and what was there', () => {
    const names = ['a', 'b', 'c'];
    const dump = new Dump(...names.map((name) => command('SET', str(name), integer(1))));
    const [a, b] = names.map((name) => dump.entry(name));
    dump.bench.run(command('DEL', str('a')), command('DEL', str('b')));
    expect(b).toBe(a! + 16);
    expect(dump.at(b!, 8)).toBe('00 00 4b 00 00 00 62 01');
    expect(dump.at(a!, 8)).toBe('00 00 00 00 00 00 61 01');
  });
});

describe('a bucket', () => {
  it('is 12 tags, 12 marks of 2 bits, an overflow count, 12 addresses with generations', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    const { memory } = bench;
    bench.one(command('SET', str('a'), integer(1)));
    // The hash of "a" is da82c2a8: bucket 0x2a8 of the first segment, tag 0xb0.
    const bucket = 74 * PAGE_BYTES + 0x2a8 * 64;
    expect(memory.slotOf(Buffer.from('a'))).toBe(bucket);
    const at = (): string => spaced(memory.bytes.subarray(bucket, bucket + 20));
    expect(at()).toBe('b0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 4b 00');
    bench.one(command('GET', str('a')));
    expect(at()).toBe('b0 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 02 00 4b 00');
    memory.setU8(bucket + Bucket.overflow, 1);
    expect(bench.arena.checkIntegrity()).toMatch(/^BROKEN_OVERFLOW_COUNT/);
  });
});

describe('a log', () => {
  it('has records with heads of 8 bytes, and a number at the end of each 16 KiB', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    const { memory } = bench;
    const { kernel, slot } = bench.arena;
    expect(kernel.attachLog(slot, 1, bench.nowMs)).toBe(0);
    const log = memory.partition(0, 'log');
    const head = memory.partition(0, 'logHead');
    const start = memory.u32(head);
    expect(start % PAGE_BYTES).toBe(0);
    const info = memory.pageInfo(start / PAGE_BYTES, 'kind');
    expect([memory.u8(info), memory.u32(memory.partition(0, 'logPages'))]).toEqual([4, 1]);
    bench.one(command('SET', str('a'), integer(7)));
    bench.one(command('SET', str('a'), integer(8), integer(1)));
    bench.one(command('DEL', str('a')));
    bench.arena.clear();
    const records = memory.bytes.subarray(start, start + 64);
    expect(spaced(records)).toBe(
      [
        '02 00 01 00 01 00 01 00 61 07 00 00 00 00 00 00',
        // Expires at noon and a millisecond.
        `03 00 01 00 01 80 01 00 ${spaced(expiry(bench.nowMs + 1))} 61 08`,
        '00 00 00 00 00 00 02 00 01 00 02 00 00 00 61 00 00 00 00 00 00 00',
        '01 00 00 00 04 00 00 00',
      ].join(' '),
    );
    expect([memory.u64(log + Log.next), memory.u64(log + Log.oldest)]).toEqual([5n, 1n]);
    expect([memory.u32(head), memory.u32(log + Log.oldestAt)]).toEqual([start + 64, start]);
    expect(memory.u64(start + 16 * KIB - 8)).toBe(1n);
  });

  const expiry = (ms: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms));
    return bytes;
  };
});

describe('a block of records', () => {
  it('is the next block, a count, a kind, and hashes with the generations of their slots', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    const { memory } = bench;
    for (let i = 0; i < 126 + 2; i++) bench.one(command('SET', str('a'), integer(1)));
    bench.one(command('SET', str('b'), integer(1)));
    const [block, ...others] = memory.blocks(0);
    // A page of them follows the page of the first entry; before this one are four spare ones.
    expect([block, others]).toEqual([0x4c_0000 + 4 * 512, []]);
    // The hash of "a" is da82c2a8; its generation is 2, that of "b" 6.
    const hash = memory.hash(Buffer.from('b'));
    const record = Buffer.alloc(4);
    record.writeUInt32LE(((hash & ~0xe000) | (6 << 13)) >>> 0);
    const expected = `00 00 00 00 fe 00 02 00 a8 42 82 da ${spaced(record)}`;
    expect(spaced(memory.bytes.subarray(block, block! + 16))).toBe(expected);
    for (let i = 0; i < 125; i++) bench.one(command('SET', str(`c${i}`), integer(1)));
    const [first, second] = memory.blocks(0);
    expect(memory.u16(first! + Block.count)).toBe(126);
    expect(memory.u32(first!)).toBe(second);
    expect(memory.u16(second! + Block.count)).toBe(1);
  });

  it('goes to spare blocks by its first word', () => {
    const bench = new Bench({ memoryBytes: LEAST_MEMORY });
    const { memory } = bench;
    bench.one(command('SET', str('a'), integer(1)));
    const spares: number[] = [];
    let spare = memory.u32(memory.partition(0, 'spareBlock'));
    for (; spare; spare = memory.u32(spare + Block.next)) spares.push(spare);
    expect(spares).toEqual([3, 2, 1, 0].map((i) => 0x4c_0000 + i * 512));
    for (const block of spares) {
      expect([memory.u16(block + Block.count), memory.u8(block + Block.kind)]).toEqual([0, 0xfe]);
    }
  });
});
