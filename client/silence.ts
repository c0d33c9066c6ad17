/** Tells when the other end of a connection is gone without a word. */
import { SlabringError } from '../engine/errors.js';

/**
 * A connection that has answered nothing for this long, while commands passed their deadline, is
 * given up: TCP would notice only after many minutes.
 */
const SILENCE_MS_MAX = 5_000;

export class Silence {
  readonly #mostMs: number;
  /** When the oldest frame was begun that passed its deadline since the server was last heard. */
  #sinceMs: number | undefined;

  /** @param timeoutMs deadline of a command */
  constructor(timeoutMs: number) {
    this.#mostMs = Math.max(SILENCE_MS_MAX, timeoutMs);
  }

  heard(): void {
    this.#sinceMs = undefined;
  }

  /** A frame that was begun then had no reply in time. */
  missed(startedAtMs: number): void {
    this.#sinceMs ??= startedAtMs;
  }

  /** That the connection is to be given up. */
  outage(nowMs: number): SlabringError | undefined {
    if (this.#sinceMs === undefined) return undefined;
    const silentMs = nowMs - this.#sinceMs;
    if (silentMs <= this.#mostMs) return undefined;
    return new SlabringError('CONNECTION', `the server was silent for ${Math.round(silentMs)} ms`);
  }
}
