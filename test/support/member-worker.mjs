/** A thread that has the cache of a member open: writes a key, and tells what it cannot write. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const { handle, own, foreign } = workerData;
const cache = attachCache(handle);
cache.set(own, 'of a thread');
let code = 'none';
try {
  cache.set(foreign, 'of a thread');
} catch (error) {
  code = error.code;
}
parentPort.postMessage({ code, hasCluster: cache.cluster !== undefined });
cache.close();
