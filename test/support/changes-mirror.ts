/**
 * A copy of a cache that is made of its changes alone. If every effect of every write is in the
 * log, it holds what the cache holds.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Cache, Change, Changes, Namespace } from 'slabring';

interface Mirrored {
  readonly namespace: string | undefined;
  readonly partition: number;
  value: unknown;
  expiresAt: number | undefined;
}

export class Mirror {
  readonly changes: Changes;
  readonly entries = new Map<string, Mirrored>();
  readonly counts = { set: 0, delete: 0, expire: 0, clear: 0, overrun: 0 };
  readonly reasons = { deleted: 0, expired: 0, evicted: 0 };
  readonly #cache: Cache;
  readonly #names: readonly (string | undefined)[];
  /** By partition: the number of its next change. */
  readonly #next = new Map<number, number>();

  /**
   * Attaches first, and then takes what is there already.
   * @param namespaces those that are written in
   */
  constructor(cache: Cache, changes: Changes, namespaces: readonly string[] = []) {
    this.#cache = cache;
    this.#names = [undefined, ...namespaces];
    this.changes = changes;
    this.#snapshot(undefined);
  }

  /** Applies what there is; how many changes. */
  catchUp(max?: number): number {
    const changes = this.changes.read(max);
    for (const change of changes) this.apply(change);
    return changes.length;
  }

  apply(change: Change): void {
    const { partition, seq, namespace } = change;
    this.counts[change.type]++;
    if (change.type === 'clear' && namespace !== undefined) {
      this.#drop((entry) => entry.namespace === namespace);
      return;
    }
    const next = this.#next.get(partition) ?? seq;
    // What a clear of a namespace has overtaken is left out.
    const isRight = this.#names.length > 1 ? seq >= next : seq === next;
    if (!isRight) throw new Error(`partition ${partition} has ${seq} where ${next} is due`);
    this.#next.set(partition, (change.type === 'overrun' ? change.lastSeq : seq) + 1);
    switch (change.type) {
      case 'set':
        this.#put(namespace, change.key, change);
        break;
      case 'delete':
        this.reasons[change.reason]++;
        this.entries.delete(nameOf(namespace, change.key));
        break;
      case 'expire': {
        const entry = this.entries.get(nameOf(namespace, change.key));
        if (entry) entry.expiresAt = change.expiresAt;
        break;
      }
      case 'clear':
        this.#forget(partition);
        break;
      case 'overrun':
        this.#forget(partition);
        this.#snapshot(partition);
    }
  }

  /** What differs from the cache; undefined: nothing. Nobody may be writing. */
  difference(): string | undefined {
    const now = Date.now();
    for (const [key, { expiresAt }] of this.entries) {
      if (expiresAt !== undefined && expiresAt <= now) this.entries.delete(key);
    }
    const unseen = new Set(this.entries.keys());
    for (const namespace of this.#names) {
      const keyspace = this.#keyspaceOf(namespace);
      for (const [key, value] of keyspace.entries()) {
        const name = nameOf(namespace, key);
        const mirrored = this.entries.get(name);
        if (mirrored === undefined) return `${name} is not in the mirror`;
        // A value that the log had no room for is the present one, undefined when there was none.
        if (!isDeepStrictEqual(mirrored.value, value)) {
          return `${name} is ${inspect(mirrored.value).slice(0, 80)} in the mirror`;
        }
        if ((mirrored.expiresAt === undefined) !== (keyspace.ttl(key) === Infinity)) {
          return `${name} expires at ${mirrored.expiresAt} in the mirror`;
        }
        unseen.delete(name);
      }
    }
    const [left] = unseen;
    return left === undefined ? undefined : `${left} is in the mirror only`;
  }

  #forget(partition: number): void {
    this.#drop((entry) => entry.partition === partition);
  }

  #drop(isGone: (entry: Mirrored) => boolean): void {
    for (const [name, entry] of this.entries) if (isGone(entry)) this.entries.delete(name);
  }

  #put(
    namespace: string | undefined,
    key: string | Buffer,
    entry: Pick<Mirrored, 'value' | 'expiresAt' | 'partition'>,
  ): void {
    const { value, expiresAt, partition } = entry;
    const mirrored = { namespace, partition, value, expiresAt };
    this.entries.set(nameOf(namespace, key), mirrored);
  }

  #keyspaceOf(namespace: string | undefined): Cache | Namespace {
    return namespace === undefined ? this.#cache : this.#cache.namespace(namespace);
  }

  #snapshot(wanted: number | undefined): void {
    for (const namespace of this.#names) {
      const keyspace = this.#keyspaceOf(namespace);
      for (const [key, value] of keyspace.entries()) {
        const partition = this.changes.partitionOf(key, namespace);
        if (wanted !== undefined && partition !== wanted) continue;
        const left = keyspace.ttl(key);
        if (left === undefined) continue;
        const expiresAt = left === Infinity ? undefined : Date.now() + left;
        this.#put(namespace, key, { value, expiresAt, partition });
      }
    }
  }
}

function nameOf(namespace: string | undefined, key: string | Buffer): string {
  return namespace === undefined ? String(key) : `${namespace}: ${key}`;
}
