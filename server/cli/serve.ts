/** `slabring serve`: one node as a process of its own. */
import { type Command, Option } from 'commander';
import { POLICIES, type Policy } from '../../engine/arena.js';
import { DEFAULT_POLICY } from '../../engine/config.js';
import { SlabringError } from '../../engine/errors.js';
import { type SlabringNode, startNode } from '../node.js';
import type { FrontEndChoice, NodeOptions } from '../options.js';
import { defaultMemoryBytes, defaultThreads, FRONT_ENDS, thisMachine } from '../options.js';
import { SOFTWARE_VERSION } from '../software.js';
import { byteSize, powerOfTwo, wholeNumber } from './arguments.js';
import {
  addClusterOptions,
  type ClusterFlags,
  inFlags,
  readClusterFlags,
} from './cluster-flags.js';
import * as format from './format.js';

interface ServeFlags {
  port: number;
  host: string;
  memory: number;
  threads: number;
  policy: Policy;
  maxEntries?: number;
  packedItems?: number;
  packedBytes?: number;
  partitions?: number;
  arenas?: number;
  unix?: string;
  token?: string;
  allowOrigin?: string[];
  maxValue?: number;
  maxMessage?: number;
  maxBacklog?: number;
  import?: string;
  frontEnd: FrontEndChoice;
}

const HELP = `
One port serves everything: frames of msgpack over WebSocket, GET /healthz and GET /stats.
SIGTERM and SIGINT stop the node: it answers what it has received, closes the connections
with code 1001 and exits with code 0, as a rule in milliseconds. After 5.5 seconds it drops
clients that do not read, and within 10 seconds it has ended; a second signal ends it at once.

Examples:
  slabring serve
  slabring serve --port 7800 --memory 2gb --threads 4
  slabring serve --unix /run/slabring.sock --max-entries 100000 --policy lfu
  slabring serve --cluster shop
  slabring serve --cluster shop --port 7708 --join 127.0.0.1:17707
  SLABRING_TOKEN=secret slabring serve --host 0.0.0.0

Exit code: 0 after a signal, or 1 with one line on stderr when the node cannot start or fails.`;

/** By convention a process that a signal ended reports 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Adds `slabring serve` to the program. */
export function registerServe(program: Command): void {
  const machine = thisMachine();
  const memory = defaultMemoryBytes(machine);
  const command = program
    .command('serve')
    .summary('start a node')
    .description('Start a node: a cache that clients reach over WebSocket.')
    .option('--port <number>', 'TCP port; 0 takes a free one', wholeNumber(0, 65_535), 7707)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all of them', '127.0.0.1')
    .addOption(
      new Option('--memory <size>', 'memory of the cache, index included, such as 512mb or 1gb')
        .argParser(byteSize)
        .default(memory, `a quarter of what there is: ${format.bytes(memory)}`),
    )
    .addOption(
      new Option('--threads <number>', 'threads that serve connections, at most 63')
        .argParser(wholeNumber(1))
        .default(defaultThreads(machine), `one per core, at most 16: ${defaultThreads(machine)}`),
    )
    .addOption(
      new Option('--policy <name>', 'what goes when memory is full; none refuses writes instead')
        .choices(POLICIES)
        .default(DEFAULT_POLICY),
    )
    .option('--max-entries <number>', 'the most entries kept', wholeNumber(1))
    .option(
      '--packed-items <number>',
      'lists, sets, hashes and sorted sets of up to so many items are packed, at most 1024 ' +
        '(default: 128)',
      wholeNumber(0, 1024),
    )
    .option(
      '--packed-bytes <size>',
      'and of up to so many bytes, at most 4kb (default: 2kb)',
      byteSize,
    )
    .option(
      '--partitions <number>',
      'independently locked parts of each arena, a power of two, at most 256 ' +
        '(default: 1 per 8 MiB, at most 64)',
      powerOfTwo,
    )
    .option(
      '--arenas <number>',
      'memories that share out the keys, at most 64 (default: as few as hold the memory)',
      wholeNumber(1, 64),
    )
    .option('--unix <path>', 'serve a Unix-domain socket as well')
    .addOption(
      new Option(
        '--token <secret>',
        'what clients must show in HELLO; others can see it in ps',
      ).env('SLABRING_TOKEN'),
    )
    .option('--allow-origin <origin...>', "web origins whose pages may connect, or '*'")
    .option(
      '--max-value <size>',
      'the largest value (default: 64mb, or half of an arena if that is less; maximum: 64mb)',
      byteSize,
    )
    .option(
      '--max-message <size>',
      'the largest message (default and maximum: a value and 128kb)',
      byteSize,
    )
    .option(
      '--max-backlog <size>',
      'frames kept for a client that does not read, or one (default: 16mb)',
      byteSize,
    )
    .option(
      '--import <file>',
      'entries to begin with, as NDJSON or msgpack (see docs/OPERATIONS.md)',
    )
    .addOption(
      new Option('--front-end <name>', 'the WebSocket implementation')
        .choices(FRONT_ENDS)
        .default('auto')
        .hideHelp(),
    )
    .addHelpText('after', HELP)
    .action(serve);
  addClusterOptions(command);
}

