/** The caches of the model test: what the axes mean as options. */
import { ArenaSet } from '#engine/arena-set.js';
import type { CacheOptions } from '#engine/config.js';
import { Header } from '../support/kernel-memory.js';
import type { Random } from '../support/kernel-random.js';
import type { Axes } from './cache-axes.js';
import { LARGEST_BYTES } from './cache-values.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Memory that is soon full, for each arena, by partitions; and some that holds everything. */
const TIGHT = { 1: 1000 * KIB, 4: 2000 * KIB, 16: 6 * MIB } as const;
const AMPLE = 64 * MIB;
/** The same with large values. What holds everything is touched only where it holds something. */
const TIGHT_FOR_LARGE = 8 * MIB;
const AMPLE_FOR_LARGE = 256 * MIB;
/** Entries for each partition, where there are few. */
export const FEW = 6;
const MAX_VALUE_BYTES = 300 * KIB;

/** A namespace of the test. */
export interface SpaceName {
  readonly name: string;
  /** The time to live that it is opened with; undefined: the cache's. */
  readonly ttl: number | undefined;
}

export function maxValueBytesOf({ values }: Axes): number {
  return values === 'large' ? LARGEST_BYTES + 100 * KIB : MAX_VALUE_BYTES;
}

export function maxEntriesOf(axes: Axes): number | undefined {
  return axes.maxEntries === 'few' ? FEW * axes.partitions * axes.arenas : undefined;
}

export function spaceNamesOf({ namespaces }: Axes): SpaceName[] {
  if (namespaces === 'none') return [];
  return [
    { name: 'users', ttl: undefined },
    { name: 'страницы', ttl: 9000 },
    { name: 'x'.repeat(255), ttl: 0 },
  ];
}

function memoryOf({ memory, values, partitions }: Axes): number {
  if (memory === 'ample') return values === 'large' ? AMPLE_FOR_LARGE : AMPLE;
  return values === 'large' ? TIGHT_FOR_LARGE : TIGHT[partitions];
}

export function optionsOf(axes: Axes): CacheOptions {
  const maxEntries = maxEntriesOf(axes);
  const maxNamespaces = spaceNamesOf(axes).length;
  return {
    memory: memoryOf(axes) * axes.arenas,
    policy: axes.policy,
    partitions: axes.partitions,
    arenas: axes.arenas,
    maxValue: maxValueBytesOf(axes),
    maxThreads: 3,
    structures: axes.structures,
    decoded: axes.decoded === 'few' ? { entries: 8, freeze: false } : axes.decoded === 'on',
    ttl: axes.ttl,
    ...(maxEntries !== undefined && { maxEntries }),
    ...(maxNamespaces > 0 && { maxNamespaces }),
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
