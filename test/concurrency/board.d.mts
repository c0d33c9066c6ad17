import type { HammerPlan } from '../support/hammer.js';

export class Board {
  static create(plan: HammerPlan): Board;
  constructor(plan: HammerPlan, memory: SharedArrayBuffer);
  readonly memory: SharedArrayBuffer;
  readonly stopped: boolean;
  stop(): void;
}
