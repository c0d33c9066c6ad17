/** A cluster of stand-ins and a client of it, for one test each, and what happens to the two. */
import { afterEach } from 'vitest';
import { type Client, connect } from '#client/client.js';
import type { ClientOptions } from '#client/options.js';
import { ClusterStandIn } from './client-cluster-stand-in.js';

/** What to end behind the test, the last first. */
export const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Three nodes, the client connected to the first, and a key of each. */
export async function pair(
  options?: ClientOptions,
  copies = 3,
): Promise<{ cluster: ClusterStandIn; client: Client; keys: string[] }> {
  const cluster = await ClusterStandIn.start(3, copies);
  cleanups.push(() => cluster.close());
  const client = await connect(cluster.urls[0]!, options);
  cleanups.push(() => client.close({ wait: false }));
  return { cluster, client, keys: [0, 1, 2].map((node) => cluster.keyOf(node)) };
}

/** Resolves to the detail of the next `event`. */
export function next(client: Client, event: Parameters<Client['on']>[0]): Promise<unknown> {
  return new Promise((resolve) => {
    const stop = client.on(event, (detail) => {
      stop();
      resolve(detail);
    });
  });
}

/** Has the nodes tell who has the slots of this one now, and whether it is dead. */
export async function bury(cluster: ClusterStandIn, client: Client, index: number): Promise<void> {
  cluster.demote(index);
  const told = next(client, 'view');
  cluster.tell();
  await told;
}
