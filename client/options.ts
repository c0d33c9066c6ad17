/**
 * The client's options: what a caller may give, their defaults with the reason, and the one place
 * that checks them.
 */
import type { ByteSize, Duration } from '../engine/api.js';
import { SlabringError } from '../engine/errors.js';
import { checkOptionNames, parseByteSize, parseDuration, show } from '../engine/units.js';
import {
  readSessionOptions,
  SESSION_OPTIONS,
  type SessionOptions,
  type SessionSettings,
} from './session-options.js';
import type { SocketFactory } from './socket.js';

/** Options of `connect` and `new Client`. Every one may be left out. */
export interface ClientOptions extends SessionOptions {
  /** Shown to the server in HELLO. Needed when the server was started with a token. */
  token?: string;
  /** Shown to the server in HELLO. */
  user?: string;
  /** A name for this client, shown to the server in HELLO. Default: `'slabring-js'`. */
  name?: string;
  /** Time to live of entries stored without one of their own. Default: 0, they do not expire. */
  ttl?: Duration;
  /**
   * Deadline of a command, counted from the call, time in the queue included. 0: none. Default: 1
   * s.
   */
  timeout?: Duration;
  /** Deadline of one attempt to connect, HELLO included. 0: none. Default: 5 s. */
  connectTimeout?: Duration;
  /**
   * Where the node is one of a cluster: connect to the others as well, and send each command to the
   * node of its key. Otherwise all goes to one node, which asks the others. Default: true.
   */
  routes?: boolean;
  /**
   * In a cluster: ask again, within `timeout`, for what a node did not run; and, of commands that
   * leave the same when they run twice, for what was lost on its way. Default: true.
   */
  retry?: boolean;
  /** Connect again when the connection is lost. Default: true. */
  reconnect?: boolean;
  /** Delay before the first new attempt, doubled for each further one, jittered. Default: 50 ms. */
  reconnectDelay?: Duration;
  /** The longest delay between two attempts. Default: 5 s. */
  reconnectDelayMax?: Duration;
  /** How many commands may wait once an attempt to connect has failed. Default: 10,000. */
  queueLimit?: number;
  /** How many bytes of commands may wait to leave, connected or not. Default: 64 MiB. */
  bufferLimit?: ByteSize;
  /** A frame is sent early once it holds this many bytes. Default: 256 KiB. */
  frameBytes?: ByteSize;
  /** A frame is sent early once it holds this many commands. Default: 1,000. */
  frameCommands?: number;
  /** Makes the socket. Default: the package `ws` in Node, the global WebSocket elsewhere. */
  socketFactory?: SocketFactory;
}

/** The options with everything filled in: times in milliseconds, sizes in bytes. */
export interface ClientSettings {
  readonly token: string | undefined;
  readonly user: string | undefined;
  readonly name: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly routes: boolean;
  readonly retry: boolean;
  readonly session: SessionSettings;
  readonly reconnect: boolean;
  readonly reconnectDelayMs: number;
  readonly reconnectDelayMaxMs: number;
  readonly queueLimit: number;
  readonly bufferLimitBytes: number;
  readonly frameBytes: number;
  readonly frameCommands: number;
  readonly socketFactory: SocketFactory | undefined;
}

const DEFAULTS = {
  name: 'slabring-js',
  ttl: 0,
  // A cache that takes longer than a second is worse than none: the caller should ask the origin.
  timeout: 1_000,
  connectTimeout: 5_000,
  routes: true,
  retry: true,
  reconnect: true,
  reconnectDelay: 50,
  // A node that comes back is used again within this time.
  reconnectDelayMax: 5_000,
  // About a second of a busy process; more would only time out in the queue.
  queueLimit: 10_000,
  bufferLimit: 64 * 1024 * 1024,
  // Larger frames bring no more speed, and hold up the replies of the commands at their start.
  frameBytes: 256 * 1024,
  frameCommands: 1_000,
} as const;

const OPTION_NAMES: readonly (keyof ClientOptions)[] = [
  'token',
  'user',
  'name',
  'ttl',
  'timeout',
  'connectTimeout',
  'reconnect',
  'reconnectDelay',
  'reconnectDelayMax',
  'queueLimit',
  'bufferLimit',
  'frameBytes',
  'frameCommands',
  'socketFactory',
  'routes',
  'retry',
  ...SESSION_OPTIONS,
];

const URL_SCHEMES = ['ws:', 'wss:', 'ws+unix:'];

