/** What this node does with each slot, as the store is told: for clients, and for other owners. */
import { type Levels, SlotSet } from './slot-set.js';
import { LINKS_MAX, type ReplicaStore, Service } from './store.js';
import type { View } from './view.js';

export interface DutiesWorld {
  readonly store: ReplicaStore;
  /** What this node has. */
  readonly levels: Levels;
  /** Live owners without which a slot's writes are refused. */
  readonly minOwners: number;
  /** The link to a node; undefined: there is none. */
  linkOf(id: string): number | undefined;
}

/** What a store is told of a slot is a bit for each of the links, then these. */
const SERVES = LINKS_MAX;
const REPLICA = SERVES + 1;
const ACCEPTS = SERVES + 2;
const BITS = SERVES + 3;

export class Duties {
  readonly #world: DutiesWorld;
  /** By bit: the slots of which the store was told so last. */
  #told: readonly SlotSet[] = Array.from({ length: BITS }, () => NO_SLOTS);

  constructor(world: DutiesWorld) {
    this.#world = world;
  }

  /**
   * Tells the store what is new.
   * @param self this node's index in the view; -1: it has no part in anything
   * @param pulling by id: slots of which nodes get copies, though the view may not say so yet
   */
  apply(view: View, self: number, pulling: ReadonlyMap<string, SlotSet>): void {
    const wanted = this.#wanted(view, self, pulling);
    const changed = new SlotSet();
    for (const [bit, slots] of wanted.entries()) changed.addDifferences(slots, this.#told[bit]!);
    this.#told = wanted;
    // Most bits are of no slot: there are few peers.
    const used = [...wanted.keys()].filter((bit) => wanted[bit] !== NO_SLOTS);
    changed.forEach((slot) => {
      this.#tell(slot, used);
    });
  }

  #wanted(view: View, self: number, pulling: ReadonlyMap<string, SlotSet>): readonly SlotSet[] {
    const { levels, linkOf, minOwners } = this.#world;
    const wanted: SlotSet[] = Array.from({ length: BITS }, () => NO_SLOTS);
    const add = (id: string, slots: SlotSet): void => {
      const link = linkOf(id) ?? -1;
      if (link < 0) return;
      wanted[link] = wanted[link]!.copy();
      wanted[link].addAll(slots);
    };
    for (const [index, { id }] of view.nodes.entries()) add(id, view.slotsOf(index));
    for (const [id, slots] of pulling) add(id, slots);
    if (self < 0) return wanted;
    const enough = withLiveOwners(view, minOwners);
    const owned = view.slotsOf(self);
    wanted[SERVES] = view.servedBy(self);
    wanted[SERVES].retainAll(enough);
    // What a former owner has gets no writes any more, and what is stale has missed some.
    wanted[REPLICA] = owned.copy();
    wanted[REPLICA].retainAll(levels.full);
    wanted[REPLICA].retainAll(enough);
    wanted[ACCEPTS] = owned.copy();
    wanted[ACCEPTS].addAll(levels.held);
    wanted[ACCEPTS].retainAll(enough);
    return wanted;
  }

  #tell(slot: number, used: readonly number[]): void {
    let low = 0;
    let high = 0;
    let service: number = Service.NONE;
    for (const bit of used) {
      if (!this.#told[bit]!.has(slot)) continue;
      if (bit < 32) low |= 1 << bit;
      else if (bit < SERVES) high |= 1 << (bit - 32);
      else service |= SERVICES[bit - SERVES]!;
    }
    this.#world.store.setSlot(slot, service, low, high);
  }
}

const NO_SLOTS = new SlotSet();
/** From `SERVES` on. */
const SERVICES = [Service.SERVES, Service.REPLICA, Service.ACCEPTS];

/** The slots of which so many owners are live. */
function withLiveOwners(view: View, count: number): SlotSet {
  // By number: the slots that have so many, as far as nodes were looked at.
  const having = Array.from({ length: count + 1 }, (_, i) =>
    i === 0 ? SlotSet.all() : new SlotSet(),
  );
  for (const [index, { isLive }] of view.nodes.entries()) {
    if (!isLive) continue;
    for (let i = count; i > 0; i--) {
      const more = having[i - 1]!.copy();
      more.retainAll(view.slotsOf(index));
      having[i]!.addAll(more);
    }
  }
  return having[count]!;
}
