/** Writing one value after the other over existing ones, by JavaScript string keys. */
import type { Bed } from '../bed.js';
import type { BenchCase } from '../case.js';
import { type Scale, SIZES, type Size } from '../fixture.js';
import { bytesKind, type Kind, objectKind, stringKind } from '../kinds.js';
import { type BatchWork, embeddedCase } from './embedded.js';

/** Every key begins with its neighbour's value, so that `verify` sees a `set` that does nothing. */
export function neighbourOf(bed: { scale: Scale }): (index: number) => number {
  return (index) => (index + 1) % bed.scale.keys;
}

function setWork<V>(bed: Bed<V>): BatchWork {
  const { store, keys, values } = bed;
  bed.fill(neighbourOf(bed));
  const setAll = (): number => {
    for (let i = 0; i < keys.length; i++) store.set(keys[i]!, values[i]!);
    return keys.length;
  };
  return {
    prepare(batch) {
      bed.takeKeys(batch);
      bed.takeValues(batch);
    },
    run: () => store.inBatch(setAll),
    expected: () => bed.scale.batch,
    verify: () => bed.verify(),
  };
}

function setCase<V>(kind: Kind<V>, size: Size): BenchCase {
  return embeddedCase({
    name: `set/${kind.name}/${size}`,
    what: 'set over an existing value; keys and values just built',
    size,
    kind,
    work: setWork,
  });
}

export const setCases: readonly BenchCase[] = SIZES.flatMap((size) => [
  setCase(bytesKind, size),
  setCase(stringKind, size),
  setCase(objectKind, size),
]);
