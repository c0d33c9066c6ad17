/** What the threads of this benchmark do, and what they and the main thread say to each other. */
import type { ArenaSetHandle } from '../../engine/arena-set.js';

/**
 * What the threads work on: one cache for all, a cache each, or none: the same loop that copies
 * from and to memory of its own, which tells what the machine can do.
 */
export const GROUNDS = ['shared', 'own', 'none'] as const;
export type Ground = (typeof GROUNDS)[number];

/** `getBytes` and `setBytes`, or frames as a pipelining client sends them. */
export const WAYS = ['calls', 'frames'] as const;
export type Way = (typeof WAYS)[number];

/** `mix`: nine batches of GETs to one of SETs. */
export const WORKS = ['get', 'mix', 'set'] as const;
export type Work = (typeof WORKS)[number];

/** Operations of a batch, and commands of a frame. */
export const PER_BATCH = 128;

export interface ThreadData {
  readonly ground: Ground;
  readonly entries: number;
  /** Batches of the key sequence. */
  readonly batches: number;
  /** Where this thread begins in it. */
  readonly first: number;
  /** The shared cache. */
  readonly handle?: ArenaSetHandle;
}

export type ThreadQuestion =
  /** Does every batch once in every way. Answers a {@link Gate}. */
  | { readonly ask: 'gate' }
  /** Works from a point in time on, for so long. Answers a {@link Share}. */
  | {
      readonly ask: 'run';
      readonly way: Way;
      readonly work: Work;
      /** Of `process.hrtime`, the same for all threads. */
      readonly startNs: number;
      readonly ms: number;
    }
  /** Compares every value of a cache of its own. Answers what is wrong, or null. */
  | { readonly ask: 'check' };

export interface Gate {
  /** Over the values that GETs found: the same for all who do the same work right. */
  readonly checksum: number;
}

/** What one thread did. */
export interface Share {
  readonly operations: number;
  /** From the start that was given to the end of the last batch. */
  readonly ns: number;
  /** Of it, on a core; 0 where the system does not tell. */
  readonly coreNs: number;
  /** Batches whose results did not add up to what they should. */
  readonly wrong: number;
}

/** Steady nanoseconds, comparable between threads. */
export const nowNs = (): number => Number(process.hrtime.bigint());
