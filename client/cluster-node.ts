/** A node of a cluster: its connections, made when they are needed, and how far away it is. */
import { COMMANDS } from '../engine/commands.js';
import { type ClientEvents, Connection } from './connection.js';
import { Emitter } from './emitter.js';
import type { Rescue } from './frame.js';
import type { ClientSettings } from './options.js';
import { Result } from './pending.js';
import type { Pipeline } from './pipeline.js';

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
}

export class ClusterNode {
  readonly url: string;
  readonly number: number;
  readonly #events: NodeEvents;
  #main: Connection | undefined;
  #readers: Connection | undefined;
  /** Mean of the round trips measured; infinite before the first. */
  roundTripMs = Number.POSITIVE_INFINITY;
  #measuredAtMs = Number.NEGATIVE_INFINITY;

  constructor(url: string, number: number, events: NodeEvents) {
    this.url = url;
    this.number = number;
    this.#events = events;
  }

  /** For commands that this node runs. */
  get pipeline(): Pipeline {
    this.#main ??= this.#open({ routes: true }, this.#events.rescue(this));
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

  /** Uses a connection that is there already, as long as it stands. */
  adopt(connection: Connection): void {
    this.#main ??= connection;
  }

  release(connection: Connection): void {
    if (this.#main === connection) this.#main = undefined;
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

  #open(hello: Record<string, unknown>, rescue: Rescue): Connection {
    const emitter = new Emitter<ClientEvents>();
    emitter.on('error', (error) => this.#events.error(error));
    // A node that is gone leaves the view, and then its connections end.
    const settings = { ...this.#events.settings, reconnect: true };
    const connection = new Connection({ urls: [this.url], hello }, settings, emitter);
    connection.pipeline.rescue = rescue;
    connection.start();
    return connection;
  }
}
