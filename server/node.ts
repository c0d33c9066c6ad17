/**
 * One node: an arena, the threads that serve it, and the socket they get their connections from.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { ArenaSet } from '../engine/arena-set.js';
import { SlabringError } from '../engine/errors.js';
import { CacheJobs, type ImportResult } from '../engine/jobs/cache-jobs.js';
import { type Acceptor, createAcceptor } from './acceptor.js';
import { createCounters } from './counters.js';
import { loadUws, NoBinary, type UwsModule } from './front-end.js';
import { DRAIN_DEADLINE_MS, LINGER_MS, STOP_DEADLINE_MS } from './limits.js';
import { joinCluster, type Member, portTo } from './node-cluster.js';
import { type NodeHooks, throwLater, warnProcess } from './node-hooks.js';
import { type NodeOptions, readNodeOptions, type ServeConfig } from './options.js';
import { SOFTWARE_VERSION } from './software.js';
import { hostPort, probePort, resolveHost } from './tcp-port.js';
import type { ListenPlan, NodeFacts } from './thread-contract.js';
import { guardExit, ThreadHandle } from './threads.js';
import { claimUnixPath, ownUnixPath } from './unix-socket.js';

/** A node's part in its cluster. */
export interface NodeCluster {
  readonly name: string;
  /** Where other nodes reach it. */
  readonly address: string;
  /** Whether others were there when it started; false: it began alone. */
  readonly isJoined: boolean;
}

/** A running node. */
export interface SlabringNode {
  readonly nodeId: string;
  /** The port it listens on, also when port 0 asked for any. */
  readonly port: number;
  /** Where clients reach it: `ws://HOST:PORT`, and `ws+unix:PATH:/` with a Unix-domain socket. */
  readonly urls: readonly string[];
  readonly threads: number;
  readonly memoryBytes: number;
  readonly policy: string;
  readonly frontEnd: 'uws' | 'ws';
  /** Its part in a cluster; undefined: it is in none. */
  readonly cluster: NodeCluster | undefined;
  /** What came of the option `import`; undefined without it. */
  readonly imported: ImportResult | undefined;
  /**
   * Stops the node: takes no more connections, answers the frames that have come, closes the
   * connections with 1001, ends the threads and gives the memory back. Takes about six seconds at
   * most, less as a rule.
   * @throws SlabringError `INTERNAL` when a thread is stuck; only the end of the process ends it
   *   then
   */
  close(): Promise<void>;
}

/**
 * Starts a node in this process.
 * @throws SlabringError `OPTION` when an option is wrong, memory too little or the port in use;
 *   nothing is left running
 */
export async function startNode(
  options: NodeOptions = {},
  hooks: NodeHooks = {},
): Promise<SlabringNode> {
  const { onWarning = warnProcess, onFailure = throwLater } = hooks;
  const read = readNodeOptions(options);
  // Told when the node has started: before an error they would only be in the way.
  const warnings: string[] = [];
  const uws = await chooseFrontEnd(read.serve, warnings);
  const sharePort = uws === undefined && canSharePort();
  const config = fitThreads(read.serve, uws !== undefined || sharePort, warnings);
  const address = await resolveHost(config.host);
  await probePort(address, config.port);
  if (config.unix !== undefined) await claimUnixPath(config.unix);
  if (!isLoopback(address) && config.tokenDigest === undefined) {
    warnings.push(`${config.host} can be reached from other machines, and no token is asked for`);
  }

  const arenas = ArenaSet.create(read.arena);
  // This thread has more time for it than those that serve.
  arenas.startUpkeep();
  const imported = await importInto(arenas, read.importPath);
  const facts: NodeFacts = {
    nodeId: randomBytes(8).toString('hex'),
    software: SOFTWARE_VERSION,
    startedAtMs: Date.now(),
    frontEnd: uws ? 'uws' : 'ws',
  };
  const counters = createCounters(config.threads);
  const quiet = new SharedArrayBuffer(config.threads * Int32Array.BYTES_PER_ELEMENT);
  const threads: ThreadHandle[] = [];
  const ports: MessagePort[] = [];
  const startThread = (listen: ListenPlan) => {
    const thread = threads.length;
    const cluster = read.cluster && { name: read.cluster.name, port: portTo(ports) };
    const start = {
      arenas: arenas.handle,
      config,
      facts,
      thread,
      counters,
      quiet,
      listen,
      cluster,
    };
    const handle = new ThreadHandle(start, onFailure);
    threads.push(handle);
    return handle.ready;
  };

  const unguardExit = guardExit(threads, quiet);
  let onLeaveAsked = () => {};
  let stopListening = () => {};

  try {
    const plan: ListenPlan = { address, port: config.port, sharePort, unix: config.unix };
    const listening = uws
      ? await listenForAll(uws, startThread, config, plan)
      : await listenEach(startThread, config, plan);
    const releaseUnix = config.unix === undefined ? () => {} : ownUnixPath(config.unix);
    stopListening = () => {
      listening.close();
      releaseUnix();
    };
    const member =
      read.cluster &&
      (await joinCluster(read.cluster, {
        ...{ arenas, facts, serve: config, port: listening.port, ports, onWarning, onFailure },
        onLeaveAsked: () => onLeaveAsked(),
      }));
    let closing: Promise<void> | undefined;
    onLeaveAsked = hooks.onLeaveAsked ?? (() => void close().catch(onFailure));
    const close = () => {
      closing ??= stop(threads, listening, releaseUnix, member).then(() => {
        unguardExit();
        arenas.close();
      });
      return closing;
    };
    for (const warning of warnings) onWarning(warning);
    return {
      nodeId: facts.nodeId,
      port: listening.port,
      urls: urlsOf(config, listening.port),
      threads: config.threads,
      memoryBytes: arenas.facts.memoryBytes,
      policy: arenas.facts.policy,
      frontEnd: facts.frontEnd,
      imported,
      cluster: member && {
        name: read.cluster!.name,
        address: member.address,
        isJoined: member.isJoined,
      },
      close,
    };
  } catch (error) {
    // Else the process would not end.
    stopListening();
    // No thread has a connection yet.
    await Promise.all(threads.map((thread) => thread.terminate()));
    unguardExit();
    arenas.close();
    throw error;
  }
}

