/** Jobs: the pool and its threads, giving up, what becomes of errors. Shown on the verify job. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { threadId, Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { ArenaSet } from '#engine/arena-set.js';
import { attachCache, openCache, SlabringError } from '#engine/index.js';
import type { JobTask, SliceDone, TaskReport } from '#engine/jobs/contract.js';
import { JobControl } from '#engine/jobs/control.js';
import { errorOfFault, packFault, unpackFault } from '#engine/jobs/faults.js';
import { Jobs } from '#engine/jobs/jobs.js';
import type { JobOptions, JobProgress } from '#engine/jobs/options.js';
import { JobPool } from '#engine/jobs/pool.js';
import { verify } from '#engine/jobs/verify.js';
import { verifyPart } from '#engine/jobs/verify-part.js';
import runTask from '#engine/jobs/worker.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import { JobBench } from '../support/job-bench.js';
import { ArenaMemory, Header, MIB } from '../support/kernel-memory.js';
import { ROOT } from '../support/source-tree.js';

const CLOSED = new SlabringError('CLOSED', 'the cache was closed in this thread');

/** A program in the project's folder, where `slabring` is the package. */
const runNode = (args: string[]) => promisify(execFile)(process.execPath, args, { cwd: ROOT });

let bench: JobBench;

beforeEach(() => {
  bench = new JobBench();
});

afterEach(() => bench.end());

/** A verify job that has done its first partition and waits for the second one. */
async function verifyHalf(options: JobOptions = {}): Promise<{
  result: Promise<unknown>;
  goOn: () => void;
  seen: JobProgress[];
}> {
  const goOn = bench.hold(1);
  const seen: JobProgress[] = [];
  let result: Promise<unknown> = Promise.resolve();
  await new Promise<void>((resolve) => {
    const onProgress = (progress: JobProgress): void => {
      seen.push(progress);
      resolve();
    };
    result = verify(bench.jobs, { threads: 1, onProgress, ...options });
    // It is looked at later.
    result.catch(() => {});
  });
  return { result, goOn, seen };
}

describe('verify', () => {
  it('finds nothing where all is well, and tells how far it is', async () => {
    const seen: JobProgress[] = [];
    const found = await verify(bench.jobs, { onProgress: (progress) => seen.push(progress) });
    expect(found).toBeUndefined();
    expect(seen.at(-1)).toEqual({ done: 3, total: 3 });
    const dones = seen.map(({ done }) => done);
    expect(dones).toEqual([...new Set(dones)].sort());
  });

  it('names the first broken rule, with its partition and arena', async () => {
    await bench.end();
    bench = new JobBench({ arenas: 2, memoryBytes: 32 * MIB });
    const addEntry = (arena: number, partition: number): void => {
      const memory = new ArenaMemory(bench.arenas.arenas[arena]!);
      memory.setU32(memory.partition(partition, 'entries'), 1);
    };
    addEntry(1, 1);
    expect(await verify(bench.jobs, { threads: 2 })).toEqual({
      rule: 'BROKEN_ENTRY_COUNT: a partition counts its entries',
      arena: 1,
      partition: 3,
    });
    addEntry(0, 1);
    expect(await verify(bench.jobs, { threads: 2 })).toMatchObject({ arena: 0, partition: 1 });
    expect(bench.arenas.checkIntegrity()).toMatch(/^arena 0: BROKEN_ENTRY_COUNT/);
  });

  it('looks no further than to the first broken rule', () => {
    const memory = new ArenaMemory(bench.arenas.arenas[0]!);
    memory.setU32(memory.partition(0, 'entries'), 1);
    const control = JobControl.create(3, 1);
    const { arenas } = bench;
    const check = verifyPart({ arenas, input: undefined, control, progress: () => {} });
    expect(check(0)).toMatchObject({ partition: 0 });
    expect(control.isWorth(1)).toBe(false);
  });

  it('names a rule of the arena as a whole without a partition', async () => {
    const memory = new ArenaMemory(bench.arenas.arenas[0]!);
    memory.setU32(Header.poolStacked, memory.u32(Header.poolStacked) + 1);
    expect(await verify(bench.jobs)).toEqual({
      rule: 'BROKEN_POOL_STACK: the pool counts the pages on its stack',
      arena: 0,
      partition: undefined,
    });
  });

  it.each([
    [{ signall: undefined }, "verify has no option 'signall'; did you mean 'signal'?"],
    [{ signal: 5 }, 'signal must be an AbortSignal, not 5'],
    [{ onProgress: true }, 'onProgress must be a function, not true'],
    [{ threads: 0 }, 'threads must be a whole number from 1 to 64, not 0'],
    [{ threads: 2.5 }, 'threads must be a whole number from 1 to 64, not 2.5'],
  ])('refuses %j', async (options, message) => {
    const error = new SlabringError('OPTION', message);
    await expect(verify(bench.jobs, options as object)).rejects.toThrow(error);
    expect(bench.pool.threads).toEqual([]);
  });
});

