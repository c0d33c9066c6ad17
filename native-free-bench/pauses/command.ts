/** `npm run bench -- pauses`: how long single calls take while the cache is busy with itself. */
import { Command } from 'commander';
import { wholeNumber } from '../../server/cli/arguments.js';
import { entryCount } from '../arguments.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText } from '../report.js';
import { saveResult } from '../results.js';
import { openLarge } from './large.js';
import { type PhaseOutcome, runScript } from './measure.js';
import { CoreWait } from './probe.js';
import { type PhaseRows, phaseAsText, rowsOf } from './report.js';
import {
  type OpenScript,
  openExpiry,
  openGrowth,
  openMoves,
  openTogether,
  stillFor,
} from './script.js';

interface Options {
  entries: number;
  filter?: string[];
  rounds: number;
  json?: string;
}

interface Phase {
  readonly name: string;
  readonly what: string;
  readonly open: OpenScript;
}

const STILL_MS = 2000;

const PHASES: readonly Phase[] = [
  { name: 'still', what: 'get and set of entries that stay', open: stillFor(STILL_MS) },
  { name: 'expiry', what: 'entries expire within a second, a fifth stays', open: openExpiry },
  { name: 'moves', what: 'values grow and shrink in a full cache', open: openMoves },
  { name: 'growth', what: 'an empty cache fills, its tables grow', open: openGrowth },
  { name: 'large', what: 'large hashes are deleted, expire, are evicted', open: openLarge },
  { name: 'together', what: 'all of this at once', open: openTogether },
];

const HELP = `
One thread, an embedded cache. Every getBytes and setBytes is timed by itself, and
every value compared. After a millisecond of them the thread does a millisecond
of the same without a cache ('idle loop'), then the event loop has its turn, with
the upkeep of the cache in it ('event loop'). 'collections' are V8's, which also
are in the rows above them.

'on a core' leaves out the time in which the thread wanted to run and had no core,
by /proc/thread-self/schedstat, asked after operations of 0.1 ms and more.

Phases: ${PHASES.map(({ name }) => name).join(', ')}.`;

export const pausesCommand = new Command('pauses')
  .description('the longest get and set while entries expire, pages move and tables grow')
  .option('--entries <number>', 'entries that expire, or come', entryCount, 1_000_000)
  .option('--filter <text...>', 'only phases that have one of these texts in their name')
  .option('--rounds <number>', 'times that each phase runs', wholeNumber(1, 100), 3)
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

async function run({ entries, filter, rounds, json }: Options): Promise<void> {
  const phases = PHASES.filter(({ name }) => filter?.some((text) => name.includes(text)) ?? true);
  if (phases.length === 0) {
    const names = PHASES.map(({ name }) => name).join(', ');
    throw new Error(`no phase has ${filter!.join(' or ')} in its name; there are ${names}`);
  }
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  console.log(`${entries.toLocaleString('en-US')} entries, ${rounds} rounds`);
  if (!isWaitKnown()) console.log('the system does not tell how long a thread waits for a core');
  console.log();
  // V8 compiles what is timed.
  console.error('pauses: warming up');
  await runScript(stillFor(STILL_MS / 2), Math.min(entries, 100_000));
  const results: PhaseRows[] = [];
  for (const { name, what, open } of phases) {
    const outcomes: PhaseOutcome[] = [];
    for (let round = 0; round < rounds; round++) {
      console.error(`pauses: ${name}, ${round + 1} of ${rounds}`);
      outcomes.push(await runScript(open, entries));
    }
    const result = rowsOf(name, what, outcomes);
    results.push(result);
    console.log(phaseAsText(result));
  }
  const settings = { entries, rounds };
  console.log(`JSON in ${saveResult(json, environment, { settings, pauses: results })}`);
}

function isWaitKnown(): boolean {
  const wait = new CoreWait();
  wait.close();
  return wait.isKnown;
}
