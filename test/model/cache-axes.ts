/**
 * The options of a cache as axes, and which sets of them a run of the model test takes: a few in
 * which each value of each axis meets each value of each other axis. A new axis is a line of AXES.
 */
import { POLICIES } from '#engine/arena.js';
import type { Random } from '../support/kernel-random.js';

export const AXES = {
  policy: POLICIES,
  partitions: [1, 4, 16],
  /** `tight`: evicts, or refuses, from the first hundred entries on. */
  memory: ['ample', 'tight'],
  maxEntries: ['none', 'few'],
  arenas: [1, 2, 3],
  /** `few`: as many as are soon pushed out by others, and not frozen. */
  decoded: ['off', 'on', 'few'],
  structures: [false, true],
  /** Readers of the change log: none, one all the time, one that comes and goes. */
  changes: ['off', 'on', 'now and then'],
  /** The default time to live, in ms. */
  ttl: [0, 20_000],
  /** Whether commands also come in frames. */
  frames: [false, true],
  /** Handles of the cache that take turns, each with its thread slot; the second comes and goes. */
  handles: [1, 2],
  /** `large`: with some of more than 1 MiB. */
  values: ['small', 'mixed', 'large'],
  /** `several`: beside the keys that are in none, which share the memory with them. */
  namespaces: ['none', 'several'],
  /** Whether there are so many keys for a while that a table of a partition splits. */
  crowd: [false, true],
} as const;

export type AxisName = keyof typeof AXES;
/** A value for each axis. */
export type Axes = { readonly [Name in AxisName]: (typeof AXES)[Name][number] };

const NAMES = Object.keys(AXES) as AxisName[];
const SIZES = NAMES.map((name) => AXES[name].length);

/** A set of options: for each axis the index of its value. */
type Row = readonly number[];

export function axesOfRow(row: Row): Axes {
  return Object.fromEntries(NAMES.map((name, i) => [name, AXES[name][row[i]!]])) as Axes;
}

const PRODUCT = SIZES.reduce((product, size) => product * size, 1);

/** Options and the seed of all that happens to them, in one number. */
export function caseNumber(row: Row, seed: number): number {
  return seed * PRODUCT + row.reduce((index, value, i) => index * SIZES[i]! + value, 0);
}

/** What `caseNumber` made a number of. */
export function caseOf(number: number): { row: Row; seed: number } {
  let index = number % PRODUCT;
  const row = SIZES.toReversed().map((size) => {
    const value = index % size;
    index = Math.floor(index / size);
    return value;
  });
  return { row: row.toReversed(), seed: Math.floor(number / PRODUCT) };
}

/** The pair of two axes' values, as a number of its own. */
function pairOf(axis: number, value: number, other: number, otherValue: number): number {
  const [a, va, b, vb] =
    axis < other ? [axis, value, other, otherValue] : [other, otherValue, axis, value];
  return ((a * 16 + va) * 64 + b) * 16 + vb;
}

function pairsOf(row: Row): number[] {
  return row.flatMap((value, axis) =>
    row.slice(0, axis).map((otherValue, other) => pairOf(axis, value, other, otherValue)),
  );
}

export function allPairs(): Set<number> {
  const pairs = new Set<number>();
  for (const [axis, size] of SIZES.entries()) {
    for (let other = 0; other < axis; other++) {
      for (let value = 0; value < size; value++) {
        for (let otherValue = 0; otherValue < SIZES[other]!; otherValue++) {
          pairs.add(pairOf(axis, value, other, otherValue));
        }
      }
    }
  }
  return pairs;
}

/** Pairs that no row has. */
export function uncovered(rows: readonly Row[]): number {
  const pairs = allPairs();
  for (const row of rows) for (const pair of pairsOf(row)) pairs.delete(pair);
  return pairs.size;
}

/** Rows tried for each that is taken. */
const CANDIDATES = 30;

/**
 * Rows in which each pair of values of any two axes occurs. Greedy: each row is the one that has
 * most new pairs, of some that were put together axis by axis.
 */
export function coveringRows(random: Random): Row[] {
  const left = allPairs();
  const rows: Row[] = [];
  while (left.size > 0) {
    let best: Row = [];
    let most = -1;
    for (let i = 0; i < CANDIDATES; i++) {
      const row = candidate(random, left);
      const gain = pairsOf(row).filter((pair) => left.has(pair)).length;
      if (gain > most) [best, most] = [row, gain];
    }
    // A candidate may bring nothing when few pairs are left; then the next ones are tried.
    if (most === 0) continue;
    for (const pair of pairsOf(best)) left.delete(pair);
    rows.push(best);
  }
  return rows;
}

function candidate(random: Random, left: ReadonlySet<number>): Row {
  const row: number[] = SIZES.map(() => -1);
  const order = shuffled(random, [...SIZES.keys()]);
  for (const axis of order) {
    const gains = Array.from({ length: SIZES[axis]! }, (_, value) => gain(row, axis, value, left));
    const most = Math.max(...gains);
    const values = [...gains.keys()].filter((value) => gains[value] === most);
    row[axis] = random.pick(values);
  }
  return row;
}

/** New pairs that a value brings, with those that are chosen already or, before any is, at all. */
function gain(row: Row, axis: number, value: number, left: ReadonlySet<number>): number {
  let pairs = 0;
  let isFirst = true;
  for (const [other, chosen] of row.entries()) {
    if (chosen < 0) continue;
    isFirst = false;
    if (left.has(pairOf(axis, value, other, chosen))) pairs++;
  }
  if (!isFirst) return pairs;
  for (const [other, size] of SIZES.entries()) {
    if (other === axis) continue;
    for (let i = 0; i < size; i++) if (left.has(pairOf(axis, value, other, i))) pairs++;
  }
  return pairs;
}

function shuffled<T>(random: Random, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
