/*
 * Sweeping: a walk over a partition's table that removes the entries whose namespace was cleared (namespaces.ts). It
 * goes in steps, under the partition's lock, only while there are such entries, and where it stands is kept as a hash:
 *
 *   Partition.sweepAt   the bits of a segment's hashes, and in the low ten the number of a bucket
 *
 * A segment that splits meanwhile leaves an entry in its bucket, or puts it into the segment behind: both are still to
 * come. What is missed all the same is counted, and found when the walk comes round.
 */
import { keyPrefixOf, entryAt, hashOfEntry, NAMESPACED } from './entry';
import { LOG_CLEARED } from './changelog';
import { isPinned, removeEntry } from './eviction/removal';
import { Header, header } from './layout';
import { lock, unlock } from './lock';
import { isCleared } from './namespaces';
import { clearedBytes, countCleared } from './rows';
import { pageInfo, pageOf } from './pages';
import { Partition, partitionAt, partitionIndex } from './partition';
import { BUCKET_INDEX_MASK, BUCKET_SHIFT, entryOf, occupiedIn, segmentOf, SLOTS, touchEntries } from './table';

/**
 * One entry, or byte, of so many must have been cleared for upkeep to look for them: else it is not worth the search.
 */
const SWEEP_SHARE_SHIFT: u32 = 6;

/** Whether there are entries that were cleared. Under the lock. */
@inline
export function hasCleared(partition: Partition): bool {
  return partition.spaced != 0 && recountCleared(partition) != 0;
}

function recountCleared(partition: Partition): u32 {
  // In this order: a clear that is not seen by the count is one more to be counted.
  const clears = atomic.load<u32>(offsetof<Header>('namespaceClears'));
  if (partition.clearsSeen != clears) {
    partition.cleared = countCleared(partition);
    partition.clearsSeen = clears;
  }
  return partition.cleared;
}

/** Whether there may be entries that were cleared, without counting them. Without the lock it may be wrong. */
@inline
export function mayHaveCleared(partition: Partition): bool {
  if (partition.spaced == 0) return false;
  return partition.cleared != 0 || isUncounted(partition);
}

@inline
function isUncounted(partition: Partition): bool {
  return partition.clearsSeen != atomic.load<u32>(offsetof<Header>('namespaceClears'));
}

/** Whether upkeep should sweep. Without the lock it may be wrong. */
@inline
export function isSweepDue(partition: Partition): bool {
  if (!mayHaveCleared(partition)) return false;
  if (isUncounted(partition) || partition.cleared << SWEEP_SHARE_SHIFT >= partition.entries) return true;
  // A few of them may be large collections.
  return clearedBytes(partition) << SWEEP_SHARE_SHIFT >= partition.payloadBytes;
}

/** Looks at about `limit` slots of the table; at how many, 0: nothing there was cleared. Under the lock. */
export function sweep(partition: Partition, limit: u32): u32 {
  let done: u32 = 0;
  while (done < limit && hasCleared(partition)) {
    sweepBucket(partition, segmentOf(startOf(partition)) + bucketOf(partition));
    advance(partition);
    done += SLOTS;
  }
  return done;
}

/** Where the walk stands, as a hash of the partition. */
@inline
function startOf(partition: Partition): u32 {
  const shift = header().partitionShift;
  const first = <u32>(<u64>partitionIndex(partition) << shift);
  return first | (<u32>(<u64>partition.sweepAt & ((<u64>1 << shift) - 1)) & ~BUCKET_INDEX_MASK);
}

@inline
function bucketOf(partition: Partition): u32 {
  return (partition.sweepAt & BUCKET_INDEX_MASK) << BUCKET_SHIFT;
}

/** To the next bucket, behind the last one to the next segment, behind the last one of those to the first one. */
function advance(partition: Partition): void {
  const next = partition.sweepAt + 1;
  if (next & BUCKET_INDEX_MASK) {
    partition.sweepAt = next;
    return;
  }
  const at = startOf(partition);
  const depth = <u32>pageInfo(pageOf(segmentOf(at))).sizeClass;
  const last = at | <u32>((<u64>0xffff_ffff) >> depth);
  // Beyond the partition's last segment these bits are another's: the walk begins anew.
  partition.sweepAt = <u32>((<u64>last + 1) & ((<u64>1 << header().partitionShift) - 1));
}

function sweepBucket(partition: Partition, bucket: u32): void {
  let bits = occupiedIn(bucket);
  if (bits == 0) return;
  touchEntries(bucket);
  for (; bits; bits &= bits - 1) {
    const slot = bucket + <u32>ctz(bits);
    const address = entryOf(slot);
    if (!(entryAt(address).flags & NAMESPACED)) continue;
    if (!isCleared(keyPrefixOf(address)) || isPinned(partition, address)) continue;
    removeEntry(partition, slot, hashOfEntry(address), LOG_CLEARED);
  }
}

/** Removes all entries of a partition that were cleared, but for those that are pinned. Under the lock. */
export function sweepAll(partition: Partition): void {
  if (!hasCleared(partition)) return;
  sweep(partition, partition.segments * (BUCKET_INDEX_MASK + 1) * SLOTS + SLOTS);
}

/** `sweepAll` of every partition. */
export function sweepNamespaces(thread: u32): void {
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const partition = partitionAt(i);
    lock(partition, thread);
    partition.cleared = countCleared(partition);
    sweepAll(partition);
    unlock(partition);
  }
}
