/**
 * How nodes know what each of them has of each slot: whoever's levels change tells all live peers,
 * and gossips a version by which those that did not hear notice it, and ask.
 */

import { decodeMeta, encodeMeta, type MemberInfo } from './members.js';
import { Kind, type LevelsTold, type Message } from './messages.js';
import type { Clock } from './ports.js';
import { Levels, type SlotSet } from './slot-set.js';

/** Changes within this time are told together. */
const TELL_AFTER_MS = 20;
const ASK_AGAIN_MS = 500;

export interface LevelsWorld {
  readonly selfId: string;
  readonly clock: Clock;
  send(peer: string, message: Message): void;
  setMeta(meta: Uint8Array): void;
  livePeers(): readonly string[];
  /** Ids of dead members whose places others have, as this node sees it. */
  replaced(): readonly string[];
  /** Somebody's levels have changed. */
  onChange(): void;
  /** A peer has nothing any more of these slots. */
  onDropped(peer: string, slots: SlotSet): void;
}

interface Known {
  readonly version: number;
  readonly levels: Levels;
  readonly replaced: readonly string[];
}

export class LevelsExchange {
  /** This node's. Whoever changes them says so by `changed`. */
  readonly own = new Levels();
  readonly #world: LevelsWorld;
  readonly #known = new Map<string, Known>();
  #version = 1;
  #isLeaving = false;
  #members: readonly MemberInfo[] = [];
  #cancelTelling: (() => void) | undefined;
  #cancelAsking: (() => void) | undefined;

  constructor(world: LevelsWorld) {
    this.#world = world;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** What a node has; undefined: it has not told. */
  of(id: string): Levels | undefined {
    return id === this.#world.selfId ? this.own : this.#known.get(id)?.levels;
  }

  leave(): void {
    this.#isLeaving = true;
    this.changed();
  }

  changed(): void {
    this.#version++;
    this.#world.onChange();
    this.#cancelTelling ??= this.#world.clock.after(TELL_AFTER_MS, () => {
      this.#cancelTelling = undefined;
      this.#setMeta();
      for (const peer of this.#world.livePeers()) this.answer(peer);
    });
  }

  /** Asks those members whose levels are known in an older version, or not at all. */
  ask(members: readonly MemberInfo[]): void {
    this.#members = members;
    const { selfId, clock, send } = this.#world;
    let isWaiting = false;
    for (const { id, state, meta } of members) {
      if (id === selfId || state === 'dead' || state === 'left') continue;
      if ((this.#known.get(id)?.version ?? 0) >= Math.max(1, decodeMeta(meta).levelsVersion)) {
        continue;
      }
      isWaiting = true;
      if (!this.#cancelAsking) send(id, { kind: Kind.LEVELS_WANTED, from: selfId });
    }
    if (!isWaiting) return;
    this.#cancelAsking ??= clock.after(ASK_AGAIN_MS, () => {
      this.#cancelAsking = undefined;
      this.ask(this.#members);
    });
  }

  answer(peer: string): void {
    const { selfId, send } = this.#world;
    send(peer, {
      kind: Kind.LEVELS,
      from: selfId,
      version: this.#version,
      levels: new Uint8Array(this.own.bytes),
      replaced: this.#world.replaced(),
    });
  }

  take({ from, version, levels, replaced }: LevelsTold): void {
    const known = this.#known.get(from);
    if (known && known.version >= version) return;
    const told = new Levels(new Uint8Array(levels));
    this.#known.set(from, { version, levels: told, replaced });
    if (known) this.#world.onDropped(from, droppedSlots(known.levels, told));
    this.#world.onChange();
  }

  /** Whether somebody has said that a dead member's places are others' by now. */
  isSaidReplaced(id: string): boolean {
    for (const { replaced } of this.#known.values()) if (replaced.includes(id)) return true;
    return false;
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  stop(): void {
    this.#cancelTelling?.();
    this.#cancelAsking?.();
  }

  #setMeta(): void {
    const { setMeta } = this.#world;
    setMeta(encodeMeta({ levelsVersion: this.#version, isLeaving: this.#isLeaving }));
  }
}

function droppedSlots(before: Levels, after: Levels): SlotSet {
  const dropped = before.held.copy();
  dropped.deleteAll(after.held);
  return dropped;
}
