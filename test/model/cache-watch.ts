/** A reader of the change log, and the copy of the cache that it makes of what it reads. */
import type { Cache } from 'slabring';
import type { ArenaStats } from '#engine/arena.js';
import { Mirror } from '../support/changes-mirror.js';
import { within } from './cache-checks.js';

export class Watch {
  /** The handle that it reads by. */
  readonly by: Cache;
  readonly #cache: Cache;
  readonly #mirror: Mirror;
  /** What was counted before and after it began, which takes memory, and may evict. */
  readonly #from: readonly [ArenaStats, ArenaStats];
  #hasOvertaken = false;

  /**
   * @param namespaces the names of those that are written in
   * @throws SlabringError `OOM` when there is no memory for the log
   */
  constructor(cache: Cache, by: Cache, namespaces: readonly string[]) {
    this.by = by;
    this.#cache = cache;
    const before = cache.stats();
    const changes = by.changes();
    this.#from = [before, cache.stats()];
    this.#mirror = new Mirror(cache, changes, namespaces);
  }

  /** Reads on, so many changes at most. */
  read(most: number): void {
    this.#mirror.catchUp(most);
  }

  /** A namespace was cleared: changes of it that were not read yet are left out. */
  overtake(): void {
    this.#hasOvertaken = true;
  }

  get isOverrun(): boolean {
    return this.#mirror.counts.overrun > 0;
  }

  /** What the log told must be what there is, and what was counted. */
  check(): void {
    const mirror = this.#mirror;
    while (mirror.catchUp() > 0);
    const difference = mirror.difference();
    if (difference !== undefined) throw new Error(`the mirror: ${difference}`);
    if (this.isOverrun) return;
    const { counts, reasons } = mirror;
    const told = { sets: counts.set, expired: reasons.expired, evictions: reasons.evicted };
    const stats = this.#cache.stats();
    const [before, after] = this.#from;
    for (const name of ['sets', 'expired', 'evictions'] as const) {
      const least = this.#hasOvertaken ? 0 : stats[name] - after[name];
      within(`${name} told by the log`, told[name], least, stats[name] - before[name]);
    }
  }

  close(): void {
    this.#mirror.changes.close();
  }
}
