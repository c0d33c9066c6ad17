/** Clusters of real nodes: `slabring serve --cluster`, a process each, on free ports. */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckResult } from '#server/cluster/copy-check.js';
import type { ClusterStatus } from '#server/cluster/thread/administration.js';
import { Line } from './cluster-line.js';
import { type Ended, NodeProcess, type RunOptions } from './node-process.js';

/** Between two looks at something that goes on in other processes. */
const LOOK_MS = 50;
/** Even on a machine that does ten things at once. */
const WITHIN_MS = 30_000;

/** A node; it is the same process until it ends. */
export class ClusterNode {
  readonly name: string;
  readonly process: NodeProcess;
  url = '';
  /** Where other nodes join it. */
  peerAddress = '';

  constructor(name: string, process: NodeProcess) {
    this.name = name;
    this.process = process;
  }

  get http(): string {
    return this.url.replace('ws:', 'http:');
  }

  async started(): Promise<this> {
    this.url = await this.process.url();
    const joins = /join at (\S+)/;
    await until(() => joins.test(this.process.stdout), `${this.name} says where to join`);
    this.peerAddress = joins.exec(this.process.stdout)![1]!;
    return this;
  }

  async status(): Promise<ClusterStatus> {
    const signal = AbortSignal.timeout(WITHIN_MS);
    const response = await fetch(`${this.http}/cluster`, { signal });
    return (await response.json()) as ClusterStatus;
  }

  async check(): Promise<CheckResult> {
    const response = await fetch(`${this.http}/cluster/check`, { method: 'POST' });
    return (await response.json()) as CheckResult;
  }

  line(): Promise<Line> {
    return Line.open(this.url);
  }

  /** What happens to a process that nobody asks. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.process.ended;
  }

  /** Has it hand over and go. */
  stop(): Promise<Ended> {
    this.process.kill('SIGTERM');
    return this.process.ended;
  }
}

export interface ClusterProcessesOptions {
  readonly replicas: number;
  /** Further options of `slabring serve`. */
  readonly args?: readonly string[];
  readonly run?: RunOptions;
  /** Where and how each node runs. */
  readonly network?: {
    runOf(name: string): RunOptions;
    argsOf(name: string): readonly string[];
  };
}

export class ClusterProcesses {
  /** Those that were started and not ended by the test. */
  readonly nodes = new Map<string, ClusterNode>();
  readonly name: string;
  readonly #options: ClusterProcessesOptions;

  constructor(name: string, options: ClusterProcessesOptions) {
    this.name = name;
    this.#options = options;
  }

  /** Starts nodes of these names, the first one first, and waits until they are one cluster. */
  static async of(
    name: string,
    names: readonly string[],
    options: ClusterProcessesOptions,
  ): Promise<ClusterProcesses> {
    const cluster = new ClusterProcesses(name, options);
    await cluster.start(names[0]!);
    await Promise.all(names.slice(1).map((other) => cluster.start(other)));
    await cluster.whole();
    return cluster;
  }

  get all(): ClusterNode[] {
    return [...this.nodes.values()];
  }

  get(name: string): ClusterNode {
    const node = this.nodes.get(name);
    if (!node) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Starts a node, which joins those that there are. */
  async start(name: string, more: readonly string[] = []): Promise<ClusterNode> {
    const { replicas, args = [], run = {}, network } = this.#options;
    const seeds = this.all.map(({ peerAddress }) => peerAddress).filter(Boolean);
    const node = new ClusterNode(
      name,
      new NodeProcess(
        [
          ...['serve', '--cluster', this.name, '--node-name', name, '--replicas', `${replicas}`],
          ...['--port', '0', '--peer-port', '0', '--memory', '64mb', '--threads', '1'],
          ...(seeds.length > 0 ? ['--join', seeds.join()] : []),
          ...args,
          ...(network?.argsOf(name) ?? []),
          ...more,
        ],
        network?.runOf(name) ?? run,
      ),
    );
    this.nodes.set(name, node);
    return await node.started();
  }

  async kill(name: string): Promise<void> {
    const node = this.get(name);
    await node.kill();
    this.nodes.delete(name);
  }

  async stop(name: string): Promise<Ended> {
    const ended = await this.get(name).stop();
    this.nodes.delete(name);
    return ended;
  }

  /** Resolves when all nodes agree that these and no others are there, with all copies of all keys. */
  async whole(withinMs = WITHIN_MS): Promise<void> {
    const names = [...this.nodes.keys()].sort().join();
    let last = '';
    const isWhole = async (node: ClusterNode) => {
      const { nodes, slots, peers } = await node.status();
      const alive = nodes.filter(({ state }) => state === 'alive').map(({ name }) => name);
      const left = slots.unserved + slots.short + slots.pulling;
      const isIdle = peers.every(({ isLive, isIdle }) => !isLive || isIdle);
      last = `${node.name}: ${alive.sort()}, ${JSON.stringify(slots)}, idle ${isIdle}`;
      return alive.sort().join() === names && left === 0 && isIdle;
    };
    await until(
      async () => {
        for (const node of this.all) if (!(await isWhole(node))) return false;
        return true;
      },
      () => `the cluster is whole, not ${last}`,
      withinMs,
    );
  }

  /** The node that runs the commands on a key. */
  async primaryOf(key: string): Promise<ClusterNode> {
    const found: ClusterNode[] = [];
    for (const node of this.all) if (await hasKey(node, key, false)) found.push(node);
    if (found.length !== 1) {
      throw new Error(`${key} is served by ${found.map(({ name }) => name).join() || 'nobody'}`);
    }
    return found[0]!;
  }

  async end(): Promise<void> {
    for (const node of this.all) {
      // A stopped process ends, too.
      node.process.kill('SIGKILL');
      await node.process.ended;
    }
    this.nodes.clear();
  }
}

/** Whether the node itself answers reads of the key. */
async function hasKey(node: ClusterNode, key: string, replicas: boolean): Promise<boolean> {
  const line = await node.line();
  const [, reply] = await line.call([
    ['HELLO', { routes: true, replicas }],
    ['EXISTS', key],
  ]);
  line.end();
  return typeof reply === 'number' || typeof reply === 'boolean';
}

/** Asks again and again. @throws Error when it is still not so in the end */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string | (() => string),
  withinMs = WITHIN_MS,
): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    if (await isSo()) return;
    if (performance.now() - startedMs > withinMs) {
      throw new Error(`${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    // Sleeps: another process does it, and tells nobody.
    await delay(LOOK_MS);
  }
}

/** What the copies of a key are: by node that has one, the replies to a read that it answers itself. */
export async function copiesOf(
  nodes: readonly ClusterNode[],
  commands: readonly (readonly unknown[])[],
): Promise<Map<string, unknown[]>> {
  const copies = new Map<string, unknown[]>();
  for (const node of nodes) {
    const line = await node.line();
    const [, ...replies] = await line.call(
      [['HELLO', { routes: true, replicas: true }]].concat(commands as [string, never][]),
    );
    line.end();
    copies.set(node.name, replies);
  }
  return copies;
}
