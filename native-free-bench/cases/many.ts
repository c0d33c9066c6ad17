/** Many keys a call: `getMany` and `setMany`. */
import type { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { SIZES, type Size } from '../fixture.js';
import { bytesKind, type Kind, stringKind } from '../kinds.js';
import { type BatchWork, embeddedCase } from './embedded.js';
import { neighbourOf } from './set.js';

const KEYS_PER_CALL = 128;

function chunks<T>(items: readonly T[]): T[][] {
  const calls: T[][] = [];
  for (let at = 0; at < items.length; at += KEYS_PER_CALL) {
    calls.push(items.slice(at, at + KEYS_PER_CALL));
  }
  return calls;
}

function getManyWork<V>(bed: Bed<V>): BatchWork {
  const { store } = bed;
  const { mark } = bed.kind;
  bed.fill((index) => index);
  const sums = bed.sums((index) => mark(bed.kind.make(index)));
  let calls: string[][] = [];
  return {
    prepare(batch) {
      bed.takeKeys(batch);
      calls = chunks(bed.keys);
    },
    run() {
      let sum = 0;
      for (const keys of calls) {
        const values = store.getMany(keys);
        for (let i = 0; i < values.length; i++) {
          const value = values[i];
          sum += value === undefined ? Number.NaN : mark(value);
        }
      }
      return sum;
    },
    expected: (batch) => sums[batch]!,
    verify: () => bed.verify(),
  };
}

function setManyWork<V>(bed: Bed<V>): BatchWork {
  const { store, keys, values, scale } = bed;
  bed.fill(neighbourOf(bed));
  let calls: [string, V][][] = [];
  const setAll = (): number => {
    for (const entries of calls) store.setMany(entries);
    return scale.batch;
  };
  return {
    prepare(batch) {
      bed.takeKeys(batch);
      bed.takeValues(batch);
      calls = chunks(keys.map((key, i) => [key, values[i]!]));
    },
    run: () => store.inBatch(setAll),
    expected: () => scale.batch,
    verify: () => bed.verify(),
  };
}

function manyCasesOf<V>(kind: Kind<V>, size: Size): BenchCase[] {
  return [
    embeddedCase({
      name: `get-many/${kind.name}/${size}`,
      what: `getMany of ${KEYS_PER_CALL} keys a call; as many single calls where the peer has none`,
      size,
      kind,
      work: getManyWork,
    }),
    embeddedCase({
      name: `set-many/${kind.name}/${size}`,
      what: `setMany of ${KEYS_PER_CALL} pairs a call; as many single calls where the peer has none`,
      size,
      kind,
      work: setManyWork,
    }),
  ];
}

export const manyCases: readonly BenchCase[] = SIZES.flatMap((size) => [
  ...manyCasesOf(bytesKind, size),
  ...manyCasesOf(stringKind, size),
]);
