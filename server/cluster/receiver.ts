/**
 * What one node takes from one peer: batches in their order, each once. Batches that come twice are
 * answered again; one that comes too early is not taken, and will be sent again.
 */
import { type Ack, type Batch, Kind } from './messages.js';
import type { Applied } from './store.js';

export interface ReceiverWorld {
  readonly selfId: string;
  apply(records: Uint8Array, stamp: bigint): Applied;
  /** Gets the key of a record as a whole; false: it could not be had. */
  fetch(record: Uint8Array): Promise<boolean>;
  answer(ack: Ack): void;
  /** All records of pulls have come. */
  onPulled(pulls: readonly number[]): void;
}

/** What is not complete yet of a batch. */
interface Pending {
  readonly number: number;
  readonly done: readonly number[];
  fetches: number;
}

export class PeerReceiver {
  readonly #world: ReceiverWorld;
  #session = 0;
  #applied = 0;
  /** Batches that are applied and not complete, oldest first. */
  #pending: Pending[] = [];
  /** Batches in which a record lost, as far as the peer may not know it. */
  #refused: number[] = [];

  constructor(world: ReceiverWorld) {
    this.#world = world;
  }

  take(batch: Batch): void {
    if (batch.session < this.#session) return;
    if (batch.session > this.#session) {
      this.#session = batch.session;
      this.#applied = 0;
      this.#pending = [];
      this.#refused = [];
    }
    if (batch.number === this.#applied + 1) this.#apply(batch);
    this.#answer();
  }

  #apply({ session, number, records, stamp, heard, done }: Batch): void {
    this.#refused = this.#refused.filter((refused) => refused > heard);
    const { refused, missing } = this.#world.apply(records, stamp);
    if (refused > 0) this.#refused.push(number);
    this.#applied = number;
    const pending: Pending = { number, done, fetches: missing.length };
    this.#pending.push(pending);
    for (const record of missing) {
      void this.#world.fetch(record).then((isThere) => {
        if (session !== this.#session) return;
        pending.fetches--;
        // Whoever waits for this write learns that it is not safe here.
        if (!isThere) this.#refused.push(number);
        if (pending.fetches === 0 && this.#settle()) this.#answer();
      });
    }
    this.#settle();
  }

  /** Whether more is complete than was. */
  #settle(): boolean {
    let count = 0;
    while (count < this.#pending.length && this.#pending[count]!.fetches === 0) count++;
    const settled = this.#pending.splice(0, count);
    const pulls = settled.flatMap(({ done }) => done);
    if (pulls.length > 0) this.#world.onPulled(pulls);
    return count > 0;
  }

  #answer(): void {
    this.#world.answer({
      kind: Kind.ACK,
      from: this.#world.selfId,
      session: this.#session,
      applied: this.#applied,
      complete: this.#pending[0] ? this.#pending[0].number - 1 : this.#applied,
      refused: this.#refused,
    });
  }
}
