/** `npm run bench -- threads`: the speed of 1, 2, ... threads on one cache. */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { MAX_THREADS } from '../../engine/arena.js';
import { wholeNumber } from '../../server/cli/arguments.js';
import { rate } from '../../server/cli/format.js';
import { entryCount } from '../arguments.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText, ratioText } from '../report.js';
import { saveResult } from '../results.js';
import { table } from '../table.js';
import { GROUNDS, type Ground } from './contract.js';
import { Crew } from './crew.js';
import { countsUpTo, measureScaling, type ScalingRow } from './scaling.js';

interface Options {
  entries: number;
  threads: number;
  rounds: number;
  sliceMs: number;
  json?: string;
}

/** Batches of 128 keys that each thread goes through, from a place of its own. */
const BATCHES = 2048;

const HELP = `
All threads read and write the same keys, at random, each key its own value of 32
bytes; every result is checked. GET, nine batches of 128 GETs to one of SETs, and
SET; by getBytes and setBytes, and by frames of 128 commands.

  shared   all threads on one cache
  own      each thread on a cache of its own, just as large
  none     no cache: each thread copies the same values from and to memory of its
           own. What does not scale there, the machine does not give

Ratios are to one thread of the same ground in the same round, by the clock, and
by the time that each thread had a core, as Linux counts it: the second leaves out
what other programs take, but also waiting for a lock. The main thread sleeps
meanwhile.`;

export const threadsCommand = new Command('threads')
  .description('operations a second of 1, 2, ... threads on one cache')
  .option('--entries <number>', 'entries of each cache', entryCount, 1_000_000)
  .option(
    '--threads <number>',
    'the most threads (default: one a core)',
    wholeNumber(1, MAX_THREADS - 2),
    Math.min(availableParallelism(), MAX_THREADS - 2),
  )
  .option('--rounds <number>', 'slices of each', wholeNumber(1, 1000), 15)
  .option('--slice-ms <number>', 'milliseconds of a slice', wholeNumber(1, 60_000), 200)
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

async function run(options: Options): Promise<void> {
  const { entries, threads, rounds, sliceMs } = options;
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  console.log(
    `${entries.toLocaleString('en-US')} entries; ${rounds} rounds of slices of ${sliceMs} ms, ` +
      'wall time: median and quartiles\n',
  );
  const crews = new Map<Ground, Crew>();
  let rows: ScalingRow[];
  try {
    for (const ground of GROUNDS) {
      console.error(`threads: ${ground}: storing and comparing`);
      crews.set(ground, await Crew.start(ground, threads, entries, BATCHES));
    }
    rows = await measureScaling(
      { counts: countsUpTo(threads), rounds, sliceMs, warmupMs: 2 * sliceMs },
      (ground, count, way, work, ms) => crews.get(ground)!.run(count, way, work, ms),
      (way, work) => console.error(`threads: ${work} by ${way}`),
    );
  } finally {
    for (const crew of crews.values()) await crew.finish();
  }
  const checksums = [...crews.values()].map(({ checksum }) => checksum);
  if (new Set(checksums).size > 1) {
    throw new Error(`the grounds read different values: checksums ${checksums.join(', ')}`);
  }
  console.log(scalingAsText(rows));
  console.log(`\nchecksum of what was read ${checksums[0]}, the same for all`);
  const settings = { entries, rounds, sliceMs };
  console.log(`JSON in ${saveResult(options.json, environment, { settings, threads: rows })}`);
}

const HEAD = ['', 'ground', 'threads', 'ops/s', 'p25 - p75', 'to one thread', 'by time on a core'];

/** A table of all rows. */
export function scalingAsText(rows: readonly ScalingRow[]): string {
  return table([HEAD, ...rows.map(cells)]);
}

function cells(row: ScalingRow): string[] {
  const { way, work, ground, threads, opsPerSecond, ratio, ratioOnCore } = row;
  const { median, p25, p75 } = opsPerSecond;
  return [
    `${work} by ${way}`,
    ground,
    `${threads}`,
    rate(median),
    `${rate(p25)} - ${rate(p75)}`,
    ratio === undefined ? '' : ratioText(ratio),
    ratioOnCore === undefined ? '' : ratioText(ratioOnCore),
  ];
}
