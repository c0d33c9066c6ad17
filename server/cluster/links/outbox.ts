/** Messages that wait for a peer, oldest first. */

import { encodeBatch, frameInPlace, PREFIX_BYTES } from './batch.js';
import { ALONE_BYTES, BATCH_BYTES } from './link-limits.js';

/** Slots of messages that have gone are given back when there are so many. */
const COMPACT_AT = 1_024;

export interface Batch {
  readonly frame: Buffer;
  readonly messages: number;
}

export class Outbox {
  #messages: Uint8Array[] = [];
  /** When each was put in, as the clock had it. */
  #times: number[] = [];
  /** Whether each is to be a frame of its own, without a copy. */
  #alone: boolean[] = [];
  /** The oldest; slots before it are empty. */
  #first = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#messages.length - this.#first;
  }

  /** @param frontBytes as a transport gets them (ports.ts) */
  push(message: Uint8Array, nowMs: number, frontBytes = 0): void {
    this.#messages.push(message);
    this.#times.push(nowMs);
    this.#alone.push(frontBytes >= PREFIX_BYTES && message.length >= ALONE_BYTES);
    this.#bytes += message.length;
  }

  /** Drops the oldest until at most `bytesMax` are left. @returns how many messages went */
  dropBeyond(bytesMax: number): number {
    let dropped = 0;
    while (this.#bytes > bytesMax) {
      this.#shift();
      dropped++;
    }
    return dropped;
  }

  /** Drops what was put in before `timeMs`. @returns how many messages went */
  dropBefore(timeMs: number): number {
    let dropped = 0;
    while (this.length > 0 && this.#times[this.#first]! < timeMs) {
      this.#shift();
      dropped++;
    }
    return dropped;
  }

  /** Takes what goes in one frame: at least one message. Only where there is one. */
  takeBatch(): Batch {
    if (this.#alone[this.#first]) return this.#takeAlone();
    let bytes = 0;
    let end = this.#first;
    while (end < this.#messages.length && !this.#alone[end]) {
      const more = this.#messages[end]!.length + PREFIX_BYTES;
      if (bytes > 0 && bytes + more > BATCH_BYTES) break;
      bytes += more;
      end++;
    }
    const messages = end - this.#first;
    const frame = encodeBatch(this.#messages, this.#first, end, bytes);
    this.#bytes -= bytes - messages * PREFIX_BYTES;
    this.#first = end;
    this.#compact();
    return { frame, messages };
  }

  #takeAlone(): Batch {
    const message = this.#messages[this.#first]!;
    this.#shift();
    return { frame: frameInPlace(message), messages: 1 };
  }

  /** Moves everything into another outbox. */
  moveTo(other: Outbox): void {
    for (let i = this.#first; i < this.#messages.length; i++) {
      other.push(this.#messages[i]!, this.#times[i]!, this.#alone[i] ? PREFIX_BYTES : 0);
    }
    this.clear();
  }

  /** @returns how many messages went */
  clear(): number {
    const { length } = this;
    this.#messages = [];
    this.#times = [];
    this.#alone = [];
    this.#first = 0;
    this.#bytes = 0;
    return length;
  }

  #shift(): void {
    this.#bytes -= this.#messages[this.#first]!.length;
    // The slot stays until `#compact`; its bytes must not.
    this.#messages[this.#first++] = NOTHING;
    this.#compact();
  }

  #compact(): void {
    if (this.length === 0) this.clear();
    else if (this.#first >= COMPACT_AT && this.#first * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#first);
      this.#times = this.#times.slice(this.#first);
      this.#alone = this.#alone.slice(this.#first);
      this.#first = 0;
    }
  }
}

const NOTHING = new Uint8Array(0);
