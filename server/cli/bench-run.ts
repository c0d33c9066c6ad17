/**
 * The measurement behind `slabring bench`: contestants, filled and warmed up, measured in turns.
 */
import { Histogram } from './histogram.js';
import { fill } from './load/fill.js';
import { Loader, type LoadResult, type LoadTarget } from './load/loader.js';
import type { LoadProtocol } from './load/protocol.js';
import { type Reel, randomReel, type Workload } from './load/reel.js';
import { cpuSeconds } from './machine.js';

/** A server to measure. */
export interface Contestant {
  readonly name: string;
  readonly version: string;
  readonly target: LoadTarget;
  readonly protocol: LoadProtocol;
  /** Its process on this machine, for its CPU time; undefined when we did not start it. */
  readonly pid: number | undefined;
}

export interface BenchPlan {
  readonly workload: Workload;
  readonly connections: number;
  /** Frames in flight on each connection. */
  readonly inFlight: number;
  readonly seconds: number;
  readonly rounds: number;
  /** Called while keys are set and before every round. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** One round of one contestant. */
export interface BenchSample {
  readonly opsPerSecond: number;
  /** CPU time of the server, user and system, all threads; undefined when it is not ours to ask. */
  readonly serverCpuNsPerOp: number | undefined;
  /** Share of one core that the server and the loader used: 1 is a whole core. */
  readonly serverCores: number | undefined;
  readonly loaderCores: number;
}

export interface BenchOutcome {
  readonly contestant: Contestant;
  readonly samples: BenchSample[];
  readonly operations: number;
  /**
   * Replies that were checked one by one; among them replies to GETs, GETs that found nothing, and
   * error replies.
   */
  readonly checked: number;
  readonly gets: number;
  readonly misses: number;
  readonly errors: number;
  readonly firstError: string | undefined;
  /** Round trips of frames over all rounds. */
  readonly roundTrips: Histogram;
}

/** Before a contestant is measured, its code gets hot and its keys settle. */
const WARM_UP_SECONDS = 0.5;

/**
 * Measures the contestants in turns (A B A B ...), so that a machine whose speed drifts drifts for
 * all of them.
 */
export async function bench(
  contestants: readonly Contestant[],
  plan: BenchPlan,
): Promise<BenchOutcome[]> {
  const lanes: Lane[] = [];
  try {
    for (const contestant of contestants) lanes.push(await Lane.prepare(contestant, plan));
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const lane of lanes) {
        plan.onProgress?.(`measuring ${lane.contestant.name}`, round, plan.rounds);
        await lane.measure(plan.seconds);
      }
    }
    return lanes.map((lane) => lane.outcome());
  } finally {
    for (const lane of lanes) lane.close();
  }
}

/** A contestant with its connections, its frames and what was measured so far. */
class Lane {
  readonly contestant: Contestant;
  readonly #loader: Loader;
  readonly #reel: Reel;
  readonly #samples: BenchSample[] = [];
  readonly #results: LoadResult[] = [];

  private constructor(contestant: Contestant, loader: Loader, reel: Reel) {
    this.contestant = contestant;
    this.#loader = loader;
    this.#reel = reel;
  }

  static async prepare(contestant: Contestant, plan: BenchPlan): Promise<Lane> {
    const { protocol, target } = contestant;
    const { connections, inFlight } = plan;
    const loader = await Loader.open({ target, protocol, connections, inFlight });
    try {
      const { keys, valueBytes } = plan.workload;
      const onProgress = (done: number): void =>
        plan.onProgress?.(`filling ${contestant.name}`, done, keys);
      if (protocol.shape.filled) {
        await fill({ name: contestant.name, loader, protocol, keys, valueBytes, onProgress });
      }
      const lane = new Lane(contestant, loader, randomReel(plan.workload, protocol));
      plan.onProgress?.(`warming up ${contestant.name}`, 0, plan.rounds);
      await loader.sendFor(lane.#reel, WARM_UP_SECONDS);
      return lane;
    } catch (error) {
      loader.close();
      throw error;
    }
  }

  async measure(seconds: number): Promise<void> {
    const { pid } = this.contestant;
    const serverBefore = pid === undefined ? undefined : cpuSeconds(pid);
    const loaderBefore = process.cpuUsage();
    const result = await this.#loader.sendFor(this.#reel, seconds);
    const loaderUsed = process.cpuUsage(loaderBefore);
    const serverAfter = pid === undefined ? undefined : cpuSeconds(pid);
    const serverUsed =
      serverBefore === undefined || serverAfter === undefined
        ? undefined
        : serverAfter - serverBefore;
    this.#results.push(result);
    this.#samples.push({
      opsPerSecond: result.operations / result.seconds,
      serverCpuNsPerOp:
        serverUsed === undefined ? undefined : (serverUsed / result.operations) * 1e9,
      serverCores: serverUsed === undefined ? undefined : serverUsed / result.seconds,
      loaderCores: (loaderUsed.user + loaderUsed.system) / 1e6 / result.seconds,
    });
  }

  outcome(): BenchOutcome {
    const roundTrips = new Histogram();
    for (const result of this.#results) roundTrips.add(result.roundTrips);
    const sum = (read: (result: LoadResult) => number): number =>
      this.#results.reduce((total, result) => total + read(result), 0);
    return {
      contestant: this.contestant,
      samples: this.#samples,
      operations: sum((result) => result.operations),
      checked: sum((result) => result.replies.checked),
      gets: sum((result) => result.replies.gets),
      misses: sum((result) => result.replies.misses),
      errors: sum((result) => result.replies.errors),
      firstError: this.#results.find((result) => result.replies.errors > 0)?.replies.firstError,
      roundTrips,
    };
  }

  close(): void {
    this.#loader.close();
  }
}
