/** A simulated cluster: nodes with nothing but membership, and what happened to them. */
import { createHash } from 'node:crypto';
import type { Bug } from '../../server/cluster/membership/core.js';
import type { MembershipEvent } from '../../server/cluster/membership/events.js';
import { isLiving, type Member } from '../../server/cluster/membership/member.js';
import { Membership } from '../../server/cluster/membership/membership.js';
import { LAN, type Preset } from '../../server/cluster/membership/presets.js';
import type { Address } from '../../server/cluster/ports.js';
import type { ClockFault, Machine } from './machine.js';
import type { LinkProfile } from './network.js';
import { between } from './random.js';
import { World } from './world.js';

export interface ClusterOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly link?: Partial<LinkProfile>;
  /** Default `LAN`. */
  readonly preset?: Preset;
  readonly bug?: Bug | undefined;
  /** Clocks are off by up to so much either way. Default 5,000. */
  readonly skewMs?: number;
}

export interface Happening {
  readonly atMs: number;
  /** The node that says so. */
  readonly node: string;
  /** Its how-manieth process says so. */
  readonly life: number;
  readonly event: MembershipEvent;
}

const SKEW_MS = 5000;
/** Cheap crystals are off by up to so much. */
const DRIFT_PPM = 100;

export class ClusterNode {
  readonly name: string;
  readonly machine: Machine;
  readonly #cluster: Cluster;
  #membership: Membership | undefined;
  #starts = 0;

  constructor(name: string, machine: Machine, cluster: Cluster) {
    this.name = name;
    this.machine = machine;
    this.#cluster = cluster;
  }

  get membership(): Membership {
    return this.#membership!;
  }

  get isUp(): boolean {
    return this.machine.isUp;
  }

  /** Starts a process; one that runs crashes. */
  start(): void {
    const { clock, random, transport } = this.machine.start();
    const { options, world, happenings } = this.#cluster;
    let stamp = 0n;
    const life = ++this.#starts;
    const id = createHash('sha256')
      .update(`${options.seed}/${this.#cluster.starts++}`)
      .digest('base64url')
      .slice(0, 16);
    const membership = new Membership({
      self: {
        ...{ name: this.name, id, startedAtMs: clock.now(), weight: 1 },
        ...{ address: this.machine.address, clientUrl: `ws://${this.machine.address}/`, zone: 'a' },
      },
      ...{ clock, random, preset: options.preset, bug: options.bug },
      send: (to, bytes) => transport.send(to, bytes),
      stampOut: () => ++stamp,
      stampIn: (other) => {
        if (other > stamp) stamp = other;
      },
      onEvent: (event) => happenings.push({ atMs: world.nowMs, node: this.name, life, event }),
    });
    transport.onMessage = (from, bytes) => membership.receive(from, bytes);
    this.#membership = membership;
  }

  crash(): void {
    this.machine.crash();
  }

  join(...others: readonly ClusterNode[]): void {
    void this.membership.join(others.map(({ machine }) => machine.address));
  }

  stateOf(name: string): Member['state'] | undefined {
    return this.membership.members.get(name)?.state;
  }

  /** Who lives, as it sees it, and what it knows of each. */
  view(): string {
    return [...this.membership.members.values()]
      .filter(isLiving)
      .map(({ name, id, incarnation, state, meta }) => {
        return `${name}/${id}/${incarnation}/${state}/${Buffer.from(meta).toString('hex')}`;
      })
      .sort()
      .join(' ');
  }
}

export class Cluster {
  readonly options: ClusterOptions;
  readonly world: World;
  readonly nodes: ClusterNode[];
  readonly happenings: Happening[] = [];
  /** Counts processes, so that each has an id of its own. */
  starts = 0;

  constructor(options: ClusterOptions) {
    this.options = { preset: LAN, ...options };
    const { seed, link = {}, skewMs = SKEW_MS } = options;
    this.world = new World({ seed, link });
    this.nodes = Array.from({ length: options.nodes }, (_, i) => {
      const fault: ClockFault = {
        skewMs: between(this.world.random, -skewMs, skewMs),
        driftPpm: between(this.world.random, -DRIFT_PPM, DRIFT_PPM),
      };
      const address = `10.0.${i >> 8}.${i & 255}:7708`;
      return this.node(`node-${i}`, address, fault);
    });
  }

  /** A further one that is not of `nodes`, with no process yet; at an address taken, instead of that one. */
  node(name: string, address: Address, fault: ClockFault = {}): ClusterNode {
    return new ClusterNode(name, this.world.machine(address, fault), this);
  }

  get preset(): Preset {
    return this.options.preset!;
  }

  /** All start within a second, and join through the first. */
  start(): void {
    const [first, ...others] = this.nodes;
    first!.start();
    for (const node of others) {
      this.world.after(between(this.world.random, 0, 1000), () => {
        node.start();
        node.join(first!);
      });
    }
  }

  up(): ClusterNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  /** All that run see each other alive, nobody else, and know the same of each. */
  isSettled(nodes: readonly ClusterNode[] = this.up()): boolean {
    if (nodes.length === 0 || nodes.some(({ isUp }) => !isUp)) return false;
    const names = nodes.map(({ name }) => name).sort();
    const view = nodes[0]!.view();
    const seen = view.split(' ').map((entry) => entry.slice(0, entry.indexOf('/')));
    if (seen.sort().join() !== names.join() || view.includes('/suspect/')) return false;
    return nodes.every((node) => node.view() === view);
  }

  /**
   * Lets time pass until it is settled.
   * @returns how long it took; undefined: it did not within `limitMs`
   */
  settle(limitMs: number, nodes?: readonly ClusterNode[]): number | undefined {
    return this.world.runUntil(() => this.isSettled(nodes), limitMs, 50);
  }

  /** What was said of a kind, from some time on. */
  said(type: MembershipEvent['type'], fromMs = 0): Happening[] {
    return this.happenings.filter(({ atMs, event }) => event.type === type && atMs >= fromMs);
  }
}
