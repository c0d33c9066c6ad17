/**
 * A writer that takes no lock: overwrites the value at an address of the arena with one whole value
 * after the other. `workerData`: { memory, at, key, length, stop }.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { writeValue } from './values.mjs';

const { memory, at, key, length, stop } = workerData;
const bytes = Buffer.from(memory.buffer);
const stopped = new Int32Array(stop);
const values = [1, 2].map((sequence) => {
  const value = Buffer.alloc(length + 8);
  return value.subarray(0, writeValue(value, 0, key, 9, sequence, length));
});
parentPort.postMessage('ready');
while (Atomics.load(stopped, 0) === 0) {
  for (const value of values) bytes.set(value, at);
}