describe('the threads of the pool', () => {
  it('are there for the next job, and hold no slot between jobs', async () => {
    await verify(bench.jobs, { threads: 2 });
    expect(bench.slots).toBe(1);
    // The pool names them in the order in which they became ready.
    const ids = () => bench.pool.threads.map(({ threadId }) => threadId).sort();
    const threads = ids();
    expect(threads).toHaveLength(2);
    await verify(bench.jobs, { threads: 2 });
    expect(ids()).toEqual(threads);
  });

  it('end when they have had nothing to do for a while, and come again', async () => {
    const idle = new JobBench({}, 1);
    await verify(idle.jobs, { threads: 2 });
    await Promise.all(idle.pool.threads.map((thread) => once(thread, 'exit')));
    expect(idle.pool.threads).toEqual([]);
    expect(await verify(idle.jobs)).toBeUndefined();
    await idle.end();
  });

  it('are no more than there are slices', async () => {
    await verify(bench.jobs, { threads: 64 });
    expect(bench.pool.threads).toHaveLength(3);
  });

  it('are no more than there are free slots, and need one at least', async () => {
    const { handle } = bench.arenas;
    const others = Array.from({ length: 6 }, () => ArenaSet.attach(handle));
    expect(await verify(bench.jobs, { threads: 3 })).toBeUndefined();
    expect(bench.pool.threads).toHaveLength(1);
    others.push(ArenaSet.attach(handle));
    const message =
      'all 8 thread slots are taken; raise maxThreads (at most 64), or close() caches you no longer use';
    await expect(verify(bench.jobs)).rejects.toThrow(new SlabringError('OPTION', message));
    for (const other of others) other.close();
    expect(await verify(bench.jobs)).toBeUndefined();
  });

  it('of which only some find a slot do all of the work', async () => {
    // Two free ones when it begins, one of them taken before the threads come.
    const others = Array.from({ length: 5 }, () => Arena.attach(bench.arenas.arenas[0]!.handle));
    const running = verify(bench.jobs, { threads: 2 });
    others.push(Arena.attach(bench.arenas.arenas[0]!.handle));
    expect(await running).toBeUndefined();
    for (const other of others) other.close();
  });
});

