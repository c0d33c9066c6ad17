/**
 * What a probe has seen: how long operations took, and how long without the time in which the
 * thread wanted a core and had none.
 */
import { Histogram } from '../../server/cli/histogram.js';
import { CoreClock } from '../core-times.js';

/** From here on it is worth asking the system whether the thread had a core: asking takes 5 us. */
export const LONG_MS = 0.1;

export class Probe {
  /** As the clock has it. */
  readonly wall = new Histogram();
  /** Less the waiting for a core. */
  readonly own = new Histogram();

  /** @param waitedMs of it, for a core */
  record(ms: number, waitedMs: number): void {
    this.wall.record(ms);
    this.own.record(Math.max(0, ms - waitedMs));
  }

  add(other: Probe): void {
    this.wall.add(other.wall);
    this.own.add(other.own);
  }
}

/** How long the calling thread waited for a core between two calls; 0 where nobody tells. */
export class CoreWait {
  readonly #clock = new CoreClock();
  #lastMs = this.#clock.read().waitedMs;

  get isKnown(): boolean {
    return this.#clock.isKnown;
  }

  /** Milliseconds of waiting since the last call. */
  sinceLastMs(): number {
    const nowMs = this.#clock.read().waitedMs;
    const sinceMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    return sinceMs;
  }

  close(): void {
    this.#clock.close();
  }
}
