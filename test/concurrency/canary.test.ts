/** Proof that the checks of the other files bite: each way of doing it wrong is found out. */
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Arena } from '#engine/arena.js';
import { hammer, watch } from '../support/hammer.js';
import { PARTITIONS, Partition } from '../support/kernel-memory.js';
import { checkValue, writeValue } from './values.mjs';

const MIB = 1024 ** 2;
const ARENA = {
  memoryBytes: 64 * MIB,
  partitions: 1,
  policy: 'none',
  maxValueBytes: 512 * 1024,
} as const;

test('a writer without the lock is found out by a torn value', async () => {
  const arena = Arena.create({ ...ARENA, maxThreads: 1 });
  const number = 7;
  const length = 8000;
  const key = Buffer.from('poked');
  const request = Buffer.from(arena.request.buffer, arena.request.byteOffset);
  request.set(key);
  const valueBytes = writeValue(request, key.length, number, 0, 1, length) - key.length;
  const now = Date.now();
  expect(arena.kernel.setDirect(arena.slot, key.length, valueBytes, 0, 0, 0, now)).toBe(1);
  // The value itself, which stands behind the key, beyond the areas of the only thread.
  const bytes = Buffer.from(arena.handle.memory.buffer);
  const areasEnd = arena.reply.byteOffset + arena.reply.length;
  const at = bytes.indexOf(key, areasEnd) + key.length;
  const stop = new SharedArrayBuffer(4);
  const unwatch = watch(stop, 50_000, 'waiting for a torn value');
  const workerData = { memory: arena.handle.memory, at, key: number, length, stop };
  const worker = new Worker(new URL('poke-worker.mjs', import.meta.url), { workerData });
  try {
    await new Promise((resolve) => worker.once('message', resolve));
    const reply = Buffer.from(arena.reply.buffer, arena.reply.byteOffset, arena.reply.length);
    const readForEver = () => {
      for (;;) {
        arena.request.set(key);
        const read = arena.kernel.getDirect(arena.slot, key.length, now);
        checkValue(reply, 0, read, number);
      }
    };
    expect(readForEver).toThrow(/^torn value of key 7, .*wrong checksum/);
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
    Atomics.notify(new Int32Array(stop), 0);
    await unwatch();
  }
});

test('a value that is seen too late is found out', async () => {
  const run = hammer({ arena: ARENA, plan: { sabotage: 'early' }, ms: 30_000 });
  await expect(run).rejects.toThrow(/owned key \d+( is lost|: read sequence)/);
});

test('an increment that is lost is found out', async () => {
  const run = hammer({ arena: ARENA, plan: { sabotage: 'tally' }, ms: 200 });
  await expect(run).rejects.toThrow(/^counter \d+ is \d+; \d+ was added/);
});

test('a broken structure is found out while others go on', async () => {
  const ENTRIES_OF_PARTITION_0 = (PARTITIONS + Partition.entries) / 4;
  const run = hammer({
    arena: ARENA,
    ms: 30_000,
    meanwhile: async ({ handle }) => {
      Atomics.add(new Int32Array(handle.memory.buffer), ENTRIES_OF_PARTITION_0, 1);
    },
  });
  await expect(run).rejects.toThrow(/^integrity: BROKEN_ENTRY_COUNT/);
});
