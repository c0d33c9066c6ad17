/**
 * The options of a node: what they are, their defaults (some from the machine), and where they are
 * read and refused.
 */
import { createHash, randomInt } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import type { ByteSize } from '../engine/api.js';
import type { ArenaSetOptions } from '../engine/arena-set.js';
import { DEFAULT_PORT } from '../engine/commands.js';
import { type Policy, readCacheOptions } from '../engine/config.js';
import { SlabringError } from '../engine/errors.js';
import { checkOptionNames, parseByteSize, show } from '../engine/units.js';
import {
  type ClusterConfig,
  type ClusterNodeOptions,
  readClusterOptions,
} from './cluster/config.js';
import {
  DEFAULT_MAX_BACKLOG_BYTES,
  DEFAULT_MEMORY_MAX_BYTES,
  DEFAULT_MEMORY_MIN_BYTES,
  DEFAULT_MEMORY_SHARE,
  DEFAULT_THREADS_MAX,
  FRAME_OVERHEAD_BYTES,
  MAX_BACKLOG_BYTES_MAX,
  MAX_BACKLOG_BYTES_MIN,
  MAX_MESSAGE_BYTES_MIN,
  THREADS_MAX,
} from './limits.js';

/**
 * `uws` is uWebSockets.js, `ws` the npm package of that name; `auto` takes uWebSockets.js where it
 * has a binary.
 */
export const FRONT_ENDS = ['auto', 'uws', 'ws'] as const;
export type FrontEndChoice = (typeof FRONT_ENDS)[number];

/** Options of `startNode`. An option that is `undefined` counts as absent. */
export interface NodeOptions {
  /** TCP port; 0 takes a free one. Default 7707. */
  port?: number | undefined;
  /**
   * Address or name to listen on. Default `'127.0.0.1'`: other machines reach the node only when
   * told so.
   */
  host?: string | undefined;
  /** Path of a Unix-domain socket to serve as well. Default: none. */
  unix?: string | undefined;
  /**
   * The hard budget of the cache. Default: a quarter of the memory of the machine or container, 64
   * MiB to 3 GiB.
   */
  memory?: ByteSize | undefined;
  /** Threads that serve connections. Default: one per core, at most 16. */
  threads?: number | undefined;
  /**
   * What happens when memory or `maxEntries` is used up: what `policy` says in `CacheOptions`.
   * Default `'adaptive'`.
   */
  policy?: Policy | undefined;
  /**
   * Number of independently locked parts, a power of two up to 256. Default: one for each 8 MiB of
   * `memory`, up to 64, with at least 1,000 of `maxEntries` each.
   */
  partitions?: number | undefined;
  /** The most entries kept. Default: as many as fit in `memory`. */
  maxEntries?: number | undefined;
  /**
   * Up to so many items a list, set, hash or sorted set is kept packed, from 0 to 1,024: what
   * `packedItems` says in `CacheOptions`. Default 128.
   */
  packedItems?: number | undefined;
  /** And up to so many bytes of items, from 0 to 4,096. Default 2,048. */
  packedBytes?: ByteSize | undefined;
  /** Number of arenas, up to 64. Default: as few as can hold `memory`. */
  arenas?: number | undefined;
  /**
   * The largest value, in encoded bytes. Default and maximum `'64mb'`, less in a cache that is too
   * small for such values: what `maxValue` says in `CacheOptions`.
   */
  maxValue?: ByteSize | undefined;
  /**
   * The secret that a client must show in HELLO before anything else. Default: none, everyone may
   * use the node.
   */
  token?: string | undefined;
  /** Web origins whose pages may connect without a token, or `'*'`. Default: none. */
  allowOrigins?: readonly string[] | undefined;
  /** The largest message, which is one frame. Default and maximum: `maxValue` and 128 KiB. */
  maxMessage?: ByteSize | undefined;
  /**
   * Bytes of frames that may wait on a connection whose client does not read, and any one frame.
   * Default `'16mb'`.
   */
  maxBacklog?: ByteSize | undefined;
  /**
   * Path of a file whose entries the cache has before the node listens, as `importFile` of the
   * embedded cache reads it. Default: none.
   */
  import?: string | undefined;
  /** Makes the node one of a cluster. Default: it is alone. */
  cluster?: ClusterNodeOptions | undefined;
  /** The WebSocket implementation. Default `'auto'`. */
  frontEnd?: FrontEndChoice | undefined;
}

