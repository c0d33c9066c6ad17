/*
 * Upkeep: what keeps an arena in order though nobody reads or writes: expired entries go, and those of namespaces that
 * were cleared, and the nodes of large collections that are no more; stale records are trimmed, pages that can be
 * vacated go back to the pool, as do those of a large value whose writer died. The host of every thread calls it every
 * now and then (engine/upkeep.ts); a call holds locks for a slice of work, never waits for one (but to clean up after
 * the dead), and says when it wants to be called again.
 *
 * Each partition has an owner: with n threads attached, the first of them has partitions 0, n, 2n and so on, and a tick
 * later the next ones, so that what belongs to a thread that has died, or is busy with JavaScript, soon belongs to
 * another. Where something expires, others do not wait for that but for the partition to be overdue, as its wheel's
 * tick shows. So the work is shared, and gets done as long as one thread has time for it; nothing is written down about
 * it. Slots of threads that have died are looked for one at each call, and given back.
 */
import { freeGarbage } from './collections/garbage';
import { expireDue, ticksBehind } from './expiry';
import { header } from './layout';
import { tryLock, unlock } from './lock';
import { Partition, partitionAt } from './partition';
import { isTrimDue, trimStep } from './records';
import { reapDrafts, reapOne } from './slots';
import { hasCleared, isSweepDue, sweep } from './sweep';
import { blockOf, isClaimed } from './threads';
import { vacateAny } from './vacate';
import { isWheelIdle, isWheelTrimDue, releaseWheel, TICK_MS, tickOf, trimWheel, TRIM_STEP_RECORDS } from './wheel';

/** The work of a call, in records: measured as 0.2 to 0.3 ms. */
const SLICE: u32 = 1024;
/** Vacating a page moves up to a page of entries. */
const VACATE_RECORDS: u32 = 512;
/** Whole ticks behind which a partition is anybody's. */
const OVERDUE_TICKS: u64 = 2;
/** When to come again for a partition that was locked. */
const RETRY_MS: u32 = 10;

/** Does a slice of upkeep. The milliseconds until there may be more to do: 0, at once. */
export function upkeep(thread: u32, nowMillis: f64): u32 {
  const nowMs = <i64>nowMillis;
  const nowTick = tickOf(nowMs);
  reapDrafts(thread);
  reapOne(thread, (<u32>nowTick + thread) % header().maxThreads);
  const block = blockOf(thread);
  const count = header().partitionCount;
  const threads = countThreads(header().maxThreads);
  const rank = countThreads(thread);
  let wait = <u32>(TICK_MS - (nowMs & (TICK_MS - 1)));
  let left: u32 = SLICE;
  for (let i: u32 = 0; i < count; i++) {
    const index = (block.upkeepNext + i) & (count - 1);
    const partition = partitionAt(index);
    const isOwn = (index + <u32>nowTick) % threads == rank;
    if (!wantsUpkeep(partition, nowTick, isOwn)) continue;
    if (!tryLock(partition, thread)) {
      wait = min<u32>(wait, RETRY_MS);
      continue;
    }
    const done = keepUp(partition, nowMs, left);
    unlock(partition);
    if (done >= left) {
      // The next one begins with another partition, so that one with endless work does not keep it from the others.
      block.upkeepNext = (index + 1) & (count - 1);
      return 0;
    }
    left -= done;
  }
  return wait;
}

/** Threads attached in slots below `end`; at least 1. */
function countThreads(end: u32): u32 {
  let count: u32 = 0;
  for (let thread: u32 = 0; thread < end; thread++) count += <u32>isClaimed(thread);
  return count;
}

/** Without the lock: whether there is something to do. */
function wantsUpkeep(partition: Partition, nowTick: u64, isOwn: bool): bool {
  const behind = ticksBehind(partition, nowTick);
  if (behind != 0) return isOwn || behind >= OVERDUE_TICKS;
  if (!isOwn) return false;
  if (isSweepDue(partition) || partition.garbage != 0) return true;
  return isTrimDue(partition) || isWheelTrimDue(partition) || isWheelIdle(partition) || partition.slackClasses != 0;
}

/** Does work of about `limit` records in a partition; how much it was. */
function keepUp(partition: Partition, nowMs: i64, limit: u32): u32 {
  let done = expireDue(partition, nowMs, limit);
  // Counted first: it may be too few to look for.
  if (done < limit && hasCleared(partition) && isSweepDue(partition)) done += sweep(partition, limit - done);
  if (done < limit) done += freeGarbage(partition, limit - done);
  if (isWheelIdle(partition)) releaseWheel(partition);
  while (done < limit && isWheelTrimDue(partition)) {
    trimWheel(partition);
    done += TRIM_STEP_RECORDS;
  }
  while (done < limit && isTrimDue(partition)) {
    trimStep(partition);
    done += TRIM_STEP_RECORDS;
  }
  while (done < limit && vacateAny(partition)) done += VACATE_RECORDS;
  return done;
}
