/** A node's part in a cluster, as the thread that starts the others sees to it. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { ArenaSet } from '../engine/arena-set.js';
import type { ClusterConfig } from './cluster/config.js';
import { ClusterThread, type ClusterThreadHooks } from './cluster/thread/handle.js';
import type { ServeConfig } from './options.js';
import { hostPort } from './tcp-port.js';
import type { NodeFacts } from './thread-contract.js';

export interface Member {
  readonly thread: ClusterThread;
  /** Where other nodes reach it. */
  readonly address: string;
  readonly isJoined: boolean;
}

/** What the cluster thread stands on. */
export interface MemberGround extends ClusterThreadHooks {
  readonly arenas: ArenaSet;
  readonly facts: NodeFacts;
  readonly serve: Pick<ServeConfig, 'maxMessageBytes'>;
  /** That clients reach the node at; undefined: they do not. */
  readonly port: number | undefined;
  /** The cluster thread's ends of channels to the serving threads. */
  readonly ports: readonly MessagePort[];
}

/** A serving thread's end of a channel whose other end is for the cluster thread. */
export function portTo(ports: MessagePort[]): MessagePort {
  const { port1, port2 } = new MessageChannel();
  ports.push(port2);
  return port1;
}

/**
 * Starts the cluster thread; resolves when it takes part.
 * @throws SlabringError `OPTION` when the port for other nodes cannot be had, or one of them that
 *   lives has the name of this one; `OOM` when there is
 *   no memory for the change log
 */
export async function joinCluster(config: ClusterConfig, ground: MemberGround): Promise<Member> {
  const { arenas, facts, serve, port, ports, ...hooks } = ground;
  const { nodeId, software, startedAtMs } = facts;
  const start = {
    ...{ arenas: arenas.handle, config, nodeId, software, startedAtMs, ports },
    clientUrl: port === undefined ? '' : `ws://${hostPort(config.advertise, port)}`,
    maxMessageBytes: serve.maxMessageBytes,
  };
  const thread = new ClusterThread(start, hooks);
  try {
    return { thread, ...(await thread.ready) };
  } catch (error) {
    await thread.stop();
    throw error;
  }
}
