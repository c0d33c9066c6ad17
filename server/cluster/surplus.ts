/** Slots that this node has and does not own: kept until all owners have everything, then dropped. */
import { SLOTS } from '../../engine/slots.js';
import { Level, type Levels, SlotSet } from './slot-set.js';
import type { ReplicaStore } from './store.js';
import type { View } from './view.js';

const LOOK_EVERY_MS = 5_000;

export interface SurplusWorld {
  readonly selfId: string;
  readonly store: ReplicaStore;
  /** What this node has; changed here. */
  readonly levels: Levels;
  /** By id: what peers are pulling. */
  readonly pulling: Map<string, SlotSet>;
  view(): View;
  /** Whether a peer has all that there is to send to it. */
  isIdle(id: string): boolean;
  after(delayMs: number, run: () => void): void;
  onLevels(): void;
  watch(work: Promise<void>): void;
}

export class Surplus {
  readonly #world: SurplusWorld;
  #isStopped = false;
  #dropped = new SlotSet();

  constructor(world: SurplusWorld) {
    this.#world = world;
  }

  start(): void {
    this.#world.after(LOOK_EVERY_MS, () => {
      if (this.#isStopped) return;
      this.#forgetPulled();
      this.#drop();
      this.start();
    });
  }

  /** What is there stays there. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Whether all that this node has is surplus. */
  get isAll(): boolean {
    const { levels } = this.#world;
    const surplus = this.#find();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (levels.of(slot) !== Level.NONE && !surplus.has(slot)) return false;
    }
    return true;
  }

  #find(): SlotSet {
    const { selfId, levels, isIdle } = this.#world;
    const view = this.#world.view();
    const self = view.indexOf(selfId);
    const surplus = new SlotSet();
    const pulled = new SlotSet();
    for (const slots of this.#world.pulling.values()) pulled.addAll(slots);
    // It lives, and has taken all that was sent.
    const isThere = view.nodes.map(({ id, isLive }) => isLive && isIdle(id));
    for (let slot = 0; slot < SLOTS; slot++) {
      if (levels.of(slot) === Level.NONE || view.isOwner(slot, self)) continue;
      // Somebody counts on it whose view is another one.
      if (pulled.has(slot)) continue;
      const owners = view.ownersOf(slot);
      const hasAll = (owner: number) => isThere[owner]! && view.levelOf(slot, owner) === Level.FULL;
      if (owners.length > 0 && owners.every(hasAll)) surplus.add(slot);
    }
    return surplus;
  }

  #drop(): void {
    const { store, levels, onLevels, watch } = this.#world;
    const late = this.#findLate();
    const surplus = this.#find();
    for (const slot of surplus) levels.set(slot, Level.NONE);
    if (!surplus.isEmpty) onLevels();
    this.#dropped = surplus.copy();
    surplus.addAll(late);
    if (!surplus.isEmpty) watch(store.drop(surplus));
  }

  /** Slots that were dropped the last time: writes that were under way may have come since. */
  #findLate(): SlotSet {
    const { selfId, levels } = this.#world;
    const view = this.#world.view();
    const late = this.#dropped;
    late.deleteAll(view.slotsOf(view.indexOf(selfId)));
    for (const slot of late) if (levels.of(slot) !== Level.NONE) late.delete(slot);
    return late;
  }

  /** Who owns a slot by now gets its writes without having asked. */
  #forgetPulled(): void {
    const { pulling } = this.#world;
    const view = this.#world.view();
    for (const [id, slots] of pulling) {
      slots.deleteAll(view.slotsOf(view.indexOf(id)));
      if (slots.isEmpty) pulling.delete(id);
    }
  }
}
