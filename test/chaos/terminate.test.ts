/**
 * Workers are terminated at random moments, most of them in the midst of a write, while the main
 * thread and another one go on: no operation waits long, no value is torn, what others wrote in
 * partitions that were not emptied is there, and no slot or page is lost. A few hundred deaths;
 * CHAOS_SECONDS makes each run longer.
 */
// Sleeps: leaves the processors to those who shall die.
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Arena, type ArenaOptions } from '#engine/arena.js';
import { FrameWriter, packKey } from '../concurrency/frames.mjs';
import { writeValue } from '../concurrency/values.mjs';
import { type Large, liveAndDie } from '../support/chaos-lives.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { watch } from '../support/hammer.js';
import { PARTITION_BYTES, PARTITIONS, Partition } from '../support/kernel-memory.js';
import { keyOf, SHARED_KEYS, Survivor } from './survivor.mjs';

const MIB = 1024 ** 2;
const SURVIVOR = new URL('survivor-worker.mjs', import.meta.url);
const RUN_MS = process.env.CHAOS_SECONDS ? 1000 * Number(process.env.CHAOS_SECONDS) : 4000;
/** Fewer than dead threads in a run: their slots must be taken again. */
const MAX_THREADS = 8;
const DOOMED_AT_ONCE = 4;
/** Where a partition counts how often it was emptied. */
const EMPTIED = { at: PARTITIONS + Partition.emptied, stride: PARTITION_BYTES };
const FRAMES = 50;
const FRAME_BYTES = 100_000;
const SIZES = [
  ...Array.from({ length: 6 }, () => [20, 40, 100, 200, 250]).flat(),
  3000,
  9000,
  20_000,
];
const SET = 0x11;
const DEL = 0x12;
const EXPIRE = 0x14;
const GETV = 0x18;
const LARGES = 10;
const LARGE_BYTES = 140_000;
/** The word of the board that tells the survivor to end; word 0 is the watchdog's. */
const STOP = 1;
/** No operation may take longer, whoever dies. */
const LONGEST_MS = 1000;

/** What doomed threads execute: writes of every kind, to the keys that all threads write. */
function makeFrames(random: Random): Buffer[] {
  const writer = new FrameWriter(FRAME_BYTES);
  return Array.from({ length: FRAMES }, () => {
    writer.begin();
    for (let left = 200; left > 0 && writer.room > 24_000; left--) {
      const number = random.below(SHARED_KEYS);
      const key = packKey(keyOf(number));
      const code = random.pick([SET, SET, SET, SET, DEL, EXPIRE, GETV]);
      writer.command(code, key, code === SET || code === EXPIRE ? 1 : 0);
      const length = random.pick(SIZES);
      const sequence = random.between(1, 1_000_000);
      if (code === SET)
        writer.argument((bytes, at) => writeValue(bytes, at, number, 99, sequence, length));
      else if (code === EXPIRE) writer.integer(60_000);
    }
    return Buffer.from(writer.finish());
  });
}

/** What they store beside, in whole pages. */
function makeLarges(random: Random): Large[] {
  return Array.from({ length: LARGES }, (_, i) => {
    const number = random.below(SHARED_KEYS);
    const value = Buffer.alloc(LARGE_BYTES + 1024);
    const end = writeValue(
      value,
      0,
      number,
      99,
      random.between(1, 1_000_000),
      LARGE_BYTES - i * 999,
    );
    return { key: keyOf(number), value: value.subarray(0, end) };
  });
}

const PLANS: Record<string, Omit<ArenaOptions, 'maxThreads' | 'maxValueBytes'>> = {
  '4 partitions': { memoryBytes: 64 * MIB, partitions: 4, policy: 'none' },
  '256 partitions': { memoryBytes: 128 * MIB, partitions: 256, policy: 'none' },
  '64 partitions of little memory': { memoryBytes: 22 * MIB, partitions: 64, policy: 'clock' },
};

test.each(Object.entries(PLANS))('%s', { timeout: 3_600_000 }, async (_name, plan) => {
  const seed = freshSeed();
  const random = new Random(seed);
  const arena = Arena.create({ ...plan, maxThreads: MAX_THREADS, maxValueBytes: 160 * 1024 });
  const board = new SharedArrayBuffer(8);
  const words = new Int32Array(board);
  const unwatch = watch(board, RUN_MS + 60_000, `terminating with seed ${seed}`);
  const workerData = { handle: arena.handle, board, seed, self: 1, emptied: EMPTIED };
  const other = new Worker(SURVIVOR, { workerData });
  const otherEnded = new Promise<number>((resolve, reject) => {
    other.once('message', resolve);
    other.once('error', reject);
  });
  let failure: unknown;
  otherEnded.catch((error) => {
    failure = error;
  });
  const writes = { frames: makeFrames(random), larges: makeLarges(random) };
  const self = new Survivor(arena, seed, 0, EMPTIED);
  const end = Date.now() + RUN_MS;
  let deaths = 0;
  const isOver = () => Date.now() >= end || failure !== undefined;
  const killOneByOne = async () => {
    while (!isOver()) {
      await liveAndDie(arena.handle, writes, random.below(40) / 10);
      deaths++;
    }
  };
  const goOn = async () => {
    for (let turn = 1; !isOver(); turn++) {
      self.turn();
      if (turn % 500 === 0) expect(arena.checkIntegrity()).toBeUndefined();
      if (turn % 20 === 0) await sleep(1);
    }
  };
  const doomed = Array.from({ length: DOOMED_AT_ONCE }, killOneByOne);
  let otherLongestMs = 0;
  try {
    await Promise.all([goOn(), ...doomed]);
  } catch (error) {
    throw new Error(`${(error as Error).message} (seed ${seed})`, { cause: error });
  } finally {
    Atomics.store(words, STOP, 1);
    await Promise.allSettled(doomed);
    otherLongestMs = await otherEnded;
    // Not before: until here, somebody may hang.
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    await unwatch();
  }
  arena.reapThreads();
  const stats = arena.stats();
  const { takeovers, partitionsEmptied, entriesLost, threads } = stats;
  console.info(
    `${deaths} deaths, ${takeovers} with a lock, ${partitionsEmptied} partitions emptied of ` +
      `${entriesLost} entries; longest ${Math.max(self.longestMs, otherLongestMs).toFixed(0)} ms`,
  );
  expect(arena.checkIntegrity()).toBeUndefined();
  expect(threads).toBe(1);
  expect(deaths).toBeGreaterThan(RUN_MS / 500);
  // Where there are few partitions, most die waiting for the lock of one that died before.
  expect(takeovers).toBeGreaterThan(plan.partitions === 4 ? 0 : deaths / 20);
  expect(Math.max(self.longestMs, otherLongestMs)).toBeLessThan(LONGEST_MS);
});
