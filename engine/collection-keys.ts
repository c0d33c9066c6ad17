/** What a cache and a namespace of it can do with lists, sets, hashes and sorted sets. */
import type { Key } from './api.js';
import { CacheRunner } from './cache-runner.js';
import { Hash } from './handles/hash.js';
import { List } from './handles/list.js';
import { Members } from './handles/members.js';
import { SortedSet } from './handles/sorted.js';
import { insideOf, Keyspace, type SharedParts } from './keyspace.js';
import type { Space } from './space.js';

export abstract class CollectionKeys extends Keyspace {
  readonly #runner: CacheRunner;

  /** @param space the namespace; undefined: keys of none */
  constructor(shared: SharedParts, defaultTtlMs: number, space?: Space) {
    super(shared, defaultTtlMs, space);
    this.#runner = new CacheRunner(shared.single, shared.structures, insideOf(this).deskFor);
  }

  /** The list at the key, to work with; it need not be there yet. */
  list(key: Key): List {
    return new List(this.#runner, key);
  }

  /** The set at the key, by its members, to work with; it need not be there yet. */
  members(key: Key): Members {
    return new Members(this.#runner, key);
  }

  /** The hash at the key, to work with; it need not be there yet. */
  hash(key: Key): Hash {
    return new Hash(this.#runner, key);
  }

  /** The sorted set at the key, to work with; it need not be there yet. */
  sorted(key: Key): SortedSet {
    return new SortedSet(this.#runner, key);
  }
}
