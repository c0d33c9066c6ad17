/*
 * Whether a partition's log (changelog.ts) is whole, and what is done about it after a death.
 */
import {
  breakLog,
  GRANULE_BYTES,
  GRANULE_MASK,
  granuleBehind,
  granuleNumber,
  MAX_RECORD,
  skipNumber,
} from './changelog';
import { Header, header, PAGE_BYTES, PageNumber } from './layout';
import { givePage, PAGE_LOG, pageBelongs, pageInfo, pageKind, pageOf } from './pages';
import { logOf, Partition, partitionIndex } from './partition';

/**
 * Makes the log of a partition whose writer died at any step whatever sound, and tells every reader that he lost
 * changes: the last write may have been done and not logged. Trusted is what recovery.ts trusts: page infos. If the
 * ring is not whole, it was just being made for a reader in the thread that died, or given back: then the log is off.
 */
export function recoverLog(partition: Partition): void {
  const index = partitionIndex(partition);
  const end = atomic.load<u32>(offsetof<Header>('poolBump'));
  let pages: u32 = 0;
  for (let page: PageNumber = header().firstPage; page < end; page++) {
    if (isLogPage(page, index)) pages += 1;
  }
  partition.logPages = pages;
  if (partition.logHead != 0 && isRing(partition)) return breakLog(partition);
  skipNumber(logOf(partition));
  partition.logHead = 0;
  for (let page: PageNumber = header().firstPage; page < end; page++) {
    if (isLogPage(page, index)) givePage(page);
  }
  partition.logPages = 0;
}

@inline
function isLogPage(page: PageNumber, partition: u32): bool {
  return pageBelongs(page, partition) && pageKind(page) == PAGE_LOG;
}

/** Whether a partition's log is well-formed: its ring, and its records from the oldest on. Under its lock. */
export function isLogSound(partition: Partition): bool {
  if (partition.logHead == 0) return partition.logPages == 0;
  return isRing(partition) && areRecordsSound(partition);
}

/** Whether the pages that `logHead` lies in are a ring of as many as there are. */
function isRing(partition: Partition): bool {
  const index = partitionIndex(partition);
  const first = pageOf(partition.logHead);
  let page = first;
  for (let i: u32 = 0; i < partition.logPages; i++) {
    if (page < header().firstPage || page >= header().endPage || !isLogPage(page, index)) return false;
    page = pageInfo(page).next;
    if (page == first && i + 1 < partition.logPages) return false;
  }
  return page == first;
}

function areRecordsSound(partition: Partition): bool {
  const log = logOf(partition);
  const granules = partition.logPages * (PAGE_BYTES / GRANULE_BYTES);
  const page = pageOf(log.oldestAt);
  if (page < header().firstPage || page >= header().endPage) return false;
  if (log.oldest > log.next || !isLogPage(page, partitionIndex(partition))) return false;
  let at = log.oldestAt;
  let number = log.oldest;
  for (let granule: u32 = 0; granule < granules; granule++) {
    if (granuleNumber(at) != number) return false;
    while (number < log.next) {
      const words = <u32>load<u16>(at);
      if (words == 0) break;
      if ((at & GRANULE_MASK) + (words << 3) > MAX_RECORD) return false;
      at += words << 3;
      number += 1;
    }
    if (number == log.next) return at == partition.logHead;
    at = granuleBehind(at);
  }
  return false;
}
