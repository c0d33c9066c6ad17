/**
 * A keyspace of the cache under test, with a model of its own: the cache's, of keys in no
 * namespace, or that of one. What a call on one of them does, none of the others may show.
 */
import type { Cache, Namespace } from 'slabring';
import type { ArenaSet } from '#engine/arena-set.js';
import { MAX_KEY_BYTES } from '#engine/commands.js';
import { Desk } from '#engine/desk.js';
import { MAX_NAMESPACED_KEY_BYTES, PREFIX_BYTES } from '#engine/keys.js';
import { partitionIn } from '#engine/keyspace.js';
import { Spaces } from '#engine/space.js';
import type { Random } from '../support/kernel-random.js';
import type { Source } from './cache-calls.js';
import { checkCounts, checkFound, type Found, within } from './cache-checks.js';
import { type KeySource, lookAlike, type ModelKey } from './cache-keys.js';
import { CacheModel } from './cache-model.js';
import type { SpaceName } from './cache-open.js';
import { isLarge, type ValueSource } from './cache-values.js';
import { Walks } from './cache-walks.js';

/** What all keyspaces of a cache have in common. */
export interface Whole {
  readonly cache: Cache;
  readonly set: ArenaSet;
  readonly random: Random;
  readonly keys: KeySource;
  readonly values: ValueSource;
  readonly defaultTtl: number;
  readonly maxValueBytes: number;
  /** Whether nothing is evicted. */
  readonly isExact: boolean;
  readonly seen: Set<string>;
  /** Whether a write may be refused, given the partition of its key. */
  readonly mayRefuse: (partition: () => number) => boolean;
}

/** What `peekDirect` says of a value that does not fit the reply area. */
const IS_LARGE = -2;
/** Where `largeOpen` writes the length of a value, in words of the reply area. */
const OPEN_VALUE_BYTES = 2;

export class ModelSpace {
  /** Undefined: of keys in no namespace. */
  readonly name: string | undefined;
  readonly model: CacheModel;
  readonly walks: Walks;
  readonly source: Source;
  /** Entries that were cleared, with all others or alone. */
  #cleared = 0;
  readonly #whole: Whole;
  readonly #ttl: number | undefined;
  /** By arena. */
  readonly #desks: readonly Desk[];
  /** Those that are keys of this one only, by their ids. */
  readonly #ownKeys = new Map<string, ModelKey>();
  #crowd: readonly ModelKey[] = [];
  /** Namespaces, whose keys have look-alikes here. */
  #neighbours: readonly ModelSpace[] = [];
  /** Of keys that were asked for: a clear moves them. */
  readonly #partitions = new Map<string, number>();

  constructor(whole: Whole, given?: SpaceName) {
    const { random, values, isExact, defaultTtl, seen, set } = whole;
    this.#whole = whole;
    this.name = given?.name;
    this.#ttl = given?.ttl;
    const space = given && new Spaces(set).open(given.name);
    this.#desks = set.arenas.map((arena) => new Desk(arena, space));
    this.model = new CacheModel({
      mayEvict: !isExact,
      mayRefuse: (id) => whole.mayRefuse(() => this.partitionOf(id)),
    });
    this.walks = new Walks(this.model, random, isExact, seen);
    this.source = {
      random,
      model: this.model,
      values,
      key: () => this.#nextKey(),
      defaultTtl: given?.ttl ?? defaultTtl,
      maxValueBytes: whole.maxValueBytes,
      maxKeyBytes: given ? MAX_NAMESPACED_KEY_BYTES : MAX_KEY_BYTES,
    };
  }

