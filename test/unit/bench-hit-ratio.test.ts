/** What is replayed, what is said of it, and the simulations that stand in for baselines. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { cacheAside, type HitRatioOutcome, nameOf, replayAll } from '#bench/hit-ratio.js';
import { hitRatiosAsText } from '#bench/hit-ratio-report.js';
import { summarize } from '#bench/hit-ratio-summary.js';
import { simulate, TEXTBOOK } from '#bench/textbook.js';
import { readBaselines, readRows, readTrace, SHIPPED_TRACES } from '#bench/traces.js';
import { Arena } from '#engine/arena.js';

const folder = mkdtempSync(join(tmpdir(), 'slabring-hit-ratio-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CLOCK_ALONE = { policies: ['clock'], partitions: [1] } as const;

function writeBaselines(...lines: string[]): void {
  writeFileSync(join(folder, 'baselines.csv'), `${lines.join('\n')}\n`);
}

function writeTrace(path: string, ids: Uint32Array): void {
  writeFileSync(path, gzipSync(Buffer.from(ids.buffer)));
}

describe('hit ratios', () => {
  it('are replayed for each number of partitions that a row is large enough for', () => {
    const seen: string[] = [];
    const plan = { policies: ['clock', 'lfu'], partitions: [1, 4, 16] } as const;
    const isWanted = (name: string): boolean => /nasa.*522|web07.(205|2048)/.test(name);
    const outcomes = [
      ...replayAll(SHIPPED_TRACES, isWanted, plan, (trace, rows) => seen.push(`${trace} ${rows}`)),
    ];
    expect(outcomes.map(({ entries, partitions }) => [entries, partitions])).toEqual([
      ...[
        [205, 1],
        [2048, 1],
        [2048, 4],
        [2048, 16],
      ],
      ...[
        [522, 1],
        [522, 4],
      ],
    ]);
    expect(seen).toEqual(['cache2k-web07 2', 'nasa-http-19950801 1']);
    for (const { name, hitRatios, baselines, wrong } of outcomes) {
      expect(wrong, name).toBeUndefined();
      expect(Object.keys(hitRatios)).toEqual(['clock', 'lfu']);
      expect(Math.abs(hitRatios.clock! - baselines.CLOCK!), name).toBeLessThan(0.02);
    }
  });

  it('read a folder in the same format, with more columns and traces that are not there', () => {
    writeTrace(join(folder, 'toy.u32.gz'), Uint32Array.of(0, 1, 0, 2, 0));
    writeBaselines(
      'trace,size_entries,size_fraction,algorithm,hit_ratio,tool',
      'toy,2,0.6,CLOCK,0.4,first tool',
      'toy,2,0.7,CLOCK,0.9,second tool',
      'toy,2,0.6,W-TinyLFU,0.1,first tool',
      'toy,2,0.6,W-TinyLFU,0.2,caffeine-2.6.2',
      'absent,2,0.6,CLOCK,0.4,first tool',
    );
    const [outcome, ...others] = replayAll(folder, () => true, CLOCK_ALONE);
    expect(others).toEqual([]);
    expect(outcome).toEqual({
      ...{ name: 'hit-ratio/toy/2', trace: 'toy', entries: 2, rows: 2, accesses: 5 },
      ...{ partitions: 1, hitRatios: { clock: 0.4 } },
      baselines: { CLOCK: 0.4, 'W-TinyLFU': 0.2 },
    });
  });

  it.each([
    [['trace,size_entries,hit_ratio', 'toy,2,0.4'], /baselines\.csv has no column algorithm/],
    [['trace,size_entries,algorithm,hit_ratio', 'toy,2,CLOCK,40'], /baselines\.csv:2 is no row/],
    [['trace,size_entries,algorithm,hit_ratio', 'toy,0,CLOCK,0.4'], /baselines\.csv:2 is no row/],
  ])('refuse baselines such as %j', (lines, message) => {
    writeBaselines(...lines);
    expect(() => readBaselines(folder)).toThrow(message);
  });

  it('of a folder without baselines.csv are compared with simulations', () => {
    const bare = join(folder, 'bare');
    mkdirSync(bare);
    // 20,000 objects, half of the accesses to a hundred of them.
    const ids = Uint32Array.from({ length: 40_000 }, (_, i) => (i % 2 ? i >>> 1 : i % 200));
    writeTrace(join(bare, 'mine.u32.gz'), ids);
    writeTrace(join(bare, 'mine.size.u32.gz'), ids);
    expect(readRows(bare).map((row) => [nameOf(row), row.rows])).toEqual([
      ['hit-ratio/mine/100', 1],
      ['hit-ratio/mine/200', 1],
      ['hit-ratio/mine/2000', 1],
      ['hit-ratio/mine/6000', 1],
    ]);
    const plan = { policies: ['clock', 'lru'], partitions: [1] } as const;
    const outcomes = [...replayAll(bare, (name) => name.endsWith('2000'), plan)];
    expect(outcomes).toHaveLength(1);
    const [{ hitRatios, baselines }] = outcomes as [HitRatioOutcome];
    expect(Object.keys(baselines)).toEqual(['LRU', 'CLOCK']);
    expect(baselines.LRU).toBeGreaterThan(0.4);
    expect(Math.abs(hitRatios.clock! - baselines.CLOCK!)).toBeLessThan(0.02);
    // A trace of few objects has one size for several shares of them.
    writeTrace(
      join(bare, 'mine.u32.gz'),
      Uint32Array.from({ length: 500 }, (_, i) => i % 400),
    );
    expect(readRows(bare).map(({ entries, rows }) => [entries, rows])).toEqual([
      [100, 3],
      [120, 1],
    ]);
  });

  it('need traces or baselines', () => {
    const nothing = join(folder, 'nothing');
    expect(() => readRows(nothing)).toThrow(/nothing has no baselines\.csv and no NAME\.u32\.gz$/);
    mkdirSync(nothing);
    expect(() => readRows(nothing)).toThrow(/nothing has no baselines\.csv and no NAME\.u32\.gz$/);
  });

  it('are not believed of a cache that answers wrongly', () => {
    const arena = Arena.create({
      ...{ memoryBytes: 4 * 1024 ** 2, policy: 'clock', maxValueBytes: 4096, maxThreads: 1 },
    });
    const own = { ...arena.kernel, getDirect: () => 4 };
    const liar = Object.create(arena, { kernel: { value: own } }) as Arena;
    expect(cacheAside(liar, Uint32Array.of(5, 6)).wrong).toBe("object 5 has another's value");
    arena.close();
    const none = Arena.create({
      ...{ memoryBytes: 4 * 1024 ** 2, policy: 'none', partitions: 1, maxEntries: 1 },
      ...{ maxValueBytes: 4096, maxThreads: 1 },
    });
    expect(cacheAside(none, Uint32Array.of(5, 5, 6))).toMatchObject({
      hits: 1,
      wrong: expect.stringMatching(/^object 6 was not stored: -/),
    });
    none.close();
  });
});

describe('the textbook', () => {
  it.each(readBaselines(SHIPPED_TRACES))('is right about $trace with $entries entries', (row) => {
    const ids = readTrace(SHIPPED_TRACES, row.trace)!;
    for (const [name, Policy] of Object.entries(TEXTBOOK)) {
      expect(simulate(new Policy(row.entries), ids), name).toBeCloseTo(row.hitRatios.get(name)!, 5);
    }
  });
});

describe('the summary', () => {
  const outcome = (
    name: string,
    rows: number,
    [adaptive, lru]: readonly [number, number],
    baselines: Readonly<Record<string, number>>,
    partitions = 1,
  ): HitRatioOutcome => ({
    ...{ name: `hit-ratio/${name}/50`, trace: name, entries: 50, rows, accesses: 10 },
    ...{ partitions, hitRatios: { adaptive, lru }, baselines },
  });
  const KNOWN = [
    outcome('a', 3, [0.5, 0.2], {
      ...{ OPT: 0.9, LRU: 0.3, ARC: 0.4, 'S3-FIFO': 0.1, 'W-TinyLFU': 0.1 },
    }),
    outcome('b', 1, [0.1, 0.4], {
      ...{ OPT: 0.9, LRU: 0.3, ARC: 0.1, 'S3-FIFO': 0.3, 'W-TinyLFU': 0.2 },
    }),
    { ...outcome('c', 9, [0.9, 0.9], {}), wrong: 'lost' },
    outcome('b', 1, [0.1, 0.3], { OPT: 0.9, LRU: 0.3, ARC: 0.1 }, 16),
  ];

  it('weighs rows, finds the best single one, and the worst row', () => {
    const { bestSingle, means, rows, comparisons } = summarize(KNOWN);
    expect([bestSingle, rows]).toEqual(['ARC', 4]);
    expect(means.adaptive).toBeCloseTo(0.4);
    expect(means.lru).toBeCloseTo(0.25);
    expect(means.ARC).toBeCloseTo(0.325);
    const short = comparisons.map(({ policy, partitions, baseline, mean, baselineMean, worst }) => [
      `${policy} ${partitions} ${baseline}`,
      ...[(mean - baselineMean).toFixed(3), worst.name.at(10), worst.difference.toFixed(3)],
    ]);
    expect(short).toEqual([
      ['adaptive 1 ARC', '0.075', 'b', '0.000'],
      ['adaptive 1 best of ARC, S3-FIFO, W-TinyLFU in each row', '0.025', 'b', '-0.200'],
      ['lru 1 LRU', '-0.050', 'a', '-0.100'],
      ['adaptive 16 ARC', '0.000', 'b', '0.000'],
      ['adaptive 16 adaptive in 1 partition', '0.000', 'b', '0.000'],
      ['lru 16 LRU', '0.000', 'b', '0.000'],
      ['lru 16 lru in 1 partition', '-0.100', 'b', '-0.100'],
    ]);
  });

  it('is printed under all rows', () => {
    const lines = hitRatiosAsText(KNOWN, summarize(KNOWN)).split('\n');
    expect(lines[1]).toMatch(
      /^trace +entries +partitions +adaptive +lru +OPT +LRU +S3-FIFO +W-TinyLFU +ARC +best.*: ARC$/,
    );
    expect(lines[2]).toMatch(/^a +3 x 50 +1 +50\.00 +20\.00 +90\.00 +30\.00 .* 40\.00 +40\.00$/);
    expect(lines[4]).toBe('c  50  DISQUALIFIED: lost');
    expect(lines[6]).toMatch(/^mean of 4 rows +1 +40\.00 +25\.00 +90\.00 .* 32\.50 +32\.50$/);
    expect(lines.at(-2)).toMatch(
      /^lru - lru in 1 partition +16 +1 +30\.00 +40\.00 +-10\.00 +-10\.00 at b\/50$/,
    );
  });

  it('has little to say of nothing', () => {
    expect(summarize([])).toEqual({ bestSingle: undefined, means: {}, rows: 0, comparisons: [] });
    expect(hitRatiosAsText([], summarize([]))).toContain('mean of 0 rows');
  });
});
