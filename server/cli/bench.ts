/**
 * `slabring bench`: loads a node with prebuilt frames and, on request, redis and memcached in the
 * same way beside it.
 */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SlabringError } from '../../engine/errors.js';
import { byteSize, decimalNumber, wholeNumber } from './arguments.js';
import { MIX_HELP, type Mix, readMix } from './bench-mix.js';
import type { BenchPlan, Contestant } from './bench-run.js';
import type { LoadTarget } from './load/loader.js';
import type { LoadProtocol } from './load/protocol.js';
import { LIST_LENGTH, SHAPES } from './load/shape.js';
import type { ServerProcess } from './processes.js';

interface BenchFlags {
  url?: string;
  pipeline: number;
  connections: number;
  inFlight: number;
  keys: number;
  valueSize: number;
  mix: Mix;
  seconds: number;
  rounds?: number;
  threads?: number;
  memory?: number;
  vs?: Peer[];
  pin?: boolean;
  json?: boolean;
}

const PEERS = ['redis', 'memcached'] as const;
type Peer = (typeof PEERS)[number];

const MIB = 2 ** 20;
/**
 * What an entry costs a server beside its value: key, header, index, the unused end of its slot.
 * Rounded up for all of them.
 */
const ENTRY_OVERHEAD_BYTES = 160;
const SERVER_OVERHEAD_BYTES = 128 * MIB;
/** For the node that is started: one arena. */
const NODE_MEMORY_MAX_BYTES = 3 * 1024 * MIB;
/**
 * The longest frame: a node takes 64 MiB and 128 KiB by default, or half of a small memory and 128
 * KiB.
 */
const FRAME_BYTES_MAX = 15 * MIB;
/** What a command needs in a frame beside its value, at most. */
const COMMAND_BYTES = 40;
/** Rounds when servers are compared: a median wants three. */
const ROUNDS_COMPARED = 3;

const HELP = `
Keys are 'key:' and 12 digits, chosen at random.
The loader runs in this process on one thread, the server in a process of its
own. Every reply of the first 2,000 frames is checked byte by byte, then those
of every 64th frame.
${MIX_HELP}

Columns: CPU/op is the server's CPU time (user and system, all threads) divided
by the operations; server and loader are the share of a core that each used;
p50, p99 and p99.9 are round trips of a frame. With --vs the servers are measured
in turns; the ratios are medians over the rounds, with the least and the most.
At --pipeline 1 the loader costs as much as a server does: compare CPU/op there,
not ops/s.

Examples:
  GETs, 128 a frame, on a node started for it:
    slabring bench
  nine GETs to one SET of larger values, 16 a frame:
    slabring bench --mix 90:10 --pipeline 16 --value-size 1024
  beside the two others, everything pinned to cores (Linux):
    slabring bench --vs redis --vs memcached --pin
  commands on a hash, 64 a frame, beside redis:
    slabring bench --mix hget --pipeline 64 --vs redis --pin
  a node that runs already:
    slabring bench --url ws://cache-1:7707 --keys 100000 --json

A node that asks for a token cannot be measured.
Exit code: 0, or 1 when a server answered errors or not what it was asked for.`;

