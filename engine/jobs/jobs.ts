/**
 * Jobs: work on a whole cache that would hold up an event loop, done by the threads of a pool that
 * attach to the same memory. A job is cut into slices; each of its threads does one after the other
 * until none is left (worker.ts). The jobs of one cache object run one at a time.
 */
import { availableParallelism } from 'node:os';
import type { ArenaSet } from '../arena-set.js';
import { SlabringError } from '../errors.js';
import type { JobTask, SliceDone, SliceFailure, SliceResult, TaskReport } from './contract.js';
import { JobControl } from './control.js';
import { unpackFault } from './faults.js';
import type { JobOptions } from './options.js';
import { JobPool } from './pool.js';
import type { JobName } from './table.js';

/** What a job is to do. */
export interface JobPlan {
  readonly job: JobName;
  /** What its function gets as `input`. */
  readonly input: unknown;
  readonly slices: number;
  /** What the threads' progress adds up to. */
  readonly total: number;
}

/** What has become of a job that ran to its end, or to the first slice that failed. */
export interface JobOutcome<Result> {
  /** In the order of slices. Of a failed job also what was done of slices behind the failed one. */
  readonly results: readonly SliceResult<Result>[];
  /** The slices that failed, in their order: none, or one for each thread at most. */
  readonly failures: readonly SliceFailure[];
}

/** A job that waits for its turn. */
interface Turn {
  begin(): void;
  refuse(error: unknown): void;
}

export class Jobs {
  readonly arenas: ArenaSet;
  readonly #pool: JobPool;
  /** Of the job at hand. */
  #control: JobControl | undefined;
  /** Jobs that wait for their turn. */
  readonly #queue: Turn[] = [];
  #isBusy = false;
  #closed = false;
  #lastId = 0;

  /** @param pool where the threads come from; a pool of its own for each */
  constructor(arenas: ArenaSet, pool = new JobPool()) {
    this.arenas = arenas;
    this.#pool = pool;
  }

