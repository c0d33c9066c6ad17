/*
 * One 64-bit word per partition is lock, owner and version at once:
 *
 *   bits 63..16  version: grows by one at every unlock, and when the lock changes hands
 *   bit  15      the holder only reads
 *   bits 14..0   0 when unlocked, else the holder's thread slot + 1
 *
 * Writers: compare-and-swap of an unlocked word to the same version with an owner; unlock is one store of version + 1
 * without owner. Nobody but the holder changes the word while it is held, unless the holder is no more (see below).
 *
 * Readers take no lock (a sequence lock, as in Linux's seqlock.h):
 *   w = readWord(p)            an atomic load; retry while a writer owns it
 *   ... plain loads, bounded, of whatever lies there; copies count for nothing yet ...
 *   readIsValid(p, w)          an atomic load; equal means no writer was active since
 * A holder that only reads (`lockToRead`: it wants the partition to stand still) does not disturb them: while the word
 * is the same, it is the same hold, because giving it up advances the version.
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
 *
 * Death: a thread may be terminated with the lock in its hands (or fail in the kernel, out of stack, and live on). A
 * waiter that saw one and the same word through PATIENCE sleeps asks the host whether the holder is still there. If it
 * is gone, one waiter moves the word, by compare-and-swap, from the dead holder's to its own with the next version, and
 * repairs the partition before it goes on (recovery.ts). That is sound:
 * - Only a slot whose thread is gone is taken from, and the word is read before the slot is asked about. A slot is
 *   given to another thread only after every word that names it was recovered (slots.ts), which changed the word, so
 *   the compare-and-swap fails if the thread that was asked about is not the one that held the lock.
 * - A thread that is gone stores nothing more, and all that it stored is visible: the operating system's own locks lie
 *   between its end and the answer of the host.
 * - A reader that began before fails its check, because the version moved.
 * A word that names the caller itself is abandoned likewise: nobody asks for a lock that he holds (locks.ts tells how
 * that is with several).
 */
import { isInSet } from './locks';
import { Partition } from './partition';
import { recover } from './recovery';
import { blockOf, isSlotGone } from './threads';

const OWNER_MASK: u64 = 0xffff;
const SLOT_MASK: u64 = 0x7fff;
const READS_ONLY: u64 = 0x8000;
const VERSION_ONE: u64 = 0x10000;
/** A critical section lasts well under a microsecond: spinning this often (~2 us) beats two system calls. */
const SPINS: u32 = 200;
/** A sleeper looks again by itself after this long. */
const WAIT_MS: u32 = 10;
/** Sleeps on one and the same word after which the host is asked about its holder: asking takes some 20 us. */
const PATIENCE: u32 = 2;

/** Set once by the host: true where only a load may pass an earlier store (x86). Same value in every thread. */
let strongOrder: bool = false;

/** A full memory fence. */
@external('env', 'fence')
declare function fence(): void;

/**
 * `Atomics.wait` of the host: sleeps on the word at `address` while it is `expected`, at most so long. It is imported,
 * because V8's baseline compiler (seen on Node 20, x64) loses locals that live across a `memory.atomic.wait32`.
 */
@external('env', 'sleep')
declare function hostSleep(address: u32, expected: u32, timeoutMs: u32): void;

export function setStrongOrder(strong: bool): void {
  strongOrder = strong;
}

@inline
function wordAddress(partition: Partition): usize {
  return changetype<usize>(partition);
}

/** Moves the word from one value to another one that makes the caller its holder. */
@inline
function changeWord(partition: Partition, from: u64, to: u64): bool {
  if (atomic.cmpxchg<u64>(wordAddress(partition), from, to) != from) return false;
  if (!strongOrder) fence();
  return true;
}

@inline
export function tryLock(partition: Partition, slot: u32): bool {
  const word = atomic.load<u64>(wordAddress(partition));
  if (word & OWNER_MASK) return false;
  return changeWord(partition, word, word | (slot + 1));
}

/** `tryLock` of a holder that changes nothing in the partition. */
export function tryLockToRead(partition: Partition, slot: u32): bool {
  const word = atomic.load<u64>(wordAddress(partition));
  if (word & OWNER_MASK) return false;
  return changeWord(partition, word, word | READS_ONLY | (slot + 1));
}

/**
 * Whether the caller has locks of a set (locks.ts) in his hands, or is about to. An instance's own, like all globals:
 * where a call failed, it may be wrong until the next lock is taken. Not state.
 */
let holdsSet: bool = false;

/** Whether `partition` is one whose lock the caller has, or is about to have, by his set. */
@inline
export function isHeldInSet(partition: Partition, slot: u32): bool {
  return holdsSet && isInSet(slot, partition);
}

/** Takes the lock. The caller holds no other. */
@inline
export function lock(partition: Partition, slot: u32): void {
  holdsSet = atomicSlot != 0;
  if (!tryLock(partition, slot)) lockSlowly(partition, slot, false, u32.MAX_VALUE);
  else if (atomicSlot != 0) notice(partition);
}

/**
 * Takes the lock so that nothing changes, without changing anything: if the caller dies, there is nothing to repair.
 */
export function lockToRead(partition: Partition, slot: u32): void {
  if (!tryLockToRead(partition, slot)) lockSlowly(partition, slot, true, u32.MAX_VALUE);
}

/** `lock` for one after the other of a set. */
export function lockInSet(partition: Partition, slot: u32): void {
  holdsSet = true;
  if (!tryLock(partition, slot)) lockSlowly(partition, slot, false, u32.MAX_VALUE);
}

