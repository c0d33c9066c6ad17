/** What was counted, held against what models saw. */
import type { ArenaStats } from '#engine/arena.js';
import type { CacheModel, Counter } from './cache-model.js';

export function within(name: string, count: number, least: number, most: number): void {
  if (count < least || count > most) throw new Error(`${name}: ${count}, not ${least} to ${most}`);
}

/** Of a cache as of a namespace. */
type Counted = Pick<
  ArenaStats,
  'entries' | 'hits' | 'misses' | 'sets' | 'deletes' | 'evictions' | 'expired'
>;

type Bounds = Pick<CacheModel, 'least' | 'most'>;

/** Entries that clears took: those that count as deleted, and those that are counted nowhere. */
interface Gone {
  readonly deleted: number;
  readonly cleared: number;
}

export function checkCounts(
  stats: Counted,
  { least, most }: Bounds,
  gone: Gone,
  isExact: boolean,
): void {
  for (const name of ['hits', 'misses', 'sets'] as const) {
    within(name, stats[name], least[name], most[name]);
  }
  within('deletes', stats.deletes - gone.deleted, least.deletes, most.deletes);
  const { entries, deletes, evictions, expired } = stats;
  const created = entries + deletes + evictions + expired + gone.cleared;
  within('entries and those that went', created, least.created, most.created);
  if (isExact) within('evictions', evictions, 0, 0);
}

/** What several models saw together. */
export function sumOf(models: readonly CacheModel[]): Bounds {
  const sum = (bound: 'least' | 'most'): Record<Counter, number> => {
    const total = { hits: 0, misses: 0, sets: 0, deletes: 0, created: 0 };
    for (const model of models) {
      for (const name of Object.keys(total) as Counter[]) total[name] += model[bound][name];
    }
    return total;
  };
  return { least: sum('least'), most: sum('most') };
}

export function checkLimits(
  stats: ArenaStats,
  maxEntries: number | undefined,
  threads: number,
): void {
  within('entries', stats.entries, 0, maxEntries ?? Infinity);
  within('usedBytes', stats.usedBytes, 1, stats.memoryBytes);
  within('payloadBytes', stats.payloadBytes, stats.entries, stats.chunkBytes);
  within('threads', stats.threads, threads, threads);
}

/** Entries that were found, with the bytes of keys and values as they are counted. */
export interface Found {
  entries: number;
  bytes: number;
  /** By the number of bits in the length of a value. */
  readonly sizes: Map<number, number>;
}

/** Entries that were found must be those counted, but for what has expired. */
export function checkFound(entries: number, bytes: number, found: Found): void {
  within('entries found', found.entries, 0, entries);
  within('their bytes', found.bytes, found.entries === entries ? bytes : 0, bytes);
}
