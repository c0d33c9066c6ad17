/** The frames that were sent and are not answered yet, and what they cost the server. */
import type { Frame } from './frame.js';

const FRAME_ID_MAX = 2 ** 32 - 1;

/** What a frame costs besides its bytes: the server counts about this much for one that waits. */
const FRAME_OVERHEAD_BYTES = 256;

export class FramesOut {
  /** Also those whose commands were given up, and which the server still owes a reply. */
  readonly #frames = new Map<number, Frame>();
  #lastId = 0;
  /** Frames somebody waits for. */
  #waitedFor = 0;
  /** What all of them cost the server. */
  windowBytes = 0;

  /** Whether nobody waits for any. */
  get isEmpty(): boolean {
    return this.#waitedFor === 0;
  }

  /** Those that somebody waits for, the oldest first. */
  *[Symbol.iterator](): Iterator<Frame> {
    for (const frame of this.#frames.values()) if (!frame.isGivenUp) yield frame;
  }

  static costOf(frame: Frame): number {
    return frame.size + FRAME_OVERHEAD_BYTES;
  }

  /** An id that no other frame has, from 1 on. */
  nextId(): number {
    do {
      this.#lastId = this.#lastId === FRAME_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#frames.has(this.#lastId));
    return this.#lastId;
  }

  add(frame: Frame): void {
    this.#frames.set(frame.id, frame);
    this.#waitedFor++;
    this.windowBytes += FramesOut.costOf(frame);
  }

  /** Takes out the frame with this id: it is answered. @throws RangeError when there is none */
  take(id: number): Frame {
    const frame = this.#frames.get(id);
    if (frame === undefined) throw new RangeError(`a reply to frame ${id}, which is not in flight`);
    this.#frames.delete(id);
    this.windowBytes -= FramesOut.costOf(frame);
    if (!frame.isGivenUp) this.#waitedFor--;
    return frame;
  }

  /** Nobody waits for this one any more: its commands are about to fail. */
  giveUp(frame: Frame): void {
    if (!frame.isGivenUp) this.#waitedFor--;
  }

  /** Takes out all; those that somebody waits for, the oldest first. */
  clear(): Frame[] {
    const frames = [...this];
    this.#frames.clear();
    this.#waitedFor = 0;
    this.windowBytes = 0;
    return frames;
  }
}
