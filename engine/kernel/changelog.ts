/*
 * The change log: what became of entries, by partition, in order. One ring of pages per partition, written under the
 * partition's lock, read by any number of readers without it. It is there while somebody reads: a partition's `logHead`
 * is 0 otherwise, and a write pays for that one branch.
 *
 * Ring: pages linked by PageInfo.next, each cut into granules of 16 KiB. A record lies in one granule. When the head
 * enters a granule, all records that were in it are dropped at once; nobody waits for readers.
 *
 *   granule   record, record, ..., u16 0 (no more records), unused, in its last 8 bytes the number of its first record
 *
 * Record, a multiple of 8 bytes:
 *   +0  words       u16   of 8 bytes, all of it
 *   +2  keyBytes    u16
 *   +4  kind        u8    LOG_SET, LOG_DELETE, LOG_EXPIRE, LOG_CLEAR, LOG_EFFECT
 *   +5  detail      u8    LOG_DELETE: the reason; else VALUE_LEFT_OUT; and bits: HAS_TIME, NAMESPACED, STAMPED, REMOTE
 *   +6  valueBytes  u16
 *   +8  expiry      i64   HAS_TIME: Unix time in ms
 *       stamp       u64   STAMPED: of the write (hybridclock.ts); of what expired or was evicted, that which it had
 *       base        u64   STAMPED, of LOG_EXPIRE and LOG_EFFECT: the stamp that the entry had before, 0: there was none
 *       key         keyBytes; NAMESPACED: with its prefix (namespaces.ts), of LOG_CLEAR that alone, the new one
 *       value       valueBytes, msgpack; of LOG_EFFECT (effects.ts) the command that made the entry what it is
 * Its number is one more than that of the record before. A key of 16 bytes and a value of 32 make a cache line.
 *
 * Log, at the end of the partition:
 *   +0  next      u64   number of the next record; stored last, it publishes the record before
 *   +8  oldest    u64   number of the oldest record; raised before that record is written over
 *   +16 oldestAt  u32   where it stands
 *
 * Numbers are contiguous while the log is on, and never repeat. Where something is missing, because the log was off or
 * a thread died in a write, one number is left out, and `oldest` stands behind it: whoever kept a position before it
 * is told that he lost changes.
 *
 * Memory order. A reader loads `next`, copies the records before it, and then loads `oldest`: if his first record is
 * not older, then nobody began to write over the copied bytes before the copy was done. That takes
 * - that a record's bytes are visible before `next` (fence or x86 between the stores), and loaded after it;
 * - that `oldest` is visible before a byte of what is written over it (likewise), and is loaded after the copy.
 * A position at the end of a granule has the number of the first record of the next one. So when `oldest` is that very
 * number, the granule that the position lies in may be in use again, and the record stands at `oldestAt`.
 * Until then the copy may be garbage, so nothing in it is looked at. A reader's memory stays a log's as long as he is
 * attached; should it not be (recovery of a partition), `oldest` was raised first.
 *
 * Sleeping. A reader who found nothing new sets `logSleepers`, and then looks at each partition once more: at its lock,
 * then at `next`. A partition that is unlocked by then was left by every writer that cannot have seen `logSleepers`,
 * and what they wrote is visible; every later one takes the lock, sees `logSleepers` behind it, and wakes. So a writer
 * needs no fence of its own, only one load. Where a partition is locked, the reader does not go to sleep yet.
 */
import { copyBytes } from './bytes';
import {
  CHAINED,
  chainSkip,
  COLLECTION,
  copyFromChain,
  entryAt,
  firstPiece,
  isNamespaced,
  keyAddress,
  KeyWord,
  keyWordOf,
  lengthOf,
  LONG_KEY,
  NAMESPACED_KEY,
  PENDING,
  valueAddress,
  valueBytesOf,
} from './entry';
import { keyExpiryOf } from './collections/root';
import { isGiven, isStamped, lastStamp, nextStamp, restamp, stampAt } from './hybridclock';
import { Address, Header, header, LARGE_BYTES, PAGE_BYTES } from './layout';
import { orderStores } from './lock';
import { pageAddress, pageInfo, pageOf } from './pages';
import { countSet } from './rows';
import { logOf, Partition, partitionAt } from './partition';

/** What a partition knows of its log. */
@unmanaged
export class Log {
  next: u64;
  oldest: u64;
  oldestAt: Address;
  spare: u32;
}

