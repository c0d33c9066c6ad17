/** What all connections of one serving thread share, whichever front end they came through. */
import { ArenaSet } from '../engine/arena-set.js';
import type { Frames } from '../engine/frame.js';
import { createExecutor } from '../engine/routed-frame.js';
import { ClusterService, type OpenDesk } from './cluster/routing/service.js';
import { counterRow } from './counters.js';
import { hostCommands } from './hello.js';
import type { ServeConfig } from './options.js';
import type { Session } from './session.js';
import type { NodeFacts, ThreadStart } from './thread-contract.js';

export class ServingThread {
  readonly arenas: ArenaSet;
  readonly config: ServeConfig;
  readonly facts: NodeFacts;
  readonly thread: number;
  /** The counters of every thread, and this thread's row of them. */
  readonly allCounters: SharedArrayBuffer;
  readonly counters: Float64Array;
  readonly executor: Frames<Session>;
  /** undefined: the node is in no cluster. */
  readonly cluster: ClusterService<Session> | undefined;
  /** The open connections. */
  readonly sessions = new Set<Session>();

  #draining: (() => void) | undefined;

  /** @param openDesk of a node in a cluster, whose arenas have slots */
  constructor(start: ThreadStart, openDesk?: OpenDesk) {
    this.arenas = ArenaSet.attach(start.arenas);
    this.config = start.config;
    this.facts = start.facts;
    this.thread = start.thread;
    this.allCounters = start.counters;
    this.counters = counterRow(start.counters, start.thread);
    this.executor = createExecutor<Session>(this.arenas, hostCommands(this));
    this.cluster =
      openDesk &&
      new ClusterService(openDesk(this.arenas), this.executor, this.arenas, this.sessions);
    this.arenas.startUpkeep();
  }

  /** The node stops: no new work is wanted. */
  get draining(): boolean {
    return this.#draining !== undefined;
  }

  /** Closes every connection as soon as its frames are answered; resolves when none is left. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#draining = resolve;
      for (const session of [...this.sessions]) session.drain();
      if (this.sessions.size === 0) resolve();
    });
  }

  /** For sessions, when they are closed. */
  sessionClosed(session: Session): void {
    this.sessions.delete(session);
    if (this.sessions.size === 0) this.#draining?.();
  }
}
