/** What the system counts of the calling thread: its time on a core, and waiting for one. */
import { closeSync, openSync, readSync } from 'node:fs';

export interface CoreTimes {
  /** Counted at every turn on the core and every few milliseconds of one. */
  readonly onCoreMs: number;
  readonly waitedMs: number;
}

const NS_PER_MS = 1e6;

/** Of a line of schedstat: nanoseconds on a core, nanoseconds waiting for one, turns on it. */
export function coreTimesOf(schedstat: string): CoreTimes {
  const [onCoreNs, waitedNs] = schedstat.split(' ').map(Number) as [number, number];
  return { onCoreMs: onCoreNs / NS_PER_MS, waitedMs: waitedNs / NS_PER_MS };
}

/** Reads them over and over. */
export class CoreClock {
  readonly #file: number | undefined;
  readonly #text = Buffer.alloc(128);

  constructor() {
    try {
      this.#file = openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      // Not Linux, or one that does not count.
      this.#file = undefined;
    }
  }

  get isKnown(): boolean {
    return this.#file !== undefined;
  }

  /** Since the thread began; zeros where the system does not tell. */
  read(): CoreTimes {
    if (this.#file === undefined) return { onCoreMs: 0, waitedMs: 0 };
    const length = readSync(this.#file, this.#text, 0, this.#text.length, 0);
    return coreTimesOf(this.#text.toString('latin1', 0, length));
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}
