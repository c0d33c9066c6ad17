/**
 * What the cluster's logic needs of the world. All of it is state machines that get time, chance
 * and the network through these, so that a simulation (test/sim/) can be their world.
 */

/** Time. */
export interface Clock {
  /** Unix time in ms, as this machine has it: two machines may differ, and it may go back. */
  now(): number;
  /**
   * Calls `run` once, so many ms from now by a clock that only goes forward.
   * @returns takes it back; nothing happens where it has run already
   */
  after(delayMs: number, run: () => void): () => void;
}

/** Chance: a number from 0 up to, not including, 1. */
export type Random = () => number;

/** Where a node's peers reach it: `host:port`, the host in brackets where it is an IPv6 address. */
export type Address = string;

/**
 * The network between nodes: messages, each of which comes whole or not at all. It may come late,
 * twice, or after one that was sent later.
 */
export interface Transport {
  /**
   * Sends a message. Never throws, and never says whether it came. `bytes` stay as they are, until
   * an answer shows that they have come and they were sent only once.
   * @param frontBytes so many bytes in front of `bytes`, in the same memory, are the transport's
   *   own to write to; so it may need no copy. Default: 0
   */
  send(to: Address, bytes: Uint8Array, frontBytes?: number): void;
  /**
   * What was sent to a peer before, and has not come to its machine, does not come any more:
   * whoever gives a peer up has others do what it was asked for. To be called in no other case, as
   * it costs the connection.
   */
  reset(to: Address): void;
  /** Bytes sent to a peer that wait here to be taken by the network. */
  backlogBytes(to: Address): number;
  /** Set by who wants the messages; `from` is the address that the sender is reached at. */
  onMessage: (from: Address, bytes: Uint8Array) => void;
}
