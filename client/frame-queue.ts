/** Complete frames that wait to be sent, oldest first, with what they add up to. */
import type { Frame } from './frame.js';

export class FrameQueue {
  // `Array.shift` moves the whole rest; a head that moves on does not.
  #frames: (Frame | undefined)[] = [];
  #head = 0;
  #commands = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#head === this.#frames.length;
  }

  get commands(): number {
    return this.#commands;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldest(): Frame | undefined {
    return this.#frames[this.#head];
  }

  /** The newest goes last; what has been elsewhere before is older, and goes before what is newer. */
  push(frame: Frame): void {
    const frames = this.#frames;
    let at = frames.length;
    while (at > this.#head && frames[at - 1]!.startedAtMs > frame.startedAtMs) at--;
    if (at === frames.length) frames.push(frame);
    else frames.splice(at, 0, frame);
    this.#commands += frame.commands;
    this.#bytes += frame.size;
  }

  /** Takes out all, the oldest first. */
  clear(): Frame[] {
    const frames = this.#frames.slice(this.#head) as Frame[];
    this.#frames = [];
    this.#head = 0;
    this.#commands = 0;
    this.#bytes = 0;
    return frames;
  }

  /** Takes the oldest out. */
  shift(): Frame | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    this.#frames[this.#head++] = undefined;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    }
    this.#commands -= frame.commands;
    this.#bytes -= frame.size;
    return frame;
  }
}
