/** The client on a cluster of stand-ins: whom it asks, and what it does when that changes. */
import { afterEach, describe, expect, it } from 'vitest';
import { Client, connect } from '#client/client.js';
import type { ClientOptions } from '#client/options.js';
import { slotOfText } from '#engine/slots.js';
import { ClusterStandIn } from './client-cluster-stand-in.js';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(nodes?: number, copies?: number): Promise<ClusterStandIn> {
  const cluster = await ClusterStandIn.start(nodes, copies);
  cleanups.push(() => cluster.close());
  return cluster;
}

async function open(urls: string | string[], options?: ClientOptions): Promise<Client> {
  const client = await connect(urls, options);
  cleanups.push(() => client.close({ wait: false }));
  return client;
}

async function pair(
  options?: ClientOptions,
): Promise<{ cluster: ClusterStandIn; client: Client; keys: string[] }> {
  const cluster = await start();
  const client = await open(cluster.urls[0]!, options);
  return { cluster, client, keys: [0, 1, 2].map((node) => cluster.keyOf(node)) };
}

const KEYS = Array.from({ length: 60 }, (_, i) => `key:${i}`);

/** Resolves to the detail of the next `event`. */
function next(client: Client, event: Parameters<Client['on']>[0]): Promise<unknown> {
  return new Promise((resolve) => {
    const stop = client.on(event, (detail) => {
      stop();
      resolve(detail);
    });
  });
}

describe('routing', () => {
  it('sends each command to the node of its key, in one hop', async () => {
    const { cluster, client } = await pair();
    await Promise.all(KEYS.map((key, i) => client.set(key, i)));
    const values = await Promise.all(KEYS.map((key) => client.get(key)));
    expect(values).toEqual(KEYS.map((_, i) => i));
    for (const node of [0, 1, 2]) {
      expect(cluster.asked[node]!.length).toBeGreaterThan(20);
      for (const [, key] of cluster.asked[node]!) {
        expect(cluster.owners[slotOfText(key as string)]![0]).toBe(node);
      }
    }
    expect(cluster.asked.flat().length).toBe(2 * KEYS.length);
  });

  it('sends keys of bytes where it sends the same text', async () => {
    const { cluster, client } = await pair();
    await client.setMany(KEYS.map((key) => [key, key]));
    const found = await client.getMany(KEYS.map((key) => Buffer.from(key)));
    expect(found).toEqual(KEYS);
    expect(cluster.asked.flat().length).toBe(2 * KEYS.length);
  });

  it('has what one node is asked in one turn in one frame', async () => {
    const { cluster, client } = await pair();
    await Promise.all(KEYS.map((key) => client.get(key)));
    cluster.nodes.forEach((node) => {
      node.frames.length = 0;
    });
    await Promise.all(KEYS.slice(0, 30).map((key) => client.get(key)));
    expect(cluster.nodes.map(({ frames }) => frames.length)).toEqual([1, 1, 1]);
  });

  it('sends commands to their nodes that were called before it knew the cluster', async () => {
    const cluster = await start();
    const client = new Client(cluster.urls[0]!);
    cleanups.push(() => client.close({ wait: false }));
    await Promise.all(KEYS.map((key) => client.set(key, 1)));
    expect(cluster.asked.flat().length).toBe(KEYS.length);
  });

  it('connects to a node when there is something for it', async () => {
    const { cluster, client, keys } = await pair();
    expect(cluster.nodes.map(({ hellos }) => hellos.length)).toEqual([1, 0, 0]);
    await client.get(keys[2]!);
    expect(cluster.nodes.map(({ hellos }) => hellos.length)).toEqual([1, 0, 1]);
  });

  it('takes a burst before it is connected to them', async () => {
    const { cluster, client } = await pair({ queueLimit: 3 });
    expect(await client.setMany(KEYS.map((key) => [key, 1]))).toEqual(KEYS.map(() => true));
    expect(cluster.nodes.map(({ hellos }) => hellos.length)).toEqual([2, 1, 1]);
  });

  it('stays with one node when it is told to', async () => {
    const cluster = await start();
    // The node forwards what is not its own.
    cluster.onCommand = () => 'forwarded';
    const client = await open(cluster.urls[0]!, { routes: false });
    expect(client.cluster).toBeUndefined();
    await client.getMany(KEYS);
    expect(cluster.names(0).length).toBe(KEYS.length);
    expect(cluster.nodes[0]!.hellos[0]).not.toHaveProperty('routes');
    expect(cluster.nodes[1]!.hellos).toEqual([]);
  });
});

