/** Calls about a key rather than its value: `has`, `delete`, `increment`. */
import type { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { makeKey, SIZES, type Size, uniformSequence } from '../fixture.js';
import { bytesKind, integerKind } from '../kinds.js';
import { type BatchWork, embeddedCase } from './embedded.js';

/** Half of the keys asked for are absent. */
function hasCase(size: Size): BenchCase {
  return embeddedCase({
    name: `has/${size}`,
    what: 'has, by keys just built, half of them absent',
    size,
    kind: bytesKind,
    sequence: ({ operations, keys }) => uniformSequence(operations, 2 * keys),
    work: hasWork,
  });
}

function hasWork(bed: Bed<Uint8Array>): BatchWork {
  const { store, keys, scale } = bed;
  bed.fill((index) => index);
  const sums = bed.sums((index) => (index < scale.keys ? 1 : 0));
  return {
    prepare: (batch) => bed.takeKeys(batch),
    run() {
      let present = 0;
      for (let i = 0; i < keys.length; i++) if (store.has(keys[i]!)) present++;
      return present;
    },
    expected: (batch) => sums[batch]!,
    verify() {
      for (const index of bed.sequence.subarray(0, 10_000)) {
        const present = store.has(makeKey(index));
        if (present !== index < scale.keys) return `has of key ${index} is ${present}`;
      }
      return store.check();
    },
  };
}

/** What a batch deletes is put back before the next one, untimed. */
function deleteCase(size: Size): BenchCase {
  return embeddedCase({
    name: `delete/${size}`,
    what: 'delete of present keys (a few twice), by keys just built',
    size,
    kind: bytesKind,
    work: deleteWork,
  });
}

function deleteWork(bed: Bed<Uint8Array>): BatchWork {
  const { store, keys, scale } = bed;
  bed.fill((index) => index);
  const distinct = new Float64Array(bed.batches);
  for (let batch = 0; batch < distinct.length; batch++) {
    const first = batch * scale.batch;
    distinct[batch] = new Set(bed.sequence.subarray(first, first + scale.batch)).size;
  }
  let deleted: number | undefined;
  const putBack = (): number => {
    if (deleted === undefined) return 0;
    for (let i = 0; i < scale.batch; i++) {
      const index = bed.indexAt(deleted, i);
      store.set(makeKey(index), bytesKind.make(index));
    }
    return scale.batch;
  };
  const deleteAll = (): number => {
    let present = 0;
    for (let i = 0; i < keys.length; i++) if (store.delete(keys[i]!)) present++;
    return present;
  };
  return {
    prepare(batch) {
      store.inBatch(putBack);
      deleted = batch;
      bed.takeKeys(batch);
    },
    run: () => store.inBatch(deleteAll),
    expected: (batch) => distinct[batch]!,
    verify() {
      for (let i = 0; i < scale.batch; i++) {
        const index = bed.indexAt(deleted ?? 0, i);
        const absent = !store.has(makeKey(index)) && store.get(makeKey(index)) === undefined;
        if (absent !== (deleted !== undefined)) return `key ${index} is there after its delete`;
      }
      store.inBatch(putBack);
      deleted = undefined;
      return bed.verify();
    },
  };
}

function incrementCase(size: Size): BenchCase {
  return embeddedCase({
    name: `increment/${size}`,
    what: 'increment by 1; read, add and write where the peer has no such call',
    size,
    kind: integerKind,
    work: incrementWork,
  });
}

function incrementWork(bed: Bed<number>): BatchWork {
  const { store, keys, scale } = bed;
  bed.fill(() => 0);
  const counts = new Float64Array(scale.keys);
  const incrementAll = (): number => {
    let sum = 0;
    for (let i = 0; i < keys.length; i++) sum += store.increment(keys[i]!);
    return sum;
  };
  return {
    prepare: (batch) => bed.takeKeys(batch),
    run: () => store.inBatch(incrementAll),
    expected(batch) {
      let sum = 0;
      for (let i = 0; i < scale.batch; i++) {
        const index = bed.indexAt(batch, i);
        counts[index]! += 1;
        sum += counts[index]!;
      }
      return sum;
    },
    verify() {
      for (const index of bed.sequence.subarray(0, 10_000)) {
        const count = store.get(makeKey(index));
        if (count !== counts[index]) return `key ${index} counts ${count}, not ${counts[index]}`;
      }
      return store.check();
    },
  };
}

export const keyCases: readonly BenchCase[] = SIZES.flatMap((size) => [
  hasCase(size),
  deleteCase(size),
  incrementCase(size),
]);
