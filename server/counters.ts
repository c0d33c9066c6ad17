/**
 * What each thread counts, in memory that all threads of the node read, so that any of them can
 * answer `/stats`. A row has one writer, its thread; readers may see a row in the middle of a
 * change, which is fine for statistics.
 */

/** Numbers of a row, in their order. */
export const COUNTERS = [
  /** Connections open now. */
  'connections',
  /** Connections accepted since the start. */
  'accepted',
  /** Frames executed. */
  'frames',
  /** Bytes of the frames executed, and of their replies. */
  'bytesIn',
  'bytesOut',
  /** Connections closed because of what they sent (1003, 1007, 1009). */
  'faults',
  /** Times a connection was paused because it did not read its replies. */
  'pauses',
  /** Connections closed because their backlog passed the limit (1013). */
  'backlogCloses',
  /** HELLO with a wrong token. */
  'denials',
] as const;

export type CounterName = (typeof COUNTERS)[number];
export type CounterRow = Record<CounterName, number>;

/** Index of each counter in a row, for hot paths: `row[Counter.frames]++`. */
export const Counter = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as {
  readonly [name in CounterName]: number;
};

/** Memory for the counters of `threads` threads. */
export function createCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * COUNTERS.length * Float64Array.BYTES_PER_ELEMENT);
}

/**
 * The row of one thread, to write. Doubles: whole numbers to 2^53, and an aligned one is written in
 * one piece.
 */
export function counterRow(memory: SharedArrayBuffer, thread: number): Float64Array {
  const bytes = COUNTERS.length * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(memory, thread * bytes, COUNTERS.length);
}

/** All rows, by thread. */
export function readCounters(memory: SharedArrayBuffer): CounterRow[] {
  const threads = memory.byteLength / (COUNTERS.length * Float64Array.BYTES_PER_ELEMENT);
  return Array.from({ length: threads }, (_, thread) => {
    const row = counterRow(memory, thread);
    return Object.fromEntries(COUNTERS.map((name, index) => [name, row[index]])) as CounterRow;
  });
}

/** The rows added up. */
export function sumCounters(rows: readonly CounterRow[]): CounterRow {
  return Object.fromEntries(
    COUNTERS.map((name) => [name, rows.reduce((sum, row) => sum + row[name], 0)]),
  ) as CounterRow;
}
