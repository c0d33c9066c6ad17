/**
 * Sends commands as the options of a session say: writes with a WAIT in their frame, reads to any
 * owner of the key, and to a second one where the first takes long.
 */
import type { Key } from '../engine/api.js';
import type { Reading } from '../engine/handles/runner.js';
import type { ClusterNode } from './cluster-node.js';
import type { WaitCommand } from './frame-waits.js';
import type { Gathering } from './gathering.js';
import { hedge } from './hedge.js';
import { PendingCommand, PendingConfirmed, PendingReading, type Result } from './pending.js';
import type { Pipeline } from './pipeline.js';
import type { Router } from './router.js';
import { slotOfKey } from './routes.js';
import { isRead, isWrite, WAIT } from './rows.js';
import type { Sender, Stop } from './sender.js';
import type { SessionSettings } from './session-options.js';
import type { FrameWriter } from './writer.js';

const NO_KEYS: readonly Key[] = [];
const NO_SLOTS: ReadonlyMap<number, Key> = new Map();

export class Session implements Sender {
  readonly #router: Router;
  readonly #settings: SessionSettings;
  /** Counts reads, to ask one owner after the other. */
  #turn = 0;

  // Of the command that is being written.
  #current: Pipeline;
  #writer: FrameWriter | undefined;
  /** Of a write: its slots, each with a key, for the WAITs. */
  #confirmed = NO_SLOTS;
  /** Of a read: whom to ask next. */
  #second: ClusterNode | undefined;

  constructor(router: Router, settings: SessionSettings) {
    this.#router = router;
    this.#settings = settings;
    this.#current = router.pipelineOf();
  }

  get copies(): number {
    return this.#router.copies;
  }

  split(keys: readonly Key[]): readonly (readonly number[])[] | undefined {
    return this.#router.split(keys);
  }

  stops(): readonly Stop[] {
    return this.#router.stops();
  }

  open(code: number, key?: Key, others: readonly Key[] = NO_KEYS): FrameWriter {
    this.#confirmed = NO_SLOTS;
    this.#second = undefined;
    this.#current = this.#router.pipelineOf(key, others);
    if (key !== undefined) {
      if (isWrite(code)) this.#prepareWrite(others.length === 0 ? [key] : [key, ...others]);
      else if (isRead(code) && others.length === 0) this.#prepareRead(slotOfKey(key));
    }
    this.#writer = this.#current.open();
    return this.#writer;
  }

  commit(result: Result | Reading<unknown>): Promise<unknown> {
    if (this.#confirmed.size > 0) {
      return new Promise((resolve, reject) => {
        const waits = this.#takeWaits();
        this.#current.enter(new PendingConfirmed(result, waits, resolve, reject));
      });
    }
    const second = this.#second;
    if (second === undefined) return this.#current.commit(result);
    const bytes = this.#writer!.present();
    return hedge(this.#commitFree(result), this.#settings.hedgeMs, () => {
      const pipeline = second.readers;
      pipeline.open().packed(bytes);
      return pipeline.commit(result);
    });
  }

  /** Where the first owner cannot answer, the next one is asked at once. */
  #commitFree(result: Result | Reading<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const Kind = typeof result === 'function' ? PendingReading : PendingCommand;
      const pending = new Kind(result as never, resolve, reject);
      this.#router.retries.free(pending);
      this.#current.enter(pending);
    });
  }

  commitPart(gathering: Gathering, index: number): void {
    if (this.#confirmed.size === 0 && this.#second === undefined) {
      this.#current.commitPart(gathering, index);
      return;
    }
    this.commit(gathering.result).then(
      (value) => gathering.place(index, value),
      (error) => gathering.reject(error),
    );
  }

  rollback(): void {
    this.#current.rollback();
  }

  abandon(error: unknown): Promise<never> {
    return this.#current.abandon(error);
  }

  #prepareWrite(keys: readonly Key[]): void {
    if (this.#settings.concern !== 'none' && this.#router.isClustered) {
      this.#confirmed = new Map(keys.map((key) => [slotOfKey(key), key]));
    }
    this.#router.ownWrites?.note(keys, this.#router.routes);
  }

  /** The WAITs of the write. A key may be the caller's bytes, so they are not written later. */
  #takeWaits(): WaitCommand[] {
    const writer = this.#writer!;
    const { concern, deadlineMs } = this.#settings;
    return Array.from(this.#confirmed, ([slot, key]) => {
      const { size } = writer;
      writer.command(WAIT, 3);
      writer.key(key);
      writer.text(concern);
      writer.integer(deadlineMs);
      return { name: `${slot} ${concern} ${deadlineMs}`, bytes: writer.cut(size) };
    });
  }

  /** Chooses whom to ask first, and whom next. */
  #prepareRead(slot: number): void {
    const owners = this.#router.routes?.owners(slot);
    if (owners === undefined || owners.length === 0) return;
    const { read, hedgeMs } = this.#settings;
    const own = this.#ownWrite(slot, owners);
    const first = own ?? this.#choose(owners);
    // The node that runs the writes has all of them; another is asked for what it has as a replica.
    const isStrict = first === owners[0] && (read === 'primary' || own !== undefined);
    if (!isStrict) this.#current = first.readers;
    if (hedgeMs === 0 || own !== undefined) return;
    this.#second = owners.find((node) => node !== first && !node.isDown);
  }

  /** Where the client has just written, if that matters. */
  #ownWrite(slot: number, owners: readonly ClusterNode[]): ClusterNode | undefined {
    if (!this.#settings.readYourWrites) return undefined;
    const node = this.#router.ownWrites?.nodeOf(slot);
    if (node === undefined) return undefined;
    return owners.includes(node) ? node : owners[0];
  }

  #choose(owners: readonly ClusterNode[]): ClusterNode {
    const { read } = this.#settings;
    if (read === 'primary') return owners[0]!;
    const up = owners.filter((node) => !node.isDown);
    if (up.length === 0) return owners[0]!;
    if (read === 'any') return up[this.#turn++ % up.length]!;
    let nearest = up[0]!;
    for (const node of up) {
      node.measure();
      if (node.roundTripMs < nearest.roundTripMs) nearest = node;
    }
    return nearest;
  }
}