/**
 * Stores what is in the file, if there is one. Nobody is served yet, so the slots of the threads
 * that will serve are free for it.
 * @throws SlabringError the import's; the arenas are closed then
 */
async function importInto(
  arenas: ArenaSet,
  path: string | undefined,
): Promise<ImportResult | undefined> {
  if (path === undefined) return undefined;
  const jobs = new CacheJobs(arenas, 0);
  try {
    return await jobs.importFile(path);
  } catch (error) {
    arenas.close();
    throw error;
  } finally {
    jobs.close();
  }
}

/** uWebSockets.js where it is wanted and there; undefined: `ws`. */
async function chooseFrontEnd(
  config: ServeConfig,
  warnings: string[],
): Promise<UwsModule | undefined> {
  if (config.frontEnd === 'ws') return undefined;
  try {
    return await loadUws();
  } catch (error) {
    if (!(error instanceof NoBinary)) throw error;
    if (config.frontEnd === 'uws') throw new SlabringError('OPTION', error.message);
    warnings.push(`${error.message}; serving through ws, which is several times slower`);
    return undefined;
  }
}

/**
 * Whether Node's own servers in several threads can listen on one port: since 23.1, where the
 * kernel spreads.
 */
function canSharePort(): boolean {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  return process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1));
}

function fitThreads(config: ServeConfig, several: boolean, warnings: string[]): ServeConfig {
  if (several || config.threads === 1) return config;
  warnings.push(`serving with one thread: ws on Node ${process.version} cannot share a port`);
  return { ...config, threads: 1 };
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

function urlsOf(config: ServeConfig, port: number): string[] {
  const urls = [`ws://${hostPort(config.host, port)}`];
  if (config.unix !== undefined) urls.push(`ws+unix:${config.unix}:/`);
  return urls;
}

type StartThread = (listen: ListenPlan) => Promise<{ descriptor?: number; port?: number }>;

/** uWebSockets.js: the main thread listens for all. */
async function listenForAll(
  uws: UwsModule,
  startThread: StartThread,
  config: ServeConfig,
  plan: ListenPlan,
): Promise<Acceptor> {
  const starting = Array.from({ length: config.threads }, () => startThread(plan));
  const ready = await Promise.all(starting);
  const descriptors = ready.map(({ descriptor }) => descriptor!);
  return createAcceptor(uws, descriptors, plan.address, plan.port, plan.unix);
}

/** ws: each thread listens; the first one finds the port out, and has the Unix-domain socket. */
async function listenEach(
  startThread: StartThread,
  config: ServeConfig,
  plan: ListenPlan,
): Promise<Acceptor> {
  const first = await startThread(plan);
  const port = first.port!;
  const others = { ...plan, port, unix: undefined };
  await Promise.all(Array.from({ length: config.threads - 1 }, () => startThread(others)));
  // The threads stop listening when they are told to drain.
  return { port, close: () => {} };
}

async function stop(
  threads: readonly ThreadHandle[],
  listening: Acceptor,
  releaseUnix: () => void,
  member: Member | undefined,
): Promise<void> {
  // Clients are served meanwhile.
  await member?.thread.leave();
  try {
    await stopServing(threads, listening, releaseUnix);
  } finally {
    await member?.thread.stop();
  }
}

async function stopServing(
  threads: readonly ThreadHandle[],
  listening: Acceptor,
  releaseUnix: () => void,
): Promise<void> {
  listening.close();
  releaseUnix();
  for (const thread of threads) thread.drain();
  await within(
    DRAIN_DEADLINE_MS,
    threads.map((thread) => thread.drained),
  );
  const ended = threads.map((thread) => thread.ended);
  if (await within(LINGER_MS, ended)) return;
  for (const thread of threads) thread.stop();
  if (await within(STOP_DEADLINE_MS, ended)) return;
  throw new SlabringError('INTERNAL', 'a serving thread does not end');
}

/** Whether all of it happened in time. */
async function within(ms: number, promises: readonly Promise<void>[]): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([Promise.all(promises).then(() => true), late]);
  timer.abort();
  return inTime;
}
