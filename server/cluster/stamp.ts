/**
 * Stamps: a hybrid logical clock's time of a write (Kulkarni, Demirbas, Madappa, Avva, Leone:
 * "Logical Physical Clocks", 2014). 42 bits are Unix time in ms, 12 count within it, 10 are the
 * node's number; the kernel makes them.
 */

/** Stamps count ms above their 22 lowest bits. */
export const STAMP_MS_SHIFT = 22n;

/**
 * What was written within this time may be with one owner and not with another one, in ms: beyond
 * it, whoever did not have it was known to be behind.
 */
export const RECENT_MS = 60_000;

/** The stamp of a time. */
export function stampAt(unixMs: number): bigint {
  return BigInt(Math.max(0, Math.floor(unixMs))) << STAMP_MS_SHIFT;
}

/** The Unix time of a stamp, in ms. */
export function timeOfStamp(stamp: bigint): number {
  return Number(stamp >> STAMP_MS_SHIFT);
}

/** The stamp that what was written lately is newer than. */
export function recentStamp(nowMs: number): bigint {
  return stampAt(nowMs - RECENT_MS);
}
