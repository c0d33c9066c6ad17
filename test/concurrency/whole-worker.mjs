/**
 * Writes keys, each of which has the number of the write in all its items, and changes their
 * expiries. `workerData`: { handle, board, seed }. Ends with a message: how many writes there were.
 */
import { Buffer } from 'node:buffer';
import { parentPort, workerData } from 'node:worker_threads';
import { Packr } from 'msgpackr';
import { ArenaSet } from '#engine/arena-set.js';
import { FrameExecutor } from '#engine/frame.js';
import { Random } from '../support/fuzz-random.mjs';
import { ITEMS, LARGE_BYTES, READY, STOP, WRITES } from './whole.mjs';

const { handle, board, seed } = workerData;
const words = new Int32Array(board);
const arenas = ArenaSet.attach(handle);
const executor = new FrameExecutor(arenas.arenas[0], () => undefined);
const packr = new Packr({ useRecords: false });
const random = new Random(seed);

const numbers = Array.from({ length: ITEMS }, (_, i) => i);
/** By key: the command that makes it anew of a number. */
const MAKERS = {
  list: (n) => ['RPUSH', 'list', ...numbers.map(() => n)],
  set: (n) => ['SADD', 'set', ...numbers.map((i) => n * ITEMS + i)],
  hash: (n) => ['HSET', 'hash', ...numbers.flatMap((i) => [`field ${i}`, n])],
  zset: (n) => ['ZADD', 'zset', null, ...numbers.flatMap((i) => [n, `member ${i}`])],
  value: (n) => ['SET', 'value', Buffer.alloc(LARGE_BYTES, n & 0xff)],
};

function run(command) {
  const reply = executor.execute(Buffer.concat([Buffer.of(1), packr.pack(command)]));
  if (reply[1] === 0xc7) throw new Error(Buffer.from(reply).toString('latin1', 4));
}

function write(key, n) {
  const command = MAKERS[key](n);
  run(key === 'value' ? command : ['ATOMIC', [['DEL', key], command]]);
}

for (const key of Object.keys(MAKERS)) write(key, 0);
Atomics.add(words, READY, 1);
Atomics.notify(words, READY);
let writes = 0;
while (Atomics.load(words, STOP) === 0) {
  const key = random.pick(Object.keys(MAKERS));
  writes++;
  if (random.chance(0.2)) run(['EXPIRE', key, 100_000 + writes]);
  else write(key, writes);
  Atomics.store(words, WRITES, writes);
  // Sleeps: so that some reads have the time that they take, and others do not.
  if (random.chance(0.3)) Atomics.wait(words, STOP, 0, random.below(8));
}
arenas.close();
parentPort.postMessage(writes);
