/**
 * The options of `openCache`: what they are, their defaults, and the one place that reads and
 * refuses them.
 */
import type { ByteSize, Duration } from './api.js';
import {
  DEFAULT_PACKED_BYTES,
  DEFAULT_PACKED_ITEMS,
  MAX_NAMESPACES,
  MAX_PACKED_BYTES,
  MAX_PACKED_ITEMS,
  MAX_PARTITIONS,
  MAX_THREADS,
  MAX_VALUE_BYTES,
  POLICIES,
  type Policy,
} from './arena.js';
import { type ArenaSetOptions, arenasFor, MAX_ARENAS, MAX_SET_BYTES } from './arena-set.js';
import type { ClusterProvider } from './cluster-member.js';
import { type DecodedConfig, type DecodedOptions, readDecodedOption } from './decoded.js';
import { SlabringError } from './errors.js';
import { checkOptionNames, parseByteSize, parseDuration, show } from './units.js';

/** Options of `openCache`. An option that is `undefined` counts as absent. */
export interface CacheOptions {
  /**
   * The hard budget, index and overhead included. Default `'64mb'`, maximum `'240gb'`. Beyond
   * 3,840 MiB it is shared out to several arenas of equal size, each with its part of the keys.
   */
  memory?: ByteSize;
  /**
   * What happens when memory or `maxEntries` is used up. Default `'adaptive'`. All but `'none'`
   * evict, and take 4 bytes an entry for the order in which entries go.
   *
   * - `'adaptive'`: works like `'s3fifo'` in one of four manners, the one that would have had the
   *   most hits lately, by a sample of the accesses: 2 bytes an entry more, and some time at every
   *   access to a sampled key (all keys up to 512 entries, 256 to 512 keys in larger caches). For
   *   whoever does not know better.
   * - `'s3fifo'`: new entries go soon unless they are used twice, so a scan does not empty the
   *   cache. 2 bytes an entry more, for the keys that were evicted lately.
   * - `'clock'`: what was not used lately goes. Costs least, predictable; scans and loops empty it.
   * - `'lru'`: what was used longest ago goes, by generations of a third of the cache.
   * - `'lfu'`: what is used seldom goes; old uses count less and less. 4 bytes an entry more, for a
   *   sketch of how often keys are used. For popularity that changes slowly.
   * - `'none'`: nothing goes; writes that need room fail with `OOM`. For what must not be lost.
   */
  policy?: Policy;
  /**
   * Number of independently locked parts of each arena, a power of two up to 256. Default: one for
   * each 8 MiB of it, up to 64, with at least 1,000 of `maxEntries` each.
   */
  partitions?: number;
  /** The most entries kept; evicts as `policy` says. Default: as many as fit in `memory`. */
  maxEntries?: number;
  /**
   * The largest value that can be stored, in encoded bytes, up to `'64mb'`; a larger one is refused
   * with `TOOLARGE`. Default: `'64mb'`, or half of an arena's memory if that is less. A value that
   * `maxValue` allows and the memory cannot hold is refused with `OOM`, and evicts nothing.
   */
  maxValue?: ByteSize;
  /** The most threads that can have the cache open at once. Default and maximum 64. */
  maxThreads?: number;
  /**
   * The most namespaces that there can be, from 0 to 1,024. Default 16. Each takes 160 bytes for
   * each partition, and 260 for each arena.
   */
  maxNamespaces?: number;
  /**
   * A list, set, hash or sorted set of up to so many items, from 0 to 1,024, and of up to
   * `packedBytes` is packed: it takes one entry and next to no memory beyond its items. Others have
   * a structure of their own, in which every item is found directly. Default 128.
   */
  packedItems?: number;
  /** See `packedItems`: bytes of all items, from 0 to 4,096. Default 2,048. */
  packedBytes?: ByteSize;
  /** Number of arenas, up to 64. Default: as few as can hold `memory`; more only cost time. */
  arenas?: number;
  /** Time to live of entries whose `set` gives none. Default 0: they do not expire. */
  ttl?: Duration;
  /**
   * Whether each thread keeps values that it has read and decoded, so that `get` of a hot key hands
   * the same, frozen object out again while nobody has written the key. Default `false`.
   */
  decoded?: boolean | DecodedOptions;
  /**
   * Whether objects are stored with their keys kept once for all objects that have the same ones.
   * Default `false`.
   */
  structures?: boolean;
  /**
   * Makes the cache a member of a cluster: what `clusterMember` of `slabring/server` returns. There
   * are no namespaces then, and neither `decoded` nor `structures`. Default: it is alone.
   */
  cluster?: ClusterProvider | undefined;
}

