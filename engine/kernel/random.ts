/*
 * A key at random, of all keys of no namespace or of one, each as likely as any other.
 *
 * A draw takes any entry, by its number: the partition and the segment that it falls into, as they count their entries,
 * then the slot. If it is not one of those wanted, or expired, another is drawn. Where nearly all are not, what comes
 * behind the last draw is taken instead, and then a key behind many unwanted entries is somewhat more likely.
 */
import { copyBytes } from './bytes';
import {
  copyFromChain,
  entryAt,
  firstPiece,
  isExpired,
  keyAddress,
  keyPrefixOf,
  LONG_KEY,
  NAMESPACED,
  PENDING,
} from './entry';
import { Address, header } from './layout';
import { lockToRead, unlock } from './lock';
import { numberOf } from './namespaces';
import { pageAddress, pageInfo, pageOf } from './pages';
import { Partition, partitionAt, partitionIndex } from './partition';
import { rowAt } from './rows';
import {
  BUCKET_BYTES,
  BUCKET_INDEX_MASK,
  entryOf,
  MAX_PROBE,
  nextBucket,
  occupiedIn,
  segmentOf,
  Slot,
} from './table';
import { replyArea } from './threads';

/** Draws of a few microseconds each. With one entry in ten wanted, one call in thirty needs more. */
const MAX_DRAWS: u32 = 32;
/** Of the keys of a namespace. */
const PREFIX_BYTES: u32 = 4;
const ABSENT: i32 = -1;

/* Arguments of `randomKey`, set at its start. Not state. */
let wantedPrefix: u32 = 0;
let nowMs: i64 = 0;
/** Goes on from the number that the host drew (splitmix64). */
let randomState: u64 = 0;

/** A whole number from 0 to below `count`. */
function below(count: u64): u64 {
  randomState += 0x9e3779b97f4a7c15;
  let z = randomState;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (((z ^ (z >> 31)) >> 32) * count) >> 32;
}

/** Entries of the partition that are wanted, expired ones too. Without the lock it may be a little wrong. */
function countWanted(partition: Partition, prefix: u32): u32 {
  if (prefix == 0) return partition.entries - min<u32>(partition.spaced + partition.tombstones, partition.entries);
  const row = rowAt(partition, numberOf(prefix));
  return row.prefix == prefix ? row.entries : 0;
}

/**
 * How many entries there are of the namespace with this prefix (0: of none), expired ones too until they are met.
 * Racy by nature.
 */
export function countEntries(prefix: u32): f64 {
  let entries: u64 = 0;
  for (let i: u32 = 0; i < header().partitionCount; i++) entries += countWanted(partitionAt(i), prefix);
  return <f64>entries;
}

/**
 * Copies a random key to the reply area, without its prefix; its length, or ABSENT where none was found.
 * @param seed a random whole number
 * @param prefix of the namespace's keys; 0: keys of none
 */
export function randomKey(thread: u32, seed: f64, nowMillis: f64, prefix: u32): i32 {
  wantedPrefix = prefix;
  nowMs = <i64>nowMillis;
  randomState = <u64>seed;
  for (let i: u32 = 0; i < MAX_DRAWS; i++) {
    const partition = drawPartition(false);
    if (changetype<u32>(partition) == 0) return ABSENT;
    lockToRead(partition, thread);
    const slot = drawSlot(partition);
    const length = slot != 0 && isWanted(slot) ? copyKey(slot, replyArea(thread)) : ABSENT;
    unlock(partition);
    if (length != ABSENT) return length;
  }
  const partition = drawPartition(true);
  return changetype<u32>(partition) == 0 ? ABSENT : findFrom(thread, partition);
}

/**
 * A partition that has wanted entries, each as likely as it has many of them; or, while what is drawn may be refused,
 * as it has many entries of any sort. None: there are no such entries.
 */
function drawPartition(byWanted: bool): Partition {
  const count = header().partitionCount;
  let total: u64 = 0;
  for (let i: u32 = 0; i < count; i++) total += weightOf(partitionAt(i), byWanted);
  let found: Partition = changetype<Partition>(0);
  let left = below(total);
  for (let i: u32 = 0; i < count; i++) {
    const partition = partitionAt(i);
    const weight = weightOf(partition, byWanted);
    // The last one is taken where others have written meanwhile, and the sum is less.
    if (weight) found = partition;
    if (left < weight) break;
    left -= weight;
  }
  return found;
}

