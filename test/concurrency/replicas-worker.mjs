/**
 * Writes keys of one node's arena, while the main thread applies what another node writes. The time
 * that it takes for now stands still, so that nothing expires. `workerData`: { handle, seed, keys,
 * writes }.
 */
import { workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Random } from '../support/fuzz-random.mjs';
import { Caller } from './caller.mjs';

const { handle, seed, keys, writes } = workerData;
const arena = Arena.attach(handle);
const caller = new Caller(arena);
const random = new Random(seed);

const TTL_MS = 10_000_000;
const key = (kind) => `${kind} ${random.below(keys)}`;
const member = () => `m${random.below(12)}`;
const value = () => 'v'.repeat(random.below(100)) + random.below(1000);

const WRITES = [
  () => caller.call('SET', key('string'), value()),
  () => caller.call('SET', key('string'), value(), TTL_MS),
  () => caller.call('DEL', key('string')),
  () => caller.call('EXPIRE', key('string'), TTL_MS),
  () => caller.call('APPEND', key('string'), value()),
  () => caller.call('INCR', key('number'), 3),
  () => caller.call('SADD', key('set'), member(), member()),
  () => caller.call('SREM', key('set'), member()),
  () => caller.call('SPOP', key('set')),
  () => caller.call('HSET', key('hash'), member(), value()),
  () => caller.call('HDEL', key('hash'), member()),
  () => caller.call('RPUSH', key('list'), value()),
  () => caller.call('LTRIM', key('list'), -5, -1),
  () => caller.call('DEL', key('list'), key('set'), key('hash')),
];
for (let i = 0; i < writes; i++) random.pick(WRITES)();
arena.close();
