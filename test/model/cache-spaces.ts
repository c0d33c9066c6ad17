/** All keyspaces of the cache under test: what they have in common, and what they add up to. */
import type { Cache } from 'slabring';
import type { ArenaSet } from '#engine/arena-set.js';
import type { Random } from '../support/kernel-random.js';
import type { Axes } from './cache-axes.js';
import { checkCounts, checkFound, checkLimits, sumOf, within } from './cache-checks.js';
import { KeySource } from './cache-keys.js';
import { FEW, maxEntriesOf, maxValueBytesOf, spaceNamesOf } from './cache-open.js';
import { foundInAll, ModelSpace, type Whole } from './cache-space.js';
import { ValueSource } from './cache-values.js';

export class ModelSpaces {
  /** Of keys in no namespace. */
  readonly plain: ModelSpace;
  readonly namespaces: readonly ModelSpace[];
  readonly all: readonly ModelSpace[];
  readonly keys: KeySource;
  /** Whether nothing is evicted. */
  readonly isExact: boolean;
  readonly #cache: Cache;
  readonly #maxEntries: number | undefined;
  readonly #seen: Set<string>;
  /** Entries that clears took: of everything, and of one namespace each. */
  #deleted = 0;
  #cleared = 0;

  constructor(axes: Axes, cache: Cache, set: ArenaSet, random: Random, seen: Set<string>) {
    this.#cache = cache;
    this.#seen = seen;
    this.#maxEntries = maxEntriesOf(axes);
    const isTight = axes.memory === 'tight';
    this.isExact = axes.policy === 'none' || (!isTight && axes.maxEntries === 'none');
    const names = spaceNamesOf(axes);
    this.keys = new KeySource(random, names.length > 0, axes.values === 'large');
    const whole: Whole = {
      cache,
      set,
      random,
      keys: this.keys,
      values: new ValueSource(random, axes.values),
      defaultTtl: axes.ttl,
      maxValueBytes: maxValueBytesOf(axes),
      isExact: this.isExact,
      seen,
      mayRefuse: (partition) => axes.policy === 'none' && (isTight || this.#isFull(partition)),
    };
    this.plain = new ModelSpace(whole);
    this.namespaces = names.map((name) => new ModelSpace(whole, name));
    this.all = [this.plain, ...this.namespaces];
    this.plain.resemble(this.namespaces);
  }

  /** Clears everything. */
  clear(handle: Cache): void {
    const { entries } = this.#cache.stats();
    const sizes = this.all.map((space) => space.in(this.#cache).size);
    handle.clear();
    this.#deleted += entries;
    for (const [i, space] of this.all.entries()) space.forget(sizes[i]!);
    if (entries > 0) this.#seen.add('cleared');
  }

  /** Clears one namespace. */
  clearOne(space: ModelSpace, handle: Cache): void {
    const { size } = space.in(this.#cache);
    space.clear(handle);
    this.#cleared += size;
    space.forget(size);
    if (size > 0) this.#seen.add('cleared namespace');
  }

  checkSizes(handle: Cache): void {
    for (const space of this.all) {
      const least = this.isExact ? space.model.sureKeys().length : 0;
      within(`${space.title}size`, space.in(handle).size, least, space.model.mostAt(0));
    }
  }

  /** To be called after upkeep had its turn: what had expired at that time must be gone. */
  checkKept(time: number): void {
    for (const space of this.all) {
      const { size } = space.in(this.#cache);
      within(`${space.title}entries that upkeep left`, size, 0, space.model.mostAt(time));
    }
  }

  /** @param isThorough whether to look for every key, which takes long where there are many */
  checkStats(threads: number, isThorough: boolean): void {
    const stats = this.#cache.stats();
    const bounds = sumOf(this.all.map(({ model }) => model));
    const gone = { deleted: this.#deleted, cleared: this.#cleared };
    checkCounts(stats, bounds, gone, this.isExact);
    checkLimits(stats, this.#maxEntries, threads);
    const found = isThorough ? this.all.map((space) => space.measure()) : undefined;
    if (found) checkFound(stats.entries, stats.payloadBytes, foundInAll(this.all, found));
    let counted = 0;
    for (const [i, space] of this.namespaces.entries()) {
      space.checkStats(found?.[i + 1]);
      counted += space.in(this.#cache).size;
    }
    within('entries of namespaces', stats.namespaceEntries, counted, counted);
    if (stats.evictions > 0) this.#seen.add('evicted');
    if (stats.expired > 0) this.#seen.add('expired');
  }

  /** Whether the partition may have no place for one more entry. */
  #isFull(partition: () => number): boolean {
    if (this.#maxEntries === undefined) return false;
    const wanted = partition();
    let found = 0;
    for (const space of this.all) {
      for (const id of space.model.someKeys()) if (space.partitionOf(id) === wanted) found++;
    }
    return found >= FEW;
  }
}
