/** What links tell: events for a log, counters and snapshots for status pages. */
import type { Address, Clock } from '../ports.js';
import type { Announcement } from './handshake.js';
import { EVENT_WINDOW_MS, EVENTS_PER_WINDOW } from './link-limits.js';

export type LinkEvent =
  /** Messages pass. */
  | { readonly type: 'linkUp'; readonly peer: Announcement; readonly dialed: boolean }
  /** They pass no more. */
  | { readonly type: 'linkDown'; readonly peer: Announcement; readonly reason: string }
  /** It was dialed, and its machine says that nobody listens there: the process is no more. */
  | { readonly type: 'deserted'; readonly address: Address }
  /** A handshake failed, here or there. */
  | {
      readonly type: 'refused';
      /** The address that was dialed, or the one that the connection came from. */
      readonly address: Address;
      readonly dialed: boolean;
      /** Who refused. */
      readonly by: 'us' | 'peer';
      readonly why: string;
      /** Events of this kind that were not told since the last one: they came too fast. */
      readonly untold: number;
    }
  | { readonly type: 'warning'; readonly text: string };

/** Counted since the start, over all links. */
export interface LinkCounters {
  messagesIn: number;
  messagesOut: number;
  /** Of messages, without what framing adds. */
  bytesIn: number;
  bytesOut: number;
  /** Messages not sent: they waited too long, or too many waited, for a link. */
  droppedUnreachable: number;
  /** Messages not sent: the peer reads too slowly. */
  droppedBacklog: number;
  /** Messages not sent: they were longer than allowed, or to no address of a peer. */
  droppedInvalid: number;
  dials: number;
  /** Of `dials`: after one that failed, or a link that broke. */
  redials: number;
  refused: number;
}

export function createLinkCounters(): LinkCounters {
  return {
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    droppedUnreachable: 0,
    droppedBacklog: 0,
    droppedInvalid: 0,
    dials: 0,
    redials: 0,
    refused: 0,
  };
}

/** A peer that is linked, or that something waits for. */
export interface LinkSnapshot {
  readonly address: Address;
  readonly state: 'up' | 'dialing' | 'waiting';
  /** As the peer announced itself; undefined before the first link. */
  readonly peer: Announcement | undefined;
  /** Of the link in use; undefined while there is none. */
  readonly link:
    | {
        /** Unix time in ms. */
        readonly sinceMs: number;
        readonly dialed: boolean;
        readonly messagesIn: number;
        readonly messagesOut: number;
        readonly bytesIn: number;
        readonly bytesOut: number;
        /** Of the last ping; undefined before the first answer. */
        readonly roundTripMs: number | undefined;
      }
    | undefined;
  readonly backlogBytes: number;
  /** Why there is no link, or why the last one ended; undefined: nothing went wrong. */
  readonly trouble: string | undefined;
}

/** Lets only so many events through in a while: strangers must not be able to flood a log. */
export class EventGate {
  readonly #clock: Clock;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #told = 0;
  #untold = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns how many were held back since the last that passed; undefined: this one is, too */
  pass(): number | undefined {
    const nowMs = this.#clock.now();
    const ageMs = nowMs - this.#windowStartMs;
    // Below 0: the clock was set back.
    if (ageMs < 0 || ageMs >= EVENT_WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#told = 0;
    }
    if (this.#told === EVENTS_PER_WINDOW) {
      this.#untold++;
      return undefined;
    }
    this.#told++;
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }
}
