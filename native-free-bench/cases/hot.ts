/** A few hot objects among many: what a cache of decoded values is for. */
import type { BenchCase } from '../case.js';
import { uniformSequence } from '../fixture.js';
import { recordKind } from '../kinds.js';
import { embeddedCase } from './embedded.js';
import { getWork } from './get.js';

const HOT_KEYS = 1000;

function hotCase(heldKeys: boolean, besideWriter: boolean): BenchCase {
  const keys = heldKeys ? 'the very strings that were stored' : 'keys just built';
  const beside = besideWriter ? ', while another thread writes other keys; wall time' : '';
  return embeddedCase({
    name: `hot-object/10k${heldKeys ? '/held-keys' : ''}${besideWriter ? '/beside-writer' : ''}`,
    what: `get of 1,000 hot objects of 10 fields, kept decoded, by ${keys}${beside}`,
    size: '10k',
    kind: recordKind,
    contestants: ['slabring', 'Map', 'lru-cache'],
    heldKeys,
    decoded: true,
    besideWriter,
    sequence: (scale) => uniformSequence(scale.operations, Math.min(HOT_KEYS, scale.keys)),
    work: getWork,
  });
}

export const hotCases: readonly BenchCase[] = [
  hotCase(false, false),
  hotCase(true, false),
  hotCase(false, true),
  hotCase(true, true),
];
