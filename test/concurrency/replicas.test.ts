/**
 * Threads write on two nodes while another one applies to each what the other one wrote: in the end
 * both have the same.
 */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { DELETED, LOG_DELETE, REASON_MASK, REMOTE } from '#engine/log-record.js';
import { freshSeed } from '../support/fuzz-random.mjs';
import { MIB } from '../support/kernel-memory.js';
import { Peer } from '../support/replicas.js';
import { recordsOf } from '../support/stamped-arena.js';

const WRITER = new URL('replicas-worker.mjs', import.meta.url);
const WRITERS = 2;
const WRITES = 15_000;
const KINDS = ['string', 'number', 'set', 'hash', 'list'];

/** Tells another node what one has written since, and itself of what it deleted. */
function ship(from: Peer, to: Peer): boolean {
  const bytes = from.logged();
  let at = 0;
  for (const record of recordsOf(bytes)) {
    const one = bytes.subarray(at, record.end);
    at = record.end;
    if (record.detail & REMOTE) continue;
    to.apply(from, one);
    const isDeleted = record.kind === LOG_DELETE && (record.detail & REASON_MASK) === DELETED;
    if (isDeleted) from.apply(from, one);
  }
  return bytes.length > 0;
}

test.each([
  { partitions: 1, keys: 3 },
  { partitions: 4, keys: 40 },
])('two nodes come to agree: %j', { timeout: 120_000 }, async ({ partitions, keys }) => {
  const seed = freshSeed();
  const options = { memoryBytes: 128 * MIB, partitions, maxThreads: WRITERS + 1 } as const;
  // The clocks of all threads are the process's.
  const [one, other] = [1, 2].map((node) => new Peer(node, { ...options, policy: 'none' })) as [
    Peer,
    Peer,
  ];
  const setClocks = () => {
    for (const peer of [one, other]) peer.nowMs = Date.now();
  };
  setClocks();
  const workers = [one, other].flatMap((peer, node) =>
    Array.from({ length: WRITERS }, (_, i) => {
      const own = seed + node * WRITERS + i;
      const workerData = { handle: peer.arena.handle, seed: own, keys, writes: WRITES };
      return new Worker(WRITER, { workerData });
    }),
  );
  let running = workers.length;
  const exits = workers.map(async (worker) => {
    const [code] = await once(worker, 'exit');
    running--;
    expect(code).toBe(0);
  });
  let isMore = true;
  while (running > 0 || isMore) {
    setClocks();
    isMore = ship(one, other);
    isMore = ship(other, one) || isMore;
    await turn();
  }
  await Promise.all(exits);
  for (const peer of [one, other]) expect(peer.arena.checkIntegrity()).toBeUndefined();
  const names = KINDS.flatMap((kind) => Array.from({ length: keys }, (_, i) => `${kind} ${i}`));
  const contentsOf = (peer: Peer) => names.map((name) => `${name}: ${peer.contentOf(name)}`);
  expect(contentsOf(one), `seed ${seed}`).toEqual(contentsOf(other));
  // The less, the later this thread had its turns: most effects meet another state then.
  expect(one.repeated + other.repeated).toBeGreaterThan(0);
});
