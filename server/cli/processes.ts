/**
 * The servers that `replay` and `bench` start: each a child process on a free port of 127.0.0.1,
 * ready when the promise resolves, and gone when this process goes, whichever way that happens
 * (end, error, Ctrl-C). One that cannot be started is a SlabringError `UNAVAILABLE` whose message
 * is for the user as it stands.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SlabringError } from '../../engine/errors.js';
import { SOFTWARE_VERSION } from '../software.js';
import { findProgram } from './machine.js';

/** A started server. */
export interface ServerProcess {
  /** `slabring`, `redis` or `memcached`. */
  readonly name: string;
  /** The version it reports, for the head of a report. */
  readonly version: string;
  readonly pid: number;
  /** Where it listens: `ws://127.0.0.1:PORT` for a node, `tcp://127.0.0.1:PORT` for the others. */
  readonly url: string;
  /** Stops it; resolves when it is gone. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Keep the server on these cores (Linux with taskset, as it writes them: `0`, `0-3`). */
  readonly cores?: string | undefined;
}

/**
 * Starting takes a fraction of a second; a server that is not ready after this long will not be.
 */
const START_DEADLINE_MS = 15_000;
/**
 * Servers drain their connections on SIGTERM; one that is still there after this long is killed.
 */
const STOP_DEADLINE_MS = 5_000;
/** How often a port is tried until its server listens. */
const PROBE_INTERVAL_MS = 20;

const running = new Set<ChildProcess>();
let watchingForExit = false;

/** Starts `slabring serve` of this very build with the given arguments on a free port. */
export async function startSlabring(
  args: readonly string[],
  options: StartOptions = {},
): Promise<ServerProcess> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const command = [main, 'serve', '--host', '127.0.0.1', '--port', '0', ...args];
  const child = start(process.execPath, command, options);
  const url = await untilReady<string>(child, 'slabring', (ready) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const match = /ws:\/\/[^\s/]+:\d+/.exec(output);
      if (match) ready(match[0]);
    });
  });
  return started('slabring', SOFTWARE_VERSION, child, url);
}

/** Starts `redis-server` from PATH, without persistence, with as many I/O threads as asked for. */
export async function startRedis(
  threads: number,
  options: StartOptions = {},
): Promise<ServerProcess> {
  const program = findProgram('redis-server');
  if (program === undefined) throw notInstalled('redis-server', 'redis-server', 'redis');
  const port = await freePort();
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  if (threads > 1) args.push('--io-threads', `${threads}`);
  const child = start(program, args, options);
  await untilListening(child, 'redis-server', port);
  const version = versionOf(program, '--version', /v=(\S+)/);
  return started('redis', version, child, `tcp://127.0.0.1:${port}`);
}

/** Starts `memcached` from PATH with this much memory, ready for this many connections. */
export async function startMemcached(
  threads: number,
  memoryBytes: number,
  connections: number,
  options: StartOptions = {},
): Promise<ServerProcess> {
  const program = findProgram('memcached');
  if (program === undefined) throw notInstalled('memcached', 'memcached', 'memcached');
  const port = await freePort();
  const args = ['-l', '127.0.0.1', '-p', `${port}`, '-U', '0'];
  args.push('-m', `${Math.ceil(memoryBytes / 2 ** 20)}`, '-c', `${connections + 64}`);
  // -R is the number of requests that a connection may have served per turn. The default of 20
  // costs memcached a third of its throughput on deep pipelines, and it shall be compared at its
  // best.
  args.push('-t', `${threads}`, '-R', '1000');
  // memcached refuses to run as root unless it is told that root is meant.
  if (process.getuid?.() === 0) args.push('-u', 'root');
  const child = start(program, args, options);
  await untilListening(child, 'memcached', port);
  const version = versionOf(program, '-V', /memcached (\S+)/);
  return started('memcached', version, child, `tcp://127.0.0.1:${port}`);
}

function notInstalled(program: string, apt: string, brew: string): SlabringError {
  return new SlabringError(
    'UNAVAILABLE',
    `${program} is not on PATH; install it (apt-get install ${apt}, or brew install ${brew}).`,
  );
}

function versionOf(program: string, flag: string, pattern: RegExp): string {
  const { stdout } = spawnSync(program, [flag], { encoding: 'utf8' });
  return pattern.exec(stdout ?? '')?.[1] ?? 'of unknown version';
}

/** Children must not outlive us, so every way out of this process kills them first. */
function watchForExit(): void {
  if (watchingForExit) return;
  watchingForExit = true;
  const killAll = (): void => {
    for (const child of running) child.kill('SIGKILL');
  };
  process.on('exit', killAll);
  // By convention a process that a signal ended reports 128 and the signal's number.
  const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
  for (const [signal, code] of Object.entries(codes)) {
    process.on(signal, () => process.exit(code));
  }
}

function start(program: string, args: readonly string[], options: StartOptions): ChildProcess {
  watchForExit();
  // taskset replaces itself with the program, so the child's process id is the server's.
  const [file, rest] =
    options.cores === undefined
      ? [program, args]
      : ['taskset', ['-c', options.cores, program, ...args]];
  // A token in our environment is for a node at --url; one that we start listens to this machine
  // alone and needs none.
  const { SLABRING_TOKEN: _, ...env } = process.env;
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/**
 * Waits until `watch` calls `ready`; a server that ends or takes too long before that is an error
 * (`UNAVAILABLE`) with what it said. Its output is read to the end also afterwards: a full pipe
 * would stop the server.
 */
function untilReady<T>(
  child: ChildProcess,
  name: string,
  watch: (ready: (value: T) => void, isOver: () => boolean) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let said = '';
    let over = false;
    const finish = (): void => {
      over = true;
      clearTimeout(timer);
    };
    const fail = (why: string): void => {
      if (over) return;
      finish();
      child.kill('SIGKILL');
      const quote = said.trim() === '' ? '' : `; it said: ${said.trim()}`;
      reject(new SlabringError('UNAVAILABLE', `${name} ${why}${quote}`));
    };
    const timer = setTimeout(() => {
      fail(`was not ready after ${START_DEADLINE_MS / 1000} s`);
    }, START_DEADLINE_MS);
    const collect = (chunk: Buffer): void => {
      if (!over) said += chunk.toString();
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('error', (error) => fail(`could not be started (${error.message})`));
    // 'close' comes after the last output, 'exit' may come before it.
    child.once('close', (code, signal) => fail(`ended at once (${signal ?? `code ${code}`})`));
    watch(
      (value) => {
        if (over) return;
        finish();
        resolve(value);
      },
      () => over,
    );
  });
}

/** Servers that print nothing to rely on are ready when their port takes a connection. */
function untilListening(child: ChildProcess, name: string, port: number): Promise<void> {
  return untilReady<void>(child, name, (ready, isOver) => {
    const probe = (): void => {
      if (isOver()) return;
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        ready();
      });
      socket.once('error', () => setTimeout(probe, PROBE_INTERVAL_MS));
    };
    probe();
  });
}

function started(name: string, version: string, child: ChildProcess, url: string): ServerProcess {
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.kill('SIGTERM');
    });
  return { name, version, pid: child.pid!, url, stop };
}

/** A port of 127.0.0.1 that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
