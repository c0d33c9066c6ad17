/*
 * One 64-bit word per partition is lock, owner and version at once:
 *
 *   bits 63..16  version: grows by one at every unlock
 *   bits 15..0   0 when unlocked, else the holder's thread slot + 1
 *
 * Writers: compare-and-swap of an unlocked word to the same version with an owner; unlock is one store of version + 1
 * without owner. Nobody but the holder changes the word while it is held.
 *
 * Readers take no lock (a sequence lock, as in Linux's seqlock.h):
 *   w = readWord(p)            an atomic load; retry while it has an owner
 *   ... plain loads, bounded, of whatever lies there; copies count for nothing yet ...
 *   readIsValid(p, w)          an atomic load; equal means no writer was active since
 *
 * Memory order. A writer's unlock is an atomic store, so its plain stores come before it. A reader's first load is an
 * acquire, so its plain loads come after it. What remains:
 * - The writer's plain stores must not become visible before its compare-and-swap, or a reader would copy new bytes
 *   under the old word.
 * - The reader's plain loads must not move below its second load of the word.
 * On x86 neither can happen, and V8 keeps plain accesses in order with atomic ones (atomics are barriers to its
 * scheduler), so nothing is needed. On ARM the store half of a compare-and-swap (STLXR) does not hold back later
 * stores, nor an acquire load earlier loads: there a fence stands behind the one and before the other. `strongOrder` is
 * set by the host from the CPU's architecture; it is a fact of the machine, the same for every thread. The fence is
 * imported, because the optimizer of this AssemblyScript drops `atomic.fence()` (engine/fence.ts).
 *
 * Sleeping: a waiter adds itself to `waiters`, then waits on the low half of the word for as long as it holds the value
 * seen. The unlocking store and the load of `waiters` after it are both sequentially consistent, as are the waiter's
 * add and the check inside the wait: either the unlocker sees the waiter and wakes it, or the waiter sees the new word.
 */
import { Partition } from './partition';

const OWNER_MASK: u64 = 0xffff;
const VERSION_ONE: u64 = 0x10000;
/** A critical section lasts well under a microsecond: spinning this often (~2 us) beats two system calls. */
const SPINS: u32 = 200;
/** A sleeper looks again by itself after this long. */
const WAIT_NS: i64 = 10_000_000;

/** Set once by the host: true where only a load may pass an earlier store (x86). Same value in every thread. */
let strongOrder: bool = false;

/** A full memory fence. */
@external('env', 'fence')
declare function fence(): void;

export function setStrongOrder(strong: bool): void {
  strongOrder = strong;
}

@inline
function wordAddress(partition: Partition): usize {
  return changetype<usize>(partition);
}

@inline
export function tryLock(partition: Partition, slot: u32): bool {
  const word = atomic.load<u64>(wordAddress(partition));
  if (word & OWNER_MASK) return false;
  if (atomic.cmpxchg<u64>(wordAddress(partition), word, word | (slot + 1)) != word) return false;
  if (!strongOrder) fence();
  return true;
}

/** Takes the lock; the word as it was before, unlocked. */
@inline
export function lock(partition: Partition, slot: u32): u64 {
  if (!tryLock(partition, slot)) lockSlowly(partition, slot);
  return load<u64>(wordAddress(partition)) & ~OWNER_MASK;
}

function lockSlowly(partition: Partition, slot: u32): void {
  for (;;) {
    for (let i: u32 = 0; i < SPINS; i++) {
      if (tryLock(partition, slot)) return;
    }
    const waiters = changetype<usize>(partition) + offsetof<Partition>('waiters');
    atomic.add<u32>(waiters, 1);
    const word = atomic.load<u64>(wordAddress(partition));
    if (word & OWNER_MASK) {
      atomic.wait<i32>(wordAddress(partition), <i32>word, WAIT_NS);
    }
    atomic.sub<u32>(waiters, 1);
  }
}

@inline
export function unlock(partition: Partition): void {
  const address = wordAddress(partition);
  atomic.store<u64>(address, (load<u64>(address) & ~OWNER_MASK) + VERSION_ONE);
  if (atomic.load<u32>(address + offsetof<Partition>('waiters'))) {
    atomic.notify(address, 1);
  }
}

/** The word, for `isLocked` and `readIsValid`. */
@inline
export function readWord(partition: Partition): u64 {
  return atomic.load<u64>(wordAddress(partition));
}

@inline
export function isLocked(word: u64): bool {
  return (word & OWNER_MASK) != 0;
}

/** Whether nothing was written in the partition since `word` was read (and it was unlocked then). */
@inline
export function readIsValid(partition: Partition, word: u64): bool {
  if (!strongOrder) fence();
  return atomic.load<u64>(wordAddress(partition)) == word;
}
