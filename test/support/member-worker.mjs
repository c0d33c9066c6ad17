/**
 * A thread that has the cache of a member open: writes keys, and tells what it could not write, and
 * what it reads of a key elsewhere.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { memberThread } from 'slabring/server';

const { handle, port, own, foreign } = workerData;
const cluster = port && memberThread(port, { timeout: '20s' });
const cache = attachCache(handle, { cluster });
await cache.cluster?.ready();
cache.set(own, 'of a thread');
let code = 'none';
try {
  cache.set(foreign, 'of a thread');
} catch (error) {
  code = error.code;
}
const found = [await cache.cluster?.get(own), await cache.cluster?.get(foreign)];
parentPort.postMessage({ code, found });
cache.close();
