/** Outcomes as text for people. */
import type { Environment } from './environment.js';
import { type HitRatioOutcome, SHOWN_ALGORITHMS } from './hit-ratio.js';
import type { CaseOutcome, Row, TimedRow } from './rounds.js';
import type { Spread } from './statistics.js';

const STATE_WORDS = { disqualified: 'DISQUALIFIED', failed: 'FAILED', skipped: 'skipped' } as const;

export function environmentAsText(environment: Environment): string {
  const { cpu, cores, memoryGib, platform, arch, node, v8, slabring, commit, date, load } =
    environment;
  return [
    `${cpu}, ${cores} cores, ${memoryGib} GiB, ${platform} ${arch}, load ${load} at the start`,
    `Node ${node}, V8 ${v8}, slabring ${slabring}${commit === undefined ? '' : ` at ${commit}`}, ${date}`,
  ].join('\n');
}

/** A block of one case: a line for each contestant, the candidate first. */
export function caseAsText({ name, what, rows }: CaseOutcome): string {
  const [candidate] = rows;
  const head = [
    '',
    'ns/op',
    'p25 - p75',
    'samples',
    `time of ${candidate!.contestant} / its time`,
    '',
  ];
  return `${name}: ${what}\n${table([head, ...rows.map(cells)])}\n`;
}

function cells(row: Row): string[] {
  const name = `  ${row.contestant}`;
  if (row.state !== 'timed') return [`${name}  ${STATE_WORDS[row.state]}: ${row.reason}`];
  const { nsPerOp, batches, ratio } = row;
  return [
    name,
    number(nsPerOp.median),
    `${number(nsPerOp.p25)} - ${number(nsPerOp.p75)}`,
    batches.toLocaleString('en-US'),
    ratio === undefined ? '' : ratioText(ratio),
    notes(row),
  ];
}

function ratioText({ median, p25, p75 }: Spread): string {
  return `${median.toFixed(2)} (${p25.toFixed(2)} - ${p75.toFixed(2)})`;
}

function notes({ facts }: TimedRow): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join(', ');
}

function number(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toFixed(1);
}

/**
 * All rows of hit ratios, in per cent; `difference` in points to the baseline of the same policy.
 */
export function hitRatiosAsText(outcomes: readonly HitRatioOutcome[]): string {
  const head = ['trace', 'entries', 'slabring', ...SHOWN_ALGORITHMS, 'difference to CLOCK'];
  const rows = outcomes.map(({ trace, entries, hitRatio, baselines, wrong }) => {
    if (wrong !== undefined) return [`${trace}  ${entries}  ${STATE_WORDS.disqualified}: ${wrong}`];
    const clock = baselines.CLOCK;
    return [
      trace,
      `${entries}`,
      percent(hitRatio),
      ...SHOWN_ALGORITHMS.map((algorithm) => percent(baselines[algorithm])),
      clock === undefined ? '' : (100 * (hitRatio - clock)).toFixed(3),
    ];
  });
  return `hit-ratio: policy clock, in per cent, beside the baselines\n${table([head, ...rows])}\n`;
}

function percent(share: number | undefined): string {
  return share === undefined ? '' : (100 * share).toFixed(2);
}

/**
 * Columns aligned: the first to the left, the others to the right. A row of one cell is a line of
 * its own.
 */
function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    if (row.length === 1) continue;
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
