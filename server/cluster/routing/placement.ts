/** Which node runs a command, by the slots of its keys. */
import { Service, type SlotTable } from '../../../engine/slot-table.js';
import type { ClusterDesk } from '../desk.js';

/** Nodes are indexes of the view's; this is the one that asks. */
export const HERE = -1;
/** No node serves the slot now. */
export const NOWHERE = -2;

export interface Placement {
  /** Whether commands that only read keys of the slot may run here. */
  isReadHere(slot: number): boolean;
  /** Who runs all commands on keys of the slot: a node, HERE or NOWHERE. */
  nodeOf(slot: number): number;
}

/** Everything runs here. */
export const ALL_HERE: Placement = {
  isReadHere: () => true,
  nodeOf: () => HERE,
};

/** As this node's table of slots has it, and for all other slots the cluster's view. */
export class ClusterPlacement implements Placement {
  readonly #desk: ClusterDesk;
  readonly #table: SlotTable;
  readonly #access: number;

  /** @param access of `Access` in slot-table.ts: what the client accepts */
  constructor(desk: ClusterDesk, table: SlotTable, access: number) {
    this.#desk = desk;
    this.#table = table;
    this.#access = access;
  }

  isReadHere(slot: number): boolean {
    return this.#table.serves(slot, this.#access);
  }

  nodeOf(slot: number): number {
    if (this.#table.serves(slot, Service.ALL)) return HERE;
    const node = this.#desk.primaryOf(slot);
    // A slot that is to be this node's, which is not ready to serve it, is served by nobody.
    return node < 0 || node === this.#desk.view.self ? NOWHERE : node;
  }
}

/**
 * For each of a command's keys who runs it, were it the only one; the same for all wherever one
 * node can run it for all.
 */
export function placesOf(
  slots: readonly number[],
  isWrite: boolean,
  placement: Placement,
): readonly number[] {
  const isHere = slots.map((slot) => !isWrite && placement.isReadHere(slot));
  if (isHere.every(Boolean)) return slots.map(() => HERE);
  const nodes = slots.map((slot) => placement.nodeOf(slot));
  if (nodes.every((node) => node === nodes[0])) return nodes;
  return nodes.map((node, i) => (isHere[i] ? HERE : node));
}
