/*
 * Frames for several arenas. A thread that has a cache of several arenas open runs one more instance of this kernel, on
 * a memory of its own, which is no arena: the router. It splits a frame into one sub-frame for each arena that has keys
 * in it (split.ts), the host has the arenas' kernels execute them, and it merges the replies (merge.ts).
 *
 *   0x00000  as in an arena      command rows, command names, error texts: written by the host
 *   0x10000  RouterHead          fixed fields; then what split and merge tell the host, and go on from
 *   +128     lanes               LANE_BYTES per arena
 *   +2176    used                u8 per arena: those that have a sub-frame, in the order of their first commands
 *   +2304    key counts          u32 per arena, of the command at hand
 *   +4096    entries             ENTRY_BYTES x ENTRIES: who executes each command, in their order
 *   ...      frame               areaBytes + AREA_SLACK, written by the host
 *            sub-frames          areaBytes + AREA_SLACK per arena: one byte 1 (a frame id), then commands
 *            replies             areaBytes + AREA_SLACK per arena, written by the host
 *            out                 areaBytes + AREA_SLACK: the merged replies
 *
 * The memory has one writer, its thread, and nothing in it outlives a frame.
 */
import { Address, alignUp, AREA_SLACK, PAGE_BYTES, PAGE_SHIFT, PARTITIONS } from './layout';
import { arenaOf, routeHash } from './route';

/** A cache has no more arenas: 240 GiB; their numbers are bytes in entries. */
export const MAX_ARENAS: u32 = 64;
/** Commands split at a time: so their entries stay in the caches, however many commands a frame holds. */
export const ENTRIES: u32 = 4096;

@unmanaged
export class RouterHead {
  // -- fixed after openRouter()
  arenas: u32;
  seed: u32;
  frame: Address;
  subFrames: Address;
  replies: Address;
  /** From one arena's area to the next. */
  areaStride: u32;
  out: Address;
  outBytesMax: u32;
  // -- splitFrame() to the host
  /** SPLIT_SOLE: the arena. mergeReplies(): the arena whose replies are used up. */
  lane: u32;
  /** Arenas with a sub-frame. */
  usedCount: u32;
  /** Offset in the frame of what was not looked at yet. */
  next: u32;
  hostCode: u32;
  hostArgs: u32;
  hostArgCount: u32;
  hostEnd: u32;
  /** Host commands that the frame may still hold. */
  hostLeft: u32;
  // -- entries, and how far they are merged
  entries: u32;
  merged: u32;
  /** Of the command at hand: the sum of the counts so far. */
  sum: u64;
  /** One of its parts was no count but an error, which was passed on. */
  failed: u32;
  /** Bytes in `out`. */
  outBytes: u32;
}

/** An arena's part in the work. */
@unmanaged
export class Lane {
  /** Its sub-frame: one byte of id, then commands up to `cursor`. */
  start: Address;
  cursor: Address;
  /** The replies that lie in its area: from `at` on they are not merged yet. */
  at: Address;
  end: Address;
}

/*
 * An entry, who executes a command or a part of it, is a u32: the number of the arena, below PART for a whole command;
 * of a command in parts that and PART, or LAST_PART for the last one; or FAILED + status: nobody executes it.
 */
export const PART: u32 = 0x100;
export const LAST_PART: u32 = 0x300;
export const FAILED: u32 = 0x10000;
export const ARENA_MASK: u32 = 0xff;

const LANE_BYTES: u32 = 32;
const ENTRY_BYTES: u32 = 4;
const HEAD: Address = PARTITIONS;
const LANES: Address = HEAD + 128;
export const USED: Address = LANES + MAX_ARENAS * LANE_BYTES;
export const KEY_COUNTS: Address = HEAD + 2304;
const ENTRY_TABLE: Address = HEAD + 4096;
const AREAS: Address = ENTRY_TABLE + ENTRIES * ENTRY_BYTES;

const SUB_FRAME_ID: u8 = 1;

@inline
export function routerHead(): RouterHead {
  return changetype<RouterHead>(HEAD);
}

@inline
export function laneAt(index: u32): Lane {
  return changetype<Lane>(LANES + index * LANE_BYTES);
}

@inline
export function ownerOf(index: u32): u32 {
  return load<u32>(ENTRY_TABLE + index * ENTRY_BYTES);
}

@inline
export function setOwner(index: u32, owner: u32): void {
  store<u32>(ENTRY_TABLE + index * ENTRY_BYTES, owner);
}

/** Keys of the command at hand that belong to an arena. */
@inline
export function keysOf(lane: u32): u32 {
  return load<u32>(KEY_COUNTS + (lane << 2));
}

@inline
function areaStride(areaBytes: u32): u64 {
  return <u64>alignUp(areaBytes + AREA_SLACK, 64);
}

/** WebAssembly pages that the router's memory must have; 0: more than the 65,536 that there can be. */
export function routerPages(arenas: u32, areaBytes: u32): u32 {
  const stride = areaStride(areaBytes);
  const bytes = <u64>AREAS + stride * (2 * <u64>arenas + 2);
  const pages = (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
  return pages >= 65536 ? 0 : <u32>pages;
}

/** Lays the router's memory out; the offset of its head. */
export function openRouter(arenas: u32, areaBytes: u32, seed: u32): Address {
  const head = routerHead();
  const stride = <u32>areaStride(areaBytes);
  head.arenas = arenas;
  head.seed = seed;
  head.frame = AREAS;
  head.subFrames = AREAS + stride;
  head.replies = head.subFrames + stride * arenas;
  head.areaStride = stride;
  head.out = head.replies + stride * arenas;
  head.outBytesMax = areaBytes;
  for (let i: u32 = 0; i < arenas; i++) {
    const lane = laneAt(i);
    lane.start = head.subFrames + i * stride;
    lane.cursor = lane.start + 1;
    store<u8>(lane.start, SUB_FRAME_ID);
  }
  return HEAD;
}

/** Of the lanes: where the host finds them. */
export function routerLane(index: u32): Address {
  return changetype<u32>(laneAt(index));
}

/** Where the host finds the numbers of the arenas that have a sub-frame. */
export function routerUsed(): Address {
  return USED;
}

/** The arena of the key at an address, for tests of the router's memory. */
export function routeKey(key: Address, bytes: u32, seed: u32, arenas: u32): u32 {
  return arenaOf(routeHash(key, bytes, seed), arenas);
}
