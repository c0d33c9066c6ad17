/**
 * What the threads of a node say to each other. The main thread starts each serving thread once,
 * with a `ThreadStart`; the thread answers `ready` once, when it can serve; then the main thread
 * may say `drain` once, the thread answers `drained` when its last connection is closed, and `stop`
 * makes it drop what is left and end.
 *
 * A thread that cannot start throws, and the main thread sees the worker's `error`. A thread that
 * fails later closes its sockets, says `failed` and ends.
 *
 * A worker must not be torn down with connections open, neither by `terminate()` nor by the end of
 * the process: Node then closes its event loop, finds handles of uWebSockets.js in it, and aborts
 * the process. So each thread notes in `quiet` that it has no socket left, and the main thread
 * waits for that before it lets the process exit (threads.ts).
 */
import type { MessagePort } from 'node:worker_threads';
import type { ArenaSetHandle } from '../engine/arena-set.js';
import type { ServeConfig } from './options.js';

/** What a node says of itself in HELLO and `/stats`. */
export interface NodeFacts {
  /** Chosen at random when the node starts. */
  readonly nodeId: string;
  /** Version of the software. */
  readonly software: string;
  /** `Date.now()` at the start of the node. */
  readonly startedAtMs: number;
  /** The WebSocket implementation in use. */
  readonly frontEnd: 'uws' | 'ws';
}

/** `workerData` of a serving thread. */
export interface ThreadStart {
  readonly arenas: ArenaSetHandle;
  readonly config: ServeConfig;
  readonly facts: NodeFacts;
  /** 0 up to `config.threads` - 1. */
  readonly thread: number;
  /** The counters of all threads (counters.ts). */
  readonly counters: SharedArrayBuffer;
  /** An Int32 per thread: 0 until the thread has closed its sockets for good, then 1. */
  readonly quiet: SharedArrayBuffer;
  /** Only with `ws`, where each thread listens by itself: what on. */
  readonly listen: ListenPlan;
  /** On a node of a cluster: its name, and the way to the cluster thread. */
  readonly cluster?: { readonly name: string; readonly port: MessagePort } | undefined;
}

/** How a thread of the `ws` front end listens. */
export interface ListenPlan {
  /** A numeric address. */
  readonly address: string;
  /** 0 for the first thread of a node that takes any free port. */
  readonly port: number;
  /** Several threads listen on this port, and the kernel spreads the connections. */
  readonly sharePort: boolean;
  /** A Unix-domain socket cannot be shared: one thread serves it. */
  readonly unix: string | undefined;
}

export type ToThread = { readonly kind: 'drain' } | { readonly kind: 'stop' };

export type FromThread =
  | {
      readonly kind: 'ready';
      /** `uws`: what the acceptor hands connections to. */
      readonly descriptor?: number;
      /** `ws`: the port this thread listens on. */
      readonly port?: number;
    }
  | { readonly kind: 'drained' }
  | { readonly kind: 'failed'; readonly reason: string };
