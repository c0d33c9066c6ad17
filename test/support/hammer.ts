/**
 * Hammers one arena from the main thread and worker threads at once, and checks it meanwhile and at
 * the end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Arena, type ArenaHandle, type ArenaOptions } from '#engine/arena.js';
import { Board } from '../concurrency/board.mjs';
import { Hammer } from '../concurrency/hammer.mjs';
import { freshSeed } from './fuzz-random.mjs';
import { Crew } from './hammer-crew.js';

/** What the threads do; the same for all of them. */
export interface HammerPlan {
  seed: number;
  /** Hammering threads, the main thread being number 0. */
  threads: number;
  sharedKeys: number;
  ownedKeys: number;
  counters: number;
  ballots: number;
  /** Lengths of values; a few bytes are added at random. */
  sizes: readonly number[];
  /** Whether the cache may drop entries: it evicts, or somebody clears it. */
  mayVanish: boolean;
  /** Whether writes may fail for want of memory. */
  mayRunOut: boolean;
  /** Whether shared keys get a time to live. */
  expires: boolean;
  /** Whether nothing is done but to count, so that additions meet each other often. */
  countsOnly: boolean;
  /** Whether `clear` is called now and then. */
  clears: boolean;
  /** Whether threads detach and attach again now and then. */
  reattaches: boolean;
  /**
   * Canaries: `early` says that owned keys are stored before they are, `tally` adds too much to
   * sums.
   */
  sabotage?: 'early' | 'tally';
}

export interface HammerTotals {
  frames: number;
  commands: number;
  direct: number;
  hits: number;
  outOfMemory: number;
  reattached: number;
}

/** What a hammering worker needs: its `workerData`. */
export interface WorkerStart {
  handle: ArenaHandle;
  plan: HammerPlan;
  /** From `plan.threads` on: a visitor. */
  self: number;
  board: SharedArrayBuffer;
  /** After so many turns it ends by itself. */
  turns?: number;
}

export interface HammerRun {
  arena: Omit<ArenaOptions, 'maxThreads'>;
  plan?: Partial<HammerPlan>;
  /** How long to hammer. */
  ms: number;
  /** Something else that goes on until `isOver()`. */
  meanwhile?: (start: WorkerStart, isOver: () => boolean) => Promise<void>;
}

const SMALL = [20, 40, 60, 100, 250, 600, 1000, 3000];
/** Chunks of one class after the other, and some chains. */
export const SIZES_MIXED = [
  ...Array.from({ length: 6 }, () => SMALL).flat(),
  ...[8000, 8150, 9000, 30_000, 200_000],
];
/** Only what fits a chunk. */
export const SIZES_INLINE = SMALL;

const PLAN: HammerPlan = {
  seed: 0,
  threads: 3,
  sharedKeys: 240,
  ownedKeys: 24,
  counters: 6,
  ballots: 4,
  sizes: SIZES_MIXED,
  mayVanish: false,
  mayRunOut: false,
  expires: true,
  countsOnly: false,
  clears: false,
  reattaches: false,
};

/** Visitors may come while all others are there. */
const MORE_THREADS = 4;
/** Turns of the main thread between two looks at the clock. */
const TURNS_PER_SLICE = 20;
/** Of the main thread. However slow the machine is, each run does something worth checking. */
const LEAST_TURNS = 300;
const INTEGRITY_EVERY_MS = 100;
/** A run that takes this much longer than it should hangs. */
const HANG_MS = 60_000;
const WATCHDOG = new URL('../concurrency/watchdog.mjs', import.meta.url);

/** Milliseconds for one run: HAMMER_SECONDS, or a short while. */
export const hammerMs = (shortMs: number): number =>
  process.env.HAMMER_SECONDS ? 1000 * Number(process.env.HAMMER_SECONDS) : shortMs;

/**
 * Hammers for a while; what all threads did together.
 * @throws Error the first check that failed in any thread, with the seed
 */
export async function hammer(run: HammerRun): Promise<HammerTotals> {
  const seed = process.env.HAMMER_SEED ? Number(process.env.HAMMER_SEED) : freshSeed();
  const plan: HammerPlan = { ...PLAN, seed, ...run.plan };
  const arena = Arena.create({ ...run.arena, maxThreads: plan.threads + MORE_THREADS });
  const board = Board.create(plan);
  const unwatch = watch(board.memory, run.ms + HANG_MS, `hammering with HAMMER_SEED=${seed}`);
  const start: WorkerStart = { handle: arena.handle, plan, self: 0, board: board.memory };
  const crew = new Crew(start);
  try {
    await crew.ready;
    const self = new Hammer(arena, plan, 0, board);
    await Promise.race([
      Promise.all([
        hammerUntil(self, board, Date.now() + run.ms),
        run.meanwhile?.({ ...start, self: plan.threads }, () => board.stopped),
      ]),
      crew.failed,
    ]);
    const totals = [...(await crew.ended), self.totals];
    checkEnd(self, plan);
    return totals.reduce(addTotals);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message} (HAMMER_SEED=${seed})`, { cause: error });
  } finally {
    board.stop();
    await crew.dismiss();
    await unwatch();
  }
}

async function hammerUntil(self: Hammer, board: Board, deadline: number): Promise<void> {
  let checked = Date.now();
  let turns = 0;
  for (let now = checked; !board.stopped; now = Date.now()) {
    if (now >= deadline && turns >= LEAST_TURNS) break;
    for (let i = 0; i < TURNS_PER_SLICE; i++) self.turn();
    turns += TURNS_PER_SLICE;
    if (now - checked >= INTEGRITY_EVERY_MS) {
      checkIntegrity(self);
      checked = now;
    }
    await nextTurn();
  }
  board.stop();
}

function checkIntegrity(self: Hammer): void {
  const broken = self.checkIntegrity();
  if (broken !== undefined) throw new Error(`integrity: ${broken}`);
}

function checkEnd(self: Hammer, plan: HammerPlan): void {
  checkIntegrity(self);
  const wrong = self.checkSums();
  if (wrong !== undefined) throw new Error(wrong);
  const others = self.arena.stats().threads - 1;
  if (others !== 0)
    throw new Error(`${others} thread slots of ${plan.threads} were not given back`);
}

/**
 * Ends this process if word 0 of `board` is not set in time. Call what it returns once that is set.
 */
export function watch(
  board: SharedArrayBuffer,
  limitMs: number,
  what: string,
): () => Promise<void> {
  const watchdog = new Worker(WATCHDOG, { workerData: { board, limitMs, what } });
  const ended = new Promise<void>((resolve) => watchdog.once('exit', () => resolve()));
  return () => ended;
}

function addTotals(a: HammerTotals, b: HammerTotals): HammerTotals {
  const sum = { ...a };
  for (const name of Object.keys(sum) as (keyof HammerTotals)[]) sum[name] += b[name];
  return sum;
}