export const NEXT: usize = offsetof<Log>('next');
export const OLDEST: usize = offsetof<Log>('oldest');

export const LOG_SET: u32 = 1;
export const LOG_DELETE: u32 = 2;
export const LOG_EXPIRE: u32 = 3;
export const LOG_CLEAR: u32 = 4;
export const LOG_EFFECT: u32 = 5;

/* Why an entry is no more. */
export const LOG_DELETED: u32 = 0;
export const LOG_EXPIRED: u32 = 1;
export const LOG_EVICTED: u32 = 2;
/** Its namespace was cleared, which the log has told. */
export const LOG_CLEARED: u32 = 3;

/** The value is too large for a record; whoever wants it reads the entry. */
export const LOG_VALUE_LEFT_OUT: u32 = 1;
export const LOG_HAS_TIME: u32 = 0x80;
export const LOG_NAMESPACED: u32 = 0x40;
/** In the arena of a node that is one of several. */
export const LOG_STAMPED: u32 = 0x10;
/** It came from another node (apply.ts), and need not be told there. */
export const LOG_REMOTE: u32 = 0x20;

/**
 * The unit in which old records are dropped, and a quarter of the smallest ring: so three quarters of any ring are
 * always readable.
 */
export const GRANULE_BYTES: u32 = 16384;
export const GRANULE_MASK: u32 = GRANULE_BYTES - 1;
export const RECORD_HEAD_BYTES: u32 = 8;
/** What records may take of a granule: there is room behind them to say that they end, and for the number. */
export const MAX_RECORD: u32 = GRANULE_BYTES - 16;
const NUMBER: u32 = GRANULE_BYTES - 8;

/** The number of the first record of the granule that `at` lies in. */
@inline
export function granuleNumber(at: Address): u64 {
  return load<u64>(at & ~GRANULE_MASK, NUMBER);
}

/** The granule behind the one that `at` lies in. */
@inline
export function granuleBehind(at: Address): Address {
  const behind = (at | GRANULE_MASK) + 1;
  return behind & (PAGE_BYTES - 1) ? behind : pageAddress(pageInfo(pageOf(at)).next);
}

/*
 * Writing. Under the partition's lock, while `logHead` is not 0.
 */

/** Ends the granule that `at` lies in, and drops the records of the next one; where that begins. */
function enterGranule(log: Log, at: Address): Address {
  store<u16>(at, 0);
  const entered = granuleBehind(at);
  if (entered == log.oldestAt) {
    log.oldestAt = granuleBehind(entered);
    // Every granule begins with a record once the head has been there.
    atomic.store<u64>(changetype<usize>(log) + OLDEST, granuleNumber(log.oldestAt));
    orderStores();
  }
  store<u64>(entered, log.next, NUMBER);
  return entered;
}

/**
 * Begins the record of a change; where its key goes, or 0 when it is too long for a granule. `publish` makes it
 * visible.
 */
@inline
export function beginRecord(
  partition: Partition,
  log: Log,
  kind: u32,
  detail: u32,
  keyWord: KeyWord,
  valueBytes: u32,
  expiryMs: i64,
  stamp: u64,
  base: u64,
): Address {
  const keyBytes = lengthOf(keyWord);
  if (isNamespaced(keyWord)) detail |= LOG_NAMESPACED;
  let fields = RECORD_HEAD_BYTES;
  if (expiryMs != 0) {
    fields += 8;
    detail |= LOG_HAS_TIME;
  }
  const stampAt = fields;
  if (stamp != 0) {
    fields += hasBase(kind) ? 16 : 8;
    detail |= LOG_STAMPED;
  }
  const bytes = (fields + keyBytes + valueBytes + 7) & ~7;
  let at = partition.logHead;
  if ((at & GRANULE_MASK) + bytes > MAX_RECORD) {
    if (bytes > MAX_RECORD) return 0;
    at = enterGranule(log, at);
  }
  const head = (bytes >> 3) | (keyBytes << 16);
  store<u64>(at, <u64>head | (<u64>(kind | (detail << 8) | (valueBytes << 16)) << 32));
  if (expiryMs != 0) store<i64>(at, expiryMs, RECORD_HEAD_BYTES);
  if (stamp != 0) {
    store<u64>(at + stampAt, stamp);
    if (hasBase(kind)) store<u64>(at + stampAt, base, 8);
  }
  partition.logHead = at + bytes;
  return at + fields;
}