/** Adds `slabring bench` to the program. */
export function registerBench(program: Command): void {
  program
    .command('bench')
    .summary('load a node and print throughput, latency and CPU per operation')
    .description(
      'Loads a node with prebuilt frames over WebSocket and prints operations per second, ' +
        "round-trip times, errors and the server's CPU time per operation; with --vs " +
        'beside other servers.',
    )
    .option(
      '--url <url>',
      'measure this running node (ws://HOST:PORT or ws+unix:PATH:/) instead of starting one',
      loadUrl,
    )
    .option('--pipeline <n>', 'commands in a frame', wholeNumber(1, 100_000), 128)
    .option('--connections <n>', 'connections', wholeNumber(1, 10_000), 50)
    .option('--in-flight <n>', 'frames in flight on each connection', wholeNumber(1, 16), 1)
    .option('--keys <n>', 'number of different keys', wholeNumber(1, 1_000_000_000), 1_000_000)
    .option('--value-size <bytes>', 'bytes of each value', wholeNumber(0, MIB), 32)
    .addOption(
      new Option(
        '--mix <mix>',
        'get, set, GETs to SETs such as 90:10, or hget, hset, sadd, zadd, lpush',
      )
        .argParser(readMix)
        .default(readMix('get'), 'get'),
    )
    .option('--seconds <s>', 'seconds of a round', decimalNumber(0.1, 3600), 5)
    .option('--rounds <n>', 'rounds of each server (default: 1, with --vs 3)', wholeNumber(1, 1000))
    .option(
      '--threads <n>',
      'threads of the servers that are started (default: 1)',
      wholeNumber(1, 64),
    )
    .option(
      '--memory <size>',
      "memory of the servers, such as '1gb' (default: enough for all keys)",
      byteSize,
    )
    .option(
      '--vs <server>',
      'also start and measure redis or memcached from PATH; may be repeated',
      addPeer,
    )
    .option(
      '--pin',
      'keep the servers on the first cores and the loader on the next (Linux, taskset)',
    )
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', HELP)
    .action(async (flags: BenchFlags, command: Command) => {
      try {
        process.exitCode = await runBench(flags);
      } catch (error) {
        // What a user can set right, or a server did wrong, is one line; a mistake of ours keeps
        // its stack.
        const known = error instanceof Error && ['SlabringError', 'LoadError'].includes(error.name);
        if (!known) throw error;
        command.error(error.message, { exitCode: 1 });
      }
    });
}

