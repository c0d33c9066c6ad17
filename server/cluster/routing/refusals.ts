/** How commands are answered that a node neither runs nor has run. */
import type { Buffer } from 'node:buffer';
import type { ClusterView } from '../../../engine/cluster-view.js';
import { encodeErrorText } from '../../../engine/error-reply.js';

/** A command that promises one step over keys which several nodes have. */
export const CROSS_NODE_TEXT =
  'CROSSSLOT the keys lie on several nodes of the cluster; a common {tag} puts them on one';
export const CROSS_NODE = encodeErrorText(CROSS_NODE_TEXT);

export const TOO_MANY_WAITS = encodeErrorText(
  'BUSY a frame may hold 64 rows of WAITs, and 16384 WAITs in all',
);

/** No node serves the slot: nothing was done. */
export function nowhere(slot: number): Buffer {
  return encodeErrorText(`TRYAGAIN no node serves slot ${slot} now`);
}

/**
 * Another node has the slot, and the client said that it would go there by itself; undefined: it
 * cannot, because no client reaches that node.
 */
export function moved(slot: number, node: number, { nodes }: ClusterView): Buffer | undefined {
  const url = nodes[node]?.url;
  if (url === undefined) return nowhere(slot);
  return url === '' ? undefined : encodeErrorText(`MOVED ${slot} ${url}`);
}
