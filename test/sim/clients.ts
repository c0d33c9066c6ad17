/** Clients of a simulated cluster, who ask any node for this and that. */
import { below, between } from '#bench/sim/random.js';
import type { Concern } from '#engine/cluster-view.js';
import type { SimCluster } from './cluster-world.js';
import type { Operation } from './memory-store.js';

const KEYS = 30;
const MEMBERS = 20;
/** Between two things that clients ask for, on average. */
const PACE_MS = 12;
/** Times to live: some end while others write, some after all is over. */
const TTL_MS_MAX = 2_000;
const LONG_TTL_MS = 600_000;
/** More than the change log of a node holds. */
const BURST = 1_000;

/** Keys that are written by SET and DEL only, and so that two owners at least have it. */
export function isCareful(key: string): boolean {
  return key.startsWith('q');
}

/** Keys that are written once, in the beginning, by all owners. */
export function isFixed(key: string): boolean {
  return key.startsWith('f');
}

const CONCERNS: readonly Concern[] = ['quorum', 'quorum', 'one', 'all'];

export class Clients {
  readonly #sim: SimCluster;
  #isOn = true;
  #written = 0;

  constructor(sim: SimCluster) {
    this.#sim = sim;
    for (let i = 0; i < KEYS; i++)
      this.#sim.act({ op: 'set', key: `f${i}`, value: 'fixed' }, 'all');
    this.#goOn();
  }

  stop(): void {
    this.#isOn = false;
  }

  /** Very many writes at one time, at one node. */
  burst(): void {
    const node = this.#sim.pick(this.#sim.up);
    for (let i = 0; i < BURST; i++) {
      const key = `k${below(this.#sim.world.random, KEYS)}`;
      this.#sim.act({ op: 'set', key, value: this.#value() }, 'none', node);
    }
  }

  #goOn(): void {
    const { random } = this.#sim.world;
    this.#sim.world.after(between(random, 0, 2 * PACE_MS), () => {
      if (!this.#isOn) return;
      if (this.#sim.up.length > 0) this.#act();
      this.#goOn();
    });
  }

  #act(): void {
    const { random } = this.#sim.world;
    const number = below(random, KEYS);
    const what = random();
    const value = this.#value();
    const member = `m${below(random, MEMBERS)}`;
    if (what < 0.3) {
      const key = `q${number}`;
      const operation: Operation = what < 0.22 ? { op: 'set', key, value } : { op: 'del', key };
      this.#sim.act(operation, CONCERNS[below(random, CONCERNS.length)]);
    } else if (what < 0.4) this.#sim.act({ op: 'set', key: `k${number}`, value });
    else if (what < 0.45) this.#sim.act({ op: 'del', key: `k${number}` });
    else if (what < 0.5) {
      // One key has short times or long ones: what has ended ends nothing that came before it.
      const isShort = number % 2 === 0;
      const ttlMs = 1 + below(random, TTL_MS_MAX) + (isShort ? 0 : LONG_TTL_MS);
      this.#sim.act({ op: 'set', key: `t${number}`, value, ttlMs });
    } else if (what < 0.65) this.#sim.act({ op: 'incr', key: `n${number}` });
    else if (what < 0.8) this.#sim.act({ op: 'sadd', key: `s${number}`, member });
    else if (what < 0.9) this.#sim.act({ op: 'srem', key: `s${number}`, member });
    else this.#sim.act({ op: 'get', key: `${what < 0.92 ? 't' : 'f'}${number}` });
  }

  #value(): string {
    return `v${++this.#written}`;
  }
}
