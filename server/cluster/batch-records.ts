/**
 * The records of a batch while it is being filled. They are copied once, to where the message will
 * stand: at full speed they are some hundred megabytes a second. As much garbage would take a
 * quarter of the thread's time, so large messages are made in memory of others that were answered.
 *
 *   [room for the transport, for the head] records, one after the other
 */
import { Buffer } from 'node:buffer';
import { copyTo } from '../../engine/copy.js';
import { type Batch, batchHead } from './messages.js';

/** More than any head takes that names few pulls, and what the transport writes in front of it. */
const HEAD_ROOM = 512;
const SLACK_BYTES = 32 * 1024;
const MIN_BYTES = 4 * 1024;
/** Messages from here on are made in memory that is used again. */
const LARGE_BYTES = 32 * 1024;
/** Of each piece of it: a batch that is not full yet, and a lane of the change log. */
const PIECE_BYTES = 64 * 1024 + 128 * 1024 + HEAD_ROOM;
/** Pieces that are kept: as many as are under way at full speed. */
const PIECES_MAX = 32;

/** A message, and what is in front of it in the same memory. */
export interface SealedBatch {
  readonly bytes: Uint8Array;
  readonly frontBytes: number;
}

export class BatchRecords {
  readonly #pieces: Buffer<ArrayBufferLike>[] = [];
  #buffer: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #end = HEAD_ROOM;
  /** Of the last one: the next is as long as a rule. */
  #lastBytes = 0;

  /** Of all records so far. */
  get bytes(): number {
    return this.#end - HEAD_ROOM;
  }

  add(records: Uint8Array): void {
    const end = this.#end + records.length;
    if (end > this.#buffer.length) this.#grow(end);
    copyTo(this.#buffer, records, this.#end);
    this.#end = end;
  }

  /** The message; what comes next is another batch. */
  seal(batch: Omit<Batch, 'kind' | 'records'>): SealedBatch {
    const head = batchHead(batch, this.bytes);
    const records = this.#buffer.subarray(HEAD_ROOM, this.#end);
    if (head.length > HEAD_ROOM || records.length === 0) {
      this.clear();
      return { bytes: Buffer.concat([head, records]), frontBytes: 0 };
    }
    const start = HEAD_ROOM - head.length;
    this.#buffer.set(head, start);
    this.#lastBytes = this.bytes;
    let sealed = this.#buffer;
    if (this.#end <= LARGE_BYTES && sealed.length === PIECE_BYTES) {
      // The window counts messages: they are not to take much more memory than they have bytes.
      sealed = Buffer.from(sealed.subarray(0, this.#end));
      this.giveBack(this.#buffer);
    }
    const bytes = sealed.subarray(start, this.#end);
    // It belongs to the message from now on.
    this.#buffer = Buffer.alloc(0);
    this.#end = HEAD_ROOM;
    return { bytes, frontBytes: start };
  }

  /** Nobody needs a message any more. */
  giveBack({ buffer }: Uint8Array): void {
    const isPiece = buffer.byteLength === PIECE_BYTES && this.#pieces.length < PIECES_MAX;
    if (isPiece) this.#pieces.push(Buffer.from(buffer));
  }

  clear(): void {
    this.#buffer = Buffer.alloc(0);
    this.#end = HEAD_ROOM;
  }

  #grow(end: number): void {
    const isFirst = this.#buffer.length === 0;
    const wanted = isFirst ? Math.max(end, HEAD_ROOM + this.#lastBytes, MIN_BYTES) : 2 * end;
    const isLarge = wanted > LARGE_BYTES && end <= PIECE_BYTES;
    const buffer = isLarge
      ? (this.#pieces.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES))
      : Buffer.allocUnsafeSlow(isFirst ? wanted : wanted + SLACK_BYTES);
    buffer.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = buffer;
  }
}
