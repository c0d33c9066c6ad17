/**
 * Seeded randomness, so that every failure can be run again. Plain JavaScript, because worker
 * threads of the tests, which have no TypeScript loader, use it as well.
 */
import { randomInt } from 'node:crypto';

/** mulberry32 by Tommy Ettinger: 32 bits of state, plenty for choosing test inputs. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32 - 1. */
  word() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `end` - 1. */
  below(end) {
    return Math.floor((this.word() / 2 ** 32) * end);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least, most) {
    return least + this.below(most - least + 1);
  }

  /** True this share of the time. */
  chance(share) {
    return this.word() < share * 2 ** 32;
  }

  pick(items) {
    return items[this.below(items.length)];
  }

  bytes(length) {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.word();
    return bytes;
  }
}

/** A seed that no earlier run is likely to have used. */
export function freshSeed() {
  return randomInt(2 ** 32);
}
