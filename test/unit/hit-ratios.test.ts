/**
 * Every policy on the shipped traces, in one partition and in 16, beside the algorithm that it is
 * to equal, as other simulators have it (test/fixtures/traces/README.md).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cacheAside, EVICTING_POLICIES, type HitRatioOutcome, nameOf } from '#bench/hit-ratio.js';
import { type HitRatioSummary, summarize } from '#bench/hit-ratio-summary.js';
import { readBaselines, readTrace, SHIPPED_TRACES } from '#bench/traces.js';
import { POLICIES, type Policy } from '#engine/arena.js';
import { createArena, MIB } from '../support/kernel-memory.js';

const baselines = readBaselines(SHIPPED_TRACES);
const ids = new Map(
  baselines.map(({ trace }) => [trace, readTrace(SHIPPED_TRACES, trace)!] as const),
);
/** From here on 16 partitions have 125 entries each. */
const LEAST_DIVIDED = 2000;

/** Hashes decide what is sampled and which ghosts are false, so a single one could be lucky. */
const HASH_SEEDS = [7, 1969, 0x9e37_79b1];

/** All rows by all policies; `named` may call a policy by another's name. */
function replay(
  hashSeed: number,
  partitions: number,
  named: (policy: Policy) => Policy = (policy) => policy,
): HitRatioOutcome[] {
  const rows = baselines.filter(({ entries }) => partitions === 1 || entries >= LEAST_DIVIDED);
  return rows.map((row) => {
    const accesses = ids.get(row.trace)!;
    const hitRatios: Partial<Record<Policy, number>> = {};
    for (const name of EVICTING_POLICIES) {
      const arena = createArena(
        { memoryBytes: 32 * MIB, policy: named(name), partitions, maxEntries: row.entries },
        hashSeed,
      );
      const { hits, wrong } = cacheAside(arena, accesses);
      const broken = wrong ?? arena.checkIntegrity();
      if (broken !== undefined) throw new Error(`${nameOf(row)}, ${name}: ${broken}`);
      expect(arena.stats()).toMatchObject({ hits, misses: accesses.length - hits });
      arena.close();
      hitRatios[name] = hits / accesses.length;
    }
    const { trace, entries, rows: count } = row;
    const outcome = { name: nameOf(row), trace, entries, rows: count, accesses: accesses.length };
    return { ...outcome, partitions, hitRatios, baselines: Object.fromEntries(row.hitRatios) };
  });
}

/** In points: how far the mean of all rows, and how far a single row may stay behind. */
const TOLERANCES: Readonly<Record<string, readonly [mean: number, row: number]>> = {
  'adaptive - S3-FIFO': [0.3, 2],
  's3fifo - S3-FIFO': [0.3, 2],
  'clock - CLOCK': [0.3, 2],
  'lru - LRU': [0.3, 2],
  'lfu - W-TinyLFU': [0.5, 2],
};

/** Policies that are worse than they may be, with one partition. */
function behind(summary: HitRatioSummary): string[] {
  return summary.comparisons.flatMap(({ policy, baseline, mean, baselineMean, worst }) => {
    const tolerance = TOLERANCES[`${policy} - ${baseline}`];
    if (tolerance === undefined) return [];
    const difference = 100 * (mean - baselineMean);
    return difference < -tolerance[0] || 100 * worst.difference < -tolerance[1]
      ? [`${policy}: ${difference.toFixed(2)}, ${JSON.stringify(worst)}`]
      : [];
  });
}

describe.each(HASH_SEEDS)('with the hash seed %i', (hashSeed) => {
  let undivided: HitRatioOutcome[];
  beforeAll(() => {
    undivided = replay(hashSeed, 1);
  });

  it('every policy is as good as its algorithm; adaptive as the best of all', () => {
    expect(undivided).toHaveLength(7);
    const summary = summarize(undivided);
    expect(summary.bestSingle).toBe('S3-FIFO');
    const compared = summary.comparisons.map(({ policy, baseline }) => `${policy} - ${baseline}`);
    expect(compared).toEqual(expect.arrayContaining(Object.keys(TOLERANCES)));
    expect(behind(summary)).toEqual([]);
  });

  it('clock and lru are not better either: they are what they are called', () => {
    const { means } = summarize(undivided);
    expect(Math.abs(means.clock! - means.CLOCK!)).toBeLessThan(0.0005);
    expect(Math.abs(means.lru! - means.LRU!)).toBeLessThan(0.005);
  });

  it('nothing beats the bound', () => {
    for (const { name, hitRatios, baselines: known } of undivided) {
      for (const ratio of Object.values(hitRatios)) expect(ratio, name).toBeLessThan(known.OPT!);
    }
  });

  it('16 partitions cost at most half a point', () => {
    const divided = replay(hashSeed, 16);
    expect(divided.length).toBeGreaterThan(1);
    const { comparisons } = summarize([...undivided, ...divided]);
    const drops = comparisons.filter(({ baseline }) => baseline.endsWith(' in 1 partition'));
    expect(drops.map(({ policy }) => policy)).toEqual(EVICTING_POLICIES);
    for (const { policy, mean, baselineMean } of drops) {
      expect(100 * (baselineMean - mean), policy).toBeLessThan(0.5);
    }
  });
});

describe('a policy that is another one', () => {
  const [hashSeed] = HASH_SEEDS;

  it.each([
    ['adaptive', 'clock'],
    ['adaptive', 'lru'],
    ['s3fifo', 'clock'],
    ['s3fifo', 'lru'],
    ['lfu', 'lru'],
  ] as const)('is found: %s that is %s', (claimed, real) => {
    const named = (policy: Policy): Policy => (policy === claimed ? real : policy);
    expect(behind(summarize(replay(hashSeed!, 1, named)))).toEqual([
      expect.stringMatching(`^${claimed}: -`),
    ]);
  });
});

it('the default is the first of the policies, and the last one evicts nothing', () => {
  expect([POLICIES[0], POLICIES.at(-1)]).toEqual(['adaptive', 'none']);
  expect(EVICTING_POLICIES).toEqual(POLICIES.slice(0, -1));
});
