/**
 * A thread of atomic.test.ts. `workerData`: { handle, self, transfers, seed, canary }: how many
 * transfers it makes, with other things beside them. `canary`: transfers are two steps.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Random } from '../support/fuzz-random.mjs';
import { ACCOUNTS, checkTotals, GUARDED, PLACES, PURSES } from './atomic.mjs';
import { Caller } from './caller.mjs';

const { handle, self, transfers, seed, canary } = workerData;
const arena = Arena.attach(handle);
const caller = new Caller(arena);
const random = new Random(seed + self);
const tally = { counted: 0, conflicts: 0, made: 0, reads: 0 };

function transfer() {
  const amount = random.between(-50, 50);
  const steps = random.chance(0.6)
    ? [
        ['INCR', random.pick(ACCOUNTS), -amount],
        ['INCR', random.pick(ACCOUNTS), amount],
      ]
    : [
        ['HINCRBY', random.pick(PURSES), 'coins', -amount],
        ['HINCRBY', random.pick(PURSES), 'coins', amount],
      ];
  if (canary) for (const step of steps) caller.call(...step);
  else caller.atomic(steps);
}

/** Adds one to what was read, unless somebody else was faster. */
function countUp() {
  const key = random.pick(GUARDED);
  const [count, version] = caller.call('GETV', key);
  const reply = caller.atomic([['SET', key, count + 1]], [[key, version]]);
  if (Array.isArray(reply)) tally.counted++;
  else if (reply === key) tally.conflicts++;
  else throw new Error(`a guard replied ${reply}`);
}

/** Makes what is not there. */
function make() {
  const place = `place ${random.below(PLACES)}`;
  const reply = caller.atomic(
    [
      ['RPUSH', place, self],
      ['INCR', 'places', 1],
    ],
    [[place, null]],
  );
  if (Array.isArray(reply)) tally.made++;
}

for (let i = 0; i < transfers; i++) {
  transfer();
  const roll = random.below(20);
  if (roll < 4) countUp();
  else if (roll === 4) make();
  else if (roll === 5) {
    checkTotals(caller, random.chance(0.5));
    tally.reads++;
  }
}
arena.close();
parentPort.postMessage(tally);
