/**
 * A stand-in for a cluster, for tests of the client alone: nodes that answer for their slots, send
 * others on with MOVED, copy writes to the replicas of a slot, and tell the view. Which node has
 * which slot is the test's to say.
 */
import { type ClusterView, NO_NODE } from '#engine/cluster-view.js';
import { COMMANDS, type CommandRow } from '#engine/commands.js';
import { isKey } from '#engine/handles/atomic.js';
import { SLOTS, slotOf } from '#engine/slots.js';
import { type SeenFrame, StandIn } from './client-stand-in.js';

const NAMES = new Map(Object.entries(COMMANDS).map(([name, { code }]) => [code as number, name]));
NAMES.set(0x04, 'WAIT');

/** What a node of the cluster was asked: names and keys, in order. */
export type Asked = [name: string, ...args: unknown[]];

export class ClusterStandIn {
  readonly nodes: StandIn[] = [];
  /** Of each slot, the nodes that have it: the first runs its commands. */
  readonly owners: number[][];
  readonly live: boolean[];
  /** Answers a command in place of the node; undefined: it is the node's. */
  onCommand: ((node: number, command: Asked) => unknown) | undefined;
  /** What a node that is not of the others' opinion tells; undefined: it is. */
  onView: ((self: number, view: ClusterView) => ClusterView | undefined) | undefined;
  /** Whether what is written is copied to the replicas. */
  copies = true;
  readonly asked: Asked[][] = [];
  /** For each node, its sockets that may read what it has as a replica. */
  readonly #readers: WeakSet<object>[] = [];
  #version = 0;

  private constructor(nodes: number, copies: number) {
    this.owners = Array.from({ length: SLOTS }, (_, slot) => {
      const first = Math.floor((slot * nodes) / SLOTS);
      return Array.from({ length: copies }, (_, i) => (first + i) % nodes);
    });
    this.live = new Array(nodes).fill(true);
  }

  static async start(nodes = 3, copies = 2): Promise<ClusterStandIn> {
    const cluster = new ClusterStandIn(nodes, copies);
    for (let index = 0; index < nodes; index++) cluster.#add(await StandIn.start());
    return cluster;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** The view as this node tells it. */
  view(self: number): ClusterView {
    const copies = this.owners[0]!.length;
    const cells = this.owners.flatMap((owners) =>
      Array.from({ length: copies }, (_, i) => owners[i] ?? NO_NODE),
    );
    const bytes = Buffer.alloc(cells.length * 2);
    for (const [i, cell] of cells.entries()) bytes.writeUInt16LE(cell, 2 * i);
    const view = {
      name: 'stand-in',
      version: ++this.#version,
      self,
      nodes: this.nodes.map(({ url }, i) => ({
        ...{ id: `id-${i}`, name: `node-${i}`, url, zone: null },
        live: this.live[i]!,
      })),
      copies,
      slots: new Uint8Array(bytes),
    };
    return this.onView?.(self, view) ?? view;
  }

  /** Tells the present view to all clients. */
  tell(): void {
    for (const [index, node] of this.nodes.entries()) {
      if (this.live[index]) node.push(['view', this.view(index)]);
    }
  }

  /** Takes a node away, with its connections. Nobody is told. */
  async kill(index: number): Promise<void> {
    this.live[index] = false;
    await this.nodes[index]!.close();
  }

  /** Stops a node: its connections stand, and new ones are taken, but it says nothing. */
  freeze(index: number): void {
    const node = this.nodes[index]!;
    node.onHello = () => {};
    node.onFrame = () => {};
  }

  /** Takes the slots of a node from it: the next owner runs their commands. */
  demote(index: number): void {
    for (const owners of this.owners) {
      const at = owners.indexOf(index);
      if (at >= 0) owners.splice(at, 1);
    }
  }

  /** A text key that this node runs the commands of, another for each number. */
  keyOf(index: number, number = 0): string {
    let left = number;
    for (let i = 0; ; i++) {
      const key = `key:${i}`;
      if (this.owners[slotOf(Buffer.from(key))]![0] === index && left-- === 0) return key;
    }
  }

  /** The names of the commands that a node was asked. */
  names(index: number): string[] {
    return this.asked[index]!.map(([name]) => name);
  }

  #add(node: StandIn): void {
    const index = this.nodes.push(node) - 1;
    this.asked.push([]);
    const readers = new WeakSet<object>();
    this.#readers.push(readers);
    node.onHello = (socket, id) => {
      const { routes, replicas } = node.hellos.at(-1)!;
      if (replicas) readers.add(socket);
      const { slots, ...facts } = this.view(index);
      const cluster = routes ? { ...facts, slots } : facts;
      socket.send(node.reply(id, [{ version: 1, server: 'stand-in', limits: {}, cluster }]));
    };
    node.onFrame = (frame) => this.#answer(index, frame);
  }

