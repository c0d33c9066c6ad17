/**
 * Who has what to do with each slot, as one node sees it: computed anew whenever a member changes
 * or tells of what it has. Two nodes may see it differently for a while; what they do then is
 * reconciled by stamps.
 */
import { SLOTS } from '../../engine/slots.js';
import { Level, Levels, SlotSet } from './slot-set.js';

export interface ViewNode {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly clientUrl: string;
  /** It answers, or is only suspected not to. */
  readonly isLive: boolean;
  /** It has a place on the ring: it is not about to leave, nor was it replaced. */
  readonly isPlaced: boolean;
  /** What it has; undefined: it has not told yet. */
  readonly levels: Levels | undefined;
}

/** Slots on places: what the view needs of a ring. */
export interface Placement {
  /** Names of the nodes that have places. */
  readonly names: readonly string[];
  /** Owners of each slot. */
  readonly copies: number;
  /** `copies` numbers for each slot: indexes into `names`, the primary first; NO_OWNER behind. */
  readonly owners: Uint16Array;
}

export const NO_OWNER = 0xffff;

/** Nodes by their indexes in `nodes`; -1 is no node. */
export class View {
  readonly nodes: readonly ViewNode[];
  /** Owners that each slot should have. */
  readonly copies: number;
  /**
   * `copies` nodes for each slot, dead ones too, the first one first. Two views with the same
   * owners have the same array, where one was made after the other.
   */
  readonly owners: Int16Array;
  /** All live nodes have said what they have. */
  readonly isTold: boolean;
  /** By slot: the node that runs the commands on its keys, or -1 when there is none. */
  readonly primaries: Int16Array;
  /** By node: what it had when the view was made. */
  readonly #levels: readonly Levels[];
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #placement: Placement;
  /** By place: the node that has it. */
  readonly #byPlace: readonly number[];
  /** By node: the slots that it owns; made when they are asked for. */
  readonly #owned: { slots: SlotSet[] | undefined };

