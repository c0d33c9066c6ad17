/** What a cache counted, held against what the model and the change log saw. */
import type { Cache } from 'slabring';
import type { ArenaStats } from '#engine/arena.js';
import type { Mirror } from '../support/changes-mirror.js';
import type { CacheModel } from './cache-model.js';

export function within(name: string, count: number, least: number, most: number): void {
  if (count < least || count > most) throw new Error(`${name}: ${count}, not ${least} to ${most}`);
}

interface Bounds {
  /** Entries that clear() took, which count as deleted. */
  readonly cleared: number;
  readonly isExact: boolean;
  readonly maxEntries: number | undefined;
  readonly threads: number;
}

export function checkTotals(stats: ArenaStats, { least, most }: CacheModel, bounds: Bounds): void {
  for (const name of ['hits', 'misses', 'sets'] as const) {
    within(name, stats[name], least[name], most[name]);
  }
  const { entries, evictions, expired, threads } = stats;
  within('deletes', stats.deletes - bounds.cleared, least.deletes, most.deletes);
  const created = entries + stats.deletes + evictions + expired;
  within('entries and those that went', created, least.created, most.created);
  within('entries', entries, 0, bounds.maxEntries ?? Infinity);
  within('usedBytes', stats.usedBytes, 1, stats.memoryBytes);
  within('payloadBytes', stats.payloadBytes, entries, stats.chunkBytes);
  if (bounds.isExact) within('evictions', evictions, 0, 0);
  within('threads', threads, bounds.threads, bounds.threads);
}

/**
 * What the log told must be what there is, and what was counted.
 * @param from the totals before and after the mirror began, which takes memory, and may evict
 */
export function checkMirror(mirror: Mirror, cache: Cache, from: readonly ArenaStats[]): void {
  while (mirror.catchUp() > 0);
  const difference = mirror.difference();
  if (difference !== undefined) throw new Error(`the mirror: ${difference}`);
  const { counts, reasons } = mirror;
  if (counts.overrun > 0) return;
  const told = { sets: counts.set, expired: reasons.expired, evictions: reasons.evicted };
  const stats = cache.stats();
  const [before, after] = from as [ArenaStats, ArenaStats];
  for (const name of ['sets', 'expired', 'evictions'] as const) {
    const [least, most] = [stats[name] - after[name], stats[name] - before[name]];
    within(`${name} told by the log`, told[name], least, most);
  }
}
