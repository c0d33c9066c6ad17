/**
 * One suspicion and the time that is left to deny it (Lifeguard, "dynamic suspicion timeout"): long
 * while one node alone holds it, shorter with each other node that found the same by itself.
 *
 *   timeout = max(min, max - (max - min) * log(confirmations + 1) / log(wanted + 1))
 */
import type { Timers } from './timers.js';

export interface SuspicionTimes {
  readonly minMs: number;
  readonly maxMs: number;
  /** `onLastCall` comes so long before the end. */
  readonly lastCallMs: number;
  /** Confirmations that make it last the least. 0: nobody else is there to ask. */
  readonly wanted: number;
}

export interface SuspicionEnd {
  readonly onLastCall: () => void;
  readonly onTimeout: () => void;
}

export class Suspicion {
  readonly #timers: Timers;
  readonly #times: SuspicionTimes;
  readonly #end: SuspicionEnd;
  readonly #accusers: Set<string>;
  #startedAtMs: number;
  #cancel: () => void = () => {};
  #isCalled = false;
  #isHastened = false;

  /** @param accuser the name of the node that holds it */
  constructor(timers: Timers, times: SuspicionTimes, accuser: string, end: SuspicionEnd) {
    this.#timers = timers;
    this.#times = times;
    this.#end = end;
    this.#accusers = new Set([accuser]);
    this.#startedAtMs = timers.nowMs();
    this.#wait(this.timeoutMs);
  }

  get confirmations(): number {
    return this.#accusers.size - 1;
  }

  /** From its start on. */
  get timeoutMs(): number {
    const { minMs, maxMs, wanted } = this.#times;
    if (wanted === 0) return minMs;
    const share = Math.log(this.confirmations + 1) / Math.log(wanted + 1);
    return Math.max(minMs, maxMs - (maxMs - minMs) * share);
  }

  /** Another node holds it too. Whether that is new, and worth passing on. */
  confirm(accuser: string): boolean {
    if (this.#accusers.has(accuser) || this.confirmations >= this.#times.wanted) return false;
    this.#accusers.add(accuser);
    if (this.#isHastened) return true;
    // A clock that was set back must not make it longer.
    const passedMs = Math.max(0, this.#timers.nowMs() - this.#startedAtMs);
    this.#wait(Math.max(0, this.timeoutMs - passedMs));
    return true;
  }

  /** There is proof, but for a network that lies: only the time of a last call is left. */
  hasten(): void {
    if (this.#isHastened || this.#isCalled) return;
    this.#isHastened = true;
    this.#wait(this.#times.lastCallMs);
  }

  /** All of the time again: this process could not have heard a denial. */
  restart(): void {
    this.#startedAtMs = this.#timers.nowMs();
    this.#isCalled = false;
    this.#isHastened = false;
    this.#wait(this.timeoutMs);
  }

  cancel(): void {
    this.#cancel();
  }

  #wait(delayMs: number): void {
    this.#cancel();
    const { lastCallMs } = this.#times;
    if (this.#isCalled) {
      this.#cancel = this.#timers.after(delayMs, this.#end.onTimeout);
      return;
    }
    this.#cancel = this.#timers.after(Math.max(0, delayMs - lastCallMs), () => {
      this.#isCalled = true;
      this.#end.onLastCall();
      this.#wait(Math.min(delayMs, lastCallMs));
    });
  }
}
