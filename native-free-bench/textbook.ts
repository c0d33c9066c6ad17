/**
 * Two policies as textbooks have them, for traces that come without baselines: something to compare
 * with.
 */

/** A cache of object numbers. */
export interface Simulation {
  /** Whether it was a hit; a miss brings the object in. */
  access(id: number): boolean;
}

/** Evicts what was used longest ago. */
export class TextbookLru implements Simulation {
  /** A Map keeps the order of insertion: the first key is the one used longest ago. */
  readonly #entries = new Map<number, undefined>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  access(id: number): boolean {
    const isHit = this.#entries.delete(id);
    if (!isHit && this.#entries.size === this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(id, undefined);
    return isHit;
  }
}

/** A ring of frames; the hand passes those that were used since it passed them last. */
export class TextbookClock implements Simulation {
  readonly #frameOf = new Map<number, number>();
  readonly #ids: Uint32Array;
  readonly #marks: Uint8Array;
  #hand = 0;

  constructor(capacity: number) {
    this.#ids = new Uint32Array(capacity);
    this.#marks = new Uint8Array(capacity);
  }

  access(id: number): boolean {
    const frame = this.#frameOf.get(id);
    if (frame !== undefined) {
      this.#marks[frame] = 1;
      return true;
    }
    const free = this.#frameOf.size < this.#ids.length ? this.#frameOf.size : this.#evict();
    this.#ids[free] = id;
    this.#frameOf.set(id, free);
    return false;
  }

  #evict(): number {
    while (this.#marks[this.#hand] === 1) {
      this.#marks[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % this.#ids.length;
    }
    const frame = this.#hand;
    this.#frameOf.delete(this.#ids[frame]!);
    this.#hand = (frame + 1) % this.#ids.length;
    return frame;
  }
}

/** By the names that baselines have. */
export const TEXTBOOK = { LRU: TextbookLru, CLOCK: TextbookClock } as const;

/** The hit ratio of a new cache, 0 to 1. */
export function simulate(simulation: Simulation, ids: Uint32Array): number {
  let hits = 0;
  for (const id of ids) if (simulation.access(id)) hits++;
  return hits / ids.length;
}
