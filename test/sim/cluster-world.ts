/** A simulated cluster with data: nodes of the cluster's whole logic, and clients that use them. */

import type { Machine } from '#bench/sim/machine.js';
import type { LinkProfile } from '#bench/sim/network.js';
import { below, between } from '#bench/sim/random.js';
import { World } from '#bench/sim/world.js';
import type { Concern } from '#engine/cluster-view.js';
import { SlabringError } from '#engine/errors.js';
import { ClusterMember } from '#server/cluster/cluster-member.js';
import { type ClusterOptions, DEFAULT_CLUSTER_OPTIONS } from '#server/cluster/cluster-world.js';
import { LAN } from '#server/cluster/membership/presets.js';
import { Placements } from '#server/cluster/placement.js';
import type { Clock } from '#server/cluster/ports.js';
import { DEFAULT_SENDER_LIMITS } from '#server/cluster/sender.js';
import { Service } from '#server/cluster/store.js';
import type { View } from '#server/cluster/view.js';
import {
  type Entry,
  MemoryStore,
  type Operation,
  type StoreBug,
  slotOfKey,
} from './memory-store.js';

export const COPIES = 3;
/** Clocks of usual machines differ by so much at most, from the right time. */
const SKEW_MS = 5_000;
const TOMBSTONE_MS = 600_000;
const CONCERN_MS = 1_000;
/** So little that peers fall behind; and as in the real ones, scans alone do not do that. */
const SMALL = { windowBytes: 20_000, scanWindowBytes: 5_000, batchBytes: 1_000 };

export interface SimOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly link?: Partial<LinkProfile>;
  readonly storeBug?: StoreBug | undefined;
  readonly cluster?: Partial<ClusterOptions>;
  /** How far clocks are from the right time, at most; default 5,000. */
  readonly skewMs?: number;
  readonly driftPpm?: number;
  /** Bytes that a scan sends in a second; default: as many as it likes. */
  readonly scanBytesPerSecond?: number;
}

/** Something that a client asked for, and what it came to. */
export interface Deed {
  readonly operation: Operation;
  readonly concern: Concern;
  readonly fromMs: number;
  /** Infinity: it has not ended, and may be done yet. */
  toMs: number;
  /** Undefined: nobody knows whether it was done. */
  result: unknown;
}

export class SimNode {
  readonly name: string;
  readonly machine: Machine;
  readonly #sim: SimCluster;
  #store: MemoryStore | undefined;
  #member: ClusterMember | undefined;
  #clock: Clock | undefined;

  constructor(name: string, machine: Machine, sim: SimCluster) {
    this.name = name;
    this.machine = machine;
    this.#sim = sim;
  }

  get isUp(): boolean {
    return this.machine.isUp;
  }

  get store(): MemoryStore {
    return this.#store!;
  }

  get member(): ClusterMember {
    return this.#member!;
  }

  get id(): string {
    return this.member.membership.self.id;
  }

