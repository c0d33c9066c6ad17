/** Time and chance as the machine has them. */
import { randomInt } from 'node:crypto';
import type { Clock, Random } from './ports.js';

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The most that `randomInt` takes. */
const RANDOM_RANGE = 2 ** 48 - 1;

export const SYSTEM_RANDOM: Random = () => randomInt(RANDOM_RANGE) / RANDOM_RANGE;