/** What the threads of a node need to know of its options; structured-cloneable. */
export interface ServeConfig {
  readonly host: string;
  readonly port: number;
  readonly unix: string | undefined;
  readonly threads: number;
  readonly frontEnd: FrontEndChoice;
  /** SHA-256 of the token, so that comparing takes the same time for every guess. */
  readonly tokenDigest: Uint8Array | undefined;
  readonly allowOrigins: readonly string[];
  readonly maxMessageBytes: number;
  readonly maxBacklogBytes: number;
}

export interface NodeConfig {
  readonly serve: ServeConfig;
  readonly arena: ArenaSetOptions;
  readonly importPath: string | undefined;
  readonly cluster: ClusterConfig | undefined;
}

/** What defaults depend on; a parameter so that tests can be any machine. */
export interface Machine {
  readonly cores: number;
  /** Bytes this process may use: the machine's memory, or the limit of its container. */
  readonly memoryBytes: number;
}

const OPTION_NAMES = [
  'port',
  'host',
  'unix',
  'memory',
  'threads',
  'policy',
  'partitions',
  'maxEntries',
  'packedItems',
  'packedBytes',
  'arenas',
  'maxValue',
  'token',
  'allowOrigins',
  'maxMessage',
  'maxBacklog',
  'import',
  'cluster',
  'frontEnd',
] as const satisfies readonly (keyof NodeOptions)[];

/** Numbers of nodes in stamps have ten bits. */
export const NODE_NUMBERS = 1024;

/**
 * The path field of a socket address holds this many bytes, less one for the final zero (macOS:
 * 104).
 */
const UNIX_PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;

/** This machine, as far as this process may use it. */
export function thisMachine(): Machine {
  // Without a limit Node answers 0 or a number beyond any memory.
  const limit = process.constrainedMemory();
  const total = totalmem();
  return {
    cores: availableParallelism(),
    memoryBytes: limit > 0 && limit < total ? limit : total,
  };
}

/** Bytes of cache for a machine, when the user does not say. */
export function defaultMemoryBytes(machine: Machine): number {
  const share = Math.floor(machine.memoryBytes * DEFAULT_MEMORY_SHARE);
  return Math.min(Math.max(share, DEFAULT_MEMORY_MIN_BYTES), DEFAULT_MEMORY_MAX_BYTES);
}

/** Threads for a machine, when the user does not say. */
export function defaultThreads(machine: Machine): number {
  return Math.min(Math.max(machine.cores, 1), DEFAULT_THREADS_MAX);
}

/**
 * Checks the options and fills in the defaults.
 * @throws SlabringError `OPTION`, naming the option, what it was and what is allowed
 */
