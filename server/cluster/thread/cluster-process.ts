/** A node's membership of a cluster, on its real arenas, links and clock. */
import type { ArenaSet } from '../../../engine/arena-set.js';
import type { ClusterView } from '../../../engine/cluster-view.js';
import { SlabringError } from '../../../engine/errors.js';
import { createExecutor } from '../../../engine/routed-frame.js';
import { clientViewOf, emptyView } from '../client-view.js';
import { ClusterMember } from '../cluster-member.js';
import { DEFAULT_CLUSTER_OPTIONS } from '../cluster-world.js';
import { defaultLogBytes } from '../config.js';
import { KernelStore } from '../kernel-store.js';
import { formatAddress } from '../links/address.js';
import type { LinkEvent } from '../links/link-event.js';
import { PeerLinks } from '../links/peer-links.js';
import { PRESETS } from '../membership/presets.js';
import {
  lookUpSeeds,
  readSeedSource,
  SEED_INTERVAL_MS,
  SeedWatch,
  SYSTEM_LOOKUPS,
} from '../membership/seeds.js';
import { Placements } from '../placement.js';
import { ForwardedFrames } from '../routing/forwarded.js';
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from '../system-clock.js';
import type { View } from '../view.js';
import { administer } from './administration.js';
import type { Ask, ClusterStart } from './contract.js';
import { LocalDesk } from './local-desk.js';
import { Warnings } from './warnings.js';

export interface ClusterHooks {
  onView(view: ClusterView): void;
  onWarning(text: string): void;
  /** Somebody wants the node to leave, and end. */
  onLeaveAsked(): void;
}

const MIB = 1024 * 1024;

export class ClusterProcess {
  /** Opens the links; nobody is asked for anything before `join`. */
  static async start(
    arenas: ArenaSet,
    start: ClusterStart,
    hooks: ClusterHooks,
  ): Promise<ClusterProcess> {
    const { config, nodeId, software } = start;
    // Links may warn of their options as they open.
    let tell = (event: LinkEvent) => {
      if (event.type === 'warning') hooks.onWarning(event.text);
    };
    const links = await PeerLinks.open({
      ...{ cluster: config.name, replicas: config.copies - 1, id: nodeId, software },
      ...(config.secret !== undefined && { secret: config.secret }),
      ...(config.nodeName !== undefined && { name: config.nodeName }),
      ...(config.tls !== undefined && { tls: config.tls }),
      ...{ host: config.peerHost, port: config.peerPort },
      ...(config.peerPort !== 0 && {
        address: formatAddress(config.advertise, config.peerPort),
      }),
      ...{ clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM, onEvent: (event) => tell(event) },
    });
    const process = new ClusterProcess(arenas, start, hooks, links);
    tell = (event) => process.#onLink(event);
    return process;
  }

  readonly member: ClusterMember;
  readonly store: KernelStore;
  readonly links: PeerLinks;
  readonly #config: ClusterStart['config'];
  readonly #hooks: ClusterHooks;
  readonly #desk: LocalDesk;
  readonly #nodeId: string;
  readonly #warnings: Warnings;
  #watch: SeedWatch | undefined;
  #version = 0;

  private constructor(
    arenas: ArenaSet,
    start: ClusterStart,
    hooks: ClusterHooks,
    links: PeerLinks,
  ) {
    const { config, nodeId, clientUrl, startedAtMs } = start;
    this.#config = config;
    this.#hooks = hooks;
    this.#warnings = new Warnings(SYSTEM_CLOCK, (text) => hooks.onWarning(text));
    this.#nodeId = nodeId;
    this.links = links;
    const logBytes = config.logBytes ?? defaultLogBytes(arenas.facts.memoryBytes);
    this.store = openStore(arenas, logBytes);
    const executor = createExecutor<undefined>(arenas, () => {
      throw new SlabringError('UNKNOWN', 'this command is not one for another node');
    });
    const placements = new Placements({ copies: config.copies });
    const address = this.address;
    this.member = new ClusterMember({
      self: {
        ...{ id: nodeId, name: config.nodeName ?? address, startedAtMs, address, clientUrl },
        ...{ weight: config.weight, ...(config.zone !== undefined && { zone: config.zone }) },
      },
      ...{ clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM, transport: links, store: this.store },
      preset: PRESETS[config.preset],
      cluster: {
        ...DEFAULT_CLUSTER_OPTIONS,
        minOwners: config.minOwners,
        replaceAfterMs: config.replaceAfterMs,
        repairIntervalMs: config.repairIntervalMs,
      },
      place: (nodes) => placements.of(nodes),
      frames: new ForwardedFrames(executor, (slot) => this.store.serviceOf(slot), {
        forward: (...asked) => this.#desk.forward(...asked),
        wait: (...asked) => this.#desk.wait(...asked),
      }),
      onView: (view) => this.#onView(view),
      onEvent: () => {},
      complain: (text) => this.#warnings.tell(text),
    });
    this.#desk = new LocalDesk(this.member.cluster, this.store, emptyView(config.name));
  }

