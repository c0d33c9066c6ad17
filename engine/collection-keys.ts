/**
 * What a cache and a namespace of it can do with lists, sets, hashes and sorted sets, and with
 * commands on all of them in one step.
 */
import type { Key } from './api.js';
import { CacheRunner } from './cache-runner.js';
import {
  type AtomicCommand,
  type AtomicOptions,
  type AtomicResult,
  runAtomic,
} from './handles/atomic.js';
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
    this.#runner = new CacheRunner(shared.single, shared.structures, insideOf(this));
  }

  /**
   * Runs commands on any keys in one step, if all guards hold: nobody sees some of them done and
   * others not, or does anything in between.
   *
   * Commands are arrays of a name and its arguments as docs/PROTOCOL.md tells them. All that can be
   * told before is: then none runs. One that fails when it runs, such as an INCR of text, has its
   * error for a reply, and the others run all the same.
   * @throws SlabringError `OPTION`, `SYNTAX`, `TOOLARGE`; `CROSSSLOT` when the keys are in several
   * arenas. Nothing was done then
   */
  atomic(commands: Iterable<AtomicCommand>, options?: AtomicOptions): AtomicResult {
    return runAtomic<'sync'>(this.#runner, commands, options);
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
