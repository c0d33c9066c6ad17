/**
 * Lists, sets, hashes and sorted sets in a memory that is always full, beside plain values: with a
 * policy that evicts, a collection is whole or gone; with none, what is refused changes nothing.
 * The arena is checked after every step. MODEL_SEED sets other runs, MODEL_ROUNDS longer ones.
 */
import { describe, expect, it } from 'vitest';
import type { Policy } from '#engine/arena.js';
import { KIB } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import type { Type } from './collection-models.js';
import { PressurePair } from './collection-pressure.js';
import { CollectionSource, type Sizes, type Step } from './collection-source.js';
import { ExpiringSource } from './expiring-model.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const TYPES: readonly Type[] = ['list', 'set', 'hash', 'zset'];
const POLICIES: readonly Policy[] = ['adaptive', 'lru', 'clock', 'lfu', 's3fifo', 'none'];
const VALUES = 300;
const LENGTHS = [20, 20, 60, 150, 300, 900, 2500, 7000, 12_000, 30_000];

interface Axes {
  readonly name: string;
  readonly memoryBytes: number;
  readonly partitions: number;
  readonly sizes: Sizes;
  readonly keys: number;
  readonly packedItems: number;
  readonly packedBytes: number;
  readonly steps: number;
}

const AXES: Axes[] = [
  {
    name: 'many small ones',
    memoryBytes: 1200 * KIB,
    partitions: 2,
    sizes: { items: 20, valueBytes: 300, memberBytes: 100 },
    keys: 200,
    packedItems: 16,
    packedBytes: 500,
    steps: 1500,
  },
  {
    name: 'ones of hundreds',
    memoryBytes: 1500 * KIB,
    partitions: 1,
    sizes: { items: 300, valueBytes: 2000, memberBytes: 1000 },
    keys: 16,
    packedItems: 128,
    packedBytes: 2048,
    steps: 1500,
  },
  {
    name: 'ones with long values and members',
    memoryBytes: 2000 * KIB,
    partitions: 4,
    sizes: { items: 40, valueBytes: 40_000, memberBytes: 4000 },
    keys: 24,
    packedItems: 128,
    packedBytes: 2048,
    steps: 1500,
  },
  {
    name: 'ones as large as the memory',
    memoryBytes: 800 * KIB,
    partitions: 2,
    sizes: { items: 4000, valueBytes: 300, memberBytes: 60 },
    keys: 4,
    packedItems: 128,
    packedBytes: 2048,
    steps: 1500,
  },
];

