/**
 * Replays access traces through the embedded cache as a cache-aside user would, and compares its
 * hit ratios.
 */
import type { Cache } from '../engine/index.js';
import { openCache } from '../engine/index.js';
import { makeKey } from './fixture.js';
import { type Baseline, readBaselines, readTrace } from './traces.js';

/** Baseline algorithms in the report: the bound, the policy that ours is, and what others reach. */
export const SHOWN_ALGORITHMS = ['OPT', 'CLOCK', 'LRU', 'ARC', 'S3-FIFO', 'W-TinyLFU'] as const;

export const HIT_RATIO_NAME = 'hit-ratio';

export interface HitRatioOutcome {
  /** `hit-ratio/TRACE/ENTRIES`. */
  readonly name: string;
  readonly trace: string;
  readonly entries: number;
  readonly accesses: number;
  readonly policy: string;
  readonly hitRatio: number;
  /** By algorithm. */
  readonly baselines: Readonly<Record<string, number>>;
  /** Something is wrong with the cache: the numbers are not to be believed. */
  readonly wrong?: string;
}

const MIB = 1024 ** 2;
/**
 * More than one entry needs, index included: `maxEntries` decides what is evicted, not `memory`.
 */
const BYTES_PER_ENTRY = 256;
const POLICY = 'clock';

/**
 * The rows of a folder's baselines whose trace is there and whose name is wanted, replayed one by
 * one.
 */
export function* replayAll(
  folder: string,
  isWanted: (name: string) => boolean,
): Generator<HitRatioOutcome> {
  let last: { name: string; ids: Uint32Array | undefined } | undefined;
  for (const baseline of readBaselines(folder)) {
    const name = `${HIT_RATIO_NAME}/${baseline.trace}/${baseline.entries}`;
    if (!isWanted(name)) continue;
    if (last?.name !== baseline.trace) {
      last = { name: baseline.trace, ids: readTrace(folder, baseline.trace) };
    }
    if (last.ids !== undefined) yield replay(name, baseline, last.ids);
  }
}

function replay(name: string, baseline: Baseline, ids: Uint32Array): HitRatioOutcome {
  const { trace, entries } = baseline;
  // One partition: the baselines know of no shares.
  const cache = openCache({
    memory: 16 * MIB + entries * BYTES_PER_ENTRY,
    policy: POLICY,
    partitions: 1,
    maxEntries: entries,
  });
  try {
    const { hits, wrong } = cacheAside(cache, ids);
    const broken = wrong ?? cache.checkIntegrity();
    return {
      name,
      trace,
      entries,
      accesses: ids.length,
      policy: POLICY,
      hitRatio: hits / ids.length,
      baselines: Object.fromEntries(baseline.hitRatios),
      ...(broken !== undefined && { wrong: broken }),
    };
  } finally {
    cache.close();
  }
}

/**
 * GET; on a miss SET. Every key has the same length, and is its own value, so that a hit can be
 * checked: the baselines count entries, and entries of several sizes would live in several size
 * classes, each of which evicts for itself.
 */
function cacheAside(cache: Cache, ids: Uint32Array): { hits: number; wrong: string | undefined } {
  let hits = 0;
  let wrong: string | undefined;
  for (const id of ids) {
    const key = makeKey(id);
    const value = cache.get(key);
    if (value === undefined) {
      cache.set(key, key);
    } else {
      hits++;
      if (value !== key) wrong ??= `${key} has the value ${String(value)}`;
    }
  }
  return { hits, wrong };
}
