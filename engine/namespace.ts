/** Namespaces: parts of a cache with keys of their own. */
import type { Duration } from './api.js';
import { FullKeyspace } from './full-keyspace.js';
import type { Store } from './handles/store.js';
import { checkOpen, type SharedParts } from './keyspace.js';
import type { NamespaceStats, Space } from './space.js';
import { checkOptionNames, parseDuration } from './units.js';

/** Options of `cache.namespace`. */
export interface NamespaceOptions {
  /** Time to live of entries whose `set` gives none. Default: the cache's. 0: they do not expire. */
  ttl?: Duration;
}

/** @throws SlabringError `OPTION` */
export function readNamespaceTtl(options: NamespaceOptions, defaultTtlMs: number): number {
  checkOptionNames(options, ['ttl'], 'namespace');
  return options.ttl === undefined ? defaultTtlMs : parseDuration(options.ttl, 'ttl');
}

/**
 * A namespace as one thread has it open: all that a cache does with keys, with keys that are in no
 * other one. Made by `cache.namespace`; closed with the cache.
 */
export class Namespace extends FullKeyspace implements Store<'sync'> {
  readonly name: string;
  readonly #space: Space;
  readonly #shared: SharedParts;

  /** Use `cache.namespace`. */
  constructor(name: string, space: Space, shared: SharedParts, defaultTtlMs: number) {
    super(shared, defaultTtlMs, space);
    this.name = name;
    this.#space = space;
    this.#shared = shared;
  }

  /** How many entries there are. Expired ones count until their memory has been taken back. */
  override get size(): number {
    return this.stats().entries;
  }

  /** Counters and sizes of the namespace, all threads together. */
  stats(): NamespaceStats {
    checkOpen(this.#shared);
    for (const kept of this.#shared.kept) kept.countHits();
    return this.#space.stats();
  }

  /**
   * Removes all its entries in one step, however many there are: when it returns no thread finds
   * one. Their memory comes back a little later, or as soon as it is needed.
   */
  clear(): void {
    checkOpen(this.#shared);
    this.#space.clear();
  }
}
