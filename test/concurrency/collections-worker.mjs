/**
 * A thread of collections.test.ts. `workerData`: { handle, self, threads, turns, seed, vanishes }.
 * Each turn changes a collection that all threads change, or looks whether one is whole.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '#engine/arena.js';
import { Random } from '../support/fuzz-random.mjs';
import { Caller } from './caller.mjs';
import { BAGS, FIELDS, QUEUES, RINGS, TOKENS, WHOLE } from './collections.mjs';

const { handle, self, threads, turns, seed, vanishes } = workerData;
const arena = Arena.attach(handle);
const caller = new Caller(arena);
const random = new Random(seed + self);
const tally = { counted: 0, scored: 0, pushed: 0, taken: [], moves: 0, wholes: 0, refused: 0 };

const fail = (what) => {
  throw new Error(`thread ${self}: ${what}`);
};

/* Elements are [producer, number]; how many this thread put in each queue, and what it took last of each producer. */
const sequences = QUEUES.map(() => 0);
const last = QUEUES.map(() => Array.from({ length: threads }, () => 0));

/** Now and then so long that it stands outside of its node. */
const padding = () => 'x'.repeat(random.chance(0.1) ? random.below(5000) : random.below(60));

function push(queue) {
  const elements = Array.from({ length: random.between(1, 3) }, (_, i) => [
    self,
    sequences[queue] + 1 + i,
    padding(),
  ]);
  // All or none of them.
  if (caller.tryCall('RPUSH', QUEUES[queue], ...elements) === undefined) return;
  sequences[queue] += elements.length;
  tally.pushed += elements.length;
}

function take(queue) {
  const elements = caller.call('LPOP', QUEUES[queue], random.between(1, 3)) ?? [];
  for (const [producer, number] of elements) {
    if (!(number > last[queue][producer]))
      fail(`${number} of ${producer} after ${last[queue][producer]}`);
    last[queue][producer] = number;
    tally.taken.push(`${queue} ${producer} ${number}`);
  }
}

/** Tokens in several collections: each is in one of them. */
function checkTokens(lists) {
  const tokens = lists.flatMap((one) => [...(one ?? [])]);
  const distinct = new Set(tokens).size;
  if (distinct !== tokens.length) fail(`${tokens.length - distinct} tokens are twice there`);
  if (!vanishes && distinct !== TOKENS) fail(`${distinct} tokens of ${TOKENS}`);
  tally.wholes++;
}

const readAll = (keys, ...[name, ...args]) =>
  caller.atomic(keys.map((key) => [name, key, ...args]));

/** All fields of one write. */
function checkWhole() {
  const fields = caller.call('HGETALL', WHOLE);
  const ids = new Set([...fields.values()].map(([id]) => id));
  if (ids.size > 1) fail(`fields of several writes: ${[...ids]}`);
  if (fields.size !== FIELDS && !(vanishes && fields.size === 0)) fail(`${fields.size} fields`);
  const [one, other] = caller.call('HMGET', WHOLE, 'field 3', `field ${FIELDS - 1}`);
  if ((one?.[0] ?? '') !== (other?.[0] ?? '')) fail('two fields of two writes');
  tally.wholes++;
}

/** Elements come and go by threes. */
function checkTriples() {
  const elements = caller.call('LRANGE', 'triples', 0, -1) ?? [];
  if (elements.length % 3 !== 0) fail(`${elements.length} elements`);
  for (let i = 0; i < elements.length; i += 3) {
    if (elements[i] !== elements[i + 1] || elements[i] !== elements[i + 2]) fail('a torn triple');
  }
  tally.wholes++;
}

/** A member and its negative come and go together. */
function checkTwins() {
  const members = new Set(caller.call('SMEMBERS', 'twins'));
  for (const member of members) if (!members.has(-member)) fail(`${member} is alone`);
  const ranked = caller.call('ZRANGE', 'scores', 0, -1, 8);
  const seen = new Set();
  for (let i = 0; i < ranked.length; i += 2) {
    if (seen.has(ranked[i])) fail(`${ranked[i]} is there twice`);
    seen.add(ranked[i]);
    if (i > 0 && ranked[i + 1] < ranked[i - 1]) fail('scores that are in no order');
  }
  tally.wholes++;
}

