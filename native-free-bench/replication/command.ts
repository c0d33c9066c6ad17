/** `npm run bench -- replication`: what a replica costs the node that has the keys. */
import { Command } from 'commander';
import { byteSize, decimalNumber, wholeNumber } from '../../server/cli/arguments.js';
import { perOperation, rate } from '../../server/cli/format.js';
import { pinSelf, whyNoPinning } from '../../server/cli/machine.js';
import { entryCount } from '../arguments.js';
import { readEnvironment } from '../environment.js';
import { environmentAsText, ratioText } from '../report.js';
import { saveResult } from '../results.js';
import { spreadOf } from '../statistics.js';
import { table } from '../table.js';
import { measureReplication, type ReplicationRow, type Sample } from './measure.js';
import { startNodes } from './nodes.js';

interface Options {
  keys: number;
  valueSize: number;
  pipeline: number;
  connections: number;
  rounds: number;
  seconds: number;
  memory: number;
  nodeCores?: string;
  otherCores?: string;
  json?: string;
}

const HELP = `
Three nodes of one serving thread each, in processes of their own: one in no
cluster, and two of a cluster with one replica, the first of which is the primary
of all keys that are used. Its clients wait for no copies. The loader, in this
process, sends frames of SETs, or GETs, as fast as they are answered, to the one
and to the other in turns; replies are checked as in 'slabring bench'.

  ops/s       as the loader sees it. What else runs on the machine takes part:
              loader, both nodes and their cluster threads
  node        CPU time of the node that is loaded, all its threads, for each
              operation, until the replica has everything
  replica     CPU time of the replica
  loader      CPU time of this process
  bytes       sent to the replica

Shares are of one round: what is alone, by what is with a replica; of ops/s the
other way round. 'by a scan' counts rounds in which changes were overwritten in
the log, or too many were under way, so that a scan had to find them.

With --node-cores both loaded nodes are kept on these cores, and what else runs on
--other-cores (Linux, taskset): with one core each the serving thread and the
cluster thread share one, and ops/s compare nodes of the same budget, as long as
the other cores are not what is short: see 'loader' and 'replica'.`;

export const replicationCommand = new Command('replication')
  .description('what a replica costs the node that has the keys')
  .option('--keys <number>', 'number of keys, of 16 bytes', entryCount, 200_000)
  .option('--value-size <bytes>', 'bytes of each value', wholeNumber(0, 8_192), 32)
  .option('--pipeline <n>', 'commands in a frame', wholeNumber(1, 10_000), 128)
  .option('--connections <n>', 'connections, with a frame each', wholeNumber(1, 1_000), 16)
  .option('--rounds <n>', 'slices of each', wholeNumber(1, 1_000), 9)
  .option('--seconds <s>', 'seconds of a slice', decimalNumber(0.1, 600), 3)
  .option('--memory <size>', 'memory of each node', byteSize, 256 * 2 ** 20)
  .option('--node-cores <list>', 'cores of the loaded nodes, such as 0 or 0-1')
  .option('--other-cores <list>', 'cores of the replica and the loader')
  .option('--json <file>', 'where the JSON goes (default: bench-results/DATE.json)')
  .addHelpText('after', HELP)
  .action(run);

async function run(options: Options): Promise<void> {
  const { nodeCores, otherCores, memory, json, ...plan } = options;
  const environment = readEnvironment();
  console.log(environmentAsText(environment));
  if (nodeCores !== undefined || otherCores !== undefined) {
    const why = whyNoPinning();
    if (why !== undefined) throw new Error(why);
    if (otherCores !== undefined) pinSelf(otherCores);
  }
  const { rounds, seconds, keys, valueSize, pipeline, connections } = plan;
  console.log(
    `${keys.toLocaleString('en-US')} keys of 16 bytes, values of ${valueSize}, frames of ` +
      `${pipeline}, ${connections} connections; ${rounds} rounds of ${seconds} s, median and ` +
      `quartiles\n`,
  );
  const nodes = await startNodes(`${memory}`, { node: nodeCores, replica: otherCores });
  let rows: ReplicationRow[];
  try {
    rows = await measureReplication(nodes, { ...plan, valueBytes: valueSize }, (text) =>
      console.error(`replication: ${text}`),
    );
  } finally {
    await nodes.stop();
  }
  console.log(replicationAsText(rows));
  const settings = { ...plan, memory, nodeCores, otherCores };
  console.log(`\nJSON in ${saveResult(json, environment, { settings, replication: rows })}`);
}

const HEAD = ['', 'ops/s', 'p25 - p75', 'node', 'replica', 'loader', 'bytes', 'by a scan'];

/** A table of all rows, and below it the shares. */
export function replicationAsText(rows: readonly ReplicationRow[]): string {
  const lines = rows.flatMap(({ work, alone, replicated }) => [
    cells(`${work}, alone`, alone),
    cells(`${work}, with one replica`, replicated),
  ]);
  const shares = rows.map(({ work, alone, replicated }) => {
    const ratios = (of: (alone: Sample, replicated: Sample) => number) =>
      ratioText(spreadOf(alone.map((sample, i) => of(sample, replicated[i]!))));
    const speed = ratios((one, other) => other.opsPerSecond / one.opsPerSecond);
    const cpu = ratios((one, other) => one.nodeNs / other.nodeNs);
    return `${work}: keeps ${speed} of the speed; by the node's CPU time ${cpu}`;
  });
  return `${table([HEAD, ...lines])}\n\n${shares.join('\n')}`;
}

function cells(name: string, samples: readonly Sample[]): string[] {
  const of = (read: (sample: Sample) => number) => spreadOf(samples.map(read));
  const { median, p25, p75 } = of(({ opsPerSecond }) => opsPerSecond);
  const scanned = samples.filter(({ isScanned }) => isScanned).length;
  return [
    name,
    rate(median),
    `${rate(p25)} - ${rate(p75)}`,
    ...[of(({ nodeNs }) => nodeNs), of(({ replicaNs }) => replicaNs)].map((one) =>
      perOperation(one.median),
    ),
    perOperation(of((sample) => sample.loaderNs).median),
    of(({ sentBytes }) => sentBytes).median.toFixed(0),
    `${scanned} of ${samples.length}`,
  ];
}
