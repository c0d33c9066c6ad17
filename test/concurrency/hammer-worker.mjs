/**
 * A hammering worker thread. `workerData`: { handle, plan, self, board, turns }. Says 'ready' once
 * it is attached, hammers for so many turns or, without a number, until the board says stop, and
 * ends with a message of its totals. A check that fails ends it with an error.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Board } from './board.mjs';
import { Hammer } from './hammer.mjs';

const { handle, plan, self, turns = Number.POSITIVE_INFINITY } = workerData;
const board = new Board(plan, workerData.board);
const hammer = new Hammer(Arena.attach(handle), plan, self, board);
parentPort.postMessage('ready');
for (let turn = 0; turn < turns && !board.stopped; turn++) hammer.turn();
hammer.close();
parentPort.postMessage(hammer.totals);
