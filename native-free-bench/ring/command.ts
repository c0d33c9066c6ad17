/** `npm run bench -- ring`: how even a cluster's ring is, and what moves when a node joins. */
import { Command } from 'commander';
import { wholeNumber } from '../../server/cli/arguments.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText } from '../report.js';
import { saveResult } from '../results.js';
import { table } from '../table.js';
import { measureRing, type RingRow, timeSlots } from './measure.js';

interface Options {
  members?: readonly number[];
  copies: number;
  rounds: number;
  weights: boolean;
  zones: number;
  json?: string;
}

/** The sizes of clusters that there are, and ten, which others report. */
const DEFAULT_MEMBERS: readonly number[] = [3, 5, 10, 20, 50, 100];

const HELP = `
Each round has other names. Loads are the fullest member's, by what its weight
asks for; 1.00 is even. Moves are by the share of the member that joins; 1.00 is
what it must get. When it leaves, the same slots move back. 'stray' are copies
that come to a member that was there before. Each cell: mean, and the most.

Zones ask for more of members in small zones, which the loads then show.

Examples:
  npm run bench -- ring
  npm run bench -- ring --members 10 --copies 1 --rounds 1000`;

export const ringCommand = new Command('ring')
  .description('how even the ring of a cluster is, and what moves when a node joins')
  .option('--members <number...>', 'members that one joins', memberCounts)
  .option('--copies <number>', 'nodes that hold each slot', wholeNumber(1, 8), 2)
  .option('--rounds <number>', 'memberships of each size', wholeNumber(1, 100_000), 50)
  .option('--weights', 'weights 1 and 2 in turns', false)
  .option('--zones <number>', 'zones, in turns; 0: none', wholeNumber(0, 100), 0)
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

function memberCounts(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(1, 1000)(text)];
}

function run(options: Options): void {
  const { members = DEFAULT_MEMBERS, copies, rounds, weights: isWeighted, zones, json } = options;
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  console.log(`${rounds} memberships of each size, ${copies} copies\n`);
  // The first one makes the slots' probes, and V8 compiles.
  measureRing({ members: 10, copies, rounds: 3, isWeighted, zones });
  const rows = members.map((count) => {
    console.error(`ring: ${count} members`);
    return measureRing({ members: count, copies, rounds, isWeighted, zones });
  });
  console.log(ringAsText(rows));
  const keys = Array.from({ length: 10_000 }, (_, i) => `key:${String(i).padStart(12, '0')}`);
  timeSlots(keys, 10);
  const slots = timeSlots(keys, 100);
  console.log(`\nslot of a key of 16 characters: ${slots.nsPerKey.toFixed(1)} ns`);
  const settings = { members, copies, rounds, isWeighted, zones };
  console.log(`JSON in ${saveResult(json, environment, { settings, rows, slots })}`);
}

const HEAD = [
  ...['members', 'fullest primary', 'fullest copies', 'primaries moved', 'above 1.1'],
  ...['copies moved', 'stray', 'build'],
];

export function ringAsText(rows: readonly RingRow[]): string {
  return table([HEAD, ...rows.map(cellsOf)]);
}

function cellsOf(row: RingRow): string[] {
  return [
    `${row.members} -> ${row.members + 1}`,
    ratioOf(row.primaryLoads),
    ratioOf(row.copyLoads),
    ratioOf(row.primaryMoves),
    `${row.primaryMoves.filter((moved) => moved > 1.1).length} of ${row.rounds}`,
    ratioOf(row.copyMoves),
    `${(100 * mean(row.strayMoves)).toFixed(2)}%`,
    `${mean(row.buildMs).toFixed(1)} ms`,
  ];
}

function ratioOf(values: readonly number[]): string {
  return `${mean(values).toFixed(3)}, ${Math.max(...values).toFixed(3)}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
