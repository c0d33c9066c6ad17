/** A thread that reads a change log and throws it away. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Arena, type ArenaHandle } from '../engine/arena.js';
import { PAUSE_MS } from '../engine/changes.js';
import { LogReader } from '../engine/log-reader.js';
import { drain, logBytesOf } from './log-reading.js';

const { handle, counts } = workerData as { handle: ArenaHandle; counts: Float64Array };
const arena = Arena.attach(handle);
const reader = new LogReader(arena, logBytesOf(arena.facts.memoryBytes));
const read = { bytes: 0, lost: 0 };
let isOpen = true;
parentPort!.once('message', () => {
  isOpen = false;
  // Ends the waiting.
  reader.close();
});
parentPort!.postMessage('ready');
while (isOpen) {
  const before = read.bytes;
  drain(reader, read);
  counts[0] = read.bytes;
  counts[1] = read.lost;
  await (read.bytes > before ? sleep(PAUSE_MS) : reader.growth((ms) => sleep(ms)));
  // `growth` may be over at once: messages come in between.
  await new Promise(setImmediate);
}
arena.close();
