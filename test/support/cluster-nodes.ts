/**
 * Nodes of a cluster in one thread: each with arenas, a table of slots and what serves clients.
 * What a real cluster's thread does between them is a call here: `Desk` stands in for it.
 */
import { ArenaSet } from '#engine/arena-set.js';
import type { ClusterView, Concern } from '#engine/cluster-view.js';
import { SlabringError } from '#engine/errors.js';
import { createExecutor } from '#engine/routed-frame.js';
import { Service, SLOT_COUNT, SlotTable } from '#engine/slot-table.js';
import type { ClusterDesk } from '#server/cluster/desk.js';
import { ForwardedFrames } from '#server/cluster/routing/forwarded.js';
import { Service as ClusterService } from '#server/cluster/store.js';
import { createCounters } from '#server/counters.js';
import { ServingThread } from '#server/serving-thread.js';
import type { Connection } from '#server/session.js';
import { Session } from '#server/session.js';
import type { ThreadStart } from '#server/thread-contract.js';

const MIB = 1024 ** 2;

export interface ClusterOptions {
  nodes?: number;
  /** Of each node. */
  arenas?: number;
  now?: () => number;
  maxBacklogBytes?: number;
  tokenDigest?: Uint8Array;
}

interface WaitCall {
  key: string;
  concern: Concern;
  deadlineMs: number;
}

/** What a node asks of the cluster. */
class Desk implements ClusterDesk {
  onView = () => {};
  /** Frames that were sent to others, by node. */
  readonly forwards: { node: number; frame: Buffer; waitMs: number }[] = [];
  readonly waits: WaitCall[] = [];
  /** How a WAIT ends. */
  waiting: (call: WaitCall) => Promise<number> = async () => 2;
  /** What a forwarded frame waits for before it is executed. */
  delay: () => Promise<void> = async () => {};
  view: ClusterView;
  readonly #cluster: NodesInThread;

  constructor(cluster: NodesInThread, self: number) {
    this.#cluster = cluster;
    this.view = cluster.viewOf(self, 1);
  }

  primaryOf(slot: number): number {
    return this.#cluster.owners[slot]!;
  }

  async forward(node: number, frame: Uint8Array, waitMs: number): Promise<Uint8Array> {
    const copy = Buffer.from(frame);
    this.forwards.push({ node, frame: copy, waitMs });
    await this.delay();
    const peer = this.#cluster.nodes[node]!;
    const serviceOf = (slot: number) =>
      this.#cluster.owners[slot] === node ? ClusterService.ACCEPTS : ClusterService.NONE;
    const frames = new ForwardedFrames(peer.peerExecutor, serviceOf, peer.desk);
    const reply = await frames.execute(copy);
    if (reply) return reply;
    throw new SlabringError('TRYAGAIN', 'no node takes the key right now');
  }

  wait(key: Uint8Array, concern: Concern, deadlineMs: number): Promise<number> {
    const call = { key: Buffer.from(key).toString(), concern, deadlineMs };
    this.waits.push(call);
    return this.waiting(call);
  }
}

export class NodeInThread {
  readonly set: ArenaSet;
  readonly table: SlotTable;
  readonly desk: Desk;
  readonly thread: ServingThread;
  readonly peerExecutor;

  constructor(cluster: NodesInThread, self: number, options: ClusterOptions) {
    const { arenas = 1, now } = options;
    const set = ArenaSet.create({
      memoryBytes: arenas * 16 * MIB,
      partitions: 1,
      policy: 'none',
      maxValueBytes: 2 * MIB,
      maxThreads: 2,
      arenas,
      slots: true,
    });
    this.desk = new Desk(cluster, self);
    const start = {
      arenas: set.handle,
      config: {
        tokenDigest: options.tokenDigest,
        maxMessageBytes: 8 * MIB,
        maxBacklogBytes: options.maxBacklogBytes ?? MIB,
        allowOrigins: [],
      },
      facts: { nodeId: `node ${self}`, software: '0', startedAtMs: 0, frontEnd: 'ws' },
      thread: 0,
      counters: createCounters(1),
    } as unknown as ThreadStart;
    this.thread = new ServingThread(start, () => this.desk);
    this.set = set;
    this.table = new SlotTable(set);
    // On the attachment that the sessions have, as a serving thread has but one.
    this.peerExecutor = createExecutor<undefined>(this.thread.arenas, () => null, {
      ...(now && { now }),
    });
  }

  connect(): FakeConnection {
    return new FakeConnection(this.thread);
  }

  close(): void {
    this.thread.arenas.close();
    this.set.close();
  }
}

/** A client whose frames are received, and whose replies are kept. */
export class FakeConnection implements Connection {
  readonly session: Session;
  readonly replies: Buffer[] = [];
  readonly closes: [number, string][] = [];
  /** As if so much waited to be sent. */
  unsentBytes = 0;
  #onReply: (() => void) | undefined;

  constructor(thread: ServingThread) {
    this.session = new Session(thread, this);
  }

  send(bytes: Uint8Array): boolean {
    this.replies.push(Buffer.from(bytes));
    this.#onReply?.();
    return this.unsentBytes > 0;
  }

  bufferedBytes(): number {
    return this.unsentBytes;
  }

  close(code: number, reason: string): void {
    this.closes.push([code, reason]);
    this.#onReply?.();
  }

  /** Resolves when so many replies have come, or the connection is closed. */
  async until(count: number): Promise<void> {
    while (this.replies.length < count && this.closes.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onReply = resolve;
      });
    }
  }

  /** The reply frame to a frame. */
  async call(frame: Uint8Array): Promise<Buffer> {
    this.replies.length = 0;
    this.session.receive(frame, true);
    await this.until(1);
    const [reply] = this.replies.splice(0);
    if (!reply) throw new Error(`closed: ${this.closes.join()}`);
    return reply;
  }
}

export class NodesInThread {
  /** By slot; -1: none. */
  readonly owners: number[];
  readonly nodes: NodeInThread[] = [];

  constructor(options: ClusterOptions = {}) {
    const { nodes = 3 } = options;
    this.owners = Array.from({ length: SLOT_COUNT }, (_, slot) => slot % nodes);
    for (let self = 0; self < nodes; self++) {
      this.nodes.push(new NodeInThread(this, self, options));
    }
    this.serve();
  }

  /** Has the nodes serve what they own. */
  serve(): void {
    for (const [index, { table }] of this.nodes.entries()) {
      table.setServices(this.owners.map((owner) => (owner === index ? Service.ALL : 0)));
    }
  }

  viewOf(self: number, version: number): ClusterView {
    const nodes = [0, 1, 2].map((index) => ({
      id: `id ${index}`,
      name: `node ${index}`,
      url: `ws://node${index}:7707`,
      zone: null,
      live: true,
    }));
    return { name: 'test', version, self, nodes, copies: 1, slots: Buffer.of(1, 0, 2, 0) };
  }

  close(): void {
    for (const node of this.nodes) node.close();
  }
}
