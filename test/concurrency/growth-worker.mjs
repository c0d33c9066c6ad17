/**
 * A worker of growth.mjs. `workerData`: { handle, board, role, seed, most }; ends with a message of
 * what it did.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Finder, grow } from './growth.mjs';

const { handle, board, role, seed, most } = workerData;
const arena = Arena.attach(handle);
let count = 0;
if (role === 'grow') {
  count = grow(arena, board, most);
} else {
  const finder = new Finder(arena, board, seed);
  while (!finder.stopped) finder.look();
  count = finder.found;
}
arena.close();
parentPort.postMessage(count);
