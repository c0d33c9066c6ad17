/** The process of an embedded cache whose memory is measured. Ends when it is disconnected. */
import { setImmediate as turn } from 'node:timers/promises';
import { type Cache, openCache } from '../../engine/index.js';
import { replyOf } from '../ask.js';
import { makeKey } from '../fixture.js';
import { bytesKind, isValue, VALUE_BYTES, writeValueBytes } from '../kinds.js';
import type { EmbeddedQuestion } from './embedded.js';

const WARM_UP_ENTRIES = 50_000;
const WARM_UP_BYTES = 16 * 2 ** 20;

let cache: Cache | undefined;
let stored = 0;

function fill(into: Cache, entries: number): void {
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < entries; i++) {
    writeValueBytes(value, 0, i);
    into.setBytes(makeKey(i), value);
  }
}

function readBack(from: Cache, entries: number): number {
  for (let i = 0; i < entries; i++) {
    const value = from.getBytes(makeKey(i));
    if (!isValue(bytesKind, value, i)) throw new Error(`key ${i} is missing or has a wrong value`);
  }
  const { entries: counted, evictions } = from.stats();
  if (counted !== entries || evictions > 0) {
    throw new Error(`it holds ${counted} of ${entries} entries and evicted ${evictions}`);
  }
  const broken = from.checkIntegrity();
  if (broken !== undefined) throw new Error(broken);
  return entries;
}

function answer(question: EmbeddedQuestion): number {
  switch (question.do) {
    case 'warmUp': {
      const small = openCache({ memory: WARM_UP_BYTES });
      fill(small, WARM_UP_ENTRIES);
      readBack(small, WARM_UP_ENTRIES);
      small.close();
      break;
    }
    case 'fill': {
      const { policy, memory, entries } = question;
      cache = openCache({ policy, memory });
      fill(cache, entries);
      stored = entries;
      break;
    }
    case 'readBack':
      if (cache === undefined) throw new Error('there is nothing to read back');
      readBack(cache, stored);
      break;
  }
  return stored;
}

/**
 * What JavaScript left behind is not the cache's; nor is the memory of the small one, which goes
 * once nothing of this turn of the event loop holds it any more.
 */
async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await turn();
    globalThis.gc?.();
  }
}

process.on('message', (question: EmbeddedQuestion) => {
  void replyOf(() => answer(question)).then(async (reply) => {
    await collectGarbage();
    if (process.connected) process.send!(reply);
  });
});
// Ctrl-C reaches this process too; it ends with the bench.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
