/*
 * Eviction: which policy decides. A policy is one file that exports a function like `evictByClock`: it pops records
 * (records.ts) from its queues, looks at the access marks (table.ts) of what they lead to, and drops a victim through
 * removal.ts. The policy `none` evicts nothing and keeps no records.
 */
import { header, POLICY_CLOCK, POLICY_NONE } from '../layout';
import { Partition, queueOf } from '../partition';
import { Queue } from '../records';
import { evictByClock } from './clock';

/** Whether this arena may drop entries that nobody asked to drop. */
@inline
export function mayEvict(): bool {
  return header().policy != POLICY_NONE;
}

/** The queue that a new entry's record goes to. */
@inline
export function queueOfNew(partition: Partition): Queue {
  return queueOf(partition, 0);
}

/** Evicts one entry. False when there is none that may go. Under the partition's lock. */
export function evictOne(partition: Partition, nowMs: i64): bool {
  if (header().policy == POLICY_CLOCK) return evictByClock(partition, nowMs);
  return false;
}
