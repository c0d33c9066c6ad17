/**
 * A copy of a cache that is made of its changes alone. If every effect of every write is in the
 * log, it holds what the cache holds.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Cache, Change, Changes } from 'slabring';

interface Mirrored {
  /** As it was told: text, or bytes that are no UTF-8. */
  key: string | Buffer;
  value: unknown;
  expiresAt: number | undefined;
}

export class Mirror {
  readonly changes: Changes;
  readonly entries = new Map<string, Mirrored>();
  readonly counts = { set: 0, delete: 0, expire: 0, clear: 0, overrun: 0 };
  readonly reasons = { deleted: 0, expired: 0, evicted: 0 };
  readonly #cache: Cache;
  /** By partition: the number of its next change. */
  readonly #next = new Map<number, number>();

  /** Attaches first, and then takes what is there already. */
  constructor(cache: Cache, changes: Changes) {
    this.#cache = cache;
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
    const { partition, seq } = change;
    const next = this.#next.get(partition) ?? seq;
    if (seq !== next) throw new Error(`partition ${partition} has ${seq} where ${next} is due`);
    this.#next.set(partition, (change.type === 'overrun' ? change.lastSeq : seq) + 1);
    this.counts[change.type]++;
    switch (change.type) {
      case 'set':
        this.#set(change.key, change.value, change.expiresAt);
        break;
      case 'delete':
        this.reasons[change.reason]++;
        this.entries.delete(String(change.key));
        break;
      case 'expire': {
        const entry = this.entries.get(String(change.key));
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
    for (const [key, value] of this.#cache.entries()) {
      const mirrored = this.entries.get(String(key));
      if (mirrored === undefined) return `${key} is not in the mirror`;
      // A value that the log had no room for is the present one, undefined when there was none.
      if (!isDeepStrictEqual(mirrored.value, value)) {
        return `${key} is ${inspect(mirrored.value).slice(0, 80)} in the mirror`;
      }
      if ((mirrored.expiresAt === undefined) !== (this.#cache.ttl(key) === Infinity)) {
        return `${key} expires at ${mirrored.expiresAt} in the mirror`;
      }
      unseen.delete(String(key));
    }
    const [left] = unseen;
    return left === undefined ? undefined : `${left} is in the mirror only`;
  }

  #forget(partition: number): void {
    for (const [name, { key }] of this.entries) {
      if (this.changes.partitionOf(key) === partition) this.entries.delete(name);
    }
  }

  #set(key: string | Buffer, value: unknown, expiresAt: number | undefined): void {
    this.entries.set(String(key), { key, value, expiresAt });
  }

  #snapshot(partition: number | undefined): void {
    for (const [key, value] of this.#cache.entries()) {
      if (partition !== undefined && this.changes.partitionOf(key) !== partition) continue;
      const left = this.#cache.ttl(key);
      if (left === undefined) continue;
      const expiresAt = left === Infinity ? undefined : Date.now() + left;
      this.#set(key, value, expiresAt);
    }
  }
}