async function runBench(flags: BenchFlags): Promise<number> {
  // Loaded here, so that the other commands of the program do not pay for them.
  const { bench } = await import('./bench-run.js');
  const { benchAsJson, benchAsText } = await import('./bench-report.js');
  const { Progress } = await import('./progress.js');

  checkFlags(flags);
  const progress = new Progress(process.stderr, () => performance.now());
  const cores = flags.pin ? await pin(flags) : undefined;
  const plan: BenchPlan = {
    workload: {
      keys: flags.keys,
      valueBytes: flags.valueSize,
      getShare: flags.mix.getShare,
      pipeline: flags.pipeline,
    },
    connections: flags.connections,
    inFlight: flags.inFlight,
    seconds: flags.seconds,
    rounds: flags.rounds ?? (peersOf(flags).length > 0 ? ROUNDS_COMPARED : 1),
    onProgress: (what, done, total) => progress.show(what, done, total),
  };
  const servers: ServerProcess[] = [];
  try {
    const contestants = await startContestants(flags, cores?.server, servers);
    const outcomes = await bench(contestants, plan);
    progress.finish();
    const head = {
      plan,
      mix: flags.mix.text,
      shape: flags.mix.shape,
      threads: flags.url === undefined ? (flags.threads ?? 1) : undefined,
      pinned: cores && `servers on core ${cores.server}, loader on core ${cores.loader}`,
    };
    process.stdout.write(flags.json ? benchAsJson(head, outcomes) : benchAsText(head, outcomes));
    return outcomes.some((outcome) => outcome.errors > 0) ? 1 : 0;
  } finally {
    progress.finish();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function checkFlags(flags: BenchFlags): void {
  const nodeFlag = (['threads', 'memory'] as const).find((flag) => flags[flag] !== undefined);
  if (flags.url !== undefined && peersOf(flags).length === 0 && nodeFlag !== undefined) {
    throw new SlabringError(
      'OPTION',
      `--${nodeFlag} describes the node to start; the node at --url has its own`,
    );
  }
  if (flags.mix.shape !== SHAPES.strings && peersOf(flags).includes('memcached')) {
    throw new SlabringError(
      'OPTION',
      `memcached has no collections: ${flags.mix.text} is measured beside redis only`,
    );
  }
  const frameBytes = flags.pipeline * (COMMAND_BYTES + flags.valueSize);
  if (frameBytes > FRAME_BYTES_MAX) {
    throw new SlabringError(
      'OPTION',
      `--pipeline ${flags.pipeline} with --value-size ${flags.valueSize} makes frames of ` +
        `${frameBytes} bytes; bench sends ${FRAME_BYTES_MAX} at most`,
    );
  }
}

/** Moves this process to its core; the servers' cores as taskset wants them. */
async function pin(flags: BenchFlags): Promise<{ server: string; loader: string }> {
  const { pinSelf, whyNoPinning } = await import('./machine.js');
  const why = whyNoPinning();
  if (why !== undefined) throw new SlabringError('OPTION', why);
  const threads = flags.threads ?? 1;
  if (availableParallelism() <= threads) {
    throw new SlabringError(
      'OPTION',
      `--pin needs a core for each server thread and one for the loader: ${threads + 1}, ` +
        `here are ${availableParallelism()}`,
    );
  }
  pinSelf(`${threads}`);
  return { server: threads === 1 ? '0' : `0-${threads - 1}`, loader: `${threads}` };
}

/**
 * Starts what is to be measured, ours first; every started server is put into `servers` at once, so
 * that it gets stopped.
 */
async function startContestants(
  flags: BenchFlags,
  cores: string | undefined,
  servers: ServerProcess[],
): Promise<Contestant[]> {
  const { startMemcached, startRedis, startSlabring } = await import('./processes.js');
  const { SlabringProtocol } = await import('./load/slabring.js');
  const { memcachedProtocol, respProtocol } = await import('./load/text.js');
  const { shape } = flags.mix;
  const threads = flags.threads ?? 1;
  const memory = flags.memory ?? memoryFor(flags);
  const contestants: Contestant[] = [];

  if (flags.url !== undefined) {
    const target = targetOf(flags.url);
    const protocol = new SlabringProtocol('host' in target ? target.host : 'localhost', shape);
    contestants.push({
      name: 'slabring',
      version: `at ${flags.url}`,
      target,
      protocol,
      pid: undefined,
    });
  } else {
    const args = [
      '--threads',
      `${threads}`,
      '--memory',
      `${Math.min(memory, NODE_MEMORY_MAX_BYTES)}`,
    ];
    const server = await startSlabring(args, { cores });
    servers.push(server);
    contestants.push(started(server, new SlabringProtocol('127.0.0.1', shape)));
  }
  for (const peer of peersOf(flags)) {
    const server =
      peer === 'redis'
        ? await startRedis(threads, { cores })
        : await startMemcached(threads, memory, flags.connections, { cores });
    servers.push(server);
    const protocol =
      peer === 'redis' ? respProtocol(flags.valueSize, shape) : memcachedProtocol(flags.valueSize);
    contestants.push(started(server, protocol));
  }
  return contestants;
}

function started(server: ServerProcess, protocol: LoadProtocol): Contestant {
  const { name, version, pid, url } = server;
  return { name, version, pid, target: targetOf(url), protocol };
}

/** Enough that no server has to evict: a GET that finds nothing is less work. */
function memoryFor(flags: BenchFlags): number {
  // Every frame in flight may have pushed its elements, and none has cut the list yet.
  const pushed = flags.connections * flags.inFlight * flags.pipeline;
  const entries = flags.mix.shape.filled ? flags.keys : LIST_LENGTH + pushed;
  const entryBytes = flags.valueSize + ENTRY_OVERHEAD_BYTES;
  return Math.ceil(1.25 * entries * entryBytes + SERVER_OVERHEAD_BYTES);
}

function targetOf(url: string): LoadTarget {
  const unix = /^ws\+unix:(.+?)(:\/.*)?$/.exec(url);
  if (unix) return { path: unix[1]! };
  const { hostname, port } = new URL(url);
  // The URL keeps an IPv6 address in brackets, a socket wants it without.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) };
}

function loadUrl(text: string): string {
  if (!/^(ws:\/\/[^/\s]+|ws\+unix:\S+)/.test(text)) {
    throw new InvalidArgumentError(
      "It must look like 'ws://127.0.0.1:7707' or 'ws+unix:PATH:/'; the loader does not speak TLS.",
    );
  }
  return text;
}

function peersOf(flags: BenchFlags): Peer[] {
  return flags.vs ?? [];
}

function addPeer(text: string, earlier: Peer[] = []): Peer[] {
  const peer = PEERS.find((name) => name === text);
  if (peer === undefined) throw new InvalidArgumentError(`It must be ${PEERS.join(' or ')}.`);
  return earlier.includes(peer) ? earlier : [...earlier, peer];
}
