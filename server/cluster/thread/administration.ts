/** What whoever runs a node asks of its cluster thread. */
import { SlabringError } from '../../../engine/errors.js';
import { SLOTS } from '../../../engine/slots.js';
import { show } from '../../../engine/units.js';
import { readSeedList } from '../membership/seeds.js';
import type { Address } from '../ports.js';
import { Level } from '../slot-set.js';
import type { ClusterProcess } from './cluster-process.js';

/** One node of the cluster, as another one sees it. */
export interface NodeStatus {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly url: string;
  readonly zone: string | null;
  readonly weight: number;
  readonly state: string;
  /** Slots whose commands it runs; those that it should have; those that it has completely. */
  readonly primary?: number;
  readonly slots?: number;
  readonly full?: number;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly self: string;
  /** Nodes that each slot should be on. */
  readonly copies: number;
  readonly slots: {
    readonly all: number;
    /** Nobody runs their commands. */
    readonly unserved: number;
    /** Fewer live nodes than asked for have them completely. */
    readonly short: number;
    /** On their way to this node. */
    readonly pulling: number;
  };
  readonly nodes: readonly NodeStatus[];
  readonly peers: readonly {
    readonly name: string;
    readonly isLive: boolean;
    readonly isStreaming: boolean;
    readonly isIdle: boolean;
    readonly underWayBytes: number;
    readonly scans: number;
  }[];
  readonly repair: { readonly rounds: number; readonly slots: number };
  readonly links: readonly unknown[];
}

const JOIN = 'join/';

/**
 * Does what an action of `POST /cluster/ACTION` says.
 * @throws SlabringError `UNKNOWN` for one that is none, `OPTION` for seeds that are none
 */
export async function administer(process: ClusterProcess, action: string): Promise<unknown> {
  const { cluster } = process.member;
  if (action === 'status') return statusOf(process);
  if (action === 'check') return await cluster.check.run();
  if (action === 'rebalance') {
    await cluster.repair.compareAll();
    return { rounds: cluster.repair.rounds };
  }
  if (action === 'leave') {
    process.askToLeave();
    return { leaving: true };
  }
  if (action.startsWith(JOIN)) {
    return await join(process, readSeedList(decoded(action.slice(JOIN.length))));
  }
  const allowed = 'check, rebalance, leave and join/SEEDS';
  throw new SlabringError('UNKNOWN', `there is no action '${action}' of a cluster: ${allowed}`);
}

/** What came of the action `join`. */
export interface JoinResult {
  readonly isJoined: boolean;
  /** By address, why not; of one that just does not answer nothing is known. */
  readonly troubles: Readonly<Record<string, string>>;
}

async function join(
  { address, links, member }: ClusterProcess,
  seeds: readonly Address[],
): Promise<JoinResult> {
  if (await member.membership.join(seeds)) return { isJoined: true, troubles: {} };
  const known = new Map(links.snapshot().map(({ address, trouble }) => [address, trouble]));
  const troubles = seeds.flatMap((seed) => {
    const trouble = seed === address ? 'this is the node itself' : known.get(seed);
    return trouble === undefined ? [] : [[seed, trouble] as const];
  });
  return { isJoined: false, troubles: Object.fromEntries(troubles) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new SlabringError('OPTION', `${show(text)} is not encoded as a URL is`, { cause });
  }
}

function statusOf({ clusterName, member, links }: ClusterProcess): ClusterStatus {
  const { cluster, membership } = member;
  const { view } = cluster;
  const counts = new Map(view.nodes.map(({ id }) => [id, { primary: 0, slots: 0, full: 0 }]));
  const wanted = Math.min(view.copies, view.nodes.filter(({ isPlaced }) => isPlaced).length);
  let unserved = 0;
  let short = 0;
  for (let slot = 0; slot < SLOTS; slot++) {
    const primary = view.nodes[view.primaryOf(slot)];
    if (primary) counts.get(primary.id)!.primary++;
    else unserved++;
    let copies = 0;
    for (const owner of view.ownersOf(slot)) {
      const count = counts.get(view.nodes[owner]!.id)!;
      count.slots++;
      const isFull = view.levelOf(slot, owner) === Level.FULL;
      if (isFull) count.full++;
      if (isFull && view.nodes[owner]!.isLive) copies++;
    }
    if (copies < wanted) short++;
  }
  return {
    cluster: clusterName,
    self: membership.self.name,
    copies: view.copies,
    slots: { all: SLOTS, unserved, short, pulling: cluster.pulls.slotsLeft },
    nodes: [...membership.members.values()].map(
      ({ name, id, address, clientUrl, zone, weight, state }) => ({
        ...{ name, id, address, url: clientUrl, zone: zone ?? null, weight, state },
        ...counts.get(id),
      }),
    ),
    peers: [...cluster.peers].map(({ member: { name }, sender, isLive }) => ({
      ...{ name, isLive, isStreaming: sender.isStreaming, isIdle: sender.isIdle },
      ...{ underWayBytes: sender.windowBytes, scans: sender.scans },
    })),
    repair: { rounds: cluster.repair.rounds, slots: cluster.repair.slotsRepaired },
    links: links.snapshot(),
  };
}
