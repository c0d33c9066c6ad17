/** What `slabring bench` prints. */
import { cpus } from 'node:os';
import type { BenchOutcome, BenchPlan, BenchSample } from './bench-run.js';
import * as format from './format.js';
import { type Shape, VALUE, writes } from './load/shape.js';

/** The middle of some measurements and how far they spread. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** From this share of a core on the loader is the bottleneck, or nearly. */
const LOADER_BUSY = 0.9;

export interface BenchHead {
  readonly plan: BenchPlan;
  readonly mix: string;
  readonly shape: Shape;
  readonly threads: number | undefined;
  /** Where server and loader are pinned, in words. */
  readonly pinned: string | undefined;
}

/** The report as lines for a person. */
export function benchAsText(head: BenchHead, outcomes: readonly BenchOutcome[]): string {
  const { plan } = head;
  const { workload } = plan;
  const environment =
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ` +
    `${process.platform}, Node ${process.version}` +
    (head.pinned === undefined ? '' : `, ${head.pinned}`);
  const load =
    `${head.mix}, ${format.count(workload.pipeline)} commands a frame, ` +
    `${format.count(plan.connections)} connections with ${plan.inFlight} in flight, ` +
    `${format.count(workload.keys)} ${head.shape.noun}` +
    (writes(head.shape, VALUE) ? `, values of ${format.count(workload.valueBytes)} bytes` : '') +
    `; ${plan.rounds} x ${plan.seconds} s`;
  const rows = [
    [
      '',
      'ops/s',
      'min',
      'max',
      'CPU/op',
      'server',
      'loader',
      'p50',
      'p99',
      'p99.9',
      'misses',
      'errors',
    ],
    ...outcomes.map(row),
  ];
  const parts = [
    `${environment}\n${load}`,
    format.table(rows),
    ...comparisons(outcomes),
    ...notes(outcomes),
  ];
  return `${parts.join('\n\n')}\n`;
}

/**
 * The report as one line of JSON. Times of round trips in milliseconds, CPU in nanoseconds per
 * operation.
 */
export function benchAsJson(head: BenchHead, outcomes: readonly BenchOutcome[]): string {
  const { plan } = head;
  const report = {
    environment: {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      platform: process.platform,
      node: process.version,
      pinned: head.pinned ?? null,
    },
    workload: {
      mix: head.mix,
      ...plan.workload,
      connections: plan.connections,
      inFlight: plan.inFlight,
      seconds: plan.seconds,
      rounds: plan.rounds,
      ...(head.threads === undefined ? {} : { threads: head.threads }),
    },
    servers: outcomes.map((outcome) => ({
      name: outcome.contestant.name,
      version: outcome.contestant.version,
      opsPerSecond: spreadOf(outcome, (sample) => sample.opsPerSecond),
      serverCpuNsPerOp: spreadOf(outcome, (sample) => sample.serverCpuNsPerOp) ?? null,
      serverCores: spreadOf(outcome, (sample) => sample.serverCores) ?? null,
      loaderCores: spreadOf(outcome, (sample) => sample.loaderCores),
      roundTripMs: roundTripMs(outcome),
      operations: outcome.operations,
      checked: outcome.checked,
      checkedGets: outcome.gets,
      misses: outcome.misses,
      errors: outcome.errors,
      ...(outcome.firstError === undefined ? {} : { firstError: outcome.firstError }),
    })),
    ratios: Object.fromEntries(
      outcomes.slice(1).map((peer) => [
        peer.contestant.name,
        {
          throughput: ratio(outcomes[0]!, peer, (sample) => sample.opsPerSecond),
          serverCpuPerOp: ratio(outcomes[0]!, peer, (sample) => sample.serverCpuNsPerOp) ?? null,
        },
      ]),
    ),
  };
  return `${JSON.stringify(report)}\n`;
}

/** Median, least and most of some numbers; undefined when one is not known. */
export function spread(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0 || known.length < values.length) return undefined;
  known.sort((a, b) => a - b);
  const middle = known.length / 2;
  const median =
    known.length % 2 === 1 ? known[Math.floor(middle)]! : (known[middle - 1]! + known[middle]!) / 2;
  return { median, min: known[0]!, max: known[known.length - 1]! };
}

type ReadSample = (sample: BenchSample) => number | undefined;

function spreadOf(outcome: BenchOutcome, read: ReadSample): Spread | undefined {
  return spread(outcome.samples.map(read));
}

/**
 * Ours by the peer's, round by round: the two of a round ran one after the other, on the same mood
 * of the machine.
 */
function ratio(ours: BenchOutcome, peer: BenchOutcome, read: ReadSample): Spread | undefined {
  return spread(
    ours.samples.map((sample, round) => {
      const mine = read(sample);
      const theirs = read(peer.samples[round]!);
      return mine === undefined || theirs === undefined ? undefined : mine / theirs;
    }),
  );
}

function row(outcome: BenchOutcome): string[] {
  const { contestant, roundTrips } = outcome;
  const ops = spreadOf(outcome, (sample) => sample.opsPerSecond)!;
  const cpu = spreadOf(outcome, (sample) => sample.serverCpuNsPerOp);
  const server = spreadOf(outcome, (sample) => sample.serverCores);
  const loader = spreadOf(outcome, (sample) => sample.loaderCores)!;
  return [
    `${contestant.name} ${contestant.version}`,
    format.rate(ops.median),
    format.rate(ops.min),
    format.rate(ops.max),
    cpu === undefined ? 'unknown' : format.perOperation(cpu.median),
    server === undefined ? 'unknown' : `${(server.median * 100).toFixed(0)} %`,
    `${(loader.median * 100).toFixed(0)} %`,
    format.time(roundTrips.percentileMs(50)),
    format.time(roundTrips.percentileMs(99)),
    format.time(roundTrips.percentileMs(99.9)),
    outcome.misses === 0 ? '0' : format.percent(outcome.misses / outcome.gets),
    format.count(outcome.errors),
  ];
}

function comparisons(outcomes: readonly BenchOutcome[]): string[] {
  const [ours, ...peers] = outcomes;
  if (ours === undefined || peers.length === 0) return [];
  const lines = peers.map((peer) => {
    const throughput = ratio(ours, peer, (sample) => sample.opsPerSecond)!;
    const cpu = ratio(ours, peer, (sample) => sample.serverCpuNsPerOp);
    const pair = `${ours.contestant.name} / ${peer.contestant.name}`;
    const cpuText = cpu === undefined ? '' : `, server CPU per operation ${times(cpu)}`;
    return `${pair}: throughput ${times(throughput)}${cpuText}`;
  });
  return [lines.join('\n')];
}

function times({ median, min, max }: Spread): string {
  const range = min === max ? '' : ` (${min.toFixed(2)} to ${max.toFixed(2)})`;
  return `${median.toFixed(2)} times${range}`;
}

/** What a reader must know before believing the numbers. */
function notes(outcomes: readonly BenchOutcome[]): string[] {
  const lines: string[] = [];
  for (const outcome of outcomes) {
    const { name } = outcome.contestant;
    const loader = spreadOf(outcome, (sample) => sample.loaderCores)!;
    if (loader.median >= LOADER_BUSY) {
      lines.push(
        `The loader was the bottleneck for ${name}: its ops/s are a lower bound, ` +
          'compare CPU per operation.',
      );
    }
    if (outcome.firstError !== undefined)
      lines.push(`First error of ${name}: ${outcome.firstError}`);
  }
  const checked = outcomes.map(
    (outcome) => `${format.count(outcome.checked)} of ${format.count(outcome.operations)}`,
  );
  lines.push(`Replies checked byte by byte: ${checked.join(', ')}.`);
  return [lines.join('\n')];
}

function roundTripMs({ roundTrips }: BenchOutcome): Record<string, number> {
  return {
    p50: roundTrips.percentileMs(50),
    p99: roundTrips.percentileMs(99),
    p999: roundTrips.percentileMs(99.9),
    max: roundTrips.maxMs,
  };
}
