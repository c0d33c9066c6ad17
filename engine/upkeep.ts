/**
 * Upkeep as the host sees it: a timer per thread and arena that lets the kernel do its slices
 * (engine/kernel/upkeep.ts), among them the removal of what has expired. It keeps neither the
 * process alive nor an arena that nobody closed and nobody has any more.
 */
import type { Arena } from './arena.js';

/** A delay for `setTimeout`: other work of the thread comes in between slices. */
const NEXT_TURN_MS = 1;

/** Slices in a row, each below 0.3 ms, before other work of the thread has its turn. */
const SLICES_PER_TURN = 3;

/**
 * Begins with the upkeep of an arena in this thread. It goes on until the arena is closed here.
 * @returns ends it at once
 */
export function startUpkeep(arena: Arena): () => void {
  const held = new WeakRef(arena);
  let timer = later(NEXT_TURN_MS);

  // An unref'd immediate would wait for the next event; a timer does not.
  function later(ms: number): NodeJS.Timeout {
    return setTimeout(run, ms).unref();
  }

  function run(): void {
    const kept = held.deref();
    if (kept === undefined || kept.closed) return;
    timer = later(keepUp(kept));
  }

  return () => clearTimeout(timer);
}

/** Does some slices; the milliseconds until it wants to be called again. */
function keepUp({ kernel, slot }: Arena): number {
  for (let i = 0; i < SLICES_PER_TURN; i++) {
    const waitMs = kernel.upkeep(slot, Date.now());
    if (waitMs > 0) return waitMs;
  }
  return NEXT_TURN_MS;
}
