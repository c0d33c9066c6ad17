/** What a serving thread of a node in a cluster has that others have not. */
import type { ArenaSet } from '../../../engine/arena-set.js';
import type { Frames } from '../../../engine/frame.js';
import type { ClusterDesk } from '../desk.js';
import { FrameRouter, type RoutingClient } from './router.js';
import { ViewPushes, type ViewReader } from './view-pushes.js';

/** Says where the cluster runs; `set` is attached to the calling thread. */
export type OpenDesk = (set: ArenaSet) => ClusterDesk;

export class ClusterService<C extends RoutingClient & ViewReader> {
  readonly desk: ClusterDesk;
  readonly router: FrameRouter<C>;
  readonly pushes: ViewPushes;

  constructor(desk: ClusterDesk, executor: Frames<C>, set: ArenaSet, clients: Iterable<C>) {
    this.desk = desk;
    this.router = new FrameRouter(desk, executor, set);
    this.pushes = new ViewPushes(desk, clients);
  }
}
