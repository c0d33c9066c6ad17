/** What the threads of decoded.test.ts know of each other, and what a reader does. */

export const STOP = 0;
export const READY = 1;
/** From here on, for each key the count whose `set` has returned. */
export const COUNTS = 2;
export const KEYS = 40;
export const BOARD_WORDS = COUNTS + KEYS;

/** @param {number} number */
export function keyOf(number) {
  return `counter ${number}`;
}

/** @param {number} count */
export function counterOf(count) {
  // Of changing length, so that entries are overwritten as well as replaced.
  return { count, half: count / 2, pad: 'x'.repeat(count % 5), list: [count, { again: count }] };
}

/** Reads all keys over and over; what it saw is checked each time. */
export class Reader {
  #seen = new Int32Array(KEYS);
  reads = 0;
  /** Reads of a value that this thread had before. */
  again = 0;
  #last = new Map();

  constructor(cache, words) {
    this.cache = cache;
    this.words = words;
  }

  /** Reads each key once. */
  look() {
    for (let number = 0; number < KEYS; number++) {
      const least = Atomics.load(this.words, COUNTS + number);
      const value = this.cache.get(keyOf(number));
      this.reads++;
      // Evicted or deleted.
      if (value === undefined) continue;
      const { count, half, list } = value;
      if (half !== count / 2 || list[0] !== count || list[1].again !== count) {
        throw new Error(`${keyOf(number)} is torn: ${JSON.stringify(value)}`);
      }
      if (count < least) throw new Error(`${keyOf(number)} is ${count} after a set of ${least}`);
      const seen = this.#seen[number];
      if (count < seen) throw new Error(`${keyOf(number)} goes back from ${seen} to ${count}`);
      this.#seen[number] = count;
      if (this.#last.get(number) === value) this.again++;
      this.#last.set(number, value);
    }
  }
}