/** What `openCache` works with once its options are read. */
export interface CacheConfig {
  readonly arena: ArenaSetOptions;
  /** 0: no expiry. */
  readonly defaultTtlMs: number;
  readonly decoded: DecodedConfig | undefined;
  readonly cluster: ClusterProvider | undefined;
}

const OPTION_NAMES = [
  'memory',
  'policy',
  'partitions',
  'maxEntries',
  'maxValue',
  'maxThreads',
  'maxNamespaces',
  'packedItems',
  'packedBytes',
  'arenas',
  'ttl',
  'decoded',
  'structures',
  'cluster',
] as const satisfies readonly (keyof CacheOptions)[];

export type { Policy };

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const DEFAULT_MEMORY: ByteSize = '64mb';
export const DEFAULT_POLICY: Policy = POLICIES[0];
/** Enough for most, and no more than 8 KiB of a small cache. */
const DEFAULT_NAMESPACES = 16;
/** Counts of entries are 32-bit, and the highest one is taken. */
const MAX_ENTRIES = 0xffff_fffe;

/** What lru-cache, node-cache and cacheable call them. */
const OTHER_NAMES = new Map([
  ['max', 'maxEntries'],
  ['maxKeys', 'maxEntries'],
  ['lruSize', 'maxEntries'],
  ['maxSize', 'memory'],
  ['stdTTL', 'ttl'],
]);

/**
 * Checks the options and fills in the defaults.
 * @throws SlabringError `OPTION`, naming the option, what it was and what is allowed
 */
export function readCacheOptions(options: CacheOptions = {}): CacheConfig {
  checkOptionNames(options, OPTION_NAMES, 'openCache', OTHER_NAMES);
  // Defaults stand in for `undefined`, not for null.
  const {
    memory = DEFAULT_MEMORY,
    policy = DEFAULT_POLICY,
    partitions,
    maxEntries,
    maxValue,
    maxThreads = MAX_THREADS,
    cluster,
    maxNamespaces = cluster === undefined ? DEFAULT_NAMESPACES : 0,
    packedItems = DEFAULT_PACKED_ITEMS,
    packedBytes = DEFAULT_PACKED_BYTES,
    arenas,
    ttl = 0,
    decoded,
    structures = false,
  } = options;
  const decodedConfig = readDecodedOption(decoded);
  if (cluster !== undefined) checkForCluster(options, cluster);
  const memoryBytes = readSize(memory, 'memory', MAX_SET_BYTES);
  const count =
    arenas === undefined ? arenasFor(memoryBytes) : readCount(arenas, 'arenas', MAX_ARENAS);
  const arena: ArenaSetOptions = {
    memoryBytes,
    policy: readPolicy(policy),
    maxValueBytes:
      maxValue === undefined
        ? defaultMaxValue(memoryBytes / count)
        : readSize(maxValue, 'maxValue', MAX_VALUE_BYTES),
    maxThreads: Math.min(
      MAX_THREADS,
      readCount(maxThreads, 'maxThreads', MAX_THREADS) + (cluster?.threads ?? 0),
    ),
    maxNamespaces: readCount(maxNamespaces, 'maxNamespaces', MAX_NAMESPACES, 0),
    packedItems: readCount(packedItems, 'packedItems', MAX_PACKED_ITEMS, 0),
    packedBytes: readPackedBytes(packedBytes),
    ...(arenas !== undefined && { arenas: count }),
    ...(partitions !== undefined && { partitions: readPartitions(partitions) }),
    ...(maxEntries !== undefined && {
      maxEntries: readCount(maxEntries, 'maxEntries', MAX_ENTRIES),
    }),
    stamps: decodedConfig !== undefined,
    structures: readSwitch(structures, 'structures'),
    ...cluster?.arenas,
  };
  return { arena, defaultTtlMs: parseDuration(ttl, 'ttl'), decoded: decodedConfig, cluster };
}

