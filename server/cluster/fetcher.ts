/**
 * Keys that are fetched from a peer as a whole, because a record of them told too little: a large
 * value, or a collection of which something was missed. The piece asked for is asked for again
 * until it comes; when it does not, the copy stays as it is, and repair.ts will find it.
 */

import { type Fetch, type Fetched, Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';
import type { ReplicaStore, WholeReader, WholeWriter } from './store.js';

/** Keys that are fetched at a time. */
const FETCHES_MAX = 4;
const ASK_AGAIN_MS = 500;
/** Questions without an answer after which a key is given up. */
const QUESTIONS_MAX = 10;
/** How long a key is kept open for a peer that has asked for a piece of it. */
const READ_MS = 30_000;

interface Wanted {
  readonly peer: string;
  readonly record: Uint8Array;
  readonly settle: (isThere: boolean) => void;
}

interface Running extends Wanted {
  readonly writer: WholeWriter;
  piece: number;
  questions: number;
  cancel: () => void;
}

interface Reading {
  readonly reader: WholeReader;
  piece: number;
  bytes: Uint8Array | undefined;
  cancel: () => void;
}

export interface FetcherWorld {
  readonly selfId: string;
  readonly clock: Clock;
  readonly store: ReplicaStore;
  /** @param peer an id */
  send(peer: string, message: Message): void;
  complain(text: string): void;
}

export class Fetcher {
  readonly #world: FetcherWorld;
  #last = 0;
  #waiting: Wanted[] = [];
  readonly #running = new Map<number, Running>();
  /** By peer and number. */
  readonly #reading = new Map<string, Reading>();

  constructor(world: FetcherWorld) {
    this.#world = world;
  }

  /** Fetches the key of a record from a peer; false: it could not be had. */
  fetch(peer: string, record: Uint8Array): Promise<boolean> {
    return new Promise((settle) => {
      this.#waiting.push({ peer, record, settle });
      this.#startMore();
    });
  }

  /** A peer is gone: nothing comes from it any more. */
  forget(peer: string): void {
    for (const [fetch, running] of this.#running) {
      if (running.peer === peer) this.#end(fetch, running, false);
    }
    const lost = this.#waiting.filter((wanted) => wanted.peer === peer);
    this.#waiting = this.#waiting.filter((wanted) => wanted.peer !== peer);
    for (const { settle } of lost) settle(false);
  }

  stop(): void {
    for (const { cancel } of this.#running.values()) cancel();
    for (const { cancel } of this.#reading.values()) cancel();
    this.#running.clear();
    this.#reading.clear();
    this.#waiting = [];
  }

  /** A peer asks for a piece. */
  answer({ from, fetch, piece, record }: Fetch): void {
    const name = `${from} ${fetch}`;
    let reading = this.#reading.get(name);
    if (!reading) {
      // Whoever asks for a later piece was forgotten; he begins anew when this stays unanswered.
      if (piece !== 0) return;
      const reader = this.#world.store.readWhole(record);
      reading = { reader, piece: 0, bytes: reader.next(), cancel: () => {} };
      this.#reading.set(name, reading);
    }
    if (piece === reading.piece + 1) {
      reading.bytes = reading.reader.next();
      reading.piece = piece;
    }
    if (piece !== reading.piece) return;
    reading.cancel();
    reading.cancel = this.#world.clock.after(READ_MS, () => this.#reading.delete(name));
    this.#world.send(from, {
      kind: Kind.FETCHED,
      from: this.#world.selfId,
      fetch,
      piece,
      isLast: reading.bytes === undefined,
      bytes: reading.bytes ?? new Uint8Array(0),
    });
  }

  take({ from, fetch, piece, isLast, bytes }: Fetched): void {
    const running = this.#running.get(fetch);
    if (!running || running.peer !== from || running.piece !== piece) return;
    try {
      if (isLast) {
        this.#end(fetch, running, running.writer.finish());
        return;
      }
      running.writer.write(bytes);
    } catch (error) {
      this.#world.complain(`a key that was fetched is none: ${String(error)}`);
      this.#end(fetch, running, false);
      return;
    }
    running.piece++;
    running.questions = 0;
    this.#ask(fetch, running);
  }

  #startMore(): void {
    while (this.#running.size < FETCHES_MAX && this.#waiting.length > 0) {
      const wanted = this.#waiting.shift()!;
      const fetch = ++this.#last;
      const writer = this.#world.store.writeWhole(wanted.record);
      const running: Running = { ...wanted, writer, piece: 0, questions: 0, cancel: () => {} };
      this.#running.set(fetch, running);
      this.#ask(fetch, running);
    }
  }

  #ask(fetch: number, running: Running): void {
    running.cancel();
    if (running.questions === QUESTIONS_MAX) {
      this.#end(fetch, running, false);
      return;
    }
    running.questions++;
    const { selfId, clock } = this.#world;
    const { peer, piece, record } = running;
    running.cancel = clock.after(ASK_AGAIN_MS, () => this.#ask(fetch, running));
    this.#world.send(peer, { kind: Kind.FETCH, from: selfId, fetch, piece, record });
  }

  #end(fetch: number, running: Running, isThere: boolean): void {
    running.cancel();
    this.#running.delete(fetch);
    if (!isThere) running.writer.abandon();
    running.settle(isThere);
    this.#startMore();
  }
}
