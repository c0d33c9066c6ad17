/** What `slabring replay` prints. */
import * as format from './format.js';
import type { ReplayResult } from './replay-run.js';

/**
 * The circumstances of a replay; what is absent is not known (of a node that was running already).
 */
export interface ReplayHead {
  trace: string;
  objects: number;
  url: string;
  inFlight: number;
  policy?: string;
  memoryBytes?: number;
  maxEntries?: number;
  partitions?: number;
}

function hitRatio(result: ReplayResult): number {
  return result.requests === 0 ? 0 : result.hits / result.requests;
}

/** The result as one line of JSON. Times in milliseconds, the hit ratio between 0 and 1. */
export function replayAsJson(head: ReplayHead, result: ReplayResult): string {
  const { roundTrips, requests, commands, seconds } = result;
  const report = {
    ...head,
    requests,
    hits: result.hits,
    misses: result.misses,
    hitRatio: hitRatio(result),
    commands,
    seconds,
    requestsPerSecond: requests / seconds,
    opsPerSecond: commands / seconds,
    roundTripMs: {
      p50: roundTrips.percentileMs(50),
      p99: roundTrips.percentileMs(99),
      p999: roundTrips.percentileMs(99.9),
      max: roundTrips.maxMs,
    },
    refusals: result.refusals,
    errors: result.errors,
    ...(result.firstError === undefined ? {} : { firstError: result.firstError }),
  };
  return `${JSON.stringify(report)}\n`;
}

/** The result as lines for a person. */
export function replayAsText(head: ReplayHead, result: ReplayResult): string {
  const { roundTrips, requests, commands, seconds } = result;
  const { policy, memoryBytes, maxEntries, partitions } = head;
  const node = [head.url];
  if (policy !== undefined) node.push(`policy ${policy}`);
  if (memoryBytes !== undefined) node.push(format.bytes(memoryBytes));
  if (maxEntries !== undefined) node.push(`at most ${format.count(maxEntries)} entries`);
  if (partitions !== undefined) node.push(`partitions ${partitions}`);
  const lines: [string, string][] = [
    ['trace', `${head.trace}, ${format.count(head.objects)} objects`],
    ['node', node.join(', ')],
    ['requests', `${format.count(requests)}, ${format.count(head.inFlight)} in flight`],
    [
      'hit ratio',
      `${format.percent(hitRatio(result))} ` +
        `(${format.count(result.hits)} hits, ${format.count(result.misses)} misses)`,
    ],
    [
      'ops/s',
      `${format.rate(commands / seconds)} ` +
        `(${format.count(commands)} GET and SET in ${seconds.toFixed(2)} s)`,
    ],
    [
      'round trip',
      `p50 ${format.time(roundTrips.percentileMs(50))}, ` +
        `p99 ${format.time(roundTrips.percentileMs(99))}, ` +
        `p99.9 ${format.time(roundTrips.percentileMs(99.9))}, max ${format.time(roundTrips.maxMs)}`,
    ],
  ];
  if (Object.keys(result.refusals).length > 0) lines.push(['declined', byCode(result.refusals)]);
  lines.push(['errors', byCode(result.errors)]);
  if (result.firstError !== undefined) lines.push(['first error', result.firstError]);
  return `${format.facts(lines)}\n`;
}

function byCode(counts: Record<string, number>): string {
  const parts = Object.entries(counts).map(([code, number]) => `${format.count(number)} ${code}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}
