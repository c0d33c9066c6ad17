/**
 * `npm run bench -- kernel-c`: the kernel beside the same work in C, with everything off and on, as
 * one table of ratios.
 */
import { Command, Option } from 'commander';
import { CLOCKS, type Clock } from './case.js';
import { kernelCases } from './cases/kernel.js';
import { readEnvironment } from './environment.js';
import { openRemote } from './remote.js';
import { environmentAsText, ratioText, STATE_WORDS } from './report.js';
import { saveResult } from './results.js';
import {
  type CaseOutcome,
  FULL_PLAN,
  planAsText,
  QUICK_PLAN,
  type Row,
  runCase,
} from './rounds.js';
import { table } from './table.js';
import { compile } from './yardstick.js';

interface Options {
  filter?: string[];
  quick: boolean;
  clock: Clock;
  json?: string;
}

const FRAME = '/frame-128';

const HELP = `
The C program (native-free-bench/baseline/staged-get.c) parses the same frames,
less the times to live, hashes with XXH32, and finds, copies and stores the same
keys and values in staged groups; it has no locks, versions, expiry, eviction. It
is compiled with -O2 -march=native by $CC, gcc, cc or clang. Its replies are
compared byte by byte.

Rows: the cache as it always is (policy adaptive, expiry at work), then with
stamps (for decoded values), with its change log read between the batches or by
another thread (wall time), with both, with a time to live on every entry, and
with all of it.
'kernel / plain' is its time by that of the cache without.`;

export const kernelCCommand = new Command('kernel-c')
  .description('GET and SET of the kernel by the time of the same work in C')
  .option('--filter <text...>', 'only rows that have one of these texts in their name')
  .option('--quick', 'fewer and shorter rounds: a look, not a result', false)
  .addOption(new Option('--clock <clock>', 'wall or cpu').choices(CLOCKS).default('wall'))
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

async function run({ filter, quick, clock, json }: Options): Promise<void> {
  const cases = kernelCases
    .filter(({ name }) => name.includes(FRAME))
    .filter(({ name }) => filter?.some((text) => name.includes(text)) ?? true)
    // What is of one kind and size together, in the order that they are listed in.
    .toSorted((a, b) => groupOf(a.name).localeCompare(groupOf(b.name)));
  if (cases.length === 0) throw new Error(`no row has ${filter!.join(' or ')} in its name`);
  compile();
  const environment = readEnvironment();
  const plan = quick ? QUICK_PLAN : FULL_PLAN;
  console.log(`${environmentAsText(environment)}\n${planAsText(plan, clock)}\n`);
  const outcomes: CaseOutcome[] = [];
  for (const benchCase of cases) {
    console.error(`kernel-c: ${benchCase.name}`);
    outcomes.push(
      await runCase(benchCase, plan, (chosen, contestant) =>
        openRemote(chosen, contestant, { scale: 'full', clock }),
      ),
    );
  }
  console.log(kernelAsText(outcomes));
  const settings = { ...plan, clock };
  console.log(`\nJSON in ${saveResult(json, environment, { settings, cases: outcomes })}`);
  if (!outcomes.every(isClean)) process.exitCode = 1;
}

function groupOf(name: string): string {
  return name.slice(0, name.indexOf(FRAME));
}

/** Whether all were timed, at the same work. */
function isClean({ rows }: CaseOutcome): boolean {
  return rows.every(({ state }) => state === 'timed') && checksumsOf(rows).size === 1;
}

function checksumsOf(rows: readonly Row[]): Set<number> {
  return new Set(rows.flatMap((row) => (row.state === 'timed' ? [row.checksum] : [])));
}

const HEAD = ['', 'kernel ns/op', 'C ns/op', 'kernel / C', 'kernel / plain', 'checksum'];

/** A line for each case. A contestant that was not timed is said in a line of its own. */
export function kernelAsText(outcomes: readonly CaseOutcome[]): string {
  return table([HEAD, ...outcomes.flatMap(linesOf)]);
}

function linesOf({ name, rows }: CaseOutcome): string[][] {
  const shortName = name.replace('kernel/', '').replace(FRAME, '');
  const find = (contestant: string): Row | undefined =>
    rows.find((row) => row.contestant === contestant);
  const [kernel, c, plain] = [find('slabring'), find('C'), find('slabring/plain')];
  const wrong = rows.flatMap((row) =>
    row.state === 'timed'
      ? []
      : [[`${shortName}: ${row.contestant} ${STATE_WORDS[row.state]}: ${row.reason}`]],
  );
  if (kernel?.state !== 'timed') return wrong;
  const line = [
    shortName,
    timeOf(kernel),
    timeOf(c),
    ratioOf(c),
    ratioOf(plain),
    checksumsOf(rows).size === 1 ? `${kernel.checksum}` : 'DIFFERS',
  ];
  return [line, ...wrong];
}

function timeOf(row: Row | undefined): string {
  return row?.state === 'timed' ? row.nsPerOp.median.toFixed(1) : '';
}

/** The kernel's time by this one's. */
function ratioOf(row: Row | undefined): string {
  return row?.state === 'timed' && row.ratio !== undefined ? ratioText(row.ratio) : '';
}
