/**
 * The arenas of one cache: one up to 3,840 MiB of memory, several of equal size beyond. Every
 * arena is a whole cache of a share of the keys, with its own partitions, pages and counters; a key
 * is in the arena that engine/route.ts says. A set of one arena is that arena, and costs nothing.
 */
import { randomInt } from 'node:crypto';
import {
  Arena,
  type ArenaFacts,
  type ArenaHandle,
  type ArenaOptions,
  type ArenaStats,
  MAX_MEMORY_BYTES as MAX_ARENA_BYTES,
} from './arena.js';
import { SlabringError } from './errors.js';
import { declareEnded } from './liveness.js';
import { Routes } from './route.js';
import { show } from './units.js';
import { startUpkeep } from './upkeep.js';

/** Arenas are numbered in a byte, and each costs a frame a call. */
export const MAX_ARENAS = 64;
/** 240 GiB. */
export const MAX_SET_BYTES = MAX_ARENAS * MAX_ARENA_BYTES;

export interface ArenaSetOptions extends ArenaOptions {
  /** How many, from 1 to MAX_ARENAS. Default: as few as can hold `memoryBytes`. */
  readonly arenas?: number;
}

export interface ArenaSetFacts extends ArenaFacts {
  /** How many. */
  readonly arenas: number;
}

/** What another thread needs to attach; passes through `workerData` and `postMessage`. */
export interface ArenaSetHandle {
  readonly arenas: readonly ArenaHandle[];
  readonly facts: ArenaSetFacts;
  readonly routeSeed: number;
}

/** Sizes of arenas are whole pages, so that they are equal. */
const PAGE_BYTES = 64 * 1024;

/** As few arenas as can hold so much. */
export function arenasFor(memoryBytes: number): number {
  return Math.max(1, Math.ceil(memoryBytes / MAX_ARENA_BYTES));
}

/** The options of arena number `index` of so many. */
function shareOf(options: ArenaSetOptions, arenas: number, index: number): ArenaOptions {
  const { arenas: _, memoryBytes, maxEntries, ...given } = options;
  // The first arena's structures serve all.
  const rest = index === 0 ? given : { ...given, structures: false };
  if (arenas === 1)
    return { ...rest, memoryBytes, ...(maxEntries !== undefined && { maxEntries }) };
  const bytes = Math.floor(memoryBytes / arenas / PAGE_BYTES) * PAGE_BYTES;
  if (maxEntries === undefined) return { ...rest, memoryBytes: bytes };
  const share = Math.floor(maxEntries / arenas) + (index < maxEntries % arenas ? 1 : 0);
  return { ...rest, memoryBytes: bytes, maxEntries: share };
}

export class ArenaSet {
  /**
   * Makes the arenas; the calling thread is attached to all of them.
   * @throws SlabringError `OPTION` naming the option that is wrong, and what is allowed
   */
  static create(options: ArenaSetOptions): ArenaSet {
    const count = options.arenas ?? arenasFor(options.memoryBytes);
    if (!Number.isInteger(count) || count < 1 || count > MAX_ARENAS) {
      throw new SlabringError(
        'OPTION',
        `arenas must be a whole number from 1 to ${MAX_ARENAS}, not ${count}`,
      );
    }
    const { maxEntries } = options;
    if (count > 1 && maxEntries !== undefined && maxEntries < count) {
      throw new SlabringError(
        'OPTION',
        `maxEntries must be at least the number of arenas, ${count}, not ${maxEntries}`,
      );
    }
    const arenas = openAll(count, (index) => Arena.create(shareOf(options, count, index)));
    const first = arenas[0]!.facts;
    const facts: ArenaSetFacts = {
      ...first,
      memoryBytes: count * first.memoryBytes,
      maxEntries,
      arenas: count,
    };
    const handles = arenas.map(({ handle }) => handle);
    return new ArenaSet({ arenas: handles, facts, routeSeed: randomInt(2 ** 32) }, arenas);
  }

