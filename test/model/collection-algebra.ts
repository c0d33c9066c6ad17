/** What comes of several sets, sorted or not, as plain JavaScript. */
import { inOrder, type Member, type Ranked, type Scores } from './collection-models.js';

type Members = Map<string, Member>;

const intersection = ([first, ...others]: Members[]): Member[] =>
  [...first!].filter(([id]) => others.every((set) => set.has(id))).map(([, member]) => member);

/** By the names of commands, without STORE and CARD. */
export const ALGEBRA: Record<string, (sets: Members[]) => Member[]> = {
  SINTER: intersection,
  SUNION: (sets) => [...new Map(sets.flatMap((set) => [...set])).values()],
  SDIFF: ([first, ...others]) =>
    [...first!].filter(([id]) => !others.some((set) => set.has(id))).map(([, member]) => member),
};

/** Commands on sorted and other sets, without STORE and CARD. */
export const SORTED_ALGEBRA = ['ZUNION', 'ZINTER', 'ZDIFF'];

/** Flags of those, and the one of ZRANGE. */
export const COMBINE = { MIN: 1, MAX: 2, WITHSCORES: 8 } as const;

/** The arguments of a command on several keys: those, and what is behind them. */
export function splitKeys(args: readonly unknown[]): { keys: string[]; options: unknown[] } {
  const end = args.findIndex((arg) => typeof arg !== 'string');
  const keys = end < 0 ? args : args.slice(0, end);
  return { keys: keys as string[], options: end < 0 ? [] : args.slice(end) };
}

const orZero = (score: number): number => (Number.isNaN(score) ? 0 : score + 0);

/** The members of the result in order, with their scores. */
export function combineScores(name: string, sets: Scores[], options: unknown[]): Ranked[] {
  const [flags, weights] = options as [number?, number[]?];
  const bits = flags ?? 0;
  const aggregate = (one: number, other: number): number => {
    if (bits & COMBINE.MIN) return Math.min(one, other);
    return bits & COMBINE.MAX ? Math.max(one, other) : orZero(one + other);
  };
  const result: Scores = new Map();
  for (const [id, { member }] of sets.flatMap((set) => [...set])) {
    const isIn = sets.map((set) => set.has(id));
    if (name === 'ZINTER' && isIn.includes(false)) continue;
    if (name === 'ZDIFF' && (!isIn[0] || isIn.lastIndexOf(true) > 0)) continue;
    const scores = sets.flatMap((set, i) => {
      const found = set.get(id);
      return found === undefined ? [] : [orZero(found.score * (weights?.[i] ?? 1))];
    });
    result.set(id, { member, score: scores.reduce(aggregate) });
  }
  return inOrder(result);
}
