/** The ring (ring.ts) as the view wants it (view.ts). */
import { buildRing } from './ring.js';
import type { RingMember, RingOptions } from './ring-options.js';
import type { Placement } from './view.js';

/** What a placement depends on. */
export interface Placed {
  readonly name: string;
  readonly weight?: number | undefined;
  readonly zone?: string | undefined;
}

/** Placements of a few sets of members: nodes that flap, or two views in turn, cost no new ring. */
const KEPT = 8;

/** Places slots on nodes. Of the same nodes it gives the same object, so that who has it can tell. */
export class Placements {
  readonly #options: RingOptions;
  /** Least lately used first. */
  readonly #known = new Map<string, Placement>();
  readonly #kept: number;

  constructor(options: RingOptions, kept = KEPT) {
    this.#options = options;
    this.#kept = kept;
  }

  of(nodes: readonly Placed[]): Placement {
    const members = nodes.map(({ name, weight, zone }) => ({
      name,
      ...(weight !== undefined && { weight }),
      ...(zone !== undefined && zone !== '' && { zone }),
    }));
    members.sort((a, b) => (a.name < b.name ? -1 : 1));
    const key = JSON.stringify(members);
    const placement = this.#known.get(key) ?? placementOf(members, this.#options);
    this.#known.delete(key);
    this.#known.set(key, placement);
    if (this.#known.size > this.#kept) this.#known.delete(this.#known.keys().next().value!);
    return placement;
  }
}

/**
 * The owners of all slots when these members are all there are.
 * @throws SlabringError `OPTION` as `buildRing` does
 */
export function placementOf(members: readonly RingMember[], options: RingOptions): Placement {
  const { members: placed, copies, table } = buildRing(members, options);
  return { names: placed.map(({ name }) => name), copies, owners: table };
}
