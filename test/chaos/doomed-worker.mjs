/**
 * A worker thread that writes for ever, so fast that it mostly is under some partition's lock, and
 * will be terminated. `workerData`: { handle, frames }: frames that it executes in turn.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';

const { handle, frames } = workerData;
const { kernel, slot, request } = Arena.attach(handle);
parentPort.postMessage('ready');
for (let i = 0; ; i = (i + 1) % frames.length) {
  request.set(frames[i]);
  kernel.exec(slot, 0, frames[i].length, Date.now());
}
