/**
 * How long to wait before attempt number `attempt` (from 0) to connect again: doubling from
 * `delayMs` up to `delayMsMax`, then a random point of the upper half. The jitter spreads the
 * clients of a node that came back; the lower half is left out so that a series of unlucky draws
 * cannot become a busy loop.
 */
export function backoffMs(
  attempt: number,
  delayMs: number,
  delayMsMax: number,
  random: () => number = Math.random,
): number {
  // Past 2^30 the product has long met any maximum that a timer can hold.
  const doubled = Math.min(delayMsMax, delayMs * 2 ** Math.min(attempt, 30));
  return Math.round(doubled * (0.5 + random() / 2));
}
