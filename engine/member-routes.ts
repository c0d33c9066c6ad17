/**
 * Where a key belongs in the memory of a member of a cluster: in one of its arenas, or with another
 * member. Which slots are this member's, the tables in the arenas say (slot-table.ts); the
 * cluster's thread writes them, all threads read them.
 */
import type { Key } from './api.js';
import type { ArenaSet } from './arena-set.js';
import { MAX_KEY_BYTES } from './commands.js';
import { SlabringError } from './errors.js';
import { Access, Service, SlotTable } from './slot-table.js';
import { slotOf, slotOfText } from './slots.js';

/** Which of the arenas a key belongs to. */
export interface KeyRoutes {
  arenaOf(key: Key): number;
}

export class MemberRoutes implements KeyRoutes {
  readonly #table: SlotTable;
  readonly #arenas: KeyRoutes | undefined;
  readonly #services: number;

  /**
   * @param isForWriting whether keys are wanted on which this member runs all commands; false: also
   *   those of which it has a copy
   * @throws SlabringError `OPTION` when the arenas were made without `slots`
   */
  constructor(set: ArenaSet, isForWriting: boolean) {
    this.#table = new SlotTable(set);
    this.#arenas = set.routes;
    this.#services = isForWriting ? Access.OWNER : Access.REPLICA;
  }

  /**
   * 0 for what is no key: whoever writes it there will say so.
   * @throws SlabringError `MOVED` when the key is not this member's
   */
  arenaOf(key: Key): number {
    const slot = slotOfKey(key);
    if (slot !== undefined && !this.#table.serves(slot, this.#services)) this.#refuse(slot);
    return this.#arenas?.arenaOf(key) ?? 0;
  }

  /** Whether `arenaOf` would not throw. */
  has(key: Key): boolean {
    const slot = slotOfKey(key);
    return slot === undefined || this.#table.serves(slot, this.#services);
  }

  #refuse(slot: number): never {
    const text = this.#table.serves(slot, Service.READS)
      ? `this member only has a copy of slot ${slot}; cache.cluster writes where it belongs`
      : `this member does not have slot ${slot}; cache.cluster asks the one that has it`;
    throw new SlabringError('MOVED', text);
  }
}

/** undefined: it is no key. */
function slotOfKey(key: Key): number | undefined {
  if (typeof key === 'string') {
    return key.length > 0 && key.length <= MAX_KEY_BYTES ? slotOfText(key) : undefined;
  }
  return key instanceof Uint8Array && key.length > 0 ? slotOf(key) : undefined;
}