  /**
   * Does a job.
   * @throws SlabringError `OPTION` when all thread slots are taken; `CLOSED`; `INTERNAL` when a
   *   thread of the job ended. The reason of `options.signal`, what `options.onProgress` threw
   */
  async run<Result>(plan: JobPlan, options: JobOptions): Promise<JobOutcome<Result>> {
    this.#checkOpen();
    options.signal?.throwIfAborted();
    await this.#awaitTurn(options.signal);
    try {
      return await this.#runNow<Result>(plan, options);
    } finally {
      this.#control = undefined;
      this.#isBusy = false;
      if (this.#closed) this.#pool.end();
      this.#queue.shift()?.begin();
    }
  }

  /**
   * Gives up the job at hand, and those that wait. Their promises reject with `CLOSED` once nothing
   * is done for them any more.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#control?.stop();
    // With a job at hand the threads end after it: they must give their slots back first.
    if (!this.#isBusy) this.#pool.end();
    for (const turn of this.#queue.splice(0)) turn.refuse(closedError());
  }

  /** @throws the signal's reason; SlabringError `CLOSED` */
  async #awaitTurn(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#isBusy) {
      this.#isBusy = true;
      return;
    }
    let onAbort = (): void => {};
    const waiting = new Promise<void>((resolve, reject) => {
      const turn: Turn = {
        begin: () => {
          // Before anybody else can ask.
          this.#isBusy = true;
          resolve();
        },
        refuse: reject,
      };
      onAbort = () => {
        const at = this.#queue.indexOf(turn);
        // Else it has begun, and will see the signal.
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal!.reason);
      };
      this.#queue.push(turn);
    });
    signal?.addEventListener('abort', onAbort);
    await waiting.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  async #runNow<Result>(plan: JobPlan, options: JobOptions): Promise<JobOutcome<Result>> {
    this.#checkOpen();
    const threads = this.#threadsFor(plan, options);
    const control = JobControl.create(plan.slices, threads);
    this.#control = control;
    const giveUp = (): void => control.stop();
    options.signal?.addEventListener('abort', giveUp);
    if (options.signal?.aborted) giveUp();
    const progress = new Progress(plan.total, options.onProgress, giveUp);
    const id = ++this.#lastId;
    const tasks = Array.from({ length: threads }, (_, index) => ({
      ...{ job: plan.job, id, index, input: plan.input },
      ...{ handle: this.arenas.handle, control: control.memory },
    })) satisfies JobTask[];
    try {
      const running = await this.#pool.start(tasks, (message) => {
        if (message.job === id) progress.add(message);
      });
      for (const task of running) task.catch(giveUp);
      const ends = await Promise.allSettled(running);
      this.#checkOpen();
      options.signal?.throwIfAborted();
      progress.checkListener();
      const reports = this.#reportsOf<Result>(ends, control);
      const outcome = outcomeOf(reports);
      if (outcome.failures.length === 0) progress.finish();
      return outcome;
    } finally {
      // What the threads have told may still be under way.
      progress.end();
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError();
  }

  #threadsFor(plan: JobPlan, { threads }: JobOptions): number {
    const { maxThreads } = this.arenas.facts;
    // A slot whose thread has ended counts as taken here, though a claim would take it.
    const free = maxThreads - this.arenas.stats().threads;
    const wanted = threads ?? availableParallelism() - 1;
    return Math.max(1, Math.min(wanted, free, plan.slices));
  }

  #reportsOf<Result>(
    ends: readonly PromiseSettledResult<TaskReport<unknown>>[],
    control: JobControl,
  ): TaskReport<Result>[] {
    const reports: TaskReport<Result>[] = [];
    for (const [index, end] of ends.entries()) {
      if (end.status === 'fulfilled') {
        reports.push(end.value as TaskReport<Result>);
        continue;
      }
      const thread = control.threadAt(index);
      if (thread !== undefined) this.arenas.reapThreads(thread);
      throw new SlabringError('INTERNAL', 'a thread of the job ended before its work was done', {
        cause: end.reason,
      });
    }
    const refusal = reports.every((report) => report.refusal) ? reports[0]!.refusal : undefined;
    if (refusal !== undefined) throw unpackFault(refusal);
    return reports;
  }
}

function closedError(): SlabringError {
  return new SlabringError('CLOSED', 'the cache was closed in this thread');
}

function outcomeOf<Result>(reports: readonly TaskReport<Result>[]): JobOutcome<Result> {
  const results = reports.flatMap((report) => report.results);
  results.sort((left, right) => left.slice - right.slice);
  const failures = reports.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  failures.sort((left, right) => left.slice - right.slice);
  return { results, failures };
}

/** Adds up what the threads of a job tell, and tells the listener. */
class Progress {
  readonly #total: number;
  #listener: JobOptions['onProgress'];
  readonly #giveUp: () => void;
  #done = 0;
  #thrown: { readonly error: unknown } | undefined;

  constructor(total: number, listener: JobOptions['onProgress'], giveUp: () => void) {
    this.#total = total;
    this.#listener = listener;
    this.#giveUp = giveUp;
  }

  add({ done }: SliceDone): void {
    this.#done = Math.min(this.#done + done, this.#total);
    // The last one comes when all results are there.
    if (this.#done < this.#total) this.#tell();
  }

  /** Tells the listener no more. */
  end(): void {
    this.#listener = undefined;
  }

  finish(): void {
    this.#done = this.#total;
    this.#tell();
    this.checkListener();
  }

  /** @throws what the listener threw */
  checkListener(): void {
    if (this.#thrown !== undefined) throw this.#thrown.error;
  }

  #tell(): void {
    if (this.#listener === undefined || this.#thrown !== undefined) return;
    try {
      this.#listener({ done: this.#done, total: this.#total });
    } catch (error) {
      this.#thrown = { error };
      this.#giveUp();
    }
  }
}
