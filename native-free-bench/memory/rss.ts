/** The resident memory of a process, as the operating system counts it. */
import { readFileSync } from 'node:fs';
import { Unavailable } from '../case.js';

const KIB = 1024;
const SAMPLE_MS = 500;
/** A server that still tidies up after this long does so for its own pleasure. */
const SETTLE_MS = 30_000;
const NOISE = 0.001;

/**
 * Resident bytes of a process, from /proc/PID/status.
 * @throws Unavailable where there is no such file
 */
export function residentBytes(pid: number): number {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    throw new Unavailable(`/proc/${pid}/status cannot be read: this needs Linux`);
  }
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Unavailable(`/proc/${pid}/status has no VmRSS`);
  return Number(kib) * KIB;
}

/**
 * The same, once it has not changed by more than a thousandth for half a second: servers give
 * memory back some time after they were busy.
 */
export async function settledBytes(
  read: () => number,
  sleep: (ms: number) => Promise<unknown>,
): Promise<number> {
  let last = read();
  for (let waitedMs = 0; waitedMs < SETTLE_MS; waitedMs += SAMPLE_MS) {
    await sleep(SAMPLE_MS);
    const now = read();
    if (Math.abs(now - last) <= NOISE * last) return now;
    last = now;
  }
  return last;
}
