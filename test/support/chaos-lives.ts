/** Threads that are terminated after a few milliseconds of writing. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ArenaHandle } from '#engine/arena.js';

const DOOMED = new URL('../chaos/doomed-worker.mjs', import.meta.url);

/** A value that is stored in whole pages. */
export interface Large {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What a doomed thread does, over and over. */
export interface Writes {
  readonly frames: readonly Uint8Array[];
  readonly larges: readonly Large[];
}

/** One thread's short life; resolves when the system has seen the end of it. */
export async function liveAndDie(
  handle: ArenaHandle,
  writes: Writes,
  afterMs: number,
): Promise<void> {
  const worker = new Worker(DOOMED, { workerData: { handle, ...writes } });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const until = performance.now() + afterMs;
  while (performance.now() < until) await nextTurn();
  await worker.terminate();
}
