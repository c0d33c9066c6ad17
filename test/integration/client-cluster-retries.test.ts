/** The client on a cluster of stand-ins: what it asks for again, and what never. */
import { describe, expect, it } from 'vitest';
import { type Client, connect } from '#client/client.js';
import { slotOfText } from '#engine/slots.js';
import { bury, cleanups, pair } from './client-cluster-pair.js';
import { type Asked, type ClusterStandIn, SILENCE } from './client-cluster-stand-in.js';

const UNSERVED = new Error('TRYAGAIN no node serves the slot now');
const UNANSWERED = new Error('UNAVAILABLE the node that had the key has failed');

/** Node 1 says nothing, until all are told that it is dead. */
async function loseNode1(cluster: ClusterStandIn, client: Client): Promise<void> {
  await cluster.nodes[1]!.seen(1);
  cluster.live[1] = false;
  await bury(cluster, client, 1);
}

function silenceNode1(cluster: ClusterStandIn): void {
  cluster.onCommand = (node, [name]) => {
    if (node === 1) return SILENCE;
    return name === 'SET' || name === 'GET' || name === 'WAIT' ? undefined : 1;
  };
}

/** The first so many commands are answered so, by whichever node. */
function firstAnswers(cluster: ClusterStandIn, count: number, answer: Error): void {
  let left = count;
  cluster.onCommand = (_, [name]) => {
    if (left-- > 0) return answer;
    return name === 'HSET' || name === 'ATOMIC' ? 1 : undefined;
  };
}

const namesOf = (asked: readonly Asked[]) => asked.map(([name]) => name);

describe('what was on its way to a node that is dead', () => {
  it.each<[string, (client: Client, key: string) => Promise<unknown>, unknown, string]>([
    ['SET', (client, key) => client.set(key, 'v', { ttl: '1m' }), true, 'SET'],
    ['setMany', (client, key) => client.setMany([[key, 1]]), [true], 'SET'],
    ['DEL', (client, key) => client.delete(key), true, 'DEL'],
    ['deleteMany', (client, key) => client.deleteMany([key]), 1, 'DEL'],
    ['EXPIRE', (client, key) => client.expire(key, '1m'), 1, 'EXPIRE'],
    ['HSET', (client, key) => client.hash(key).set('field', 1), true, 'HSET'],
    ['SADD', (client, key) => client.members(key).add('member'), true, 'SADD'],
    ['SISMEMBER', (client, key) => client.members(key).has('member'), true, 'SISMEMBER'],
    ['MSET', (client, key) => client.setAll([[key, 1]]), undefined, 'MSET'],
  ])('is asked of the next owner: %s', async (_, call, result, name) => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    silenceNode1(cluster);
    const called = call(client, keys[1]!);
    await loseNode1(cluster, client);
    const value = await called;
    expect(typeof result === 'boolean' ? Boolean(value) : value).toEqual(result);
    expect(cluster.names(2)).toEqual([name]);
  });

  it.each<[string, (client: Client, key: string) => Promise<unknown>]>([
    ['increment', (client, key) => client.increment(key)],
    ['SET NX', (client, key) => client.set(key, 1, { ifAbsent: true })],
    ['swap', (client, key) => client.swap(key, 1)],
    ['LPUSH', (client, key) => client.list(key).unshift(1)],
    ['atomic', (client, key) => client.atomic([['SET', key, 1]])],
  ])('is not, where that could do it twice: %s', async (_, call) => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    silenceNode1(cluster);
    const called = call(client, keys[1]!).catch((error) => error);
    await loseNode1(cluster, client);
    expect(await called).toMatchObject({ code: 'CONNECTION' });
    expect(cluster.names(2)).toEqual([]);
  });

  it('is not, where the client is told not to, but for reads', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0, retry: false });
    silenceNode1(cluster);
    const calls = Promise.allSettled([client.set(keys[1]!, 1), client.get(keys[1]!)]);
    await loseNode1(cluster, client);
    const [write, read] = await calls;
    expect(write).toMatchObject({ status: 'rejected', reason: { code: 'CONNECTION' } });
    expect(read).toMatchObject({ status: 'fulfilled' });
  });

  it('keeps its order', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    silenceNode1(cluster);
    const calls = [1, 2, 3].map((value) => client.set(keys[1]!, value));
    await loseNode1(cluster, client);
    await Promise.all(calls);
    expect(cluster.asked[2]!.map(([, , value]) => value)).toEqual([1, 2, 3]);
  });

  it('takes its WAITs along', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0, concern: 'quorum' });
    silenceNode1(cluster);
    const written = client.set(keys[1]!, 1);
    await loseNode1(cluster, client);
    expect(await written).toBe(true);
    expect(cluster.names(2)).toEqual(['SET', 'WAIT']);
  });

  it('fails when it brings every node down', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0, reconnectDelay: 1 });
    cluster.onCommand = (node) => {
      cluster.nodes[node]!.drop();
      return SILENCE;
    };
    await expect(client.set(keys[1]!, 'poison')).rejects.toMatchObject({ code: 'CONNECTION' });
    expect(cluster.asked.flat().length).toBe(4);
  });

  it('is not said to be undone, when it waits for a connection in vain', async () => {
    const { cluster, client, keys } = await pair({ timeout: '400ms', reconnectDelay: 10 });
    cluster.onCommand = (node) => {
      void cluster.kill(node);
      return SILENCE;
    };
    const error = await client.set(keys[1]!, 1).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'CONNECTION' });
    expect(error.message).toMatch(/may have run/);
  });

  it('is not said to be undone, when the client is being closed', async () => {
    const { cluster, client, keys } = await pair();
    silenceNode1(cluster);
    const written = client.set(keys[1]!, 1).catch((reason) => reason);
    await cluster.nodes[1]!.seen(1);
    const closed = client.close();
    cluster.nodes[1]!.drop();
    expect(await written).toMatchObject({ code: 'CONNECTION' });
    await closed;
  });
});

