/** One of the threads whose speed is measured. */
import { parentPort, workerData } from 'node:worker_threads';
import { replyOf } from '../ask.js';
import { CoreClock } from '../core-times.js';
import { uniformSequence } from '../fixture.js';
import {
  type Gate,
  nowNs,
  PER_BATCH,
  type Share,
  type ThreadData,
  type ThreadQuestion,
  WAYS,
  type Way,
} from './contract.js';
import { checkSet, createSet, fillSet, type Place, placesOf } from './place.js';

/** Every so many batches of a mix are SETs. */
const MIX = 10;

const { ground, entries, batches, first, handle } = workerData as ThreadData;

const own = ground === 'own' ? createSet(entries, 4) : undefined;
if (own !== undefined) fillSet(own, entries);
const places = placesOf(
  own?.handle ?? handle,
  entries,
  uniformSequence(batches * PER_BATCH, entries),
);
const clock = new CoreClock();
let next = first;

function gate(): Gate {
  let checksum = 0;
  for (const way of WAYS) {
    const place = places[way];
    for (let batch = 0; batch < batches; batch++) {
      expect(way, batch, place.set(batch), place.expectedOfSet(batch));
      const found = place.get(batch);
      expect(way, batch, found, place.expectedOfGet(batch));
      // A reply to a frame has marks of its own.
      if (way === 'calls') checksum = (Math.imul(checksum, 31) + found) >>> 0;
    }
  }
  return { checksum };
}

function expect(way: Way, batch: number, sum: number, expected: number): void {
  if (sum === expected) return;
  throw new Error(`batch ${batch} of ${way} adds up to ${sum} instead of ${expected}`);
}

type Run = Extract<ThreadQuestion, { ask: 'run' }>;

function run({ way, work, startNs, ms }: Run): Share {
  const place: Place = places[way];
  const endNs = startNs + ms * 1e6;
  let done = 0;
  let wrong = 0;
  while (nowNs() < startNs);
  // Who gets no core in time, or loses it in between, has done so much less, but one batch.
  const before = clock.read();
  let atNs = startNs;
  do {
    const batch = next;
    next = batch + 1 === batches ? 0 : batch + 1;
    if (work === 'set' || (work === 'mix' && done % MIX === 0)) {
      if (place.set(batch) !== place.expectedOfSet(batch)) wrong++;
    } else if (place.get(batch) !== place.expectedOfGet(batch)) wrong++;
    done++;
    atNs = nowNs();
  } while (atNs < endNs);
  const coreNs = (clock.read().onCoreMs - before.onCoreMs) * 1e6;
  return { operations: done * PER_BATCH, ns: atNs - startNs, coreNs, wrong };
}

function answer(question: ThreadQuestion): Gate | Share | string | undefined {
  switch (question.ask) {
    case 'gate':
      return gate();
    case 'run':
      return run(question);
    case 'check':
      return own === undefined ? undefined : checkSet(own, entries);
  }
}

parentPort!.on('message', (question: ThreadQuestion) => {
  void replyOf(() => answer(question)).then((reply) => parentPort!.postMessage(reply));
});