  /** As a handle of the cache has it. */
  in(cache: Cache): Cache | Namespace {
    if (this.name === undefined) return cache;
    return cache.namespace(this.name, this.#ttl === undefined ? {} : { ttl: this.#ttl });
  }

  /** The words before a call in the message of a failure. */
  get title(): string {
    return this.name === undefined ? '' : `${this.name.slice(0, 10)}: `;
  }

  /** From now on some keys look as those of the namespaces do in the kernel. */
  resemble(neighbours: readonly ModelSpace[]): void {
    this.#neighbours = neighbours;
  }

  /** From now on some keys are these. */
  addCrowd(crowd: readonly ModelKey[]): void {
    this.#crowd = crowd;
    for (const key of crowd) this.#ownKeys.set(key.id, key);
  }

  /** Every key that was ever drawn, and maybe more. */
  allKeys(): readonly ModelKey[] {
    return [...this.#whole.keys.all, ...this.#ownKeys.values()];
  }

  /** The partition of a key, those of all arenas numbered through. */
  locate(key: Buffer): number {
    return partitionIn(this.in(this.#whole.cache), key);
  }

  /** `locate` of a key that was drawn. */
  partitionOf(id: string): number {
    let partition = this.#partitions.get(id);
    if (partition === undefined) {
      const isIt = (key: ModelKey): boolean => key.id === id;
      const key = this.#ownKeys.get(id) ?? this.#whole.keys.all.find(isIt)!;
      partition = this.locate(key.bytes);
      this.#partitions.set(id, partition);
    }
    return partition;
  }

  /** Clears it alone, as which it must be a namespace. */
  clear(handle: Cache): void {
    (this.in(handle) as Namespace).clear();
    this.walks.clear();
  }

  /** So many entries have been cleared. */
  forget(entries: number): void {
    this.#cleared += entries;
    this.model.clear();
    this.#partitions.clear();
  }

  /** What is there, as the kernel has it. Values are not read. */
  measure(): Found {
    const { seen } = this.#whole;
    const found: Found = { entries: 0, bytes: 0, sizes: new Map() };
    for (const { id, bytes } of this.allKeys()) {
      const possible = this.model.possible(id);
      if (!possible.some(Boolean)) continue;
      const length = this.#lengthOf(bytes);
      if (length < 0) {
        if (possible.some((state) => isLarge(state?.value))) seen.add('evicted large value');
        continue;
      }
      const bits = 32 - Math.clz32(length);
      found.entries++;
      found.bytes += bytes.length + length;
      found.sizes.set(bits, (found.sizes.get(bits) ?? 0) + 1);
    }
    return found;
  }

  /** What a namespace counted must be what its model saw, and what is there. */
  checkStats(found: Found | undefined): void {
    const { cache, isExact, seen } = this.#whole;
    const stats = (this.in(cache) as Namespace).stats();
    const gone = { deleted: 0, cleared: this.#cleared };
    checkCounts(stats, this.model, gone, isExact);
    const counted = stats.sizes.reduce((sum, { entries }) => sum + entries, 0);
    within('entries by size', counted, stats.entries, stats.entries);
    if (found !== undefined) checkFound(stats.entries, stats.bytes, found);
    // What has expired is counted until it is gone.
    if (found?.entries === stats.entries) {
      for (const { from, entries } of stats.sizes) {
        const expected = found.sizes.get(32 - Math.clz32(from)) ?? 0;
        within(`values from ${from} bytes`, entries, expected, expected);
      }
    }
    if (stats.evictions > 0) seen.add('evicted from a namespace');
    if (stats.expired > 0) seen.add('expired in a namespace');
  }

  #nextKey(): ModelKey {
    const { keys, random } = this.#whole;
    if (this.#crowd.length > 0 && random.chance(0.05)) return random.pick(this.#crowd);
    const key = keys.next();
    if (this.#neighbours.length === 0 || random.chance(0.9)) return key;
    const alike = lookAlike(key, random.pick(this.#neighbours).#prefix());
    this.#ownKeys.set(alike.id, alike);
    return alike;
  }

  #prefix(): number {
    return this.#desks[0]!.space!.prefix();
  }

  /** Bytes of the encoded value; less than 0: there is none. */
  #lengthOf(key: Buffer): number {
    const { routes } = this.#whole.set;
    const desk = this.#desks[routes?.arenaOf(key) ?? 0]!;
    const { kernel, slot, reply } = desk;
    const word = desk.writeKey(key);
    const length = kernel.peekDirect(slot, word, Date.now());
    if (length !== IS_LARGE) return length;
    if (kernel.largeOpen(slot, word, Date.now()) <= 0) throw new Error('no large value after all');
    return new Uint32Array(reply.buffer, reply.byteOffset, OPEN_VALUE_BYTES + 1)[OPEN_VALUE_BYTES]!;
  }
}

/** What all keyspaces together have, with the prefixes that the kernel's keys have. */
export function foundInAll(spaces: readonly ModelSpace[], found: readonly Found[]): Found {
  const all: Found = { entries: 0, bytes: 0, sizes: new Map() };
  for (const [i, { entries, bytes }] of found.entries()) {
    const prefixes = spaces[i]!.name === undefined ? 0 : entries * PREFIX_BYTES;
    all.entries += entries;
    all.bytes += bytes + prefixes;
  }
  return all;
}
