/** Slots that this node has and does not own: kept until all owners have everything, then dropped. */
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
  /** What is being dropped: that takes a while. */
  #dropping: SlotSet | undefined;

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

  /** The view is another one: what this node owns by now is not dropped any more, but fetched. */
  keepOwned(): void {
    const view = this.#world.view();
    this.#dropping?.deleteAll(view.slotsOf(view.indexOf(this.#world.selfId)));
  }

  /** Whether all that this node has is surplus. */
  get isAll(): boolean {
    this.#forgetPulled();
    const kept = this.#world.levels.held.copy();
    kept.deleteAll(this.#find());
    return kept.isEmpty;
  }

  #find(): SlotSet {
    const { selfId, levels, isIdle } = this.#world;
    const view = this.#world.view();
    const surplus = levels.held.copy();
    surplus.deleteAll(view.slotsOf(view.indexOf(selfId)));
    // Somebody counts on these whose view is another one.
    for (const slots of this.#world.pulling.values()) surplus.deleteAll(slots);
    // It lives, and has taken all that was sent.
    const isThere = view.nodes.map(({ id, isLive }) => isLive && isIdle(id));
    for (const slot of surplus) {
      const owners = view.ownersOf(slot);
      const hasAll = (owner: number) => isThere[owner]! && view.levelOf(slot, owner) === Level.FULL;
      if (owners.length === 0 || !owners.every(hasAll)) surplus.delete(slot);
    }
    return surplus;
  }

  #drop(): void {
    if (this.#dropping !== undefined) return;
    const { store, levels, onLevels, watch } = this.#world;
    const late = this.#findLate();
    const surplus = this.#find();
    for (const slot of surplus) levels.set(slot, Level.NONE);
    if (!surplus.isEmpty) onLevels();
    this.#dropped = surplus.copy();
    surplus.addAll(late);
    if (surplus.isEmpty) return;
    this.#dropping = surplus;
    const dropped = store.drop(surplus).finally(() => {
      this.#dropping = undefined;
    });
    watch(dropped);
  }

  /** Slots that were dropped the last time: writes that were under way may have come since. */
  #findLate(): SlotSet {
    const { selfId, levels } = this.#world;
    const view = this.#world.view();
    const late = this.#dropped;
    late.deleteAll(view.slotsOf(view.indexOf(selfId)));
    late.deleteAll(levels.held);
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
