/**
 * The threads that do jobs: a piscina pool that starts with the first job, and whose threads end
 * when they have had nothing to do for a while. Nothing of it keeps the process alive but a task
 * that runs.
 */
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import type { JobTask, SliceDone, TaskReport } from './contract.js';

/** How long a thread without work stays, in ms: the next job may come soon, and starts sooner. */
const IDLE_MS = 1000;

/**
 * What the threads are started with: not what the program is, which may load more than they need.
 * piscina requires worker.js before it imports it, and a thread that ends while it requires an ES
 * module, as any may when its cache is closed, aborts the process (Node 20: `Module::IsGraphAsync
 * must be used on an instantiated module`). So they cannot require one.
 */
const EXEC_ARGV = ['--no-experimental-require-module'].filter((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

export class JobPool {
  readonly #idleMs: number;
  #piscina: Piscina | undefined;
  #onDone: (message: SliceDone) => void = () => {};
  #onBroken: (error: unknown) => void = () => {};

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  /**
   * Begins one task in a thread each, all at once. No others are running.
   * @param onDone called with the messages of the threads
   * @returns a promise for each; it rejects when the thread ends, or cannot be started
   */
  async start(
    tasks: readonly JobTask[],
    onDone: (message: SliceDone) => void,
  ): Promise<Promise<TaskReport<unknown>>[]> {
    const piscina = await this.#withThreads(tasks.length);
    this.#onDone = onDone;
    // piscina says so when a thread cannot be started, but leaves its tasks in the queue.
    const broken = new Promise<never>((_, reject) => {
      this.#onBroken = reject;
    });
    return tasks.map((task) => {
      const report = piscina.run(task) as Promise<TaskReport<unknown>>;
      return Promise.race([report, broken]);
    });
  }

  /** The threads that there are now. */
  get threads(): Piscina['threads'] {
    return this.#piscina?.threads ?? [];
  }

  /** Ends all threads, also those that work. */
  end(): void {
    void this.#piscina?.destroy();
    this.#piscina = undefined;
  }

  async #withThreads(count: number): Promise<Piscina> {
    if (this.#piscina !== undefined && this.#piscina.maxThreads >= count) return this.#piscina;
    // Loaded here: most programs never have a job.
    const { Piscina } = await import('piscina');
    this.end();
    const piscina = new Piscina({
      filename: WORKER,
      minThreads: 0,
      maxThreads: count,
      idleTimeout: this.#idleMs,
      // Jobs are long: what waiting in Atomics.wait saves is nothing to them.
      atomics: 'disabled',
      execArgv: EXEC_ARGV,
    });
    piscina.on('message', (message: SliceDone) => this.#onDone(message));
    piscina.on('error', (error) => {
      this.#onBroken(error);
      // Its queue is of no use any more; the next job starts afresh.
      if (this.#piscina === piscina) this.end();
    });
    this.#piscina = piscina;
    return piscina;
  }
}
