/*
 * The queues of a partition made anew, with a record for each of its entries: for whoever takes over from a thread that
 * died under the lock (recovery.ts). It may have died with a record in its hands, out of one queue and not yet in
 * another, and nothing tells: that there are as many records as entries says little, because a stale record leads to a
 * later entry of the same key one time in eight. An entry without a record would stay for good.
 *
 * The order of eviction is lost, the marks are not; but those of `lru`, which name epochs that are over. Where there is
 * a main queue, what was used since it was looked at last goes there.
 */
import { hashOfEntry } from '../entry';
import { Address, header, PAGE_BYTES, POLICY_ADAPTIVE, POLICY_LRU, POLICY_S3FIFO } from '../layout';
import { isMarked, setMarks } from '../marks';
import { pageInfo, pageOf } from '../pages';
import { Partition, queueOf } from '../partition';
import { poolBlocks, push, returnSpares } from '../records';
import { BUCKET_BYTES, entryOf, occupiedIn, recordOf, touchEntries } from '../table';
import { resetLru } from './lru';
import { MAIN } from './s3fifo';

/** Whatever the policy, its queue that new entries come to when there are none yet. */
const FIRST_QUEUE: u32 = 0;

/** Of a partition in which all is well but perhaps that. False: there is no memory for the records. */
export function requeue(partition: Partition): bool {
  poolBlocks(partition);
  if (header().policy == POLICY_LRU) resetLru(partition);
  const depth: u32 = 32 - partition.directoryShift;
  const end = partition.directoryMask + 1;
  for (let index: u32 = 0; index < end; ) {
    const segment = load<u32>(partition.directory + (index << 2));
    if (!requeueSegment(partition, segment)) return false;
    index += 1 << (depth - <u32>pageInfo(pageOf(segment)).sizeClass);
  }
  returnSpares(partition);
  return true;
}

function requeueSegment(partition: Partition, segment: Address): bool {
  const policy = header().policy;
  const hasMain = policy == POLICY_ADAPTIVE || policy == POLICY_S3FIFO;
  for (let bucket = segment; bucket < segment + PAGE_BYTES; bucket += BUCKET_BYTES) {
    touchEntries(bucket);
    for (let bits = occupiedIn(bucket); bits; bits &= bits - 1) {
      const slot = bucket + <u32>ctz(bits);
      const queue = queueOf(partition, hasMain && isMarked(slot) ? MAIN : FIRST_QUEUE);
      if (!push(partition, queue, recordOf(slot, hashOfEntry(entryOf(slot))))) return false;
      if (policy == POLICY_LRU) setMarks(slot, partition.epoch);
    }
  }
  return true;
}
