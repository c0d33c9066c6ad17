/** Lets threads die at the steps of an operation (chaos-deaths.ts): at which, and how often. */
import { type DeathPlan, Deaths, type Operation } from './chaos-deaths.js';
import { Random } from './fuzz-random.mjs';
import type { Kernels } from './hammer-schedules.js';
import { KIB } from './kernel-memory.js';

/** Steps of one operation that are tried in a row; of a longer one, some of them. */
const STEPS_MAX = process.env.CHAOS_SECONDS ? 20_000 : 250;
/** Deaths of an operation after which the rescuer dies, too, and steps of its that are tried. */
const SECOND_DEATHS = process.env.CHAOS_SECONDS ? 40 : 4;
const SECOND_STEPS = process.env.CHAOS_SECONDS ? 40 : 5;

const AMPLE: DeathPlan = { memoryBytes: 2400 * KIB, partitions: 2, policy: 'none' };

/** An operation, and the arena that it needs. */
export type PlannedOperation = Operation & {
  readonly plan?: DeathPlan;
  /** Steps that are tried at the most, where the usual number would take too long. */
  readonly stepsMax?: number;
};

/** All numbers from 1 to `end`, or some of them: the first and last ones and a random rest. */
function someSteps(end: number, most: number, random: Random): number[] {
  if (end <= most) return Array.from({ length: end }, (_, i) => i + 1);
  const rest = Array.from({ length: most }, (_, i) => {
    const edge = Math.floor(most / 4);
    if (i < edge) return i + 1;
    if (i < 2 * edge) return end - i + edge;
    return random.between(1, end);
  });
  return [...new Set(rest)];
}

/**
 * Dies at the steps of the operation, one after the other, and at some steps of what follows.
 * @throws Error what was wrong after which death
 */
export function dieOf(planned: PlannedOperation, kernels: Kernels, seed: number): Deaths {
  const { plan = AMPLE, stepsMax = STEPS_MAX, prepare, ...operation } = planned;
  const random = new Random(seed);
  const deaths = new Deaths(kernels, plan, seed);
  prepare?.(deaths);
  deaths.save();
  const steps = deaths.countSteps(operation);
  const dying = someSteps(steps, stepsMax, random);
  let at = '';
  try {
    for (const step of dying) {
      at = `step ${step} of ${steps}`;
      deaths.die(operation, step);
    }
    for (let i = 0; i < SECOND_DEATHS; i++) {
      const step = random.pick(dying);
      at = `step ${step} of ${steps}, recovering`;
      const more = deaths.countRecoverySteps(operation, step);
      for (const second of someSteps(more, SECOND_STEPS, random)) {
        at = `step ${step} of ${steps} and step ${second} of ${more}`;
        deaths.die(operation, step, second);
      }
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}; died at ${at}, seed ${seed}`, { cause: error });
  }
  return deaths;
}