/** Whether a record of this kind with a stamp has that of the entry before, too. */
@inline
export function hasBase(kind: u32): bool {
  return kind == LOG_EXPIRE || kind == LOG_EFFECT;
}

/** What is said of a change by somebody else than this node. */
@inline
function origin(): u32 {
  return isGiven() ? LOG_REMOTE : 0;
}

@inline
export function publish(log: Log): void {
  orderStores();
  log.next += 1;
  if (header().logSleepers) wakeReaders();
}

function wakeReaders(): void {
  if (atomic.xchg<u32>(offsetof<Header>('logSleepers'), 0) == 0) return;
  const grew: usize = offsetof<Header>('logGrew');
  atomic.add<u32>(grew, 1);
  atomic.notify(grew, -1);
}

/** Whether there is a log. Racy: it may be about to come or go, partition by partition. */
@inline
export function isLogging(): bool {
  return partitionAt(0).logHead != 0;
}

/** A line of the cache. */
const LINE_BYTES: u32 = 64;

/**
 * Touches where the next records will go (exec.ts). A ring comes round to memory that no near cache holds any more, and
 * the store that gives the lock back waits for all stores before it.
 */
@inline
export function touchLog(partition: Partition): u32 {
  const head = partition.logHead;
  if (head == 0) return 0;
  // Two records of moderate size, wherever they begin: a group of commands often writes in a partition twice.
  return load<u32>(head) + load<u32>(head, LINE_BYTES) + load<u32>(head, 2 * LINE_BYTES);
}

/** Counts a write, and logs it where somebody reads. `expiryMs` 0: none. */
@inline
export function noteSet(
  partition: Partition,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
): void {
  partition.sets += 1;
  if (isNamespaced(keyWord)) countSet(partition, key);
  if (partition.logHead) logSet(partition, key, keyWord, value, valueBytes, expiryMs, lastStamp(), origin());
}

/** Fields of a hash have expired: that is told of as a change of the hash, but is no write of anybody's. */
@inline
export function noteFieldsGone(partition: Partition, address: Address, expiryMs: i64): void {
  // A half (whole.ts) is not told of.
  if (partition.logHead == 0 || (entryAt(address).flags & PENDING) != 0) return;
  const key = keyAddress(address, entryAt(address).flags);
  const stamp = isStamped() ? stampAt(address) : 0;
  logSet(partition, key, keyWordOf(address), key, LARGE_BYTES, expiryMs, stamp, 0);
}

function logSet(
  partition: Partition,
  key: Address,
  keyWord: KeyWord,
  value: Address,
  valueBytes: u32,
  expiryMs: i64,
  stamp: u64,
  detail: u32,
): void {
  const log = logOf(partition);
  const keyBytes = lengthOf(keyWord);
  if (!fitsRecord(keyBytes, valueBytes)) {
    valueBytes = 0;
    detail |= LOG_VALUE_LEFT_OUT;
  }
  const at = beginRecord(partition, log, LOG_SET, detail, keyWord, valueBytes, expiryMs, stamp, 0);
  if (at == 0) return breakLog(partition);
  if (value == key + keyBytes) {
    // As they lie in a frame.
    copyBytes(at, key, keyBytes + valueBytes);
  } else {
    copyBytes(at, key, keyBytes);
    copyBytes(at + keyBytes, value, valueBytes);
  }
  publish(log);
}

/** `noteSet` of what the key's entry in the table is now. */
@inline
export function noteStored(partition: Partition, key: Address, keyWord: KeyWord, address: Address): void {
  partition.sets += 1;
  if (isNamespaced(keyWord)) countSet(partition, key);
  if (partition.logHead) logStored(partition, key, keyWord, address);
}

function logStored(partition: Partition, key: Address, keyWord: KeyWord, address: Address): void {
  const entry = entryAt(address);
  const expiryMs = keyExpiryOf(address);
  // Of a collection no value is told, as of a long one: whoever wants it reads it.
  const valueBytes = entry.flags & COLLECTION ? LARGE_BYTES : valueBytesOf(address, entry);
  const keyBytes = lengthOf(keyWord);
  const stamp = isStamped() ? stampAt(address) : 0;
  const isInPieces = (entry.flags & CHAINED) != 0 && fitsRecord(keyBytes, valueBytes);
  if (!isInPieces) {
    // Of a longer chain nothing but the length is looked at.
    return logSet(partition, key, keyWord, valueAddress(address, entry), valueBytes, expiryMs, stamp, origin());
  }
  const log = logOf(partition);
  const at = beginRecord(partition, log, LOG_SET, origin(), keyWord, valueBytes, expiryMs, stamp, 0);
  if (at == 0) return breakLog(partition);
  copyBytes(at, key, keyBytes);
  const low = pageAddress(header().firstPage);
  const first = firstPiece(address, entry);
  copyFromChain(first, chainSkip(entry), valueBytes, at + keyBytes, low, header().endAddress);
  publish(log);
}

