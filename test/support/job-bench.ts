/** Arenas with jobs on them, and ways to stop a job in the middle. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ArenaSet, type ArenaSetOptions } from '#engine/arena-set.js';
import { Jobs } from '#engine/jobs/jobs.js';
import { JobPool } from '#engine/jobs/pool.js';

const MIB = 1024 ** 2;

const HOLDER_MASK = 0xffffn;
const VERSION_ONE = 0x10000n;

/** An empty cache of two partitions, without upkeep; of its threads none runs yet. */
export class JobBench {
  readonly arenas: ArenaSet;
  readonly pool: JobPool;
  readonly jobs: Jobs;
  readonly #holds = new Set<() => void>();
  readonly folder = mkdtempSync(join(tmpdir(), 'slabring-jobs-'));

  /** @param idleMs how long a thread without work stays */
  constructor(options: Partial<ArenaSetOptions> = {}, idleMs?: number) {
    this.arenas = ArenaSet.create({
      ...{ memoryBytes: 16 * MIB, partitions: 2, policy: 'clock', maxValueBytes: MIB },
      maxThreads: 8,
      ...options,
    });
    this.pool = new JobPool(idleMs);
    this.jobs = new Jobs(this.arenas, this.pool);
  }

  /** Ends everything; resolves when all threads are gone. */
  async end(): Promise<void> {
    const ends = this.pool.threads.map((thread) => once(thread, 'exit'));
    this.jobs.close();
    await Promise.all(ends);
    this.arenas.close();
    rmSync(this.folder, { recursive: true });
  }

  /** A file with these contents. */
  file(name: string, contents: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, contents);
    return path;
  }

  /**
   * Takes the lock of a partition of an arena for this thread, which must not use the partition
   * until it calls the function returned.
   */
  hold(partition: number, arena = 0): () => void {
    const { kernel, slot, bytes } = this.arenas.arenas[arena]!;
    const address = kernel.partitionAddress(partition) >>> 0;
    const word = new BigInt64Array(bytes.buffer, address, 1);
    Atomics.or(word, 0, BigInt(slot + 1));
    const release = () => {
      if (!this.#holds.delete(release)) return;
      // Reaping threads gives up what the caller has locked: it may be somebody else's by now.
      if ((Atomics.load(word, 0) & HOLDER_MASK) !== BigInt(slot + 1)) return;
      Atomics.store(word, 0, (Atomics.load(word, 0) & ~HOLDER_MASK) + VERSION_ONE);
      Atomics.notify(new Int32Array(bytes.buffer, address, 1), 0);
    };
    this.#holds.add(release);
    return release;
  }

  /** Gives up what a test that failed still holds: this thread would wait for it for good. */
  release(): void {
    for (const release of this.#holds) release();
  }

  /** A key of the partition of the first arena. */
  keyIn(partition: number, prefix: string): string {
    const { kernel, slot, request } = this.arenas.arenas[0]!;
    for (let i = 0; ; i++) {
      const key = `${prefix}${i}`;
      const { written } = new TextEncoder().encodeInto(key, request);
      if (kernel.partitionOfKey(slot, written) === partition) return key;
    }
  }

  /**
   * Waits until so many thread slots are in use. Linux may list a thread for a moment after Node
   * told that it ended, so its slot is not always free at once.
   */
  async untilSlots(count: number): Promise<void> {
    while (this.slots !== count) {
      for (const arena of this.arenas.arenas) arena.reapThreads();
      await setImmediate();
    }
  }

  /** Thread slots in use. */
  get slots(): number {
    return this.arenas.stats().threads;
  }
}
