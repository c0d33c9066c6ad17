/** A reply frame that does not come in one piece. */
import { Buffer } from 'node:buffer';

/** So much in front of a large value is copied once more, so that the value need not be. */
const HEAD_BYTES_MAX = 64 * 1024;

/** Room left behind a large value for the replies after it. */
const TAIL_BYTES = 256;

/** A buffer that a large value is read into, with room around it. */
export interface ValueRoom {
  /** The whole buffer. */
  readonly whole: Buffer;
  /** Where the value begins. */
  readonly start: number;
}

export class ReplyParts {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** What the first part lies at the beginning of, when there is room behind it. */
  #whole: Uint8Array | undefined;

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Of all parts. */
  get totalBytes(): number {
    return this.#bytes;
  }

  /** @param part stays as it is until the reply is put together */
  add(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /**
   * A buffer for a value of so many bytes, to be given to {@link addValue}; the parts before it
   * will fit in front, so that a reply that is little else is put together without copying it.
   */
  roomFor(valueBytes: number): ValueRoom {
    const start = this.totalBytes > HEAD_BYTES_MAX ? 0 : this.totalBytes;
    return { whole: Buffer.allocUnsafeSlow(start + valueBytes + TAIL_BYTES), start };
  }

  /** Adds the value that was read into its room. Nothing was added since that was made. */
  addValue({ whole, start }: ValueRoom, valueBytes: number): void {
    if (start !== this.totalBytes) {
      this.add(whole.subarray(start, start + valueBytes));
      return;
    }
    this.#copyTo(whole, 0, 0);
    this.#whole = whole;
    this.#bytes += valueBytes;
    this.#parts = [whole.subarray(0, this.#bytes)];
  }

  /** The reply. */
  concat(): Uint8Array {
    const whole = this.#whole;
    if (whole === undefined || this.#bytes > whole.length) {
      return Buffer.concat(this.#parts, this.#bytes);
    }
    this.#copyTo(whole, 1, this.#parts[0]!.length);
    return whole.subarray(0, this.#bytes);
  }

  #copyTo(target: Uint8Array, first: number, start: number): void {
    let at = start;
    for (const part of this.#parts.slice(first)) {
      target.set(part, at);
      at += part.length;
    }
  }
}
