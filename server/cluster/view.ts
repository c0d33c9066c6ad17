/**
 * Who has what to do with each slot, as one node sees it: computed anew whenever a member changes
 * or tells of what it has. Two nodes may see it differently for a while; what they do then is
 * reconciled by stamps.
 */
import { SLOTS } from '../../engine/slots.js';
import { Level, type Levels } from './slot-set.js';

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
  /** `copies` nodes for each slot, dead ones too, the first one first. */
  readonly owners: Int16Array;
  readonly #primaries = new Int16Array(SLOTS);
  readonly #indexes: ReadonlyMap<string, number>;

  /** @param nodes all that are known, but for those that have gone for good */
  constructor(nodes: readonly ViewNode[], placement: Placement) {
    const { copies } = placement;
    this.nodes = nodes;
    this.copies = copies;
    this.#indexes = new Map(nodes.map(({ id }, index) => [id, index]));
    this.owners = new Int16Array(SLOTS * copies);
    const placed = new Map(
      nodes.flatMap(({ name, isPlaced }, index) => (isPlaced ? [[name, index] as const] : [])),
    );
    const byPlace = placement.names.map((name) => placed.get(name) ?? -1);
    for (let at = 0; at < this.owners.length; at++) {
      const place = placement.owners[at]!;
      this.owners[at] = place === NO_OWNER ? -1 : byPlace[place]!;
    }
    this.#choosePrimaries();
  }

  /** The node with this id, or -1. */
  indexOf(id: string): number {
    return this.#indexes.get(id) ?? -1;
  }

  /** The node that runs the commands on a slot's keys, or -1 when there is none. */
  primaryOf(slot: number): number {
    return this.#primaries[slot]!;
  }

  /** Number `i` of the nodes that are to have a slot, the first one 0; -1: there are not so many. */
  ownerAt(slot: number, i: number): number {
    return this.owners[slot * this.copies + i]!;
  }

  /** The nodes that are to have a slot, dead ones too. */
  ownersOf(slot: number): number[] {
    const first = slot * this.copies;
    return [...this.owners.subarray(first, first + this.copies)].filter((owner) => owner >= 0);
  }

  isOwner(slot: number, index: number): boolean {
    const first = slot * this.copies;
    for (let at = first; at < first + this.copies; at++) {
      if (this.owners[at] === index) return index >= 0;
    }
    return false;
  }

  /** Whether every slot has the same owners in both; true only if the nodes are the same, too. */
  hasOwnersOf(other: View): boolean {
    if (this.nodes.length !== other.nodes.length || this.copies !== other.copies) return false;
    if (!this.nodes.every(({ id }, index) => other.nodes[index]!.id === id)) return false;
    return this.owners.every((owner, at) => other.owners[at] === owner);
  }

  levelOf(slot: number, index: number): number {
    return this.nodes[index]!.levels?.of(slot) ?? Level.NONE;
  }

  /**
   * The live node that has most of a slot: the first owner that has it all, else whoever else has
   * it all, as before a range is handed over; then likewise who has an older state. -1: nobody.
   */
  holderOf(slot: number): number {
    for (const level of [Level.FULL, Level.STALE]) {
      for (let i = 0; i < this.copies; i++) {
        const owner = this.ownerAt(slot, i);
        if (owner < 0 || !this.nodes[owner]!.isLive) continue;
        if (this.levelOf(slot, owner) === level) return owner;
      }
      const other = this.nodes.findIndex(
        ({ isLive, levels }) => isLive && levels?.of(slot) === level,
      );
      if (other >= 0) return other;
    }
    return -1;
  }

  #choosePrimaries(): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      const first = this.owners[slot * this.copies]!;
      const node = this.nodes[first];
      // As it nearly always is.
      const isUsual = node?.isLive && node.levels?.of(slot) === Level.FULL;
      this.#primaries[slot] = isUsual ? first : this.#choose(slot);
    }
  }

  #choose(slot: number): number {
    const holder = this.holderOf(slot);
    if (holder >= 0) return holder;
    // All copies are lost, or there were none yet.
    return this.ownersOf(slot).find((owner) => this.nodes[owner]!.isLive) ?? -1;
  }
}