export function readNodeOptions(options: NodeOptions = {}, machine = thisMachine()): NodeConfig {
  checkOptionNames(options, OPTION_NAMES, 'startNode');
  const threads = readWhole(options.threads ?? defaultThreads(machine), 'threads', 1, THREADS_MAX);
  const host = readHost(options.host ?? '127.0.0.1');
  const port = readWhole(options.port ?? DEFAULT_PORT, 'port', 0, 65_535);
  const cluster = options.cluster && readClusterOptions(options.cluster, host, port);
  const { arena } = readCacheOptions({
    memory: options.memory ?? defaultMemoryBytes(machine),
    // One more for the thread that starts the others and answers for the node as a whole, and one
    // for that of the cluster.
    maxThreads: threads + (cluster ? 2 : 1),
    // Not to be had over the network yet.
    maxNamespaces: 0,
    ...(options.maxValue !== undefined && { maxValue: options.maxValue }),
    ...(options.policy !== undefined && { policy: options.policy }),
    ...(options.partitions !== undefined && { partitions: options.partitions }),
    ...(options.arenas !== undefined && { arenas: options.arenas }),
    ...(options.maxEntries !== undefined && { maxEntries: options.maxEntries }),
    ...(options.packedItems !== undefined && { packedItems: options.packedItems }),
    ...(options.packedBytes !== undefined && { packedBytes: options.packedBytes }),
  });
  const largestFrameBytes = arena.maxValueBytes + FRAME_OVERHEAD_BYTES;
  const serve: ServeConfig = {
    host,
    port,
    unix: readUnixPath(options.unix),
    threads,
    frontEnd: readFrontEnd(options.frontEnd ?? 'auto'),
    tokenDigest: readToken(options.token),
    allowOrigins: readOrigins(options.allowOrigins ?? []),
    maxMessageBytes: readBytes(
      options.maxMessage ?? largestFrameBytes,
      'maxMessage',
      MAX_MESSAGE_BYTES_MIN,
      largestFrameBytes,
    ),
    maxBacklogBytes: readBytes(
      options.maxBacklog ?? DEFAULT_MAX_BACKLOG_BYTES,
      'maxBacklog',
      MAX_BACKLOG_BYTES_MIN,
      MAX_BACKLOG_BYTES_MAX,
    ),
  };
  const clustered = cluster && {
    slots: true,
    // Which of two nodes wrote at the same time only has to be told apart.
    node: randomInt(NODE_NUMBERS),
    tombstoneMs: cluster.tombstoneMs,
  };
  const importPath = readImportPath(options.import);
  return { serve, arena: { ...arena, ...clustered }, importPath, cluster };
}

/** The digest that a shown token is compared by. */
export function digestToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

function refuse(option: string, allowed: string, value: unknown): never {
  throw new SlabringError('OPTION', `${option} must be ${allowed}, not ${show(value)}`);
}

function readWhole(value: number, option: string, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  refuse(option, `a whole number from ${min} to ${max}`, value);
}

function readBytes(size: ByteSize, option: string, min: number, max: number): number {
  const bytes = parseByteSize(size, option);
  if (bytes >= min && bytes <= max) return bytes;
  refuse(option, `from ${min} to ${max} bytes`, size);
}

function readHost(host: unknown): string {
  if (typeof host === 'string' && host !== '' && !/[\s/]/.test(host)) return host;
  refuse('host', "an address or name such as '127.0.0.1', '::1' or 'localhost'", host);
}

function readUnixPath(path: unknown): string | undefined {
  if (path === undefined) return undefined;
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) {
    if (Buffer.byteLength(path) <= UNIX_PATH_BYTES_MAX) return path;
  }
  refuse('unix', `a path of 1 to ${UNIX_PATH_BYTES_MAX} bytes`, path);
}

function readImportPath(path: unknown): string | undefined {
  if (path === undefined || (typeof path === 'string' && path !== '')) return path;
  refuse('import', 'the path of a file', path);
}

function readToken(token: unknown): Uint8Array | undefined {
  if (token === undefined) return undefined;
  // The token itself must not end up in a log, so the message does not show it.
  if (typeof token === 'string' && token !== '') return digestToken(token);
  throw new SlabringError('OPTION', 'token must be a text of at least one character');
}

function readOrigins(origins: readonly string[]): readonly string[] {
  const isOrigin = (origin: unknown) =>
    typeof origin === 'string' &&
    (origin === '*' || /^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/.test(origin));
  const wrong = Array.isArray(origins) ? origins.find((origin) => !isOrigin(origin)) : origins;
  if (wrong === undefined) return [...origins];
  refuse('allowOrigins', "origins such as 'https://app.example.com', or '*'", wrong);
}

function readFrontEnd(choice: FrontEndChoice): FrontEndChoice {
  if (FRONT_ENDS.includes(choice)) return choice;
  refuse('frontEnd', "'auto', 'uws' or 'ws'", choice);
}