describe.each(AXES)('under pressure, $name', (axes) => {
  it.each(POLICIES)(`the policy %s (seed ${SEED})`, (policy) => {
    const random = new Random(SEED);
    const { memoryBytes, partitions, packedItems, packedBytes } = axes;
    const pair = new PressurePair(policy, { memoryBytes, partitions, packedItems, packedBytes });
    const plain = new CollectionSource(random, axes.sizes, TYPES, () => false);
    const source = new ExpiringSource(random, plain, 0.15);
    const keys = Array.from({ length: axes.keys }, (_, i) => `k${i}`);
    const sizeAt = (key: string): number => pair.sizeAt(key);
    for (let step = 0; step < axes.steps * ROUNDS; step++) {
      let what = '';
      const run = (name: string, action: () => void): void => {
        what = name;
        action();
      };
      try {
        const roll = random.next();
        const key = random.pick(keys);
        const plain = `value ${random.below(VALUES)}`;
        if (roll < 0.1) {
          const value = Buffer.alloc(random.pick(LENGTHS), step);
          run(`SET ${plain} of ${value.length}`, () => pair.store(plain, value));
        } else if (roll < 0.15) run(`GET ${plain}`, () => pair.look(plain));
        else if (roll < 0.19) run(`DEL ${plain}`, () => pair.remove(plain));
        else if (roll < 0.21) run('time', () => pair.pass(random.pick([1, 50, 300, 2000])));
        else if (roll < 0.23) {
          const ttlMs = random.pick([0, 10, 1000, 100_000]);
          run(`EXPIRE ${key} ${ttlMs}`, () => pair.expire(key, ttlMs));
        } else if (roll < 0.25) run('upkeep', () => pair.upkeep());
        else if (roll < 0.26) {
          run(`DEL ${key}`, () => pair.run({ name: 'DEL', key, args: [] }));
        } else {
          const next = source.next(keys, sizeAt);
          run(JSON.stringify(next).slice(0, 300), () => pair.run(next));
        }
        pair.check();
        if (step % 50 === 0) pair.compareAll();
      } catch (error) {
        throw new Error(`seed ${SEED}, step ${step}, ${what}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
    pair.compareAll();
    const { evictions } = pair.bench.arena.stats();
    if (policy === 'none') {
      expect(evictions).toBe(0);
      expect(pair.refused).toBeGreaterThan(0);
    } else {
      expect(evictions).toBeGreaterThan(20);
    }
  });
});

/** The next command that makes a collection of the type larger. */
const GROW: Record<Type, (i: number) => Step> = {
  list: (i) => ({ name: 'RPUSH', key: 'k', args: [`element ${i}`, 'x'.repeat(i % 300), i] }),
  set: (i) => ({ name: 'SADD', key: 'k', args: [`member ${i}`.padEnd(i % 300), i] }),
  hash: (i) => ({ name: 'HSET', key: 'k', args: [`field ${i}`, 'x'.repeat(i % 1200), i, i] }),
  zset: (i) => ({ name: 'ZADD', key: 'k', args: [null, i % 77, `member ${i}`, -i, i] }),
};

describe.each(TYPES)('a %s alone in its memory', (type) => {
  it.each(['lru', 'none'] as const)('the policy %s', (policy) => {
    const pair = new PressurePair(policy, { memoryBytes: 1500 * KIB, partitions: 1 });
    const { arena } = pair.bench;
    const before = arena.stats().usedBytes;
    let i = 0;
    for (; pair.refused < 4; i++) pair.run(GROW[type](i));
    pair.check();
    pair.compareAll();
    expect(pair.sizeAt('k')).toBeGreaterThan(500);
    expect(arena.stats().evictions).toBe(0);
    pair.run({ name: 'DEL', key: 'k', args: [] });
    pair.check();
    while (pair.upkeep() === 0) pair.check();
    expect(arena.stats().usedBytes).toBe(before);
  });
});

/** Collections of one node or a few each, some with values outside of it. */
const MADE: Record<Type, (key: string, random: Random) => Step> = {
  list: (key, random) => {
    const elements = Array.from({ length: 9 }, (_, i) => `${i}`.padEnd(100, '.'));
    elements[random.below(9)] = 'long '.repeat(300);
    return { name: 'RPUSH', key, args: elements };
  },
  set: (key) => ({ name: 'SADD', key, args: Array.from({ length: 70 }, (_, i) => `member ${i}`) }),
  hash: (key, random) => {
    const values = Array.from({ length: 9 }, () => 'x'.repeat(100));
    values[random.below(9)] = 'long '.repeat(300);
    return { name: 'HSET', key, args: values.flatMap((value, i) => [`field ${i}`, value]) };
  },
  zset: (key, random) => {
    const pairs = Array.from({ length: 40 }, (_, i) => [random.below(20), `member ${i}`]);
    return { name: 'ZADD', key, args: [null, ...pairs.flat()] };
  },
};

it.each(TYPES)('nodes of a %s move, with what they point to and what points to them', (type) => {
  const random = new Random(SEED);
  const options = { memoryBytes: 8000 * KIB, partitions: 1, packedItems: 0, packedBytes: 0 };
  const pair = new PressurePair('none', options);
  const { arena } = pair.bench;
  const keys = Array.from({ length: 700 }, (_, i) => `k${i}`);
  for (const key of keys) pair.run(MADE[type](key, random));
  for (const key of keys) {
    if (random.chance(0.7)) pair.run({ name: 'DEL', key, args: [] });
  }
  const before = arena.stats().usedBytes;
  while (pair.upkeep() === 0) pair.check();
  pair.check();
  pair.compareAll();
  // Pages came free, though most had something in them.
  expect(arena.stats().usedBytes).toBeLessThan(before);
  for (const key of keys) pair.run(MADE[type](key, random));
  pair.check();
});

it.each(['SMOVE', 'LMOVE'])('%s evicts others, not what it moves from', (name) => {
  const pair = new PressurePair('lru', { memoryBytes: 1000 * KIB, partitions: 1 });
  const { arena } = pair.bench;
  const isSet = name === 'SMOVE';
  // What moves is most of it, so that moving takes as much memory as making.
  const members = Array.from({ length: 30 }, (_, i) => `member ${i}`.padEnd(i ? 0 : 800));
  const isThere = (key: string): boolean => pair.send('EXISTS', key, []) === 1;
  let made = 0;
  const make = (): void => {
    pair.send(isSet ? 'SADD' : 'RPUSH', `from ${made++}`, members);
  };
  while (arena.stats().evictions === 0) make();
  let oldest = 0;
  for (let i = 0; i < 600; i++) {
    // Nobody was used less lately: whatever takes memory evicts it first.
    while (!isThere(`from ${oldest}`)) oldest++;
    const args = isSet ? [`to ${i}`, members[0]] : [`to ${i}`, 'LEFT', 'LEFT'];
    expect(pair.send(name, `from ${oldest}`, args)).toBe(isSet ? true : members[0]);
    expect(pair.send(isSet ? 'SCARD' : 'LLEN', `from ${oldest}`, [])).toBe(29);
    pair.check();
    oldest++;
    make();
  }
});

it.each(TYPES)('a %s grows into what little comes free, and is refused without a trace', (type) => {
  const random = new Random(SEED);
  const pair = new PressurePair('none', { memoryBytes: 1200 * KIB, partitions: 1 });
  for (let i = 0; i < 100; i++) pair.run(GROW[type](i));
  let stored = 0;
  const fill = (): void => {
    const { refused } = pair;
    while (pair.refused === refused) {
      pair.store(`value ${stored++}`, Buffer.alloc(random.pick([30, 100, 200, 400, 800, 1500])));
    }
  };
  fill();
  for (let i = 100; i < 2500 && pair.refused < 60; ) {
    // A chunk of some class, and perhaps one of another.
    for (let gone = random.between(1, 3); gone > 0; gone--) {
      pair.remove(random.pick([...pair.values.keys()]));
    }
    const { refused } = pair;
    for (; pair.refused === refused; i++) {
      pair.run(GROW[type](i));
      pair.check();
    }
  }
  expect(pair.refused).toBeGreaterThan(10);
  pair.compareAll();
});