async function serve(flags: ServeFlags & ClusterFlags, command: Command): Promise<void> {
  let node: SlabringNode;
  try {
    const cluster = await readClusterFlags(
      flags,
      (name) => command.getOptionValueSource(name) === 'cli',
    );
    node = await startNode(
      { ...nodeOptions(flags), cluster },
      { onWarning: (text) => say(`warning: ${text}`), onFailure: fail },
    );
  } catch (error) {
    if (!(error instanceof SlabringError)) throw error;
    fail(new SlabringError(error.code, inFlags(error.message), { cause: error }));
  }
  stopOnSignals(node);
  process.stdout.write(greeting(node, flags));
}

/** The options of the node itself. */
function nodeOptions(flags: ServeFlags): NodeOptions {
  const { port, host, memory, threads, policy, maxEntries, packedItems, packedBytes } = flags;
  const { partitions, arenas, unix, token, allowOrigin, maxValue, maxMessage } = flags;
  const { maxBacklog, import: path, frontEnd } = flags;
  return {
    ...{ port, host, memory, threads, policy, maxEntries, packedItems, packedBytes },
    ...{ partitions, arenas, unix, token, allowOrigins: allowOrigin, maxValue, maxMessage },
    ...{ maxBacklog, import: path, frontEnd },
  };
}

function say(text: string): void {
  process.stderr.write(`slabring: ${text}\n`);
}

function fail(error: Error): never {
  say(error.message);
  process.exit(1);
}

function stopOnSignals(node: SlabringNode): void {
  let stopping = false;
  for (const [signal, code] of Object.entries(EXIT_CODES)) {
    process.on(signal, () => {
      if (stopping) process.exit(code);
      stopping = true;
      node.close().then(() => process.exit(0), fail);
    });
  }
}

/**
 * What the node is, and lines to copy that work as they stand in a directory with slabring in it.
 */
function greeting(node: SlabringNode, flags: ServeFlags & ClusterFlags): string {
  const hasToken = flags.token !== undefined;
  const threads = node.threads === 1 ? '1 thread' : `${node.threads} threads`;
  const through = node.frontEnd === 'uws' ? 'uWebSockets.js' : 'ws';
  const memory = format.bytes(node.memoryBytes);
  const url = node.urls[0]!;
  const header = hasToken ? ' -H "authorization: Bearer $SLABRING_TOKEN"' : '';
  const options = hasToken ? ', { token: process.env.SLABRING_TOKEN }' : '';
  const tries = [
    `curl${header} ${url.replace('ws://', 'http://')}/stats`,
    `node --input-type=module -e "import { connect } from 'slabring/client'; ` +
      `const cache = await connect('${url}'${options}); await cache.set('greeting', 'hello'); ` +
      `process.stdout.write(await cache.get('greeting') + '\\n'); await cache.close();"`,
  ];
  if (!hasToken) tries.push(`npx slabring bench --url ${url} --seconds 2`);
  const { imported, cluster } = node;
  const begun = flags.join === undefined ? 'the first node' : 'alone';
  const others = cluster?.isJoined ? 'with others' : begun;
  const member = cluster
    ? `\n  cluster ${cluster.name}, ${others}; other nodes join at ${cluster.address}`
    : '';
  const found =
    imported === undefined
      ? ''
      : `\n  ${imported.entries} entries imported in ${imported.seconds.toFixed(1)} s`;
  return `slabring ${SOFTWARE_VERSION} listens on ${node.urls.join(' and ')}
  ${threads}, ${memory}, policy ${node.policy}, ${through}, node ${node.nodeId}${member}${found}

Try, in another terminal:
${tries.map((line) => `  ${line}`).join('\n')}
`;
}
