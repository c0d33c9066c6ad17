/** Hit ratios as text for people. */
import type { Policy } from '../engine/arena.js';
import type { HitRatioOutcome } from './hit-ratio.js';
import { BOUND, type HitRatioSummary } from './hit-ratio-summary.js';
import { STATE_WORDS } from './report.js';
import { table } from './table.js';

/** Baselines in the table: the bound first. The best single one is added. */
const SHOWN_ALGORITHMS = [BOUND, 'LRU', 'CLOCK', 'S3-FIFO', 'W-TinyLFU', 'ARC', 'LIRS'] as const;

/**
 * Two tables: all rows with their mean, in per cent; and each policy beside what it is to equal, in
 * points.
 */
export function hitRatiosAsText(
  outcomes: readonly HitRatioOutcome[],
  summary: HitRatioSummary,
): string {
  return [
    'hit-ratio: in per cent; our policies, then the baselines',
    table(rowTable(outcomes, summary)),
    '',
    'hit-ratio: each policy beside what it is to equal; means in per cent, differences in points',
    table(comparisonTable(summary)),
    '',
  ].join('\n');
}

function rowTable(outcomes: readonly HitRatioOutcome[], summary: HitRatioSummary): string[][] {
  const { bestSingle, means, rows } = summary;
  const policies = Object.keys(outcomes[0]?.hitRatios ?? {}) as Policy[];
  const algorithms = SHOWN_ALGORITHMS.filter((name) => outcomes.some((o) => name in o.baselines));
  const isDivided = outcomes.some(({ partitions }) => partitions > 1);
  const inPartitions = (partitions: number): string[] => (isDivided ? [`${partitions}`] : []);
  const lines = outcomes.map(({ trace, entries, partitions, wrong, ...outcome }) => {
    if (wrong !== undefined) return [`${trace}  ${entries}  ${STATE_WORDS.disqualified}: ${wrong}`];
    return [
      trace,
      outcome.rows === 1 ? `${entries}` : `${outcome.rows} x ${entries}`,
      ...inPartitions(partitions),
      ...policies.map((policy) => percent(outcome.hitRatios[policy])),
      ...algorithms.map((algorithm) => percent(outcome.baselines[algorithm])),
      percent(bestSingle === undefined ? undefined : outcome.baselines[bestSingle]),
    ];
  });
  const head = [
    ...['trace', 'entries', ...(isDivided ? ['partitions'] : [])],
    ...policies,
    ...algorithms,
    `best single: ${bestSingle ?? 'none'}`,
  ];
  const foot = [
    ...[`mean of ${rows} rows`, '', ...inPartitions(outcomes[0]?.partitions ?? 1)],
    ...policies.map((policy) => percent(means[policy])),
    ...algorithms.map((algorithm) => percent(means[algorithm])),
    percent(bestSingle === undefined ? undefined : means[bestSingle]),
  ];
  return [head, ...lines, foot];
}

function comparisonTable({ comparisons }: HitRatioSummary): string[][] {
  const head = ['policy', 'partitions', 'rows', 'mean', 'baseline mean', 'difference', 'worst row'];
  return [
    head,
    ...comparisons.map(({ policy, partitions, baseline, rows, mean, baselineMean, worst }) => [
      `${policy} - ${baseline}`,
      ...[`${partitions}`, `${rows}`, percent(mean), percent(baselineMean)],
      points(mean - baselineMean),
      `${points(worst.difference)} at ${worst.name.split('/').slice(1).join('/')}`,
    ]),
  ];
}

function percent(share: number | undefined): string {
  return share === undefined ? '' : (100 * share).toFixed(2);
}

function points(difference: number): string {
  const text = (100 * difference).toFixed(2);
  return difference < 0 ? text : `+${text}`;
}
