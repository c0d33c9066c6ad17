/** Checks a cache's integrity again and again while the flag is up, holding locks meanwhile. */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from '#engine/index.js';

const { handle, flag } = workerData;
const cache = attachCache(handle);
parentPort.postMessage('ready');
for (;;) {
  Atomics.wait(flag, 0, 0);
  const broken = cache.checkIntegrity();
  if (broken !== undefined) throw new Error(broken);
}
