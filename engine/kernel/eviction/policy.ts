/*
 * Eviction: which policy decides. A policy is one file. It says which queue (records.ts) a new entry's record goes
 * to, and evicts one entry: pops records, looks at the access marks (marks.ts) of what they lead to, pushes those
 * that stay, and drops a victim through removal.ts. The policy `none` evicts nothing and keeps no records.
 *
 * Readers do nothing but mark (table.ts) and, with `adaptive`, sample.
 */
import {
  header,
  POLICY_ADAPTIVE,
  POLICY_CLOCK,
  POLICY_LFU,
  POLICY_LRU,
  POLICY_NONE,
  POLICY_S3FIFO,
} from '../layout';
import { COUNT_USES } from '../marks';
import { Partition, queueOf } from '../partition';
import { forgetQueues, Queue } from '../records';
import { startSampling } from './adaptive';
import { evictByClock } from './clock';
import { evictByLfu, queueForWindow } from './lfu';
import { evictByLru, queueForNewest, resetLru } from './lru';
import { evictByS3Fifo, fillMain, Manner, queueFor, s3fifoManner } from './s3fifo';
import { forgetTable, growTable } from './sidetable';
import { resetSketch } from './sketch';

/** Whether this arena may drop entries that nobody asked to drop. */
@inline
export function mayEvict(): bool {
  return header().policy != POLICY_NONE;
}

@inline
function mannerNow(): Manner {
  return header().policy == POLICY_ADAPTIVE ? header().manner : s3fifoManner();
}

/** The queue that a new entry's record goes to. Asked before room is made for it. */
export function queueOfNew(partition: Partition, hash: u32, thread: u32, nowMs: i64): Queue {
  const policy = header().policy;
  if (policy == POLICY_ADAPTIVE || policy == POLICY_S3FIFO) {
    growTable(partition, thread, nowMs);
    return queueFor(partition, mannerNow(), hash);
  }
  if (policy == POLICY_LRU) return queueForNewest(partition);
  if (policy == POLICY_LFU) return queueForWindow(partition, hash, thread, nowMs);
  return queueOf(partition, 0);
}

/** To be called when a new entry is in its queue. */
@inline
export function settle(partition: Partition): void {
  if (header().policy == POLICY_ADAPTIVE) fillMain(partition, header().manner);
}

/** Evicts one entry. False when there is none that may go. Under the partition's lock. */
export function evictOne(partition: Partition, nowMs: i64): bool {
  switch (header().policy) {
    case POLICY_ADAPTIVE:
      startSampling();
      return evictByS3Fifo(partition, header().manner, nowMs);
    case POLICY_S3FIFO:
      return evictByS3Fifo(partition, s3fifoManner(), nowMs);
    case POLICY_CLOCK:
      return evictByClock(partition, nowMs);
    case POLICY_LRU:
      return evictByLru(partition, nowMs);
    case POLICY_LFU:
      return evictByLfu(partition, nowMs);
    default:
      return false;
  }
}

/** For a partition whose entries and chunks are gone. */
export function resetPolicy(partition: Partition): void {
  if (header().policy == POLICY_LRU) resetLru(partition);
  else partition.epoch = COUNT_USES;
  resetSketch(partition);
  forgetTable(partition);
  forgetQueues(partition);
  partition.slackClasses = 0;
  partition.classesUsed = 0;
}
