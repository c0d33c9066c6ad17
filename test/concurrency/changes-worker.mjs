/**
 * Writes of every kind, while another thread mirrors the cache. `workerData`: { handle, seed, keys,
 * writes }. Ends when it has done so many.
 */
import { workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';
import { writeSomething } from '../support/changes-writes.mjs';
import { Random } from '../support/fuzz-random.mjs';

const { handle, seed, keys, writes } = workerData;
const cache = attachCache(handle);
const random = new Random(seed);
for (let i = 0; i < writes; i++) writeSomething(cache, random, keys);
cache.close();
