/** The caches of the model test: what the axes mean as options. */
import { ArenaSet } from '#engine/arena-set.js';
import type { CacheOptions } from '#engine/config.js';
import { Header } from '../support/kernel-memory.js';
import type { Random } from '../support/kernel-random.js';
import type { Axes } from './cache-axes.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Memory that is soon full, for each arena, by partitions; and some that holds everything. */
const TIGHT = { 1: 1000 * KIB, 4: 2000 * KIB, 16: 6 * MIB } as const;
const AMPLE = 64 * MIB;
/** Entries for each partition, where there are few. */
export const FEW = 6;
export const MAX_VALUE_BYTES = 300 * KIB;

export function maxEntriesOf(axes: Axes): number | undefined {
  return axes.maxEntries === 'few' ? FEW * axes.partitions * axes.arenas : undefined;
}

export function optionsOf(axes: Axes): CacheOptions {
  const isTight = axes.memory === 'tight';
  const maxEntries = maxEntriesOf(axes);
  return {
    memory: isTight ? TIGHT[axes.partitions] * axes.arenas : AMPLE * axes.arenas,
    policy: axes.policy,
    partitions: axes.partitions,
    arenas: axes.arenas,
    maxValue: MAX_VALUE_BYTES,
    maxThreads: 3,
    structures: axes.structures,
    decoded: axes.decoded === 'few' ? { entries: 8, freeze: false } : axes.decoded === 'on',
    ttl: axes.ttl,
    ...(maxEntries !== undefined && { maxEntries }),
  };
}

/** Arenas whose keys lie where they lay before, so that a failure can be repeated. */
export function openRepeatable(
  options: Parameters<typeof ArenaSet.create>[0],
  random: Random,
): ArenaSet {
  const made = ArenaSet.create(options);
  // Nothing was hashed yet.
  for (const { bytes } of made.arenas) {
    new DataView(bytes.buffer).setUint32(Header.hashSeed, random.below(2 ** 32), true);
  }
  const set = ArenaSet.attach({ ...made.handle, routeSeed: random.below(2 ** 32) });
  made.close();
  return set;
}
