/** Hashes of as many fields as the other scripts have entries go, while others are read and written. */

import { time } from '../../server/cli/format.js';
import { VALUE_BYTES } from '../kinds.js';
import { type OpenScript, type Operation, roomFor, Work } from './script.js';

/** A field, its value and what they cost, and some more. */
const BYTES_A_FIELD = 80;
const FIELDS_AT_ONCE = 1000;
const STAYING = 10_000;
const EXPIRY_MS = 500;
/** Of values that fill the cache: so few that its table grows little, which has a script of its own. */
const FILLING_BYTES = 2000;

function fill(work: Work, key: string, fields: number): void {
  const hash = work.cache.hash(key);
  const value = 'v'.repeat(VALUE_BYTES);
  for (let first = 0; first < fields; first += FIELDS_AT_ONCE) {
    const pairs: [string, string][] = [];
    for (let i = first; i < Math.min(first + FIELDS_AT_ONCE, fields); i++) {
      pairs.push([`field:${String(i).padStart(9, '0')}`, value]);
    }
    hash.setMany(pairs);
  }
}

/** One hash is deleted, the next one expires; then the cache fills, and the third one is evicted. */
export const openLarge: OpenScript = (entries) => {
  const memory = roomFor(entries, 3 * BYTES_A_FIELD) + STAYING * 160;
  // Which one is evicted is to be sure: the one that was used least lately.
  const work = new Work(entries, { memory, policy: 'lru' });
  const { cache } = work;
  for (const key of ['evicted', 'expired', 'deleted']) fill(work, key, entries);
  for (let i = 0; i < STAYING; i++) work.store(i);
  if (cache.stats().evictions > 0) throw new Error('the memory is too small for the hashes');
  cache.expire('expired', EXPIRY_MS);
  const done: string[] = [];
  // New ones only when what is to expire has: they would have it evicted.
  const setNext = (operation: Operation): void => {
    if (done.length < 2) work.set(operation, work.below(STAYING), VALUE_BYTES);
    else work.set(operation, written++, FILLING_BYTES);
  };
  let written = STAYING;
  let isSet = false;
  return {
    cache,
    next(operation) {
      isSet = !isSet;
      if (isSet) setNext(operation);
      else {
        const index = written - 1 - work.below(STAYING);
        work.get(operation, index, index < STAYING ? VALUE_BYTES : FILLING_BYTES, true);
      }
    },
    isDone() {
      work.checkTime();
      if (done.length === 0) {
        const before = performance.now();
        cache.delete('deleted');
        done.push(`deleted in ${time(performance.now() - before)}`);
      } else if (done.length === 1 && !cache.has('expired')) {
        done.push('expired');
      } else if (done.length === 2 && !cache.has('evicted')) {
        done.push('evicted');
      }
      return done.length === 3;
    },
    evidence() {
      const { evictions, expired } = cache.stats();
      if (expired === 0 || evictions === 0) throw new Error('nothing has expired, or was evicted');
      return `hashes of ${entries} fields: ${done.join(', ')}; ${evictions} evictions`;
    },
  };
};
