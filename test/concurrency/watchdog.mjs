/**
 * Ends the process when a run does not end: a thread that waits for a lock for ever cannot be asked
 * to stop, and the main thread of a test cannot even be timed out. `workerData`: { board, limitMs,
 * what }; word 0 of the board is set at the end.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const { board, limitMs, what } = workerData;
const words = new Int32Array(board);
if (Atomics.wait(words, 0, 0, limitMs) === 'timed-out') {
  writeSync(2, `${what} did not end: a lock is held for ever, or a loop does not end\n`);
  process.kill(process.pid, 'SIGKILL');
}
