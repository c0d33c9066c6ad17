/**
 * Change records sorted by the links to other nodes that get them: engine/kernel/shipping.ts, which
 * draws the lanes, for the host. They lie in the thread's request area: from {@link LogLanes.clear}
 * until the last lane is taken, the thread must do nothing else with the arena but read its log.
 */
import type { Buffer } from 'node:buffer';
import type { Arena } from './arena.js';
import { copyOf, copyTo } from './copy.js';
import { SlabringError } from './errors.js';
import { type LogReader, POSITION_BYTES } from './log-reader.js';

/** Words at the start of the request area, as indexes. */
const CLEARS = 64;
const LEFT_OUT = 65;
const WORDS = 66;

/** How many links {@link LogLanes} of this arena can serve in one pass: up to 64. */
export function lanesOf({ kernel }: Arena): number {
  return kernel.shippingLanes();
}

export class LogLanes {
  readonly firstLink: number;
  readonly links: number;
  readonly #arena: Arena;
  readonly #words: Uint32Array;
  readonly #lanesAt: number;
  readonly #laneBytes: number;

  /**
   * @param firstLink the number of the first link, the bit in a slot's targets (slot-table.ts)
   * @param links how many from there on; more than {@link lanesOf} take further passes
   * @throws SlabringError `OPTION`
   */
  constructor(arena: Arena, firstLink: number, links: number) {
    const { kernel, request, facts } = arena;
    const linksMax = Math.min(lanesOf(arena), 64 - firstLink);
    if (facts.slotBytes === 0) {
      throw new SlabringError('OPTION', 'the arena was made without `slots`');
    }
    if (!Number.isInteger(firstLink) || firstLink < 0 || firstLink > 63) {
      throw new SlabringError('OPTION', `a link is a whole number below 64, not ${firstLink}`);
    }
    if (!Number.isInteger(links) || links < 1 || links > linksMax) {
      throw new SlabringError('OPTION', `links must be 1 to ${linksMax} here, not ${links}`);
    }
    this.firstLink = firstLink;
    this.links = links;
    this.#arena = arena;
    this.#words = new Uint32Array(request.buffer, request.byteOffset, WORDS);
    this.#lanesAt = kernel.SHIP_HEAD_BYTES.value;
    const most = kernel.MAX_LANE_BYTES.value;
    const share = Math.min((request.length - this.#lanesAt) / links, most);
    this.#laneBytes = Math.floor(share / 8) * 8;
  }

  /** Empties the lanes, and sets the counters to 0. */
  clear(): void {
    this.#words.fill(0);
  }

  /**
   * Appends the records that stand in the arena's reply area from `start` to `end`, as `readLog`
   * left them.
   * @param losses whether also what expired or was evicted
   * @returns where it came to: before `end` when a lane is full. Take the lanes, clear them, and
   *   call again with that as `start`: the records must still be there.
   */
  append(start: number, end: number, losses = false): number {
    const { kernel, slot } = this.#arena;
    return kernel.shipLog(slot, start, end, this.firstLink, this.links, losses ? 1 : 0);
  }

  /**
   * Appends what is new to a reader, from some partition on, and moves his positions on.
   * {@link takeLost} tells where some were lost.
   * @param isUniform all slots have the same targets (slot-table.ts)
   * @param limits by partition, the number of the first record that is not to be taken
   * @returns the partition in which a lane was full, or how many there are: that was all
   */
  fill({ positions }: LogReader, from: number, isUniform: boolean, limits?: Float64Array): number {
    const { kernel, slot, request } = this.#arena;
    const { firstLink, links } = this;
    const positionsAt = kernel.SHIP_POSITIONS.value;
    copyTo(request, positions, positionsAt);
    if (limits) copyTo(request, bytesOf(limits), kernel.SHIP_LIMITS.value);
    const flags = [limits ? 1 : 0, isUniform ? 1 : 0] as const;
    const end = kernel.shipNews(slot, from, firstLink, links, 0, ...flags);
    copyTo(positions, request.subarray(positionsAt, positionsAt + positions.length));
    return end;
  }

  /** Bytes in the lane of a link. */
  bytesFor(link: number): number {
    return this.#words[link - this.firstLink]!;
  }

  /** The lane of a link where it lies, until the thread uses its request area for anything else. */
  viewFor(link: number): Uint8Array {
    const lane = this.#lanesAt + (link - this.firstLink) * this.#laneBytes;
    return this.#arena.request.subarray(lane, lane + this.bytesFor(link));
  }

  /** A copy of the lane of a link: whole records, in the order in which they were appended. */
  copyFor(link: number): Buffer {
    return copyOf(this.viewFor(link));
  }

  /** Records passed over since {@link clear} that say that a partition or namespace was emptied. */
  get clears(): number {
    return this.#words[CLEARS]!;
  }

  /** Records taken since {@link clear} whose value was too long: it is to be read from the key. */
  get leftOut(): number {
    return this.#words[LEFT_OUT]!;
  }
}

/** Whether records of a partition were lost for a reader since it was asked last. */
export function takeLost({ positions }: LogReader, partition: number): boolean {
  const at = partition * POSITION_BYTES + LOST;
  const isLost = positions[at] !== 0;
  positions[at] = 0;
  return isLost;
}

/** Where a position says so. */
const LOST = 12;

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
