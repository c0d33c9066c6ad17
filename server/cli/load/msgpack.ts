/** msgpack as far as the loader needs it: writing commands, reading replies. */
import { COMMANDS, ERROR_EXT_TYPE } from '../../../engine/commands.js';
import { LoadError, quote, type Tally, unexpected } from './protocol.js';
import { isValue, KEY_BYTES, type Reel, scoreOf, writeKey, writeValue } from './reel.js';
import { type Drawn, KEY, type Operation, VALUE } from './shape.js';
import type { Encoding, Template } from './template.js';

/** msgpack's leading bytes. */
export const Pack = {
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

/** How commands are written. */
export const MSGPACK: Encoding = {
  template({ name, words }: Operation): Template {
    const head = Buffer.of(Pack.ARRAY | (1 + words.length), COMMANDS[name].code);
    return [
      head,
      ...words.map((word) => {
        if (typeof word === 'symbol') return word;
        if (word === null) return Buffer.of(Pack.NIL);
        if (typeof word === 'string') {
          return Buffer.concat([Buffer.of(Pack.STR | word.length), Buffer.from(word)]);
        }
        const integer = Buffer.of(Pack.UINT32, 0, 0, 0, 0);
        integer.writeUInt32BE(word, 1);
        return integer;
      }),
    ];
  },

  bytesMax(word: Drawn, valueBytes: number): number {
    if (word === KEY) return 1 + KEY_BYTES;
    return word === VALUE ? 5 + valueBytes : 5;
  },

  write(word: Drawn, reel: Reel, command: number, at: number): number {
    const out = reel.bytes;
    if (word === KEY) {
      out[at] = Pack.STR | KEY_BYTES;
      return writeKey(out, at + 1, reel.keys[command]!);
    }
    if (word === VALUE) {
      const value = writeBinHead(out, at, reel.valueBytes);
      return writeValue(out, value, reel.keys[command]!, reel.valueBytes);
    }
    out[at] = Pack.UINT32;
    return out.writeUInt32BE(scoreOf(reel, command), at + 1);
  },
};

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

/** Bytes of the unsigned integer that begins so; 0 when none does. Longer ones nothing asks for. */
export function sizeOfUnsigned(kind: number): number {
  if (kind < 0x80) return 1;
  if (kind === Pack.UINT8) return 2;
  if (kind === Pack.UINT16) return 3;
  return kind === Pack.UINT32 ? 5 : 0;
}

export function readUnsigned(bytes: Buffer, at: number, size: number): number {
  return size === 1 ? bytes[at]! : bytes.readUIntBE(at + 1, size - 1);
}

/** Error replies are longer than 16 bytes (no fixext) and shorter than 64 KiB. */
export function isErrorReply(bytes: Buffer, at: number): boolean {
  if (bytes[at] === Pack.EXT8) return bytes[at + 2] === ERROR_EXT_TYPE;
  return bytes[at] === Pack.EXT8 + 1 && bytes[at + 3] === ERROR_EXT_TYPE;
}

/** Counts the error reply at `at`; returns where it ends. */
export function tallyError(bytes: Buffer, at: number, tally: Tally): number {
  const isShort = bytes[at] === Pack.EXT8;
  const message = at + (isShort ? 3 : 4);
  const end = message + (isShort ? bytes[at + 1]! : bytes.readUInt16BE(at + 1));
  tally.errors += 1;
  tally.firstError ??= bytes.toString('utf8', message, end);
  return end;
}

/** Checks that the operation was answered by true; returns where the reply ends. */
export function checkDone(bytes: Buffer, at: number, end: number, operation: Operation): number {
  if (at >= end || bytes[at] !== Pack.TRUE) throw unexpected(bytes, at, end, operation);
  return at + 1;
}

/** Checks that the operation was answered by an integer of this range; returns where it ends. */
export function checkInteger(
  bytes: Buffer,
  at: number,
  end: number,
  [least, most]: readonly [least: number, most: number],
  operation: Operation,
): number {
  const size = sizeOfUnsigned(bytes[at]!);
  const fits = size > 0 && at + size <= end;
  const integer = fits ? readUnsigned(bytes, at, size) : Number.NaN;
  if (!(integer >= least && integer <= most)) throw unexpected(bytes, at, end, operation);
  return at + size;
}

/** Checks that the value of this key lies at `at`; returns where it ends. */
export function checkValue(
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
