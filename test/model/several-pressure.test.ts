/**
 * What several sets make, stored in a memory that is full of what may be evicted, the sets among
 * it: the result is that of one moment, at which each set was there as a whole or gone.
 */
import { expect, it } from 'vitest';
import { KIB } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { CollectionModel } from './collection-models.js';
import { PressurePair } from './collection-pressure.js';
import { comparable } from './collection-replies.js';

const SETS = ['a', 'b', 'c'];
const ROUNDS = 40 * Number(process.env.MODEL_ROUNDS ?? 1);

/** All there is of the result. */
const READS = { S: ['SMEMBERS', []], Z: ['ZRANGE', [0, -1, 8]] } as const;

it.each([
  ...['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE', 'ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE'],
])(`%s, of sets that may go meanwhile (seed ${SEED})`, (name) => {
  const random = new Random(SEED);
  const isSorted = name[0] === 'Z';
  const [read, readArgs] = READS[name[0] as 'S' | 'Z'];
  let vanished = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const pair = new PressurePair('lru', {
      ...{ memoryBytes: 2500 * KIB, partitions: 2, packedItems: 16, packedBytes: 400 },
    });
    const model = new CollectionModel();
    const fill = (key: string): void => {
      pair.send('SET', key, [Buffer.alloc(random.pick([60, 300, 700]))]);
    };
    const makeSet = (key: string, isPlain: boolean): void => {
      const from = random.below(400);
      const size = random.pick(isSorted ? [100, 700, 1500] : [200, 1500, 3000]);
      for (let i = from; i < from + size; i += 50) {
        const members = Array.from({ length: 50 }, (_, j) => `${i + j}`.padEnd(120, 'x'));
        const scored = members.flatMap((member, j) => [(j * 37) % 50, member]);
        const args = isPlain ? members : [null, ...scored];
        for (const store of [pair.send.bind(pair), model.run.bind(model)]) {
          store(isPlain ? 'SADD' : 'ZADD', key, args);
        }
      }
    };
    // The least recently used go first: some values, then the sets in some order.
    for (let i = random.below(600); i > 0; i--) fill(`old ${i}`);
    for (const key of random.pick([SETS, SETS.toReversed(), ['b', 'c', 'a']])) {
      makeSet(key, !isSorted || random.chance(0.2));
    }
    const { arena } = pair.bench;
    for (let i = 0; arena.stats().evictions === 0; i++) fill(`new ${i}`);
    const isThere = (key: string): boolean => pair.send('EXISTS', key, []) === 1;
    const before = SETS.filter(isThere);
    const options = name === 'ZUNIONSTORE' ? [2, [1, 2, -1]] : [];
    const reply = pair.send(name, 'to', [...SETS, ...options]);
    const result = isThere('to') ? pair.send(read, 'to', readArgs) : [];
    const after = SETS.filter(isThere);
    pair.check();
    arena.close();
    if (typeof reply !== 'number') continue;
    if (after.length < before.length) vanished++;
    // Of those that went meanwhile, some may have been there yet.
    const gone = before.filter((key) => !after.includes(key));
    const possible = Array.from({ length: 2 ** gone.length }, (_, bits) => {
      const moment = new CollectionModel();
      const kept = [...after, ...gone.filter((__, i) => bits & (1 << i))];
      for (const key of kept) moment.keys.set(key, model.keys.get(key));
      moment.run(name, 'to', [...SETS, ...options]);
      return moment.keys.has('to') ? comparable(read, moment.run(read, 'to', readArgs)) : [];
    });
    expect(possible).toContainEqual(comparable(read, result));
  }
  expect(vanished).toBeGreaterThan(0);
});
