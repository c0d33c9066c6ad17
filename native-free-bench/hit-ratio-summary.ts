/** What many hit ratios come to: means, and how each policy stands beside what it is to equal. */
import type { Policy } from '../engine/arena.js';
import type { HitRatioOutcome } from './hit-ratio.js';

/** The bound of all policies: it knows the future. */
export const BOUND = 'OPT';
/** The algorithm that each of our policies is to equal; `adaptive` has others (see below). */
const BASELINES: Readonly<Partial<Record<Policy, string>>> = {
  s3fifo: 'S3-FIFO',
  clock: 'CLOCK',
  lru: 'LRU',
  lfu: 'W-TinyLFU',
};
/** What a user could choose from who knew each trace beforehand. */
const CHOICES = ['ARC', 'S3-FIFO', 'W-TinyLFU'] as const;
const CHOICE_NAME = `best of ${CHOICES.join(', ')} in each row`;

/** A policy beside a baseline, over the rows that have it. Hit ratios are from 0 to 1. */
export interface Comparison {
  readonly policy: Policy;
  readonly partitions: number;
  readonly baseline: string;
  readonly rows: number;
  readonly mean: number;
  readonly baselineMean: number;
  /** Where the policy falls short most, or leads least. */
  readonly worst: { readonly name: string; readonly difference: number };
}

export interface HitRatioSummary {
  /** Of the algorithms that all rows have, the one with the best mean. */
  readonly bestSingle: string | undefined;
  /** By our policies and by algorithms: over the rows with one partition, or all of one number. */
  readonly means: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly comparisons: readonly Comparison[];
}

/** The value of an outcome for a policy or an algorithm, if it has one. */
type Column = (outcome: HitRatioOutcome) => number | undefined;

const ours =
  (policy: Policy): Column =>
  ({ hitRatios }) =>
    hitRatios[policy];
const theirs =
  (algorithm: string): Column =>
  ({ baselines }) =>
    baselines[algorithm];

const bestChoice: Column = ({ baselines }) => {
  const known = CHOICES.map((name) => baselines[name]).filter((value) => value !== undefined);
  return known.length < CHOICES.length ? undefined : Math.max(...known);
};

/** A row counts as often as it stands in the baselines. */
function mean(outcomes: readonly HitRatioOutcome[], column: Column): number | undefined {
  let sum = 0;
  let rows = 0;
  for (const outcome of outcomes) {
    const value = column(outcome);
    if (value === undefined) return undefined;
    sum += outcome.rows * value;
    rows += outcome.rows;
  }
  return rows === 0 ? undefined : sum / rows;
}

const rowsIn = (outcomes: readonly HitRatioOutcome[]): number =>
  outcomes.reduce((sum, { rows }) => sum + rows, 0);

/** Outcomes that are wrong do not count. */
export function summarize(all: readonly HitRatioOutcome[]): HitRatioSummary {
  const outcomes = all.filter(({ wrong }) => wrong === undefined);
  const counts = [...new Set(outcomes.map(({ partitions }) => partitions))];
  const first = outcomes.filter(({ partitions }) => partitions === counts[0]);
  const policies = Object.keys(first[0]?.hitRatios ?? {}) as Policy[];
  const algorithms = Object.keys(first[0]?.baselines ?? {});
  const means: Record<string, number> = {};
  const put = (name: string, column: Column): void => {
    const value = mean(first, column);
    if (value !== undefined) means[name] = value;
  };
  for (const policy of policies) put(policy, ours(policy));
  for (const algorithm of algorithms) put(algorithm, theirs(algorithm));
  const bestSingle = algorithms
    .filter((name) => name !== BOUND && means[name] !== undefined)
    .sort((a, b) => means[b]! - means[a]!)[0];
  const comparisons = counts.flatMap((partitions) => {
    const some = outcomes.filter((outcome) => outcome.partitions === partitions);
    return policies.flatMap((policy) =>
      baselinesFor(policy, bestSingle, partitions, outcomes).flatMap(
        ([baseline, column]) => compare(policy, partitions, baseline, some, column) ?? [],
      ),
    );
  });
  return { bestSingle, means, rows: rowsIn(first), comparisons };
}

function baselinesFor(
  policy: Policy,
  bestSingle: string | undefined,
  partitions: number,
  outcomes: readonly HitRatioOutcome[],
): [string, Column][] {
  const own = policy === 'adaptive' ? bestSingle : BASELINES[policy];
  const baselines: [string, Column][] = own === undefined ? [] : [[own, theirs(own)]];
  if (policy === 'adaptive') baselines.push([CHOICE_NAME, bestChoice]);
  if (partitions > 1) {
    const undivided = new Map(
      outcomes
        .filter((outcome) => outcome.partitions === 1)
        .map(({ name, hitRatios }) => [name, hitRatios[policy]]),
    );
    baselines.push([`${policy} in 1 partition`, ({ name }) => undivided.get(name)]);
  }
  return baselines;
}

function compare(
  policy: Policy,
  partitions: number,
  baseline: string,
  outcomes: readonly HitRatioOutcome[],
  column: Column,
): Comparison | undefined {
  const both = outcomes.filter((outcome) => column(outcome) !== undefined);
  const difference = (outcome: HitRatioOutcome): number =>
    outcome.hitRatios[policy]! - column(outcome)!;
  const [worst] = [...both].sort((a, b) => difference(a) - difference(b));
  if (worst === undefined) return undefined;
  return {
    ...{ policy, partitions, baseline },
    rows: rowsIn(both),
    mean: mean(both, ours(policy))!,
    baselineMean: mean(both, column)!,
    worst: { name: worst.name, difference: difference(worst) },
  };
}
