/**
 * Request frames of many GETs or SETs, as a pipelining client sends them, and the replies they must
 * get.
 */
import { Buffer } from 'node:buffer';
import { KEY_BYTES, writeKey } from './fixture.js';
import { VALUE_BYTES, writeValueBytes } from './kinds.js';

/**
 * The frame id: one that takes five bytes, because the C yardstick copies five whatever they are.
 */
const HEAD = Buffer.from([0xce, 0x00, 0x01, 0x00, 0x00]);
/** `[0x10, key]`: array header, code, str header, key. */
const GET_BYTES = 3 + KEY_BYTES;
/** A value as msgpack: bin 8 header, length, bytes. */
const PACKED_VALUE_BYTES = 2 + VALUE_BYTES;
const SET_BYTES = GET_BYTES + PACKED_VALUE_BYTES;
/** A time to live as msgpack: uint 32. */
const TTL_BYTES = 5;
const TRUE = 0xc3;

export type FrameKind = 'get' | 'set';

/** Frames back to back in one piece of memory. Command number n is about key `indices[n]`. */
export class Frames {
  readonly kind: FrameKind;
  readonly indices: Uint32Array;
  readonly perFrame: number;
  readonly count: number;
  readonly #frameBytes: number;
  readonly #bytes: Buffer;
  readonly #ttlMs: number | undefined;

  /**
   * @param indices as many as fill whole frames of `perFrame` commands
   * @param valueAt which value a SET of a key stores
   * @param ttlMs what a SET gives it to live; undefined: nothing
   */
  constructor(
    kind: FrameKind,
    indices: Uint32Array,
    perFrame: number,
    valueAt: (index: number) => number = (index) => index,
    ttlMs?: number,
  ) {
    this.kind = kind;
    this.#ttlMs = ttlMs;
    this.indices = indices;
    this.perFrame = perFrame;
    this.count = indices.length / perFrame;
    const setBytes = SET_BYTES + (ttlMs === undefined ? 0 : TTL_BYTES);
    const commandBytes = kind === 'get' ? GET_BYTES : setBytes;
    this.#frameBytes = HEAD.length + perFrame * commandBytes;
    this.#bytes = Buffer.allocUnsafe(this.count * this.#frameBytes);
    for (let frame = 0; frame < this.count; frame++) {
      const start = frame * this.#frameBytes;
      HEAD.copy(this.#bytes, start);
      for (let i = 0; i < perFrame; i++) {
        const index = indices[frame * perFrame + i]!;
        this.#writeCommand(start + HEAD.length + i * commandBytes, index, valueAt(index));
      }
    }
  }

  /** A view of one frame. */
  at(frame: number): Uint8Array {
    const start = this.#bytes.byteOffset + frame * this.#frameBytes;
    return new Uint8Array(this.#bytes.buffer, start, this.#frameBytes);
  }

  /** The reply that a frame must get when every key i holds value i. */
  reply(frame: number): Buffer {
    const each = this.kind === 'get' ? PACKED_VALUE_BYTES : 1;
    const reply = Buffer.alloc(HEAD.length + this.perFrame * each, TRUE);
    HEAD.copy(reply);
    if (this.kind === 'get') {
      for (let i = 0; i < this.perFrame; i++) {
        writePackedValue(reply, HEAD.length + i * each, this.indices[frame * this.perFrame + i]!);
      }
    }
    return reply;
  }

  /** For each frame the length of its reply and the reply's last byte, added. */
  replyMarks(): Uint32Array {
    const isGet = this.kind === 'get';
    const length = HEAD.length + this.perFrame * (isGet ? PACKED_VALUE_BYTES : 1);
    const value = Buffer.alloc(VALUE_BYTES);
    return Uint32Array.from({ length: this.count }, (_, frame) => {
      writeValueBytes(value, 0, this.indices[(frame + 1) * this.perFrame - 1]!);
      return length + (isGet ? value[VALUE_BYTES - 1]! : TRUE);
    });
  }

  #writeCommand(at: number, index: number, value: number): void {
    const bytes = this.#bytes;
    const isGet = this.kind === 'get';
    bytes[at] = isGet ? 0x92 : this.#ttlMs === undefined ? 0x93 : 0x94;
    bytes[at + 1] = isGet ? 0x10 : 0x11;
    bytes[at + 2] = 0xa0 + KEY_BYTES;
    writeKey(bytes, at + 3, index);
    if (isGet) return;
    writePackedValue(bytes, at + GET_BYTES, value);
    if (this.#ttlMs === undefined) return;
    bytes[at + SET_BYTES] = 0xce;
    bytes.writeUInt32BE(this.#ttlMs, at + SET_BYTES + 1);
  }
}

function writePackedValue(bytes: Uint8Array, at: number, index: number): void {
  bytes[at] = 0xc4;
  bytes[at + 1] = VALUE_BYTES;
  writeValueBytes(bytes, at + 2, index);
}

/**
 * Frames that SET every key once: those to be read to their own value, those to be written to their
 * neighbour's, so that a SET that does nothing is seen.
 */
export function fillFrames(kind: FrameKind, keys: number, ttlMs?: number): Frames {
  const perFrame = 100;
  const indices = Uint32Array.from({ length: keys }, (_, i) => i);
  const valueAt = (index: number): number => (kind === 'get' ? index : (index + 1) % keys);
  return new Frames('set', indices, perFrame, valueAt, ttlMs);
}
