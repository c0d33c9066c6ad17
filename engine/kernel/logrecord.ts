/*
 * Reading records of a log (changelog.ts) that the host has written into the request area: whatever stands there, no
 * record is taken for one that is not whole.
 */
import {
  hasBase,
  LOG_CLEAR,
  LOG_EFFECT,
  LOG_HAS_TIME,
  LOG_NAMESPACED,
  LOG_SET,
  LOG_STAMPED,
  LOG_VALUE_LEFT_OUT,
  RECORD_HEAD_BYTES,
} from './changelog';
import { commandRow, isArity, isKnown } from './commands';
import { EFFECT_ARG_COUNT, EFFECT_ARGS, EFFECT_CODE, isEffect } from './effects';
import { Address } from './layout';
import { skipBlob, skipValue } from './msgpack';
import { isKeyLength, NO_BUCKET, Staged, stageKey } from './staging';

/* Where the fields of a record stand. */
const KEY_BYTES: u32 = 2;
export const KIND: u32 = 4;
const DETAIL: u32 = 5;
const VALUE_BYTES: u32 = 6;

@inline
export function detailOf(record: Address): u32 {
  return load<u8>(record, DETAIL);
}

@inline
function stampAddressOf(record: Address): Address {
  return record + RECORD_HEAD_BYTES + (detailOf(record) & LOG_HAS_TIME ? 8 : 0);
}

@inline
export function stampOfRecord(record: Address): u64 {
  return load<u64>(stampAddressOf(record));
}

/** Only of kinds that have a base. */
@inline
export function baseOf(record: Address): u64 {
  return load<u64>(stampAddressOf(record), 8);
}

@inline
export function expiryOfRecord(record: Address): i64 {
  return detailOf(record) & LOG_HAS_TIME ? load<i64>(record, RECORD_HEAD_BYTES) : 0;
}

@inline
export function valueBytesOfRecord(record: Address): u32 {
  return load<u16>(record, VALUE_BYTES);
}

/**
 * Stages the record at `at`: its kind as the code, and where it stands as the arguments. The address behind it, or 0:
 * there is no whole record with a stamp.
 */
export function stageRecord(staged: Staged, at: Address, end: Address): Address {
  if (end - at < RECORD_HEAD_BYTES) return 0;
  const bytes = <u32>load<u16>(at) << 3;
  const kind = <u32>load<u8>(at, KIND);
  const detail = detailOf(at);
  if (bytes == 0 || bytes > end - at || kind - 1 >= LOG_EFFECT) return 0;
  if (!(detail & LOG_STAMPED) || detail & LOG_NAMESPACED) return 0;
  const keyBytes = <u32>load<u16>(at, KEY_BYTES);
  const valueBytes = valueBytesOfRecord(at);
  const fields = RECORD_HEAD_BYTES + (detail & LOG_HAS_TIME ? 8 : 0) + (hasBase(kind) ? 16 : 8);
  if (fields + keyBytes + valueBytes > bytes) return 0;
  staged.code = kind;
  staged.args = at;
  staged.end = at + bytes;
  if (kind == LOG_CLEAR) {
    staged.key = 0;
    staged.hash = 0;
    staged.slot = 0;
    staged.bucket = NO_BUCKET;
    return at + bytes;
  }
  if (!isKeyLength(keyBytes)) return 0;
  const key = at + fields;
  const value = key + keyBytes;
  if (kind == LOG_SET && !(detail & LOG_VALUE_LEFT_OUT)) {
    if (valueBytes == 0 || skipBlob(value, value + valueBytes) != value + valueBytes) return 0;
  } else if (kind == LOG_EFFECT && !isCommand(value, value + valueBytes)) {
    return 0;
  }
  stageKey(staged, key, keyBytes, false);
  return at + bytes;
}

/** Whether the value of an effect is a command with its arguments. */
function isCommand(value: Address, end: Address): bool {
  if (end - value < EFFECT_ARGS) return false;
  const code = <u32>load<u16>(value, EFFECT_CODE);
  const argCount = <u32>load<u16>(value, EFFECT_ARG_COUNT);
  if (!isEffect(code) || !isKnown(code) || !isArity(commandRow(code), argCount + 1)) return false;
  let at = value + EFFECT_ARGS;
  for (let i: u32 = 0; i < argCount; i++) {
    at = skipValue(at, end);
    if (at == 0) return false;
  }
  return at == end;
}
