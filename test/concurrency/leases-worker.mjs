/**
 * Takes a lease, again and again, and does under it what two threads must not do at once. Or takes
 * tokens from a bucket as fast as it can.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const { handle, board, role, self, rounds, takeMs, limit } = workerData;
const cache = attachCache(handle);
const words = new Int32Array(board);
const keyspace = workerData.space ? cache.namespace('leases') : cache;

/** Where in the board: who is inside, what is counted without care, the last fence. */
const INSIDE = 0;
const COUNTED = 1;
const FENCE = new Float64Array(board, 8, 1);

function holdLeases() {
  const owner = `worker ${self}`;
  let held = 0;
  let refused = 0;
  const faults = [];
  while (held < rounds) {
    const fence = keyspace.acquireLease('job', owner, '1m');
    if (fence === undefined) {
      refused++;
      continue;
    }
    held++;
    if (Atomics.add(words, INSIDE, 1) !== 0) faults.push(`two holders at fence ${fence}`);
    if (!(fence > FENCE[0])) faults.push(`fence ${fence} after ${FENCE[0]}`);
    FENCE[0] = fence;
    // Not atomic: one that is alone loses nothing.
    const count = words[COUNTED];
    if (held % 3 === 0 && !keyspace.extendLease('job', owner, '1m')) faults.push('not extended');
    words[COUNTED] = count + 1;
    Atomics.sub(words, INSIDE, 1);
    if (held % 5 === 0) {
      // Somebody takes the lease away, as eviction might.
      keyspace.delete('job');
    } else if (!keyspace.releaseLease('job', owner)) {
      faults.push('not released');
    }
  }
  return { held, refused, faults };
}

function takeTokens() {
  let allowed = 0;
  let refused = 0;
  // Together, so that the first ones meet too.
  Atomics.add(words, INSIDE, 1);
  while (Atomics.load(words, INSIDE) < workerData.workers);
  const end = Date.now() + takeMs;
  // To the end of the bucket, and beyond.
  while (Date.now() < end || refused === 0) {
    if (keyspace.limit('bucket', limit).allowed) allowed++;
    else refused++;
  }
  return { allowed, refused };
}

const tally = role === 'hold' ? holdLeases() : takeTokens();
cache.close();
parentPort.postMessage(tally);
