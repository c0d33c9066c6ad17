/*
 * LOCK, UNLOCK, EXTEND: leases. A lease is an entry with an expiry whose value is the msgpack array [owner, fence]:
 *
 *   +0  0x92
 *   +1  owner   str or bin, as it was given, with the shortest header
 *       0xcf    and the fence, u64: always 9 bytes, so that the next lease of the same owner fits where this one stands
 *
 * The fence comes from a counter of the whole arena that starts at the time of its creation. So no lease of the key had
 * as large a number before, whether it was released, ran out, was evicted, or the cache was made anew. (The counters of
 * partitions would not do: a namespace's key is in another partition after each clear.)
 */
import { noteExpiry } from '../changelog';
import { copyBytes, equalBytes } from '../bytes';
import { lengthOf } from '../entry';
import { Address } from '../layout';
import { lock, unlock } from '../lock';
import {
  bytesOf,
  integerOf,
  IS_INTEGER,
  lastInteger,
  lastLength,
  writeBoolean,
  writeInteger,
  writeNil,
} from '../msgpack';
import { Partition } from '../partition';
import { findLive } from '../read';
import { expireAt } from '../reshape';
import { partitionOf, Staged } from '../staging';
import { ERROR_LEASE_TTL, ERROR_NOT_A_LEASE, ERROR_OUT_OF_MEMORY, ERROR_OWNER, writeError } from '../status';
import { stampKey } from '../stamps';
import { nextOfArena } from '../store';
import { mark } from '../marks';
import { entryOf, Slot } from '../table';
import { deleteEntry } from '../tombstones';
import { MAX_TTL_MS, storeHeld } from './blob';
import { bytesInSlot, shortValue } from './short';

/** More than any name of a host, process and task, or a UUID; little enough for a lease to be made where replies go. */
const MAX_OWNER_BYTES: u32 = 128;
/** Bytes of a fence with its head. */
const FENCE_BYTES: u32 = 9;
/** An array's head, and that of an owner of up to 255 bytes. */
const HEAD_BYTES: u32 = 3;
const MAX_LEASE_BYTES: u32 = HEAD_BYTES + MAX_OWNER_BYTES + FENCE_BYTES;

/* What the arguments say; set by `readArguments` and read right after it. Not state. */
let owner: Address = 0;
let ownerBytes: u32 = 0;
/** Whether the owner was given as text. */
let isText: bool = false;
let ttlMs: i64 = 0;

/** Reads owner and, where there is one, time to live; what is wrong with them, or 0. */
function readArguments(staged: Staged): u32 {
  const at = staged.key + lengthOf(staged.keyWord);
  const head = <u32>load<u8>(at);
  owner = bytesOf(at);
  ownerBytes = lastLength();
  if (owner == 0 || ownerBytes - 1 >= MAX_OWNER_BYTES) return ERROR_OWNER;
  isText = head < 0xc0 || head >= 0xd9;
  if (staged.argCount < 3) return 0;
  if (integerOf(owner + ownerBytes) != IS_INTEGER) return ERROR_LEASE_TTL;
  ttlMs = lastInteger();
  return ttlMs < 1 || ttlMs > MAX_TTL_MS ? ERROR_LEASE_TTL : 0;
}

const IS_HELD: u32 = 0;
const IS_OTHERS: u32 = 1;
const NO_LEASE: u32 = 2;

/**
 * Whose the lease in a slot is: that of the owner in the arguments, another's, or it is none. `out`: where the reply
 * will go.
 */
function whose(out: Address, slot: Slot): u32 {
  const value = shortValue(out, slot, MAX_LEASE_BYTES);
  if (value == 0 || load<u8>(value) != 0x92) return NO_LEASE;
  const holder = bytesOf(value + 1);
  const holderBytes = lastLength();
  if (holder == 0 || holderBytes - 1 >= MAX_OWNER_BYTES) return NO_LEASE;
  const fence = holder + holderBytes;
  if (fence + FENCE_BYTES != value + bytesInSlot(slot) || load<u8>(fence) != 0xcf) return NO_LEASE;
  return holderBytes == ownerBytes && equalBytes(holder, owner, ownerBytes) ? IS_HELD : IS_OTHERS;
}

/** Writes a lease of the owner in the arguments; the address behind it. */
function writeLease(out: Address, fence: u64): Address {
  store<u8>(out, 0x92);
  let at = out + 1;
  if (isText && ownerBytes < 32) {
    store<u8>(at, <u8>(0xa0 | ownerBytes));
    at += 1;
  } else {
    store<u8>(at, isText ? 0xd9 : 0xc4);
    store<u8>(at, <u8>ownerBytes, 1);
    at += 2;
  }
  copyBytes(at, owner, ownerBytes);
  at += ownerBytes;
  store<u8>(at, 0xcf);
  store<u64>(at, bswap<u64>(fence), 1);
  return at + FENCE_BYTES;
}

/** LOCK: the fence, or nil while somebody else has the lease. Its owner gets it anew, with another fence. */
export function acquire(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const wrong = readArguments(staged);
  if (wrong) return writeError(out, wrong);
  const partition = partitionOf(staged);
  lock(partition, thread);
  const end = acquireHeld(partition, thread, staged, out, nowMs);
  unlock(partition);
  return end;
}

function acquireHeld(partition: Partition, thread: u32, staged: Staged, out: Address, nowMs: i64): Address {
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  if (slot) {
    const holder = whose(out, slot);
    if (holder == NO_LEASE) return writeError(out, ERROR_NOT_A_LEASE);
    if (holder == IS_OTHERS) return writeNil(out);
  }
  const fence = nextOfArena();
  const bytes = writeLease(out, fence) - out;
  const outcome = storeHeld(thread, partition, slot, staged, out, bytes, nowMs + ttlMs, nowMs);
  return outcome < 0 ? writeError(out, -outcome) : writeInteger(out, <i64>fence);
}

/** UNLOCK: true when the owner had the lease. */
export function release(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return ofOwner(false, thread, staged, out, nowMs);
}

/** EXTEND: true when the owner has the lease, which now lasts so much from now on. The fence stays. */
export function extend(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return ofOwner(true, thread, staged, out, nowMs);
}

function ofOwner(isExtended: bool, thread: u32, staged: Staged, out: Address, nowMs: i64): Address {
  const wrong = readArguments(staged);
  if (wrong) return writeError(out, wrong);
  const partition = partitionOf(staged);
  lock(partition, thread);
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  const holder = slot ? whose(out, slot) : IS_OTHERS;
  let isDone = true;
  if (holder == IS_HELD) {
    if (isExtended) {
      isDone = prolong(partition, thread, slot, staged, nowMs);
    } else {
      deleteEntry(partition, slot, staged.hash, staged.key, staged.keyWord, nowMs);
      partition.deletes += 1;
    }
  }
  unlock(partition);
  if (holder == NO_LEASE) return writeError(out, ERROR_NOT_A_LEASE);
  return isDone ? writeBoolean(out, holder == IS_HELD) : writeError(out, ERROR_OUT_OF_MEMORY);
}

function prolong(partition: Partition, thread: u32, slot: Slot, staged: Staged, nowMs: i64): bool {
  const expiryMs = nowMs + ttlMs;
  stampKey(staged.hash);
  if (!expireAt(partition, slot, staged.hash, expiryMs, thread, nowMs)) return false;
  noteExpiry(partition, entryOf(slot), staged.key, staged.keyWord, expiryMs);
  mark(partition, slot);
  return true;
}