describe('when a slot has moved', () => {
  it('goes where MOVED leads, and stays there', async () => {
    const { cluster, client, keys } = await pair();
    const key = keys[1]!;
    await client.set(key, 'before');
    const slot = slotOfText(key);
    cluster.owners[slot] = [2, 1];
    expect(await client.get(key)).toBe('before');
    expect([cluster.names(1), cluster.names(2)]).toEqual([['SET', 'GET'], ['GET']]);
    expect(await client.get(key)).toBe('before');
    expect([cluster.names(1), cluster.names(2)]).toEqual([
      ['SET', 'GET'],
      ['GET', 'GET'],
    ]);
  });

  it('sends on those of a bulk call that moved, and keeps the order of the results', async () => {
    const { cluster, client } = await pair({ timeout: '10s' });
    await client.setMany(KEYS.map((key, i) => [key, i]));
    for (const key of KEYS.filter((_, i) => i % 3 === 0))
      cluster.owners[slotOfText(key)]!.reverse();
    expect(await client.getMany(KEYS)).toEqual(KEYS.map((_, i) => i));
    expect(await client.deleteMany(KEYS)).toBe(KEYS.length);
  });

  it('does so with writes, steps and handles', async () => {
    const { cluster, client, keys } = await pair();
    const key = keys[1]!;
    await client.get(key);
    cluster.owners[slotOfText(key)] = [0, 2];
    const results = await Promise.all([
      client.increment(key),
      client.atomic([['INCR', key]]),
      client.expire(key, '1m'),
    ]);
    expect(results).toEqual([1, { done: true, replies: [] }, true]);
    expect(cluster.names(0)).toEqual(['INCR', 'ATOMIC', 'EXPIRE']);
  });

  it('learns everything anew from the view that a node pushes', async () => {
    const { cluster, client } = await pair();
    await client.getMany(KEYS);
    cluster.owners.forEach((owners) => {
      owners.reverse();
    });
    const told = next(client, 'view');
    cluster.tell();
    expect(await told).toMatchObject({ name: 'stand-in', self: 0 });
    const before = cluster.asked.flat().length;
    await client.getMany(KEYS);
    expect(cluster.asked.flat().length).toBe(before + KEYS.length);
    expect(client.cluster).toEqual(await told);
  });

  it('gives up when nodes send it from one to the other, at its deadline', async () => {
    const { cluster, client, keys } = await pair();
    const slot = slotOfText(keys[1]!);
    cluster.onCommand = (node) =>
      new Error(`MOVED ${slot} ${cluster.nodes[node === 1 ? 2 : 1]!.url}`);
    const error = await client.get(keys[1]!).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'MOVED' });
    expect(cluster.asked.flat().length).toBeGreaterThan(6);
  });

  it('gives up after the fifth time, where it is not to try again', async () => {
    const { cluster, client, keys } = await pair({ retry: false });
    const slot = slotOfText(keys[1]!);
    cluster.onCommand = (node) =>
      new Error(`MOVED ${slot} ${cluster.nodes[node === 1 ? 2 : 1]!.url}`);
    await expect(client.get(keys[1]!)).rejects.toMatchObject({ code: 'MOVED' });
    expect(cluster.asked.flat().length).toBe(6);
  });

  it('takes a node into use that only MOVED has named', async () => {
    const { cluster, client, keys } = await pair();
    const stranger = await ClusterStandIn.start(1, 1);
    cleanups.push(() => stranger.close());
    const slot = slotOfText(keys[1]!);
    cluster.onCommand = () => new Error(`MOVED ${slot} ${stranger.urls[0]}`);
    await client.set(keys[1]!, 'there');
    expect(stranger.names(0)).toEqual(['SET']);
  });

  it('gives a MOVED that says nothing to the caller', async () => {
    const { cluster, client, keys } = await pair();
    cluster.onCommand = () => new Error('MOVED somewhere');
    await expect(client.get(keys[1]!)).rejects.toMatchObject({ code: 'MOVED' });
  });
});