  /** Where other nodes reach this one. */
  get address(): string {
    return this.links.self.address;
  }

  get clusterName(): string {
    return this.#config.name;
  }

  get view(): ClusterView {
    return this.#desk.view;
  }

  askToLeave(): void {
    this.#hooks.onLeaveAsked();
  }

  /**
   * Finds the others; false: there are none, and this node begins alone.
   * @throws SlabringError `OPTION` where one of them has the name of this node
   */
  async join(): Promise<boolean> {
    const { join } = this.#config;
    if (join === undefined) return this.member.join([]);
    const source = readSeedSource(join);
    const { membership } = this.member;
    let seeds: string[] = [];
    try {
      seeds = await lookUpSeeds(source, SYSTEM_LOOKUPS);
    } catch {
      // The watch looks at once again, and tells why.
    }
    const { isAnswered, namesake } = await membership.findNamesake(seeds);
    if (namesake !== undefined) {
      const { name, address } = namesake;
      const text = `another node of the cluster has the name ${name}, at ${address}, and lives`;
      throw new SlabringError('OPTION', `${text}: cluster.nodeName must be another one`);
    }
    // Where nobody has answered, all have been waited for.
    const isJoined = await this.member.join(isAnswered ? seeds : []);
    const others = seeds.filter((seed) => seed !== this.address);
    if (!isJoined && others.length > 0) {
      const alone = `this node begins alone, and looks again every ${SEED_INTERVAL_MS / 1000} s`;
      this.#warnings.tell(`none of ${others.join(', ')} answered: ${alone}`);
    }
    this.#watch = new SeedWatch({
      ...{ source, lookups: SYSTEM_LOOKUPS, clock: SYSTEM_CLOCK },
      isAlone: () => membership.isAlone,
      join: (addresses) => membership.join(addresses),
      onWarning: (text) => this.#warnings.tell(text),
    });
    void this.#watch.start();
    return isJoined;
  }

  /** Hands over and says goodbye; whether others have everything. */
  leave(): Promise<boolean> {
    return this.member.leave(this.#config.leaveTimeoutMs);
  }

  async stop(): Promise<void> {
    this.#watch?.stop();
    this.member.stop();
    this.store.close();
    await this.links.close();
  }

  /** What a serving thread asks. */
  async answer(ask: Ask): Promise<unknown> {
    switch (ask.kind) {
      case 'forward':
        return this.#forward(ask.node, ask.frame, ask.waitMs);
      case 'wait':
        return this.#desk.waitAt(ask.slot, ask, ask.concern, ask.deadlineMs);
      case 'admin':
        return administer(this, ask.action);
    }
  }

  /** A serving thread may not have heard yet that a node is dead, which will not answer. */
  #forward(node: string, frame: Uint8Array, waitMs: number): Promise<Uint8Array> {
    const { forwarder, peers } = this.member.cluster;
    if (peers.get(node)?.isLive) return forwarder.forward(node, frame, waitMs);
    throw new SlabringError('TRYAGAIN', 'the node that had the key has failed');
  }

  #onView(view: View): void {
    const zones = new Map<string, string>();
    for (const { id, zone } of this.member.membership.members.values()) {
      if (zone !== undefined) zones.set(id, zone);
    }
    const { name } = this.#config;
    const version = ++this.#version;
    this.#desk.view = clientViewOf(view, { name, version, selfId: this.#nodeId, zones });
    this.#hooks.onView(this.#desk.view);
  }

  #onLink(event: LinkEvent): void {
    if (event.type === 'refused') this.#warnings.tellRefusal(event);
    else if (event.type === 'warning') this.#warnings.tell(event.text);
    else if (event.type === 'deserted') {
      this.member.membership.findDeserted(event.address);
    }
  }
}

/** @throws SlabringError `OOM`, saying how much memory is enough */
function openStore(arenas: ArenaSet, logBytes: number): KernelStore {
  try {
    return new KernelStore(arenas, { logBytes, now: SYSTEM_CLOCK.now });
  } catch (error) {
    const enoughBytes = 2 * logBytes;
    const isSmall = arenas.facts.memoryBytes < enoughBytes;
    if (!(error instanceof SlabringError) || error.code !== 'OOM' || !isSmall) throw error;
    const text = `${error.message}; a memory of '${Math.ceil(enoughBytes / MIB)}mb' is enough`;
    throw new SlabringError('OOM', text, { cause: error });
  }
}
