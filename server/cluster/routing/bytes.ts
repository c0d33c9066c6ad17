/** Bytes that are put together piece by piece: frames for other nodes, and replies. */
import { Buffer } from 'node:buffer';
import { MAX_SCALAR_BYTES, writeInteger } from '../../../engine/msgpack.js';

/** A small frame or reply fits. */
const FIRST_BYTES = 256;

export class Bytes {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was added so far; overwritten by nothing. */
  get whole(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds the bytes of `source` from `start` to `end`. */
  add(source: Buffer, start = 0, end = source.length): void {
    this.#makeRoom(end - start);
    this.#length += source.copy(this.#bytes, this.#length, start, end);
  }

  /** Adds a msgpack integer that a double holds exactly. */
  addInteger(value: number): void {
    this.#makeRoom(MAX_SCALAR_BYTES);
    this.#length = writeInteger(value, this.#bytes, this.#length);
  }

  /** Adds what `write` writes at an offset, `most` bytes or fewer; it returns the end. */
  addWritten(most: number, write: (bytes: Buffer, at: number) => number): void {
    this.#makeRoom(most);
    this.#length = write(this.#bytes, this.#length);
  }

  #makeRoom(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(bytes, 0, 0, this.#length);
    this.#bytes = bytes;
  }
}
