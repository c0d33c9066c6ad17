/** What pauses were measured, as a table for people and as numbers for JSON. */
import { count, time } from '../../server/cli/format.js';
import type { Histogram } from '../../server/cli/histogram.js';
import { table } from '../table.js';
import { type PhaseOutcome, PROBES, type ProbeName } from './measure.js';
import { Probe } from './probe.js';

/** All rounds of a phase. */
export interface PhaseRows {
  readonly phase: string;
  readonly what: string;
  /** Of each round. */
  readonly evidence: readonly string[];
  readonly compared: number;
  /** Of each round. */
  readonly checksums: readonly number[];
  readonly rows: readonly PauseRow[];
}

export interface PauseRow {
  readonly what: ProbeName;
  readonly operations: number;
  readonly wallMs: Percentiles;
  /** Without the time in which the thread wanted a core and had none. */
  readonly ownMs: Percentiles;
  /** The longest of each round, by the clock. */
  readonly longestMs: readonly number[];
  /** The same without the waiting. */
  readonly longestOwnMs: readonly number[];
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** The rounds of a phase in one. */
export function rowsOf(phase: string, what: string, outcomes: readonly PhaseOutcome[]): PhaseRows {
  return {
    ...{ phase, what },
    evidence: outcomes.map(({ evidence }) => evidence),
    compared: outcomes.reduce((sum, { compared }) => sum + compared, 0),
    checksums: outcomes.map(({ checksum }) => checksum),
    rows: PROBES.map((name) => rowOf(name, outcomes)),
  };
}

function rowOf(name: ProbeName, outcomes: readonly PhaseOutcome[]): PauseRow {
  const all = new Probe();
  for (const { probes } of outcomes) all.add(probes[name]);
  return {
    what: name,
    operations: all.wall.count,
    wallMs: percentilesOf(all.wall),
    ownMs: percentilesOf(all.own),
    longestMs: outcomes.map(({ probes }) => probes[name].wall.maxMs),
    longestOwnMs: outcomes.map(({ probes }) => probes[name].own.maxMs),
  };
}

function percentilesOf(histogram: Histogram): Percentiles {
  return {
    p50: histogram.percentileMs(50),
    p99: histogram.percentileMs(99),
    p999: histogram.percentileMs(99.9),
    p9999: histogram.percentileMs(99.99),
    max: histogram.maxMs,
  };
}

const HEAD = [
  '',
  'times',
  'p50',
  'p99',
  'p99.9',
  'p99.99',
  'longest of each round',
  'on a core: p99.9',
  'p99.99',
  'longest of each round',
];

/** A block of one phase. */
export function phaseAsText(result: PhaseRows): string {
  const { phase, what, evidence, compared, checksums, rows } = result;
  const lines = [
    `${phase}: ${what}`,
    ...evidence.map((line, round) => `  round ${round + 1}: ${line}`),
    `  ${count(compared)} values compared, none wrong; checksums ${checksums.join(', ')}`,
    table([HEAD, ...rows.filter(({ operations }) => operations > 0).map(cells)]),
  ];
  return `${lines.join('\n')}\n`;
}

function cells({ what, operations, wallMs, ownMs, longestMs, longestOwnMs }: PauseRow): string[] {
  return [
    `  ${what}`,
    count(operations),
    time(wallMs.p50),
    time(wallMs.p99),
    time(wallMs.p999),
    time(wallMs.p9999),
    longestMs.map(time).join(', '),
    time(ownMs.p999),
    time(ownMs.p9999),
    longestOwnMs.map(time).join(', '),
  ];
}
