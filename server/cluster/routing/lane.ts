/** What one node has to do with a frame: the commands that it runs, and its replies to them. */
import { Buffer } from 'node:buffer';
import { BROKEN, endOfMany } from '../../../engine/command-walk.js';
import { encodeError } from '../../../engine/error-reply.js';
import { SlabringError } from '../../../engine/errors.js';
import { writeArrayHeader, writeCode } from '../../../engine/msgpack.js';
import { Bytes } from './bytes.js';
import type { Key } from './keys.js';

/** Replies are told apart by the node that they come from. */
const FRAME_ID = 1;

/** An array's header and a code. */
const COMMAND_HEAD_BYTES = 8;

export class Lane {
  /** An index of the view's nodes, or HERE. */
  readonly node: number;
  /** How long its commands may wait, in ms. */
  waitMs = 0;
  readonly #frame = new Bytes();
  #reply: Buffer = Buffer.alloc(0);
  /** Where the replies begin that were not taken yet. */
  #at = 0;
  /** What each command is answered with that has no reply. */
  #failure: Buffer | undefined;

  constructor(node: number) {
    this.node = node;
    this.#frame.addInteger(FRAME_ID);
  }

  /** The frame for the node. */
  get frame(): Buffer {
    return this.#frame.whole;
  }

  /** Adds whole commands. */
  add(bytes: Buffer, start: number, end: number): void {
    this.#frame.add(bytes, start, end);
  }

  /** Adds a command on some of the keys that stand in `bytes`. */
  addOnKeys(code: number, bytes: Buffer, keys: readonly Key[]): void {
    this.#frame.addWritten(COMMAND_HEAD_BYTES, (target, at) =>
      writeCode(code, target, writeArrayHeader(1 + keys.length, target, at)),
    );
    for (const { start, end } of keys) this.#frame.add(bytes, start, end);
  }

  /** The reply frame has come. It stays as it is. */
  answer(reply: Uint8Array): void {
    this.#reply = Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength);
    this.#at = endOfMany(this.#reply, 0, 1);
    if (this.#at === BROKEN) this.#failBroken();
  }

  /** None will come. */
  fail(error: unknown): void {
    this.#failure = encodeError(error);
  }

  /** Takes the next replies, and adds them to others. */
  take(count: number, out: Bytes): void {
    if (this.#failure === undefined) {
      const end = endOfMany(this.#reply, this.#at, count);
      if (end !== BROKEN) {
        out.add(this.#reply, this.#at, end);
        this.#at = end;
        return;
      }
      this.#failBroken();
    }
    for (let i = 0; i < count; i++) out.add(this.#failure!);
  }

  /** Takes the next reply. */
  takeOne(): Buffer {
    const end = this.#failure === undefined ? endOfMany(this.#reply, this.#at, 1) : BROKEN;
    if (end === BROKEN) {
      if (this.#failure === undefined) this.#failBroken();
      return this.#failure!;
    }
    const reply = this.#reply.subarray(this.#at, end);
    this.#at = end;
    return reply;
  }

  #failBroken(): void {
    this.fail(new SlabringError('INTERNAL', 'the reply of the node that has the key is cut off'));
  }
}
