/*
 * The locks of several partitions at once, for a command on several keys that is to be one step for everybody else.
 * The partitions are a set, a bit for each in the thread's block (threads.ts), so that each is locked once, however
 * many of the keys it has, and in the order of their numbers:
 *
 *   beginSet     the set is empty
 *   addToSet     for each key
 *   lockSet      or lockSetToRead
 *   ...          what is to be done, in one partition after the other
 *   unlockSet
 *
 * No deadlock. Who waits here for a partition for as long as it takes holds none but those of lower numbers, and who
 * waits in `lock` holds none at all: round a circle of such waits the numbers would grow without end. Whoever else asks
 * for a lock with another one in his hands only tries, or gives up after a while: room.ts for pages, recovery.ts and
 * integrity.ts for the whole pool.
 *
 * The holder himself. A word that names the caller is taken for one that a failed call left (lock.ts), so nobody may
 * wait for a lock that he holds by this set. Two ask for any partition's: room.ts takes pages of partitions in the set
 * as they are, locked by the caller, because with two partitions there are no others to take them from (`isHeldInSet`,
 * which a set that a failed call left does not mislead: whoever takes a single lock holds no set). The sweep of the
 * pool after a death (recovery.ts) only tries, and so is in vain while a set is held: `unlockSet` makes up for it.
 *
 * Death. The holder may die at any statement, with all of the locks or some of them. Each partition is taken over by
 * itself, by whoever meets it, when the others may be locked still; and is repaired by itself: nothing in a partition
 * refers to another one. What a command does here is a write in one partition after the other, as single commands do
 * them, so in all but one of the partitions no write is in the midst, and for that one it is as if a single command had
 * died. Those before it are kept as they are, with what was written in them: that all keys are written or none outlives
 * no death of the writer.
 */
import { header } from './layout';
import { isLocked, lockInSet, lockInSetToRead, orderLoads, readWord, unlock } from './lock';
import { Partition, partitionAt, partitionIndex } from './partition';
import { sweepPages } from './recovery';
import { SET_WORDS, setOf } from './threads';

/** Words of the set that are in use: a bit for each partition. */
@inline
function wordsInUse(): u32 {
  return (header().partitionCount + 63) >> 6;
}

export function beginSet(thread: u32): void {
  memory.fill(setOf(thread), 0, SET_WORDS << 3);
}

@inline
export function addToSet(thread: u32, partition: Partition): void {
  const index = partitionIndex(partition);
  const word = setOf(thread) + ((index >> 6) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (index & 63)));
}

@inline
export function isInSet(thread: u32, partition: Partition): bool {
  const index = partitionIndex(partition);
  return ((load<u64>(setOf(thread) + ((index >> 6) << 3)) >> (index & 63)) & 1) != 0;
}

/** Takes the locks of the set. */
export function lockSet(thread: u32): void {
  for (let word: u32 = 0; word < wordsInUse(); word++) {
    for (let bits = load<u64>(setOf(thread) + (word << 3)); bits; bits &= bits - 1) {
      lockInSet(partitionAt((word << 6) + <u32>ctz(bits)), thread);
    }
  }
}

/** Takes the locks of the set so that nothing changes, without changing anything. */
export function lockSetToRead(thread: u32): void {
  for (let word: u32 = 0; word < wordsInUse(); word++) {
    for (let bits = load<u64>(setOf(thread) + (word << 3)); bits; bits &= bits - 1) {
      lockInSetToRead(partitionAt((word << 6) + <u32>ctz(bits)), thread);
    }
  }
}

/** Gives the locks of the set back; it is empty then. */
export function unlockSet(thread: u32): void {
  for (let word: u32 = 0; word < wordsInUse(); word++) {
    const at = setOf(thread) + (word << 3);
    for (let bits = load<u64>(at); bits; bits &= bits - 1) {
      // Out of the set first: whoever asks for it from now on waits as everybody else.
      store<u64>(at, bits & (bits - 1));
      unlock(partitionAt((word << 6) + <u32>ctz(bits)));
    }
  }
  // Of a partition that was taken over on the way.
  sweepPages(thread, null);
}

/** For `sumOfVersions`: somebody may be writing. No sum is as large. */
export const SET_LOCKED: u64 = u64.MAX_VALUE;

/**
 * The sum of the versions of the set's partitions, or SET_LOCKED. Versions only grow: if the sum is the same later,
 * nothing was written in any of them since, and what was read of them meanwhile was there at one moment.
 */
export function sumOfVersions(thread: u32): u64 {
  orderLoads();
  let sum: u64 = 0;
  for (let word: u32 = 0; word < wordsInUse(); word++) {
    for (let bits = load<u64>(setOf(thread) + (word << 3)); bits; bits &= bits - 1) {
      const state = readWord(partitionAt((word << 6) + <u32>ctz(bits)));
      if (isLocked(state)) return SET_LOCKED;
      sum += state >> 16;
    }
  }
  return sum;
}