  /**
   * @param nodes all that are known, but for those that have gone for good
   * @param before the last view, from which is taken what stays
   */
  constructor(nodes: readonly ViewNode[], placement: Placement, before?: View) {
    const { copies } = placement;
    this.nodes = nodes;
    this.copies = copies;
    this.#indexes = new Map(nodes.map(({ id }, index) => [id, index]));
    const placed = new Map(
      nodes.flatMap(({ name, isPlaced }, index) => (isPlaced ? [[name, index] as const] : [])),
    );
    this.#placement = placement;
    this.#byPlace = placement.names.map((name) => placed.get(name) ?? -1);
    if (before && this.#isPlacedAs(before)) {
      this.owners = before.owners;
      this.#owned = before.#owned;
    } else {
      this.owners = ownersOf(placement, this.#byPlace);
      this.#owned = { slots: undefined };
    }
    this.isTold = nodes.every(({ isLive, levels }) => !isLive || levels !== undefined);
    this.#levels = nodes.map(({ levels }) => levels?.copy() ?? NOTHING);
    if (before && this.#isLike(before)) {
      this.primaries = before.primaries.slice();
      const changed = new SlotSet();
      for (const [index, levels] of this.#levels.entries()) {
        changed.addAll(levels.differingFrom(before.#levels[index]!));
      }
      changed.forEach((slot) => {
        this.primaries[slot] = this.#choose(slot);
      });
    } else {
      this.primaries = new Int16Array(SLOTS);
      for (let slot = 0; slot < SLOTS; slot++) this.primaries[slot] = this.#choose(slot);
    }
  }

  /** The node with this id, or -1. */
  indexOf(id: string): number {
    return this.#indexes.get(id) ?? -1;
  }

  /** The node that runs the commands on a slot's keys, or -1 when there is none. */
  primaryOf(slot: number): number {
    return this.primaries[slot]!;
  }

  /** Number `i` of the nodes that are to have a slot, the first one 0; -1: there are not so many. */
  ownerAt(slot: number, i: number): number {
    return this.owners[slot * this.copies + i]!;
  }

  /** The nodes that are to have a slot, dead ones too. */
  ownersOf(slot: number): number[] {
    const owners: number[] = [];
    for (let i = 0; i < this.copies; i++) {
      const owner = this.ownerAt(slot, i);
      if (owner >= 0) owners.push(owner);
    }
    return owners;
  }

  isOwner(slot: number, index: number): boolean {
    const first = slot * this.copies;
    for (let at = first; at < first + this.copies; at++) {
      if (this.owners[at] === index) return index >= 0;
    }
    return false;
  }

  /** The slots that a node is to have; only to be read. */
  slotsOf(index: number): SlotSet {
    this.#owned.slots ??= this.#ownedByNode();
    return this.#owned.slots[index] ?? NO_SLOTS;
  }

  /** The slots whose commands a node runs; nobody else's set. */
  servedBy(index: number): SlotSet {
    const served = new SlotSet();
    for (let slot = 0; slot < SLOTS; slot++) if (this.primaries[slot] === index) served.add(slot);
    return served;
  }

  /** The slots of which a node has everything; only to be read. */
  fullOf(index: number): SlotSet {
    return this.nodes[index]?.levels?.full ?? NO_SLOTS;
  }

  levelOf(slot: number, index: number): number {
    return this.nodes[index]!.levels?.of(slot) ?? Level.NONE;
  }

  /**
   * The live node that has most of a slot: the first owner that has it all, else whoever else has
   * it all, as before a range is handed over; then likewise who has an older state. -1: nobody.
   */
  holderOf(slot: number): number {
    for (let level: number = Level.FULL; level > Level.NONE; level--) {
      for (let i = 0; i < this.copies; i++) {
        const owner = this.ownerAt(slot, i);
        if (owner >= 0 && this.isLiveAt(slot, owner, level)) return owner;
      }
      for (let index = 0; index < this.nodes.length; index++) {
        if (this.isLiveAt(slot, index, level)) return index;
      }
    }
    return -1;
  }

  /** Whether a live node had just so much of a slot when the view was made. */
  isLiveAt(slot: number, index: number, level: number): boolean {
    return this.nodes[index]!.isLive && this.#levels[index]!.of(slot) === level;
  }

  /** The most that a dead node has of a slot, which keeps its place and may come back with it. */
  absentLevelOf(slot: number): number {
    let most: number = Level.NONE;
    for (let index = 0; index < this.nodes.length; index++) {
      if (this.nodes[index]!.isLive) continue;
      most = Math.max(most, this.#levels[index]!.of(slot));
    }
    return most;
  }

  #isPlacedAs(other: View): boolean {
    if (this.#placement !== other.#placement || this.nodes.length !== other.nodes.length) {
      return false;
    }
    return this.#byPlace.every((index, place) => other.#byPlace[place] === index);
  }

  #ownedByNode(): SlotSet[] {
    const owned = this.nodes.map(() => new SlotSet());
    for (let at = 0; at < this.owners.length; at++) {
      const owner = this.owners[at]!;
      if (owner >= 0) owned[owner]!.add(Math.floor(at / this.copies));
    }
    return owned;
  }

  /** Only what nodes have may be something else. */
  #isLike({ owners, nodes, isTold }: View): boolean {
    if (this.owners !== owners || this.isTold !== isTold) return false;
    return this.nodes.every(({ id, isLive }, index) => {
      const other = nodes[index]!;
      return id === other.id && isLive === other.isLive;
    });
  }

  #choose(slot: number): number {
    // As it nearly always is.
    const first = this.owners[slot * this.copies]!;
    if (first >= 0 && this.isLiveAt(slot, first, Level.FULL)) return first;
    const holder = this.holderOf(slot);
    const level = holder >= 0 ? this.levelOf(slot, holder) : Level.NONE;
    if (level === Level.FULL) return holder;
    // Who has not said what it has may have everything.
    if (!this.isTold) return -1;
    // An owner's old state is better than none. Who has nothing would tell of keys that there are
    // none, and so would one that is no owner any more, whose state may be much older.
    if (this.absentLevelOf(slot) > level && !(holder >= 0 && this.isOwner(slot, holder))) return -1;
    if (holder >= 0) return holder;
    // All copies are lost, or there were none yet.
    for (let i = 0; i < this.copies; i++) {
      const owner = this.ownerAt(slot, i);
      if (owner >= 0 && this.nodes[owner]!.isLive) return owner;
    }
    return -1;
  }
}

const NOTHING = new Levels();
const NO_SLOTS = new SlotSet();

function ownersOf({ owners }: Placement, byPlace: readonly number[]): Int16Array {
  const nodes = Int16Array.from(byPlace);
  const found = new Int16Array(owners.length);
  for (let at = 0; at < owners.length; at++) {
    const place = owners[at]!;
    found[at] = place === NO_OWNER ? -1 : nodes[place]!;
  }
  return found;
}