  start(seeds: readonly SimNode[]): void {
    const { clock, random, transport } = this.machine.start();
    const sim = this.#sim;
    const serial = ++sim.starts;
    const store = new MemoryStore({
      node: serial % 1024,
      now: () => clock.now(),
      logRecords: 400,
      tombstoneMs: TOMBSTONE_MS,
      pause: () => new Promise((resolve) => clock.after(DROP_MS, resolve)),
      bug: sim.options.storeBug,
    });
    const { scanBytesPerSecond } = sim.options;
    const { address } = this.machine;
    this.#clock = clock;
    this.#store = store;
    this.#member = new ClusterMember({
      self: {
        ...{ name: this.name, id: `${this.name}#${serial}`, startedAtMs: clock.now() },
        ...{ address, clientUrl: `ws://${address}/`, weight: 1 },
      },
      ...{ clock, random, transport, store, preset: LAN },
      place: (nodes) => placements.of(nodes),
      cluster: {
        ...DEFAULT_CLUSTER_OPTIONS,
        replaceAfterMs: 8_000,
        repairIntervalMs: 4_000,
        limits: {
          ...{ ...DEFAULT_SENDER_LIMITS, ...SMALL },
          ...(scanBytesPerSecond !== undefined && { scanBytesPerSecond }),
        },
        ...sim.options.cluster,
      },
      frames: {
        execute: (frame) => this.#executeFrame(frame, Service.ACCEPTS),
        executeInstead: async (frame) => {
          const [{ op }] = readFrame(frame);
          if (op === 'get') return this.#executeFrame(frame, Service.SERVES | Service.REPLICA);
          return op === 'incr' ? undefined : this.#executeFrame(frame, Service.SERVES);
        },
        slotOf: (frame) => slotOfKey(readFrame(frame)[0].key),
      },
      onView: () => {},
      onEvent: () => {},
      complain: (text) => sim.complaints.push(`${this.name}: ${text}`),
    });
    void this.#member.join(seeds.map(({ machine }) => machine.address));
  }

  crash(): void {
    this.machine.crash();
  }

  /** Does what a client asks for here, or has it done. */
  async request(operation: Operation, concern: Concern, tries = TRIES): Promise<unknown> {
    const here = await this.#execute(operation, concern, Service.SERVES);
    if (here) return here.value;
    let reply: Uint8Array;
    try {
      reply = await this.#forward(operation, concern);
    } catch (error) {
      const { code } = error as SlabringError;
      const isUndone = code === 'TRYAGAIN';
      if (tries === 0 || !(isUndone || isRepeatable(operation))) throw error;
      const delayMs = isUndone ? AGAIN_MS * 2 ** (TRIES - tries) : 0;
      await new Promise<void>((resolve) => this.#clock!.after(delayMs, resolve));
      return this.request(operation, concern, tries - 1);
    }
    const { value, error } = JSON.parse(Buffer.from(reply).toString()) as Reply;
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async #forward(operation: Operation, concern: Concern): Promise<Uint8Array> {
    const { view, forwarder } = this.member.cluster;
    const primary = view.nodes[view.primaryOf(slotOfKey(operation.key))];
    if (!primary?.isLive) throw new SlabringError('TRYAGAIN', 'no node has the key');
    const frame = Buffer.from(JSON.stringify([operation, concern]));
    return forwarder.forward(primary.id, frame, CONCERN_MS);
  }

  async #executeFrame(frame: Uint8Array, service: number): Promise<Uint8Array | undefined> {
    const result = await this.#execute(...readFrame(frame), service);
    return result && Buffer.from(JSON.stringify(result));
  }

  async #execute(
    operation: Operation,
    concern: Concern,
    service: number,
  ): Promise<Reply | undefined> {
    const value = this.store.run(operation, service);
    if (value === undefined) return undefined;
    const { key, op } = operation;
    const { removals, world } = this.#sim;
    if (op === 'del' && value === 1) removals.push({ key, atMs: world.nowMs });
    if (concern === 'none' || operation.op === 'get') return { value };
    const position = this.store.positionOf(Buffer.from(operation.key));
    const { concerns } = this.member.cluster;
    const slot = slotOfKey(operation.key);
    try {
      await concerns.wait(slot, position, concern, CONCERN_MS);
      return { value };
    } catch (error) {
      if (service === Service.SERVES) throw error;
      return { value, error: String(error) };
    }
  }

  /** What a client finds who looks here. */
  entryOf(key: string): Entry | undefined {
    return this.store.entryOf(key);
  }

  /** Who has what to do with each slot, as this node sees it. */
  duties(): string {
    const { view } = this.member.cluster;
    const known = KNOWN_DUTIES.get(view);
    if (known !== undefined) return known;
    const names = view.nodes.map(({ name, isLive }) => (isLive ? name : `!${name}`));
    const numbers = Int32Array.from(names, (name) => Number(name.slice(name.indexOf('-') + 1)));
    let hash = 0;
    for (const primary of view.primaries) {
      hash = (Math.imul(hash, 31) + (primary < 0 ? NOBODY : numbers[primary]!)) | 0;
    }
    const duties = `${[...names].sort().join()} ${hash}`;
    KNOWN_DUTIES.set(view, duties);
    return duties;
  }
}

/** More than a request takes with all its tries. */
const REQUEST_MS = 20_000;

/** As of the real one (routing/router.ts). */
const TRIES = 4;
const AGAIN_MS = 25;

