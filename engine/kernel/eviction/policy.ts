/*
 * Eviction: which policy decides. A policy is one file that exports a function like `evictByClock`; it gets its access
 * marks from table.ts and drops its victim through removal.ts.
 */
import { header, POLICY_CLOCK, POLICY_NONE } from '../layout';
import { Partition } from '../partition';
import { evictByClock } from './clock';

/** Whether this arena may drop entries that nobody asked to drop. */
@inline
export function mayEvict(): bool {
  return header().policy != POLICY_NONE;
}

/**
 * Evicts one entry that has a chunk of this class. False when there is none that may go. Under the partition's lock.
 */
export function evictOne(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  if (header().policy == POLICY_CLOCK) return evictByClock(partition, sizeClass, nowMs);
  return false;
}
