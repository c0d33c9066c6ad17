/*
 * Eviction: which policy decides. A policy is one file that exports a function like `evictByClock`: it pops records
 * (records.ts) from its queues, looks at the access marks (table.ts) of what they lead to, and drops a victim through
 * removal.ts. The policy `none` evicts nothing and keeps no records.
 */
import { header, POLICY_CLOCK, POLICY_NONE, POLICY_S3FIFO } from '../layout';
import { Partition, queueOf } from '../partition';
import { Queue } from '../records';
import { evictByClock } from './clock';
import { growGhosts } from './ghosts';
import { evictByS3Fifo, queueFor, s3fifoManner } from './s3fifo';

/** Whether this arena may drop entries that nobody asked to drop. */
@inline
export function mayEvict(): bool {
  return header().policy != POLICY_NONE;
}

/** Whether the policy remembers what it evicted. */
@inline
function hasGhosts(): bool {
  return header().policy >= POLICY_S3FIFO;
}

/** The queue that a new entry's record goes to. Asked before room is made for it. */
@inline
export function queueOfNew(partition: Partition, hash: u32, thread: u32, nowMs: i64): Queue {
  if (!hasGhosts()) return queueOf(partition, 0);
  growGhosts(partition, thread, nowMs);
  return queueFor(partition, s3fifoManner(), hash);
}

/** Evicts one entry. False when there is none that may go. Under the partition's lock. */
export function evictOne(partition: Partition, nowMs: i64): bool {
  if (header().policy == POLICY_CLOCK) return evictByClock(partition, nowMs);
  if (header().policy == POLICY_S3FIFO) return evictByS3Fifo(partition, s3fifoManner(), nowMs);
  return false;
}
