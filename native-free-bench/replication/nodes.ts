/** The nodes that are measured: one alone, and two of a cluster, of which one has the keys. */
import { SLOTS, slotOfText } from '../../engine/slots.js';
import { cpuSeconds } from '../../server/cli/machine.js';
import { type ServerProcess, startSlabring } from '../../server/cli/processes.js';
import { buildRing } from '../../server/cluster/ring.js';
import { MAX_WEIGHT, MIN_WEIGHT } from '../../server/cluster/ring-options.js';

/** Which cores the processes may use, as taskset writes them; undefined: all. */
export interface Cores {
  /** The node alone, and the one that has the keys. */
  readonly node: string | undefined;
  readonly replica: string | undefined;
}

export interface Nodes {
  readonly alone: ServerProcess;
  readonly primary: ServerProcess;
  readonly replica: ServerProcess;
  stop(): Promise<void>;
}

/** What is asked of a node's status (server/cluster/thread/administration.ts). */
interface Status {
  readonly slots: { readonly unserved: number; readonly short: number; readonly pulling: number };
  readonly nodes: readonly { readonly address: string; readonly state: string }[];
  readonly peers: readonly {
    readonly isLive: boolean;
    readonly isStreaming: boolean;
    readonly isIdle: boolean;
    readonly scans: number;
  }[];
  readonly links: readonly { readonly link?: { readonly bytesOut: number } }[];
}

/** With the greatest and the least weight one of two nodes is primary of nearly all slots. */
const MEMBERS = [
  { name: 'primary', weight: MAX_WEIGHT },
  { name: 'replica', weight: MIN_WEIGHT },
];
const LOOK_MS = 20;
/** Copies are there within seconds, or something is wrong. */
const DEADLINE_MS = 60_000;

/** @param memory of each node, as `--memory` takes it */
export async function startNodes(memory: string, cores: Cores): Promise<Nodes> {
  const servers: ServerProcess[] = [];
  const start = async (args: readonly string[], on: string | undefined) => {
    const all = ['--threads', '1', '--memory', memory, ...args];
    const server = await startSlabring(all, { cores: on });
    servers.push(server);
    return server;
  };
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const member = (place: number, ...args: readonly string[]) => {
    const { name, weight } = MEMBERS[place]!;
    const more = ['--cluster', 'bench', '--replicas', '1', '--peer-port', '0', '--node-name', name];
    return [...more, '--weight', `${weight}`, '--leave-timeout', '0s', ...args];
  };
  try {
    const alone = await start([], cores.node);
    const primary = await start(member(0), cores.node);
    const { address } = (await statusOf(primary)).nodes[0]!;
    const replica = await start(member(1, '--join', address), cores.replica);
    await untilStatus(primary, ({ slots, nodes }) => {
      const live = nodes.filter(({ state }) => state === 'alive').length;
      return live === 2 && slots.unserved + slots.short + slots.pulling === 0;
    });
    return { alone, primary, replica, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Numbers of so many keys that are all run by the primary. */
export function keysOfPrimary(count: number, textOf: (key: number) => string): Uint32Array {
  const ring = buildRing(MEMBERS, { copies: 2 });
  const isOwn = Array.from({ length: SLOTS }, (_, slot) => {
    return ring.members[ring.primary(slot)]!.name === 'primary';
  });
  const keys = new Uint32Array(count);
  for (let key = 0, found = 0; found < count; key++) {
    if (isOwn[slotOfText(textOf(key))]) keys[found++] = key;
  }
  return keys;
}

/** CPU time of a node so far, user and system, all threads; 0 where the system does not tell. */
export function cpuNsOf({ pid }: ServerProcess): number {
  return (cpuSeconds(pid) ?? 0) * 1e9;
}

export async function sentBytesOf(primary: ServerProcess): Promise<number> {
  const { links } = await statusOf(primary);
  return links.reduce((sum, { link }) => sum + (link?.bytesOut ?? 0), 0);
}

/** Waits until the replica has everything; whether it had to be sent anything by a scan. */
export async function drained(primary: ServerProcess): Promise<{ isScanned: boolean }> {
  let isScanned = false;
  await untilStatus(primary, ({ peers }) => {
    const [peer] = peers;
    if (!peer!.isStreaming || peer!.scans > 0) isScanned = true;
    return peer!.isIdle;
  });
  return { isScanned };
}

async function untilStatus(node: ServerProcess, isReached: (status: Status) => boolean) {
  const endMs = performance.now() + DEADLINE_MS;
  while (!isReached(await statusOf(node))) {
    if (performance.now() > endMs) throw new Error('the cluster does not settle');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function statusOf({ url }: ServerProcess): Promise<Status> {
  const response = await fetch(`${url.replace('ws', 'http')}/cluster`);
  return (await response.json()) as Status;
}
