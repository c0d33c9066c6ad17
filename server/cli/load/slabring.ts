/**
 * Slabring's protocol for the loader: msgpack commands in masked WebSocket frames
 * (docs/PROTOCOL.md).
 */
import { createHash, randomBytes } from 'node:crypto';
import { SUBPROTOCOL } from '../../../engine/commands.js';
import {
  checkDone,
  checkInteger,
  checkValue,
  isErrorReply,
  MSGPACK,
  Pack,
  readUnsigned,
  sizeOfUnsigned,
  tallyError,
} from './msgpack.js';
import {
  CONTROL,
  LoadError,
  type LoadProtocol,
  quote,
  type ReplyHead,
  type Tally,
  unasked,
} from './protocol.js';
import type { Reel } from './reel.js';
import { SHAPES, type Shape } from './shape.js';
import { Templates } from './template.js';

/** RFC 6455, section 1.3: what a server hashes with the client's key to show that it understood. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/**
 * Clients must mask (RFC 6455). Not zeros: servers may have a short cut for those, real clients use
 * none.
 */
const MASK = Buffer.of(0x5a, 0xc3, 0x2d, 0x96);

const Opcode = { BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;
const FIN = 0x80;
const MASKED = 0x80;
/** WebSocket payload lengths: below 126 in the second byte, then 2 bytes behind it, then 8. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const FRAME_HEAD_MAX = 14;

/** A frame's id is written in the longest form, and comes back in the shortest. */
const ID_BYTES = 5;

export class SlabringProtocol implements LoadProtocol {
  readonly greeting: Buffer;
  readonly shape: Shape;
  readonly #accept: string;
  readonly #templates: Templates;

  /** `host` goes into the request as the browser's would. */
  constructor(host: string, shape: Shape = SHAPES.strings) {
    this.shape = shape;
    this.#templates = new Templates(shape, MSGPACK);
    const key = randomBytes(16).toString('base64');
    this.#accept = createHash('sha1')
      .update(key + WEBSOCKET_GUID)
      .digest('base64');
    this.greeting = Buffer.from(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`,
    );
  }

  readGreeting(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return 0;
    const text = bytes.toString('latin1', 0, end);
    if (!text.startsWith('HTTP/1.1 101') || !text.includes(this.#accept)) {
      throw new LoadError(`the server refused the WebSocket: ${text.split('\r\n')[0]}`);
    }
    return end + 4;
  }

  frameBytesMax(commands: number, valueBytes: number): number {
    return FRAME_HEAD_MAX + ID_BYTES + this.#templates.bytesMax(commands, valueBytes);
  }

  writeFrame(reel: Reel, frame: number, at: number): number {
    const out = reel.bytes;
    // The length of the head depends on that of the payload: write behind the longest head, then
    // move.
    const start = at + FRAME_HEAD_MAX;
    out[start] = Pack.UINT32;
    const end = this.#templates.write(reel, frame, out.writeUInt32BE(frame + 1, start + 1));
    return frameMasked(out, at, start, end, Opcode.BINARY);
  }

  readHead(
    bytes: Buffer,
    at: number,
    end: number,
    reel: Reel | undefined,
    _oldest: number,
    head: ReplyHead,
  ): boolean {
    if (end - at < 2) return false;
    let length = bytes[at + 1]!;
    let payload = at + 2;
    if (length === LENGTH_16) {
      if (end - at < 4) return false;
      length = bytes.readUInt16BE(at + 2);
      payload = at + 4;
    } else if (length === LENGTH_64) {
      if (end - at < 10) return false;
      length = Number(bytes.readBigUInt64BE(at + 2));
      payload = at + 10;
    }
    head.bytes = payload - at + length;
    if (bytes[at] !== (FIN | Opcode.BINARY)) {
      if (end - at < head.bytes) return false;
      readControl(bytes, at, payload, payload + length, head);
      return true;
    }
    if (reel === undefined) throw unasked();
    if (end - payload < Math.min(length, ID_BYTES)) return false;
    const id = readFrameId(bytes, payload);
    if (id < 1 || id > reel.frames) throw new LoadError(`a reply has the unknown frame id ${id}`);
    head.frame = id - 1;
    return true;
  }

  checkReply(
    bytes: Buffer,
    at: number,
    end: number,
    reel: Reel,
    frame: number,
    tally: Tally,
  ): void {
    const length = bytes[at + 1]!;
    const payload = at + (length === LENGTH_16 ? 4 : length === LENGTH_64 ? 10 : 2);
    let place = payload + sizeOfId(bytes[payload]!);
    const last = reel.endCommand(frame);
    for (let command = reel.firstCommand(frame); command < last; command += 1) {
      tally.checked += 1;
      tally.gets += 1 - reel.sets[command]!;
      if (isErrorReply(bytes, place)) {
        place = tallyError(bytes, place, tally);
      } else if (reel.sets[command] === 1) {
        place = this.#checkWrite(bytes, place, end);
      } else if (bytes[place] === Pack.NIL) {
        tally.misses += 1;
        place += 1;
      } else {
        place = checkValue(bytes, place, end, reel.keys[command]!, reel.valueBytes);
      }
    }
    const { behind } = this.shape;
    if (behind !== undefined) {
      place = isErrorReply(bytes, place)
        ? tallyError(bytes, place, tally)
        : checkDone(bytes, place, end, behind);
    }
    if (place !== end) {
      const replies = last - reel.firstCommand(frame) + (behind === undefined ? 0 : 1);
      throw new LoadError(`a reply frame does not hold exactly ${replies} replies`);
    }
  }

  /** Checks the reply to a write; returns where it ends. */
  #checkWrite(bytes: Buffer, at: number, end: number): number {
    const { answer, write } = this.shape;
    return answer === undefined
      ? checkDone(bytes, at, end, write)
      : checkInteger(bytes, at, end, answer, write);
  }
}

/**
 * Makes a WebSocket frame at `at` of the payload at `start .. end`, masking it; returns where the
 * frame ends.
 */
function frameMasked(out: Buffer, at: number, start: number, end: number, opcode: number): number {
  const length = end - start;
  let place = at;
  out[place++] = FIN | opcode;
  if (length < LENGTH_16) {
    out[place++] = MASKED | length;
  } else if (length < 2 ** 16) {
    out[place++] = MASKED | LENGTH_16;
    place = out.writeUInt16BE(length, place);
  } else {
    out[place++] = MASKED | LENGTH_64;
    place = out.writeBigUInt64BE(BigInt(length), place);
  }
  place += MASK.copy(out, place);
  for (let index = 0; index < length; index += 1) {
    out[place + index] = out[start + index]! ^ MASK[index & 3]!;
  }
  return place + length;
}

/** Answers a ping; anything else that is no reply ends the measurement. */
function readControl(
  bytes: Buffer,
  at: number,
  payload: number,
  end: number,
  head: ReplyHead,
): void {
  head.frame = CONTROL;
  head.answer = undefined;
  const opcode = bytes[at]! & 15;
  if (opcode === Opcode.PING) {
    const out = Buffer.alloc(FRAME_HEAD_MAX + end - payload);
    bytes.copy(out, FRAME_HEAD_MAX, payload, end);
    head.answer = out.subarray(0, frameMasked(out, 0, FRAME_HEAD_MAX, out.length, Opcode.PONG));
  } else if (opcode === Opcode.CLOSE) {
    const code = end - payload >= 2 ? bytes.readUInt16BE(payload) : 1005;
    const reason = bytes.toString('utf8', payload + 2, end);
    throw new LoadError(`the server closed the connection: ${code} ${reason}`.trimEnd());
  } else if (opcode !== Opcode.PONG) {
    throw new LoadError(`unexpected WebSocket frame: ${quote(bytes, at, end)}`);
  }
}

function sizeOfId(kind: number): number {
  const size = sizeOfUnsigned(kind);
  if (size > 0) return size;
  throw new LoadError(`a reply begins with the byte 0x${kind.toString(16)}, which is no frame id`);
}

function readFrameId(bytes: Buffer, at: number): number {
  return readUnsigned(bytes, at, sizeOfId(bytes[at]!));
}
