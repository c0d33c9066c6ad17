/**
 * Who has which slots of a cluster, as a node tells its clients: in the reply to HELLO, and in a
 * push frame `[0, ["view", view]]` whenever it changes, to those that asked for it with
 * `HELLO {routes: true}`.
 */

/** A node of the cluster, as clients reach it. */
export interface ClusterNodeFacts {
  /** Another one at each start of the node. */
  readonly id: string;
  /** Stays over restarts. */
  readonly name: string;
  /**
   * Empty: clients do not reach it, as a process with an embedded member. Then any other node takes
   * commands on its keys, and has it run them.
   */
  readonly url: string;
  /** nil: none. */
  readonly zone: string | null;
  /** False: it is dead as far as this node knows. */
  readonly live: boolean;
}

export interface ClusterView {
  /** The cluster's name. */
  readonly name: string;
  /** Grows with each view of this node; views of two nodes are not comparable. */
  readonly version: number;
  /** The index in `nodes` of the node that says this. */
  readonly self: number;
  readonly nodes: readonly ClusterNodeFacts[];
  /** Nodes that each slot should be on. */
  readonly copies: number;
  /**
   * `copies` numbers of two bytes (little-endian) for each slot, indexes of `nodes`: first the one
   * that runs commands on its keys, then others that answer reads; NO_NODE behind them. Only to
   * clients that route.
   */
  readonly slots?: Uint8Array;
}

export const NO_NODE = 0xffff;

/** How many owners of a key must have a write before it is answered. */
export const CONCERNS = ['none', 'one', 'quorum', 'all'] as const;
/**
 * `none`: this node alone; `one`: one more; `quorum`: most of them; `all`. Owners that are dead
 * count among them, and do not have it.
 */
export type Concern = (typeof CONCERNS)[number];
