/*
 * CLOCK (F. J. Corbato, "A Paging Experiment with the Multics System", 1968): entries stand in a ring in order of
 * insertion; a hit sets the entry's mark; the hand passes marked entries, clearing the mark, and evicts the first
 * unmarked one. The ring is the memory of the class's pages (slab.ts), the marks lie in the table (table.ts).
 */
import { CHUNK_FREE, CHUNK_PIECE, entryAt, hashOfEntry, isExpired, pieceAt } from '../entry';
import { Address, PageNumber } from '../layout';
import { pageAddress, pageInfo } from '../pages';
import { classInfo, Partition } from '../partition';
import { chunkBytesOf } from '../slab';
import { clearMark, findEntry, isMarked } from '../table';
import { evictEntry, isPinned } from './removal';

/**
 * Marked entries the hand passes before it takes the next one regardless: the bound of one eviction's time (some 10 us
 * of cache misses). Without it a cache of a million entries that were all used would be swept whole in one step.
 */
const MAX_SECOND_CHANCES: u32 = 128;

export function evictByClock(partition: Partition, sizeClass: u32, nowMs: i64): bool {
  const info = classInfo(partition, sizeClass);
  if (info.handPage == 0) return false;
  const size = chunkBytesOf(sizeClass);
  // Two turns: the first may find nothing but marks to clear. A third would find nothing new.
  let pagesLeft = 2 * info.pages + 1;
  let chances: u32 = 0;
  let page: PageNumber = info.handPage;
  let index: u32 = info.handIndex;
  while (pagesLeft > 0) {
    const pages = pageInfo(page);
    if (index >= <u32>pages.bump) {
      page = pages.next;
      index = 0;
      pagesLeft -= 1;
      continue;
    }
    const chunk: Address = pageAddress(page) + index * size;
    index += 1;
    const kind = entryAt(chunk).kind;
    if (kind == CHUNK_FREE) continue;
    const victim = kind == CHUNK_PIECE ? pieceAt(chunk).owner : chunk;
    if (isPinned(partition, victim)) continue;
    const hash = hashOfEntry(victim);
    const slot = findEntry(hash, victim);
    if (slot == 0) continue;
    if (
      isMarked(slot) &&
      chances < MAX_SECOND_CHANCES &&
      !isExpired(victim, entryAt(victim), nowMs)
    ) {
      clearMark(slot);
      chances += 1;
      continue;
    }
    info.handPage = page;
    info.handIndex = index;
    evictEntry(partition, slot, hash, nowMs);
    return true;
  }
  info.handPage = page;
  info.handIndex = index;
  return false;
}
