/** Embedded caches as members of a cluster: what their methods do here, and what elsewhere. */
import { once } from 'node:events';
import { type MessagePort, Worker } from 'node:worker_threads';
import { attachCache, openCache } from 'slabring';
import { type Client, connect } from 'slabring/client';
import { clusterMember, memberThread, startNode } from 'slabring/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SLOT_COUNT } from '#engine/slot-table.js';
import {
  closeMembers,
  type EmbeddedMember,
  eventually,
  everyoneKnows,
  keyWhere,
  openMembers,
  SHARED,
} from '../support/embedded-members.js';

/** Every way to write a key synchronously, as the key is absent at first. */
const WRITES: Record<string, (cache: EmbeddedMember, key: string) => unknown> = {
  set: (cache, key) => cache.set(key, 'a'),
  setBytes: (cache, key) => cache.setBytes(key, Buffer.from('a')),
  setMany: (cache, key) => cache.setMany([[key, 'a']]),
  setAll: (cache, key) => cache.setAll([[key, 'a']]),
  setAllIfAbsent: (cache, key) => cache.setAllIfAbsent([[key, 'a']]),
  swap: (cache, key) => cache.swap(key, 'a'),
  increment: (cache, key) => cache.increment(key),
  incrementFloat: (cache, key) => cache.incrementFloat(key, 0.5),
  append: (cache, key) => cache.append(key, 'a'),
  setRange: (cache, key) => cache.setRange(key, 1, 'a'),
  acquireLease: (cache, key) => cache.acquireLease(key, 'me', '1m'),
  limit: (cache, key) => cache.limit(key, { capacity: 9, refillPerSecond: 0.01 }),
  atomic: (cache, key) => cache.atomic([['SET', key, 'a']]),
  'list.push': (cache, key) => cache.list(key).push('a'),
  'members.add': (cache, key) => cache.members(key).add('a'),
  'hash.set': (cache, key) => cache.hash(key).set('a', 1),
  'sorted.set': (cache, key) => cache.sorted(key).set('a', 1),
  copy: (cache, key) => {
    cache.set(`{${key}}`, 'a');
    return cache.copy(`{${key}}`, key);
  },
  rename: (cache, key) => {
    cache.set(`{${key}}`, 'a');
    return cache.rename(`{${key}}`, key);
  },
  renameIfAbsent: (cache, key) => {
    cache.set(`{${key}}`, 'a');
    return cache.renameIfAbsent(`{${key}}`, key);
  },
};

/** The same, where a key goes to its copies as a whole. */
const WHOLE_WRITES: typeof WRITES = {
  'set of a large value': (cache, key) => cache.set(key, 'a'.repeat(2 * 1024 * 1024)),
  'setMany of a large value': (cache, key) => cache.setMany([[key, 'a'.repeat(2 * 1024 * 1024)]]),
  'members.unionInto': (cache, key) => {
    cache.members(`{${key}}`).add('a');
    return cache.members(`{${key}}`).unionInto(key);
  },
};

/** Every way to change a key that holds 5, without an expiry or with one. */
const CHANGES: Record<string, (cache: EmbeddedMember, key: string) => unknown> = {
  delete: (cache, key) => cache.delete(key),
  deleteMany: (cache, key) => cache.deleteMany([key]),
  take: (cache, key) => cache.take(key),
  expire: (cache, key) => cache.expire(key, '1h'),
  persist: (cache, key) => cache.persist(key),
  getAndExpire: (cache, key) => cache.getAndExpire(key, '2h'),
  increment: (cache, key) => cache.increment(key, 2),
  set: (cache, key) => cache.set(key, 7),
};

const READS: Record<string, (cache: EmbeddedMember, key: string) => unknown> = {
  get: (cache, key) => cache.get(key),
  peek: (cache, key) => cache.peek(key),
  getBytes: (cache, key) => cache.getBytes(key),
  getMany: (cache, key) => cache.getMany([key]),
  getAll: (cache, key) => cache.getAll([key]),
  has: (cache, key) => cache.has(key),
  hasMany: (cache, key) => cache.hasMany([key]),
  ttl: (cache, key) => cache.ttl(key),
  touch: (cache, key) => cache.touch(key),
  touchMany: (cache, key) => cache.touchMany([key]),
  type: (cache, key) => cache.type(key),
  byteLength: (cache, key) => cache.byteLength(key),
  getRange: (cache, key) => cache.getRange(key, 0),
  memoryUsage: (cache, key) => cache.memoryUsage(key),
  describe: (cache, key) => cache.describe(key),
};

