/**
 * Runs one case: sets its contestants up, lets each through the gate, then times them in turns.
 *
 * Why not one tinybench run for each, one after the other, as its examples do: on a machine that
 * others use too, speed changes by tens of per cent from one second to the next (frequency,
 * neighbours on the memory bus, stolen time). Whoever runs in a bad second loses, and the spread
 * that a report shows next to his number does not tell, because all of his samples are from that
 * second. So the contestants take turns with slices of some tens of milliseconds, in an order that
 * is reversed every round, and are compared round by round: what hits a round hits all of them, and
 * the median of the rounds' ratios drops the rounds that something hit in the middle. tinybench
 * times each slice.
 *
 * Each contestant has a process of its own (see remote.ts): the garbage of one is not collected on
 * the time of another, and what V8 learned from the calls of one does not slow down or speed up the
 * next.
 */
import { type BenchCase, type Clock, type Contestant, type Slice, Unavailable } from './case.js';
import { type Spread, spreadOf } from './statistics.js';

export interface Plan {
  readonly rounds: number;
  /** Timed work of a slice. */
  readonly sliceMs: number;
  /**
   * Timed work of each contestant before the first round, which does not count: V8 compiles
   * meanwhile.
   */
  readonly warmupMs: number;
}

export const FULL_PLAN: Plan = { rounds: 21, sliceMs: 40, warmupMs: 400 };
export const QUICK_PLAN: Plan = { rounds: 5, sliceMs: 20, warmupMs: 100 };

/** A plan and its clock, and how to read what comes of it. */
export function planAsText({ rounds, sliceMs }: Plan, clock: Clock): string {
  const unit = clock === 'cpu' ? 'CPU time' : 'wall time';
  return (
    `${rounds} rounds of slices of ${sliceMs} ms, ${unit}. ` +
    "ns/op: median and quartiles of the rounds' means; " +
    'ratios: of the two slices of each round; below 1 slabring is faster.'
  );
}

export interface CaseOutcome {
  readonly name: string;
  readonly what: string;
  /** The candidate first. */
  readonly rows: readonly Row[];
}

export type Row = TimedRow | UntimedRow;

export interface TimedRow {
  readonly contestant: string;
  readonly state: 'timed';
  readonly nsPerOp: Spread;
  readonly batches: number;
  readonly operations: number;
  readonly checksum: number;
  readonly facts: Readonly<Record<string, number>>;
  /** The candidate's time by this peer's, round by round: below 1 the candidate is faster. */
  readonly ratio?: Spread;
}

export interface UntimedRow {
  readonly contestant: string;
  /**
   * `disqualified`: it returned something wrong. `failed`: it threw or died. `skipped`: it is not
   * on this machine.
   */
  readonly state: 'disqualified' | 'failed' | 'skipped';
  readonly reason: string;
}

export type OpenContestant = (benchCase: BenchCase, contestant: string) => Promise<Contestant>;

/** What is known of a contestant while the case runs. */
interface Entrant {
  readonly name: string;
  contestant?: Contestant;
  checksum: number;
  readonly slices: Slice[];
  facts: Readonly<Record<string, number>>;
  /** Why it is out. */
  out?: UntimedRow;
}

export async function runCase(
  benchCase: BenchCase,
  plan: Plan,
  open: OpenContestant,
): Promise<CaseOutcome> {
  const entrants: Entrant[] = benchCase.contestants.map((name) => ({
    name,
    checksum: 0,
    slices: [],
    facts: {},
  }));
  for (const entrant of entrants) {
    await attempt(entrant, async () => {
      entrant.contestant = await open(benchCase, entrant.name);
      const { wrong, checksum } = await entrant.contestant.gate();
      entrant.checksum = checksum;
      disqualify(entrant, wrong);
    });
  }
  for (const entrant of entrants) {
    await attempt(entrant, async (contestant) => {
      if (plan.warmupMs > 0) judge(entrant, await contestant.slice(plan.warmupMs));
    });
  }
  for (let round = 0; round < plan.rounds; round++) {
    const order = round % 2 === 0 ? entrants : entrants.toReversed();
    for (const entrant of order) {
      await attempt(entrant, async (contestant) => {
        const slice = await contestant.slice(plan.sliceMs);
        entrant.slices.push(slice);
        judge(entrant, slice);
      });
    }
  }
  for (const entrant of entrants) await finish(entrant);
  const [candidate] = entrants;
  const rows = entrants.map((entrant) => entrant.out ?? timedRow(entrant, candidate!));
  return { name: benchCase.name, what: benchCase.what, rows };
}

/** Does a step with an entrant that is still in; an error is its own, and the others go on. */
async function attempt(
  entrant: Entrant,
  step: (contestant: Contestant) => Promise<void>,
): Promise<void> {
  if (entrant.out !== undefined) return;
  try {
    await step(entrant.contestant!);
  } catch (error) {
    const state = error instanceof Unavailable ? 'skipped' : 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    entrant.out = { contestant: entrant.name, state, reason };
  }
}

function disqualify(entrant: Entrant, reason: string | undefined): void {
  if (reason === undefined) return;
  entrant.out = { contestant: entrant.name, state: 'disqualified', reason };
}

function judge(entrant: Entrant, { wrongBatches, batches }: Slice): void {
  if (wrongBatches > 0) disqualify(entrant, `${wrongBatches} of ${batches} batches came out wrong`);
}

/** Closes also what is out, which may not be able to say anything sensible any more. */
async function finish(entrant: Entrant): Promise<void> {
  const { contestant } = entrant;
  if (contestant === undefined) return;
  if (entrant.out !== undefined) {
    await contestant.finish().catch(() => undefined);
    return;
  }
  await attempt(entrant, async () => {
    const { wrong, facts } = await contestant.finish();
    entrant.facts = facts;
    disqualify(entrant, wrong);
  });
}

function timedRow(entrant: Entrant, candidate: Entrant): TimedRow {
  const { name, slices, checksum, facts } = entrant;
  const isCompared = entrant !== candidate && candidate.out === undefined;
  return {
    contestant: name,
    state: 'timed',
    nsPerOp: spreadOf(slices.map((slice) => slice.nsPerOp)),
    batches: slices.reduce((sum, slice) => sum + slice.batches, 0),
    operations: slices.reduce((sum, slice) => sum + slice.operations, 0),
    checksum,
    facts,
    ...(isCompared && {
      ratio: spreadOf(slices.map((slice, i) => candidate.slices[i]!.nsPerOp / slice.nsPerOp)),
    }),
  };
}