  #answer(index: number, frame: SeenFrame): void {
    const node = this.nodes[index]!;
    const mayRead = this.#readers[index]!.has(frame.socket);
    const replies: unknown[] = [];
    for (const [code, ...args] of frame.commands) {
      const name = typeof code === 'number' ? (NAMES.get(code) ?? `${code}`) : String(code);
      const command: Asked = [name, ...args];
      this.asked[index]!.push(command);
      const reply = this.onCommand?.(index, command) ?? this.#run(index, command, mayRead);
      // A test that answers with `null` has the frame wait for ever.
      if (reply === SILENCE) return;
      replies.push(reply);
    }
    frame.answer(node.reply(frame.id, replies));
  }

  #run(index: number, [name, ...args]: Asked, mayRead: boolean): unknown {
    const node = this.nodes[index]!;
    const row = (COMMANDS as Record<string, CommandRow>)[name];
    const keys = name === 'WAIT' ? [args[0]] : row ? keysOf(row, args) : [];
    for (const key of keys) {
      const slot = slotOf(Buffer.from(key as string));
      const [runner] = this.owners[slot]!;
      const isOwn = runner === index;
      const isCopy = mayRead && row?.write === false && this.owners[slot]!.includes(index);
      if (isOwn || isCopy) continue;
      if (runner === undefined) return new Error('UNAVAILABLE no node has the key');
      return new Error(`MOVED ${slot} ${this.nodes[runner]!.url}`);
    }
    const reply = this.#execute(node, name, args);
    if (row?.write && this.copies) this.#copy(index, keys as string[]);
    return reply;
  }

  #execute(node: StandIn, name: string, args: unknown[]): unknown {
    switch (name) {
      case 'MGET':
        return args.map((key) => node.execute([['GET', key]])[0]);
      case 'ATOMIC':
      case 'WAIT':
        return name === 'WAIT' ? 1 : [];
      case 'DBSIZE':
        return node.store.size;
      case 'FLUSH':
        node.store.clear();
        return true;
      case 'RANDOMKEY':
        return [...node.store.keys()][0] ?? null;
      case 'SCAN': {
        // Two keys a page.
        const from = args[0] as number;
        const keys = [...node.store.keys()].sort();
        return [from + 2 < keys.length ? from + 2 : 0, keys.slice(from, from + 2)];
      }
      default:
        return node.execute([[name, ...args]])[0];
    }
  }

  #copy(index: number, keys: string[]): void {
    for (const key of keys) {
      for (const owner of this.owners[slotOf(Buffer.from(key))]!) {
        const entry = this.nodes[index]!.store.get(key);
        if (owner === index) continue;
        if (entry === undefined) this.nodes[owner]!.store.delete(key);
        else this.nodes[owner]!.store.set(key, entry);
      }
    }
  }
}

/** As the reply of `onCommand`: the frame is never answered. */
export const SILENCE = Symbol('silence');

function keysOf(row: CommandRow, args: unknown[]): unknown[] {
  if (row.code === COMMANDS.ATOMIC.code) {
    const [commands] = args as [unknown[][]];
    return commands.flatMap(([code, ...rest]) => {
      const inner = Object.values<CommandRow>(COMMANDS).find((one) => one.code === code)!;
      return keysOf(inner, rest);
    });
  }
  return args.filter((_, i) => isKey(row, i, args));
}
