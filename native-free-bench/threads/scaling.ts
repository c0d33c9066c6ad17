/** How the speed of threads adds up: measured in turns, compared within rounds. */
import { type Spread, spreadOf } from '../statistics.js';
import { GROUNDS, type Ground, WAYS, type Way, WORKS, type Work } from './contract.js';
import type { Together } from './crew.js';

export interface ScalingPlan {
  /** Numbers of threads, the first of them 1. */
  readonly counts: readonly number[];
  readonly rounds: number;
  readonly sliceMs: number;
  readonly warmupMs: number;
}

/** One number of threads at one kind of work. */
export interface ScalingRow {
  readonly way: Way;
  readonly work: Work;
  readonly ground: Ground;
  readonly threads: number;
  /** Of all threads together. */
  readonly opsPerSecond: Spread;
  /** To one thread's in the same round; `undefined` for one thread. */
  readonly ratio: Spread | undefined;
  /** The same by the time that the threads had a core; `undefined` where that is not known. */
  readonly ratioOnCore: Spread | undefined;
  readonly operations: number;
}

export type RunTogether = (
  ground: Ground,
  threads: number,
  way: Way,
  work: Work,
  ms: number,
) => Promise<Together>;

/** 1, 2, 4 and so on up to the most threads, and these. */
export function countsUpTo(most: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < most; count *= 2) counts.push(count);
  return [...counts, most];
}

/** Measures all combinations; `onWork` hears which is next. */
export async function measureScaling(
  plan: ScalingPlan,
  run: RunTogether,
  onWork: (way: Way, work: Work) => void,
): Promise<ScalingRow[]> {
  const rows: ScalingRow[] = [];
  for (const way of WAYS) {
    for (const work of WORKS) {
      onWork(way, work);
      rows.push(...(await measureWork(plan, way, work, run)));
    }
  }
  return rows;
}

async function measureWork(
  { counts, rounds, sliceMs, warmupMs }: ScalingPlan,
  way: Way,
  work: Work,
  run: RunTogether,
): Promise<ScalingRow[]> {
  const lanes = GROUNDS.flatMap((ground) =>
    counts.map((threads) => ({ ground, threads, slices: [] as Together[] })),
  );
  for (const ground of GROUNDS) await run(ground, counts.at(-1)!, way, work, warmupMs);
  for (let round = 0; round < rounds; round++) {
    // In an order that is reversed every round: what drifts does not always favour the same.
    for (const lane of round % 2 === 0 ? lanes : lanes.toReversed()) {
      lane.slices.push(await run(lane.ground, lane.threads, way, work, sliceMs));
    }
  }
  return lanes.map(({ ground, threads, slices }) => {
    const single = lanes.find((lane) => lane.ground === ground)!.slices;
    return {
      ...{ way, work, ground, threads },
      opsPerSecond: spreadOf(slices.map((slice) => slice.opsPerSecond)),
      ratio: threads === 1 ? undefined : ratioOf(slices, single, (slice) => slice.opsPerSecond),
      ratioOnCore:
        threads === 1 ? undefined : ratioOf(slices, single, (slice) => slice.opsPerCoreSecond),
      operations: slices.reduce((sum, { operations }) => sum + operations, 0),
    };
  });
}

/** Of the rounds in which it is known of both; undefined when it is of none. */
function ratioOf(
  slices: readonly Together[],
  single: readonly Together[],
  read: (slice: Together) => number | undefined,
): Spread | undefined {
  const ratios = slices.flatMap((slice, round) => {
    const [together, alone] = [read(slice), read(single[round]!)];
    return together === undefined || alone === undefined ? [] : [together / alone];
  });
  return ratios.length === 0 ? undefined : spreadOf(ratios);
}
