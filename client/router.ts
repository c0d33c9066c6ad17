/**
 * Sends each command to the node of its key.
 *
 *     control      the connection that the client began with, or another where that was lost: it
 *                  tells the view of the cluster, and takes the commands that have no key. What is
 *                  on its way to the nodes does not depend on it, so it may be lost at any time
 *     nodes        one or two connections to each, from the first command on
 *     routes       slot -> node; absent: there is no cluster, and all goes through `control`
 *
 * A command that a node did not run comes back (`Rescue`): see `retries.ts`.
 */
import type { Key } from '../engine/api.js';
import type { ClusterView } from '../engine/cluster-view.js';
import { COMMANDS } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import type { Reading } from '../engine/handles/runner.js';
import { show } from '../engine/units.js';
import { ClusterNode, type NodeEvents } from './cluster-node.js';
import { type ClientEvents, Connection, type ServerFacts } from './connection.js';
import type { Emitter } from './emitter.js';
import type { Rescue } from './frame.js';
import type { Gathering } from './gathering.js';
import { Heartbeat, type HeartbeatWorld } from './heartbeat.js';
import type { ClientSettings } from './options.js';
import { OwnWrites } from './own-writes.js';
import { Result } from './pending.js';
import type { Pipeline } from './pipeline.js';
import { Retries, type RetryWorld } from './retries.js';
import { Routes, slotOfKey } from './routes.js';
import { isWrite } from './rows.js';
import type { Sender, Stop } from './sender.js';
import { ViewChoice, type ViewWorld } from './view-choice.js';
import type { FrameWriter } from './writer.js';

export class Router implements Sender {
  readonly control: Connection;
  readonly #settings: ClientSettings;
  readonly #emitter: Emitter<ClientEvents>;
  readonly #seeds: readonly string[];
  readonly #role: { urls: readonly string[]; isUrgent: boolean };
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #events: NodeEvents;
  readonly #choice: ViewChoice;
  readonly #heartbeat: Heartbeat;
  /** Commands that came back. */
  readonly retries: Retries;
  /** Undefined as long as no session wants to read them: then they cost nothing. */
  ownWrites: OwnWrites | undefined;
  readonly #controlRescue: Rescue = (lost, error) => this.retries.rescue(undefined, lost, error);
  /** Of the next node that the client gets to know. */
  #nextNumber = 0;
  #routes: Routes | undefined;
  /** Of the command that is being written. */
  #current: Pipeline;

  constructor(urls: readonly string[], settings: ClientSettings, emitter: Emitter<ClientEvents>) {
    this.#settings = settings;
    this.#emitter = emitter;
    this.#seeds = urls;
    const role = {
      urls,
      isUrgent: false,
      hello: settings.routes ? { routes: true } : {},
      welcome: (facts: ServerFacts) => this.#welcome(facts),
      lost: () => this.#heartbeat.stop(),
      pushed: (message: unknown) => this.#pushed(message),
    };
    this.#role = role;
    this.control = new Connection(role, settings, emitter);
    this.#current = this.control.pipeline;
    this.retries = new Retries(this.#retryWorld());
    this.#choice = new ViewChoice(this.#viewWorld());
    this.#heartbeat = new Heartbeat(this.#heartbeatWorld());
    this.#events = {
      settings,
      rescue: (node) => (lost, error) => this.retries.rescue(node, lost, error),
      rescueRead: (node) => (lost, error) => this.retries.rescueRead(node, lost, error),
      error: (error) => emitter.emit('error', error),
      told: (view) => this.#choice.overhear(view),
    };
    emitter.on('state', (state) => {
      if (state === 'closed') void this.#end(false);
    });
  }

  /** undefined: there is no cluster, or the client does not route. */
  get routes(): Routes | undefined {
    return this.#routes;
  }

  /** Whether there is a cluster, as far as known; also where the client does not route. */
  get isClustered(): boolean {
    const { facts } = this.control;
    return facts === undefined || (facts.cluster ?? undefined) !== undefined;
  }

  get copies(): number {
    return this.#routes?.meanCopies ?? 1;
  }

  get outstanding(): number {
    const pipelines = new Set([this.control.pipeline]);
    for (const node of this.#nodes.values()) {
      for (const { pipeline } of node.connections) pipelines.add(pipeline);
    }
    let commands = this.retries.waiting;
    for (const pipeline of pipelines) commands += pipeline.outstanding;
    return commands;
  }

