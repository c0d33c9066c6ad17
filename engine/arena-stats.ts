/** What an arena counts. */

/**
 * Totals since the arena was created. Read while others write, so the numbers need not add up to
 * the last one.
 */
export interface ArenaStats {
  readonly entries: number;
  /** Of these, the entries in namespaces. */
  readonly namespaceEntries: number;
  /** Bytes of keys and values. */
  readonly payloadBytes: number;
  /** Bytes of chunks in use: payload, entry headers, slack of the size classes. */
  readonly chunkBytes: number;
  /** Bytes of the budget in use: bookkeeping, index, slab pages, change log. */
  readonly usedBytes: number;
  readonly memoryBytes: number;
  readonly slabPages: number;
  readonly indexPages: number;
  /** Pages of the change log, while somebody reads it. */
  readonly logPages: number;
  readonly freePages: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits of all reads, 0 to 1; 0 before the first one. */
  readonly hitRatio: number;
  readonly sets: number;
  readonly deletes: number;
  readonly evictions: number;
  readonly expired: number;
  readonly commands: number;
  readonly frames: number;
  /** Threads attached now. */
  readonly threads: number;
  readonly tableSplits: number;
  /** Locks that were taken over from threads that ended with them in their hands. */
  readonly takeovers: number;
  /** Partitions that had to be emptied then, because they could not be left as they were. */
  readonly partitionsEmptied: number;
  /** Entries lost so. */
  readonly entriesLost: number;
}

/**
 * Reads what the kernel's `collectStats` wrote, in the order in which it did.
 * @param memoryBytes the arena's budget
 */
export function readStats(
  totals: readonly number[],
  memoryBytes: number,
  pageBytes: number,
): ArenaStats {
  const [entries, payloadBytes, chunkBytes, slabPages, indexPages, freePages] = totals;
  const [hits, misses, sets, deletes, evictions, expired] = totals.slice(7);
  const [commands, frames, threads, tableSplits, headBytes] = totals.slice(13);
  const [takeovers, partitionsEmptied, entriesLost, logPages, namespaceEntries] = totals.slice(18);
  return {
    entries: entries!,
    namespaceEntries: namespaceEntries!,
    payloadBytes: payloadBytes!,
    chunkBytes: chunkBytes!,
    usedBytes: headBytes! + (slabPages! + indexPages! + logPages!) * pageBytes,
    memoryBytes,
    slabPages: slabPages!,
    indexPages: indexPages!,
    logPages: logPages!,
    freePages: freePages!,
    hits: hits!,
    misses: misses!,
    hitRatio: hits! === 0 ? 0 : hits! / (hits! + misses!),
    sets: sets!,
    deletes: deletes!,
    evictions: evictions!,
    expired: expired!,
    commands: commands!,
    frames: frames!,
    threads: threads!,
    tableSplits: tableSplits!,
    takeovers: takeovers!,
    partitionsEmptied: partitionsEmptied!,
    entriesLost: entriesLost!,
  };
}
