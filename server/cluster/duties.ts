/** What this node does with each slot, as the store is told: for clients, and for other owners. */
import { SLOTS } from '../../engine/slots.js';
import { Level, type Levels, SlotSet } from './slot-set.js';
import { type ReplicaStore, Service } from './store.js';
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

export class Duties {
  readonly #world: DutiesWorld;
  /** What the store was told last: service, and links as two words of bits. */
  readonly #services = new Uint8Array(SLOTS);
  readonly #links = new Int32Array(2 * SLOTS);

  constructor(world: DutiesWorld) {
    this.#world = world;
  }

  /**
   * Tells the store what is new.
   * @param self this node's index in the view; -1: it has no part in anything
   * @param pulling by id: slots of which nodes get copies, though the view may not say so yet
   * @param only the slots of which anything may be new; absent: all
   */
  apply(
    view: View,
    self: number,
    pulling: ReadonlyMap<string, SlotSet>,
    only: SlotSet = ALL_SLOTS,
  ): void {
    const { store, linkOf, levels, minOwners } = this.#world;
    const { copies, owners } = view;
    // By node: its link as a bit of one of two words, and whether it is live, as a number.
    const lows = Int32Array.from(view.nodes, ({ id }) => lowBit(linkOf(id)));
    const highs = Int32Array.from(view.nodes, ({ id }) => highBit(linkOf(id)));
    const lives = Uint8Array.from(view.nodes, ({ isLive }) => (isLive ? 1 : 0));
    const extra = [...pulling].map(([id, { bytes }]) => ({
      ...{ bytes, low: lowBit(linkOf(id)), high: highBit(linkOf(id)) },
    }));
    const { primaries } = view;
    const services = this.#services;
    const links = this.#links;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (((only.bytes[slot >> 3]! >> (slot & 7)) & 1) === 0) continue;
      let low = 0;
      let high = 0;
      let live = 0;
      let isOwner = false;
      for (let at = slot * copies, end = at + copies; at < end; at++) {
        const owner = owners[at]!;
        if (owner < 0) continue;
        low |= lows[owner]!;
        high |= highs[owner]!;
        live += lives[owner]!;
        if (owner === self) isOwner = true;
      }
      for (let i = 0; i < extra.length; i++) {
        const pull = extra[i]!;
        if (((pull.bytes[slot >> 3]! >> (slot & 7)) & 1) === 0) continue;
        low |= pull.low;
        high |= pull.high;
      }
      const level = levels.of(slot);
      const isHolder = level !== Level.NONE;
      const isEnough = live >= minOwners && self >= 0;
      let service: number = Service.NONE;
      if (isEnough && primaries[slot] === self) service |= Service.SERVES;
      // What a former owner has gets no writes any more, and what is stale has missed some.
      if (isEnough && isOwner && level === Level.FULL) service |= Service.REPLICA;
      if (isEnough && (isHolder || isOwner)) service |= Service.ACCEPTS;
      const isKnown = services[slot] === service && links[2 * slot] === low;
      if (isKnown && links[2 * slot + 1] === high) continue;
      services[slot] = service;
      links[2 * slot] = low;
      links[2 * slot + 1] = high;
      store.setSlot(slot, service, low, high);
    }
  }
}

const ALL_SLOTS = SlotSet.all();

function lowBit(link: number | undefined): number {
  return link !== undefined && link >= 0 && link < 32 ? 1 << link : 0;
}

function highBit(link: number | undefined): number {
  return link !== undefined && link >= 32 ? 1 << (link - 32) : 0;
}
