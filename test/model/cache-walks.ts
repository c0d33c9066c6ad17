/**
 * Walks over a cache that go on while it is written: what they return is there at that moment, no
 * key comes twice, and one that is there all the time does come.
 */
import type { Cache, Namespace } from 'slabring';
import type { Random } from '../support/kernel-random.js';
import { idOf } from './cache-keys.js';
import { type CacheModel, show } from './cache-model.js';

/** Of `scan`, what is returned may be gone by then. */
type Kind = 'keys' | 'scan' | 'values' | 'entries';

export interface WalkInHand {
  readonly kind: Kind;
  readonly cache?: Cache | Namespace;
  readonly items?: Iterator<unknown>;
  readonly returned: Set<string>;
  /** The keys that were there at the start, with the entries' birth. */
  readonly first: ReadonlyMap<string, number>;
  values: number;
}

/** Open at a time. */
const MOST = 4;

const hasKeysOnly = ({ kind }: WalkInHand) => kind === 'keys' || kind === 'scan';

export class Walks {
  readonly #model: CacheModel;
  readonly #random: Random;
  /** Whether nothing goes by itself, so that the model knows what was there all the time. */
  readonly #isExact: boolean;
  readonly #seen: Set<string>;
  readonly #open: WalkInHand[] = [];

  constructor(model: CacheModel, random: Random, isExact: boolean, seen: Set<string>) {
    this.#seen = seen;
    this.#model = model;
    this.#random = random;
    this.#isExact = isExact;
  }

  /** Begins a walk, or goes on with one. */
  step(cache: Cache | Namespace): void {
    const random = this.#random;
    if (this.#open.length === 0 || (this.#open.length < MOST && random.chance(0.1))) {
      const kind = random.pick(['keys', 'scan', 'values', 'entries'] as const);
      const items = random.chance(0.3) && kind === 'entries' ? cache : cache[kind]();
      this.#open.push({ ...this.begin(kind), cache, items: items[Symbol.iterator]() });
      return;
    }
    const walk = random.pick(this.#open);
    if (random.chance(0.02)) {
      walk.items?.return?.();
      this.#drop(walk);
      return;
    }
    for (let wanted = 1 + random.below(40); wanted > 0; wanted--) if (!this.#next(walk)) return;
  }

  /** Whole walks of all kinds, while nothing is written. */
  whole(cache: Cache | Namespace): void {
    for (const kind of ['keys', 'scan', 'values', 'entries'] as const) {
      const walk = { ...this.begin(kind), cache, items: cache[kind]() };
      while (this.#next(walk));
    }
  }

  begin(kind: Kind): WalkInHand {
    const first = new Map<string, number>();
    for (const key of this.#model.sureKeys())
      first.set(key, this.#model.possible(key)[0]?.born ?? 0);
    return { kind, returned: new Set(), first, values: 0 };
  }

  /** Holds an item that a walk returned against the model. */
  take(walk: WalkInHand, item: unknown): void {
    if (walk.kind === 'values') {
      walk.values++;
      return;
    }
    const [found, value] = (hasKeysOnly(walk) ? [item] : item) as [string | Buffer, unknown];
    const key = idOf(found);
    if (walk.returned.has(key)) throw new Error(`${key.slice(0, 24)} comes twice`);
    walk.returned.add(key);
    if (walk.kind === 'scan') return;
    if (walk.kind === 'keys') {
      this.#model.apply(key, true, (state) => this.#model.has(state), { leaves: true });
    } else {
      this.#model.apply(
        key,
        { value },
        (state) => [{ reply: state && { value: state.value }, next: state, counts: {} }],
        { leaves: true },
      );
    }
  }

  /** To be called when a walk came to its end. */
  end(walk: WalkInHand): void {
    if (!this.#isExact) return;
    const stayed = [...walk.first].filter(
      ([key, born]) => born > 0 && this.#model.possible(key).every((state) => state?.born === born),
    );
    if (walk.kind === 'values') {
      if (walk.values < stayed.length) {
        throw new Error(`${walk.values} values, though ${stayed.length} were there all the time`);
      }
      return;
    }
    const missed = stayed
      .filter(([key]) => !walk.returned.has(key))
      .map(([key]) => key.slice(0, 24));
    if (missed.length > 0) throw new Error(`did not come: ${show(missed)}`);
  }

  /**
   * All entries were cleared. The keys of a namespace have other places from then on, so that one
   * that came before may come once more.
   */
  clear(): void {
    for (const { returned } of this.#open) returned.clear();
  }

  /** Drops the walks of a handle that is to be closed. */
  forget(cache: Cache | Namespace): void {
    for (const walk of this.#open.filter((open) => open.cache === cache)) this.#drop(walk);
  }

  #next(walk: WalkInHand): boolean {
    const { done, value } = walk.items!.next();
    if (!done) {
      this.take(walk, value);
      return true;
    }
    this.end(walk);
    if (this.#open.includes(walk)) this.#seen.add('walk to its end');
    this.#drop(walk);
    return false;
  }

  #drop(walk: WalkInHand): void {
    const index = this.#open.indexOf(walk);
    if (index >= 0) this.#open.splice(index, 1);
  }
}