/** It leaves the same when it runs twice (engine/repeatable.ts). */
function isRepeatable(operation: Operation): boolean {
  return operation.op !== 'incr' && !('ttlMs' in operation);
}

/** For each key that a node drops: a drop of many takes as long as what may come between. */
const DROP_MS = 150;

/** No node's number. */
const NOBODY = 1_000;

/** What `duties` came to: telling it takes long. */
const KNOWN_DUTIES = new WeakMap<View, string>();

function readFrame(frame: Uint8Array): [Operation, Concern] {
  return JSON.parse(Buffer.from(frame).toString()) as [Operation, Concern];
}

interface Reply {
  value: unknown;
  error?: string;
}

/** Rings are made once for all clusters: names are the same in all of them. */
const RINGS_KEPT = 1000;
const placements = new Placements({ copies: COPIES }, RINGS_KEPT);

export class SimCluster {
  readonly options: SimOptions;
  readonly world: World;
  readonly nodes: SimNode[] = [];
  readonly deeds: Deed[] = [];
  /** DELs that found something, wherever they ran. */
  readonly removals: { readonly key: string; readonly atMs: number }[] = [];
  readonly complaints: string[] = [];
  starts = 0;
  #pending = 0;

  constructor(options: SimOptions) {
    this.options = options;
    this.world = new World({ seed: options.seed, link: options.link ?? {} });
    for (let i = 0; i < options.nodes; i++) this.add();
  }

  /** One node more, without a process. */
  add(): SimNode {
    const { random } = this.world;
    const { driftPpm = 50 } = this.options;
    const fault = { skewMs: Math.floor(between(random, -this.skewMs, this.skewMs)), driftPpm };
    const i = this.nodes.length;
    const machine = this.world.machine(`10.0.0.${i}:7708`, fault);
    const node = new SimNode(`node-${i}`, machine, this);
    this.nodes.push(node);
    return node;
  }

  get skewMs(): number {
    return this.options.skewMs ?? SKEW_MS;
  }

  get up(): SimNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  pick<T>(from: readonly T[]): T {
    return from[below(this.world.random, from.length)]!;
  }

  /** Starts all nodes; the first one is there before the others. */
  start(): void {
    const [first, ...others] = this.nodes;
    first!.start([]);
    for (const node of others) {
      this.world.after(between(this.world.random, 0, 500), () => node.start(this.nodes));
    }
  }

  /** A client does one thing, at a node that chance picks. */
  act(operation: Operation, concern: Concern = 'none', node = this.pick(this.up)): void {
    const deed: Deed = {
      ...{ operation, concern, fromMs: this.world.nowMs },
      ...{ toMs: Number.POSITIVE_INFINITY, result: undefined },
    };
    this.deeds.push(deed);
    this.#pending++;
    void node
      .request(operation, concern)
      .then(
        (result) => {
          deed.result = result;
          deed.toMs = this.world.nowMs;
        },
        () => {},
      )
      .finally(() => this.#pending--);
  }

  /** Lets time pass until nothing is asked for any more; what crashed nodes were asked never ends. */
  async finish(): Promise<void> {
    const STEP_MS = 200;
    for (let ms = 0; ms < REQUEST_MS && this.#pending > 0; ms += STEP_MS) {
      await this.world.runAwaiting(STEP_MS);
    }
  }

  /** Whether all that run see the same, everything has its owners, and nobody is missing. */
  isSettled(): boolean {
    const { up } = this;
    for (const { id, member } of up) {
      const { view, levels } = member.cluster;
      if (view.nodes.length !== up.length || view.nodes.some(({ isLive }) => !isLive)) return false;
      const missing = view.slotsOf(view.indexOf(id)).copy();
      missing.deleteAll(levels.full);
      if (!missing.isEmpty) return false;
    }
    const duties = up[0]!.duties();
    return up.every((node) => node.duties() === duties);
  }

  /** Lets time pass until it is settled; false: it was not within the limit. */
  async settle(limitMs: number): Promise<boolean> {
    const STEP_MS = 200;
    for (let ms = 0; ms < limitMs; ms += STEP_MS) {
      if (this.isSettled()) return true;
      await this.world.runAwaiting(STEP_MS);
    }
    return this.isSettled();
  }
}
