/** What whoever runs a node asks of its cluster thread. */
import { SlabringError } from '../../../engine/errors.js';
import { SLOTS } from '../../../engine/slots.js';
import { Level } from '../slot-set.js';
import type { ClusterProcess } from './cluster-process.js';

export const ADMIN_ACTIONS = ['status', 'check'] as const;

/** @throws SlabringError `UNKNOWN` for an action that is none */
export function administer(process: ClusterProcess, action: string): unknown {
  if (action === 'status') return statusOf(process);
  if (action === 'check') return process.member.cluster.check.run();
  const allowed = ADMIN_ACTIONS.join(', ');
  throw new SlabringError('UNKNOWN', `there is no action '${action}' of a cluster, but ${allowed}`);
}

function statusOf({ member, links }: ClusterProcess): unknown {
  const { cluster, membership } = member;
  const { view } = cluster;
  const counts = new Map(view.nodes.map(({ id }) => [id, { primary: 0, slots: 0, full: 0 }]));
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
    if (copies < Math.min(view.copies, view.nodes.length)) short++;
  }
  return {
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
