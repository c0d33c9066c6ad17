/**
 * What a probe has seen: how long operations took, and how long without the time in which the
 * thread wanted a core and had none.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { Histogram } from '../../server/cli/histogram.js';

/** From here on it is worth asking the system whether the thread had a core: asking takes 5 us. */
export const LONG_MS = 0.1;

const NS_PER_MS = 1e6;

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

/** How long the calling thread has waited for a core, as the system counts it. */
export class CoreWait {
  readonly #file: number | undefined;
  readonly #text = Buffer.alloc(128);
  #lastMs = 0;

  constructor() {
    try {
      this.#file = openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      // Not Linux, or one that does not count: all time is the thread's own.
      this.#file = undefined;
    }
    this.sinceLastMs();
  }

  get isKnown(): boolean {
    return this.#file !== undefined;
  }

  /** Milliseconds of waiting since the last call. */
  sinceLastMs(): number {
    if (this.#file === undefined) return 0;
    const length = readSync(this.#file, this.#text, 0, this.#text.length, 0);
    const nowMs = waitedMsOf(this.#text.toString('latin1', 0, length));
    const sinceMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    return sinceMs;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

/** Of a line of schedstat: nanoseconds on a core, nanoseconds waiting for one, turns on it. */
export function waitedMsOf(schedstat: string): number {
  return Number(schedstat.split(' ')[1]) / NS_PER_MS;
}
