/**
 * What a benchmark is made of: cases, the contestants of a case, and what each of them must be able
 * to do.
 */

export interface BenchCase {
  /** Parts between slashes, from general to special: `embedded/get/bytes/1m`. */
  readonly name: string;
  /** One line for people. */
  readonly what: string;
  /** Who takes part: the candidate first, then the peers it is compared with. */
  readonly contestants: readonly string[];
  /**
   * Sets a contestant up, in the process that it will be timed in.
   * @throws Unavailable when this machine does not have it
   */
  open(contestant: string, setting: Setting): Promise<Contestant>;
}

export interface Setting {
  /** `tiny`: a few hundred keys, so that tests can run every case. */
  readonly scale: 'full' | 'tiny';
  readonly clock: Clock;
}

/**
 * `wall`: what a user waits. `cpu`: CPU time of the contestant's process, all threads, which does
 * not count the time that other programs had the core: the better one on a busy machine.
 */
export const CLOCKS = ['wall', 'cpu'] as const;
export type Clock = (typeof CLOCKS)[number];

/** A contestant set up. Its calls never overlap. */
export interface Contestant {
  /** The correctness gate: all the work once, untimed, every result looked at. */
  gate(): Promise<Gate>;
  /** Goes on with the work for about so many milliseconds of timed work. */
  slice(ms: number): Promise<Slice>;
  /** A last check, then gives everything back. To be called once, whatever happened before. */
  finish(): Promise<Finish>;
}

export interface Gate {
  /** The first wrong result in words. */
  readonly wrong: string | undefined;
  /**
   * Over the results of all the work: the same for every contestant that does the same work right.
   */
  readonly checksum: number;
}

export interface Slice {
  /** Mean over the slice, so that pauses (garbage collection) count. */
  readonly nsPerOp: number;
  readonly batches: number;
  readonly operations: number;
  /** Batches whose checksum was not the expected one. */
  readonly wrongBatches: number;
}

export interface Finish {
  readonly wrong: string | undefined;
  /** What else there is to tell, such as a hit ratio. */
  readonly facts: Readonly<Record<string, number>>;
}

/** A contestant cannot take part on this machine; the message says why. */
export class Unavailable extends Error {}
