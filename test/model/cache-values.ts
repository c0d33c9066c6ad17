/** Values of the model test of the cache. */
import type { Random } from '../support/kernel-random.js';

export type ValueSizes = 'small' | 'mixed' | 'large';

const CHUNK = 8192;
const MIB = 1024 * 1024;
/** Bytes of a large value in one page (engine/large.ts). */
const PAGE_PAYLOAD = 64 * 1024 - 16;
/** The longest value, but for some bytes around it. */
export const LARGEST_BYTES = 3 * MIB;
/** The same in all pages would hide that two of them were taken for each other. */
const PATTERN_BYTES = 1009;
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

  /** @param isRoomy whether it may be a large one */
  next(isRoomy: boolean): unknown {
    const random = this.#random;
    if (random.chance(0.003)) this.#long = random.pick([0, 10, 60]);
    if (this.#sizes === 'large' && isRoomy && random.chance(0.4)) return this.#largeValue();
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
  /** Around what passes through the areas of a thread, around whole pages, and anywhere. */
  #largeValue(): unknown {
    const random = this.#random;
    const pages = random.between(17, 24) * PAGE_PAYLOAD + random.between(-40, 4);
    const any = random.between(MIB, random.chance(0.2) ? LARGEST_BYTES : 1.5 * MIB);
    const length = random.pick([MIB + random.between(-40, 40), pages, any]);
    const kind = random.below(10);
    if (kind < 6) return Buffer.alloc(length, this.bytes(PATTERN_BYTES));
    const number = random.below(1e6);
    const text = `${number} `.padEnd(length, `large text ${number} `);
    return kind < 8 ? text : { id: number, text, tags: [] };
  }
}

/** The shortest that may be a large value, with what stands around it. */
const LEAST_LARGE = MIB - 64;

/** Whether it may be a large value. */
export function isLarge(value: unknown): boolean {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value.length > LEAST_LARGE;
  if (typeof value !== 'object' || value === null) return false;
  const { text } = value as { text?: unknown };
  return typeof text === 'string' && text.length > LEAST_LARGE;
}
