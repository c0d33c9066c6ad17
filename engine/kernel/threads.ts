/*
 * Thread slots. A thread that attaches claims one (slots.ts); its slot + 1 is what locks hold as owner. Each slot has a
 * block, a request area (what the host wants executed) and a reply area (what comes of it), touched by its thread only,
 * but for `identity` and the counters, which anybody may read.
 *
 *   block     THREAD_BLOCK_BYTES: ThreadBlock, then at +256 scratch (64 bytes), at +320 a set of partitions (locks.ts),
 *             at +384 a way through a tree (collections/tree.ts), at +512 the staging slots of exec.ts, then another
 *   request   areaBytes + AREA_SLACK
 *   reply     areaBytes + AREA_SLACK
 */
import { Address, AREA_SLACK, header, THREAD_BLOCK_BYTES } from './layout';

@unmanaged
export class ThreadBlock {
  /**
   * Which thread has the slot: started << 32 | osThread, two numbers by which the host tells whether it is still there
   * (engine/liveness.ts); no two threads of a process ever have the same. 0: the slot is free. Changed by
   * compare-and-swap.
   */
  identity: u64;
  // -- results of exec(), for the host
  /** Offset in the request area of the first byte that was not executed. */
  consumed: u32;
  /** Bytes in the reply area. */
  replyBytes: u32;
  /** HOST_COMMAND: its code, where its arguments begin in the request area, how many there are, where it ends. */
  hostCode: u32;
  hostArgs: u32;
  hostArgCount: u32;
  hostEnd: u32;
  /** Host commands that the frame at hand may still hold. */
  hostLeft: u32;
  /** A status: the rest of the frame's commands are not run, but answered with it. Set by the host. 0: they are run. */
  refusal: u32;
  /** The partition on whose lock the thread sleeps, counted in its `waiters`; 0: none. */
  sleepsOn: Address;
  /** Readers of the change log that the thread has. */
  logReaders: u32;
  // -- counters, only ever added to by the thread
  hits: u64;
  misses: u64;
  commands: u64;
  frames: u64;
  // -- its thread only
  /** The partition at which the next slice of upkeep begins. */
  upkeepNext: u32;
  /** The chain (entry.ts) that the host has read, so that SET with GET need not copy it; 0: none. */
  knownOld: u64;
  // -- the value that the thread is writing (draft.ts); changed under some partition's lock
  /**
   * 1: pages may be a draft of this slot; set before the first one is, and back after the last one. DRAFT_ABANDONED:
   * besides, nothing else need be true of them.
   */
  isDrafting: u32;
  /** Pages that are, or one more: it is counted before it is claimed. */
  draftPages: u32;
  draftFirst: Address;
  draftLast: Address;
  /** Bytes of the whole payload, and of the pages so far. */
  draftBytes: u32;
  draftDone: u32;
  /** The partition that is to give the next page. */
  draftNext: u32;
}

const SCRATCH: u32 = 256;
const WAY: u32 = 384;
/** Of 64 partitions each. There are 256 at most (engine/arena.ts). */
export const SET_WORDS: u32 = 4;
const SET: u32 = 320;
const STAGING: u32 = 512;
const OTHER_STAGING: u32 = 2560;

@inline
export function threadBlockAt(thread: u32): Address {
  return header().threads + thread * header().threadStride;
}

@inline
export function blockOf(thread: u32): ThreadBlock {
  return changetype<ThreadBlock>(threadBlockAt(thread));
}

@inline
export function scratchOf(thread: u32): Address {
  return threadBlockAt(thread) + SCRATCH;
}

/** The partitions whose locks a command on several keys takes: a bit for each. */
@inline
export function setOf(thread: u32): Address {
  return threadBlockAt(thread) + SET;
}

@inline
export function wayOf(thread: u32): Address {
  return threadBlockAt(thread) + WAY;
}

@inline
export function stagingOf(thread: u32): Address {
  return threadBlockAt(thread) + STAGING;
}

@inline
export function otherStagingOf(thread: u32): Address {
  return threadBlockAt(thread) + OTHER_STAGING;
}

@inline
export function requestArea(thread: u32): Address {
  return threadBlockAt(thread) + THREAD_BLOCK_BYTES;
}

@inline
export function replyArea(thread: u32): Address {
  return threadBlockAt(thread) + THREAD_BLOCK_BYTES + header().areaBytes + AREA_SLACK;
}

@inline
export function identityAddress(thread: u32): usize {
  return threadBlockAt(thread) + offsetof<ThreadBlock>('identity');
}

/** For `isDrafting`: the draft of a thread that has ended, or of a call that failed, until it is given back. */
export const DRAFT_ABANDONED: u32 = 2;

@inline
export function draftingAddress(thread: u32): usize {
  return threadBlockAt(thread) + offsetof<ThreadBlock>('isDrafting');
}

/** Whether a thread has the slot. */
@inline
export function isClaimed(thread: u32): bool {
  return atomic.load<u64>(identityAddress(thread)) != 0;
}

/**
 * Whether the thread with this identity has ended. `sleeps`: through how many sleeps of the lock's a word that names it
 * was seen unchanged, for hosts that can tell no other way; 0: no word was looked at.
 */
@external('env', 'isThreadGone')
declare function hostIsThreadGone(osThread: u32, started: u32, sleeps: u32): bool;

/** Whether the slot's thread has ended; a free slot has none. */
export function isSlotGone(thread: u32, sleeps: u32): bool {
  return isIdentityGone(atomic.load<u64>(identityAddress(thread)), sleeps);
}

export function isIdentityGone(identity: u64, sleeps: u32): bool {
  return identity == 0 || hostIsThreadGone(<u32>identity, <u32>(identity >> 32), sleeps);
}
