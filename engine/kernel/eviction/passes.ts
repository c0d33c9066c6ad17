/*
 * Entries in use that a write may still pass over while it evicts. Each eviction has a bound of its own, some dozens;
 * but a write that needs a page may evict a thousand entries, and where all are in use, passing over dozens for each
 * took 3 to 20 ms. Once the write's passes are used up, it takes what comes next.
 */

/** A tenth of a millisecond or two, of cache misses. */
const PASSES_OF_A_WRITE: u32 = 2048;

/* Of the write at hand. Set at its start: not state. */
let passesLeft: u32 = 0;

/** To be called before the first eviction of a write. */
@inline
export function startPasses(): void {
  passesLeft = PASSES_OF_A_WRITE;
}

/** Whether one more may be passed over. */
@inline
export function mayPass(): bool {
  if (passesLeft == 0) return false;
  passesLeft -= 1;
  return true;
}
