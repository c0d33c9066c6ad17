/*
 * Readers of the change log (changelog.ts): the log is on while there is one, whichever thread he is in.
 */
import { GRANULE_BYTES, GRANULE_MASK, granuleBehind, NEXT, OLDEST, skipNumber, startRecords } from './changelog';
import { KeyWord, lengthOf } from './entry';
import { hashKey } from './hash';
import { Address, Header, header, PageNumber } from './layout';
import { isLocked, lock, lockToRead, orderLoads, readIsValid, readWord, unlock } from './lock';
import { claimPage, givePage, PAGE_LOG, pageAddress, pageInfo, pageOf, takePage } from './pages';
import { logOf, Partition, partitionAt, partitionIndex, partitionOfHash } from './partition';
import { reclaimPage } from './room';
import { ERROR_OUT_OF_MEMORY } from './status';
import { blockOf, identityAddress, replyArea, requestArea, ThreadBlock } from './threads';

/** Pages that a new ring may ask for when the pool is empty: other threads may be faster to take one from it. */
const MAX_RECLAIMS: u32 = 16;
/** Looks at a position without the lock. */
const ATTEMPTS: u32 = 8;
/**
 * Looks for records: the granule may be dropped meanwhile, which takes another look, and may end where the position is;
 * in the next one there is a record.
 */
const MAX_LOOKS: u32 = 4;

/** Makes a partition's ring. Under its lock. False: there are not so many pages to be had, and nothing was done. */
function turnOn(partition: Partition, pages: u32, thread: u32, nowMs: i64): bool {
  let first: PageNumber = 0;
  let last: PageNumber = 0;
  while (partition.logPages < pages) {
    const page = takePageSurely(partition, thread, nowMs);
    if (page == 0) {
      dropPages(partition, first);
      return false;
    }
    claimPage(page, PAGE_LOG, 0, partitionIndex(partition));
    if (last) pageInfo(last).next = page;
    else first = page;
    last = page;
    partition.logPages += 1;
  }
  pageInfo(last).next = first;
  const at = pageAddress(first);
  startRecords(logOf(partition), at);
  partition.logHead = at;
  return true;
}

function takePageSurely(partition: Partition, thread: u32, nowMs: i64): PageNumber {
  for (let i: u32 = 0; i < MAX_RECLAIMS; i++) {
    const page = takePage();
    if (page) return page;
    if (!reclaimPage(partition, thread, nowMs)) return 0;
  }
  return 0;
}

function turnOff(partition: Partition): void {
  const first = pageOf(partition.logHead);
  skipNumber(logOf(partition));
  partition.logHead = 0;
  dropPages(partition, first);
}

/** Gives back as many pages as the partition has in its log, from `page` on. */
function dropPages(partition: Partition, page: PageNumber): void {
  while (partition.logPages) {
    const next = pageInfo(page).next;
    givePage(page);
    partition.logPages -= 1;
    page = next;
  }
}

@inline
function readersAddress(thread: u32): usize {
  return changetype<usize>(blockOf(thread)) + offsetof<ThreadBlock>('logReaders');
}

/** Whether a thread that has the arena open has a reader. */
function isRead(): bool {
  for (let thread: u32 = 0; thread < header().maxThreads; thread++) {
    if (atomic.load<u64>(identityAddress(thread)) != 0 && atomic.load<u32>(readersAddress(thread)) != 0) return true;
  }
  return false;
}

/**
 * A reader more in this thread. Turns the log on where it is off, with so many pages for each partition, and leaves the
 * reader's positions in the reply area (`writePosition`), one after the other. Minus a status when there is no memory.
 *
 * The reader is counted before any partition is locked, and `settleLog` counts under a partition's lock: so either it
 * sees this reader, or this thread finds that partition's log off and turns it on again.
 */
export function attachLog(thread: u32, pages: u32, nowMs: f64): i32 {
  atomic.add<u32>(readersAddress(thread), 1);
  let out = replyArea(thread);
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const partition = partitionAt(i);
    lock(partition, thread);
    const isOn = partition.logHead != 0 || turnOn(partition, pages, thread, <i64>nowMs);
    if (isOn) writePosition(out, partition.logHead, logOf(partition).next);
    unlock(partition);
    if (!isOn) {
      detachLog(thread);
      return -<i32>ERROR_OUT_OF_MEMORY;
    }
    out += POSITION_BYTES;
  }
  return 0;
}

