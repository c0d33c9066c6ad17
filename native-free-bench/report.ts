/** Outcomes as text for people. */
import type { Environment } from './environment.js';
import type { CaseOutcome, Row, TimedRow } from './rounds.js';
import type { Spread } from './statistics.js';
import { table } from './table.js';

export const STATE_WORDS = {
  disqualified: 'DISQUALIFIED',
  failed: 'FAILED',
  skipped: 'skipped',
} as const;

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

/** A median and its quartiles, as a ratio is told. */
export function ratioText({ median, p25, p75 }: Spread): string {
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