/** `lockToRead` likewise. */
export function lockInSetToRead(partition: Partition, slot: u32): void {
  holdsSet = true;
  if (!tryLockToRead(partition, slot)) lockSlowly(partition, slot, true, u32.MAX_VALUE);
}

/** `lockToRead` that spins but does not sleep. */
export function lockToReadSoon(partition: Partition, slot: u32): bool {
  return tryLockToRead(partition, slot) || lockSlowly(partition, slot, true, 0);
}

/**
 * `lock` that sleeps at most so often: for whoever holds another lock, since two who waited for each other's would wait
 * for ever. False: it was not to be had.
 */
export function lockWithin(partition: Partition, slot: u32, sleeps: u32): bool {
  return tryLock(partition, slot) || lockSlowly(partition, slot, false, sleeps);
}

/*
 * ATOMIC (types/atomic.ts) runs commands while it holds the locks of all their partitions, as a set (locks.ts): for a
 * partition of the set, `lock` and `unlock` do nothing then.
 */
/** The slot of the thread, + 1, while it runs such commands; 0: it does not. */
let atomicSlot: u32 = 0;

export function beginAtomic(slot: u32): void {
  atomicSlot = slot + 1;
}

export function endAtomic(): void {
  atomicSlot = 0;
}

/** Whether locks of the set are not taken, because they are held. */
@inline
export function isAtomic(): bool {
  return atomicSlot != 0;
}

/**
 * A lock was to be had. If it is one of the set, a call failed half-way, out of stack, and nothing is held any more.
 */
function notice(partition: Partition): void {
  if (isInSet(atomicSlot - 1, partition)) atomicSlot = 0;
}

/** Whether the caller holds the lock already; the word says so, or a call failed half-way. */
function isHeldByAtomic(partition: Partition, slot: u32): bool {
  if (!isInSet(slot, partition)) return false;
  if ((readWord(partition) & SLOT_MASK) == <u64>(slot + 1)) return true;
  atomicSlot = 0;
  return false;
}

function lockSlowly(partition: Partition, slot: u32, toRead: bool, most: u32): bool {
  if (atomicSlot != 0 && isHeldByAtomic(partition, slot)) return true;
  let seen: u64 = 0;
  let sleeps: u32 = 0;
  let slept: u32 = 0;
  do {
    for (let i: u32 = 0; i < SPINS; i++) {
      if (toRead ? tryLockToRead(partition, slot) : tryLock(partition, slot)) return true;
    }
    if (slept == most) return false;
    const word = readWord(partition);
    if (!(word & OWNER_MASK)) continue;
    if (word != seen) sleeps = 0;
    seen = word;
    if (isAbandoned(word, slot, sleeps) && takeOver(partition, word, slot)) return true;
    sleep(partition, word, slot);
    sleeps += 1;
    slept += 1;
  } while (true);
}

/** Whether the holder of the word, seen through so many sleeps, will never give it up. */
@inline
function isAbandoned(word: u64, slot: u32, sleeps: u32): bool {
  const holder = <u32>(word & SLOT_MASK) - 1;
  return holder == slot || (sleeps >= PATIENCE && isSlotGone(holder, sleeps));
}

/**
 * Takes the lock from a holder that is no more, and repairs what it left. False: somebody else was faster, and nothing
 * was done.
 */
function takeOver(partition: Partition, word: u64, slot: u32): bool {
  if (!changeWord(partition, word, ((word & ~OWNER_MASK) + VERSION_ONE) | (slot + 1))) return false;
  recover(partition, slot, (word & READS_ONLY) == 0);
  return true;
}

/**
 * Takes over and repairs the partition if `slot`, whose thread is gone, holds it; as that slot, which the caller has
 * made its own (slots.ts). The lock is free afterwards.
 */
export function recoverFrom(partition: Partition, slot: u32): void {
  const word = readWord(partition);
  if ((word & SLOT_MASK) == <u64>(slot + 1) && takeOver(partition, word, slot)) unlock(partition);
}

/** Sleeps until the lock is given up, or a while. Whoever dies in here is taken off the count by slots.ts. */
function sleep(partition: Partition, word: u64, slot: u32): void {
  const waiters = changetype<usize>(partition) + offsetof<Partition>('waiters');
  const block = blockOf(slot);
  atomic.add<u32>(waiters, 1);
  block.sleepsOn = changetype<u32>(partition);
  hostSleep(changetype<u32>(partition), <u32>word, WAIT_MS);
  block.sleepsOn = 0;
  atomic.sub<u32>(waiters, 1);
}

@inline
export function unlock(partition: Partition): void {
  if (atomicSlot != 0 && isInSet(atomicSlot - 1, partition)) return;
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

/** The slot of the thread that holds the lock of a partition, for that thread. */
@inline
export function holderOf(partition: Partition): u32 {
  return <u32>(readWord(partition) & OWNER_MASK & ~READS_ONLY) - 1;
}

/** Whether somebody may be writing. */
@inline
export function isLocked(word: u64): bool {
  // Unlocked becomes the largest number here, and a holder that only reads a larger one than any slot.
  return <u32>(word & OWNER_MASK) - 1 < <u32>READS_ONLY;
}

/** Makes the stores before visible before those behind, to threads that load in the opposite order. */
@inline
export function orderStores(): void {
  if (!strongOrder) fence();
}

/** Keeps the loads before from moving behind those that follow. */
@inline
export function orderLoads(): void {
  if (!strongOrder) fence();
}

/** Whether nothing was written in the partition since `word` was read (and nobody was writing then). */
@inline
export function readIsValid(partition: Partition, word: u64): bool {
  if (!strongOrder) fence();
  return atomic.load<u64>(wordAddress(partition)) == word;
}
