/** Reads changes, until it is terminated. `workerData`: { handle }. Says so when it has begun. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const cache = attachCache(workerData.handle);
const changes = cache.changes();
parentPort.postMessage('reading');
for await (const _ of changes);
