/**
 * A cache in use: room for a tenth of the keys, some keys more popular than others, a miss is
 * stored.
 */
import type { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { makeKey, SIZES, zipfSequence } from '../fixture.js';
import { bytesKind, isValue } from '../kinds.js';
import { type BatchWork, embeddedCase } from './embedded.js';

/** Close to what web caches see. */
const ZIPF_EXPONENT = 0.9;

function cacheAsideWork(bed: Bed<Uint8Array>): BatchWork {
  const { store, kind, keys, values, scale } = bed;
  const { mark } = kind;
  const marks = new Uint16Array(scale.keys);
  for (let index = 0; index < scale.keys; index++) marks[index] = mark(kind.make(index));
  const batchMarks = new Uint16Array(scale.batch);
  let asked = 0;
  let hits = 0;
  return {
    prepare(batch) {
      bed.takeKeys(batch);
      bed.takeValues(batch);
      for (let i = 0; i < scale.batch; i++) batchMarks[i] = marks[bed.indexAt(batch, i)]!;
    },
    // Policies differ in what they keep, so the checksum counts wrong values, not values.
    run() {
      let wrong = 0;
      let found = 0;
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i]!;
        const value = store.get(key);
        if (value === undefined) {
          store.set(key, values[i]!);
        } else {
          found++;
          if (mark(value) !== batchMarks[i]) wrong++;
        }
      }
      hits += found;
      asked += keys.length;
      return wrong;
    },
    expected: () => 0,
    verify() {
      for (const index of bed.sequence.subarray(0, 10_000)) {
        const value = store.get(makeKey(index));
        if (value !== undefined && !isValue(kind, value, index)) return `key ${index} is wrong`;
      }
      if (hits === 0) return 'not a single key was found again';
      // The gate calls this last: from here on the cache is warm, and that is the hit ratio to
      // tell.
      hits = 0;
      asked = 0;
      return store.check();
    },
    facts: () => ({ hitRatio: hits / asked }),
  };
}

export const evictCases: readonly BenchCase[] = SIZES.map((size) =>
  embeddedCase({
    name: `evict/bytes/${size}`,
    what: `get, and set on a miss; room for a tenth of the keys, Zipf ${ZIPF_EXPONENT}`,
    size,
    kind: bytesKind,
    contestants: ['slabring', 'lru-cache'],
    sequence: ({ operations, keys }) => zipfSequence(operations, keys, ZIPF_EXPONENT),
    maxEntries: ({ keys }) => Math.floor(keys / 10),
    work: cacheAsideWork,
  }),
);
