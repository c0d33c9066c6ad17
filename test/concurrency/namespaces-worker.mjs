/**
 * A thread of namespaces.test.ts. `workerData`: { handle, rounds, role, self, count }. `rounds` is
 * two words: a count that is odd while the namespace is being cleared, and how many writers have
 * come to their end.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const { handle, rounds, role, self, count } = workerData;
const ROUND = 0;
const ENDED = 1;
const KEYS = 50;
/** A clear that began and ended since the round was read, whether that was odd or even. */
const WHOLE_CLEAR = 3;

const cache = attachCache(handle);
const users = cache.namespace('users');
const posts = cache.namespace('posts');
const words = new Int32Array(rounds);
const tally = { clears: 0, present: 0, gone: 0 };

function clear() {
  while (Atomics.load(words, ENDED) < count) {
    Atomics.add(words, ROUND, 1);
    users.clear();
    Atomics.add(words, ROUND, 1);
    tally.clears++;
  }
}

function write() {
  /** The round in which each key was written last. */
  const writtenIn = Array(KEYS).fill(0);
  for (let i = 1; i <= count; i++) {
    const number = i % KEYS;
    const key = `${self} ${number}`;
    const round = Atomics.load(words, ROUND);
    const found = users.get(key);
    if (found !== undefined && found.i !== i - KEYS) throw new Error(`${key} is ${found.i}`);
    if (i > KEYS && round - writtenIn[number] >= WHOLE_CLEAR) {
      if (found !== undefined) throw new Error(`${key} was cleared, and is ${found.i}`);
      tally.gone++;
    }
    const before = Atomics.load(words, ROUND);
    users.set(key, { i }, i % 3 === 0 ? { ttl: '1h' } : undefined);
    const read = i % 2 === 0 ? users.get(key) : users.getMany([key])[0];
    const after = Atomics.load(words, ROUND);
    writtenIn[number] = after;
    if (before === after && before % 2 === 0) {
      if (read?.i !== i) throw new Error(`${key} was not cleared, and is ${read?.i}`);
      tally.present++;
    }
    posts.set(key, i);
    if (posts.get(key) !== i) throw new Error(`${key} of another namespace is gone`);
  }
  Atomics.add(words, ENDED, count);
}

if (role === 'clear') clear();
else write();
cache.close();
parentPort.postMessage(tally);
