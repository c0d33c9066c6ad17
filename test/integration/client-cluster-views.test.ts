/** The client on a cluster of stand-ins whose nodes are silent, or do not agree who is alive. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '#client/client.js';
import { connect } from '#client/client.js';
import type { ClusterView } from '#engine/cluster-view.js';
import { bury, cleanups, next, pair } from './client-cluster-pair.js';
import type { ClusterStandIn } from './client-cluster-stand-in.js';
import { StandIn } from './client-stand-in.js';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** As the node sees it that is cut off from the others. */
function alone(self: number, view: ClusterView): ClusterView {
  const slots = new Uint8Array(view.slots!.length);
  const cells = new DataView(slots.buffer);
  for (let at = 0; at < slots.length; at += 2) {
    cells.setUint16(at, at % (2 * view.copies) === 0 ? self : 0xffff, true);
  }
  const nodes = view.nodes.map((node, index) => ({ ...node, live: index === self }));
  return { ...view, nodes, slots };
}

/** Node 0 says, as ever, to all its clients what it sees. */
function tellAlone(cluster: ClusterStandIn): void {
  cluster.onView = (self, view) => (self === 0 ? alone(0, view) : undefined);
  cluster.nodes[0]!.push(['view', cluster.view(0)]);
}

async function elapsed(promise: Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await promise;
  return performance.now() - startedAtMs;
}

/** The view that the client follows next. */
const nextView = (client: Client) => next(client, 'view') as Promise<ClusterView>;

const lives = ({ nodes }: ClusterView) => nodes.map(({ live }) => live);

describe('a silent node that the client hears the cluster from', () => {
  it('is given up within two seconds', async () => {
    const { cluster, client } = await pair();
    cluster.freeze(0);
    expect(await elapsed(next(client, 'connect'))).toBeLessThan(3_000);
    expect(client.cluster!.self).toBeGreaterThan(0);
    expect(cluster.nodes[0]!.frames.map(({ commands }) => commands)).toEqual([[['PING']]]);
  });

  it('and the next one, which is silent too, has a second to answer', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { cluster, client } = await pair();
    cluster.freeze(0);
    cluster.freeze(1);
    expect(await elapsed(next(client, 'connect'))).toBeLessThan(4_500);
    expect(cluster.nodes[1]!.sockets.size + cluster.nodes[1]!.hellos.length).toBeGreaterThan(0);
    expect(client.cluster!.self).toBe(2);
  });

  it('is given up sooner when another one says that it is dead', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    cluster.freeze(0);
    cluster.live[0] = false;
    cluster.demote(0);
    const heard = nextView(client);
    cluster.tell();
    expect(await elapsed(heard)).toBeLessThan(700);
    expect(lives(client.cluster!)).toEqual([false, true, true]);
    expect(await client.set(keys[0]!, 1)).toBe(true);
    await next(client, 'connect');
    expect(client.cluster!.self).toBeGreaterThan(0);
  });

  it('is not asked where there is no cluster', async () => {
    const node = await StandIn.start();
    cleanups.push(() => node.close());
    const client = await connect(node.url);
    cleanups.push(() => client.close());
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    await node.roundTrip();
    expect(node.frames).toEqual([]);
  });

  it('stays while it answers, though nothing else happens', async () => {
    const { cluster, client } = await pair();
    let pings = 0;
    const asked = new Promise<void>((resolve) => {
      cluster.onCommand = (_, [name]) => {
        if (name === 'PING' && ++pings === 3) resolve();
        return undefined;
      };
    });
    client.on('disconnect', (error) => expect(error).toBeUndefined());
    await asked;
    expect(client.cluster!.self).toBe(0);
    expect(cluster.nodes.map(({ hellos }) => hellos.length)).toEqual([1, 0, 0]);
  });
});

