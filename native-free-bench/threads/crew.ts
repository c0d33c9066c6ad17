/** The threads of one ground: started, let through the gate, timed together. */
import { Worker } from 'node:worker_threads';
import type { ArenaSet } from '../../engine/arena-set.js';
import { askThread } from '../ask.js';
import {
  type Gate,
  type Ground,
  nowNs,
  type Share,
  type ThreadData,
  type ThreadQuestion,
  type Way,
  type Work,
} from './contract.js';
import { checkSet, createSet, fillSet } from './place.js';

/** From the message to the start: what the slowest thread may need to wake up. */
const START_MS = 5;

export interface Together {
  /** Of all threads together. */
  readonly opsPerSecond: number;
  /** By the time that each thread had a core; undefined where that is not known. */
  readonly opsPerCoreSecond: number | undefined;
  readonly operations: number;
}

export class Crew {
  readonly ground: Ground;
  readonly #workers: readonly Worker[];
  readonly #shared: ArenaSet | undefined;
  readonly #entries: number;
  checksum = 0;

  private constructor(
    ground: Ground,
    workers: readonly Worker[],
    shared: ArenaSet | undefined,
    entries: number,
  ) {
    this.ground = ground;
    this.#workers = workers;
    this.#shared = shared;
    this.#entries = entries;
  }

  /** @throws Error when what a thread reads is wrong */
  static async start(
    ground: Ground,
    threads: number,
    entries: number,
    batches: number,
  ): Promise<Crew> {
    // One for this thread, one for those that fill and check.
    const shared = ground === 'shared' ? createSet(entries, threads + 2) : undefined;
    if (shared !== undefined) fillSet(shared, entries);
    const workers = Array.from({ length: threads }, (_, number) => {
      const workerData: ThreadData = {
        ...{ ground, entries, batches },
        first: Math.floor((number * batches) / threads),
        ...(shared !== undefined && { handle: shared.handle }),
      };
      return new Worker(new URL('./thread.js', import.meta.url), { workerData });
    });
    const crew = new Crew(ground, workers, shared, entries);
    try {
      await crew.#gate();
    } catch (error) {
      await crew.#end();
      throw error;
    }
    return crew;
  }

  /**
   * Lets the first `threads` of them work at the same time.
   * @throws Error when a result was wrong
   */
  async run(threads: number, way: Way, work: Work, ms: number): Promise<Together> {
    const startNs = nowNs() + START_MS * 1e6;
    const shares = (await this.#askAll({ ask: 'run', way, work, startNs, ms }, threads)) as Share[];
    const wrong = shares.reduce((sum, share) => sum + share.wrong, 0);
    if (wrong > 0) throw new Error(`${this.ground}: ${wrong} batches of ${work} came out wrong`);
    return togetherOf(shares);
  }

  /**
   * Compares all that is stored, and ends the threads.
   * @throws Error when something is wrong
   */
  async finish(): Promise<void> {
    try {
      const wrong = (await this.#askAll({ ask: 'check' })).find((found) => found !== null);
      if (wrong !== undefined) throw new Error(`${this.ground}: ${wrong}`);
      if (this.#shared === undefined) return;
      const broken = checkSet(this.#shared, this.#entries);
      if (broken !== undefined) throw new Error(`${this.ground}: ${broken}`);
    } finally {
      await this.#end();
    }
  }

  async #gate(): Promise<void> {
    const gates = (await this.#askAll({ ask: 'gate' })) as Gate[];
    this.checksum = gates[0]!.checksum;
    if (gates.some(({ checksum }) => checksum !== this.checksum)) {
      throw new Error(`${this.ground}: threads read different values`);
    }
  }

  #askAll(question: ThreadQuestion, threads = this.#workers.length): Promise<unknown[]> {
    const asked = this.#workers.slice(0, threads);
    return Promise.all(asked.map((worker) => askThread(worker, question)));
  }

  async #end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#shared?.close();
  }
}

/** What threads did, in one. */
export function togetherOf(shares: readonly Share[]): Together {
  const sumOf = (read: (share: Share) => number): number =>
    shares.reduce((sum, share) => sum + read(share), 0);
  const isKnown = shares.every(({ coreNs }) => coreNs > 0);
  return {
    opsPerSecond: sumOf(({ operations, ns }) => (operations / ns) * 1e9),
    opsPerCoreSecond: isKnown
      ? sumOf(({ operations, coreNs }) => (operations / coreNs) * 1e9)
      : undefined,
    operations: sumOf(({ operations }) => operations),
  };
}