/** What a member of a cluster cannot have. */
function checkForCluster(options: CacheOptions, cluster: ClusterProvider): void {
  if (typeof cluster !== 'object' || cluster === null || typeof cluster.join !== 'function') {
    const allowed = 'what clusterMember() of slabring/server returns';
    throw new SlabringError('OPTION', `cluster must be ${allowed}, not ${show(cluster)}`);
  }
  const { maxNamespaces, decoded, structures } = options;
  if (maxNamespaces !== undefined && maxNamespaces !== 0) {
    refuseInCluster('maxNamespaces', '0', 'keys of namespaces stay on one member', maxNamespaces);
  }
  if (structures === true) {
    refuseInCluster('structures', 'false', 'other members could not read the values', structures);
  }
  if (decoded !== undefined && decoded !== false) {
    refuseInCluster('decoded', 'false', 'a kept value may be of a key that has moved', decoded);
  }
}

function refuseInCluster(option: string, allowed: string, why: string, value: unknown): never {
  throw new SlabringError(
    'OPTION',
    `${option} must be ${allowed} in a cluster, because ${why}; not ${show(value)}`,
  );
}

/** A value and its successor fit: the old one stays until the new one is there. */
export function defaultMaxValue(arenaBytes: number): number {
  return Math.max(1, Math.min(MAX_VALUE_BYTES, Math.floor(arenaBytes / 2)));
}

function readSize(size: ByteSize, option: string, mostBytes: number): number {
  const bytes = parseByteSize(size, option);
  if (bytes < 1 || bytes > mostBytes) {
    throw new SlabringError(
      'OPTION',
      `${option} must be from 1 byte to ${sizeAsText(mostBytes)}, not ${show(size)}`,
    );
  }
  return bytes;
}

function readPackedBytes(size: ByteSize): number {
  const bytes = parseByteSize(size, 'packedBytes');
  if (bytes <= MAX_PACKED_BYTES) return bytes;
  throw new SlabringError(
    'OPTION',
    `packedBytes must be from 0 to ${MAX_PACKED_BYTES} bytes, not ${show(size)}`,
  );
}

function sizeAsText(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB}gb` : `${bytes / MIB}mb`;
}

function readPolicy(policy: Policy): Policy {
  if (POLICIES.includes(policy)) return policy;
  const quoted = POLICIES.map((name) => `'${name}'`);
  const names = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
  throw new SlabringError('OPTION', `policy must be ${names}, not ${show(policy)}`);
}

function readSwitch(value: boolean, option: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new SlabringError('OPTION', `${option} must be true or false, not ${show(value)}`);
}

function readCount(count: number, option: string, most: number, least = 1): number {
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  throw new SlabringError(
    'OPTION',
    `${option} must be a whole number from ${least} to ${most}, not ${show(count)}`,
  );
}

function readPartitions(partitions: number): number {
  const count = readCount(partitions, 'partitions', MAX_PARTITIONS);
  if ((count & (count - 1)) === 0) return count;
  throw new SlabringError(
    'OPTION',
    `partitions must be a power of two from 1 to ${MAX_PARTITIONS}, not ${count}`,
  );
}
