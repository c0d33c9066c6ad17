/**
 * Entries of all sizes in a memory that is always full: what is read is what was written last, or
 * nothing, and the arena is sound all the way. The sizes change with time, so that pages go from
 * one to the other. MODEL_SEED sets other runs, MODEL_ROUNDS longer ones.
 */
import { describe, expect, it } from 'vitest';
import type { Policy } from '#engine/arena.js';
import { Bench, MIB } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import {
  bin,
  command,
  difference,
  integer,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const STEPS = 20_000 * ROUNDS;
const CHECK_EVERY = 200;
const KEYS = 6000;
/** Keys that are read often, among them long ones. */
const HOT = 40;

/** Lengths of values, by what is mostly written for a while. */
const SIZES: readonly (readonly number[])[] = [
  [0, 20, 64, 90],
  [300, 1000, 1024],
  [2000, 5000, 8100],
  [8170, 9000, 20_000, 60_000],
];

class Run {
  readonly bench: Bench;
  readonly random = new Random(SEED);
  /** What was written last. An entry that was evicted stays here until it is seen missing. */
  readonly written = new Map<string, Wire>();
  readonly #noise: Buffer;
  #sizes: readonly number[] = SIZES[0]!;
  found = 0;
  refused = 0;

  constructor(
    partitions: number,
    readonly policy: Policy,
  ) {
    this.bench = new Bench({ memoryBytes: 3 * MIB, partitions, policy });
    this.#noise = this.random.bytes(70_000);
  }

  #key(): string {
    const { random } = this;
    const index = random.chance(0.5) ? random.below(HOT) : random.below(KEYS);
    return index % 20 === 7 ? `long ${index} `.padEnd(2500) : `key ${index}`;
  }

  #value(): Wire {
    const { random } = this;
    const sizes = random.chance(0.1) ? random.pick(SIZES) : this.#sizes;
    const bytes = random.pick(sizes) + random.below(20);
    const start = random.below(this.#noise.length - bytes);
    return bin(this.#noise.subarray(start, start + bytes));
  }

  step(): void {
    const { random, bench } = this;
    if (random.chance(0.001)) this.#sizes = random.pick(SIZES);
    const key = this.#key();
    const dice = random.below(100);
    if (dice < 45) this.#set(key);
    else if (dice < 80) this.check(key, bench.one(command('GET', str(key))));
    else if (dice < 85) this.#delete(key);
    else if (dice < 90) this.#getVersioned(key);
    else if (dice < 95) this.#expire(key, random.pick([0, 5000]));
    else this.#swap(key);
  }

  #set(key: string): void {
    const value = this.#value();
    const ttl = this.random.chance(0.2) ? [integer(5000)] : [];
    const reply = this.bench.one(command('SET', str(key), value, ...ttl));
    if (reply.equals(TRUE)) this.written.set(key, value);
    else this.#refuse(reply);
  }

  /** SET with the flag GET: the old value is read while room is made for the new one. */
  #swap(key: string): void {
    const value = this.#value();
    const reply = this.bench.one(command('SET', str(key), value, NIL, integer(8)));
    if (this.#isRefusal(reply)) {
      this.#refuse(reply);
    } else {
      this.check(key, reply);
      this.written.set(key, value);
    }
  }

  #delete(key: string): void {
    const wasThere = this.bench.one(command('DEL', str(key))).equals(integer(1));
    if (wasThere) expect(this.written.has(key)).toBe(true);
    else this.#missing(key);
    this.written.delete(key);
  }

  #getVersioned(key: string): void {
    const reply = this.bench.one(command('GETV', str(key)));
    if (this.#isRefusal(reply)) this.#refuse(reply);
    else this.check(key, reply.equals(NIL) ? reply : valuesOf(reply.subarray(1))[0]!);
  }

  #expire(key: string, ttlMs: number): void {
    const reply = this.bench.one(command('EXPIRE', str(key), integer(ttlMs)));
    if (this.#isRefusal(reply)) this.#refuse(reply);
    else if (!reply.equals(TRUE)) this.#missing(key);
  }

  /** Reads are right, or tell that the entry is not there any more. */
  check(key: string, reply: Wire): void {
    if (reply.equals(NIL)) {
      this.#missing(key);
      return;
    }
    this.found += 1;
    const wrong = difference(reply, this.written.get(key) ?? NIL);
    if (wrong) throw new Error(`${key.trim()}: ${wrong}`);
  }

  #missing(key: string): void {
    if (this.policy === 'none' && this.written.has(key)) throw new Error(`${key.trim()} is lost`);
    this.written.delete(key);
  }

  #isRefusal(reply: Wire): boolean {
    return reply.toString('latin1', 3).startsWith('OOM no memory');
  }

  #refuse(reply: Wire): void {
    expect([this.policy, this.#isRefusal(reply)]).toEqual(['none', true]);
    this.refused += 1;
  }
}

const EVICTING = ['adaptive', 's3fifo', 'clock', 'lru', 'lfu'] as const;

describe.each([1, 4])('with %d partition(s) under pressure', (partitions) => {
  it.each(EVICTING)(`the policy %s forgets, but mixes nothing up (seed ${SEED})`, (policy) => {
    const run = new Run(partitions, policy);
    for (let i = 1; i <= STEPS; i++) {
      run.step();
      if (i % CHECK_EVERY !== 0) continue;
      expect(run.bench.arena.checkIntegrity(), `step ${i}`).toBeUndefined();
      expect(run.bench.arena.stats().usedBytes).toBeLessThanOrEqual(3 * MIB);
    }
    const before = run.found;
    for (const [key] of [...run.written]) run.check(key, run.bench.one(command('GET', str(key))));
    const { entries, evictions } = run.bench.arena.stats();
    expect(run.found - before).toBe(entries);
    expect(evictions).toBeGreaterThan(1000);
    expect(before).toBeGreaterThan(STEPS / 10);
  });

  it(`the policy none refuses, and loses nothing (seed ${SEED})`, () => {
    const run = new Run(partitions, 'none');
    for (let i = 1; i <= STEPS; i++) {
      run.step();
      if (i % CHECK_EVERY !== 0) continue;
      expect(run.bench.arena.checkIntegrity(), `step ${i}`).toBeUndefined();
      expect(run.bench.arena.stats().entries).toBe(run.written.size);
    }
    expect(run.bench.arena.stats().evictions).toBe(0);
    expect(run.refused).toBeGreaterThan(1000);
  });
});
