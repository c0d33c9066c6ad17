/**
 * The embedded cache against plain Maps, over all its options: each run takes sets of options in
 * which each value of an option meets each value of each other one. MODEL_SEED draws other sets and
 * other calls, MODEL_ROUNDS more of them, MODEL_CASE=number is one case again, as its failure says.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Random, SEED } from '../support/kernel-random.js';
import { type Axes, axesOfRow, caseNumber, caseOf, coveringRows, uncovered } from './cache-axes.js';
import { Run, START } from './cache-run.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const STEPS = 2000;
/** Copying takes its time. */
const STEPS_WITH_LARGE = 1200;
const CHECK_EVERY = 50;

/** The cases of this run. */
function cases(): { number: number; axes: Axes }[] {
  const given = process.env.MODEL_CASE;
  if (given !== undefined) {
    return [{ number: Number(given), axes: axesOfRow(caseOf(Number(given)).row) }];
  }
  const random = new Random(SEED);
  return Array.from({ length: ROUNDS }, () => coveringRows(random))
    .flat()
    .map((row) => ({ number: caseNumber(row, random.below(2 ** 20)), axes: axesOfRow(row) }));
}

/** What was replied, in all cases together. */
const seen = new Set<string>();

/** What must have been seen in the end, so that no part of the test dries up unnoticed. */
const MUST_BE_SEEN = [
  ...['get', 'peek', 'take', 'getBytes', 'getVersioned', 'swap'].flatMap((name) => [
    `${name} object`,
    `${name} nothing`,
  ]),
  ...['set boolean', 'delete boolean', 'delete number', 'has boolean', 'touch number'],
  ...['ttl number', 'ttl nothing', 'expire boolean', 'persist boolean', 'increment number'],
  ...['increment bigint', 'increment WRONGTYPE', 'increment OVERFLOW', 'getBytes WRONGTYPE'],
  ...['getMany object', 'setMany object', 'setMany OOM', 'set OOM', 'swap OOM', 'increment OOM'],
  ...['deleteMany number', 'hasMany number', 'touchMany number'],
  ...['type string', 'type nothing', 'describe object', 'describe nothing'],
  ...['acquireLease number', 'acquireLease nothing', 'acquireLease WRONGTYPE'],
  ...['releaseLease boolean', 'extendLease boolean', 'limit object', 'limit WRONGTYPE'],
  ...['wrong: OPTION', 'wrong: TOOLARGE'],
  ...['evicted', 'expired', 'cleared', 'walk to its end'],
  ...['mirror', 'overrun', 'no overrun', 'split'],
  ...['cleared namespace', 'evicted from a namespace', 'expired in a namespace'],
  ...['get', 'getVersioned', 'swap'].map((name) => `${name} large`),
  'evicted large value',
];

afterEach(() => {
  vi.useRealTimers();
});

function runCase(number: number, axes: Axes): void {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: START });
  const run = new Run(axes, new Random(caseOf(number).seed));
  const wanted = axes.values === 'large' ? STEPS_WITH_LARGE : STEPS;
  let steps = 0;
  try {
    for (; steps < wanted; steps++) {
      run.step();
      if (steps % CHECK_EVERY === 0) run.check();
    }
    run.finish();
  } catch (cause) {
    const { message } = cause as Error;
    const story = `step ${steps}, after:\n  ${run.last.join('\n  ')}\nagain: MODEL_CASE=${number}`;
    throw new Error(`${message}\n${JSON.stringify(axes)}\n${story}`, { cause });
  } finally {
    run.close();
    for (const kind of run.seen) seen.add(kind);
  }
}

describe('the cache and a plain Map agree', () => {
  it.each(cases())('$axes.policy, case $number', ({ number, axes }) => {
    runCase(number, axes);
  });

  it('and met everything on the way', () => {
    const isWhole = process.env.MODEL_CASE === undefined;
    expect(isWhole ? MUST_BE_SEEN.filter((kind) => !seen.has(kind)) : []).toEqual([]);
  });
});

describe('the sets of options', () => {
  it.each([1, 2, 3])('have each pair of values of any two options (seed %i)', (seed) => {
    const rows = coveringRows(new Random(seed));
    expect(uncovered(rows)).toBe(0);
    expect(uncovered(rows.slice(1))).toBeGreaterThan(0);
    expect(rows.length).toBeLessThan(40);
  });

  it('are numbers, with their seed', () => {
    for (const [index, row] of coveringRows(new Random(SEED)).entries()) {
      expect(caseOf(caseNumber(row, index))).toEqual({ row, seed: index });
    }
  });
});
