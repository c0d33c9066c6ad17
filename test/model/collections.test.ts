/**
 * Lists, sets and hashes against plain JavaScript, packed, large, and on their way from one to the
 * other, with the arena checked as it goes. MODEL_SEED sets other commands, MODEL_ROUNDS more.
 */
import { describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { INTEGRITY_RULES } from '#engine/kernel-exports.js';
import { constantOf } from '#engine/tables.js';
import { Random, SEED } from '../support/kernel-random.js';
import { Failure, sizeOf } from './collection-models.js';
import { comparable, frameOf, readReply } from './collection-replies.js';
import { CollectionSource, type Sizes, type Step } from './collection-source.js';
import { ExpiringModel, ExpiringSource } from './expiring-model.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);

interface Axes {
  readonly name: string;
  readonly sizes: Sizes;
  readonly packedItems: number;
  readonly packedBytes: number;
  readonly steps: number;
  readonly checkEvery: number;
}

const SMALL: Sizes = { items: 12, valueBytes: 300, memberBytes: 60 };

const AXES: Axes[] = [
  {
    name: 'packed',
    sizes: SMALL,
    packedItems: 1024,
    packedBytes: 4096,
    steps: 3000,
    checkEvery: 1,
  },
  {
    name: 'never packed',
    sizes: SMALL,
    packedItems: 0,
    packedBytes: 0,
    steps: 3000,
    checkEvery: 1,
  },
  {
    name: 'about to be packed',
    sizes: SMALL,
    packedItems: 10,
    packedBytes: 200,
    steps: 4000,
    checkEvery: 1,
  },
  {
    name: 'of hundreds',
    sizes: { items: 400, valueBytes: 3000, memberBytes: 1000 },
    packedItems: 128,
    packedBytes: 2048,
    steps: 4000,
    checkEvery: 4,
  },
  {
    name: 'of thousands',
    sizes: { items: 2500, valueBytes: 200, memberBytes: 40 },
    packedItems: 128,
    packedBytes: 2048,
    steps: 5000,
    checkEvery: 200,
  },
  {
    name: 'with long values',
    sizes: { items: 25, valueBytes: 60_000, memberBytes: 4000 },
    packedItems: 128,
    packedBytes: 2048,
    steps: 1000,
    checkEvery: 1,
  },
];

/** An arena and the model, side by side. */
class Pair {
  readonly arena: Arena;
  readonly #executor: FrameExecutor<undefined>;
  readonly model = new ExpiringModel(Date.now());

  constructor(axes: Axes) {
    const { packedItems, packedBytes } = axes;
    this.arena = Arena.create({
      ...{ memoryBytes: 64 * 1024 ** 2, policy: 'none', partitions: 4, maxThreads: 2 },
      ...{ maxValueBytes: 1024 ** 2, packedItems, packedBytes },
    });
    this.#executor = new FrameExecutor(this.arena, () => undefined, {
      now: () => this.model.nowMs,
    });
  }

  /** Runs the step on both; throws where they differ. */
  run({ name, key, args }: Step): void {
    const bytes = this.#executor.execute(frameOf(name, key, args), undefined);
    if (isFault(bytes)) throw new Error(`closed with ${bytes.reason}`);
    const expected = this.model.run(name, key, args);
    const reply = readReply(Buffer.from(bytes).subarray(1));
    if (name === 'GET' && !(expected instanceof Failure)) return;
    expect(comparable(name, reply)).toEqual(comparable(name, expected));
  }

  /** Time goes on; now and then there is time for upkeep, of some slices. */
  pass(ms: number, random: Random): void {
    this.model.nowMs += ms;
    if (ms > 0 && random.chance(0.3)) this.arena.kernel.upkeep(this.arena.slot, this.model.nowMs);
  }

  check(): void {
    const { kernel, slot } = this.arena;
    const broken = kernel.checkIntegrity(slot);
    if (broken === 0) return;
    const rule = Object.keys(INTEGRITY_RULES).find((name) => constantOf(kernel, name) === broken);
    throw new Error(`the arena is broken: ${rule}`);
  }
}

describe.each(AXES)('collections $name', (axes) => {
  const TYPES = ['list', 'set', 'hash', 'zset', 'all', 'hash that expires'] as const;
  it.each(TYPES)('%s', (type) => {
    const random = new Random(SEED);
    const pair = new Pair(axes);
    const expires = type === 'hash that expires';
    const one = expires ? 'hash' : type;
    const types = one === 'all' ? (['list', 'set', 'hash', 'zset'] as const) : [one];
    const hasOneScore = (key: string): boolean => {
      const found = pair.model.keys.get(key);
      if (found?.type !== 'zset') return false;
      return new Set([...found.scores.values()].map(({ score }) => score)).size === 1;
    };
    const plain = new CollectionSource(random, axes.sizes, types, hasOneScore);
    const expiring = new ExpiringSource(random, plain);
    const keys = Array.from({ length: type === 'all' ? 12 : 6 }, (_, i) => `k${i}`);
    const sizeAt = (key: string): number => {
      const found = pair.model.keys.get(key);
      return found ? sizeOf(found) : 0;
    };
    const trail: Step[] = [];
    for (let step = 0; step < axes.steps * ROUNDS; step++) {
      if (expires) pair.pass(expiring.passing(), random);
      const next = (expires ? expiring : plain).next(keys, sizeAt);
      trail.push(next);
      try {
        pair.run(next);
        if (step % axes.checkEvery === 0) pair.check();
      } catch (error) {
        const last = JSON.stringify(next).slice(0, 300);
        throw new Error(`seed ${SEED}, step ${step}, ${last}: ${(error as Error).message}`);
      }
    }
    for (const key of keys) pair.run({ name: 'DEL', key, args: [] });
    pair.check();
    expect(pair.arena.stats().entries).toBe(0);
    pair.arena.close();
  });
});
