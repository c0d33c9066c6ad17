/** A progress bar on standard error, drawn only on a terminal, so that standard output carries the result alone. */
import { count, rate, time } from './format.js';

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
  readonly #label: string;
  readonly #total: number;
  readonly #now: () => number;
  readonly #startMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** `total` is what `done` of {@link update} counts up to; `now` gives milliseconds. */
  constructor(label: string, total: number, stream: ProgressStream, now: () => number) {
    this.#label = label;
    this.#total = total;
    this.#stream = stream;
    this.#now = now;
    this.#startMs = now();
  }

  /** Shows that `done` of the total are done, and `note` behind it; skipped when the bar was drawn a moment ago. */
  update(done: number, note = ''): void {
    if (!this.#stream.isTTY) return;
    const nowMs = this.#now();
    if (nowMs - this.#drawnMs < INTERVAL_MS) return;
    this.#drawnMs = nowMs;
    const elapsedMs = Math.max(1, nowMs - this.#startMs);
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const leftMs = share > 0 ? (elapsedMs / share) * (1 - share) : 0;
    const text =
      `${this.#label} ${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${count(done)}` +
      `  ${rate((done / elapsedMs) * 1000)}/s  ${time(leftMs)} left${note === '' ? '' : `  ${note}`}`;
    // Back to the start of the line and clear it: a shorter line must not leave the end of a longer one.
    this.#stream.write(`\r\u001b[2K${text.slice(0, (this.#stream.columns ?? 80) - 1)}`);
  }

  /** Takes the bar away. */
  finish(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[2K');
  }
}
