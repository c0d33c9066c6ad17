/**
 * How a node comes to have the slots that it owns: it asks, for each of them, the node that has
 * most of it. One that has nothing asks for everything, one that was away for what it missed. Until
 * a slot is there somebody else serves it (view.ts), and writes come here as to every owner.
 */
import { SLOTS } from '../../engine/slots.js';
import { Kind, type Message } from './messages.js';
import type { Clock } from './ports.js';
import { Level, type Levels, SlotSet } from './slot-set.js';
import type { View } from './view.js';

/** How often a source is asked again, as long as it has not sent everything: it may not have heard. */
const ASK_AGAIN_MS = 1_000;
/** How long to wait for word from live members of what they have, before they count as empty. */
const UNTOLD_MS = 3_000;

interface Running {
  readonly source: string;
  readonly slots: SlotSet;
  /** This node has an older state. */
  readonly isCatchUp: boolean;
}

export interface PullsWorld {
  readonly selfId: string;
  readonly clock: Clock;
  /** What this node has; changed here. */
  readonly levels: Levels;
  view(): View;
  send(peer: string, message: Message): void;
  /** Levels have changed. */
  onLevels(): void;
}

export class Pulls {
  readonly #world: PullsWorld;
  readonly #running = new Map<number, Running>();
  #last = 0;
  #untoldSinceMs: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(world: PullsWorld) {
    this.#world = world;
  }

  /** Slots that are being pulled. */
  get slotsLeft(): number {
    let count = 0;
    for (const { slots } of this.#running.values()) count += slots.size;
    return count;
  }

  /** To be called when the view has changed: asks for what is missing. */
  plan(): void {
    const view = this.#world.view();
    const self = view.indexOf(this.#world.selfId);
    this.#giveUp(view);
    if (self < 0) return;
    const wanted = this.#wanted(view, self);
    for (const [name, slots] of wanted) this.#begin(name, slots);
    const isWaiting = this.#running.size > 0 || this.#untoldSinceMs !== undefined;
    if (isWaiting && !this.#cancel) {
      this.#cancel = this.#world.clock.after(ASK_AGAIN_MS, () => {
        this.#cancel = undefined;
        for (const [pull, running] of this.#running) this.#ask(pull, running);
        this.plan();
      });
    }
  }

  /** All that a pull was to bring is there. */
  finish(pulls: readonly number[]): void {
    let count = 0;
    for (const pull of pulls) {
      const running = this.#running.get(pull);
      this.#running.delete(pull);
      for (const slot of running?.slots ?? []) {
        this.#world.levels.set(slot, Level.FULL);
        count++;
      }
    }
    if (count > 0) this.#world.onLevels();
    if (pulls.length > 0) this.plan();
  }

  stop(): void {
    this.#cancel?.();
    this.#running.clear();
  }

  #giveUp(view: View): void {
    for (const [pull, { source }] of this.#running) {
      const isLive = view.nodes[view.indexOf(source)]?.isLive ?? false;
      if (!isLive) this.#running.delete(pull);
    }
  }

  /** By source and whether this node has an older state: the slots to ask for. */
  #wanted(view: View, self: number): Map<string, SlotSet> {
    const { levels, onLevels } = this.#world;
    const isTold = this.#isTold(view);
    const wanted = new Map<string, SlotSet>();
    let adopted = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const level = levels.of(slot);
      if (level === Level.FULL || !view.isOwner(slot, self) || this.#isRunning(slot)) continue;
      const source = sourceOf(view, slot, self);
      if (source >= 0) {
        const name = `${level} ${view.nodes[source]!.id}`;
        const slots = wanted.get(name) ?? new SlotSet();
        slots.add(slot);
        wanted.set(name, slots);
      } else if (isTold) {
        // Nobody has anything of it: what is here is all there is.
        levels.set(slot, Level.FULL);
        adopted++;
      }
    }
    if (adopted > 0) onLevels();
    return wanted;
  }

  #begin(name: string, slots: SlotSet): void {
    const space = name.indexOf(' ');
    const source = name.slice(space + 1);
    const isCatchUp = Number(name.slice(0, space)) === Level.STALE;
    const pull = ++this.#last;
    const running = { source, slots, isCatchUp };
    this.#running.set(pull, running);
    this.#ask(pull, running);
  }

  #ask(pull: number, { source, slots, isCatchUp }: Running): void {
    const { selfId, send } = this.#world;
    send(source, { kind: Kind.PULL, from: selfId, pull, slots: slots.bytes, isCatchUp });
  }

  #isRunning(slot: number): boolean {
    for (const { slots } of this.#running.values()) if (slots.has(slot)) return true;
    return false;
  }

  /** Whether all live members have said what they have, or had time enough for it. */
  #isTold(view: View): boolean {
    if (view.nodes.every(({ isLive, levels }) => !isLive || levels)) {
      this.#untoldSinceMs = undefined;
      return true;
    }
    const now = this.#world.clock.now();
    this.#untoldSinceMs ??= now;
    return now - this.#untoldSinceMs > UNTOLD_MS;
  }
}

/** The live node besides this one that has most of a slot, owners first; -1: nobody has anything. */
function sourceOf(view: View, slot: number, self: number): number {
  const owners = view.ownersOf(slot);
  const all = [...owners, ...view.nodes.keys()];
  for (const level of [Level.FULL, Level.STALE]) {
    const source = all.find(
      (index) => index !== self && view.nodes[index]!.isLive && view.levelOf(slot, index) === level,
    );
    if (source !== undefined) return source;
  }
  return -1;
}
