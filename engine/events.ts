/**
 * `cache.on()`: listeners, fed from the change log, which is on while there is one.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Change, ClearChange, DeleteChange, OverrunChange, SetChange } from './change.js';
import { Changes, type ChangesOptions, type ChangesSource } from './changes.js';
import { SlabringError } from './errors.js';
import { show } from './units.js';

/** Events of a cache, whichever thread caused them. */
export interface CacheEvents {
  /** A value was stored. */
  set: SetChange;
  /** An entry was removed by a command. */
  deleted: DeleteChange;
  /** An entry's time was up, and its memory was taken back. */
  expired: DeleteChange;
  /** An entry went because room was needed. */
  evicted: DeleteChange;
  /** All entries of a partition were removed. */
  cleared: ClearChange;
  /** Events were lost: this thread was too slow. */
  overrun: OverrunChange;
}

type Listener = (change: never) => void;

const TYPE_OF: Readonly<Record<keyof CacheEvents, Change['type']>> = {
  set: 'set',
  deleted: 'delete',
  expired: 'delete',
  evicted: 'delete',
  cleared: 'clear',
  overrun: 'overrun',
};

const EVENT_NAMES = Object.keys(TYPE_OF) as (keyof CacheEvents)[];

/** Changes handed out before the rest of the program gets its turn. */
const BATCH = 256;

/** Who watches a cache in this thread: its open `Changes`, and its listeners. */
export class Observers {
  readonly #source: ChangesSource;
  readonly #open = new Set<Changes>();
  readonly #listeners = new Map<keyof CacheEvents, Set<Listener>>();
  #changes: Changes | undefined;

  constructor(source: ChangesSource) {
    this.#source = source;
  }

  /** @throws SlabringError `OPTION`, `OOM` */
  changes(options?: ChangesOptions): Changes {
    const changes = new Changes(this.#source, options, () => this.#open.delete(changes));
    this.#open.add(changes);
    return changes;
  }

  /** Ends all of them. */
  close(): void {
    for (const changes of this.#open) changes.close();
  }

  /**
   * Calls `listener` at each `event`; the function returned stops that.
   * @throws SlabringError `OPTION`
   */
  on<Name extends keyof CacheEvents>(
    event: Name,
    listener: (change: CacheEvents[Name]) => void,
  ): () => void {
    if (!EVENT_NAMES.includes(event)) {
      throw new SlabringError(
        'OPTION',
        `there is no event ${show(event)}; there are ${EVENT_NAMES.join(', ')}`,
      );
    }
    if (typeof listener !== 'function') {
      throw new SlabringError('OPTION', `a listener is a function, not ${show(listener)}`);
    }
    if (this.#changes === undefined) {
      const changes = this.changes({ keepAlive: false });
      this.#changes = changes;
      void this.#run(changes);
    }
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    // Each call of `on` counts, also with a listener that is there already.
    const own: Listener = (change) => listener(change);
    listeners.add(own);
    return () => {
      listeners.delete(own);
      if (listeners.size === 0) this.#listeners.delete(event);
      if (this.#listeners.size === 0) {
        this.#changes?.close();
        this.#changes = undefined;
      }
    };
  }

  async #run(changes: Changes): Promise<void> {
    while (this.#changes === changes && !changes.closed) {
      const batch = changes.read(BATCH);
      for (const change of batch) this.#emit(change);
      if (batch.length < BATCH) await changes.grown();
      else await turn();
    }
  }

  #emit(change: Change): void {
    const event = eventOf(change);
    if (event === undefined) return;
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(change as never);
      } catch (error) {
        // The listener's fault must be seen, but the other listeners get their events.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function eventOf(change: Change): keyof CacheEvents | undefined {
  switch (change.type) {
    case 'delete':
      return change.reason;
    case 'clear':
      return 'cleared';
    case 'set':
    case 'overrun':
      return change.type;
    default:
      return undefined;
  }
}
