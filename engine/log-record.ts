/**
 * Records of the change log as engine/kernel/changelog.ts draws them: what one says, and how the
 * host makes one for another node's kernel (replica.ts).
 */
import { Buffer } from 'node:buffer';
import { MAX_KEY_BYTES } from './commands.js';
import { SlabringError } from './errors.js';

export const LOG_SET = 1;
export const LOG_DELETE = 2;
export const LOG_EXPIRE = 3;
export const LOG_CLEAR = 4;
/** A change of a collection, told as the command that made it (engine/kernel/effects.ts). */
export const LOG_EFFECT = 5;

/* Bits of `detail`. */
export const VALUE_LEFT_OUT = 1;
export const REASON_MASK = 3;
export const STAMPED = 0x10;
/** It came from another node already. */
export const REMOTE = 0x20;
export const NAMESPACED = 0x40;
export const HAS_TIME = 0x80;

/* Reasons of a LOG_DELETE. */
export const DELETED = 0;
export const EXPIRED = 1;
export const EVICTED = 2;

/* Where the fields stand. */
export const KEY_BYTES = 2;
export const KIND = 4;
export const DETAIL = 5;
export const VALUE_BYTES = 6;
export const HEAD_BYTES = 8;
/** Records are of whole words. */
const WORD_BYTES = 8;
/** A record and what is said behind it lie in a granule of 16 KiB. */
export const MAX_RECORD_BYTES = 16_384 - 16;

/** Bytes between the head and the key: time, stamp and base. */
export function fieldBytes(kind: number, detail: number): number {
  const timeBytes = detail & HAS_TIME ? 8 : 0;
  if ((detail & STAMPED) === 0) return timeBytes;
  return timeBytes + (hasBase(kind) ? 16 : 8);
}

const hasBase = (kind: number): boolean => kind === LOG_EXPIRE || kind === LOG_EFFECT;

/** What a record says. `key` and `value` are parts of the bytes that it was read from. */
export interface LogRecord {
  readonly kind: number;
  readonly detail: number;
  readonly key: Buffer;
  /** 0n in a cache that is no node of several. */
  readonly stamp: bigint;
  /** Of LOG_EXPIRE and LOG_EFFECT: the stamp that the entry had before, 0n: there was none. */
  readonly base: bigint;
  /** Unix time in ms, 0: none. */
  readonly expiryMs: number;
  /** Msgpack of LOG_SET, empty where it was left out; the command of LOG_EFFECT. */
  readonly value: Buffer;
  /** Where the next record begins. */
  readonly end: number;
}

/**
 * The record at a place.
 * @throws SlabringError `SYNTAX` where there is no whole record
 */
export function readRecord(bytes: Buffer, at: number): LogRecord {
  const left = bytes.length - at;
  const length = left < HEAD_BYTES ? 0 : bytes.readUInt16LE(at) * WORD_BYTES;
  const kind = bytes[at + KIND]!;
  const detail = bytes[at + DETAIL]!;
  const end = at + length;
  const keyAt = at + HEAD_BYTES + fieldBytes(kind, detail);
  if (length === 0 || length > left || keyAt > end) throw noRecord(at);
  const keyEnd = keyAt + bytes.readUInt16LE(at + KEY_BYTES);
  const valueEnd = keyEnd + bytes.readUInt16LE(at + VALUE_BYTES);
  if (valueEnd > end) throw noRecord(at);
  const isTimed = (detail & HAS_TIME) !== 0;
  const isStamped = (detail & STAMPED) !== 0;
  const stampAt = at + HEAD_BYTES + (isTimed ? 8 : 0);
  return {
    kind,
    detail,
    key: bytes.subarray(keyAt, keyEnd),
    stamp: isStamped ? bytes.readBigUInt64LE(stampAt) : 0n,
    base: isStamped && hasBase(kind) ? bytes.readBigUInt64LE(stampAt + 8) : 0n,
    expiryMs: isTimed ? Number(bytes.readBigInt64LE(at + HEAD_BYTES)) : 0,
    value: bytes.subarray(keyEnd, valueEnd),
    end,
  };
}

function noRecord(at: number): SlabringError {
  return new SlabringError('SYNTAX', `there is no whole record of the change log at byte ${at}`);
}

/** What `writeRecord` makes a record of; what is left out is 0, or empty. */
export interface RecordParts {
  readonly kind: number;
  /** But for HAS_TIME and STAMPED, which follow from the rest. */
  readonly detail?: number;
  readonly key: Uint8Array;
  readonly stamp: bigint;
  readonly base?: bigint;
  readonly expiryMs?: number;
  readonly value?: Uint8Array;
}

/**
 * Makes a record with a stamp; a value of LOG_SET for which there is no room is left out.
 * @throws SlabringError `TOOLARGE` for a key that is none, or an effect that no record has room for
 */
export function writeRecord(parts: RecordParts): Buffer {
  const { kind, key, stamp, base = 0n, expiryMs = 0 } = parts;
  let { value = new Uint8Array(0), detail = 0 } = parts;
  detail |= STAMPED | (expiryMs === 0 ? 0 : HAS_TIME);
  const keyAt = HEAD_BYTES + fieldBytes(kind, detail);
  if (keyAt + key.length + value.length > MAX_RECORD_BYTES && kind === LOG_SET) {
    value = new Uint8Array(0);
    detail |= VALUE_LEFT_OUT;
  }
  const words = Math.ceil((keyAt + key.length + value.length) / WORD_BYTES);
  if (key.length > MAX_KEY_BYTES || (value.length > 0 && words * WORD_BYTES > MAX_RECORD_BYTES)) {
    throw new SlabringError(
      'TOOLARGE',
      `no record has room for a key of ${key.length} and a command of ${value.length} bytes`,
    );
  }
  const bytes = Buffer.alloc(words * WORD_BYTES);
  bytes.writeUInt16LE(words, 0);
  bytes.writeUInt16LE(key.length, KEY_BYTES);
  bytes[KIND] = kind;
  bytes[DETAIL] = detail;
  bytes.writeUInt16LE(value.length, VALUE_BYTES);
  if (expiryMs !== 0) bytes.writeBigInt64LE(BigInt(expiryMs), HEAD_BYTES);
  const stampAt = HEAD_BYTES + (expiryMs === 0 ? 0 : 8);
  bytes.writeBigUInt64LE(stamp, stampAt);
  if (hasBase(kind)) bytes.writeBigUInt64LE(base, stampAt + 8);
  bytes.set(key, keyAt);
  bytes.set(value, keyAt + key.length);
  return bytes;
}
