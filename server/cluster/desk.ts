/** What the threads that serve clients ask of the cluster, wherever it runs. */
import type { ClusterView, Concern } from '../../engine/cluster-view.js';

export interface ClusterDesk {
  /** The view at present; another object when it changes. */
  readonly view: ClusterView;
  /** Set by who wants to know of another view. */
  onView: () => void;
  /** The node that runs commands on a slot's keys, as an index of the view's nodes; -1: there is none. */
  primaryOf(slot: number): number;
  /**
   * Has another node execute a frame (its id and commands, as of a client).
   * @param node an index of the view's nodes
   * @param waitMs how long the frame may wait, if it has a WAIT
   * @returns the reply frame
   * @throws SlabringError `UNAVAILABLE`: no answer came, and what it asked for was done or not; or
   *   it was not done, as the text says
   */
  forward(node: number, frame: Uint8Array, waitMs: number): Promise<Uint8Array>;
  /**
   * Resolves when so many owners have every write of the key that this thread has executed before
   * the call, with how many have it.
   * @throws SlabringError `UNAVAILABLE` when they are too few at the deadline
   */
  wait(key: Uint8Array, concern: Concern, deadlineMs: number): Promise<number>;
  /** Does something for whoever runs the node, as thread/administration.ts lists; what came of it. */
  administer?(action: string): Promise<unknown>;
}
