/**
 * Notices that the node at the other end of a connection says nothing any more: stopped, or cut off
 * without a word. Where nothing was heard for a while it is asked, and where it does not answer the
 * connection is lost.
 *
 * Time is counted in ticks that this process has seen, and judged when all that had arrived was
 * read: a process that was itself held up does not blame the node.
 */
import { atEndOfTurn } from './turn.js';

const TICK_MS = 250;
/** Half a second: a busy connection is never asked, an idle one costs two small frames a second. */
const QUIET_TICKS = 2;
/**
 * A second: nodes answer a PING in less than a millisecond, and are held up for longer than this by
 * hardly anything that passes.
 */
const PATIENCE_TICKS = 4;

export interface HeartbeatWorld {
  /** How many messages have come. */
  readonly received: number;
  /** Asks for one. */
  ask(): void;
  lost(silentMs: number): void;
}

export class Heartbeat {
  readonly #world: HeartbeatWorld;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #received = 0;
  #quietTicks = 0;

  constructor(world: HeartbeatWorld) {
    this.#world = world;
  }

  start(): void {
    this.stop();
    this.#quietTicks = 0;
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    const timer = setTimeout(() => {
      atEndOfTurn(() => {
        if (this.#timer === timer) this.#tick();
      });
    }, TICK_MS);
    this.#timer = timer;
  }

  #tick(): void {
    const { received } = this.#world;
    this.#quietTicks = received === this.#received ? this.#quietTicks + 1 : 0;
    this.#received = received;
    if (this.#quietTicks === QUIET_TICKS) this.#world.ask();
    if (this.#quietTicks < QUIET_TICKS + PATIENCE_TICKS) {
      this.#wait();
    } else {
      this.stop();
      this.#world.lost(this.#quietTicks * TICK_MS);
    }
  }
}