  /** From now on it is known where the client has written. */
  noteOwnWrites(): void {
    this.ownWrites ??= new OwnWrites();
  }

  async close(wait: boolean): Promise<void> {
    // The nodes first: they would be cut off when the control connection is closed.
    const nodes = this.#end(wait);
    await Promise.all([this.control.close(wait), nodes]);
  }

  open(code: number, key?: Key, others?: readonly Key[]): FrameWriter {
    // Where there is no cluster, it has always been that one.
    if (this.#routes !== undefined) this.#current = this.pipelineOf(key, others);
    if (this.ownWrites !== undefined && key !== undefined && isWrite(code)) {
      this.ownWrites.note(others === undefined ? [key] : [key, ...others], this.#routes);
    }
    return this.#current.open();
  }

  commit(result: Result | Reading<unknown>): Promise<unknown> {
    return this.#current.commit(result);
  }

  commitPart(gathering: Gathering, index: number): void {
    this.#current.commitPart(gathering, index);
  }

  rollback(): void {
    this.#current.rollback();
  }

  abandon(error: unknown): Promise<never> {
    return this.#current.abandon(error);
  }

  /** @throws SlabringError `CROSSSLOT` when the keys are on several nodes */
  pipelineOf(key?: Key, others?: readonly Key[]): Pipeline {
    const routes = this.#routes;
    if (routes === undefined || key === undefined) return this.control.pipeline;
    const node = routes.runner(slotOfKey(key));
    if (others !== undefined) {
      for (const other of others) {
        // What is no key is refused as such when it is written.
        if (!isKey(key) || !isKey(other)) continue;
        if (routes.runner(slotOfKey(other)) !== node) throw crossSlotError(key, other);
      }
    }
    return node === undefined ? this.control.pipeline : node.pipeline;
  }

  split(keys: readonly Key[]): readonly (readonly number[])[] | undefined {
    const routes = this.#routes;
    if (routes === undefined) return undefined;
    const byNode = new Map<ClusterNode | undefined, number[]>();
    for (const [index, key] of keys.entries()) {
      const node = routes.runner(slotOfKey(key));
      const indexes = byNode.get(node);
      if (indexes === undefined) byNode.set(node, [index]);
      else indexes.push(index);
    }
    return byNode.size > 1 ? [...byNode.values()] : undefined;
  }

  stops(): readonly Stop[] {
    const routes = this.#routes;
    if (routes === undefined) {
      return [{ number: 0, pipeline: this.control.pipeline, has: () => true }];
    }
    // One that clients cannot reach is another one here.
    const live = [
      ...new Set(routes.nodes.filter((_, index) => routes.view.nodes[index]?.live ?? true)),
    ];
    return live
      .sort((a, b) => a.number - b.number)
      .map((node) => ({
        number: node.number,
        pipeline: node.pipeline,
        has: (key) => routes.runner(slotOfKey(key)) === node,
      }));
  }

  #retryWorld(): RetryWorld {
    const routes = () => this.#routes;
    const fallback = () => this.control.pipeline;
    return {
      settings: this.#settings,
      get routes() {
        return routes();
      },
      get fallback() {
        return fallback();
      },
      nodeAt: (url) => this.#nodeAt(url),
      isKnown: (node) => this.#nodes.get(node.url) === node,
    };
  }

  #viewWorld(): ViewWorld {
    const routes = () => this.#routes;
    const { control } = this;
    return {
      get view() {
        return routes()?.view;
      },
      get isControlled() {
        return control.state === 'ready';
      },
      nodes: () => liveUrls(this.#routes?.view).map((url) => this.#nodeAt(url)),
      follow: (view) => this.#follow(view),
      move: (url) => {
        this.#role.urls = [...new Set([url, ...this.#role.urls])];
        const text = 'another node sees more of the cluster than the one that the client asked';
        if (control.state === 'ready') control.drop(new SlabringError('CONNECTION', text));
      },
    };
  }

  #heartbeatWorld(): HeartbeatWorld {
    const { control } = this;
    const { pipeline } = control;
    return {
      get received() {
        return pipeline.received;
      },
      ask: () => {
        try {
          pipeline.open().command(COMMANDS.PING.code, 0);
        } catch {
          // Too much waits to be sent: there is enough to be answered.
          return;
        }
        // Whether a reply came is seen in what is received.
        pipeline.commit(Result.RAW).catch(() => {});
      },
      lost: (silentMs) => {
        const text = `the node was silent for ${silentMs} ms`;
        // Where there is no other one, nothing is gained.
        if (this.#role.isUrgent) control.drop(new SlabringError('CONNECTION', text));
        else this.#heartbeat.start();
      },
    };
  }

  #welcome(facts: ServerFacts): void {
    const view = facts.cluster as ClusterView | null | undefined;
    const { pipeline } = this.control;
    const isClustered = view !== null && view !== undefined;
    pipeline.rescue = isClustered ? this.#controlRescue : undefined;
    if (!this.#settings.routes || !isClustered) {
      this.#role.urls = this.#seeds;
      this.#role.isUrgent = false;
      if (this.#routes !== undefined) void this.#end(true);
      return;
    }
    this.#choice.hear(view);
    this.#heartbeat.start();
    pipeline.scatter(new SlabringError('CONNECTION', 'there is no connection yet'));
  }

  #pushed(message: unknown): void {
    if (!this.#settings.routes || !Array.isArray(message) || message[0] !== 'view') return;
    this.#choice.hear(message[1] as ClusterView);
  }

  /** @throws SlabringError `CONNECTION` when the view is none */
  #follow(view: ClusterView): void {
    const routes = new Routes(view, (url) => this.#nodeAt(url));
    this.#routes = routes;
    this.#role.urls = this.#byChance(view);
    this.#role.isUrgent = this.#role.urls.length > 1;
    const change = new SlabringError('CONNECTION', 'the node is no longer in the cluster');
    for (const [url, node] of this.#nodes) {
      const seen = view.nodes.filter((one) => one.url === url);
      if (seen.some(({ live }) => live)) {
        for (const { pipeline } of node.connections) pipeline.scatter(change);
        continue;
      }
      if (seen.length === 0) this.#nodes.delete(url);
      for (const connection of node.detach()) {
        // What is dead will not answer: what was sent to it need not wait for the deadline.
        if (seen.length > 0) connection.drop(change);
        connection.pipeline.scatter(change);
        void connection.close(true);
      }
    }
    this.retries.hurry();
    this.#emitter.emit('view', view);
  }

  #nodeAt(url: string): ClusterNode {
    let node = this.#nodes.get(url);
    if (node === undefined) {
      node = new ClusterNode(url, this.#nextNumber++, this.#events);
      this.#nodes.set(url, node);
    }
    return node;
  }

  /**
   * Where the control connection goes when it is lost: to the other live nodes, not all clients to
   * the same first; then to the one that it was with, and those that may be gone.
   */
  #byChance(view: ClusterView): string[] {
    const self = view.nodes[view.self]?.url ?? '';
    const others = liveUrls(view).filter((url) => url !== self);
    const first = Math.floor(Math.random() * others.length);
    const last = self === '' ? [] : [self];
    const all = [...others.slice(first), ...others.slice(0, first), ...last, ...this.#seeds];
    return [...new Set(all)];
  }

  /** There is no cluster any more, or the client ends. */
  async #end(wait: boolean): Promise<void> {
    this.#routes = undefined;
    this.#current = this.control.pipeline;
    this.#heartbeat.stop();
    this.#choice.end();
    this.retries.end();
    const nodes = [...this.#nodes.values()];
    this.#nodes.clear();
    const connections = nodes.flatMap((node) => node.detach());
    await Promise.all(connections.map((connection) => connection.close(wait)));
  }
}

/** Where clients reach the live nodes. */
function liveUrls(view: ClusterView | undefined): string[] {
  const reached = view?.nodes.filter(({ live, url }) => live && url !== '') ?? [];
  return [...new Set(reached.map(({ url }) => url))];
}

function isKey(key: unknown): key is Key {
  return typeof key === 'string' || key instanceof Uint8Array;
}

function crossSlotError(key: Key, other: Key): SlabringError {
  return new SlabringError(
    'CROSSSLOT',
    `${show(key)} and ${show(other)} are on different nodes, and this needs all its keys on one: ` +
      "keys with a {tag} in common are, such as '{user:1}:name' and '{user:1}:mail'",
  );
}
