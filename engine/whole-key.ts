/**
 * Keys as a whole: read on one node, and made on another so that they are there what they are here,
 * with the same stamp. Replication does that where a record tells too little (log-record.ts): a
 * large value, or a collection of which a change was missed.
 *
 * whole-reader.ts argues why what was read is one state, whole-writer.ts why nobody sees what is
 * half made, whole-piece.ts draws what travels in between. Collections travel as their items, so
 * both nodes may keep them in different ways.
 */
import type { Arena } from './arena.js';
import type { ArenaSet } from './arena-set.js';
import { MAX_KEY_BYTES } from './commands.js';
import { SlabringError } from './errors.js';
import { Replica } from './replica.js';
import { KeyReader } from './whole-reader.js';
import { KeyWriter } from './whole-writer.js';

export type { Outcome } from './whole-writer.js';
export { KeyReader, KeyWriter };

/** Reads and makes keys of a node, whose arenas this thread is attached to. */
export class WholeKeys {
  readonly #arenas: ArenaSet;
  readonly #replicas: readonly Replica[];
  readonly #now: () => number;

  /**
   * @param now the clock, in ms of Unix time
   * @throws SlabringError `OPTION` when the arenas were not made with the option `node`
   */
  constructor(arenas: ArenaSet, now: () => number) {
    this.#arenas = arenas;
    this.#replicas = arenas.arenas.map((arena) => new Replica(arena));
    this.#now = now;
  }

  /** @throws SlabringError `OPTION` when it is no key */
  read(key: Uint8Array): KeyReader {
    return new KeyReader(this.#placeOf(key).arena, key, this.#now);
  }

  /** @throws SlabringError `OPTION` when it is no key */
  write(key: Uint8Array): KeyWriter {
    const { arena, replica } = this.#placeOf(key);
    return new KeyWriter(arena, replica, key, this.#now);
  }

  #placeOf(key: Uint8Array): { arena: Arena; replica: Replica } {
    if (key.length === 0 || key.length > MAX_KEY_BYTES) {
      throw new SlabringError('OPTION', `a key has 1 to ${MAX_KEY_BYTES} bytes, not ${key.length}`);
    }
    const index = this.#arenas.routes?.arenaOf(key) ?? 0;
    return { arena: this.#arenas.arenas[index]!, replica: this.#replicas[index]! };
  }
}
