/** The view as clients are told of it. */
import { type ClusterView, NO_NODE } from '../../engine/cluster-view.js';
import { SLOTS } from '../../engine/slots.js';
import { Level } from './slot-set.js';
import type { View } from './view.js';

/** What a client is told before the node has joined: a view, in which nobody serves. */
export function emptyView(name: string): ClusterView {
  const slots = new Uint8Array(2 * SLOTS).fill(NO_NODE & 0xff);
  return { name, version: 0, self: -1, nodes: [], copies: 1, slots };
}

/** @param zones by node id */
export function clientViewOf(
  view: View,
  facts: { name: string; version: number; selfId: string; zones: ReadonlyMap<string, string> },
): ClusterView {
  const { name, version, selfId, zones } = facts;
  return {
    ...{ name, version, copies: view.copies, self: view.indexOf(selfId) },
    nodes: view.nodes.map(({ id, name, clientUrl, isLive }) => ({
      ...{ id, name, url: clientUrl, zone: zones.get(id) ?? null, live: isLive },
    })),
    slots: slotsOf(view),
  };
}

function slotsOf(view: View): Uint8Array {
  const { copies, nodes, owners } = view;
  const bytes = new Uint8Array(2 * SLOTS * copies);
  let at = 0;
  const put = (node: number) => {
    bytes[at++] = node & 0xff;
    bytes[at++] = node >> 8;
  };
  for (let slot = 0; slot < SLOTS; slot++) {
    const primary = view.primaryOf(slot);
    let left = copies;
    if (primary >= 0) {
      put(primary);
      left--;
    }
    for (let i = slot * copies; i < (slot + 1) * copies && left > 0; i++) {
      const owner = owners[i]!;
      if (owner < 0 || owner === primary || !nodes[owner]!.isLive) continue;
      if (view.levelOf(slot, owner) !== Level.FULL) continue;
      put(owner);
      left--;
    }
    for (; left > 0; left--) put(NO_NODE);
  }
  return bytes;
}