describe('a job', () => {
  it('is done after those before it', async () => {
    const { result, goOn } = await verifyHalf();
    let isDone = false;
    const second = verify(bench.jobs).then(() => {
      isDone = true;
    });
    goOn();
    await result;
    expect(isDone).toBe(false);
    await second;
  });

  it('is given up with the reason of its signal', async () => {
    const giveUp = new AbortController();
    const { result, goOn, seen } = await verifyHalf({ signal: giveUp.signal });
    const reason = new Error('no longer wanted');
    giveUp.abort(reason);
    goOn();
    await expect(result).rejects.toBe(reason);
    // The slice at hand, but no more.
    expect(seen.length).toBeLessThanOrEqual(2);
    expect(bench.slots).toBe(1);
    expect(await verify(bench.jobs)).toBeUndefined();
  });

  it('is not begun with a signal that has aborted', async () => {
    const signal = AbortSignal.abort();
    await expect(verify(bench.jobs, { signal })).rejects.toBe(signal.reason);
    expect(bench.pool.threads).toEqual([]);
  });

  it('that waits for its turn is given up at once, and the next one takes its turn', async () => {
    const { result, goOn } = await verifyHalf();
    const giveUp = new AbortController();
    const second = verify(bench.jobs, { signal: giveUp.signal });
    const third = verify(bench.jobs);
    giveUp.abort();
    await expect(second).rejects.toBe(giveUp.signal.reason);
    goOn();
    await result;
    expect(await third).toBeUndefined();
  });

  it('is given up when the cache is closed, as are those that wait', async () => {
    const { result, goOn } = await verifyHalf();
    const waiting = verify(bench.jobs);
    const threads = bench.pool.threads.map((thread) => once(thread, 'exit'));
    bench.jobs.close();
    await expect(waiting).rejects.toThrow(CLOSED);
    // Its thread must not end while it has the partition of others.
    expect(bench.pool.threads).toHaveLength(1);
    goOn();
    await expect(result).rejects.toThrow(CLOSED);
    await Promise.all(threads);
    expect(bench.slots).toBe(1);
    await expect(verify(bench.jobs)).rejects.toThrow(CLOSED);
  });

  it('fails with what onProgress throws', async () => {
    const thrown = new Error('of the listener');
    const goOn = bench.hold(1);
    const failing = verify(bench.jobs, {
      threads: 1,
      onProgress: () => {
        goOn();
        throw thrown;
      },
    });
    await expect(failing).rejects.toBe(thrown);
    expect(await verify(bench.jobs)).toBeUndefined();
  });

  it('fails when one of its threads ends, and its slot comes back', async () => {
    const { result, goOn } = await verifyHalf();
    await bench.pool.threads[0]!.terminate();
    goOn();
    await expect(result).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'a thread of the job ended before its work was done',
      cause: expect.objectContaining({ message: expect.stringContaining('exited') }),
    });
    await bench.untilSlots(1);
    expect(await verify(bench.jobs)).toBeUndefined();
    expect(bench.arenas.checkIntegrity()).toBeUndefined();
  });

  it('fails for all of its threads when one of them ends', async () => {
    const { result, goOn } = await verifyHalf({ threads: 2 });
    await bench.pool.threads[0]!.terminate();
    goOn();
    await expect(result).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await verify(bench.jobs)).toBeUndefined();
    await bench.untilSlots(1);
  });
});

describe('a thread of a job', () => {
  const taskOf = (input: unknown, control: JobControl): JobTask => ({
    ...{ job: 'importNdjson', id: 1, index: 0, handle: bench.arenas.handle, input },
    control: control.memory,
  });

  it('that failed tells the others, and gives its slot back', () => {
    const path = bench.file('wrong.ndjson', 'wrong\n'.repeat(10));
    const control = JobControl.create(10, 1);
    const input = { path, inode: statSync(path).ino, bytes: 60, sliceBytes: 6, ttlMs: 0 };
    const report = runTask(taskOf(input, control));
    expect(report).toMatchObject({ refusal: undefined, results: [], failure: { slice: 0 } });
    expect([control.isWorth(0), control.isWorth(1)]).toEqual([true, false]);
    expect(control.threadAt(0) ?? 0).toBe(threadId);
    expect(bench.slots).toBe(1);
  });
});

