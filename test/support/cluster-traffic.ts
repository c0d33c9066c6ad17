/** Calls all the time, and what became of them: how long a failure was felt. */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import type { Line } from './cluster-line.js';
import type { Command } from './wire.js';

export interface Attempt {
  readonly fromMs: number;
  readonly toMs: number;
  /** What was wrong with it; undefined: nothing. */
  readonly wrong: string | undefined;
}

/** What to ask, and what is wrong with the replies. */
export interface Question {
  readonly commands: readonly Command[];
  wrongWith(replies: readonly unknown[]): string | undefined;
}

export class Traffic {
  readonly attempts: Attempt[] = [];
  /** The longest time in which this process got no turn: so busy the machine was. */
  stallMs = 0;
  readonly #line: Line;
  readonly #next: () => Question;
  readonly #ended: Promise<void>;
  readonly #pending = new Set<Promise<void>>();
  #isEnding = false;

  /** Asks every so often, whether the call before has ended or not. */
  constructor(line: Line, next: () => Question, everyMs = 5) {
    this.#line = line;
    this.#next = next;
    this.#ended = this.#run(everyMs);
  }

  /** Resolves when all calls have ended. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#ended;
  }

  /** From a moment (`performance.now()`) to the end of the last call that failed; 0: none did. */
  outageMs(sinceMs: number): number {
    const failed = this.attempts.filter(({ wrong, toMs }) => wrong !== undefined && toMs > sinceMs);
    return failed.reduce((longest, { toMs }) => Math.max(longest, toMs - sinceMs), 0);
  }

  /** What was wrong, and how often. */
  get wrongs(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { wrong } of this.attempts) {
      if (wrong !== undefined) counts.set(wrong, (counts.get(wrong) ?? 0) + 1);
    }
    return counts;
  }

  async #run(everyMs: number): Promise<void> {
    while (!this.#isEnding) {
      const attempt = this.#attempt();
      this.#pending.add(attempt);
      void attempt.then(() => this.#pending.delete(attempt));
      const fromMs = performance.now();
      // Sleeps: clients ask at a rate of their own.
      await delay(everyMs);
      this.stallMs = Math.max(this.stallMs, performance.now() - fromMs - everyMs);
    }
    await Promise.all(this.#pending);
  }

  async #attempt(): Promise<void> {
    const { commands, wrongWith } = this.#next();
    const fromMs = performance.now();
    let wrong: string | undefined;
    try {
      wrong = wrongWith(await this.#line.call(commands));
    } catch (error) {
      wrong = String(error);
    }
    this.attempts.push({ fromMs, toMs: performance.now(), wrong });
  }
}
