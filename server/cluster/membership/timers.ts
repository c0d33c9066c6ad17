/**
 * The timers of one node, and the knowledge whether this process stalled: one that was stopped for
 * ten seconds (a debugger, a suspended machine, a long collection) finds all its timers due before
 * it has read what others sent meanwhile. What it did not hear in that time says nothing.
 *
 * It is seen by a pulse: a timer that runs often. Whatever runs long after the pulse was due comes
 * first to `onStall`, which may take timers back, also the one that is about to run.
 */
import type { Clock } from '../ports.js';

export interface StallLimits {
  /** How often `pulse` is called. */
  readonly pulseMs: number;
  /** What is later than that by so much is a stall. */
  readonly stallMs: number;
}

export class Timers {
  readonly #clock: Clock;
  readonly #limits: StallLimits;
  readonly #onStall: (gapMs: number) => void;
  /** What will run: each takes back its timer. */
  readonly #pending = new Set<() => void>();
  #pulseAtMs: number;

  /** @param onStall told for how long nothing ran */
  constructor(clock: Clock, limits: StallLimits, onStall: (gapMs: number) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onStall = onStall;
    this.#pulseAtMs = clock.now();
  }

  nowMs(): number {
    return this.#clock.now();
  }

  /** As `Clock.after`. */
  after(delayMs: number, run: () => void): () => void {
    const takeBack = this.#clock.after(delayMs, () => {
      this.check();
      // A stall, just seen, may have taken it back.
      if (this.#pending.delete(cancel)) run();
    });
    const cancel = (): void => {
      this.#pending.delete(cancel);
      takeBack();
    };
    this.#pending.add(cancel);
    return cancel;
  }

  pulse(): void {
    this.#pulseAtMs = this.#clock.now();
  }

  /** Looks for a stall before something is concluded. A clock set forward looks like one. */
  check(): void {
    const gapMs = this.#clock.now() - this.#pulseAtMs;
    if (gapMs <= this.#limits.pulseMs + this.#limits.stallMs) return;
    this.pulse();
    this.#onStall(gapMs);
  }

  /** Nothing runs any more. */
  stop(): void {
    for (const cancel of [...this.#pending]) cancel();
  }
}
