/**
 * A serving thread as the main thread sees it: started, told to drain and to stop, and watched all
 * the while.
 */
import { Worker } from 'node:worker_threads';
import { SlabringError } from '../engine/errors.js';
import type { FromThread, ThreadStart, ToThread } from './thread-contract.js';

type Ready = Extract<FromThread, { kind: 'ready' }>;

/** One serving thread. */
export class ThreadHandle {
  /** Resolves when the thread can serve; rejects when it fails before that. */
  readonly ready: Promise<Ready>;
  /** Resolves when it has drained. */
  readonly drained: Promise<void>;
  /** Resolves when it has ended, in whatever way. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  #mayEnd = false;

  /**
   * @param onFailure is told, once, when the thread ends without having been asked to, after it was
   * ready
   */
  constructor(start: ThreadStart, onFailure: (error: SlabringError) => void) {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: start,
      transferList: start.cluster ? [start.cluster.port] : [],
      name: `slabring-${start.thread}`,
    });
    this.#worker = worker;
    this.ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    this.drained = new Promise((resolve) => {
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'drained') resolve();
      });
    });
    this.ready = new Promise((resolve, reject) => {
      let isReady = false;
      let hasFailed = false;
      const fail = (why: string, cause?: unknown) => {
        // A thread that fails reports an error and then its end: the first says more.
        if (hasFailed || this.#mayEnd) return;
        hasFailed = true;
        const message = `serving thread ${start.thread} ${why}`;
        const error = new SlabringError('INTERNAL', message, { cause });
        if (isReady) onFailure(error);
        else reject(error);
      };
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'failed') fail(`failed: ${message.reason}`);
        if (message.kind !== 'ready') return;
        isReady = true;
        resolve(message);
      });
      worker.once('error', (error: Error) => fail(`failed: ${error.message}`, error));
      worker.once('exit', (code) => fail(`ended by itself with code ${code}`));
    });
  }

  drain(): void {
    this.#mayEnd = true;
    this.#say({ kind: 'drain' });
  }

  /** Asks the thread to drop what it still has and end. */
  stop(): void {
    this.#mayEnd = true;
    this.#say({ kind: 'stop' });
  }

  /**
   * Ends the thread wherever it is. Only for threads that have no connections: see
   * thread-contract.ts.
   */
  async terminate(): Promise<void> {
    this.#mayEnd = true;
    await this.#worker.terminate();
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

/**
 * How long the end of the process waits for threads to close their sockets. They need a few
 * milliseconds.
 */
const QUIET_DEADLINE_MS = 1_000;

/**
 * Makes `process.exit()` safe while threads serve: has them close their sockets first, and waits
 * for it.
 * @returns takes that back
 */
export function guardExit(threads: readonly ThreadHandle[], quiet: SharedArrayBuffer): () => void {
  const onExit = () => {
    for (const thread of threads) thread.stop();
    const flags = new Int32Array(quiet);
    const deadline = Date.now() + QUIET_DEADLINE_MS;
    for (const index of threads.keys()) {
      Atomics.wait(flags, index, 0, Math.max(deadline - Date.now(), 0));
    }
  };
  process.on('exit', onExit);
  return () => process.off('exit', onExit);
}
