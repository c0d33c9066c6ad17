/** `npm run bench`: times the corpus, replays the traces, prints tables, writes JSON. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { MAX_PARTITIONS, type Policy } from '../engine/arena.js';
import { CLOCKS, type Clock, type Setting } from './case.js';
import { collectionsCommand } from './collections/command.js';
import { corpus } from './corpus.js';
import { readEnvironment } from './environment.js';
import { gossipCommand } from './gossip/command.js';
import { EVICTING_POLICIES, type HitRatioOutcome, nameOf, replayAll } from './hit-ratio.js';
import { hitRatiosAsText } from './hit-ratio-report.js';
import { summarize } from './hit-ratio-summary.js';
import { kernelCCommand } from './kernel-c.js';
import { memoryCommand } from './memory/command.js';
import { pausesCommand } from './pauses/command.js';
import { openRemote } from './remote.js';
import { replicationCommand } from './replication/command.js';
import { caseAsText, environmentAsText } from './report.js';
import { saveResult } from './results.js';
import { ringCommand } from './ring/command.js';
import { type CaseOutcome, FULL_PLAN, planAsText, QUICK_PLAN, runCase } from './rounds.js';
import { threadsCommand } from './threads/command.js';
import { readRows, SHIPPED_TRACES } from './traces.js';

interface Options {
  filter?: string[];
  quick: boolean;
  list: boolean;
  clock: Clock;
  json?: string;
  traces: string;
  policy: readonly Policy[];
  partitions: readonly number[];
}

/** The default, known by identity: what is given replaces it. */
const ONE_PARTITION: readonly number[] = [1];

const program = new Command('bench')
  .description(
    'Without a command: times slabring in this process beside its peers, and replays traces.',
  )
  .option('--filter <text...>', 'only what has one of these texts in its name')
  .option('--quick', 'fewer and shorter rounds: a look, not a result', false)
  .option('--list', 'print the names and what they mean, and end', false)
  .addOption(
    new Option(
      '--clock <clock>',
      'wall, or cpu: the CPU time of each contestant, for busy machines',
    )
      .choices(CLOCKS)
      .default('wall'),
  )
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .option(
    '--traces <folder>',
    'folder of NAME.u32.gz to replay and their baselines.csv; without one, shares of the objects',
    SHIPPED_TRACES,
  )
  .addOption(
    new Option('--policy <name...>', 'eviction policies that replay the traces')
      .choices(EVICTING_POLICIES)
      .default(EVICTING_POLICIES, 'all that evict'),
  )
  .addOption(
    new Option(
      '--partitions <number...>',
      'partitions that replay them; a trace with too few entries for so many is left out',
    )
      .argParser(partitionCounts)
      .default(ONE_PARTITION, '1'),
  )
  .showHelpAfterError('--help tells what there is.')
  // Behind the name of a command all options are that command's.
  .enablePositionalOptions()
  .action(async (options: Options) => {
    if (!(await runCorpus(options))) process.exitCode = 1;
  });

const COMMANDS = [
  collectionsCommand,
  gossipCommand,
  kernelCCommand,
  memoryCommand,
  pausesCommand,
  replicationCommand,
  ringCommand,
  threadsCommand,
];
for (const command of COMMANDS) {
  program.addCommand(command.copyInheritedSettings(program));
}

/** Each number of the option, with those before it. */
function partitionCounts(text: string, before: readonly number[]): readonly number[] {
  const count = Number(text);
  if (!(2 ** Math.round(Math.log2(count)) === count && count >= 1 && count <= MAX_PARTITIONS)) {
    throw new InvalidArgumentError(`It must be a power of two up to ${MAX_PARTITIONS}.`);
  }
  return before === ONE_PARTITION ? [count] : [...before, count];
}

/** Times the cases and replays the traces that are wanted; whether all went well. */
async function runCorpus(options: Options): Promise<boolean> {
  const isWanted = (name: string): boolean =>
    options.filter?.some((text) => name.includes(text)) ?? true;
  const cases = corpus.filter(({ name }) => isWanted(name));
  const traces = readRows(options.traces).map(nameOf).filter(isWanted);
  if (options.list) {
    for (const { name, what } of cases) console.log(`${name}: ${what}`);
    for (const name of traces) console.log(`${name}: hit ratio on a real trace`);
    return true;
  }
  if (cases.length + traces.length === 0) {
    throw new Error(`no name has ${options.filter?.join(' or ')} in it; --list prints them`);
  }
  const environment = readEnvironment();
  const plan = options.quick ? QUICK_PLAN : FULL_PLAN;
  console.log(`${environmentAsText(environment)}\n${planAsText(plan, options.clock)}\n`);
  const setting: Setting = { scale: 'full', clock: options.clock };
  const outcomes: CaseOutcome[] = [];
  for (const benchCase of cases) {
    const outcome = await runCase(benchCase, plan, (chosen, contestant) =>
      openRemote(chosen, contestant, setting),
    );
    outcomes.push(outcome);
    console.log(caseAsText(outcome));
  }
  const replays = { policies: options.policy, partitions: options.partitions };
  const hitRatios = [
    ...replayAll(options.traces, isWanted, replays, (trace, rows) => {
      console.error(`hit-ratio: ${trace}, ${rows} sizes`);
    }),
  ];
  const hitRatioSummary = summarize(hitRatios);
  if (hitRatios.length > 0) console.log(hitRatiosAsText(hitRatios, hitRatioSummary));
  const settings = { ...plan, clock: options.clock };
  const results = { settings, cases: outcomes, hitRatios, hitRatioSummary };
  const path = saveResult(options.json, environment, results);
  console.log(`JSON in ${path}`);
  return isClean(outcomes, hitRatios);
}

/** Whether all that could run here ran, and right. */
function isClean(cases: readonly CaseOutcome[], hitRatios: readonly HitRatioOutcome[]): boolean {
  const rows = cases.flatMap((outcome) => outcome.rows);
  return (
    rows.every((row) => row.state === 'timed' || row.state === 'skipped') &&
    hitRatios.every(({ wrong }) => wrong === undefined)
  );
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
