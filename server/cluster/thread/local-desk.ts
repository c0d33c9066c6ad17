/** The cluster as the cluster thread itself asks it. */
import type { ClusterView, Concern } from '../../../engine/cluster-view.js';
import { slotOf } from '../../../engine/slots.js';
import type { Cluster } from '../cluster.js';
import type { ClusterDesk } from '../desk.js';
import type { KernelStore } from '../kernel-store.js';
import type { LogPosition } from '../store.js';

export class LocalDesk implements ClusterDesk {
  view: ClusterView;
  onView = () => {};
  readonly #cluster: Cluster;
  readonly #store: KernelStore;

  constructor(cluster: Cluster, store: KernelStore, view: ClusterView) {
    this.#cluster = cluster;
    this.#store = store;
    this.view = view;
  }

  primaryOf(slot: number): number {
    return this.#cluster.view.primaryOf(slot);
  }

  forward(node: number, frame: Uint8Array, waitMs: number): Promise<Uint8Array> {
    return this.#cluster.forwarder.forward(this.view.nodes[node]!.id, frame, waitMs);
  }

  wait(key: Uint8Array, concern: Concern, deadlineMs: number): Promise<number> {
    return this.waitAt(slotOf(key), this.#store.positionOf(key), concern, deadlineMs);
  }

  /** `wait` for what stands before a position of the change log. */
  waitAt(
    slot: number,
    position: LogPosition,
    concern: Concern,
    deadlineMs: number,
  ): Promise<number> {
    // Where nothing was written since, nothing will be shipped that could be waited for.
    const seq = this.#store.isShipped(position) ? 0 : position.seq;
    return this.#cluster.concerns.wait(slot, { ...position, seq }, concern, deadlineMs);
  }
}
