/**
 * A progress bar on standard error, drawn only on a terminal, so that standard output carries the
 * result alone.
 */
import { time } from './format.js';

/** Redraws per second: smooth for the eye, free for the measurement. */
const INTERVAL_MS = 100;
const BAR_WIDTH = 24;

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #label = '';
  #startMs = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** `now` gives milliseconds of a steady clock. */
  constructor(stream: ProgressStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  /**
   * Shows that `done` of `total` are done, and `note` behind it. Skipped when the same bar was
   * drawn a moment ago; another label begins another bar.
   */
  show(label: string, done: number, total: number, note = ''): void {
    if (!this.#stream.isTTY) return;
    const nowMs = this.#now();
    if (label !== this.#label) {
      this.#label = label;
      this.#startMs = nowMs;
    } else if (nowMs - this.#drawnMs < INTERVAL_MS) {
      return;
    }
    this.#drawnMs = nowMs;
    const elapsedMs = nowMs - this.#startMs;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const parts = [`${label} ${bar} ${(share * 100).toFixed(0).padStart(3)} %`];
    if (share > 0 && elapsedMs > 0) parts.push(`${time((elapsedMs / share) * (1 - share))} left`);
    if (note !== '') parts.push(note);
    // Back to the start of the line and clear it: a shorter line must not leave the end of a longer
    // one.
    const line = parts.join('  ').slice(0, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(`\r\u001b[2K${line}`);
  }

  /** Takes the bar away. */
  finish(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[2K');
  }
}
