/*
 * GET, SET, GETV: values as msgpack bytes. A handler writes its reply at `out` and returns the address behind it, or 0
 * when the reply does not fit before `limit`; then it has changed nothing.
 */
import { noteSet } from '../changelog';
import { keyExpiryOf } from '../collections/root';
import {
  chainOf,
  entryAt,
  HAS_EXPIRY,
  HAS_VERSION,
  isNamespaced,
  KeyWord,
  lengthOf,
  versionAddress,
} from '../entry';
import { Address, header } from '../layout';
import { lock, unlock } from '../lock';
import {
  commonTtl,
  integerOf,
  IS_INTEGER,
  isNil,
  lastInteger,
  NO_COMMON_TTL,
  skipBlob,
  skipValue,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { reshape } from '../reshape';
import { countHit, countMiss } from '../rows';
import { Partition, partitionOfHash } from '../partition';
import { ABSENT, copyHeld, findLive, findStaged, isCollection, NO_ROOM, readValue, WRONG_TYPE } from '../read';
import { isFrameOfHost, partitionOf, Staged } from '../staging';
import {
  ERROR_ENTRIES_FULL,
  ERROR_FLAGS,
  ERROR_FLAGS_CONFLICT,
  ERROR_OUT_OF_MEMORY,
  ERROR_TTL,
  ERROR_VALUE_TOO_LARGE,
  ERROR_VERSION,
  ERROR_WRONG_TYPE,
  writeError,
} from '../status';
import { sample } from '../eviction/adaptive';
import { mayEvict } from '../eviction/policy';
import { stampKey } from '../stamps';
import { overwrite, put, renewVersion } from '../store';
import { mark } from '../marks';
import { entryOf, Slot } from '../table';
import { blockOf, scratchOf } from '../threads';

export const SET_NX: u32 = 1;
export const SET_XX: u32 = 2;
export const SET_KEEPTTL: u32 = 4;
export const SET_GET: u32 = 8;
export const SET_IFVERSION: u32 = 16;
const SET_ALL: u32 = 31;

/** A hundred years: anything longer is a mistake in the unit. engine/units.ts has the same limit. */
export const MAX_TTL_MS: i64 = 3_153_600_000_000;

@inline
export function get(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const found = readValue(thread, staged, out, limit, nowMs);
  if (found > WRONG_TYPE) return found;
  if (found == ABSENT) return writeNil(out);
  return found == NO_ROOM ? 0 : writeError(out, ERROR_WRONG_TYPE);
}

/* Outcomes of `setValue`; errors are negative statuses. */
export const NOT_STORED: i32 = 0;
export const STORED: i32 = 1;
/** The old value did not fit into the reply; nothing was done. */
export const NO_ROOM_FOR_OLD: i32 = 2;

/** Behind the old value that `setValue` wrote for the GET flag. Read right after the call. Not state. */
let oldValueEnd: Address = 0;

/** Where the old value ends; where the reply begins: it is the one that the host knows already (`knownOld`). */
@inline
export function lastOldValueEnd(): Address {
  return oldValueEnd;
}

/** In frames of the host a time to live beside KEEPTTL is that of a key which is not there. */
@inline
function flagsConflict(flags: u32, ttlMs: i64): bool {
  if ((flags & (SET_NX | SET_XX)) == (SET_NX | SET_XX)) return true;
  return (flags & SET_KEEPTTL) != 0 && ttlMs > 0 && !isFrameOfHost();
}

/** SET without flags, which most are: STORED, or minus a status. `ttlMs` 0: no expiry. */
function setPlainly(
  thread: u32,
  staged: Staged,
  value: Address,
  valueBytes: u32,
  ttlMs: i64,
  nowMs: i64,
): i32 {
  if (valueBytes > header().maxValueBytes) return -<i32>ERROR_VALUE_TOO_LARGE;
  const partition = partitionOf(staged);
  lock(partition, thread);
  const slot = findStaged(partition, staged, nowMs);
  const expiryMs = ttlMs > 0 ? nowMs + ttlMs : 0;
  const outcome = storeHeld(thread, partition, slot, staged, value, valueBytes, expiryMs, nowMs);
  unlock(partition);
  return outcome;
}

/** Under the lock: stores a value under the staged key, whose slot is known (0: none). STORED, or minus a status. */
@inline
export function storeHeld(
  thread: u32,
  partition: Partition,
  slot: Slot,
  staged: Staged,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  nowMs: i64,
): i32 {
  if (slot) {
    stampKey(staged.hash);
    sample(thread, staged.hash);
    if (overwrite(partition, slot, lengthOf(staged.keyWord), value, valueBytes, expiryMs)) {
      noteSet(partition, staged.key, staged.keyWord, value, valueBytes, expiryMs);
      return STORED;
    }
  }
  return storeAnew(thread, partition, slot, staged, value, valueBytes, expiryMs, nowMs);
}

function storeAnew(
  thread: u32,
  partition: Partition,
  slot: Slot,
  staged: Staged,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  nowMs: i64,
): i32 {
  const stored = put(
    partition, slot, staged.hash, staged.key, staged.keyWord, value, valueBytes, expiryMs, thread, nowMs,
  );
  if (stored) {
    noteSet(partition, staged.key, staged.keyWord, value, valueBytes, expiryMs);
    return STORED;
  }
  const isFull = slot == 0 && !mayEvict() && partition.entries >= partition.maxEntries;
  return isFull ? -<i32>ERROR_ENTRIES_FULL : -<i32>ERROR_OUT_OF_MEMORY;
}

/** SET with everything already read: STORED, NOT_STORED, NO_ROOM_FOR_OLD, or minus a status. */
export function setValue(
  thread: u32,
  staged: Staged,
  value: Address,
  valueBytes: u32,
  ttlMs: i64,
  flags: u32,
  version: u64,
  out: Address,
  limit: Address,
  nowMs: i64,
): i32 {
  if (flags == 0) return setPlainly(thread, staged, value, valueBytes, ttlMs, nowMs);
  if (valueBytes > header().maxValueBytes) return -<i32>ERROR_VALUE_TOO_LARGE;
  const partition = partitionOf(staged);
  lock(partition, thread);
  const slot = findStaged(partition, staged, nowMs);
  let outcome = checkConditions(thread, slot, flags, version, out, limit);
  if (outcome == STORED) {
    const keepsExpiry = (flags & SET_KEEPTTL) != 0 && slot != 0;
    const expiryMs = keepsExpiry ? expiryOfSlot(slot) : ttlMs > 0 ? nowMs + ttlMs : 0;
    outcome = storeHeld(thread, partition, slot, staged, value, valueBytes, expiryMs, nowMs);
  }
  unlock(partition);
  return outcome;
}

@inline
export function expiryOfSlot(slot: Slot): i64 {
  const address = entryOf(slot);
  return keyExpiryOf(address);
}

/** A version as the host gives it: below 0, it stands in the thread's scratch, being more than an f64 holds. */
@inline
export function versionGiven(thread: u32, version: f64): u64 {
  return version < 0 ? load<u64>(scratchOf(thread)) : <u64>version;
}

/** Under the lock: STORED when the flags let the value in the slot (0: none) be replaced. */
export function checkConditions(
  thread: u32,
  slot: Slot,
  flags: u32,
  version: u64,
  out: Address,
  limit: Address,
): i32 {
  if (flags & SET_GET) {
    if (slot == 0) {
      oldValueEnd = writeNil(out);
    } else {
      if (isCollection(slot)) return -<i32>ERROR_WRONG_TYPE;
      oldValueEnd = copyHeld(slot, out, limit);
      if (oldValueEnd == NO_ROOM) {
        const address = entryOf(slot);
        const chain = chainOf(address, entryAt(address));
        if (chain == 0 || chain != blockOf(thread).knownOld) return NO_ROOM_FOR_OLD;
        oldValueEnd = out;
      }
    }
  }
  if (flags & SET_NX && slot != 0) return NOT_STORED;
  if (flags & SET_XX && slot == 0) return NOT_STORED;
  if (flags & SET_IFVERSION) {
    if (slot == 0) return NOT_STORED;
    const address = entryOf(slot);
    const entryFlags = entryAt(address).flags;
    if (!(entryFlags & HAS_VERSION)) return NOT_STORED;
    if (load<u64>(versionAddress(address, entryFlags)) != version) return NOT_STORED;
  }
  return STORED;
}

export function set(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const value = staged.key + lengthOf(staged.keyWord);
  let valueEnd = staged.end;
  let ttlMs: i64 = 0;
  if (staged.argCount == 3) {
    valueEnd = skipBlob(value, staged.end);
    ttlMs = commonTtl(valueEnd);
  }
  if (staged.argCount > 3 || ttlMs == NO_COMMON_TTL) return setByArguments(thread, staged, value, out, limit, nowMs);
  const outcome = setPlainly(thread, staged, value, valueEnd - value, ttlMs, nowMs);
  return outcome < 0 ? writeError(out, -outcome) : writeBoolean(out, true);
}

/** SET with flags, or a time to live that is something special. */
function setByArguments(
  thread: u32,
  staged: Staged,
  value: Address,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const valueEnd = skipBlob(value, staged.end);
  let ttlMs: i64 = 0;
  let flags: u32 = 0;
  let version: u64 = 0;
  let at = valueEnd;
  if (!isNil(at)) {
    if (integerOf(at) != IS_INTEGER) return writeError(out, ERROR_TTL);
    ttlMs = lastInteger();
    if (ttlMs < 0 || ttlMs > MAX_TTL_MS) return writeError(out, ERROR_TTL);
  }
  let hasVersion = false;
  if (staged.argCount > 3) {
    at = skipValue(at, staged.end);
    if (!isNil(at)) {
      if (integerOf(at) != IS_INTEGER || lastInteger() < 0 || lastInteger() > <i64>SET_ALL) {
        return writeError(out, ERROR_FLAGS);
      }
      flags = <u32>lastInteger();
    }
    if (staged.argCount > 4) {
      at = skipValue(at, staged.end);
      if (!isNil(at)) {
        if (integerOf(at) != IS_INTEGER || lastInteger() < 0) return writeError(out, ERROR_VERSION);
        version = <u64>lastInteger();
        hasVersion = true;
      }
    }
  }
  if (flagsConflict(flags, ttlMs)) return writeError(out, ERROR_FLAGS_CONFLICT);
  if (((flags & SET_IFVERSION) != 0) != hasVersion) return writeError(out, ERROR_VERSION);
  const outcome = setValue(
    thread, staged, value, valueEnd - value, ttlMs, flags, version, out, limit, nowMs,
  );
  if (outcome == NO_ROOM_FOR_OLD) return 0;
  if (outcome < 0) return writeError(out, -outcome);
  return flags & SET_GET ? oldValueEnd : writeBoolean(out, outcome == STORED);
}

/** The entry's version. Gives it one if it has none yet, which needs the lock and perhaps a larger chunk. */
export function getVersioned(
  thread: u32,
  staged: Staged,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  let end = out;
  if (slot == 0) {
    blockOf(thread).misses += 1;
    if (isNamespaced(staged.keyWord)) countMiss(thread, staged.key);
    end = writeNil(out);
  } else if (isCollection(slot)) {
    end = writeError(out, ERROR_WRONG_TYPE);
  } else {
    end = copyVersioned(partition, thread, staged, slot, out, limit, nowMs);
  }
  unlock(partition);
  return end;
}

function copyVersioned(
  partition: Partition,
  thread: u32,
  staged: Staged,
  slot: Slot,
  out: Address,
  limit: Address,
  nowMs: i64,
): Address {
  const end = copyHeld(slot, out + 1, limit - 16);
  if (end == NO_ROOM) return 0;
  const version = versionOf(partition, thread, slot, staged.key, staged.keyWord, nowMs);
  if (version == 0) return writeError(out, ERROR_OUT_OF_MEMORY);
  store<u8>(out, 0x92);
  return writeInteger(end, <i64>version);
}

/** The version of the entry in a slot, which counts as a hit. Gives it one if it has none; 0: out of memory. */
export function versionOf(
  partition: Partition,
  thread: u32,
  slot: Slot,
  key: Address,
  keyWord: KeyWord,
  nowMs: i64,
): u64 {
  let address = entryOf(slot);
  const flags = <u32>entryAt(address).flags;
  if (!(flags & HAS_VERSION)) {
    address = reshape(partition, slot, (flags & HAS_EXPIRY) | HAS_VERSION, thread, nowMs);
    if (address == 0) return 0;
    renewVersion(partition, address, entryAt(address).flags);
  }
  mark(partition, slot);
  blockOf(thread).hits += 1;
  if (isNamespaced(keyWord)) countHit(thread, key);
  return load<u64>(versionAddress(address, entryAt(address).flags));
}
