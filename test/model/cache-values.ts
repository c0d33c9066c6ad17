/** Keys and values of the model test of the cache. */
import type { Key } from 'slabring';
import type { Random } from '../support/kernel-random.js';

/** A key in the forms that are the same key. */
export interface ModelKey {
  /** What the model knows it by. */
  readonly id: string;
  readonly bytes: Buffer;
  readonly forms: readonly Key[];
}

export function textKey(text: string): ModelKey {
  const bytes = Buffer.from(text);
  return { id: text, bytes, forms: [text, text, text, bytes] };
}

/** Bytes that are no UTF-8. */
function binaryKey(...bytes: readonly number[]): ModelKey {
  const key = Buffer.from([0xff, ...bytes]);
  return { id: idOf(key), bytes: key, forms: [key] };
}

/** The `id` of a key that the cache returned. */
export function idOf(key: string | Buffer): string {
  return typeof key === 'string' ? key : `bytes ${key.toString('hex')}`;
}

/** Around what a chained entry's head holds of a key, around a chunk, and the longest. */
const LONG_KEYS = [255, 2047, 2048, 2049, 8180, 16_400, 65_535];

export function makeKeys(count: number): ModelKey[] {
  const keys = LONG_KEYS.map((length) => textKey(`${length} `.padEnd(length, 'long key ')));
  for (let i = 0; i < 4; i++) keys.push(binaryKey(i), textKey('\ufffd'.repeat(i + 1)));
  for (let i = 0; keys.length < count; i++) {
    if (i % 10 === 0) keys.push(textKey(`ключ ${i}`));
    else if (i % 10 === 1) keys.push(textKey(`{tag ${i % 40}}:${i}`));
    else keys.push(textKey(`${i} `.padEnd(i % 37, '.')));
  }
  return keys;
}

export type ValueSizes = 'small' | 'mixed';

const CHUNK = 8192;
/** At edges of every width, beyond what a number holds exactly. */
const BIG_INTEGERS = [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n];

/** Draws values; the sizes that are most common change with time. */
export class ValueSource {
  readonly #random: Random;
  readonly #sizes: ValueSizes;
  readonly #noise: Buffer;
  /** Of a hundred values, those that are long. */
  #long = 10;

  constructor(random: Random, sizes: ValueSizes) {
    this.#random = random;
    this.#sizes = sizes;
    this.#noise = random.bytes(100_000);
  }

  next(): unknown {
    const random = this.#random;
    if (random.chance(0.003)) this.#long = random.pick([0, 10, 60]);
    if (this.#sizes !== 'small' && random.below(100) < this.#long) return this.#longValue();
    const number = random.below(1000);
    switch (random.below(12)) {
      case 0:
      case 1:
        return number - 500;
      case 2:
        return number / 8 + 0.0625;
      case 3:
        return random.pick([null, true, false, random.pick(BIG_INTEGERS)]);
      case 4:
        return this.bytes(random.below(300));
      case 5:
        return `text ${number}`.padEnd(random.below(60), ' и ещё');
      case 6:
        return [number, `${number}`, null];
      case 7:
        return { id: number, at: new Date(number * 1e6), bytes: this.bytes(random.below(20)) };
      // More property names than a thread remembers as seen once.
      case 8:
        return { [`name ${random.below(3000)}`]: number, id: number };
      default:
        return {
          id: number,
          name: `name ${number}`,
          tags: [{ id: 1, name: 'a' }, number % 2 === 0],
        };
    }
  }

  /** Bytes that no other value of that length is likely to have. */
  bytes(length: number): Buffer {
    const start = this.#random.below(this.#noise.length - length);
    return Buffer.from(this.#noise.subarray(start, start + length));
  }

  #longValue(): unknown {
    const random = this.#random;
    const pieces = random.between(1, 4) * CHUNK + random.between(-40, 4);
    const length = random.pick([random.below(2000), random.below(60_000), pieces]);
    if (random.chance(0.3)) return { id: length, text: 'x'.repeat(length), tags: [] };
    return random.chance(0.5) ? 'long '.repeat(length / 5) : this.bytes(length);
  }
}
