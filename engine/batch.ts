/**
 * Commands written back to back into request frames, as many frames as the limits ask for: how the
 * cache asks the kernel for many keys at once (it overlaps the cache misses of a frame's keys),
 * and, one command at a time, for what has no call of its own.
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import { type Packed, TOO_LONG, writeValue } from './codec.js';
import { NAMESPACED_KEY_EXT_TYPE } from './commands.js';
import { checkNamespacedKey, keyBytes, PREFIX_BYTES } from './keys.js';
import {
  MAX_SCALAR_BYTES,
  Tag,
  writeArrayHeader,
  writeBigInteger,
  writeBinHeader,
  writeCode,
  writeExtHeader,
  writeInteger,
  writeString,
} from './msgpack.js';

/** A frame of the batch: where it lies in the bytes, and how many commands it holds. */
export interface FrameRange {
  readonly start: number;
  readonly end: number;
  readonly commands: number;
}

/** Replies are matched by position, so every frame can have the same id, of one byte. */
export const FRAME_ID = 1;
/** What array header, code and the header of the key or of a value take, with some to spare. */
const COMMAND_SLACK_BYTES = 16;

/**
 * Writes the beginning of a command: its code and its key, `args - 1` further arguments being to
 * follow. Returns the end. Takes at most {@link COMMAND_SLACK_BYTES} more than the key.
 * @param keyLength what `keyBytes` returned for the key
 */
export function writeCommand(
  code: number,
  key: Key,
  keyLength: number,
  args: number,
  bytes: Buffer,
  at: number,
): number {
  const keyAt = writeCode(code, bytes, writeArrayHeader(1 + args, bytes, at));
  return writeKeyValue(key, keyLength, bytes, keyAt);
}

/** Writes a key as a msgpack value; the end. */
export function writeKeyValue(key: Key, keyLength: number, bytes: Buffer, at: number): number {
  if (typeof key === 'string') return writeString(key, bytes, at);
  const keyAt = writeBinHeader(keyLength, bytes, at);
  bytes.set(key, keyAt);
  return keyAt + keyLength;
}

/** `writeCommand` with a key of a namespace, which is an extension of prefix and key. */
export function writeNamespacedCommand(
  code: number,
  key: Key,
  keyLength: number,
  args: number,
  bytes: Buffer,
  at: number,
  prefix: number,
): number {
  const keyAt = writeCode(code, bytes, writeArrayHeader(1 + args, bytes, at));
  return writeNamespacedKeyValue(key, keyLength, bytes, keyAt, prefix);
}

/** `writeKeyValue` of a key of a namespace. */
export function writeNamespacedKeyValue(
  key: Key,
  keyLength: number,
  bytes: Buffer,
  at: number,
  prefix: number,
): number {
  checkNamespacedKey(keyLength);
  const keyAt = writeExtHeader(PREFIX_BYTES + keyLength, NAMESPACED_KEY_EXT_TYPE, bytes, at);
  writePrefix(prefix, bytes, keyAt);
  if (typeof key === 'string') bytes.write(key, keyAt + PREFIX_BYTES);
  else bytes.set(key, keyAt + PREFIX_BYTES);
  return keyAt + PREFIX_BYTES + keyLength;
}

/** As the kernel reads it, from the request area too. */
function writePrefix(prefix: number, bytes: Buffer, at: number): void {
  bytes.writeInt32LE(prefix, at);
}

/**
 * A frame ends with the command that takes it to this many bytes. With the key and value of that
 * command it fits into a request area, which is 128 KiB larger than the largest value that goes
 * through it.
 */
const FULL_FRAME_BYTES = 32 * 1024;
/** Eight of the kernel's groups: more would only make the reply frame larger. */
const MAX_FRAME_COMMANDS = 256;
const START_BYTES = 4096;

export class Batch {
  #bytes: Buffer = Buffer.allocUnsafe(START_BYTES);
  #end = 0;
  readonly #frames: FrameRange[] = [];
  #start = 0;
  #commands = 0;
  /** Where the command begun last begins. */
  #last = 0;
  /** The prefix of all keys is still to be written, at these places. */
  readonly #prefixesAt: number[] = [];