describe('the outcome of a job', () => {
  it('has results and failures in the order of slices, whoever they are from', async () => {
    const fault = packFault(new Error('wrong'));
    const reports: TaskReport<string>[] = [
      { refusal: undefined, results: [{ slice: 1, result: 'b' }], failure: { slice: 4, fault } },
      { refusal: undefined, results: [{ slice: 0, result: 'a' }], failure: { slice: 2, fault } },
    ];
    const pool = new JobPool();
    pool.start = async () => reports.map((report) => Promise.resolve(report));
    const jobs = new Jobs(bench.arenas, pool);
    const plan = { job: 'verify', input: undefined, slices: 5, total: 5 } as const;
    const { results, failures } = await jobs.run<string>(plan, { threads: 2 });
    expect(results.map(({ result }) => result)).toEqual(['a', 'b']);
    expect(failures.map(({ slice }) => slice)).toEqual([2, 4]);
  });

  // A test that closed its cache at the first progress closed the next test's, now and then.
  it('is the last that is heard of it, though threads have told more before', async () => {
    let tell = (_: SliceDone): void => {};
    const pool = new JobPool();
    pool.start = async (_, onDone) => {
      tell = onDone;
      onDone({ job: 1, done: 2 });
      return [Promise.resolve({ refusal: undefined, results: [], failure: undefined })];
    };
    const jobs = new Jobs(bench.arenas, pool);
    const seen: JobProgress[] = [];
    const onProgress = (progress: JobProgress): void => {
      seen.push(progress);
      jobs.close();
    };
    const plan = { job: 'verify', input: undefined, slices: 5, total: 5 } as const;
    await expect(jobs.run(plan, { onProgress })).rejects.toThrow(CLOSED);
    tell({ job: 1, done: 1 });
    expect(seen).toEqual([{ done: 2, total: 5 }]);
  });
});

describe('the control of a job', () => {
  it('gives slices in order, and none behind the one that failed', () => {
    const control = JobControl.create(4, 1);
    const other = new JobControl(control.memory);
    expect([control.take(), other.take()]).toEqual([0, 1]);
    other.endAfter(2);
    control.endAfter(3);
    expect([control.isWorth(2), control.isWorth(3)]).toEqual([true, false]);
    expect([control.take(), control.take()]).toEqual([2, undefined]);
  });

  it('gives none once it was stopped, nor when all are taken', () => {
    const control = JobControl.create(2, 1);
    expect([control.take(), control.take(), control.take()]).toEqual([0, 1, undefined]);
    control.stop();
    expect(control.isWorth(0)).toBe(false);
  });

  it('hands on where slices start', () => {
    const control = JobControl.create(3, 1);
    expect(control.awaitStart(0)).toBe(0);
    control.tellNextStart(0, 5_000_000_000);
    expect(control.awaitStart(1)).toBe(5_000_000_000);
    control.endAfter(1);
    expect(control.awaitStart(2)).toBeUndefined();
  });
});

describe('an error from another thread', () => {
  it('has its class, code, stack and cause', () => {
    const cause = Object.assign(new TypeError('of old'), { code: 'ENOENT' });
    const error = new SlabringError('OOM', 'no room', { cause });
    const back = unpackFault(structuredClone(packFault(error))) as SlabringError;
    expect(back).toBeInstanceOf(SlabringError);
    expect(back).toMatchObject({ code: 'OOM', message: 'no room', stack: error.stack });
    expect(back.cause).toMatchObject({ name: 'TypeError', code: 'ENOENT', message: 'of old' });
    expect(errorOfFault(packFault(error))).toMatchObject({ code: 'OOM', message: 'no room' });
    expect(errorOfFault(packFault(cause))).toMatchObject({
      ...{ code: 'INTERNAL', message: 'a job failed: of old' },
      cause: expect.objectContaining({ name: 'TypeError' }) as Error,
    });
    expect(unpackFault(packFault('a text'))).toMatchObject({ message: 'a text' });
  });
});

