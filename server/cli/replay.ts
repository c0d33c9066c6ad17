/**
 * `slabring replay`: a real access trace against a node, through the client, as a cache-aside user
 * makes it.
 */
import { type Command, Option } from 'commander';
import { POLICIES } from '../../engine/arena.js';
import { DEFAULT_POLICY } from '../../engine/config.js';
import { SlabringError } from '../../engine/errors.js';
import { byteSize, nodeUrl, powerOfTwo, wholeNumber } from './arguments.js';
import * as format from './format.js';
import type { ServerProcess } from './processes.js';
import type { ReplayHead } from './replay-report.js';
import type { Trace } from './trace.js';

interface ReplayFlags {
  policy?: string;
  memory?: number;
  maxEntries?: number;
  partitions?: number;
  url?: string;
  token?: string;
  inFlight?: number;
  valueSize: number;
  sizes?: boolean;
  limit?: number;
  json?: boolean;
}

const MIB = 2 ** 20;
const DEFAULT_VALUE_BYTES = 32;
/**
 * What an entry costs beside its value: key, header, index, the unused end of its slab slot.
 * Rounded up.
 */
const ENTRY_OVERHEAD_BYTES = 128;
/**
 * Memory of a node beside its entries: the areas of its threads, a slab page of each size class.
 */
const NODE_OVERHEAD_BYTES = 64 * MIB;
/** For the node that is started: one arena. */
const NODE_MEMORY_MAX_BYTES = 3 * 1024 * MIB;
/** The largest value of a replay. A node stores up to 64 MiB by default. */
const VALUE_BYTES_MAX = MIB;
/**
 * A replay measures latency, it has no user waiting: its commands may take longer than an
 * application's.
 */
const COMMAND_TIMEOUT_MS = 30_000;
/**
 * Requests in flight at a node whose capacity we do not know: little distortion from about 3,000
 * entries on.
 */
const IN_FLIGHT_UNKNOWN = 64;
/** Options that describe the node to start, and so make no sense beside `--url`. */
const NODE_FLAGS = ['policy', 'memory', 'maxEntries', 'partitions'] as const;

const HELP = `
TRACE is a file of little-endian uint32 object numbers, one per access (.u32 or
.u32.gz), or the name of a trace that comes with the repository: cache2k-web07,
nasa-http-19950801.

Every access is a GET; on a miss the value is SET, and whoever asks for the same
object meanwhile waits for that and then GETs it. Keys have 16 bytes. A node is
started for the replay and stopped after it, unless --url names a running one.

Examples:
  a cache of 2,048 entries, everything in one partition:
    slabring replay cache2k-web07 --max-entries 2048 --partitions 1
  real object sizes in little memory:
    slabring replay nasa-http-19950801 --memory 64mb --sizes
  a trace of your own against a running node:
    slabring replay ./shop.u32.gz --url ws://cache-1:7707 --in-flight 256 --json

Exit code: 0, or 1 when a command failed or a value came back wrong. Fills that
the cache declines by its rules (OOM with policy none, TOOLARGE) are counted,
they are not failures.`;

/** Adds `slabring replay` to the program. */
export function registerReplay(program: Command): void {
  program
    .command('replay')
    .summary('replay an access trace against a node and print the hit ratio')
    .description(
      'Replays an access trace as a cache-aside user would, over WebSocket, many requests in ' +
        'flight, and prints requests, hit ratio, commands per second, round-trip times and errors.',
    )
    .argument('<trace>', 'trace file, or the name of a shipped trace')
    .addOption(
      new Option(
        '--policy <name>',
        `eviction policy of the node that is started (default: ${DEFAULT_POLICY})`,
      ).choices(POLICIES),
    )
    .option(
      '--memory <size>',
      "its memory, such as '64mb' (default: enough for --max-entries)",
      byteSize,
    )
    .option(
      '--max-entries <n>',
      'the number of entries it holds at most (default: what fits)',
      wholeNumber(1),
    )
    .option(
      '--partitions <n>',
      "its partitions, a power of two (default: the node's own)",
      powerOfTwo,
    )
    .option('--url <url>', 'replay against this running node instead of starting one', nodeUrl)
    .addOption(
      new Option('--token <token>', 'what the node at --url asks for; others can see it in ps').env(
        'SLABRING_TOKEN',
      ),
    )
    .option(
      '--in-flight <n>',
      'requests under way at a time; many distort the hit ratio of a small cache ' +
        '(default: 1 per 50 entries of the node, at most 512; with --url 64)',
      wholeNumber(1, 65_536),
    )
    .option(
      '--value-size <bytes>',
      'bytes of each value',
      wholeNumber(0, VALUE_BYTES_MAX),
      DEFAULT_VALUE_BYTES,
    )
    .option('--sizes', "use the objects' real sizes, from NAME.size.u32.gz beside the trace")
    .option('--limit <n>', 'replay only the first n accesses', wholeNumber(1))
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', HELP)
    .action(async (traceName: string, flags: ReplayFlags, command: Command) => {
      try {
        process.exitCode = await runReplay(traceName, flags);
      } catch (error) {
        // What a user can set right is one line; anything else is a mistake of ours and keeps its
        // stack.
        if (!(error instanceof SlabringError)) throw error;
        command.error(error.message, { exitCode: 1 });
      }
    });
}