  /**
   * Attaches the calling thread to a set that another thread made.
   * @throws SlabringError `OPTION` when the handle is none of this version, or all thread slots are
   *   taken
   */
  static attach(handle: ArenaSetHandle): ArenaSet {
    if (!Array.isArray(handle?.arenas) || handle.arenas.length === 0 || !handle.facts) {
      throw new SlabringError('OPTION', 'the handle is not one that share() returned');
    }
    const { arenas: handles } = handle as ArenaSetHandle;
    return new ArenaSet(
      handle,
      openAll(handles.length, (index) => Arena.attach(handles[index]!)),
    );
  }

  readonly handle: ArenaSetHandle;
  readonly facts: ArenaSetFacts;
  readonly arenas: readonly Arena[];
  /** Which arena a key belongs to; undefined with one arena. */
  readonly routes: Routes | undefined;

  private constructor(handle: ArenaSetHandle, arenas: readonly Arena[]) {
    this.handle = handle;
    this.facts = handle.facts;
    this.arenas = arenas;
    this.routes = arenas.length > 1 ? new Routes(handle.routeSeed, arenas.length) : undefined;
  }

  /** The sums over all arenas; a thread is attached to all of them, and counts once. */
  stats(): ArenaStats {
    const [total, ...others] = this.arenas.map((arena) => ({ ...arena.stats() })) as [
      Writable<ArenaStats>,
      ...ArenaStats[],
    ];
    const { threads } = total;
    for (const stats of others) {
      for (const name of Object.keys(stats) as (keyof ArenaStats)[]) total[name] += stats[name];
    }
    total.threads = threads;
    total.hitRatio = total.hits === 0 ? 0 : total.hits / (total.hits + total.misses);
    return total;
  }

  /** The first broken rule as text, or undefined; of several arenas, with the arena's number. */
  checkIntegrity(): string | undefined {
    for (const [index, arena] of this.arenas.entries()) {
      const broken = arena.checkIntegrity();
      if (broken !== undefined) return this.routes ? `arena ${index}: ${broken}` : broken;
    }
    return undefined;
  }

  /** Removes every entry. */
  clear(): void {
    for (const arena of this.arenas) arena.clear();
  }

  /**
   * Begins with this thread's upkeep of all arenas. It goes on until they are closed here.
   * @returns ends it at once
   */
  startUpkeep(): () => void {
    const stops = this.arenas.map((arena) => startUpkeep(arena));
    return () => {
      for (const stop of stops) stop();
    };
  }

  /**
   * `Arena.reapThreads` of all arenas; how many slots of the arena that had most.
   * @param endedThreadId Node's id of a thread that the caller knows to have ended: for systems
   *   without /proc, which do not tell
   * @throws SlabringError `OPTION`
   */
  reapThreads(endedThreadId?: number): number {
    if (endedThreadId !== undefined) {
      if (!Number.isInteger(endedThreadId) || endedThreadId < 0) {
        const found = show(endedThreadId);
        throw new SlabringError(
          'OPTION',
          `reapThreads takes the threadId of a worker (read before it ends), not ${found}`,
        );
      }
      declareEnded(endedThreadId);
    }
    return Math.max(...this.arenas.map((arena) => arena.reapThreads()));
  }

  /** Gives the thread's slots back; the set must not be used through this object any more. */
  close(): void {
    closeAll(this.arenas);
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** All or none. */
function openAll(count: number, open: (index: number) => Arena): Arena[] {
  const arenas: Arena[] = [];
  try {
    for (let index = 0; index < count; index++) arenas.push(open(index));
  } catch (error) {
    closeAll(arenas);
    throw error;
  }
  return arenas;
}

/**
 * The first one last. Whoever has a slot in the first arena then finds one in the others, because
 * only who has one in the first can have one there.
 */
function closeAll(arenas: readonly Arena[]): void {
  for (const arena of arenas.toReversed()) arena.close();
}