describe('three members, a copy of each key beside its owner', () => {
  let members: EmbeddedMember[];
  let a: EmbeddedMember;
  let b: EmbeddedMember;

  beforeAll(async () => {
    members = await openMembers(3);
    [a, b] = members as [EmbeddedMember, EmbeddedMember];
  }, 60_000);
  afterAll(() => closeMembers(members), 60_000);

  /** A key that a owns and b has a copy of, another one for each name. */
  const shared = (name: string) =>
    keyWhere(name, (key) => a.cluster.canWrite(key) && b.cluster.canRead(key));
  /** One that a does not have. */
  const beyond = (name: string) => keyWhere(name, (key) => !a.cluster.canRead(key));
  /** One that a has a copy of. */
  const copied = (name: string) =>
    keyWhere(name, (key) => a.cluster.canRead(key) && !a.cluster.canWrite(key));
  /** Resolves when all owners have what was written. */
  const settle = (key: string) => a.cluster.send('WAIT', key, 'all', 20_000);

  it.each(Object.entries(WRITES))('%s writes what the copy gets', async (name, write) => {
    const key = shared(`write ${name}`);
    write(a, key);
    expect(a.has(key)).toBe(true);
    await settle(key);
    expect(b.describe(key)!.bytes).toBe(a.describe(key)!.bytes);
    expect(b.getAll([key])).toEqual(a.getAll([key]));
  });

  it.each(Object.entries(CHANGES))('%s changes the copy, too', async (name, change) => {
    const key = shared(`change ${name}`);
    a.set(key, 5, { ttl: name === 'persist' ? '1h' : 0 });
    await settle(key);
    expect(b.get(key)).toBe(5);
    change(a, key);
    await settle(key);
    expect(b.get(key)).toBe(a.get(key));
    expect([b.ttl(key), a.ttl(key)].filter(Number.isFinite).length).not.toBe(1);
    if (name === 'persist') expect(b.ttl(key)).toBe(Infinity);
    if (name === 'expire') expect(b.ttl(key)).toBeLessThanOrEqual(3_600_000);
  });

  it.each(Object.entries(READS))('%s reads a copy, and nothing else', async (name, read) => {
    const key = copied(`read ${name}`);
    await b.cluster.set(key, 'value');
    await a.cluster.send('WAIT', key, 'all', 20_000);
    expect([undefined, false, 0]).not.toContain([read(a, key)].flat()[0]);
    expect(() => read(a, beyond(`read ${name}`))).toThrow(
      expect.objectContaining({ code: 'MOVED', message: expect.stringMatching(/does not have/) }),
    );
  });

  it.each(Object.entries({ ...WRITES, ...WHOLE_WRITES, ...CHANGES }))(
    '%s refuses a key of another member, and changes nothing',
    async (name, write) => {
      for (const key of [copied(`refuse ${name}`), beyond(`refuse ${name}`)]) {
        expect(() => write(a, key)).toThrow(expect.objectContaining({ code: 'MOVED' }));
        expect(await a.cluster.has(key)).toBe(false);
      }
    },
  );

  it('refuses a call with one key of another member as a whole', () => {
    const own = shared('whole');
    const other = beyond('whole');
    expect(() =>
      a.setMany([
        [own, 1],
        [other, 2],
      ]),
    ).toThrow(/cache\.cluster/);
    expect(() =>
      a.setAll([
        [own, 1],
        [other, 2],
      ]),
    ).toThrow(/cache\.cluster/);
    expect(() => a.getMany([own, other])).toThrow(/cache\.cluster/);
    expect(() => a.getAll([own, other])).toThrow(/cache\.cluster/);
    expect(() => a.rename(own, other)).toThrow(/cache\.cluster/);
    expect(() => a.members(own).union(other)).toThrow(/cache\.cluster/);
    expect(a.has(own)).toBe(false);
  });

  it('says of what is no key what it says in any cache', () => {
    expect(() => a.get('')).toThrow(expect.objectContaining({ code: 'OPTION' }));
    expect(() => a.set(7 as never, 1)).toThrow(expect.objectContaining({ code: 'OPTION' }));
    expect(() => a.atomic([])).toThrow(expect.objectContaining({ code: 'OPTION' }));
    expect(() => a.list('').push(1)).toThrow(expect.objectContaining({ code: 'OPTION' }));
  });

  it('has every key in cache.cluster', async () => {
    const keys = Array.from({ length: 100 }, (_, i) => `all ${i}`);
    expect(keys.some((key) => a.cluster.canWrite(key))).toBe(true);
    expect(keys.some((key) => !a.cluster.canRead(key))).toBe(true);
    for (const key of keys) await a.cluster.set(key, key);
    for (const { cluster } of members) {
      expect(await cluster.getMany(keys)).toEqual(keys);
      expect(await cluster.hasMany(keys)).toBe(keys.length);
    }
    const key = beyond('counter');
    await Promise.all(members.map(({ cluster }) => cluster.increment(key)));
    expect(await a.cluster.get(key)).toBe(3);
    await a.cluster.list(key.replace('counter', 'list')).push('a', 'b');
    expect(await b.cluster.list(key.replace('counter', 'list')).slice()).toEqual(['a', 'b']);
    expect(await a.cluster.deleteMany(keys)).toBe(keys.length);
  });

  it('takes large values and frames of many commands through cache.cluster', async () => {
    const key = beyond('large');
    const value = 'x'.repeat(3 * 1024 * 1024);
    expect(await a.cluster.set(key, value)).toBe(true);
    expect(await a.cluster.get(key)).toBe(value);
    const entries = Array.from({ length: 5_000 }, (_, i): [string, number] => [`many ${i}`, i]);
    await a.cluster.setMany(entries);
    expect(await b.cluster.getMany(entries.map(([key]) => key))).toEqual(entries.map(([, i]) => i));
  });

  const runThread = async (own: string, foreign: string, port?: MessagePort) => {
    const script = new URL('../support/member-worker.mjs', import.meta.url);
    const workerData = { handle: a.share(), own, foreign, port };
    const worker = new Worker(script, { workerData, transferList: port ? [port] : [] });
    // It ends by itself: nothing keeps it.
    const [[told]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    return told;
  };

  it('is written by other threads', async () => {
    const [own, foreign] = [shared('thread'), beyond('thread')];
    const told = await runThread(own, foreign);
    expect(told).toEqual({ code: 'MOVED', found: [undefined, undefined] });
    await settle(own);
    expect(b.get(own)).toBe('of a thread');
  });

  it('has cache.cluster in other threads that were given a port', async () => {
    const [own, foreign] = [shared('port'), beyond('port')];
    await a.cluster.set(foreign, 'elsewhere');
    const told = await runThread(own, foreign, a.cluster.openPort());
    expect(told).toEqual({ code: 'MOVED', found: ['of a thread', 'elsewhere'] });
    expect(await a.cluster.get(own)).toBe('of a thread');
  });

  it('tells of what other members write', async () => {
    const key = copied('told');
    const told: unknown[] = [];
    const off = a.on('set', (change) => told.push(change.key));
    await b.cluster.set(key, 1);
    await eventually(() => told.includes(key));
    off();
  });

  it('has no namespaces, imports and clear', async () => {
    expect(() => a.namespace('users')).toThrow(/namespace is not for a member of a cluster/);
    expect(() => a.clear()).toThrow(/other members would give back/);
    await expect(a.cluster.clear()).rejects.toThrow(/other members would give back/);
    await expect(a.importFile('entries.ndjson')).rejects.toThrow(/other members have part/);
  });

  it('is in order', () => {
    for (const member of members) expect(member.checkIntegrity()).toBeUndefined();
  });
});

describe('a member beside a node that serves clients', () => {
  it('has its keys asked for by clients of the node, also by those that route', async () => {
    const cluster = { ...SHARED, nodeName: 'served', peerPort: 0 };
    const { timeout: _, ...served } = cluster;
    const node = await startNode({ port: 0, memory: '64mb', threads: 1, cluster: served });
    const [member] = (await openMembers(1, { join: node.cluster!.address })) as [EmbeddedMember];
    await everyoneKnows([member], 2);
    const client: Client = await connect(node.urls[0]!, { timeout: '20s' });
    const key = keyWhere('key', (key) => member.cluster.canWrite(key));
    member.set(key, 'of the member');
    expect(await client.get(key)).toBe('of the member');
    await client.send('HELLO', { routes: true });
    // Both are owners; which one answers is told apart by what only the owner may do.
    await eventually(async () => (await client.increment(`{${key}}n`)) !== undefined);
    expect(member.get(`{${key}}n`)).toBe(1);
    const there = keyWhere('key', (key) => !member.cluster.canWrite(key));
    expect(await member.cluster.set(there, 'of the node')).toBe(true);
    expect(await client.get(there)).toBe('of the node');
    expect(member.cluster.view.nodes.map(({ url }) => url).sort()).toEqual(['', node.urls[0]]);
    await member.cluster.close();
    // It has handed over what it had.
    expect(await client.get(key)).toBe('of the member');
    await client.close();
    await node.close();
  });
});

describe('closing', () => {
  it('hands over what only it had, and closes the cache', async () => {
    const members = await openMembers(2, { replicas: 0 });
    const [a, b] = members as [EmbeddedMember, EmbeddedMember];
    const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);
    for (const key of keys) await a.cluster.set(key, key);
    await Promise.all([a.cluster.close(), a.cluster.close()]);
    expect(() => a.get('key')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await expect(a.cluster.get('key')).rejects.toMatchObject({ code: 'CLOSED' });
    a.close();
    expect(b.getMany(keys)).toEqual(keys);
    await b.cluster.close();
  });

  it('by close() happens in the background', async () => {
    const [a] = (await openMembers(1)) as [EmbeddedMember];
    a.set('key', 1);
    a.close();
    expect(() => a.get('key')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await a.cluster.close();
    expect(a.cluster.state).toBe('closed');
  });

  it('leaves nothing to other threads that have the cache open', async () => {
    const [a] = (await openMembers(1)) as [EmbeddedMember];
    const other = attachCache(a.share());
    expect(other.set('key', 1)).toBe(true);
    await a.cluster.close();
    expect(() => other.get('key')).toThrow(expect.objectContaining({ code: 'MOVED' }));
    other.close();
  });

  it('answers the commands that are on their way', async () => {
    const [a] = (await openMembers(1)) as [EmbeddedMember];
    const set = a.cluster.set('key', 1);
    const closed = a.cluster.close();
    expect(await set).toBe(true);
    await closed;
  });
});

describe('opening', () => {
  it('serves nothing before it has joined', async () => {
    const a = openCache({ memory: '64mb', cluster: clusterMember({ ...SHARED }) });
    expect(a.cluster.canRead('key')).toBe(false);
    expect(() => a.get('key')).toThrow(expect.objectContaining({ code: 'MOVED' }));
    expect(a.cluster.address).toBeUndefined();
    expect(await a.cluster.set('key', 1)).toBe(true);
    await a.cluster.ready();
    expect(a.get('key')).toBe(1);
    expect(a.cluster.view.slots!.length / (2 * a.cluster.view.copies)).toBe(SLOT_COUNT);
    await a.cluster.close();
  });

  it('takes each clusterMember() once, and of ports what they are', async () => {
    const cluster = clusterMember(SHARED);
    const a = openCache({ memory: '64mb', cluster });
    expect(() => openCache({ memory: '64mb', cluster })).toThrow(/a clusterMember\(\) of its own/);
    expect(() => memberThread({} as never)).toThrow(/memberThread takes the port/);
    const alone = openCache({ memory: '16mb' });
    const given = { cluster: memberThread(new MessageChannel().port1 as never) };
    expect(() => attachCache(alone.share(), given)).toThrow(/cluster can be had by attachCache/);
    alone.close();
    await a.cluster.ready();
    await a.cluster.close();
  });

  it.each([
    [{ name: '' }, /cluster\.name must be/],
    [{ name: 'shop', peerHost: '0.0.0.0' }, /cluster\.advertise must be/],
    [{ name: 'shop', peerHost: '0.0.0.0', advertise: 'a' }, /cluster\.peerPort must be given/],
    [{ name: 'shop', port: 1 } as never, /cluster has no option 'port'/],
    [{ name: 'shop', timeout: 'soon' }, /timeout/],
  ])('refuses %j', (options, message) => {
    expect(() => clusterMember(options)).toThrow(message);
  });

  it('fails by ready() where the port is taken', async () => {
    const [a] = (await openMembers(1)) as [EmbeddedMember];
    const peerPort = Number(a.cluster.address!.split(':')[1]);
    const b = openCache({ memory: '64mb', cluster: clusterMember({ ...SHARED, peerPort }) });
    await expect(b.cluster.ready()).rejects.toMatchObject({ code: 'OPTION' });
    await b.cluster.close();
    await a.cluster.close();
  });

  it('fails by onFailure where nobody waits', async () => {
    let fail: (error: Error) => void;
    const failure = new Promise<Error>((resolve) => {
      fail = resolve;
    });
    const cluster = clusterMember({ ...SHARED, logSize: '512mb' }, { onFailure: (e) => fail(e) });
    const cache = openCache({ memory: '16mb', cluster });
    expect(await failure).toMatchObject({ code: 'OOM' });
    await cache.cluster.close();
  });
});
