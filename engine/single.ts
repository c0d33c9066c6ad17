/**
 * One command as a frame of its own, for the methods of the cache that have no call of their own in
 * the kernel. No code of a caller runs between `begin` and what ends it.
 */
import type { Key } from './api.js';
import {
  FRAME_ID,
  writeCommand,
  writeKeyValue,
  writeNamespacedCommand,
  writeNamespacedKeyValue,
} from './batch.js';
import { type Packed, TOO_LONG, writeValue } from './codec.js';
import { COMMANDS, type CommandName } from './commands.js';
import type { Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { BLOCK_REPLY_BYTES } from './kernel-exports.js';
import { keyBytes } from './keys.js';
import {
  MAX_SCALAR_BYTES,
  writeArrayHeader,
  writeBigInteger,
  writeBinHeader,
  writeCode,
  writeFloat,
  writeInteger,
  writeString,
} from './msgpack.js';
import { readReply } from './reply.js';

/** Where the reply begins: behind the frame id, of one byte. */
export const REPLY_START = 1;

/** Instead of an end: the reply does not fit the reply area. Only of commands that reply a value. */
export const IS_LARGE = -1;

export class Single {
  /** Where the frame stands, and where it ends. */
  #desk: Desk;
  #end = 0;
  readonly #done: number;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#done = desk.kernel.EXEC_DONE.value;
  }

  /** Begins a frame at the desk of its key; `args - 1` arguments are to follow. */
  begin(desk: Desk, name: CommandName, key: Key, args: number): this {
    const keyLength = keyBytes(key);
    const { space, request } = desk;
    const { code } = COMMANDS[name];
    request[0] = FRAME_ID;
    this.#desk = desk;
    this.#end =
      space === undefined
        ? writeCommand(code, key, keyLength, args, request, 1)
        : writeNamespacedCommand(code, key, keyLength, args, request, 1, space.prefix());
    return this;
  }

  /** Begins a frame of a command without a key of its own; `args` arguments are to follow. */
  beginKeyless(desk: Desk, name: CommandName, args: number): this {
    const { request } = desk;
    request[0] = FRAME_ID;
    this.#desk = desk;
    this.#end = writeCode(COMMANDS[name].code, request, writeArrayHeader(1 + args, request, 1));
    return this;
  }

  /** The head of an array; so many values are to follow. */
  array(length: number): this {
    const { request } = this.#desk;
    if (this.#end + MAX_SCALAR_BYTES > request.length) this.#refuseLength();
    this.#end = writeArrayHeader(length, request, this.#end);
    return this;
  }

  integer(value: number | bigint): this {
    const { request } = this.#desk;
    this.#end =
      typeof value === 'bigint'
        ? writeBigInteger(value, request, this.#end)
        : writeInteger(value, request, this.#end);
    return this;
  }

  float(value: number): this {
    this.#end = writeFloat(value, this.#desk.request, this.#end);
    return this;
  }

  /** A str or bin, which must be a short one. */
  bytes(value: Key): this {
    const { request } = this.#desk;
    if (typeof value === 'string') {
      this.#end = writeString(value, request, this.#end);
      return this;
    }
    const at = writeBinHeader(value.length, request, this.#end);
    request.set(value, at);
    this.#end = at + value.length;
    return this;
  }

  /**
   * Writes any value. `packed` is what `packValue` returned for it.
   * @throws SlabringError `TOOLARGE`
   */
  value(value: unknown, packed: Packed | undefined): this {
    const { request } = this.#desk;
    const room = request.length - this.#end - MAX_SCALAR_BYTES;
    const end = room > 0 ? writeValue(value, packed, request, this.#end, room) : TOO_LONG;
    if (end === TOO_LONG) this.#refuseLength();
    this.#end = end;
    return this;
  }

  /**
   * Writes one more key.
   * @param desk where that one belongs
   * @throws SlabringError `OPTION`, `TOOLARGE`; `CROSSSLOT` when it is in another arena
   */
  key(key: Key, desk: Desk): this {
    const { request, space, arena, kernel } = this.#desk;
    const keyLength = keyBytes(key);
    if (desk !== this.#desk) throw arena.errorOf(-kernel.ERROR_CROSS_ARENA.value);
    if (this.#end + keyLength + MAX_SCALAR_BYTES > request.length) this.#refuseLength();
    this.#end =
      space === undefined
        ? writeKeyValue(key, keyLength, request, this.#end)
        : writeNamespacedKeyValue(key, keyLength, request, this.#end, space.prefix());
    return this;
  }

  #refuseLength(): never {
    const { length } = this.#desk.request;
    throw new SlabringError(
      'TOOLARGE',
      `the arguments of one call may take ${length} bytes in all; make several calls`,
    );
  }

  /** Runs the command; its reply. */
  finish(): unknown {
    const end = this.run();
    return readReply(this.#desk.reply, REPLY_START, end);
  }

  /**
   * Runs the command; where its reply ends, which begins at {@link REPLY_START}, or
   * {@link IS_LARGE}, and then nothing was done.
   */
  run(): number {
    const { kernel, slot, arena } = this.#desk;
    const outcome = kernel.execHost(slot, 0, this.#end, Date.now());
    if (outcome === kernel.EXEC_LARGE_VALUE.value) return IS_LARGE;
    // The reply area holds any other reply, so the kernel never stops in between.
    if (outcome !== this.#done)
      throw new SlabringError('INTERNAL', `exec came back with ${outcome}`);
    return arena.block[BLOCK_REPLY_BYTES]!;
  }
}