describe('TRYAGAIN', () => {
  it('is asked again, whatever the command, and its neighbours are not', async () => {
    const { cluster, client, keys } = await pair();
    const key = keys[1]!;
    await client.set(key, 1);
    let left = 3;
    cluster.onCommand = (_, [name]) => (name === 'INCR' && left-- > 0 ? UNSERVED : undefined);
    const calls = [client.get(key), client.increment(key), client.has(key)];
    expect(await Promise.all(calls)).toEqual([1, 2, true]);
    expect(cluster.names(1)).toEqual(['SET', 'GET', 'INCR', 'EXISTS', 'INCR', 'INCR', 'INCR']);
  });

  it.each<[string, (client: Client, keys: string[]) => Promise<unknown>, number, unknown]>([
    ['a bulk call', (client, keys) => client.getMany(keys), 3, [undefined, undefined, undefined]],
    ['a handle', (client, keys) => client.hash(keys[1]!).set('field', 1), 2, true],
    ['a step', (client, keys) => client.send('ATOMIC', [['INCR', keys[1]!]]), 2, 1],
    ['a write with a concern', (c, keys) => c.with({ concern: 'one' }).increment(keys[1]!), 2, 1],
    ['a read of any', (c, keys) => c.with({ read: 'any' }).get(keys[1]!), 7, undefined],
    ['a hedged read', (c, keys) => c.with({ hedge: '1h' }).get(keys[1]!), 7, undefined],
  ])('is asked again in %s', async (_, call, times, result) => {
    const { cluster, client, keys } = await pair();
    firstAnswers(cluster, times, UNSERVED);
    const value = await call(client, keys);
    expect(typeof result === 'boolean' ? Boolean(value) : value).toEqual(result);
  });

  it('is asked of whom the routes lead to by then', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    cluster.onCommand = (node) => (node === 1 ? UNSERVED : undefined);
    const sum = client.increment(keys[1]!);
    await cluster.nodes[1]!.seen(1);
    await bury(cluster, client, 1);
    expect(await sum).toBe(1);
    expect(cluster.names(2)).toEqual(['INCR']);
  });

  it('comes to the caller when the deadline does, after few tries', async () => {
    const { cluster, client, keys } = await pair();
    cluster.onCommand = () => UNSERVED;
    const startedAtMs = performance.now();
    await expect(client.increment(keys[1]!)).rejects.toMatchObject({ code: 'TRYAGAIN' });
    expect(performance.now() - startedAtMs).toBeGreaterThan(700);
    expect(performance.now() - startedAtMs).toBeLessThan(1_100);
    expect(cluster.asked[1]!.length).toBeGreaterThan(5);
    expect(cluster.asked[1]!.length).toBeLessThan(17);
  });

  it('comes at once where the client is told not to retry', async () => {
    const { cluster, client, keys } = await pair({ retry: false });
    cluster.onCommand = () => UNSERVED;
    await expect(client.get(keys[1]!)).rejects.toMatchObject({ code: 'TRYAGAIN' });
    expect(cluster.asked.flat().length).toBe(1);
  });

  it('does not deny what may have been done before', async () => {
    const { cluster, client, keys } = await pair({ reconnectDelay: 1 });
    cluster.onCommand = (node) => {
      if (cluster.asked.flat().length > 1) return UNSERVED;
      cluster.nodes[node]!.drop();
      return SILENCE;
    };
    await expect(client.set(keys[1]!, 1)).rejects.toMatchObject({ code: 'CONNECTION' });
    expect(cluster.asked.flat().length).toBeGreaterThan(5);
  });

  it('lets what was called in order be done in order', async () => {
    const { cluster, client, keys } = await pair();
    cluster.onCommand = () => (cluster.asked.flat().length <= 30 ? UNSERVED : undefined);
    await Promise.all([1, 2, 3, 4, 5].map((value) => client.set(keys[1]!, value)));
    const done = cluster.asked[1]!.slice(30).map(([, , value]) => value);
    expect(done).toEqual([1, 2, 3, 4, 5]);
  });

  it('is rejected when the client is closed', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    cluster.onCommand = () => UNSERVED;
    const call = client.get(keys[1]!).catch((error) => error);
    await cluster.nodes[1]!.seen(4);
    await client.close();
    expect(await call).toMatchObject({ code: expect.stringMatching(/CLOSED|TRYAGAIN/) });
    expect(client.outstanding).toBe(0);
  });
});

