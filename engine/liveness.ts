/**
 * Whether a thread of this process is still there: asked by the kernel before it takes a lock from
 * a thread that may have been terminated (engine/kernel/lock.ts).
 *
 * A thread is known by two 32-bit numbers that no other thread of the process ever has again:
 *
 * - Where there is a /proc (Linux), the operating system's thread id and the thread's start time in
 *   clock ticks since the machine started. The kernel of the system reuses ids, but not together
 *   with a start time. A thread is gone when /proc/self/task/ID is missing, or has another start
 *   time, or is in a state in which it only waits to be cleared away. All that is exact: a thread
 *   that is slow, stopped, or in a debugger is there.
 * - Elsewhere, NO_OS_THREAD and Node's thread id, which is never reused. Nothing tells then whether
 *   a thread is there. One is taken to be gone when `declareEnded` was told so, or when it held one
 *   lock through PATIENCE_SLEEPS sleeps of a waiter: some ten seconds, for work of microseconds.
 *   They are counted by sleeps and not by the clock, so that a stopped process or a sleeping
 *   machine, in which the waiter does not run either, count for nothing. A thread that a debugger
 *   stops right inside the kernel for so long is taken to be gone though it is not.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';

export interface ThreadIdentity {
  /** Unsigned 32 bits. */
  readonly osThread: number;
  /** Unsigned 32 bits. */
  readonly started: number;
}

/** In place of an operating system's thread id: there is no telling. No Linux has ids as large. */
export const NO_OS_THREAD = 0xffff_ffff;
/** Sleeps of 10 ms each (engine/kernel/lock.ts). */
const PATIENCE_SLEEPS = 1000;
/** Index of a thread's start time among the fields behind its name. */
const STARTED_FIELD = 19;
/** States of threads that run no more: dead, and zombie. */
const ENDED_STATES = ['X', 'x', 'Z'];

const folderOf = (osThread: number) => `/proc/self/task/${osThread}`;

/** A thread's state and start time, or undefined when the system does not tell. */
function readTask(osThread: number): { state: string; started: number } | undefined {
  try {
    const stat = readFileSync(`${folderOf(osThread)}/stat`, 'latin1');
    // The name stands in parentheses, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const started = Number(fields[STARTED_FIELD]) % 2 ** 32;
    return Number.isInteger(started) ? { state: fields[0]!, started } : undefined;
  } catch {
    return undefined;
  }
}

function readOwnIdentity(): ThreadIdentity {
  try {
    // 'PROCESS/task/THREAD'
    const osThread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    const task = Number.isInteger(osThread) && osThread > 0 ? readTask(osThread) : undefined;
    if (task) return { osThread, started: task.started };
  } catch {
    // No /proc, or none that this process may read.
  }
  return { osThread: NO_OS_THREAD, started: threadId };
}

let own: ThreadIdentity | undefined;

/** The calling thread. */
export function ownIdentity(): ThreadIdentity {
  own ??= readOwnIdentity();
  return own;
}

/** Threads that somebody said have ended, by Node's thread id. */
const declaredEnded = new Set<number>();

/**
 * Says that a thread, by Node's `threadId`, has ended, where the system does not tell. In this
 * thread only.
 */
export function declareEnded(nodeThreadId: number): void {
  declaredEnded.add(nodeThreadId);
}

/**
 * Whether a thread has ended, so that it stores nothing any more.
 * @param sleeps through how many sleeps a waiter saw the thread hold a lock; 0: nobody waits
 */
export function isThreadGone(osThread: number, started: number, sleeps: number): boolean {
  const thread = osThread >>> 0;
  const start = started >>> 0;
  if (thread === NO_OS_THREAD) return declaredEnded.has(start) || sleeps >= PATIENCE_SLEEPS;
  try {
    // Needs no file descriptor, of which the process may have run out.
    if (!statSync(folderOf(thread), { throwIfNoEntry: false })) return true;
  } catch {
    return false;
  }
  const task = readTask(thread);
  if (task) return task.started !== start || ENDED_STATES.includes(task.state);
  // It ended between the two looks, or it cannot be told now: the next look will.
  return false;
}