const timed = () => `time ${random.below(400)}`;

/** Fields that expire: what their values say they are. */
function expireSome() {
  const fields = Array.from({ length: random.between(1, 9) }, timed);
  const ttlMs = random.pick([1, 2, 5, 30, 2000]);
  switch (random.below(4)) {
    case 0:
      return caller.tryCall('HEXPIRE', 'times', ttlMs, 0, ...fields);
    case 1:
      return caller.tryCall('HPERSIST', 'times', ...fields);
    case 2:
      return caller.tryCall('HDEL', 'times', ...fields);
    default: {
      const pairs = fields.flatMap((field) => [field, [field, padding()]]);
      return caller.tryCall('HSETEX', 'times', ttlMs, 0, ...pairs);
    }
  }
}

function checkTimes() {
  for (let i = 0; i < 10; i++) {
    const field = timed();
    const value = caller.call('HGET', 'times', field);
    if (value !== null && value[0] !== field) fail(`${field} has the value of ${value[0]}`);
  }
  const [fields, size, names] = caller.atomic([
    ['HGETALL', 'times'],
    ['HLEN', 'times'],
    ['HKEYS', 'times'],
  ]);
  if (fields.size !== size || names.length !== size) fail(`${fields.size} fields of ${size}`);
  for (const [field, [name]] of fields) if (field !== name) fail(`${field} has that of ${name}`);
  arena.kernel.upkeep(arena.slot, Date.now());
}

const pickTwo = (keys) => [random.pick(keys), random.pick(keys)];
const side = () => random.pick(['LEFT', 'RIGHT']);

function turn() {
  switch (random.below(17)) {
    case 0: {
      const by = random.between(-5, 20);
      const field = `count ${random.below(300)}`;
      if (caller.tryCall('HINCRBY', 'counts', field, by) !== undefined) tally.counted += by;
      return;
    }
    case 1: {
      const by = random.between(-5, 20);
      const member = `member ${random.below(400)}`;
      if (caller.tryCall('ZINCRBY', 'scores', by, member) !== undefined) tally.scored += by;
      return;
    }
    case 2:
    case 3:
      return push(random.below(QUEUES.length));
    case 4:
      return take(random.below(QUEUES.length));
    case 5: {
      const [from, to] = pickTwo(RINGS);
      if (caller.tryCall('LMOVE', from, to, side(), side())) tally.moves++;
      return;
    }
    case 6: {
      const [from, to] = pickTwo(BAGS);
      if (caller.tryCall('SMOVE', from, to, `token ${random.below(TOKENS)}`)) tally.moves++;
      return;
    }
    case 7:
      return checkTokens(readAll(RINGS, 'LRANGE', 0, -1));
    case 8:
      return checkTokens(readAll(BAGS, 'SMEMBERS'));
    case 9: {
      const id = `${self} ${tally.wholes}`;
      const value = [id, padding()];
      const fields = Array.from({ length: FIELDS }, (_, i) => [`field ${i}`, value]).flat();
      caller.tryCall('HSET', WHOLE, ...fields);
      return;
    }
    case 10:
      return checkWhole();
    case 11: {
      const element = `${self} ${padding()}`;
      const length = caller.tryCall('RPUSH', 'triples', element, element, element) ?? 0;
      if (length > 300 || random.chance(0.5)) caller.call('LPOP', 'triples', 3);
      if (random.chance(0.02)) caller.call('LTRIM', 'triples', 30, 59);
      return;
    }
    case 12: {
      const member = random.between(1, 3000);
      const name = random.pick(['SADD', 'SREM']);
      caller.tryCall(name, 'twins', member, -member);
      return;
    }
    case 13:
    case 14:
      return expireSome();
    case 15:
      return checkTimes();
    default:
      if (random.chance(0.5)) checkTriples();
      else checkTwins();
  }
}

for (let i = 0; i < turns; i++) turn();
tally.refused = caller.refused;
arena.close();
parentPort.postMessage(tally);
