/**
 * Who has which slot, as the client sees it: what a node told last, and what MOVED taught since.
 *
 *     cells   16,384 slots x `copies` numbers of two bytes, indexes of `nodes`
 *             first the node that runs the slot's commands, then others that answer reads
 */
import type { Key } from '../engine/api.js';
import { type ClusterView, NO_NODE } from '../engine/cluster-view.js';
import { SlabringError } from '../engine/errors.js';
import { SLOTS, slotOf, slotOfText } from '../engine/slots.js';
import type { ClusterNode } from './cluster-node.js';

export class Routes {
  readonly view: ClusterView;
  /** Those of the view, at the same indexes, and behind them those that only MOVED has named. */
  readonly nodes: ClusterNode[];
  readonly #copies: number;
  readonly #cells: Uint16Array;

  /** @throws SlabringError `CONNECTION` when the view is none */
  constructor(view: ClusterView, nodeAt: (url: string) => ClusterNode) {
    const cells = cellsOf(view);
    const { copies, nodes } = view;
    this.view = view;
    // Of a node that clients cannot reach the one that told of it does the commands.
    const teller = nodes[view.self]?.url ?? '';
    this.nodes = nodes.map(({ url }) => nodeAt(url === '' ? teller : url));
    this.#copies = copies;
    this.#cells = cells;
  }

  /** The node that runs the commands on the keys of a slot; undefined: none does now. */
  runner(slot: number): ClusterNode | undefined {
    return this.nodes[this.#cells[slot * this.#copies]!];
  }

  /** All that answer reads of a slot, its runner first. */
  owners(slot: number): ClusterNode[] {
    const owners: ClusterNode[] = [];
    for (let i = slot * this.#copies; i < (slot + 1) * this.#copies; i++) {
      const node = this.nodes[this.#cells[i]!];
      if (node !== undefined) owners.push(node);
    }
    return owners;
  }

  /** A node said that this one runs the slot's commands. */
  moved(slot: number, node: ClusterNode): void {
    let index = this.nodes.indexOf(node);
    if (index < 0) index = this.nodes.push(node) - 1;
    const first = slot * this.#copies;
    const owners = this.#cells.subarray(first, first + this.#copies);
    const before = owners.indexOf(index);
    if (before > 0) owners[before] = owners[0]!;
    owners[0] = index;
  }

  /** How many nodes have each slot, in the mean. */
  get meanCopies(): number {
    return this.#cells.reduce((sum, index) => (index === NO_NODE ? sum : sum + 1), 0) / SLOTS;
  }
}

/** Of what is no key: any, because writing it fails. */
export function slotOfKey(key: Key): number {
  if (typeof key === 'string') return slotOfText(key);
  return key instanceof Uint8Array ? slotOf(key) : 0;
}

/** Whether all that the view knows at this address is dead. */
export function isDead(url: string, { nodes }: ClusterView): boolean {
  const seen = nodes.filter((node) => node.url === url);
  return seen.length > 0 && !seen.some(({ live }) => live);
}

/**
 * The table of a view.
 * @throws SlabringError `CONNECTION` when the view is none
 */
export function cellsOf({ copies, nodes, slots }: ClusterView): Uint16Array {
  if (!Array.isArray(nodes)) throw broken('nodes is no array');
  if (!(slots instanceof Uint8Array) || slots.length !== SLOTS * copies * 2 || copies < 1) {
    throw broken(`slots is no table of ${copies} copies`);
  }
  const cells = new Uint16Array(SLOTS * copies);
  for (let i = 0; i < cells.length; i++) {
    const index = slots[2 * i]! | (slots[2 * i + 1]! << 8);
    if (index !== NO_NODE && index >= nodes.length) throw broken(`there is no node ${index}`);
    cells[i] = index;
  }
  return cells;
}

function broken(what: string): SlabringError {
  return new SlabringError('CONNECTION', `the node told a view of its cluster in which ${what}`);
}
