/**
 * The keys that are hammered. Every kind of key is numbered apart, so that a value tells which key
 * it is of.
 */
import { packKey } from './frames.mjs';

export class HammerKey {
  constructor(number, name) {
    /** What its values say that they are of. */
    this.number = number;
    this.bytes = Buffer.from(name);
    /** As msgpack. */
    this.packed = packKey(this.bytes);
  }
}

const OWNED = 100_000;
const COUNTERS = 200_000;
const BALLOTS = 300_000;

/**
 * Some keys are longer than what an entry keeps inline (2,048 bytes), some longer than one step of
 * the hash.
 */
function nameOf(kind, index) {
  const name = `${kind}:${index}`;
  if (index % 29 === 11) return name.padEnd(3000, 'long');
  return index % 5 === 3 ? name.padEnd(45, '-') : name;
}

function keysOf(kind, first, count) {
  return Array.from({ length: count }, (_, i) => new HammerKey(first + i, nameOf(kind, i)));
}

/** All keys of a plan: the same in every thread. */
export function keysOfPlan(plan) {
  return {
    /** Anybody may read, write, expire and remove these. */
    shared: keysOf('shared', 0, plan.sharedKeys),
    /** Key i is written by thread i % threads only, with growing sequences. */
    owned: keysOf('owned', OWNED, plan.ownedKeys),
    counters: keysOf('counter', COUNTERS, plan.counters),
    /** Replaced only by GETV and SET with IFVERSION; the sequence counts the replacements. */
    ballots: keysOf('ballot', BALLOTS, plan.ballots),
  };
}
