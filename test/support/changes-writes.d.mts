import type { Cache } from 'slabring';
import type { Random } from './fuzz-random.mjs';

/** Where a short time to live ends at the latest, from now on. */
export const SHORT_TTL_MS: number;
/** One random write of any kind. */
export function writeSomething(cache: Cache, random: Random, keys: number): void;
