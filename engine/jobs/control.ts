/**
 * The memory through which the threads of one job and the thread that asked for it deal with each
 * other. As 32-bit words:
 *
 *   0     next      the next slice that nobody has begun
 *   1     limit     slices from this one on are not worth doing any more: one before them failed
 *   2     stop      1: the job was given up, all slices are not worth doing
 *   3     started   how many slices have a known start (see below)
 *   4..5  start     f64: the start of slice `started - 1`, in bytes of a file
 *   6..   threads   for each thread of the job: Node's id of it, 0: it has not begun
 *
 * Slices are begun in ascending order, each by one thread. So when slice n fails, all slices before
 * it have been begun, and are finished; those behind it are left where they stand.
 *
 * A file whose parts do not show where they begin is read like this: whoever has slice n waits for
 * its start, looks where it ends, tells that as the start of slice n + 1, and only then does the
 * work. So looking is done by one thread at a time, working by all of them. Once slice n's start is
 * known, only the holder of slice n writes `start`, and only after it has read it.
 */

const NEXT = 0;
const LIMIT = 1;
const STOP = 2;
const STARTED = 3;
const START = 4;
const THREADS = 6;

/** A waiter looks by itself after this long whether it waits in vain. */
const WAIT_MS = 20;

/** One thread's view of the control of a job. */
export class JobControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #start: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#start = new Float64Array(memory, START * Int32Array.BYTES_PER_ELEMENT, 1);
  }

  /** The control of a job that has so many slices, and at most so many threads. */
  static create(slices: number, threads: number): JobControl {
    const words = THREADS + threads;
    const control = new JobControl(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
    control.#words[LIMIT] = slices;
    control.#words[STARTED] = 1;
    return control;
  }

  /** Takes the next slice; undefined when none is left that is worth doing. */
  take(): number | undefined {
    const slice = Atomics.add(this.#words, NEXT, 1);
    return this.isWorth(slice) ? slice : undefined;
  }

  /** Whether the job still wants the slice. */
  isWorth(slice: number): boolean {
    return Atomics.load(this.#words, STOP) === 0 && slice < Atomics.load(this.#words, LIMIT);
  }

  /** Slices behind this one are not worth doing any more. */
  endAfter(slice: number): void {
    const limit = slice + 1;
    for (;;) {
      const seen = Atomics.load(this.#words, LIMIT);
      if (seen <= limit) break;
      if (Atomics.compareExchange(this.#words, LIMIT, seen, limit) === seen) break;
    }
    Atomics.notify(this.#words, STARTED);
  }

  /** No slice is worth doing any more. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STARTED);
  }

  /** Waits for the start of a slice that the caller has taken; undefined: it is not wanted. */
  awaitStart(slice: number): number | undefined {
    for (;;) {
      const started = Atomics.load(this.#words, STARTED);
      if (!this.isWorth(slice)) return undefined;
      if (started > slice) return this.#start[0]!;
      Atomics.wait(this.#words, STARTED, started, WAIT_MS);
    }
  }

  /** Tells the start of the slice after `slice`, whose start the caller has been told. */
  tellNextStart(slice: number, start: number): void {
    this.#start[0] = start;
    Atomics.store(this.#words, STARTED, slice + 2);
    Atomics.notify(this.#words, STARTED);
  }

  /** Says which thread the job's number `index` is. */
  enter(index: number, nodeThreadId: number): void {
    Atomics.store(this.#words, THREADS + index, nodeThreadId);
  }

  /** Node's id of the job's thread number `index`; undefined: it has not begun. */
  threadAt(index: number): number | undefined {
    return Atomics.load(this.#words, THREADS + index) || undefined;
  }
}
