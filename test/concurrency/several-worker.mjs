/**
 * A thread of several.test.ts. `workerData`: { handle, self, threads, turns, evicts }. Each turn
 * does one thing to several keys in one step, and looks at what others did.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachCache } from 'slabring';

const { handle, self, threads, turns, evicts } = workerData;
const cache = attachCache(handle);
const tally = { sets: 0, wholes: 0, moves: 0, appended: 0, refused: 0 };

/** Written together, all with one value: of whatever length, so that they move. */
const GROUP = Array.from({ length: 12 }, (_, i) => `group ${i}`);
/** Among these one token wanders. */
const PLACES = Array.from({ length: 6 }, (_, i) => `place ${i}`);

let state = self + 1;
function below(count) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
}

function same(values) {
  const known = values.filter((value) => value !== undefined).map((value) => value.id);
  if (new Set(known).size > 1) throw new Error(`values of several writes: ${known}`);
  if (!evicts && known.length > 0 && known.length < values.length) {
    throw new Error(`${known.length} of ${values.length} values are there`);
  }
  return known.length;
}

/** `call`, or that there was no memory for it. */
function unlessFull(call) {
  try {
    return call();
  } catch (error) {
    if (error.code !== 'OOM') throw error;
    tally.refused++;
    return undefined;
  }
}

/** Some of the group, in any order: whoever locks in their order comes to a halt. */
function shuffled() {
  return GROUP.map((key) => [below(1000), key])
    .sort(([left], [right]) => left - right)
    .map(([, key]) => key);
}

for (let turn = 0; turn < turns; turn++) {
  const id = `${self} ${turn}`;
  const text = 'x'.repeat(below(4) === 0 ? below(9000) : below(200));
  switch (below(6)) {
    case 0:
    case 1:
      unlessFull(() => cache.setAll(shuffled().map((key) => [key, { id, text }])));
      tally.sets++;
      break;
    case 2:
    case 3:
      if (same(cache.getAll(shuffled())) > 0) tally.wholes++;
      break;
    case 4: {
      const [from, to] = [PLACES[below(6)], PLACES[below(6)]];
      if (from === to) break;
      try {
        if (unlessFull(() => cache.renameIfAbsent(from, to))) tally.moves++;
      } catch (error) {
        if (error.code !== 'UNKNOWN') throw error;
      }
      const tokens = cache.getAll(PLACES).filter((value) => value !== undefined);
      if (tokens.length > 1 || (!evicts && tokens.length !== 1)) {
        throw new Error(`${tokens.length} tokens`);
      }
      break;
    }
    default: {
      // Nobody else writes behind these bytes, and everybody behind those.
      const own = `own ${self}`;
      const mark = Buffer.alloc(1 + below(60), self);
      if (unlessFull(() => cache.append('all', mark)) === undefined) break;
      tally.appended += mark.length;
      unlessFull(() => cache.append(own, mark));
      if (!cache.getRange(own, 0).every((byte) => byte === self)) throw new Error('not ours');
      const tail = cache.getRange('all', -100);
      if (!tail.every((byte) => byte < threads)) throw new Error('not of any thread');
    }
  }
}
cache.close();
parentPort.postMessage(tally);