async function runReplay(traceName: string, flags: ReplayFlags): Promise<number> {
  checkFlags(flags);
  // Loaded here, so that the other commands of the program do not pay for them.
  const { readTrace, countObjects } = await import('./trace.js');
  const { replay, defaultInFlight } = await import('./replay-run.js');
  const { replayAsJson, replayAsText } = await import('./replay-report.js');
  const { startSlabring } = await import('./processes.js');
  const { Progress } = await import('./progress.js');
  const { connect } = await import('../../client/index.js');

  const trace = readTrace(traceName, {
    withSizes: flags.sizes ?? false,
    ...(flags.limit === undefined ? {} : { limit: flags.limit }),
  });
  const objects = countObjects(trace.ids);
  const memory = flags.memory ?? memoryFor(trace, flags);
  const inFlight = flags.inFlight ?? inFlightFor(flags, memory, defaultInFlight);
  const node =
    flags.url === undefined ? await startSlabring(nodeArguments(flags, memory)) : undefined;
  try {
    const url = flags.url ?? node!.url;
    const client = await connect(url, {
      name: 'slabring-replay',
      timeout: COMMAND_TIMEOUT_MS,
      queueLimit: inFlight,
      ...(flags.url === undefined || flags.token === undefined ? {} : { token: flags.token }),
    });
    const now = (): number => performance.now();
    const progress = new Progress(process.stderr, now);
    try {
      const result = await replay(trace, client, {
        inFlight,
        valueBytes: flags.valueSize,
        now,
        onProgress: (done, hits) =>
          progress.show(trace.name, done, trace.ids.length, `hits ${format.percent(hits / done)}`),
      });
      progress.finish();
      const head = { trace: trace.name, objects, url, inFlight, ...nodeFacts(flags, memory, node) };
      process.stdout.write(flags.json ? replayAsJson(head, result) : replayAsText(head, result));
      return Object.keys(result.errors).length === 0 ? 0 : 1;
    } finally {
      progress.finish();
      await client.close();
    }
  } finally {
    await node?.stop();
  }
}

function checkFlags(flags: ReplayFlags): void {
  if (flags.url !== undefined) {
    const given = NODE_FLAGS.find((flag) => flags[flag] !== undefined);
    if (given !== undefined) {
      const flag = given === 'maxEntries' ? 'max-entries' : given;
      throw new SlabringError(
        'OPTION',
        `--${flag} describes the node to start; the node at --url has its own`,
      );
    }
  } else if (flags.memory === undefined && flags.maxEntries === undefined) {
    throw new SlabringError(
      'OPTION',
      'give the size of the cache: --max-entries N or --memory SIZE, or --url of a running node',
    );
  }
}

/**
 * Enough for `--max-entries` entries of this trace, so that only the number of entries limits the
 * node.
 */
function memoryFor(trace: Trace, flags: ReplayFlags): number {
  const entries = flags.maxEntries ?? 0;
  let valueBytes = entries * flags.valueSize;
  if (trace.sizes !== undefined) {
    const sizeOf = new Map<number, number>();
    trace.ids.forEach((id, access) => {
      sizeOf.set(id, trace.sizes![access]!);
    });
    const largestFirst = [...sizeOf.values()].sort((a, b) => b - a);
    valueBytes = largestFirst.slice(0, entries).reduce((sum, size) => sum + size, 0);
  }
  // Half as much again: size classes leave part of each slot unused.
  const needed = 1.5 * (valueBytes + entries * ENTRY_OVERHEAD_BYTES) + NODE_OVERHEAD_BYTES;
  return Math.min(NODE_MEMORY_MAX_BYTES, Math.ceil(needed));
}

function inFlightFor(
  flags: ReplayFlags,
  memory: number,
  defaultInFlight: (entries: number) => number,
): number {
  if (flags.url !== undefined) return IN_FLIGHT_UNKNOWN;
  return defaultInFlight(flags.maxEntries ?? memory / (flags.valueSize + ENTRY_OVERHEAD_BYTES));
}

function policyOf(flags: ReplayFlags): string {
  return flags.policy ?? DEFAULT_POLICY;
}

function nodeArguments(flags: ReplayFlags, memory: number): string[] {
  // One thread: a replay is about hits and latency, and the client is busy on one core.
  const args = ['--threads', '1', '--memory', `${memory}`, '--policy', policyOf(flags)];
  if (flags.maxEntries !== undefined) args.push('--max-entries', `${flags.maxEntries}`);
  if (flags.partitions !== undefined) args.push('--partitions', `${flags.partitions}`);
  return args;
}

/** What we know of the node: all that we chose, or nothing of a running one. */
function nodeFacts(
  flags: ReplayFlags,
  memoryBytes: number,
  node: ServerProcess | undefined,
): Partial<ReplayHead> {
  if (node === undefined) return {};
  return {
    policy: policyOf(flags),
    memoryBytes,
    ...(flags.maxEntries === undefined ? {} : { maxEntries: flags.maxEntries }),
    ...(flags.partitions === undefined ? {} : { partitions: flags.partitions }),
  };
}
