/*
 * ATOMIC: commands on any keys of the node as one step. All partitions of all keys are locked (locks.ts), the guards
 * are looked at, and then the commands run as ever, but for their locks, which are held already (`beginAtomic`).
 *
 *   [0x03, [command, ...], [[key, version], ...]?]   the reply: [reply, ...]; or the key of the first guard that failed
 *
 * A guard's version is what GETV told, or nil: the key must be absent. A command that cannot be understood, or is not
 * the kernel's, is the whole one's error, and nothing is done. One that fails when it runs replies its error in its
 * place, and the others run all the same, as in Redis's EXEC.
 */
import { copyBytes } from '../bytes';
import { commandRow, CommandRow, NO_KEY, ROW_HOST, ROW_KEYS_APART, ROW_KEYS_TOGETHER, TO_THE_END } from '../commands';
import { entryAt, HAS_VERSION, lengthOf, versionAddress } from '../entry';
import { runInner } from '../exec';
import { hashKey } from '../hash';
import { Address } from '../layout';
import { beginAtomic, endAtomic } from '../lock';
import { addToSet, beginSet, lockSet, unlockSet } from '../locks';
import {
  elementsOf,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  lastLength,
  skipValue,
  writeArrayHead,
} from '../msgpack';
import { partitionOfHash } from '../partition';
import { findLive } from '../read';
import { innerStaged, keyOf, lastKeyWord, stage, Staged, STAGED_ERROR } from '../staging';
import { ERROR_ATOMIC, ERROR_GUARD, ERROR_KEY, ERROR_REPLY_SIZE, writeError } from '../status';
import { entryOf } from '../table';

const ATOMIC: u32 = 0x03;

/** So that locks are held for some milliseconds at the most, unless the commands themselves take longer. */
const MAX_COMMANDS: u32 = 1024;
/** Room that is kept for the reply of each command that is still to run: an error fits. */
const REPLY_MARGIN: u32 = 256;

export function atomic(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const first = elementsOf(staged.args);
  const count = lastLength();
  if (first == 0 || count == 0 || count > MAX_COMMANDS) return writeError(out, ERROR_ATOMIC);
  // A guard's key is part of the request, which is no longer than the reply area.
  if (out + 5 + count * REPLY_MARGIN > limit || out + (staged.end - staged.args) > limit) return 0;
  beginSet(thread);
  const behind = skipValue(staged.args, staged.end);
  let status = addCommands(thread, first, count, behind);
  let guards: Address = 0;
  let guardCount: u32 = 0;
  if (status == 0 && staged.argCount > 1 && !isNil(behind)) {
    guards = elementsOf(behind);
    guardCount = lastLength();
    status = guards ? addGuards(thread, guards, guardCount, staged.end) : ERROR_GUARD;
  }
  if (status) return writeError(out, status);
  lockSet(thread);
  beginAtomic(thread);
  const failed = findFailed(thread, guards, guardCount, staged.end, nowMs);
  const end = failed ? copyKey(failed, staged.end, out) : runAll(thread, first, count, behind, out, limit, nowMs);
  endAtomic();
  unlockSet(thread);
  return end;
}

/** Adds the partitions of the commands' keys; what is wrong with one, or 0. */
function addCommands(thread: u32, first: Address, count: u32, end: Address): u32 {
  const inner = innerStaged(thread);
  let at = first;
  for (let i: u32 = 0; i < count; i++) {
    at = stage(inner, at, end);
    if (inner.code >= STAGED_ERROR) return inner.code - STAGED_ERROR;
    const row = commandRow(inner.code);
    if (inner.code == ATOMIC || row.flags & ROW_HOST) return ERROR_ATOMIC;
    if (row.firstKey == NO_KEY) continue;
    addToSet(thread, partitionOfHash(inner.hash));
    if (!(row.flags & (ROW_KEYS_APART | ROW_KEYS_TOGETHER))) continue;
    const last = row.lastKey == TO_THE_END ? inner.argCount - 1 : <u32>row.lastKey;
    let key = inner.args;
    for (let arg: u32 = 0; arg <= last && arg < inner.argCount; arg++) {
      const isKeys = arg % <u32>row.keyStep == 0;
      if (isKeys && !addKey(thread, key) && !mayBeOption(row, arg, inner.argCount)) return ERROR_KEY;
      key = skipValue(key, inner.end);
    }
  }
  return 0;
}

/** Whether an argument where a key would be may be an option behind them, as behind the last pair of MSET. */
@inline
function mayBeOption(row: CommandRow, arg: u32, argCount: u32): bool {
  return (row.keyStep > 1 && arg + 1 == argCount) || arg + <u32>row.optionsBehind >= argCount;
}

function addKey(thread: u32, at: Address): bool {
  const key = keyOf(at);
  if (key == 0) return false;
  addToSet(thread, partitionOfHash(hashKey(key, lengthOf(lastKeyWord()))));
  return true;
}

/** Adds the partitions of the guards' keys; what is wrong with one, or 0. */
function addGuards(thread: u32, first: Address, count: u32, end: Address): u32 {
  let at = first;
  for (let i: u32 = 0; i < count; i++) {
    const key = elementsOf(at);
    if (key == 0 || lastLength() != 2) return ERROR_GUARD;
    if (!addKey(thread, key)) return ERROR_KEY;
    const version = skipValue(key, end);
    if (!isNil(version) && (integerOf(version) != IS_INTEGER || lastInteger() < 0)) return ERROR_GUARD;
    at = skipValue(at, end);
  }
  return 0;
}

/** Under the locks: where the key of the first guard that does not hold stands; 0: all do. */
function findFailed(thread: u32, first: Address, count: u32, end: Address, nowMs: i64): Address {
  let at = first;
  for (let i: u32 = 0; i < count; i++) {
    const keyAt = elementsOf(at);
    const version = skipValue(keyAt, end);
    const key = keyOf(keyAt);
    const keyWord = lastKeyWord();
    const hash = hashKey(key, lengthOf(keyWord));
    const slot = findLive(partitionOfHash(hash), hash, key, keyWord, nowMs);
    if (isNil(version)) {
      if (slot) return keyAt;
    } else {
      integerOf(version);
      if (slot == 0) return keyAt;
      const flags = <u32>entryAt(entryOf(slot)).flags;
      if (!(flags & HAS_VERSION)) return keyAt;
      if (load<u64>(versionAddress(entryOf(slot), flags)) != <u64>lastInteger()) return keyAt;
    }
    at = skipValue(at, end);
  }
  return 0;
}

function copyKey(at: Address, end: Address, out: Address): Address {
  const bytes = skipValue(at, end) - at;
  copyBytes(out, at, bytes);
  return out + bytes;
}

/** Runs the commands one after the other; the address behind their replies. */
function runAll(
  thread: u32,
  first: Address,
  count: u32,
  end: Address,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const inner = innerStaged(thread);
  let at = first;
  out = writeArrayHead(out, count);
  for (let left = count; left > 0; left--) {
    at = stage(inner, at, end);
    const behind = runInner(thread, inner, out, limit - (left - 1) * REPLY_MARGIN, nowMs);
    out = behind ? behind : writeError(out, ERROR_REPLY_SIZE);
  }
  return out;
}
