/** Where a thread works: on a cache, by calls and by frames, or in memory of its own. */
import { ArenaSet, type ArenaSetHandle } from '../../engine/arena-set.js';
import { Cache } from '../../engine/cache.js';
import { DEFAULT_POLICY } from '../../engine/config.js';
import { isFault } from '../../engine/frame.js';
import { createExecutor } from '../../engine/routed-frame.js';
import { makeKey } from '../fixture.js';
import { Frames } from '../frames.js';
import { bytesKind, isValue, VALUE_BYTES, writeValueBytes } from '../kinds.js';
import { PER_BATCH, type Way } from './contract.js';

/** Does batches of GETs and SETs of the keys of a sequence. Key i always holds value i. */
export interface Place {
  /** The sum of the marks of a batch's results: a fault in any of them makes it another one. */
  get(batch: number): number;
  set(batch: number): number;
  expectedOfGet(batch: number): number;
  expectedOfSet(batch: number): number;
}

const MIB = 2 ** 20;
/** More than an entry needs, index included: nothing is to be evicted. */
const BYTES_PER_ENTRY = 160;
const { mark } = bytesKind;

export function createSet(entries: number, maxThreads: number): ArenaSet {
  return ArenaSet.create({
    memoryBytes: 64 * MIB + entries * BYTES_PER_ENTRY,
    policy: DEFAULT_POLICY,
    maxValueBytes: 64 * 1024,
    maxThreads,
  });
}

/** Stores every key. */
export function fillSet(set: ArenaSet, entries: number): void {
  const cache = new Cache(ArenaSet.attach(set.handle), 0);
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < entries; i++) {
    writeValueBytes(value, 0, i);
    cache.setBytes(makeKey(i), value);
  }
  cache.close();
}

/** Compares the value of every key; the first wrong thing in words. */
export function checkSet(set: ArenaSet, entries: number): string | undefined {
  const cache = new Cache(ArenaSet.attach(set.handle), 0);
  try {
    for (let i = 0; i < entries; i++) {
      if (!isValue(bytesKind, cache.getBytes(makeKey(i)), i)) return `key ${i} has a wrong value`;
    }
    const { evictions } = cache.stats();
    if (evictions > 0) return `it evicted ${evictions} entries, with room for all`;
    return cache.checkIntegrity();
  } finally {
    cache.close();
  }
}

/** For each batch the sum of the marks of its values. */
function marksOf(sequence: Uint32Array): Float64Array {
  const sums = new Float64Array(sequence.length / PER_BATCH);
  const value = new Uint8Array(VALUE_BYTES);
  for (let at = 0; at < sequence.length; at++) {
    writeValueBytes(value, 0, sequence[at]!);
    sums[Math.floor(at / PER_BATCH)]! += mark(value);
  }
  return sums;
}

function callsPlace(set: ArenaSet, sequence: Uint32Array): Place {
  const cache = new Cache(set, 0);
  const marks = marksOf(sequence);
  const value = new Uint8Array(VALUE_BYTES);
  return {
    get(batch) {
      let sum = 0;
      for (let at = batch * PER_BATCH; at < (batch + 1) * PER_BATCH; at++) {
        const found = cache.getBytes(makeKey(sequence[at]!));
        sum += found === undefined ? Number.NaN : mark(found);
      }
      return sum;
    },
    set(batch) {
      let sum = 0;
      for (let at = batch * PER_BATCH; at < (batch + 1) * PER_BATCH; at++) {
        writeValueBytes(value, 0, sequence[at]!);
        if (cache.setBytes(makeKey(sequence[at]!), value)) sum++;
      }
      return sum;
    },
    expectedOfGet: (batch) => marks[batch]!,
    expectedOfSet: () => PER_BATCH,
  };
}

function framesPlace(set: ArenaSet, sequence: Uint32Array): Place {
  const executor = createExecutor<undefined>(set, (name) => {
    throw new Error(`${name} is no command of a benchmark`);
  });
  const gets = new Frames('get', sequence, PER_BATCH);
  const sets = new Frames('set', sequence, PER_BATCH);
  const marksOfGets = gets.replyMarks();
  const marksOfSets = sets.replyMarks();
  const execute = (frame: Uint8Array): number => {
    const reply = executor.execute(frame, undefined);
    return isFault(reply) ? Number.NaN : reply.length + reply[reply.length - 1]!;
  };
  return {
    get: (batch) => execute(gets.at(batch)),
    set: (batch) => execute(sets.at(batch)),
    expectedOfGet: (batch) => marksOfGets[batch]!,
    expectedOfSet: (batch) => marksOfSets[batch]!,
  };
}

/** The loop of `calls` with a copy in the place of the cache; of `frames` with neither key. */
function privatePlace(entries: number, sequence: Uint32Array, makesKeys: boolean): Place {
  const marks = marksOf(sequence);
  const memory = new Uint8Array(entries * VALUE_BYTES);
  for (let i = 0; i < entries; i++) writeValueBytes(memory, i * VALUE_BYTES, i);
  const words = new Int32Array(memory.buffer);
  const value = new Uint8Array(VALUE_BYTES);
  const valueWords = new Int32Array(value.buffer);
  const lengthOfKey = makesKeys ? (i: number) => makeKey(i).length : () => 0;
  let keyBytes = 0;
  return {
    get(batch) {
      let sum = 0;
      for (let at = batch * PER_BATCH; at < (batch + 1) * PER_BATCH; at++) {
        const from = sequence[at]! * valueWords.length;
        keyBytes += lengthOfKey(sequence[at]!);
        for (let i = 0; i < valueWords.length; i++) valueWords[i] = words[from + i]!;
        sum += mark(value);
      }
      return sum;
    },
    set(batch) {
      for (let at = batch * PER_BATCH; at < (batch + 1) * PER_BATCH; at++) {
        keyBytes += lengthOfKey(sequence[at]!);
        writeValueBytes(memory, sequence[at]! * VALUE_BYTES, sequence[at]!);
      }
      return keyBytes < 0 ? Number.NaN : PER_BATCH;
    },
    expectedOfGet: (batch) => marks[batch]!,
    expectedOfSet: () => PER_BATCH,
  };
}

/** The places of a thread, one for each way. Without a handle they are memory of its own. */
export function placesOf(
  handle: ArenaSetHandle | undefined,
  entries: number,
  sequence: Uint32Array,
): Readonly<Record<Way, Place>> {
  if (handle === undefined) {
    return {
      calls: privatePlace(entries, sequence, true),
      frames: privatePlace(entries, sequence, false),
    };
  }
  const set = ArenaSet.attach(handle);
  return { calls: callsPlace(set, sequence), frames: framesPlace(set, sequence) };
}