describe('a silent node', () => {
  /** Says nothing for longer than a node does that is well; what was heard of it. */
  async function suspect(cluster: ClusterStandIn, client: Client, key: string): Promise<unknown[]> {
    const heard: unknown[] = [];
    const { onFrame } = cluster.nodes[1]!;
    cluster.nodes[1]!.onFrame = ({ commands }) => heard.push(...commands.map(([name]) => name));
    cluster.nodes[1]!.frames.length = 0;
    cluster.onCommand = undefined;
    void client.get(key).catch(() => {});
    await cluster.nodes[1]!.seen(1);
    // Much longer than the first answer took, also where other tests have all of the machine.
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 2_000);
    wake = () => {
      cluster.nodes[1]!.onFrame = onFrame;
      for (const frame of cluster.nodes[1]!.frames) onFrame!(frame);
    };
    return heard;
  }
  let wake = () => {};

  it('is sent a PING only, and the next node has what waited, whatever it is', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    const heard = await suspect(cluster, client, keys[1]!);
    const sum = client.increment(keys[1]!);
    const list = client.list(keys[1]!).push(1);
    await cluster.nodes[1]!.seen(2);
    cluster.onCommand = (node, [name]) => (node === 2 && name === 'RPUSH' ? 1 : undefined);
    cluster.live[1] = false;
    await bury(cluster, client, 1);
    expect(await Promise.all([sum, list])).toEqual([1, 1]);
    expect(heard).toEqual(['GET', 'PING']);
  });

  it('is sent all that waited when it answers', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    await suspect(cluster, client, keys[1]!);
    const sums = Promise.all([1, 2, 3].map(() => client.increment(keys[1]!)));
    await cluster.nodes[1]!.seen(2);
    wake();
    expect(await sums).toEqual([1, 2, 3]);
    expect(cluster.names(1)).toEqual(['GET', 'PING', 'INCR', 'INCR', 'INCR']);
    expect(await client.increment(keys[1]!)).toBe(4);
  });

  it('is sent everything where the client shall not retry', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0, retry: false });
    const heard = await suspect(cluster, client, keys[1]!);
    void client.increment(keys[1]!).catch(() => {});
    await cluster.nodes[1]!.seen(2);
    expect(heard).toEqual(['GET', 'INCR']);
  });

  it('has what waited fail at its deadline, and says that it was not done', async () => {
    const { cluster, client, keys } = await pair({ timeout: '400ms' });
    await suspect(cluster, client, keys[1]!);
    const error = await client.increment(keys[1]!).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(error.message).toMatch(/^not sent .* the server is silent/);
  });
});

describe('a node that says that most others are dead', () => {
  it('is not believed when they answer, and see more', async () => {
    const { cluster, client, keys } = await pair();
    const moved = next(client, 'connect');
    tellAlone(cluster);
    await moved;
    expect(client.cluster!.self).toBeGreaterThan(0);
    expect(lives(client.cluster!)).toEqual([true, true, true]);
    await client.setMany(keys.map((key) => [key, 1]));
    expect(keys.map((_, node) => cluster.names(node).filter((name) => name === 'SET'))).toEqual([
      ['SET'],
      ['SET'],
      ['SET'],
    ]);
  });

  it('is not followed while they are asked', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    cluster.onCommand = (_, [name]) => {
      if (name !== 'PING') return undefined;
      // The node was asked, and the client does not have its answer yet.
      void client.set(keys[1]!, 'meanwhile');
      return undefined;
    };
    const moved = next(client, 'connect');
    tellAlone(cluster);
    await moved;
    expect(await client.get(keys[1]!)).toBe('meanwhile');
    expect(cluster.names(0)).not.toContain('SET');
  });

  it('is believed at once when they are gone', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    await Promise.all([cluster.kill(1), cluster.kill(2)]);
    const followed = nextView(client);
    tellAlone(cluster);
    expect(await elapsed(followed)).toBeLessThan(700);
    expect(lives(client.cluster!)).toEqual([true, false, false]);
  });

  it('is believed after a second when they are silent', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    cluster.freeze(1);
    cluster.freeze(2);
    const followed = nextView(client);
    tellAlone(cluster);
    const tookMs = await elapsed(followed);
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(2_000);
    expect(lives(client.cluster!)).toEqual([true, false, false]);
  });
});

describe('a rumour', () => {
  it('that the others do not confirm changes nothing', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    const before = client.cluster;
    cluster.onView = (self, view) => {
      if (self !== 1) return undefined;
      const nodes = view.nodes.map((node, index) => ({ ...node, live: index !== 0 }));
      return { ...view, nodes };
    };
    const asked = new Promise<void>((resolve) => {
      cluster.onCommand = (node, [name]) => {
        if (node === 2 && name === 'PING') resolve();
        return undefined;
      };
    });
    cluster.nodes[1]!.push(['view', cluster.view(1)]);
    await asked;
    await client.getMany(keys);
    expect(client.cluster).toBe(before);
    expect(client.state).toBe('ready');
    expect(cluster.nodes.map(({ hellos }) => hellos.length)).toEqual([2, 1, 1]);
  });

  it('from a node that sees hardly anybody is not heard', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    cluster.nodes[1]!.push(['view', alone(1, cluster.view(1))]);
    await cluster.nodes[1]!.roundTrip();
    await client.getMany(keys);
    expect(cluster.asked.flat().filter(([name]) => name === 'PING')).toEqual([]);
  });
});
