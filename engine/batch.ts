/**
 * Commands written back to back into request frames, as many frames as the limits ask for: how the cache asks the kernel
 * for what has no call of its own, and for many keys at once (the kernel overlaps the cache misses of a frame's keys).
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import { writeValue } from './codec.js';
import { keyBytes } from './keys.js';
import {
  MAX_SCALAR_BYTES,
  Tag,
  writeArrayHeader,
  writeBigInteger,
  writeBinHeader,
  writeInteger,
  writeString,
} from './msgpack.js';

/** A frame of the batch: where it lies in the bytes, and how many commands it holds. */
export interface FrameRange {
  readonly start: number;
  readonly end: number;
  readonly commands: number;
}

/** Replies are matched by position, so every frame can have the same id. */
const FRAME_ID = 1;
/** Array header and code of a command, and what a header of a value takes beyond the value. */
const COMMAND_SLACK_BYTES = 16;

export class Batch {
  #bytes: Buffer;
  #end = 0;
  #frames: FrameRange[] = [];
  #start = 0;
  #commands = 0;
  readonly #maxFrameBytes: number;
  readonly #maxFrameCommands: number;

  /** A frame ends once it has `maxFrameCommands`, or with the command that takes it to `maxFrameBytes` or beyond. */
  constructor(startBytes: number, maxFrameBytes: number, maxFrameCommands: number) {
    this.#bytes = Buffer.allocUnsafe(startBytes);
    this.#maxFrameBytes = maxFrameBytes;
    this.#maxFrameCommands = maxFrameCommands;
  }

  /** Forgets everything written. Call it before writing; a refused key or value leaves half a command behind. */
  reset(): void {
    this.#end = 0;
    this.#start = 0;
    this.#commands = 0;
    this.#frames = [];
  }

  /** Begins a command; its key and `args - 1` further arguments are to follow. */
  begin(code: number, key: Key, args: number): void {
    if (
      this.#commands >= this.#maxFrameCommands ||
      this.#end - this.#start >= this.#maxFrameBytes
    ) {
      this.#closeFrame();
    }
    const length = keyBytes(key);
    this.#reserve(COMMAND_SLACK_BYTES + 3 * length);
    if (this.#commands === 0) this.#bytes[this.#end++] = FRAME_ID;
    this.#commands++;
    this.#end = writeArrayHeader(1 + args, this.#bytes, this.#end);
    this.#bytes[this.#end++] = code;
    if (typeof key === 'string') {
      this.#end = writeString(key, this.#bytes, this.#end);
    } else {
      this.#end = writeBinHeader(length, this.#bytes, this.#end);
      this.#bytes.set(key, this.#end);
      this.#end += length;
    }
  }

  integer(value: number | bigint): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#end =
      typeof value === 'bigint'
        ? writeBigInteger(value, this.#bytes, this.#end)
        : writeInteger(value, this.#bytes, this.#end);
  }

  nil(): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = Tag.NIL;
  }

  /** Writes a value; `packed` is what `packValue` returned for it. */
  value(value: unknown, packed: Uint8Array | undefined, maxBytes: number): void {
    this.#reserve(COMMAND_SLACK_BYTES + mostBytes(value, packed, maxBytes));
    this.#end = writeValue(value, packed, this.#bytes, this.#end, maxBytes);
  }

  /** The frames written since `reset`, as ranges of {@link bytes}. */
  frames(): readonly FrameRange[] {
    if (this.#commands > 0) this.#closeFrame();
    return this.#frames;
  }

  /** Valid until something more is written. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  #closeFrame(): void {
    this.#frames.push({ start: this.#start, end: this.#end, commands: this.#commands });
    this.#start = this.#end;
    this.#commands = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

/** An upper bound of what `writeValue` writes. One that it refuses needs no room. */
function mostBytes(value: unknown, packed: Uint8Array | undefined, maxBytes: number): number {
  if (packed !== undefined) return Math.min(packed.length, maxBytes);
  if (typeof value === 'string') return Math.min(3 * value.length, maxBytes);
  return value instanceof Uint8Array ? Math.min(value.length, maxBytes) : MAX_SCALAR_BYTES;
}
