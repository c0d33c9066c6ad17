/*
 * CLOCK (F. J. Corbato, "A Paging Experiment with the Multics System", 1968): entries stand in a ring in order of
 * insertion; a hit sets the entry's mark; the hand passes marked entries, clearing the mark, and evicts the first
 * unmarked one. Here the ring is a queue: what the hand passes goes to the end.
 */
import { isMarked, setMarks } from '../marks';
import { Partition, queueOf } from '../partition';
import { pop, push, touchNext, unpop } from '../records';
import { slotOfRecord } from '../table';
import { mayPass } from './passes';
import { evictRecord, isHeld } from './removal';

/**
 * Marked entries the hand passes before it takes the next one regardless: the bound of one eviction's time (some 10 us
 * of cache misses). Without it a cache of a million entries that were all used would be swept whole in one step.
 */
const MAX_SECOND_CHANCES: u32 = 128;

export function evictByClock(partition: Partition, nowMs: i64): bool {
  const queue = queueOf(partition, 0);
  let chances: u32 = 0;
  // Two turns: the first may find nothing but marks to clear. A third would find nothing new.
  for (let left = 2 * queue.records + 1; left > 0 && queue.records > 0; left--) {
    const record = pop(partition, queue);
    const slot = slotOfRecord(partition, record);
    if (slot == 0) continue;
    const held = isHeld(partition, slot);
    if (held || (isMarked(slot) && chances < MAX_SECOND_CHANCES && mayPass())) {
      if (push(partition, queue, record)) {
        setMarks(slot, 0);
        chances += 1;
        continue;
      }
      if (held) {
        unpop(queue, record);
        return false;
      }
    }
    if (evictRecord(partition, slot, record, nowMs)) {
      touchNext(partition, queue);
      return true;
    }
  }
  return false;
}