describe('a cache', () => {
  it('verifies itself, until it is closed', async () => {
    const cache = openCache({ memory: '8mb', arenas: 2 });
    for (let i = 0; i < 1000; i++) cache.set(`key ${i}`, i);
    expect(await cache.verify()).toBeUndefined();
    expect(cache.stats().threads).toBe(1);
    const running = cache.verify();
    cache.close();
    await expect(running).rejects.toThrow(CLOSED);
    await expect(cache.verify()).rejects.toThrow(CLOSED);
  });

  it('finds itself sound while others write and jobs store', async () => {
    const cache = openCache({ memory: '8mb', partitions: 4 });
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      import('slabring').then(({ attachCache }) => {
        const cache = attachCache(workerData.handle);
        const isOver = new Int32Array(workerData.isOver);
        let sets = 0;
        for (; Atomics.load(isOver, 0) === 0; sets++) {
          cache.set('key ' + (sets % 50_000), 'x'.repeat(sets % 700), { ttl: sets % 3 ? 0 : 5 });
          if (sets % 5 === 0) cache.delete('key ' + (sets % 40_000));
          if (sets === 1000) parentPort.postMessage('writes');
        }
        cache.close();
        parentPort.postMessage(sets);
      });
    `;
    const isOver = new SharedArrayBuffer(4);
    const workerData = { handle: cache.share(), isOver };
    const worker = new Worker(program, { eval: true, workerData });
    await once(worker, 'message');
    const lines = Array.from({ length: 5000 }, (_, i) =>
      JSON.stringify({ key: `key ${i}`, value: i }),
    );
    const path = bench.file('others.ndjson', lines.join('\n'));
    for (let i = 0; i < 5; i++) {
      const importing = cache.importFile(path, { threads: 2 });
      expect(await cache.verify({ threads: 2 })).toBeUndefined();
      expect(await importing).toMatchObject({ entries: 5000 });
    }
    Atomics.store(new Int32Array(isOver), 0, 1);
    await once(worker, 'message');
    expect(cache.checkIntegrity()).toBeUndefined();
    cache.close();
  });

  it('of another thread has jobs of its own', async () => {
    const cache = openCache({ memory: '8mb' });
    const other = attachCache(cache.share());
    expect(await Promise.all([cache.verify(), other.verify()])).toEqual([undefined, undefined]);
    other.close();
    expect(await cache.verify()).toBeUndefined();
    cache.close();
  });

  it('does not keep the process alive, nor run what the program runs at its start', async () => {
    const setup = bench.file('setup.cjs', "console.log('set up');");
    const program = `
      import { openCache } from 'slabring';
      const cache = openCache({ memory: '8mb' });
      const used = openCache({ memory: '8mb' });
      await used.verify();
      console.log(await cache.verify());
      used.close();
    `;
    const args = ['--require', setup, '--input-type=module', '-e', program];
    const { stdout, stderr } = await runNode(args);
    expect([stdout, stderr]).toEqual(['set up\nundefined\n', '']);
  });

  it('says what is wrong when threads cannot be started', async () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      import { openCache } from 'slabring';
      const cache = openCache({ memory: '8mb' });
      const { env } = process;
      env.NODE_OPTIONS = '--require=/no/such/file.cjs';
      const error = await cache.verify().catch((error) => error);
      console.log(error.code, String(error.cause).includes('/no/such/file.cjs'));
      delete env.NODE_OPTIONS;
      console.log(await cache.verify());
    `;
    const { stdout } = await runNode(['--input-type=module', '-e', program]);
    expect(stdout).toBe('INTERNAL true\nundefined\n');
  });

  it('frees the slots of threads that have ended', async () => {
    const cache = openCache({ memory: '8mb', maxThreads: 2 });
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      import('slabring').then(({ attachCache }) => {
        globalThis.cache = attachCache(workerData);
        parentPort.postMessage('open');
        setInterval(() => {}, 1000);
      });
    `;
    const worker = new Worker(program, { eval: true, workerData: cache.share() });
    const { threadId } = worker;
    await once(worker, 'message');
    expect(cache.stats().threads).toBe(2);
    await worker.terminate();
    // Linux may list it for a moment still.
    let freed = cache.reapThreads(threadId);
    for (; freed === 0; freed = cache.reapThreads(threadId)) await setImmediate();
    expect(freed).toBe(1);
    expect(cache.stats().threads).toBe(1);
    expect(cache.reapThreads()).toBe(0);
    for (const wrong of [-1, 1.5, '3']) {
      expect(() => cache.reapThreads(wrong as number)).toThrow(
        /^reapThreads takes the threadId of a worker .*, not/,
      );
    }
    cache.close();
    expect(() => cache.reapThreads()).toThrow(CLOSED);
  });

  it('believes who says that a thread has ended where the system does not tell', () => {
    const other = Arena.attach(bench.arenas.arenas[0]!.handle);
    other.block[0] = NO_OS_THREAD;
    other.block[1] = 4711;
    expect(bench.arenas.reapThreads()).toBe(0);
    expect(bench.arenas.reapThreads(4711)).toBe(1);
    expect(bench.slots).toBe(1);
  });
});
