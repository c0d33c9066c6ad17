/*
 * Who has which thread slot: claiming one, giving it back, and taking it from a thread that ended without doing so.
 *
 *   free --claim--> its thread's --release--> free
 *                        |
 *                  the thread ends
 *                        |
 *                        +--adopt--> the adopter's --clean--> free, or the adopter's for good (claimThread)
 *
 * A slot passes on, to `free` or to a new owner's use, only when no partition's word names it any more: then whoever
 * finds it in a word knows whom to ask about (lock.ts). So every way out cleans first: it recovers the partitions that
 * the slot still holds, takes it off the count of sleepers, and gives back the pages of a value that was being written
 * (draft.ts). An adopter that dies leaves the slot to the next one.
 */
import { recoverDraft } from './draft';
import { abandonSample } from './eviction/adaptive';
import { forgetReaders, settleLog } from './logreaders';
import { header } from './layout';
import { recoverFrom } from './lock';
import { Partition, partitionAt } from './partition';
import { sweepPages } from './recovery';
import {
  blockOf,
  DRAFT_ABANDONED,
  draftingAddress,
  identityAddress,
  isClaimed,
  isIdentityGone,
  isSlotGone,
} from './threads';

/** A slot for the thread of this identity, or -1 when all are taken by threads that live. */
export function claimThread(osThread: u32, started: u32): i32 {
  const identity = ((<u64>started) << 32) | <u64>osThread;
  for (let slot: u32 = 0; slot < header().maxThreads; slot++) {
    if (atomic.cmpxchg<u64>(identityAddress(slot), 0, identity) == 0) return <i32>slot;
  }
  for (let slot: u32 = 0; slot < header().maxThreads; slot++) {
    if (adopt(slot, identity)) {
      clean(slot);
      forgetReaders(slot);
      settleLog(slot);
      return <i32>slot;
    }
  }
  return -1;
}

/** Gives the calling thread's slot back. */
export function releaseThread(slot: u32): void {
  clean(slot);
  forgetReaders(slot);
  settleLog(slot);
  atomic.store<u64>(identityAddress(slot), 0);
}

/**
 * Recovers what threads that have ended, and calls of this thread that failed, left locked; frees the slots of the
 * former. Not to be called within another call of the kernel. How many slots that were. `slot` is the caller's.
 */
export function reapThreads(slot: u32): u32 {
  clean(slot);
  const identity = atomic.load<u64>(identityAddress(slot));
  let freed: u32 = 0;
  for (let other: u32 = 0; other < header().maxThreads; other++) {
    if (!adopt(other, identity)) continue;
    clean(other);
    forgetReaders(other);
    atomic.store<u64>(identityAddress(other), 0);
    freed += 1;
  }
  if (freed) settleLog(slot);
  sweepPages(slot, null);
  return freed;
}

/**
 * `reapThreads` where a thread has ended while it was writing a large value: up to 64 MiB that nobody else would ask
 * for as long as there are slots.
 */
export function reapDrafts(slot: u32): void {
  for (let other: u32 = 0; other < header().maxThreads; other++) {
    if (other == slot || blockOf(other).isDrafting == 0 || !isSlotGone(other, 0)) continue;
    reapThreads(slot);
    return;
  }
}

/**
 * `reapThreads` if the thread of a slot has ended: what it left may be more than its slot, such as the policy's lock.
 */
export function reapOne(slot: u32, other: u32): void {
  if (other != slot && isClaimed(other) && isSlotGone(other, 0)) reapThreads(slot);
}

/** Makes a slot, whose thread has ended, another thread's. False: it is free, or its thread lives. */
function adopt(slot: u32, identity: u64): bool {
  const owner = atomic.load<u64>(identityAddress(slot));
  // Another slot of the same thread is none that has ended.
  if (owner == 0 || owner == identity || !isIdentityGone(owner, 0)) return false;
  // Before the slot looks like that of a thread that lives, and should have its draft in order (integrity.ts). If
  // another adopter was faster, this may call a sound draft abandoned, which is looked at less closely: no harm.
  atomic.cmpxchg<u32>(draftingAddress(slot), 1, DRAFT_ABANDONED);
  return atomic.cmpxchg<u64>(identityAddress(slot), owner, identity) == owner;
}

/** Lets nothing name the slot any more. It is the caller's, who is in no other call of the kernel with it. */
function clean(slot: u32): void {
  for (let i: u32 = 0; i < header().partitionCount; i++) recoverFrom(partitionAt(i), slot);
  abandonSample(slot);
  const block = blockOf(slot);
  const partition = block.sleepsOn;
  if (partition) {
    // In this order: whoever dies in between leaves a count too high, which costs a call now and then; never too low.
    block.sleepsOn = 0;
    atomic.sub<u32>(partition + offsetof<Partition>('waiters'), 1);
  }
  // Behind that: it may sleep itself.
  recoverDraft(slot);
}
