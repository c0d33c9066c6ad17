/**
 * A worker thread that reads and writes while others are terminated. `workerData`: { handle, board,
 * seed, self, emptied }. Ends, with the longest time of one operation in ms, when word 1 of the
 * board is set; with an error when a value is wrong.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Survivor } from './survivor.mjs';

const { handle, board, seed, self, emptied } = workerData;
const words = new Int32Array(board);
const survivor = new Survivor(Arena.attach(handle), seed, self, emptied);
// Sleeps: leaves the processors to those who shall die.
while (Atomics.wait(words, 1, 0, 1) === 'timed-out') {
  for (let i = 0; i < 20; i++) survivor.turn();
}
survivor.close();
parentPort.postMessage(survivor.longestMs);