@inline
function weightOf(partition: Partition, byWanted: bool): u64 {
  const wanted = countWanted(partition, wantedPrefix);
  return wanted == 0 || byWanted ? wanted : partition.entries;
}

/** The slot of any entry of the partition, or 0: it has none. Under the lock. */
function drawSlot(partition: Partition): Slot {
  let left = <u32>below(partition.entries);
  let last: Address = 0;
  for (let i: u32 = 0; i <= partition.directoryMask; i++) {
    const segment = load<u32>(partition.directory + (i << 2));
    if (segment == last) continue;
    last = segment;
    const count = <u32>pageInfo(pageOf(segment)).count;
    if (left < count) return slotNumber(segment, left);
    left -= count;
  }
  return 0;
}

/** The slot of the entry that is number `left` of a segment, from 0 on. */
function slotNumber(segment: Address, left: u32): Slot {
  for (let bucket = segment; bucket < segment + MAX_PROBE * BUCKET_BYTES; bucket += BUCKET_BYTES) {
    let bits = occupiedIn(bucket);
    const count = <u32>popcnt(bits);
    if (left >= count) {
      left -= count;
      continue;
    }
    for (; left > 0; left--) bits &= bits - 1;
    return bucket + <u32>ctz(bits);
  }
  return 0;
}

function isWanted(slot: Slot): bool {
  const address = entryOf(slot);
  const entry = entryAt(address);
  // A tombstone is no key's.
  if (entry.flags & PENDING || isExpired(address, entry, nowMs)) return false;
  if (!(entry.flags & NAMESPACED)) return wantedPrefix == 0;
  return wantedPrefix != 0 && keyPrefixOf(address) == wantedPrefix;
}

function copyKey(slot: Slot, out: Address): i32 {
  const address = entryOf(slot);
  const entry = entryAt(address);
  const skip = wantedPrefix ? PREFIX_BYTES : 0;
  const bytes = <u32>entry.keyBytes - skip;
  if (entry.flags & LONG_KEY) {
    const low = pageAddress(header().firstPage);
    copyFromChain(firstPiece(address, entry), skip, bytes, out, low, header().endAddress);
  } else {
    copyBytes(out, keyAddress(address, entry.flags) + skip, bytes);
  }
  return <i32>bytes;
}

/** The first wanted key from a random bucket of the partition on, all round it, segment by segment. */
function findFrom(thread: u32, partition: Partition): i32 {
  const shift = header().partitionShift;
  const first = <u32>(<u64>partitionIndex(partition) << shift);
  const size = <u64>1 << shift;
  let at = below(size);
  // Each segment once, and the first one again; as many as there are now, for more may come meanwhile.
  for (let left = partition.segments + 1; left > 0; left--) {
    lockToRead(partition, thread);
    const hash = first | <u32>at;
    const segment = segmentOf(hash);
    const depth = <u32>pageInfo(pageOf(segment)).sizeClass;
    const slot = wantedIn(segment, hash & BUCKET_INDEX_MASK);
    const length = slot ? copyKey(slot, replyArea(thread)) : ABSENT;
    unlock(partition);
    if (length != ABSENT) return length;
    at = ((at | ((<u64>0xffff_ffff) >> depth)) + 1) & (size - 1);
  }
  return ABSENT;
}

/** The first slot of a wanted entry in a segment, all round it from a bucket on; 0: it has none. */
function wantedIn(segment: Address, firstBucket: u32): Slot {
  let bucket = segment + firstBucket * BUCKET_BYTES;
  for (let probe: u32 = 0; probe < MAX_PROBE; probe++) {
    for (let bits = occupiedIn(bucket); bits; bits &= bits - 1) {
      const slot = bucket + <u32>ctz(bits);
      if (isWanted(slot)) return slot;
    }
    bucket = nextBucket(bucket);
  }
  return 0;
}