describe('UNAVAILABLE', () => {
  it('is asked again, where that does not do it twice', async () => {
    const { cluster, client, keys } = await pair();
    firstAnswers(cluster, 4, UNANSWERED);
    expect(await client.set(keys[1]!, 1)).toBe(true);
    firstAnswers(cluster, 4, UNANSWERED);
    expect(await client.get(keys[1]!)).toBe(1);
    firstAnswers(cluster, 1, UNANSWERED);
    await expect(client.increment(keys[1]!)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('of a WAIT has both asked again where another node runs the writes by now', async () => {
    const { cluster, client, keys } = await pair({ concern: 'quorum' });
    cluster.onCommand = (node, [name]) => {
      if (name !== 'WAIT' || node !== 1) return undefined;
      // The client hears of it before the reply.
      cluster.demote(1);
      cluster.tell();
      cluster.nodes[1]!.push(['view', cluster.view(1)]);
      return UNANSWERED;
    };
    await client.get(keys[0]!);
    const heard = new Promise((resolve) => client.on('view', resolve));
    const { onFrame } = cluster.nodes[1]!;
    cluster.nodes[1]!.onFrame = (frame) => {
      const { answer } = frame;
      onFrame!({ ...frame, answer: (bytes) => void heard.then(() => answer(bytes)) });
    };
    expect(await client.set(keys[1]!, 1)).toBe(true);
    expect(cluster.names(1)).toEqual(['SET', 'WAIT']);
    expect(cluster.names(2)).toEqual(['SET', 'WAIT']);
  });

  it('of a WAIT comes to the caller where the same node runs them', async () => {
    const { cluster, client, keys } = await pair({ concern: 'quorum' });
    cluster.onCommand = (_, [name]) => (name === 'WAIT' ? UNANSWERED : undefined);
    const error = await client.set(keys[1]!, 1).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error.message).toMatch(/^the write was done/);
    expect(cluster.names(1)).toEqual(['SET', 'WAIT']);
  });

  it.each([
    ['set', (client: Client, key: string) => client.set(key, 1), ['SET', 'WAIT']],
    ['increment', (client: Client, key: string) => client.increment(key), []],
  ] as const)(
    'is not said where the slot moves between a write and its WAIT: %s',
    async (...row) => {
      const [, call, names] = row;
      const { cluster, client, keys } = await pair({ concern: 'quorum' });
      const slot = slotOfText(keys[1]!);
      cluster.onCommand = (node, [name]) => {
        if (node !== 1 || name !== 'WAIT') return undefined;
        cluster.owners[slot] = [2, 1, 0];
        return new Error(`MOVED ${slot} ${cluster.urls[2]}`);
      };
      const outcome = await call(client, keys[1]!).catch((error) => error);
      expect(cluster.names(2)).toEqual(names);
      if (names.length > 0) expect(outcome).toBe(true);
      else expect(outcome.message).toMatch(/^the write was done/);
    },
  );
});

describe('MOVED', () => {
  it('to a node that is dead is not followed', async () => {
    const { cluster, client, keys } = await pair();
    cluster.live[1] = false;
    await bury(cluster, client, 1);
    const slot = slotOfText(keys[1]!);
    cluster.onCommand = () =>
      cluster.asked[2]!.length < 3 ? new Error(`MOVED ${slot} ${cluster.urls[1]}`) : undefined;
    expect(await client.set(keys[1]!, 1)).toBe(true);
    expect(cluster.nodes[1]!.hellos).toEqual([]);
    expect(namesOf(cluster.asked[2]!)).toEqual(['SET', 'SET', 'SET']);
  });
});

describe('a client that does not route', () => {
  it('asks again all the same', async () => {
    const { cluster } = await pair();
    const client = await connect(cluster.urls[1]!, { routes: false, reconnectDelay: 1 });
    cleanups.push(() => client.close({ wait: false }));
    const key = cluster.keyOf(1);
    firstAnswers(cluster, 2, UNSERVED);
    expect(await client.increment(key)).toBe(1);
    let left = 1;
    cluster.onCommand = (node) => {
      if (left-- <= 0) return undefined;
      cluster.nodes[node]!.drop();
      return SILENCE;
    };
    expect(await client.set(key, 2)).toBe(true);
    expect(cluster.names(1)).toEqual(['INCR', 'INCR', 'INCR', 'SET', 'SET']);
  });
});
