/** `npm run bench -- gossip`: what membership costs, and how soon a crash is known, simulated. */
import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { wholeNumber } from '../../server/cli/arguments.js';
import { PRESETS, type PresetName } from '../../server/cluster/membership/presets.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText } from '../report.js';
import { saveResult } from '../results.js';
import { gossipAsSvg } from './chart.js';
import { type GossipPlan, type GossipRow, measureGossip, rowOf } from './measure.js';
import { gossipAsText } from './report.js';

interface Options {
  nodes: readonly number[];
  preset: PresetName;
  seeds: number;
  crashes: number;
  loss: number;
  quick: boolean;
  svg?: string;
  json?: string;
}

const DEFAULT_NODES: readonly number[] = [5, 10, 20, 50, 100, 200];
const QUICK_NODES: readonly number[] = [5, 10, 20];
const QUICK_SEEDS = 5;
/** Fewer are no cluster, more take hours. */
const NODES_MIN = 2;
const NODES_MAX = 1000;

/** Delays of one site under load; what is lost comes on top. */
const LINK = { delayMs: 0.2, jitterMs: 0.5, spikes: 0.001, spikeMs: 50 } as const;

const HELP = `
Clusters of nodes with nothing but membership, in virtual time: messages take 0.2
ms and 0.5 ms on average more, one in a thousand up to 50 ms. Messages and bytes
are of one node at rest, without what a link adds, over one interval of syncs. A
crash is timed until the first and until the last of the others calls the node
dead: median / 99th percentile / longest, in ms. 'false': nodes called dead that
lived.

Examples:
  npm run bench -- gossip
  npm run bench -- gossip --nodes 5 50 --loss 5 --svg gossip.svg`;

export const gossipCommand = new Command('gossip')
  .description('traffic of membership, and how soon a crash is known, in simulated clusters')
  .option('--nodes <number...>', 'sizes (default: 5 to 200)', sizes, DEFAULT_NODES)
  .addOption(
    new Option('--preset <name>', 'times of membership')
      .choices(Object.keys(PRESETS))
      .default('lan'),
  )
  .option('--seeds <number>', 'worlds of each size', wholeNumber(1, 100_000), 20)
  .option('--crashes <number>', 'crashes in each world', wholeNumber(1, 1000), 5)
  .option('--loss <percent>', 'messages that are lost', wholeNumber(0, 50), 0)
  .option('--quick', 'fewer worlds of small clusters: a look, not a result', false)
  .option('--svg <file>', 'draws the curves into this file')
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

function sizes(text: string, before: readonly number[]): readonly number[] {
  const size = wholeNumber(NODES_MIN, NODES_MAX)(text);
  return before === DEFAULT_NODES ? [size] : [...before, size];
}

function run(options: Options): void {
  const { preset, crashes, loss, quick, svg, json } = options;
  const seeds = quick ? Math.min(QUICK_SEEDS, options.seeds) : options.seeds;
  const nodes = quick && options.nodes === DEFAULT_NODES ? QUICK_NODES : options.nodes;
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  const what = `${preset}, ${loss}% lost, ${seeds} worlds of each size, ${crashes} crashes in each`;
  console.log(`simulated: ${what}\n`);
  const link = { ...LINK, loss: loss / 100 };
  const plan: GossipPlan = { preset: PRESETS[preset], link, seeds, crashes };
  const rows: GossipRow[] = [];
  for (const size of [...new Set(nodes)].sort((a, b) => a - b)) {
    console.error(`gossip: ${size} nodes`);
    const worlds = Array.from({ length: seeds }, (_, i) => measureGossip(size, i + 1, plan));
    rows.push(rowOf(size, worlds));
  }
  console.log(gossipAsText(rows));
  console.log(`\nchecksums ${rows.map(({ checksum }) => checksum).join(', ')}`);
  if (svg !== undefined) {
    writeFileSync(svg, gossipAsSvg(rows, `simulated: ${what}`));
    console.log(`SVG in ${svg}`);
  }
  const settings = { preset, seeds, crashes, link };
  console.log(`JSON in ${saveResult(json, environment, { settings, gossip: rows })}`);
}
