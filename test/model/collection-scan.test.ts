/**
 * SSCAN, HSCAN and ZSCAN while others come and go, and the table splits and shrinks: what is there
 * during the whole walk is told, once; what never was is not. MODEL_SEED sets other walks,
 * MODEL_ROUNDS more.
 */
import { describe, expect, it } from 'vitest';
import { KIB } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import { PressurePair } from './collection-pressure.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const WALKS = 30 * ROUNDS;
const STAYING = 300;

type Sort = 'set' | 'hash' | 'zset';

const NAMES: Record<
  Sort,
  { readonly add: string; readonly remove: string; readonly scan: string }
> = {
  set: { add: 'SADD', remove: 'SREM', scan: 'SSCAN' },
  hash: { add: 'HSET', remove: 'HDEL', scan: 'HSCAN' },
  zset: { add: 'ZADD', remove: 'ZREM', scan: 'ZSCAN' },
};

/** Additions of members, as each sort has them. */
function addition(sort: Sort, members: readonly string[]): unknown[] {
  if (sort === 'set') return [...members];
  if (sort === 'hash') return members.flatMap((member) => [member, `of ${member}`]);
  return [null, ...members.flatMap((member) => [member.length, member])];
}

/** What happens to the table between two pages. */
const CHANGES = {
  grows: [3, 0.95],
  shrinks: [20, 0.05],
  'grows and shrinks': [40, 0.5],
} as const;

describe.each(['set', 'hash', 'zset'] as const)('a walk over a %s', (sort) => {
  it.each(Object.entries(CHANGES))(`that %s (seed ${SEED})`, (_, [pages, share]) => {
    const random = new Random(SEED);
    const { add, remove, scan } = NAMES[sort];
    const pair = new PressurePair('none', { memoryBytes: 8000 * KIB, partitions: 1 });
    const staying = Array.from({ length: STAYING }, (_, i) => `stays ${i}`);
    const others = new Set<string>();
    const addSome = (count: number): void => {
      const more = Array.from({ length: count }, () => `other ${random.below(1e6)}`);
      for (const one of more) others.add(one);
      pair.send(add, 'k', addition(sort, more));
    };
    const removeSome = (count: number): void => {
      const gone = [...others].slice(0, count);
      for (const one of gone) others.delete(one);
      if (gone.length > 0) pair.send(remove, 'k', gone);
    };
    let twice = 0;
    for (let walk = 0; walk < WALKS; walk++) {
      pair.send('DEL', 'k', []);
      others.clear();
      pair.send(add, 'k', addition(sort, staying));
      if (share < 0.9) addSome(4000);
      const ever = new Set([...staying, ...others]);
      const told = new Map<string, number>();
      let cursor = 0;
      do {
        const reply = pair.send(scan, 'k', [cursor, random.between(1, 40)]);
        const [next, items] = reply as [number, (string | number)[]];
        const step = sort === 'set' ? 1 : 2;
        for (let i = 0; i < items.length; i += step) {
          const member = items[i] as string;
          told.set(member, (told.get(member) ?? 0) + 1);
          if (!ever.has(member)) throw new Error(`${member} was never there`);
          if (sort === 'hash' && items[i + 1] !== `of ${member}`) throw new Error('another value');
        }
        cursor = next;
        if (random.chance(1 / pages)) {
          if (random.chance(share)) addSome(random.between(1, 400));
          else removeSome(random.between(1, 900));
          for (const one of others) ever.add(one);
        }
      } while (cursor !== 0);
      const missed = staying.filter((member) => !told.has(member));
      if (missed.length > 0) throw new Error(`walk ${walk} did not tell of ${missed.length}`);
      twice += staying.filter((member) => told.get(member)! > 1).length;
      pair.check();
    }
    expect(twice).toBe(0);
  });
});
