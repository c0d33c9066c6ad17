/** Chance from a seed, for a whole simulated world. */
import type { Random } from '../../server/cluster/ports.js';
import { random as words } from '../fixture.js';

/** Odd, far from any other constant here: neighbouring seeds give unlike streams. */
const SEED_STEP = 0x9e3779b1;

/** A stream of its own of a seed: what one part draws does not change what another does. */
export function streamOf(seed: number, stream: number): Random {
  const next = words((Math.imul(seed, SEED_STEP) ^ Math.imul(stream + 1, 0x85ebca6b)) | 0);
  return () => next() / 2 ** 32;
}

/** From `least` to below `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + (most - least) * random();
}

/** Exponentially distributed: mostly short, at times long. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}

/** A whole number from 0 to below `end`. */
export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}
