/**
 * What one node takes from one peer: batches in their order, each once. Batches that come twice are
 * answered again; of those that come too early a few are kept, the others will be sent again. When
 * something is lost here that the peer will not send again, because it was told that it is here, or
 * because its key could not be fetched, the peer is asked to begin anew.
 */
import type { ClusterBug } from './cluster-world.js';
import { type Ack, type Batch, Kind } from './messages.js';
import type { Applied } from './store.js';

/** Batches kept that came before others: as many as are under way at a time, in bad weather. */
const EARLY_MAX = 256;
const EARLY_BYTES_MAX = 1024 * 1024;

export interface ReceiverWorld {
  readonly bug?: ClusterBug | undefined;
  readonly selfId: string;
  apply(records: Uint8Array, stamp: bigint): Applied;
  /** Gets the key of a record as a whole; false: it cannot be had. */
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
  /** By number. */
  readonly #early = new Map<number, Batch>();
  #earlyBytes = 0;
  /** Batches that are applied and not complete, oldest first. */
  #pending: Pending[] = [];
  /** Batches in which a record lost, as far as the peer may not know it. */
  #refused: number[] = [];
  /** Nothing of this session is complete any more. */
  #isBroken = false;

  constructor(world: ReceiverWorld) {
    this.#world = world;
  }

  take(batch: Batch): void {
    if (batch.session < this.#session) return;
    if (batch.session > this.#session) {
      this.#session = batch.session;
      this.#applied = 0;
      this.#pending = [];
      this.#early.clear();
      this.#earlyBytes = 0;
      this.#refused = [];
      this.#isBroken = false;
    }
    // It was answered by this node before that forgot the peer, and met it anew.
    if (batch.heard > this.#applied) this.#isBroken = true;
    if (this.#world.bug === 'any-order') this.#applied = batch.number - 1;
    if (batch.number > this.#applied) this.#keep(batch);
    for (;;) {
      const next = this.#early.get(this.#applied + 1);
      if (!next) break;
      this.#early.delete(next.number);
      this.#earlyBytes -= next.records.length;
      this.#apply(next);
    }
    this.#answer();
  }

  #keep(batch: Batch): void {
    const { number, records } = batch;
    if (this.#early.has(number)) return;
    const isNext = number === this.#applied + 1;
    const isFull = this.#early.size >= EARLY_MAX || this.#earlyBytes >= EARLY_BYTES_MAX;
    if (isFull && !isNext) return;
    this.#early.set(number, batch);
    this.#earlyBytes += records.length;
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
        if (isThere) pending.fetches--;
        else this.#isBroken = true;
        if (!isThere || (pending.fetches === 0 && this.#settle())) this.#answer();
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
      isBroken: this.#isBroken,
    });
  }
}
