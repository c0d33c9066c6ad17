/*
 * Changes of collections as the log of a node tells them to other nodes (changelog.ts): as the command that was run,
 * where what it does follows from the collection as it was and from the time. A node that has the same collection, by
 * its stamp, runs it too (apply.ts), so that a member added to a set of a million is a few bytes on the wire.
 *
 * Value of a record of LOG_EFFECT:
 *   +0  nowMs     f64   the time of the command
 *   +8  code      u16
 *   +10 argCount  u16   arguments behind the key
 *   +12           these, msgpack
 *
 * A change that came to an end half-way, for want of memory, is told of without a value, as is that by a command on
 * several keys: whoever wants the collection reads it.
 */
import { copyBytes } from './bytes';
import { beginRecord, fitsRecord, LOG_EFFECT, LOG_REMOTE, noteSet, publish } from './changelog';
import { lengthOf } from './entry';
import { isGiven, isStamped, lastStamp, stampAt } from './hybridclock';
import { Address, LARGE_BYTES } from './layout';
import { logOf, Partition } from './partition';
import { hasRunOut, watchRoom } from './room';
import { Staged } from './staging';
import { entryOf, Slot } from './table';

export const EFFECT_TIME: u32 = 0;
export const EFFECT_CODE: u32 = 8;
export const EFFECT_ARG_COUNT: u32 = 10;
export const EFFECT_ARGS: u32 = 12;

/* Commands that others are told as. */
export const LPUSH: u32 = 0x30;
export const RPUSH: u32 = 0x31;
export const LPOP: u32 = 0x34;
export const RPOP: u32 = 0x35;
export const SADD: u32 = 0x40;
export const SREM: u32 = 0x41;

/* The codes that are told of so, a bit for each: from LPUSH on, and from HEXPIRE on. */
const FIRST_CODE: u32 = 0x30;
const LIST_CODES: u64 = 0b0001_1110_0011_1111;
const SET_CODES: u64 = 0b0011;
const HASH_CODES: u64 = 0b0001_1000_0010_0011;
const SORTED_CODES: u64 = 0b0000_1100_0001_0011;
const CODES: u64 = LIST_CODES | (SET_CODES << 16) | (HASH_CODES << 32) | (SORTED_CODES << 48);
const FIRST_FIELD_CODE: u32 = 0x80;
const FIELD_CODES: u64 = 0b0011_1011;

/** Whether a record may have this command. */
export function isEffect(code: u32): bool {
  if (code - FIRST_CODE < 64) return ((CODES >> <u64>(code - FIRST_CODE)) & 1) != 0;
  return code - FIRST_FIELD_CODE < 64 && ((FIELD_CODES >> <u64>(code - FIRST_FIELD_CODE)) & 1) != 0;
}

/* Of the change at hand: the stamp that the entry had, and the time. Not state. */
let base: u64 = 0;
let timeMs: i64 = 0;
/* The command that it is told as instead of the one that is run; 0: it is that one. */
let otherCode: u32 = 0;
let otherArgCount: u32 = 0;
let otherArgs: Address = 0;
let otherEnd: Address = 0;

/** A change begins of the collection in a slot, 0: one that is not there yet. Under the lock. */
@inline
export function beginEffect(slot: Slot, nowMs: i64): void {
  if (isStamped()) begin(slot, nowMs);
}

function begin(slot: Slot, nowMs: i64): void {
  base = slot ? stampAt(entryOf(slot)) : 0;
  timeMs = nowMs;
  otherCode = 0;
  watchRoom();
}

/** The time of the change at hand, in an arena that has stamps. */
@inline
export function effectTime(): i64 {
  return timeMs;
}

/** The change at hand shall be told as another command, whose arguments behind the key stand from `args` to `end`. */
@inline
export function tellAs(code: u32, argCount: u32, args: Address, end: Address): void {
  otherCode = code;
  otherArgCount = argCount;
  otherArgs = args;
  otherEnd = end;
}

/** A collection was changed, and has its new stamp. */
@inline
export function noteChange(partition: Partition, staged: Staged, expiryMs: i64): void {
  if (partition.logHead != 0 && isStamped() && logEffect(partition, staged, expiryMs)) return;
  // The log leaves out what is so long.
  noteSet(partition, staged.key, staged.keyWord, staged.key, LARGE_BYTES, expiryMs);
}

/** False: it is to be told of without a value. */
function logEffect(partition: Partition, staged: Staged, expiryMs: i64): bool {
  const keyBytes = lengthOf(staged.keyWord);
  let code = staged.code;
  let argCount = staged.argCount - 1;
  let args = staged.key + keyBytes;
  let end = staged.end;
  if (otherCode != 0) {
    code = otherCode;
    argCount = otherArgCount;
    args = otherArgs;
    end = otherEnd;
  }
  if (hasRunOut() || !isEffect(code)) return false;
  const bytes = end - args;
  if (!fitsRecord(keyBytes, EFFECT_ARGS + bytes)) return false;
  const log = logOf(partition);
  const detail = isGiven() ? LOG_REMOTE : 0;
  const valueBytes = EFFECT_ARGS + bytes;
  const at = beginRecord(
    partition, log, LOG_EFFECT, detail, staged.keyWord, valueBytes, expiryMs, lastStamp(), base,
  );
  copyBytes(at, staged.key, keyBytes);
  const value = at + keyBytes;
  store<f64>(value, <f64>timeMs, EFFECT_TIME);
  store<u16>(value, <u16>code, EFFECT_CODE);
  store<u16>(value, <u16>argCount, EFFECT_ARG_COUNT);
  copyBytes(value + EFFECT_ARGS, args, bytes);
  publish(log);
  partition.sets += 1;
  return true;
}
