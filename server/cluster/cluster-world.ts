/** What one node's part in a cluster is given: options, and its world. */
import type { MemberInfo } from './members.js';
import type { Clock, Random } from './ports.js';
import { DEFAULT_SENDER_LIMITS, type SenderLimits } from './sender.js';
import type { ReplicaStore } from './store.js';
import type { Placement, View } from './view.js';

export interface ClusterOptions {
  /** Live owners without which a slot's writes are refused. */
  readonly minOwners: number;
  /** How long a dead node keeps its place. */
  readonly replaceAfterMs: number;
  /** How often slots are compared with a peer's. */
  readonly repairIntervalMs: number;
  readonly limits: SenderLimits;
  /** For tests of tests. */
  readonly bug?: ClusterBug | undefined;
}

/** Faults that a simulation must find. */
export type ClusterBug =
  | 'refusals-count'
  | 'no-recovery-scan'
  | 'any-order'
  | 'no-failure-meeting'
  | 'full-at-once'
  | 'no-repair'
  | 'no-owner-meeting'
  | 'no-resend'
  | 'run-twice'
  | 'run-stale'
  | 'no-reset';

export const DEFAULT_CLUSTER_OPTIONS: ClusterOptions = {
  minOwners: 1,
  replaceAfterMs: 30_000,
  repairIntervalMs: 60_000,
  limits: DEFAULT_SENDER_LIMITS,
};

/** What goes wrong without anybody having asked for it. */
export type Complaint = (text: string) => void;

/** What executes frames that other nodes have forwarded. */
export interface FrameRunner {
  /** @returns the reply frame; undefined: not all slots are accepted here, and nothing was done */
  execute(frame: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * Executes a frame that is another node's to execute, as far as that may be: what only reads, and
   * is here as on a replica; where this node has come to serve the keys, also what may run twice.
   * @returns undefined: nothing was done
   */
  executeInstead(frame: Uint8Array): Promise<Uint8Array | undefined>;
  /** The slot of the first key; undefined: there is none. */
  slotOf(frame: Uint8Array): number | undefined;
}

export interface ClusterWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ReplicaStore;
  readonly options: ClusterOptions;
  readonly frames: FrameRunner;
  /** Places the slots on nodes. */
  place(nodes: readonly MemberInfo[]): Placement;
  /** Sends to a peer, as far as it is known, as a transport does (ports.ts). */
  send(member: MemberInfo, bytes: Uint8Array, frontBytes?: number): void;
  /** What was sent to it, and has not come yet, shall not come, as a transport sees to it. */
  reset(member: MemberInfo): void;
  /** What this node gossips about itself. */
  setMeta(meta: Uint8Array): void;
  /** The view has changed. */
  onView(view: View): void;
  complain: Complaint;
}
