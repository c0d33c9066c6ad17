/**
 * Writes of every kind, while another thread mirrors the cache. `workerData`: { handle, seed, keys,
 * writes, namespaces }. Ends when it has done so many.
 */
import { workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { writeSomething } from '../support/changes-writes.mjs';
import { Random } from '../support/fuzz-random.mjs';

const { handle, seed, keys, writes, namespaces = [] } = workerData;
const cache = attachCache(handle);
const random = new Random(seed);
const keyspaces = [cache, ...namespaces.map((name) => cache.namespace(name))];
for (let i = 0; i < writes; i++) writeSomething(random.pick(keyspaces), random, keys);
cache.close();
