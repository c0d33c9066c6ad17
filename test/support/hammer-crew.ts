/** The worker threads that hammer an arena beside the main thread. */
import { Worker } from 'node:worker_threads';
import type { HammerTotals, WorkerStart } from './hammer.js';

const WORKER = new URL('../concurrency/hammer-worker.mjs', import.meta.url);
/** A worker that was told to stop ends within one turn; only one that hangs does not. */
const DISMISS_MS = 10_000;

/** One of them. */
export class HammerWorker {
  /** Resolves when it is attached. */
  readonly ready: Promise<void>;
  /** Resolves with what it did when it has ended by itself; rejects with the check that failed. */
  readonly ended: Promise<HammerTotals>;
  readonly #worker: Worker;
  readonly #exit: Promise<void>;

  constructor(start: WorkerStart) {
    const worker = new Worker(WORKER, { workerData: start });
    this.#worker = worker;
    this.#exit = new Promise((resolve) => worker.once('exit', () => resolve()));
    let isReady = () => {};
    this.ready = new Promise((resolve) => {
      isReady = resolve;
    });
    this.ended = new Promise((resolve, reject) => {
      let totals: HammerTotals | undefined;
      worker.on('message', (message: 'ready' | HammerTotals) => {
        if (message === 'ready') isReady();
        else totals = message;
      });
      worker.once('error', reject);
      worker.once('exit', (code) => {
        if (totals && code === 0) resolve(totals);
        else reject(new Error(`worker ${start.self} ended with code ${code}`));
      });
    });
    // Whoever waits for `ended` is told; until somebody does, a failure is no unhandled rejection.
    this.ended.catch(() => {});
  }

  /**
   * Waits for its end, which it must have been asked for. Only then is it terminated, as a last
   * resort: a thread that is terminated with a lock in its hands leaves the others waiting for
   * ever.
   */
  async dismiss(): Promise<void> {
    const timer = setTimeout(() => void this.#worker.terminate(), DISMISS_MS);
    await this.#exit;
    clearTimeout(timer);
  }
}

/** All workers of a run but the main thread. */
export class Crew {
  readonly #workers: HammerWorker[];
  /** Resolves when all are attached; rejects when one fails. */
  readonly ready: Promise<unknown>;
  /** Rejects when one fails; resolves when all have ended. */
  readonly ended: Promise<HammerTotals[]>;
  /** Rejects when one fails; never resolves. */
  readonly failed: Promise<never>;

  constructor(start: WorkerStart) {
    const count = start.plan.threads - 1;
    this.#workers = Array.from(
      { length: count },
      (_, i) => new HammerWorker({ ...start, self: i + 1 }),
    );
    this.ended = Promise.all(this.#workers.map((worker) => worker.ended));
    this.failed = new Promise((_, reject) => {
      this.ended.catch(reject);
    });
    this.failed.catch(() => {});
    const ready = Promise.all(this.#workers.map((worker) => worker.ready));
    this.ready = Promise.race([ready, this.failed]);
  }

  async dismiss(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.dismiss()));
  }
}
