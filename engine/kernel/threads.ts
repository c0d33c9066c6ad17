/*
 * Thread slots. A thread that attaches claims one by compare-and-swap; its slot + 1 is what locks hold as owner. Each
 * slot has a block, a request area (what the host wants executed) and a reply area (what comes of it), touched by its
 * thread only, but for `state` and the counters, which anybody may read.
 *
 *   block     THREAD_BLOCK_BYTES: ThreadBlock, then at +256 scratch (64 bytes), at +512 the staging slots of exec.ts
 *   request   areaBytes + AREA_SLACK
 *   reply     areaBytes + AREA_SLACK
 */
import { Address, AREA_SLACK, header, THREAD_BLOCK_BYTES } from './layout';

@unmanaged
export class ThreadBlock {
  /** 0 free, 1 claimed. */
  state: u32;
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
  spare: u32;
  // -- counters, only ever added to by the thread
  hits: u64;
  misses: u64;
  commands: u64;
  frames: u64;
}

const SCRATCH: u32 = 256;
const STAGING: u32 = 512;

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

@inline
export function stagingOf(thread: u32): Address {
  return threadBlockAt(thread) + STAGING;
}

@inline
export function requestArea(thread: u32): Address {
  return threadBlockAt(thread) + THREAD_BLOCK_BYTES;
}

@inline
export function replyArea(thread: u32): Address {
  return threadBlockAt(thread) + THREAD_BLOCK_BYTES + header().areaBytes + AREA_SLACK;
}

/** A slot for the calling thread, or -1 when all are taken. */
export function claimThread(): i32 {
  for (let thread: u32 = 0; thread < header().maxThreads; thread++) {
    if (atomic.cmpxchg<u32>(threadBlockAt(thread), 0, 1) == 0) return <i32>thread;
  }
  return -1;
}

export function releaseThread(thread: u32): void {
  atomic.store<u32>(threadBlockAt(thread), 0);
}
