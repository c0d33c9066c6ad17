import type { Arena } from '#engine/arena.js';
import type { HammerPlan, HammerTotals } from '../support/hammer.js';
import type { Board } from './board.mjs';

export class Hammer {
  constructor(arena: Arena, plan: HammerPlan, self: number, board: Board);
  readonly totals: HammerTotals;
  readonly arena: Arena;
  turn(): void;
  checkIntegrity(): string | undefined;
  checkSums(): string | undefined;
  close(): void;
}
