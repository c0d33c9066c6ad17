/**
 * The router: this thread's instance of the kernel on a memory of its own, in which frames for
 * several arenas are split and their replies merged (engine/kernel/router.ts, which draws it).
 */
import { Buffer } from 'node:buffer';
import { instantiate, kernelModule, unsigned } from './arena.js';
import { SlabringError } from './errors.js';
import type { KernelExports } from './kernel-exports.js';
import { writeTables } from './tables.js';

/** Words of the router's head, as indexes. */
const HEAD_FRAME = 2;
const HEAD_REPLIES = 4;
const HEAD_AREA_STRIDE = 5;
const HEAD_OUT = 6;
export const HEAD_LANE = 8;
export const HEAD_USED_COUNT = 9;
export const HEAD_NEXT = 10;
export const HEAD_HOST_CODE = 11;
export const HEAD_HOST_ARGS = 12;
export const HEAD_HOST_ARG_COUNT = 13;
export const HEAD_HOST_END = 14;
export const HEAD_ENTRIES = 16;
export const HEAD_MERGED = 17;
export const HEAD_OUT_BYTES = 21;
const HEAD_WORDS = 24;

/** Words of a lane, as indexes. */
export const LANE_START = 0;
export const LANE_CURSOR = 1;
export const LANE_AT = 2;
export const LANE_END = 3;
const LANE_WORDS = 8;

export class Router {
  readonly kernel: KernelExports;
  /** RouterHead, as words (HEAD_*). */
  readonly head: Int32Array;
  /** By arena: its Lane, as words (LANE_*). Addresses below 2^32: read them with `>>> 0`. */
  readonly lanes: readonly Int32Array[];
  /** Numbers of the arenas that have a sub-frame. */
  readonly used: Uint8Array;
  /** Where the frame to be split is written. */
  readonly frame: Buffer;
  /** Where merged replies stand. */
  readonly out: Uint8Array;
  /** The whole memory. */
  readonly bytes: Buffer;

  constructor(arenas: number, areaBytes: number, seed: number) {
    const module = kernelModule();
    const sizing = { initial: 1, maximum: 65536, shared: true };
    const { routerPages } = instantiate(module, new WebAssembly.Memory(sizing));
    const pages = routerPages(arenas, areaBytes);
    if (pages === 0) {
      throw new SlabringError(
        'OPTION',
        `${arenas} arenas are too many for values of so many bytes; lower maxValue or memory`,
      );
    }
    const memory = new WebAssembly.Memory({ ...sizing, initial: pages });
    const { buffer } = memory;
    const kernel = instantiate(module, memory);
    const at = unsigned(kernel.openRouter(arenas, areaBytes, seed));
    this.kernel = kernel;
    this.head = new Int32Array(buffer, at, HEAD_WORDS);
    this.lanes = Array.from(
      { length: arenas },
      (_, index) => new Int32Array(buffer, unsigned(kernel.routerLane(index)), LANE_WORDS),
    );
    this.used = new Uint8Array(buffer, unsigned(kernel.routerUsed()), arenas);
    this.frame = Buffer.from(buffer, unsigned(this.head[HEAD_FRAME]!), areaBytes);
    this.out = new Uint8Array(buffer, unsigned(this.head[HEAD_OUT]!), areaBytes);
    this.bytes = Buffer.from(buffer);
    writeTables(kernel, this.frame);
  }

  /** Where the replies of an arena are written, as many bytes as an area has. */
  replyAddress(index: number): number {
    const { head } = this;
    return unsigned(head[HEAD_REPLIES]!) + index * head[HEAD_AREA_STRIDE]!;
  }
}
