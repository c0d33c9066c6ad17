/** Reading one value after the other by JavaScript string keys. */
import type { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { SIZES, type Size } from '../fixture.js';
import { bytesKind, type Kind, objectKind, stringKind } from '../kinds.js';
import { type BatchWork, embeddedCase } from './embedded.js';

/** Key i holds value i. Each value read is touched: a reference alone would not have read it. */
export function getWork<V>(bed: Bed<V>): BatchWork {
  const { store, keys } = bed;
  const { mark } = bed.kind;
  bed.fill((index) => index);
  const sums = bed.sums((index) => mark(bed.kind.make(index)));
  return {
    prepare: (batch) => bed.takeKeys(batch),
    run() {
      let sum = 0;
      for (let i = 0; i < keys.length; i++) {
        const value = store.get(keys[i]!);
        sum += value === undefined ? Number.NaN : mark(value);
      }
      return sum;
    },
    expected: (batch) => sums[batch]!,
    verify: () => bed.verify(),
  };
}

function getCase<V>(kind: Kind<V>, size: Size, heldKeys: boolean): BenchCase {
  return embeddedCase({
    name: `get/${kind.name}/${size}${heldKeys ? '/held-keys' : ''}`,
    what: heldKeys
      ? 'get, by the very string objects that were stored: their hashes are known'
      : 'get, by keys just built',
    size,
    kind,
    heldKeys,
    work: getWork,
  });
}

export const getCases: readonly BenchCase[] = SIZES.flatMap((size) => [
  getCase(bytesKind, size, false),
  getCase(bytesKind, size, true),
  getCase(stringKind, size, false),
  getCase(objectKind, size, false),
]);
