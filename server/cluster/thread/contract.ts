/**
 * What the cluster thread of a node and the others say to each other. The main thread starts it
 * once, with a `ClusterStart`; it answers `ready` once, when it has joined; then the main thread
 * may say `leave` once, is answered `left`, and ends it by `stop`. With each serving thread it has
 * a port of its own, on which that one asks and it answers, and on which it tells of views.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ArenaSetHandle } from '../../../engine/arena-set.js';
import type { ClusterView, Concern } from '../../../engine/cluster-view.js';
import type { SlabringError } from '../../../engine/errors.js';
import type { ClusterConfig } from '../config.js';

/** `workerData` of the cluster thread. */
export interface ClusterStart {
  readonly arenas: ArenaSetHandle;
  readonly config: ClusterConfig;
  readonly nodeId: string;
  readonly software: string;
  readonly startedAtMs: number;
  /** Where clients reach this node. */
  readonly clientUrl: string;
  /** The largest reply frame. */
  readonly maxMessageBytes: number;
  /** One for each serving thread. */
  readonly ports: readonly MessagePort[];
}

export type ToClusterThread =
  | { readonly kind: 'leave' }
  | { readonly kind: 'stop' }
  /** One more serving thread; the port is transferred. */
  | { readonly kind: 'serve'; readonly port: MessagePort };

export type FromClusterThread =
  | {
      readonly kind: 'ready';
      readonly address: string;
      /** Whether another node answered; false: it begins alone. */
      readonly isJoined: boolean;
    }
  | { readonly kind: 'left'; readonly isHandedOver: boolean }
  | { readonly kind: 'warning'; readonly text: string }
  /** Somebody wants the node to leave, and end. */
  | { readonly kind: 'leaveAsked' }
  | {
      readonly kind: 'failed';
      readonly reason: string;
      /** When it could not start: what an option or a port was wrong with. */
      readonly error?: AskError;
    };

/** What a serving thread asks. `request` is answered by a `done` with the same number. */
export type Ask =
  | {
      readonly kind: 'forward';
      readonly request: number;
      readonly node: string;
      readonly frame: Uint8Array;
      readonly waitMs: number;
    }
  | {
      readonly kind: 'wait';
      readonly request: number;
      readonly slot: number;
      readonly stream: number;
      readonly seq: number;
      readonly concern: Concern;
      readonly deadlineMs: number;
    }
  | { readonly kind: 'admin'; readonly request: number; readonly action: string };

export interface AskError {
  readonly code: SlabringError['code'];
  readonly message: string;
}

/** What a serving thread is told. */
export type Told =
  | { readonly kind: 'view'; readonly view: ClusterView }
  | { readonly kind: 'done'; readonly request: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly request: number; readonly error: AskError };
