/**
 * What the cases of the embedded cache work on: a filled store, a key sequence, and the keys and
 * values of a batch.
 */
import { makeKey, type Scale } from './fixture.js';
import { isValue, type Kind } from './kinds.js';
import type { Store } from './stores/store.js';

/**
 * Keys that `verify` compares in full: reading all of a million again would take longer than the
 * timing.
 */
const VERIFIED_KEYS = 20_000;

export interface BedOptions<V> {
  readonly store: Store<V>;
  readonly kind: Kind<V>;
  readonly scale: Scale;
  readonly sequence: Uint32Array;
  /** Look up with the very strings that were stored, not with new ones of the same text. */
  readonly heldKeys: boolean;
}

export class Bed<V> {
  readonly store: Store<V>;
  readonly kind: Kind<V>;
  readonly scale: Scale;
  readonly sequence: Uint32Array;
  /** The keys of the batch that `takeKeys` was last called for, in order. */
  readonly keys: string[] = [];
  /** Likewise the values. */
  readonly values: V[] = [];
  readonly #held: string[] | undefined;

  constructor({ store, kind, scale, sequence, heldKeys }: BedOptions<V>) {
    this.store = store;
    this.kind = kind;
    this.scale = scale;
    this.sequence = sequence;
    this.#held = heldKeys ? Array.from({ length: scale.keys }, (_, i) => makeKey(i)) : undefined;
  }

  get batches(): number {
    return this.sequence.length / this.scale.batch;
  }

  /** Stores every key, key number i with value number `valueAt(i)`. */
  fill(valueAt: (index: number) => number): void {
    const { store, kind, scale } = this;
    // In pieces: LMDB keeps the pages of a transaction in memory.
    const piece = 10_000;
    for (let from = 0; from < scale.keys; from += piece) {
      store.inBatch(() => {
        const to = Math.min(scale.keys, from + piece);
        for (let i = from; i < to; i++) store.set(this.#key(i), kind.make(valueAt(i)));
        return to;
      });
    }
  }

  /** The number of the key at a place of a batch. */
  indexAt(batch: number, place: number): number {
    return this.sequence[batch * this.scale.batch + place]!;
  }

  takeKeys(batch: number): void {
    for (let i = 0; i < this.scale.batch; i++) this.keys[i] = this.#key(this.indexAt(batch, i));
  }

  takeValues(batch: number): void {
    const { kind, scale, values } = this;
    for (let i = 0; i < scale.batch; i++) values[i] = kind.make(this.indexAt(batch, i));
  }

  /** For each batch the sum of a number per key. */
  sums(numberOf: (index: number) => number): Float64Array {
    const sums = new Float64Array(this.batches);
    for (let batch = 0; batch < sums.length; batch++) {
      for (let i = 0; i < this.scale.batch; i++) sums[batch]! += numberOf(this.indexAt(batch, i));
    }
    return sums;
  }

  /**
   * Compares what is stored under the keys of the sequence (all, or enough of them) with their
   * values, in full.
   */
  verify(): string | undefined {
    const { store, kind, sequence } = this;
    const step = Math.max(1, Math.floor(sequence.length / VERIFIED_KEYS));
    for (let at = 0; at < sequence.length; at += step) {
      const index = sequence[at]!;
      const value = store.get(makeKey(index));
      if (!isValue(kind, value, index)) return `key ${index} has a wrong value: ${shown(value)}`;
    }
    return store.check();
  }

  #key(index: number): string {
    return this.#held === undefined ? makeKey(index) : this.#held[index]!;
  }
}

function shown(value: unknown): string {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
