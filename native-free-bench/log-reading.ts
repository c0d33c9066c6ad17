/** Readers of a change log that is written while it is timed. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Arena } from '../engine/arena.js';
import { DEFAULT_SHARE } from '../engine/changes.js';
import { LogReader } from '../engine/log-reader.js';

/** As `cache.changes()` takes it by default. */
export const logBytesOf = (memoryBytes: number): number => memoryBytes * DEFAULT_SHARE;

/** A reader, in this thread or in another one. */
export interface LogReading {
  /** To be called between timed batches. */
  catchUp(): void;
  /** Bytes of records read so far. */
  readonly bytes: number;
  /** Records that were overwritten before they were read. */
  readonly lost: number;
  close(): Promise<void>;
}

/** Reads when it is told to, so that nothing of it is timed but what it costs who writes. */
export function readHere(arena: Arena): LogReading {
  const reader = new LogReader(arena, logBytesOf(arena.facts.memoryBytes));
  const read = { bytes: 0, lost: 0 };
  return {
    catchUp: () => drain(reader, read),
    get bytes() {
      return read.bytes;
    },
    get lost() {
      return read.lost;
    },
    close: async () => reader.close(),
  };
}

/** Reads all the while, in a thread of its own. */
export async function readInThread(arena: Arena): Promise<LogReading> {
  const counts = new Float64Array(new SharedArrayBuffer(16));
  const workerData = { handle: arena.handle, counts };
  const thread = new Worker(new URL('./log-thread.js', import.meta.url), { workerData });
  await once(thread, 'message');
  return {
    catchUp: () => {},
    get bytes() {
      return counts[0]!;
    },
    get lost() {
      return counts[1]!;
    },
    async close() {
      thread.postMessage('close');
      await once(thread, 'exit');
    },
  };
}

/** Reads what is there, and counts it. */
export function drain(reader: LogReader, read: { bytes: number; lost: number }): void {
  for (let run = reader.next(false); run !== undefined; run = reader.next(false)) {
    if (run.bytes === undefined) read.lost += run.lostTo - run.seq + 1;
    else read.bytes += run.bytes.length;
  }
}
