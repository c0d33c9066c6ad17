/** What makes an embedded cache a member of a cluster, and gives more threads a part in it. */

import { randomInt } from 'node:crypto';
import { MessagePort } from 'node:worker_threads';
import type { Duration } from '../../engine/api.js';
import type {
  ClusterProvider,
  MemberGround,
  MembershipProvider,
} from '../../engine/cluster-member.js';
import { SlabringError } from '../../engine/errors.js';
import { checkOptionNames, parseDuration, show } from '../../engine/units.js';
import { type ClusterNodeOptions, readClusterOptions } from '../cluster/config.js';
import { checkHooks, type NodeHooks, throwLater, warnProcess } from '../node-hooks.js';
import { NODE_NUMBERS } from '../options.js';
import { LocalNode, LocalThread } from './local-node.js';
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
  return {
    arenas: { slots: true, node: randomInt(NODE_NUMBERS), tombstoneMs: config.tombstoneMs },
    threads: THREADS,
    join: once('clusterMember()', (ground) => {
      const { onWarning = warnProcess, onFailure = throwLater } = hooks;
      const onLeaveAsked = hooks.onLeaveAsked ?? (() => void client.close().catch(onFailure));
      const node = new LocalNode(ground, config, { onWarning, onFailure, onLeaveAsked });
      const client = new MemberClient(node, ground, timeout);
      return client;
    }),
  };
}

/**
 * For the option `cluster` of `attachCache`: `cache.cluster` in one more thread of a member. It is
 * closed by `cache.close()` or `cache.cluster.close()`, and the process remains a member.
 * @param port of `cache.cluster.openPort()`
 * @throws SlabringError `OPTION`
 */
export function memberThread(
  port: MessagePort,
  options: { timeout?: Duration | undefined } = {},
): MembershipProvider<MemberClient> {
  if (!(port instanceof MessagePort)) {
    const allowed = 'the port that cache.cluster.openPort() returned';
    throw new SlabringError('OPTION', `memberThread takes ${allowed}, not ${show(port)}`);
  }
  checkOptionNames(options, ['timeout'], 'memberThread');
  const { timeout } = options;
  if (timeout !== undefined) parseDuration(timeout, 'timeout');
  const join = (ground: MemberGround) =>
    new MemberClient(new LocalThread(ground, port), ground, timeout);
  return { join: once('memberThread()', join) };
}

function once(
  what: string,
  join: (ground: MemberGround) => MemberClient,
): (ground: MemberGround) => MemberClient {
  let isUsed = false;
  return (ground) => {
    if (isUsed) {
      ground.closeCache();
      throw new SlabringError('OPTION', `each cache needs a ${what} of its own`);
    }
    isUsed = true;
    return join(ground);
  };
}
