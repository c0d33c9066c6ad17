/**
 * Write concerns: who waits until so many owners have a write. A write is with an owner when the
 * batch that it went out in is complete there; an owner that had something newer does not count,
 * because there the write is lost.
 */
import type { Concern } from '../../engine/cluster-view.js';
import { SlabringError } from '../../engine/errors.js';
import type { Clock } from './ports.js';
import type { PeerSender } from './sender.js';
import type { LogPosition } from './store.js';
import type { View } from './view.js';

/** Owners that must have a write of a slot that has so many. */
export function ownersNeeded(concern: Concern, copies: number): number {
  switch (concern) {
    case 'none':
      return 1;
    case 'one':
      return 2;
    case 'quorum':
      return Math.floor(copies / 2) + 1;
    case 'all':
      return copies;
  }
}

interface Mark {
  readonly sender: PeerSender;
  readonly session: number;
  readonly number: number;
}

interface Waiting {
  readonly slot: number;
  readonly position: LogPosition;
  readonly needed: number;
  /** It was shipped when somebody began to wait. */
  readonly isOld: boolean;
  /** Where the write is under way to each owner; undefined: it was not shipped yet. */
  marks: readonly Mark[] | undefined;
  /** Owners that have it. */
  count: number;
  readonly resolve: (owners: number) => void;
  readonly cancel: () => void;
}

export interface ConcernsWorld {
  readonly selfId: string;
  readonly clock: Clock;
  view(): View;
  senderOf(id: string): PeerSender | undefined;
}

export class Concerns {
  readonly #world: ConcernsWorld;
  /** By stream: the number behind the last record that was shipped. */
  readonly #shipped = new Map<number, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(world: ConcernsWorld) {
    this.#world = world;
  }

  /** Whether nobody waits. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Everything before `to` was shipped, and its batches sealed. */
  noteShipped(stream: number, to: number): void {
    this.#shipped.set(stream, to);
  }

  /**
   * Resolves with the number of owners that have all writes of a slot before a position.
   * @throws SlabringError `UNAVAILABLE` when they are fewer than the concern asks for by then
   */
  wait(slot: number, position: LogPosition, concern: Concern, deadlineMs: number): Promise<number> {
    const { clock } = this.#world;
    const needed = ownersNeeded(concern, this.#world.view().copies);
    return new Promise((resolve, reject) => {
      const cancel = clock.after(deadlineMs, () => {
        this.#waiting.delete(waiting);
        const { count } = waiting;
        const text = `the write is with ${count} of ${needed} owners after ${deadlineMs} ms`;
        reject(new SlabringError('UNAVAILABLE', `${text}; it may reach the others yet`));
      });
      const waiting: Waiting = {
        slot,
        position,
        needed,
        isOld: (this.#shipped.get(position.stream) ?? 0) >= position.seq,
        marks: undefined,
        count: 0,
        resolve,
        cancel,
      };
      this.#waiting.add(waiting);
      this.#check(waiting);
    });
  }

  /** To be called when something was shipped or acknowledged. */
  check(): void {
    for (const waiting of this.#waiting) this.#check(waiting);
  }

  stop(): void {
    for (const { cancel } of this.#waiting) cancel();
    this.#waiting.clear();
  }

  #check(waiting: Waiting): void {
    const { stream, seq } = waiting.position;
    if (!waiting.isOld && !waiting.marks) {
      if ((this.#shipped.get(stream) ?? 0) < seq) return;
      waiting.marks = this.#marksOf(waiting.slot, false);
    }
    const marks = waiting.marks ?? this.#marksOf(waiting.slot, true);
    const isOwner = this.#isOwner(waiting.slot);
    waiting.count = isOwner ? 1 : 0;
    for (const { sender, session, number } of marks) {
      if (sender.hasTaken(session, number) === 'taken') waiting.count++;
    }
    if (waiting.count < waiting.needed) return;
    waiting.cancel();
    this.#waiting.delete(waiting);
    waiting.resolve(waiting.count);
  }

  #isOwner(slot: number): boolean {
    const view = this.#world.view();
    return view.isOwner(slot, view.indexOf(this.#world.selfId));
  }

  /** @param isOld of what may have been shipped long before, else of what was shipped just now */
  #marksOf(slot: number, isOld: boolean): Mark[] {
    const view = this.#world.view();
    const marks: Mark[] = [];
    for (const owner of view.ownersOf(slot)) {
      const sender = this.#world.senderOf(view.nodes[owner]!.id);
      if (!sender?.isStreaming) continue;
      const number = isOld ? sender.writtenBefore : sender.written;
      marks.push({ sender, session: sender.session, number });
    }
    return marks;
  }
}
