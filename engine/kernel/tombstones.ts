/*
 * Tombstones: that a key was deleted, and by which stamp (hybridclock.ts), is remembered for a while, because an older
 * write of it may still be under way from another node. Only applying what other nodes tell (apply.ts) makes and heeds
 * them.
 *
 * A tombstone is an entry of the kind CHUNK_TOMBSTONE, without a value, whose stamp is that of the deletion and which
 * expires as others do. It is PENDING (entry.ts), and so beside whatever entry its key has: no lookup of the key finds
 * it, and readers pay nothing for it. It is no entry to those who count or walk them, goes without being told of, and
 * may be evicted.
 */
import {
  CHUNK_BLOB,
  CHUNK_TOMBSTONE,
  entryAt,
  flagsOfKey,
  HAS_EXPIRY,
  HAS_VERSION,
  KeyWord,
  NAMESPACED,
  PENDING,
  PENDING_KEY,
  versionAddress,
} from './entry';
import { LOG_CLEARED } from './changelog';
import { changeExpiry } from './enrollment';
import { isStamped, stampAt } from './hybridclock';
import { Address } from './layout';
import { Partition } from './partition';
import { leaveNamespace } from './rows';
import { add, KIND_SHIFT } from './store';
import { entryOf, homeBucket, keyIs, matchTag, MAX_PROBE, nextBucket, overflowOf, Slot, tagOf } from './table';

/** The slot of the entry beside a key's that is a tombstone, or of the one that is none (pending.ts); 0: there is none. */
export function findBeside(hash: u32, key: Address, keyWord: KeyWord, isTombstone: bool): Slot {
  const tag = tagOf(hash);
  let bucket = homeBucket(hash);
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    for (let bits = matchTag(bucket, tag); bits; bits &= bits - 1) {
      const slot = bucket + <u32>ctz(bits);
      const address = entryOf(slot);
      if ((entryAt(address).kind == CHUNK_TOMBSTONE) != isTombstone) continue;
      if (keyIs(address, key, keyWord | PENDING_KEY)) return slot;
    }
    if (overflowOf(bucket) == 0) break;
    bucket = nextBucket(bucket);
  }
  return 0;
}

/** The stamp of the key's tombstone; 0: it has none. Under the lock. */
@inline
export function tombstoneOf(partition: Partition, hash: u32, key: Address, keyWord: KeyWord): u64 {
  return partition.tombstones == 0 ? 0 : stampOfTombstone(hash, key, keyWord);
}

function stampOfTombstone(hash: u32, key: Address, keyWord: KeyWord): u64 {
  const slot = findBeside(hash, key, keyWord, true);
  return slot ? stampAt(entryOf(slot)) : 0;
}

/** The highest stamp that there is of a key whose entry stands in `slot` (0: none): its own, or its tombstone's; or 0. */
export function newestOf(partition: Partition, slot: Slot, hash: u32, key: Address, keyWord: KeyWord): u64 {
  const buried = tombstoneOf(partition, hash, key, keyWord);
  return slot ? max<u64>(stampAt(entryOf(slot)), buried) : buried;
}

/** What stands in place of a stamp in a half (whole.ts) is below. As a stamp that were the first second of 1970. */
const HALVES_END: u64 = 1 << 32;

/** Whether a PENDING entry stays so beyond a hold of the lock: it is a tombstone, or a half (whole.ts). */
@inline
export function isBeside(address: Address): bool {
  return entryAt(address).kind == CHUNK_TOMBSTONE || (isStamped() && stampAt(address) < HALVES_END);
}

/** Remembers until some time that a key was deleted by the stamp at hand (`giveStamp`). False: out of memory. */
export function leaveTombstone(
  partition: Partition,
  hash: u32,
  key: Address,
  keyWord: KeyWord,
  stamp: u64,
  expiryMs: i64,
  thread: u32,
  nowMs: i64,
): bool {
  const slot = partition.tombstones ? findBeside(hash, key, keyWord, true) : 0;
  if (slot) {
    const address = entryOf(slot);
    store<u64>(versionAddress(address, entryAt(address).flags), stamp);
    return changeExpiry(partition, slot, hash, expiryMs, thread, nowMs);
  }
  const kindFlags = <u32>(CHUNK_TOMBSTONE - CHUNK_BLOB) << KIND_SHIFT;
  const flags = kindFlags | flagsOfKey(keyWord | PENDING_KEY) | HAS_EXPIRY | HAS_VERSION;
  if (!add(partition, hash, key, keyWord, 0, 0, flags, expiryMs, thread, nowMs)) return false;
  partition.tombstones += 1;
  return true;
}

/** An entry goes that is beside another one, or of a namespace: how it is counted and told of (removal.ts). */
export function reasonOfOther(partition: Partition, address: Address, reason: u32): u32 {
  const entry = entryAt(address);
  if (entry.flags & PENDING && isBeside(address)) {
    partition.tombstones -= 1;
    return LOG_CLEARED;
  }
  return entry.flags & NAMESPACED ? leaveNamespace(partition, address, reason) : reason;
}
