/** Options that all jobs have. */
import { MAX_THREADS } from '../arena.js';
import { SlabringError } from '../errors.js';
import { show } from '../units.js';

/** How far a job has come. */
export interface JobProgress {
  readonly done: number;
  /** What `done` is at the end. */
  readonly total: number;
}

export interface JobOptions {
  /** Gives the job up when it aborts; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Called now and then as the job goes on, the last time with `done` equal to `total`, and never
   * when its promise is settled. An error that it throws gives the job up.
   */
  onProgress?: (progress: JobProgress) => void;
  /**
   * The most threads that work on it. Default: one less than there are cores, at least 1. Each
   * takes one of the cache's `maxThreads` while it works, so there are no more than are free.
   */
  threads?: number;
}

export const JOB_OPTIONS = [
  'signal',
  'onProgress',
  'threads',
] as const satisfies readonly (keyof JobOptions)[];

/**
 * Refuses wrong values of the options of all jobs.
 * @throws SlabringError `OPTION`
 */
export function checkJobOptions({ signal, onProgress, threads }: JobOptions): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new SlabringError('OPTION', `signal must be an AbortSignal, not ${show(signal)}`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new SlabringError('OPTION', `onProgress must be a function, not ${show(onProgress)}`);
  }
  const fits = Number.isInteger(threads) && threads! >= 1 && threads! <= MAX_THREADS;
  if (threads !== undefined && !fits) {
    throw new SlabringError(
      'OPTION',
      `threads must be a whole number from 1 to ${MAX_THREADS}, not ${show(threads)}`,
    );
  }
}
