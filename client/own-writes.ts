/** Where a client has written of late: there it can read what it wrote. */
import type { Key } from '../engine/api.js';
import type { ClusterNode } from './cluster-node.js';
import { type Routes, slotOfKey } from './routes.js';

/** Far longer than a replica lags. */
const KEPT_MS = 10_000;

interface OwnWrite {
  readonly node: ClusterNode;
  readonly untilMs: number;
}

export class OwnWrites {
  /** By slot, of which there are few enough to keep all. */
  readonly #writes = new Map<number, OwnWrite>();

  /** These keys are being written to. */
  note(keys: readonly Key[], routes: Routes | undefined): void {
    const untilMs = performance.now() + KEPT_MS;
    for (const key of keys) {
      const slot = slotOfKey(key);
      const node = routes?.runner(slot);
      if (node !== undefined) this.#writes.set(slot, { node, untilMs });
    }
  }

  /** Where the slot was written to last; undefined: that is long ago. */
  nodeOf(slot: number): ClusterNode | undefined {
    const write = this.#writes.get(slot);
    if (write === undefined) return undefined;
    if (write.untilMs >= performance.now()) return write.node;
    this.#writes.delete(slot);
    return undefined;
  }
}
