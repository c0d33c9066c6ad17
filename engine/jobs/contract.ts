/**
 * What passes between the thread that asks for a job and the threads of the pool that do it: one
 * task for each of them, one report from each at its end, and a word about each slice that is done.
 */
import type { ArenaSet, ArenaSetHandle } from '../arena-set.js';
import type { JobControl } from './control.js';
import type { Fault } from './faults.js';

/** What a thread of the pool is asked to do. */
export interface JobTask {
  /** Its key in the table of jobs (table.ts). */
  readonly job: string;
  /** The number of the job, for {@link SliceDone}. */
  readonly id: number;
  /** Of the job's threads, which one this is. */
  readonly index: number;
  readonly handle: ArenaSetHandle;
  readonly input: unknown;
  readonly control: SharedArrayBuffer;
}

export interface SliceResult<Result> {
  readonly slice: number;
  readonly result: Result;
}

export interface SliceFailure {
  readonly slice: number;
  readonly fault: Fault;
}

/** What a thread has done of a job. */
export interface TaskReport<Result> {
  /** Why it could not even attach to the arenas. */
  readonly refusal: Fault | undefined;
  readonly results: readonly SliceResult<Result>[];
  /** The slice that failed here, if one did. */
  readonly failure: SliceFailure | undefined;
}

/** A message of a thread of the pool: some more of a job is done. */
export interface SliceDone {
  readonly job: number;
  /** In the unit of the job: bytes, partitions. */
  readonly done: number;
}

/** What a job's function works with. */
export interface JobContext<Input> {
  readonly arenas: ArenaSet;
  readonly input: Input;
  readonly control: JobControl;
  /** Tells that so much more is done. */
  progress(done: number): void;
}

/**
 * A job: called once in each thread that works on it, it returns what does one slice of the work.
 * A slice that throws makes the job fail; one that is not worth going on with
 * (`JobControl.isWorth`) ends early and returns what it has.
 */
export type Job<Input, Result> = (context: JobContext<Input>) => (slice: number) => Result;
