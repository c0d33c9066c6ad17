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
  /** Confirmations that make it last the least. 0: nobody else is there to ask. */
  readonly wanted: number;
}

export class Suspicion {
  readonly #timers: Timers;
  readonly #times: SuspicionTimes;
  readonly #onTimeout: () => void;
  readonly #accusers: Set<string>;
  #startedAtMs: number;
  #cancel: () => void;

  /** @param accuser the name of the node that holds it */
  constructor(timers: Timers, times: SuspicionTimes, accuser: string, onTimeout: () => void) {
    this.#timers = timers;
    this.#times = times;
    this.#onTimeout = onTimeout;
    this.#accusers = new Set([accuser]);
    this.#startedAtMs = timers.nowMs();
    this.#cancel = timers.after(this.timeoutMs, onTimeout);
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
    // A clock that was set back must not make it longer.
    const passedMs = Math.max(0, this.#timers.nowMs() - this.#startedAtMs);
    this.#wait(Math.max(0, this.timeoutMs - passedMs));
    return true;
  }

  /** All of the time again: this process could not have heard a denial. */
  restart(): void {
    this.#startedAtMs = this.#timers.nowMs();
    this.#wait(this.timeoutMs);
  }

  cancel(): void {
    this.#cancel();
  }

  #wait(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#timers.after(delayMs, this.#onTimeout);
  }
}