/** A reader less in this thread. */
export function detachLog(thread: u32): void {
  atomic.sub<u32>(readersAddress(thread), 1);
  settleLog(thread);
}

/** The thread has no reader any more: it has ended, or closes. `settleLog` is to follow. */
export function forgetReaders(thread: u32): void {
  atomic.store<u32>(readersAddress(thread), 0);
}

/** Turns the log off if there is no reader; to be called when there may be one less. */
export function settleLog(thread: u32): void {
  for (let i: u32 = 0; i < header().partitionCount; i++) {
    const partition = partitionAt(i);
    if (atomic.load<u32>(changetype<usize>(partition) + offsetof<Partition>('logHead')) == 0) continue;
    lock(partition, thread);
    if (partition.logHead != 0 && !isRead()) turnOff(partition);
    unlock(partition);
  }
}

/*
 * Reading.
 */

/** A position as the host gets it: the number of the next record as f64, and where it will stand. */
export const POSITION_BYTES: u32 = 16;

@inline
function writePosition(out: Address, at: Address, number: u64): void {
  store<f64>(out, <f64>number);
  store<u32>(out, at, 8);
}

/**
 * Copies records of a partition to the reply area, from number `position` on, which stands at `at`: first the position
 * behind them, then the records. Their bytes: 0: there are none yet. -1: some were lost, and the position is that of
 * the present.
 */
export function readLog(thread: u32, index: u32, at: Address, position: f64): i32 {
  const partition = partitionAt(index);
  const log = changetype<usize>(logOf(partition));
  const out = replyArea(thread);
  const records = out + POSITION_BYTES;
  const number = <u64>position;
  const low = pageAddress(header().firstPage);
  for (let i: u32 = 0; i < MAX_LOOKS; i++) {
    // The lower half is stored in one piece also where a u64 is not, and says enough.
    const unread = atomic.load<u32>(log + NEXT) - <u32>number;
    const oldest = atomic.load<u64>(log + OLDEST);
    if (oldest > number) break;
    if (unread == 0) return 0;
    // The position may be at the end of the granule before, which is then another one's already.
    if (oldest == number) at = logOf(partition).oldestAt;
    if (at < low || at >= header().endAddress) break;
    // Loaded after `next`, so in this granule it is not before the end of what `next` publishes.
    const head = atomic.load<u32>(changetype<usize>(partition) + offsetof<Partition>('logHead'));
    const rest = GRANULE_BYTES - (at & GRANULE_MASK);
    const bytes = head > at && head - at < rest ? head - at : rest;
    memory.copy(records, at, bytes);
    orderLoads();
    const oldestThen = atomic.load<u64>(log + OLDEST);
    if (oldestThen > number) break;
    // The same, while the bytes were copied.
    if (oldestThen == number && oldest != number) continue;
    let taken: u32 = 0;
    let count: u32 = 0;
    while (count < unread && taken < bytes) {
      const words = <u32>load<u16>(records + taken);
      if (words == 0) break;
      taken += words << 3;
      count += 1;
    }
    if (count) {
      writePosition(out, at + taken, number + <u64>count);
      return <i32>taken;
    }
    at = granuleBehind(at);
  }
  writePresent(thread, partition, out);
  return -1;
}

/** The position behind all records there are. */
function writePresent(thread: u32, partition: Partition, out: Address): void {
  for (let i: u32 = 0; i < ATTEMPTS; i++) {
    const word = readWord(partition);
    if (isLocked(word)) continue;
    writePosition(out, partition.logHead, logOf(partition).next);
    if (readIsValid(partition, word)) return;
  }
  lockToRead(partition, thread);
  writePosition(out, partition.logHead, logOf(partition).next);
  unlock(partition);
}

/** Where a partition stands, for the host's look at its lock. */
export function partitionAddress(index: u32): Address {
  return changetype<u32>(partitionAt(index));
}

/** Where the number of a partition's next record stands. */
export function logNextAddress(index: u32): Address {
  return changetype<u32>(logOf(partitionAt(index))) + <u32>NEXT;
}

export function logSleepersAddress(): Address {
  return <u32>offsetof<Header>('logSleepers');
}

export function logGrewAddress(): Address {
  return <u32>offsetof<Header>('logGrew');
}

/** The partition of the key at the start of the request area. */
export function partitionOfKey(thread: u32, keyWord: KeyWord): u32 {
  return partitionIndex(partitionOfHash(hashKey(requestArea(thread), lengthOf(keyWord))));
}
