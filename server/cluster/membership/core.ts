/** What the parts of membership share. */
import type { Random } from '../ports.js';
import type { Broadcasts } from './broadcasts.js';
import type { MembershipCounters } from './counters.js';
import type { MembershipEvent } from './events.js';
import type { Health } from './health.js';
import type { Preset } from './presets.js';
import type { Roster } from './roster.js';
import type { Timers } from './timers.js';

/**
 * Faults that tests plant, to see that their checkers find them. `no-refute`: a node does not deny
 * that it is suspect. `stale-alive`: who says it lives is believed, whatever was known.
 * `silent-leave`: who leaves tells nobody.
 */
export const BUGS = ['no-refute', 'stale-alive', 'silent-leave'] as const;
export type Bug = (typeof BUGS)[number];

export interface Core {
  readonly preset: Preset;
  readonly random: Random;
  readonly timers: Timers;
  readonly roster: Roster;
  readonly broadcasts: Broadcasts;
  readonly health: Health;
  readonly counters: MembershipCounters;
  readonly emit: (event: MembershipEvent) => void;
  readonly bug: Bug | undefined;
}

/** Some of them, each at most once, in any order. */
export function pickSome<T>(items: readonly T[], count: number, random: Random): T[] {
  const pool = [...items];
  const end = Math.min(count, pool.length);
  for (let at = 0; at < end; at++) {
    const other = at + Math.floor(random() * (pool.length - at));
    [pool[at], pool[other]] = [pool[other]!, pool[at]!];
  }
  return pool.slice(0, end);
}
