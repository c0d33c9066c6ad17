/** A node of a cluster: its connections, made when they are needed, and how far away it is. */
import type { ClusterView } from '../engine/cluster-view.js';
import { COMMANDS } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { type ClientEvents, Connection, type Role } from './connection.js';
import { Emitter } from './emitter.js';
import type { Rescue } from './frame.js';
import type { ClientSettings } from './options.js';
import { Result } from './pending.js';
import type { Pipeline } from './pipeline.js';
import { cellsOf } from './routes.js';

/** How long a measured round trip counts. Routes change seldom, and a PING costs a node little. */
const MEASURED_MS = 5_000;
/** The share of the latest round trip in the mean: one that was held up shall not decide. */
const LATEST_SHARE = 1 / 4;

/** What a node asks of the router. */
export interface NodeEvents {
  readonly settings: ClientSettings;
  rescue(node: ClusterNode): Rescue;
  /** For reads that any owner may answer. */
  rescueRead(node: ClusterNode): Rescue;
  error(error: ClientEvents['error']): void;
  /** The node said what it sees. */
  told(view: ClusterView): void;
}

export class ClusterNode {
  readonly url: string;
  readonly number: number;
  readonly #events: NodeEvents;
  #main: Connection | undefined;
  #readers: Connection | undefined;
  /** Mean of the round trips measured; infinite before the first. */
  roundTripMs = Number.POSITIVE_INFINITY;
  /** What it sees, as it said last. */
  #told: ClusterView | undefined;
  #measuredAtMs = Number.NEGATIVE_INFINITY;

  constructor(url: string, number: number, events: NodeEvents) {
    this.url = url;
    this.number = number;
    this.#events = events;
  }

  /** For commands that this node runs. */
  get pipeline(): Pipeline {
    this.#main ??= this.#open({ routes: true }, this.#events.rescue(this), true);
    return this.#main.pipeline;
  }

  /** For reads, also of what the node has as a replica. */
  get readers(): Pipeline {
    this.#readers ??= this.#open({ routes: true, replicas: true }, this.#events.rescueRead(this));
    return this.#readers.pipeline;
  }

  /** Whether reads would wait for a connection that has just failed. */
  get isDown(): boolean {
    return this.#readers?.state === 'waiting' || this.#main?.state === 'waiting';
  }

  get connections(): Connection[] {
    return [this.#main, this.#readers].filter((connection) => connection !== undefined);
  }

  /**
   * What it sees at this moment; undefined: nothing that a client could go by.
   * @throws SlabringError when it does not answer
   */
  async ask(): Promise<ClusterView | undefined> {
    const { pipeline } = this;
    const main = this.#main!;
    if (main.state === 'ready') {
      pipeline.open().command(COMMANDS.PING.code, 0);
      // What it has told of late is there when the reply is.
      await pipeline.commit(Result.RAW);
    } else if (main.state === 'waiting') {
      throw new SlabringError('CONNECTION', `${this.url} has just refused to connect`);
    } else {
      await main.ready();
    }
    return this.#told;
  }

  /** Sends a PING now and then, for `roundTripMs`; not before there is a connection. */
  measure(): void {
    const nowMs = performance.now();
    if (nowMs - this.#measuredAtMs < MEASURED_MS) return;
    const pipeline = this.readers;
    if (this.#readers?.state !== 'ready') return;
    this.#measuredAtMs = nowMs;
    try {
      pipeline.open().command(COMMANDS.PING.code, 0);
    } catch {
      // Its queue is full: it is as far away as can be.
      this.roundTripMs = Number.POSITIVE_INFINITY;
      return;
    }
    pipeline.commit(Result.RAW).then(
      () => {
        const tripMs = performance.now() - nowMs;
        const isFirst = this.roundTripMs === Number.POSITIVE_INFINITY;
        this.roundTripMs += isFirst ? 0 : (tripMs - this.roundTripMs) * LATEST_SHARE;
        if (isFirst) this.roundTripMs = tripMs;
      },
      () => {
        this.roundTripMs = Number.POSITIVE_INFINITY;
      },
    );
  }

  /** Gives its connections up to the caller, who closes them. */
  detach(): Connection[] {
    const all = this.connections;
    this.#main = undefined;
    this.#readers = undefined;
    return all;
  }

  /** @param isHeard whether what the node tells on it of the cluster is of interest */
  #open(hello: Record<string, unknown>, rescue: Rescue, isHeard = false): Connection {
    const emitter = new Emitter<ClientEvents>();
    emitter.on('error', (error) => this.#events.error(error));
    // A node that is gone leaves the view, and then its connections end.
    const settings = { ...this.#events.settings, reconnect: true };
    const role: Role = { urls: [this.url], hello };
    if (isHeard) {
      role.welcome = ({ cluster }) => this.#hear(cluster);
      role.pushed = (message) => {
        if (Array.isArray(message) && message[0] === 'view') this.#hear(message[1]);
      };
    }
    const connection = new Connection(role, settings, emitter);
    connection.pipeline.rescue = rescue;
    connection.start();
    return connection;
  }

  /** @throws SlabringError `CONNECTION` when the view is none */
  #hear(cluster: unknown): void {
    const view = cluster as ClusterView | null | undefined;
    // A node that serves nothing yet has no slots to tell.
    this.#told = view?.slots === undefined ? undefined : view;
    if (this.#told === undefined) return;
    cellsOf(this.#told);
    this.#events.told(this.#told);
  }
}