  /**
   * Begins a command; `args - 1` further arguments are to follow.
   * @param isNamespaced whether the key is one of the namespace that `setPrefix` will be told of
   */
  begin(code: number, key: Key, args: number, isNamespaced = false): void {
    if (this.#commands >= MAX_FRAME_COMMANDS || this.#end - this.#start >= FULL_FRAME_BYTES) {
      this.#closeFrame();
    }
    const keyLength = keyBytes(key);
    this.#reserve(COMMAND_SLACK_BYTES + keyLength);
    if (this.#commands === 0) this.#bytes[this.#end++] = FRAME_ID;
    this.#commands++;
    this.#last = this.#end;
    if (isNamespaced) {
      const end = this.#end;
      this.#end = writeNamespacedCommand(code, key, keyLength, args, this.#bytes, end, 0);
      this.#prefixesAt.push(this.#end - keyLength - PREFIX_BYTES);
    } else {
      this.#end = writeCommand(code, key, keyLength, args, this.#bytes, this.#end);
    }
  }

  /** A further key of the command begun last; `isNamespaced` as of `begin`. */
  key(key: Key, isNamespaced = false): void {
    const keyLength = keyBytes(key);
    this.#reserve(COMMAND_SLACK_BYTES + keyLength);
    if (isNamespaced) {
      this.#end = writeNamespacedKeyValue(key, keyLength, this.#bytes, this.#end, 0);
      this.#prefixesAt.push(this.#end - keyLength - PREFIX_BYTES);
    } else {
      this.#end = writeKeyValue(key, keyLength, this.#bytes, this.#end);
    }
  }

  integer(value: number | bigint): void {
    this.#reserve(MAX_SCALAR_BYTES);
    this.#end =
      typeof value === 'number'
        ? writeInteger(value, this.#bytes, this.#end)
        : writeBigInteger(value, this.#bytes, this.#end);
  }

  nil(): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = Tag.NIL;
  }

  /**
   * Writes a value; `packed` is what `packValue` returned for it. False when it has more than
   * `maxBytes`: then the command that it was for is taken back.
   */
  value(value: unknown, packed: Packed | undefined, maxBytes: number): boolean {
    this.#reserve(COMMAND_SLACK_BYTES + mostBytes(value, packed, maxBytes));
    const end = writeValue(value, packed, this.#bytes, this.#end, maxBytes);
    const fits = end !== TOO_LONG;
    if (fits) this.#end = end;
    else this.cancel();
    return fits;
  }

  /** Takes back the command begun last, of which an argument could not be written. */
  cancel(): void {
    this.#commands--;
    this.#end = this.#commands === 0 ? this.#start : this.#last;
    while (this.#prefixesAt.length > 0 && this.#prefixesAt.at(-1)! >= this.#end) {
      this.#prefixesAt.pop();
    }
  }

  /** Begins anew, in the same memory. */
  clear(): void {
    this.#frames.length = 0;
    this.#prefixesAt.length = 0;
    this.#start = 0;
    this.#end = 0;
    this.#commands = 0;
  }

  /** Bytes written. */
  get length(): number {
    return this.#end;
  }

  /**
   * Gives all keys that were begun with `isNamespaced` their prefix: as late as can be, because the
   * code of a caller that runs meanwhile may clear the namespace.
   */
  setPrefix(prefix: number): void {
    for (const at of this.#prefixesAt) writePrefix(prefix, this.#bytes, at);
  }

  /** The frames written, as ranges of {@link bytes}. What follows goes into another one. */
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
function mostBytes(value: unknown, packed: Packed | undefined, maxBytes: number): number {
  if (packed !== undefined) return Math.min(packed.end - packed.start, maxBytes);
  if (typeof value === 'string') return Math.min(3 * value.length, maxBytes);
  return value instanceof Uint8Array ? Math.min(value.length, maxBytes) : MAX_SCALAR_BYTES;
}