/** Whether a record has room for a value; with the longest head there is, so that its fate does not depend on that. */
@inline
export function fitsRecord(keyBytes: u32, valueBytes: u32): bool {
  return valueBytes + keyBytes <= MAX_RECORD - RECORD_HEAD_BYTES - (isStamped() ? 24 : 8);
}

/** An entry in the table goes, for one of the reasons above. */
@inline
export function noteDelete(partition: Partition, address: Address, reason: u32): void {
  if (partition.logHead == 0 || reason == LOG_CLEARED) return;
  const isWrite = reason == LOG_DELETED;
  const stamp = isStamped() ? (isWrite ? nextStamp(partition) : stampAt(address)) : 0;
  logDelete(partition, address, reason | (isWrite ? origin() : 0), stamp);
}

export function logDelete(partition: Partition, address: Address, detail: u32, stamp: u64): void {
  const log = logOf(partition);
  const entry = entryAt(address);
  const keyBytes = <u32>entry.keyBytes;
  const at = beginRecord(partition, log, LOG_DELETE, detail, keyWordOf(address), 0, 0, stamp, 0);
  if (at == 0) return breakLog(partition);
  if (entry.flags & LONG_KEY) {
    const low = pageAddress(header().firstPage);
    copyFromChain(firstPiece(address, entry), 0, chainSkip(entry), at, low, header().endAddress);
  } else {
    copyBytes(at, keyAddress(address, entry.flags), keyBytes);
  }
  publish(log);
}

/** An entry has another expiry, which is a write of it: its stamp is the next one. 0: none. */
@inline
export function noteExpiry(
  partition: Partition,
  address: Address,
  key: Address,
  keyWord: KeyWord,
  expiryMs: i64,
): void {
  const base = isStamped() ? restamp(partition, address) : 0;
  if (partition.logHead) logExpiry(partition, key, keyWord, expiryMs, base);
}

function logExpiry(partition: Partition, key: Address, keyWord: KeyWord, expiryMs: i64, base: u64): void {
  const log = logOf(partition);
  const at = beginRecord(partition, log, LOG_EXPIRE, origin(), keyWord, 0, expiryMs, lastStamp(), base);
  if (at == 0) return breakLog(partition);
  copyBytes(at, key, lengthOf(keyWord));
  publish(log);
}

/** All entries of the partition are gone. */
export function noteClear(partition: Partition): void {
  if (partition.logHead == 0) return;
  const log = logOf(partition);
  beginRecord(partition, log, LOG_CLEAR, 0, 0, 0, 0, isStamped() ? nextStamp(partition) : 0, 0);
  publish(log);
}

/** All entries of a namespace are gone, in every partition; from now on its keys have this prefix. */
export function noteNamespaceClear(partition: Partition, prefix: u32): void {
  if (partition.logHead == 0) return;
  const log = logOf(partition);
  const at = beginRecord(partition, log, LOG_CLEAR, 0, NAMESPACED_KEY | 4, 0, 0, 0, 0);
  store<u32>(at, prefix);
  publish(log);
}

/**
 * Something changed that the log cannot tell, such as a key that no granule holds: it drops all that it holds, and
 * every reader is told that he lost changes.
 */
export function breakLog(partition: Partition): void {
  if (partition.logHead == 0) return;
  const log = logOf(partition);
  const at = pageAddress(pageOf(partition.logHead));
  skipNumber(log);
  startRecords(log, at);
  partition.logHead = at;
  if (header().logSleepers) wakeReaders();
}

/** The next record will be the oldest, and stand at the start of a granule. */
export function startRecords(log: Log, at: Address): void {
  log.oldestAt = at;
  store<u64>(at, log.next, NUMBER);
}

/** Leaves a number out, and so puts every position behind the present. */
export function skipNumber(log: Log): void {
  const next = log.next + 1;
  atomic.store<u64>(changetype<usize>(log) + OLDEST, next);
  orderStores();
  log.next = next;
}
