/** Writes and removes keys that come and go, until it is told to end; the table grows meanwhile. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const { handle, board, stay, most } = workerData;
const cache = attachCache(handle);
const words = new Int32Array(board);
let writes = 0;
for (let i = 0; Atomics.load(words, 0) === 0; i = (i + 1) % most) {
  cache.set(`come ${i}`, i);
  if (i % 3 === 0) cache.delete(`come ${i >> 1}`);
  if (i % 7 === 0) cache.set(`stay ${i % stay}`, 'x'.repeat(i % 300));
  writes++;
}
cache.close();
parentPort.postMessage(writes);
