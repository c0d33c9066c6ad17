/** `clusterMember`: makes an embedded cache a member of a cluster. */
import { randomInt } from 'node:crypto';
import type { Duration } from '../../engine/api.js';
import type { ClusterProvider, MemberGround } from '../../engine/cluster-member.js';
import { SlabringError } from '../../engine/errors.js';
import { parseDuration } from '../../engine/units.js';
import { type ClusterNodeOptions, readClusterOptions } from '../cluster/config.js';
import { checkHooks, type NodeHooks, throwLater, warnProcess } from '../node-hooks.js';
import { NODE_NUMBERS } from '../options.js';
import { LocalNode } from './local-node.js';
import { MemberClient } from './member-client.js';

/** Options of `clusterMember`. An option that is `undefined` counts as absent. */
export interface ClusterMemberOptions extends ClusterNodeOptions {
  /** Deadline of a command of `cache.cluster`, as of `ClientOptions`. Default: 1 s. */
  timeout?: Duration | undefined;
}

/** The cluster's own, and what executes the commands of `cache.cluster`. */
const THREADS = 2;

/** As of a node: other machines reach a member only when told so. */
const DEFAULT_HOST = '127.0.0.1';

/**
 * For the option `cluster` of `openCache`: the cache becomes a member of that cluster, beside nodes
 * that serve clients, or beside processes like this one alone. It has its share of the keys in its
 * memory; clients do not reach it, but other members have it run their commands.
 * @param hooks as of `startNode`; by default what goes wrong ends the process
 * @throws SlabringError `OPTION`, naming the option, what it was and what is allowed
 */
export function clusterMember(
  options: ClusterMemberOptions,
  hooks: NodeHooks = {},
): ClusterProvider<MemberClient> {
  const { timeout, ...given } = options;
  checkHooks(hooks, 'clusterMember');
  if (timeout !== undefined) parseDuration(timeout, 'timeout');
  // Any free port: nobody has to know it, as gossip tells it.
  const config = readClusterOptions(given, given.peerHost ?? DEFAULT_HOST, 0);
  let isUsed = false;
  return {
    arenas: { slots: true, node: randomInt(NODE_NUMBERS), tombstoneMs: config.tombstoneMs },
    threads: THREADS,
    join: (ground: MemberGround) => {
      if (isUsed) {
        ground.closeCache();
        throw new SlabringError('OPTION', 'each cache needs a clusterMember() of its own');
      }
      isUsed = true;
      const { onWarning = warnProcess, onFailure = throwLater } = hooks;
      const onLeaveAsked = hooks.onLeaveAsked ?? (() => void client.close().catch(onFailure));
      const node = new LocalNode(ground, config, { onWarning, onFailure, onLeaveAsked });
      const client = new MemberClient(node, ground, timeout);
      return client;
    },
  };
}
