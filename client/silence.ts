/** Tells when the other end of a connection is gone without a word. */
import { SlabringError } from '../engine/errors.js';

/**
 * A connection that has answered nothing for this long, while commands passed their deadline, is
 * given up: TCP would notice only after many minutes.
 */
const SILENCE_MS_MAX = 5_000;

/**
 * A node with commands on their way that has said nothing for this long may be stopped or cut off.
 * Far more than one in a network near by takes, and little of the second in which others find out.
 */
const SUSPECT_MS = 100;
/** But never less than so many round trips: how long the way is is no reason for suspicion. */
const SUSPECT_ROUND_TRIPS = 4;

export class Silence {
  readonly #mostMs: number;
  /** When the oldest frame was begun that passed its deadline since the server was last heard. */
  #sinceMs: number | undefined;
  /** When the first frame was sent since then; infinite: none. */
  #sentAtMs = Number.POSITIVE_INFINITY;
  #suspectMs = SUSPECT_MS;

  /** @param timeoutMs deadline of a command */
  constructor(timeoutMs: number) {
    this.#mostMs = Math.max(SILENCE_MS_MAX, timeoutMs);
  }

  /** @param roundTripMs how long the first answer took */
  begin(roundTripMs: number): void {
    this.heard();
    this.#suspectMs = Math.max(SUSPECT_MS, SUSPECT_ROUND_TRIPS * roundTripMs);
  }

  heard(): void {
    this.#sinceMs = undefined;
    this.#sentAtMs = Number.POSITIVE_INFINITY;
  }

  sent(nowMs: number): void {
    if (nowMs < this.#sentAtMs) this.#sentAtMs = nowMs;
  }

  /** Whether what is sent now might never be answered. */
  isSuspect(nowMs: number): boolean {
    return nowMs - this.#sentAtMs > this.#suspectMs;
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