describe('several keys', () => {
  it('are asked of each node for its own', async () => {
    const { client } = await pair();
    await client.setMany(KEYS.map((key, i) => [key, i]));
    expect(await client.getAll(['no', ...KEYS])).toEqual([undefined, ...KEYS.map((_, i) => i)]);
    expect(await client.send('MGET', ...KEYS)).toEqual(KEYS.map((_, i) => i));
    expect(await client.send('EXISTS', 'no', ...KEYS)).toBe(KEYS.length);
    expect(await client.hasMany(KEYS)).toBe(KEYS.length);
    expect(await client.touchMany(KEYS)).toBe(KEYS.length);
    expect(await client.deleteMany([...KEYS, 'no'])).toBe(KEYS.length);
  });

  it('of all-or-nothing commands must be on one node, or nothing is sent', async () => {
    const { cluster, client, keys } = await pair();
    const [a, b] = keys as [string, string];
    const calls = [
      client.rename(a, b),
      client.copy(a, b),
      client.setAll([
        [a, 1],
        [b, 2],
      ]),
      client.setAllIfAbsent([
        [a, 1],
        [b, 2],
      ]),
      client.members(a).union(b),
      client.members(a).unionInto(b, a),
      client.list(a).moveTo(b, 'start', 'end'),
      client.atomic([
        ['SET', a, 1],
        ['SET', b, 2],
      ]),
      client.atomic([['SET', a, 1]], { guards: [{ key: b, version: undefined }] }),
      client.send('MSET', a, 1, b, 2),
    ];
    for (const call of calls) {
      const error = await call.then(String, (reason) => reason);
      expect(error).toMatchObject({ code: 'CROSSSLOT' });
      expect(error.message).toContain('{tag}');
    }
    expect(cluster.asked.flat()).toEqual([]);
    const tagged = await client.atomic([
      ['SET', '{t}:a', 1],
      ['SET', '{t}:b', 2],
    ]);
    expect(tagged.done).toBe(true);
  });

  it('say what is no key, whatever node it would be on', async () => {
    const { client } = await pair();
    for (const key of KEYS.slice(0, 8)) {
      const union = client.members(key).union(KEYS as never);
      await expect(union).rejects.toThrow('a key must be a string or a Uint8Array, not an array');
    }
    await expect(client.getAll([5 as never, ...KEYS])).rejects.toThrow('not 5');
  });
});

describe('commands about all keys', () => {
  it('walk over each key once, though others have copies', async () => {
    const { client } = await pair();
    await client.setMany(KEYS.map((key, i) => [key, i]));
    const keys: unknown[] = [];
    for await (const key of client.keys()) keys.push(key);
    expect(keys.sort()).toEqual([...KEYS].sort());
    const entries: unknown[] = [];
    for await (const entry of client.entries()) entries.push(entry);
    expect(Object.fromEntries(entries as [string, unknown][])).toEqual(
      Object.fromEntries(KEYS.map((key, i) => [key, i])),
    );
  });

  it('have cursors that lead from node to node', async () => {
    const { client } = await pair();
    await client.setMany(KEYS.map((key) => [key, 1]));
    const keys: unknown[] = [];
    let cursor = 0;
    do {
      const page = await client.scanPage(cursor);
      keys.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== 0);
    expect(keys.sort()).toEqual([...KEYS].sort());
  });

  it('count and clear on all live nodes', async () => {
    const { cluster, client } = await pair();
    await client.setMany(KEYS.map((key) => [key, 1]));
    expect(await client.size()).toBe(KEYS.length);
    expect(KEYS).toContain(await client.randomKey());
    await client.clear();
    expect(await client.size()).toBe(0);
    expect(cluster.nodes.map(({ store }) => store.size)).toEqual([0, 0, 0]);
    expect(await client.randomKey()).toBeUndefined();
  });
});
