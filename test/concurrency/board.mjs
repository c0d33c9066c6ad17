/**
 * What the hammering threads tell each other outside of the cache, in a memory of their own: when
 * to stop, which sequences of the single-writer keys were begun and stored, how much was added to
 * the counters.
 */
const STOP = 0;

export class Board {
  /** A new one for a plan. Its `memory` is what other threads make theirs of. */
  static create(plan) {
    const words = 1 + 2 * plan.ownedKeys + plan.counters + plan.ballots;
    return new Board(plan, new SharedArrayBuffer(words * 4));
  }

  #words;
  #plan;

  constructor(plan, memory) {
    this.memory = memory;
    this.#plan = plan;
    this.#words = new Int32Array(memory);
  }

  get stopped() {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  stop() {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STOP);
  }

  /** The last sequence that the writer of an owned key began to store. */
  begun(key) {
    return Atomics.load(this.#words, 1 + key);
  }

  begin(key, sequence) {
    Atomics.store(this.#words, 1 + key, sequence);
  }

  /** The last sequence that the writer of an owned key knows to be stored. */
  stored(key) {
    return Atomics.load(this.#words, 1 + this.#plan.ownedKeys + key);
  }

  store(key, sequence) {
    Atomics.store(this.#words, 1 + this.#plan.ownedKeys + key, sequence);
  }

  /** What all threads together have added to a counter. */
  added(counter) {
    return Atomics.load(this.#words, 1 + 2 * this.#plan.ownedKeys + counter);
  }

  add(counter, delta) {
    Atomics.add(this.#words, 1 + 2 * this.#plan.ownedKeys + counter, delta);
  }

  /** How often a ballot, a key that is replaced by its version only, was replaced. */
  votes(ballot) {
    const { ownedKeys, counters } = this.#plan;
    return Atomics.load(this.#words, 1 + 2 * ownedKeys + counters + ballot);
  }

  vote(ballot) {
    const { ownedKeys, counters } = this.#plan;
    Atomics.add(this.#words, 1 + 2 * ownedKeys + counters + ballot, 1);
  }
}