/**
 * Checks the address of a node and returns it as the socket wants it.
 * @throws SlabringError `OPTION`
 */
export function checkUrl(url: string | URL): string {
  const text = String(url);
  if (!URL.canParse(text) || !URL_SCHEMES.includes(new URL(text).protocol)) {
    throw new SlabringError(
      'OPTION',
      `url must be like 'ws://127.0.0.1:7707', 'wss://HOST:PORT' or 'ws+unix:PATH:/', ` +
        `not ${show(url)}`,
    );
  }
  return text;
}

/**
 * Checks the addresses of nodes: one, or several of which any will do.
 * @throws SlabringError `OPTION`
 */
export function checkUrls(urls: string | URL | readonly (string | URL)[]): string[] {
  const all = Array.isArray(urls) ? urls : [urls];
  if (all.length === 0) throw new SlabringError('OPTION', 'there must be at least one url');
  return [...new Set(all.map(checkUrl))];
}

/**
 * Fills in the defaults.
 * @throws SlabringError `OPTION`, naming the option
 */
export function readOptions(options: ClientOptions = {}): ClientSettings {
  checkOptionNames(options, OPTION_NAMES, 'the client');
  const timeoutMs = timer(options, 'timeout');
  const settings: ClientSettings = {
    token: text(options, 'token'),
    user: text(options, 'user'),
    name: text(options, 'name') ?? DEFAULTS.name,
    ttlMs: parseDuration(options.ttl ?? DEFAULTS.ttl, 'ttl'),
    timeoutMs,
    session: readSessionOptions(options, timeoutMs),
    connectTimeoutMs: timer(options, 'connectTimeout'),
    routes: flag(options, 'routes') ?? DEFAULTS.routes,
    retry: flag(options, 'retry') ?? DEFAULTS.retry,
    reconnect: flag(options, 'reconnect') ?? DEFAULTS.reconnect,
    reconnectDelayMs: timer(options, 'reconnectDelay'),
    reconnectDelayMaxMs: timer(options, 'reconnectDelayMax'),
    queueLimit: count(options, 'queueLimit', 0),
    bufferLimitBytes: parseByteSize(options.bufferLimit ?? DEFAULTS.bufferLimit, 'bufferLimit'),
    frameBytes: parseByteSize(options.frameBytes ?? DEFAULTS.frameBytes, 'frameBytes'),
    frameCommands: count(options, 'frameCommands', 1),
    socketFactory: options.socketFactory,
  };
  if (settings.reconnectDelayMaxMs < settings.reconnectDelayMs) {
    throw new SlabringError(
      'OPTION',
      `reconnectDelayMax (${settings.reconnectDelayMaxMs} ms) must not be less than ` +
        `reconnectDelay (${settings.reconnectDelayMs} ms)`,
    );
  }
  if (settings.socketFactory !== undefined && typeof settings.socketFactory !== 'function') {
    throw new SlabringError(
      'OPTION',
      `socketFactory must be a function, not ${show(settings.socketFactory)}`,
    );
  }
  return settings;
}

function text(options: ClientOptions, name: 'token' | 'user' | 'name'): string | undefined {
  const value = options[name];
  if (value !== undefined && typeof value !== 'string') {
    throw new SlabringError('OPTION', `${name} must be a string, not ${show(value)}`);
  }
  return value;
}

function flag(options: ClientOptions, name: 'reconnect' | 'routes' | 'retry'): boolean | undefined {
  const value = options[name];
  if (value !== undefined && typeof value !== 'boolean') {
    throw new SlabringError('OPTION', `${name} must be true or false, not ${show(value)}`);
  }
  return value;
}

function count(
  options: ClientOptions,
  name: 'queueLimit' | 'frameCommands',
  least: number,
): number {
  const value = options[name] ?? DEFAULTS[name];
  if (!Number.isSafeInteger(value) || value < least) {
    throw new SlabringError(
      'OPTION',
      `${name} must be a whole number of ${least} or more, not ${show(value)}`,
    );
  }
  return value;
}

/** Timers of JavaScript count in 31 bits: a longer delay would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

function timer(
  options: ClientOptions,
  name: 'timeout' | 'connectTimeout' | 'reconnectDelay' | 'reconnectDelayMax',
): number {
  const ms = parseDuration(options[name] ?? DEFAULTS[name], name);
  if (ms > TIMER_MS_MAX) {
    throw new SlabringError(
      'OPTION',
      `${name} must be at most ${TIMER_MS_MAX} ms, not ${show(options[name])}`,
    );
  }
  return ms;
}
