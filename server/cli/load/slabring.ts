/**
 * Slabring's protocol for the loader: msgpack commands in masked WebSocket frames
 * (docs/PROTOCOL.md).
 */
import { createHash, randomBytes } from 'node:crypto';
import { COMMANDS, ERROR_EXT_TYPE, SUBPROTOCOL } from '../../../engine/commands.js';
import {
  CONTROL,
  LoadError,
  type LoadProtocol,
  quote,
  type ReplyHead,
  type Tally,
  unasked,
} from './protocol.js';
import { isValue, KEY_BYTES, type Reel, writeKey, writeValue } from './reel.js';

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

/** msgpack's leading bytes, as far as they are needed here. */
const Pack = {
  ARRAY: 0x90,
  STR: 0xa0,
  NIL: 0xc0,
  TRUE: 0xc3,
  BIN8: 0xc4,
  BIN16: 0xc5,
  BIN32: 0xc6,
  EXT8: 0xc7,
  UINT8: 0xcc,
  UINT16: 0xcd,
  UINT32: 0xce,
} as const;

/** Frame id (5), and per command: array (1), code (1), key (1 + 16), value (5 and its bytes). */
const ID_BYTES = 5;
const COMMAND_BYTES = 3 + KEY_BYTES + 5;

export class SlabringProtocol implements LoadProtocol {
  readonly greeting: Buffer;
  readonly #accept: string;

  /** `host` goes into the request as the browser's would. */
  constructor(host: string) {
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
    return FRAME_HEAD_MAX + ID_BYTES + commands * (COMMAND_BYTES + valueBytes);
  }

  writeFrame(reel: Reel, frame: number, at: number): number {
    const out = reel.bytes;
    // The length of the head depends on that of the payload: write behind the longest head, then
    // move.
    const start = at + FRAME_HEAD_MAX;
    const end = writeCommands(reel, frame, start);
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
      const kind = bytes[place]!;
      if (kind === Pack.TRUE && reel.sets[command] === 1) {
        place += 1;
      } else if (kind === Pack.NIL && reel.sets[command] === 0) {
        tally.misses += 1;
        place += 1;
      } else if (isErrorReply(bytes, place)) {
        tally.errors += 1;
        const message = place + (kind === Pack.EXT8 ? 3 : 4);
        place = message + (kind === Pack.EXT8 ? bytes[place + 1]! : bytes.readUInt16BE(place + 1));
        tally.firstError ??= bytes.toString('utf8', message, place);
      } else if (reel.sets[command] === 0) {
        place = checkValue(bytes, place, end, reel.keys[command]!, reel.valueBytes);
      } else {
        throw new LoadError(`unexpected reply to SET: ${quote(bytes, place, end)}`);
      }
    }
    if (place !== end) {
      const commands = last - reel.firstCommand(frame);
      throw new LoadError(`a reply frame does not hold exactly ${commands} replies`);
    }
  }
}

function writeCommands(reel: Reel, frame: number, start: number): number {
  const out = reel.bytes;
  out[start] = Pack.UINT32;
  let at = out.writeUInt32BE(frame + 1, start + 1);
  const last = reel.endCommand(frame);
  for (let command = reel.firstCommand(frame); command < last; command += 1) {
    const isSet = reel.sets[command] === 1;
    out[at] = Pack.ARRAY | (isSet ? 3 : 2);
    out[at + 1] = isSet ? COMMANDS.SET.code : COMMANDS.GET.code;
    out[at + 2] = Pack.STR | KEY_BYTES;
    at = writeKey(out, at + 3, reel.keys[command]!);
    if (isSet) {
      at = writeBinHead(out, at, reel.valueBytes);
      at = writeValue(out, at, reel.keys[command]!, reel.valueBytes);
    }
  }
  return at;
}

function writeBinHead(out: Buffer, at: number, length: number): number {
  if (length < 2 ** 8) {
    out[at] = Pack.BIN8;
    return out.writeUInt8(length, at + 1);
  }
  if (length < 2 ** 16) {
    out[at] = Pack.BIN16;
    return out.writeUInt16BE(length, at + 1);
  }
  out[at] = Pack.BIN32;
  return out.writeUInt32BE(length, at + 1);
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
  if (kind < 0x80) return 1;
  if (kind === Pack.UINT8) return 2;
  if (kind === Pack.UINT16) return 3;
  if (kind === Pack.UINT32) return 5;
  throw new LoadError(`a reply begins with the byte 0x${kind.toString(16)}, which is no frame id`);
}

function readFrameId(bytes: Buffer, at: number): number {
  const size = sizeOfId(bytes[at]!);
  return size === 1 ? bytes[at]! : bytes.readUIntBE(at + 1, size - 1);
}

/** Error replies are longer than 16 bytes (no fixext) and shorter than 64 KiB. */
function isErrorReply(bytes: Buffer, at: number): boolean {
  if (bytes[at] === Pack.EXT8) return bytes[at + 2] === ERROR_EXT_TYPE;
  return bytes[at] === Pack.EXT8 + 1 && bytes[at + 3] === ERROR_EXT_TYPE;
}

/** Checks that the value of this key lies at `at`; returns where it ends. */
function checkValue(
  bytes: Buffer,
  at: number,
  end: number,
  key: number,
  valueBytes: number,
): number {
  const head = valueBytes < 2 ** 8 ? 2 : valueBytes < 2 ** 16 ? 3 : 5;
  const kind = head === 2 ? Pack.BIN8 : head === 3 ? Pack.BIN16 : Pack.BIN32;
  const start = at + head;
  const fits =
    start + valueBytes <= end &&
    bytes[at] === kind &&
    bytes.readUIntBE(at + 1, head - 1) === valueBytes;
  if (!fits || !isValue(bytes, start, key, valueBytes)) {
    throw new LoadError(`wrong value for key ${key}: ${quote(bytes, at, end)}`);
  }
  return start + valueBytes;
}
