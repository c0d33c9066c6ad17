/**
 * The records of a batch while it is being filled. They are copied once, to where the message will
 * stand: at full speed they are some hundred megabytes a second, and what is allocated for them
 * beside is as much garbage.
 *
 *   [room for the head] records, one after the other
 */
import { Buffer } from 'node:buffer';
import { copyTo } from '../../engine/copy.js';
import { type Batch, batchHead } from './messages.js';

/** More than any head takes that names few pulls. */
const HEAD_ROOM = 512;
/** What comes at a time is a granule of the change log, or a page of a scan. */
const SLACK_BYTES = 32 * 1024;
const MIN_BYTES = 4 * 1024;

export class BatchRecords {
  #buffer = Buffer.alloc(0);
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
  seal(batch: Omit<Batch, 'kind' | 'records'>): Uint8Array {
    const head = batchHead(batch, this.bytes);
    const records = this.#buffer.subarray(HEAD_ROOM, this.#end);
    if (head.length > HEAD_ROOM || records.length === 0) {
      this.clear();
      return Buffer.concat([head, records]);
    }
    const start = HEAD_ROOM - head.length;
    this.#buffer.set(head, start);
    const message = this.#buffer.subarray(start, this.#end);
    this.#lastBytes = this.bytes;
    // It belongs to the message from now on.
    this.#buffer = Buffer.alloc(0);
    this.#end = HEAD_ROOM;
    return message;
  }

  clear(): void {
    this.#buffer = Buffer.alloc(0);
    this.#end = HEAD_ROOM;
  }

  #grow(end: number): void {
    const isFirst = this.#buffer.length === 0;
    const wanted = isFirst ? Math.max(end, HEAD_ROOM + this.#lastBytes, MIN_BYTES) : 2 * end;
    const buffer = Buffer.allocUnsafeSlow(isFirst ? wanted : wanted + SLACK_BYTES);
    buffer.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = buffer;
  }
}
