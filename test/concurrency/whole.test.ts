/** Keys that are read as a whole while other threads write them: what comes is never mixed. */
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Unpackr } from 'msgpackr';
import { expect, test } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { FrameExecutor } from '#engine/frame.js';
import { WholeKeys } from '#engine/whole-key.js';
import { freshSeed } from '../support/fuzz-random.mjs';
import { hammerMs, watch } from '../support/hammer.js';
import { MIB } from '../support/kernel-memory.js';
import { command, frame, integer, str, valuesOf, type Wire } from '../support/kernel-wire.js';
import { BOARD_WORDS, ITEMS, LARGE_BYTES, READY, STOP, WRITES } from './whole.mjs';

const WORKER = new URL('whole-worker.mjs', import.meta.url);
const unpackr = new Unpackr({ useRecords: false });

const OPTIONS = {
  ...{ memoryBytes: 64 * MIB, partitions: 1, maxThreads: 4, maxValueBytes: 4 * MIB },
  policy: 'none' as const,
};

/** Of each key's items, what tells by which write they were made. */
const READS: Record<string, [request: Wire, numbersOf: (reply: unknown) => number[]]> = {
  list: [command('LRANGE', str('list'), integer(0), integer(-1)), (all) => all as number[]],
  set: [
    command('SMEMBERS', str('set')),
    (all) => (all as number[]).map((n) => Math.floor(n / ITEMS)),
  ],
  hash: [command('HGETALL', str('hash')), (all) => Object.values(all as Record<string, number>)],
  zset: [
    command('ZRANGE', str('zset'), integer(0), integer(-1), integer(8)),
    (all) => (all as unknown[]).filter((_, i) => i % 2 === 1) as number[],
  ],
  value: [
    command('GET', str('value')),
    (bytes) => [...(bytes as Buffer).filter((_, i) => i % 999 === 0)],
  ],
};

test('what was read is one state', { timeout: 300_000 }, async () => {
  const from = ArenaSet.create({ ...OPTIONS, node: 1 });
  const to = ArenaSet.create({ ...OPTIONS, node: 2 });
  const board = new SharedArrayBuffer(4 * BOARD_WORDS);
  const words = new Int32Array(board);
  const seed = freshSeed();
  const unwatch = watch(board, hammerMs(3000) + 60_000, `whole keys with seed ${seed}`);
  const worker = new Worker(WORKER, { workerData: { handle: from.handle, board, seed } });
  const writes = once(worker, 'message');
  const sources = new WholeKeys(from, Date.now);
  const targets = new WholeKeys(to, Date.now);
  const executor = new FrameExecutor(to.arenas[0]!, () => undefined);
  const seen = new Map<string, Set<number>>();
  try {
    while (Atomics.load(words, READY) === 0) await Promise.race([nextTurn(), writes]);
    const end = Date.now() + hammerMs(3000);
    for (let round = 0; round < 2 || Date.now() < end; round++) {
      for (const [key, [request, numbersOf]] of Object.entries(READS)) {
        const reader = sources.read(Buffer.from(key));
        const writer = targets.write(Buffer.from(key));
        for (let piece = reader.next(); piece; piece = reader.next()) {
          writer.write(piece);
          // Where there are other nodes, time passes.
          const before = Atomics.load(words, WRITES);
          const isPaced = round % 2 === 0;
          while (isPaced && Atomics.load(words, WRITES) === before) {
            await Promise.race([nextTurn(), writes]);
          }
        }
        const outcome = writer.finish();
        // Between two commands of the worker's there may be no such key, but nobody sees that.
        expect(`seed ${seed}: ${key} ${outcome}`).toBe(`seed ${seed}: ${key} stored`);
        const reply = executor.execute(frame(1, request), undefined) as Uint8Array;
        const value = unpackr.unpack(valuesOf(reply)[1]!);
        const numbers = numbersOf(value);
        if (key === 'value') expect((value as Buffer).length).toBe(LARGE_BYTES);
        else expect(numbers).toHaveLength(ITEMS);
        const made = new Set(numbers);
        expect([seed, key, made.size]).toEqual([seed, key, 1]);
        seen.set(key, new Set([...(seen.get(key) ?? []), ...made]));
      }
    }
    expect(to.checkIntegrity()).toBeUndefined();
  } finally {
    Atomics.store(words, STOP, 1);
    Atomics.notify(words, STOP);
    await unwatch();
  }
  expect(Number((await writes)[0])).toBeGreaterThan(0);
  expect(from.checkIntegrity()).toBeUndefined();
  for (const key of Object.keys(READS)) expect(seen.get(key)!.size).toBeGreaterThan(1);
  for (const set of [from, to]) set.close();
});
