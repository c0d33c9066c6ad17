/** Work that runs in this process, timed by tinybench. */
import { Bench, type TimestampProvider } from 'tinybench';
import type { Clock, Contestant, Finish, Gate, Slice } from './case.js';

/** The work of a contestant, cut into batches that are long against the resolution of the clock. */
export interface Work {
  readonly batches: number;
  readonly operationsPerBatch: number;
  /** Untimed, before each run of a batch: makes what the caller of a cache would have at hand. */
  prepare(batch: number): void;
  /** Timed. Returns a checksum of the results: cheap, but the results must have been looked at. */
  run(batch: number): number;
  /** What `run` should have returned. Called once after each run. */
  expected(batch: number): number;
  /** Reads what is stored and compares every byte; the first wrong thing in words. */
  verify(): string | undefined;
  /** What else there is to tell about the work since the gate. Called before the last `verify`. */
  facts?(): Record<string, number>;
  close(): void | Promise<void>;
}

const CPU_CLOCK: TimestampProvider = {
  name: 'cpuUsage',
  fn: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  fromMs: (ms) => ms * 1000,
  toMs: (us) => Number(us) / 1000,
};

const NS_PER_MS = 1e6;

export class TimedWork implements Contestant {
  readonly #work: Work;
  readonly #clock: Clock;
  #next = 0;

  constructor(work: Work, clock: Clock) {
    this.#work = work;
    this.#clock = clock;
  }

  async gate(): Promise<Gate> {
    const work = this.#work;
    let checksum = 0;
    let wrong: string | undefined;
    for (let batch = 0; batch < work.batches; batch++) {
      work.prepare(batch);
      const sum = work.run(batch);
      const expected = work.expected(batch);
      if (sum !== expected) wrong ??= `batch ${batch} has checksum ${sum} instead of ${expected}`;
      checksum = (Math.imul(checksum, 31) + sum) >>> 0;
    }
    wrong ??= work.verify();
    // What setting up left behind is not to be collected while the clock runs.
    globalThis.gc?.();
    return { wrong, checksum };
  }

  async slice(ms: number): Promise<Slice> {
    const work = this.#work;
    let batch = 0;
    let sum = 0;
    let wrongBatches = 0;
    const bench = new Bench({
      time: ms,
      iterations: 1,
      warmup: false,
      throws: true,
      // Of a batch of some tens of microseconds, the call of the CPU clock would be a noticeable
      // part.
      subtractTimerOverhead: true,
      timestampProvider: this.#clock === 'cpu' ? CPU_CLOCK : 'hrtimeNow',
    });
    bench.add(
      'slice',
      () => {
        sum = work.run(batch);
      },
      {
        async: false,
        beforeEach: () => {
          batch = this.#next;
          this.#next = (batch + 1) % work.batches;
          work.prepare(batch);
        },
        afterEach: () => {
          if (sum !== work.expected(batch)) wrongBatches++;
        },
      },
    );
    const result = bench.runSync()[0]?.result;
    if (result?.state !== 'completed') throw new Error(`tinybench: the slice is ${result?.state}`);
    const { mean, samplesCount } = result.latency;
    return {
      nsPerOp: (mean * NS_PER_MS) / work.operationsPerBatch,
      batches: samplesCount,
      operations: samplesCount * work.operationsPerBatch,
      wrongBatches,
    };
  }

  async finish(): Promise<Finish> {
    try {
      const facts = this.#work.facts?.() ?? {};
      return { wrong: this.#work.verify(), facts };
    } finally {
      await this.#work.close();
    }
  }
}
