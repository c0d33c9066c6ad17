/**
 * The client on a cluster of stand-ins, when nodes die, are slow, or have too little: what it does
 * of its own accord, and what its options ask for.
 */
import { describe, expect, it } from 'vitest';
import { Client, connect } from '#client/client.js';
import type { ClientOptions } from '#client/options.js';
import { slotOfText } from '#engine/slots.js';
import { bury, cleanups, next, pair } from './client-cluster-pair.js';
import { type Asked, ClusterStandIn, SILENCE } from './client-cluster-stand-in.js';
import { StandIn } from './client-stand-in.js';

/** What waits for a connection waits for long. */
const PATIENT: ClientOptions = { reconnectDelay: '1m', reconnectDelayMax: '1m' };

describe('several addresses', () => {
  it('are tried in turn', async () => {
    const { cluster } = await pair();
    await cluster.kill(1);
    const client = await connect([cluster.urls[1]!, cluster.urls[2]!]);
    cleanups.push(() => client.close());
    expect(client.cluster?.self).toBe(2);
  });

  it('fail together when none answers', async () => {
    const { cluster } = await pair();
    await Promise.all([cluster.kill(1), cluster.kill(2)]);
    const failed = connect([cluster.urls[1]!, cluster.urls[2]!], { reconnect: false });
    await expect(failed).rejects.toMatchObject({ code: 'CONNECTION' });
    await expect(connect([])).rejects.toMatchObject({ code: 'OPTION' });
  });

  it('are not needed once the client knows the cluster', async () => {
    const { cluster, client } = await pair();
    const back = next(client, 'connect');
    await cluster.kill(0);
    await back;
    expect(client.cluster?.self).toBeGreaterThan(0);
    expect(await client.ping()).toBe('PONG');
  });
});

describe('when a node dies', () => {
  it('writes that wait for it go to the next owner, once that is told', async () => {
    const { cluster, client, keys } = await pair();
    await cluster.kill(1);
    const written = client.set(keys[1]!, 'later');
    await next(client, 'error');
    await bury(cluster, client, 1);
    expect(await written).toBe(true);
    expect(await client.get(keys[1]!)).toBe('later');
    expect(cluster.names(2)).toEqual(['SET', 'GET']);
  });

  it('or only its connection, what waits goes where its keys are now', async () => {
    const { cluster, client, keys } = await pair({ ...PATIENT, timeout: 0 });
    await cluster.nodes[1]!.close();
    const written = client.set(keys[1]!, 'later');
    await next(client, 'error');
    await bury(cluster, client, 1);
    expect(await written).toBe(true);
    expect(cluster.names(2)).toEqual(['SET']);
  });

  it('that told the view, its commands do not go to the one that tells it now', async () => {
    const { cluster, client, keys } = await pair();
    const back = next(client, 'connect');
    await cluster.nodes[0]!.close();
    await back;
    const written = client.set(keys[0]!, 'later');
    await next(client, 'error');
    await bury(cluster, client, 0);
    expect(await written).toBe(true);
    expect(cluster.asked.flat()).toEqual([['SET', keys[0], 'later']]);
  });

  it('writes on their way fail, and reads are asked anew', async () => {
    const { cluster, client, keys } = await pair();
    const key = keys[1]!;
    await client.set(key, 'kept');
    cluster.onCommand = (node) => (node === 1 ? SILENCE : undefined);
    const outcomes = Promise.allSettled([client.increment(`{${key}}:n`), client.get(key)]);
    await cluster.nodes[1]!.seen(2);
    await cluster.kill(1);
    await bury(cluster, client, 1);
    const [write, read] = await outcomes;
    expect(write).toMatchObject({ status: 'rejected', reason: { code: 'CONNECTION' } });
    expect(read).toEqual({ status: 'fulfilled', value: 'kept' });
  });

  it('and does not close its connections, reads need not wait for their deadline', async () => {
    const { cluster, client, keys } = await pair({ timeout: 0 });
    await client.set(keys[1]!, 'kept');
    cluster.onCommand = (node) => (node === 1 ? SILENCE : undefined);
    const read = client.get(keys[1]!);
    await cluster.nodes[1]!.seen(2);
    cluster.live[1] = false;
    await bury(cluster, client, 1);
    expect(await read).toBe('kept');
  });

  it('has no owner left: its commands fail with what the node says', async () => {
    const { cluster, client, keys } = await pair({}, 1);
    await cluster.kill(1);
    await bury(cluster, client, 1);
    await expect(client.get(keys[1]!)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(client.set(keys[1]!, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('commands that wait fail at their deadline, which counts from the call', async () => {
    const { cluster, client, keys } = await pair({ timeout: '200ms' });
    await cluster.kill(1);
    const startedAtMs = performance.now();
    await expect(client.set(keys[1]!, 1)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
  });

  it('what is asked anew keeps its deadline', async () => {
    const { cluster, client, keys } = await pair({ timeout: '3s' });
    const startedAtMs = performance.now();
    cluster.onCommand = (_, [name]) => (name === 'PING' ? undefined : SILENCE);
    const early = client.get(keys[1]!).catch((error) => error);
    // Sleeps: most of the deadline passes.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const late = client.get(keys[2]!).catch((error) => error);
    await cluster.nodes[2]!.seen(1);
    await cluster.kill(1);
    await bury(cluster, client, 1);
    expect(await early).toMatchObject({ code: 'TIMEOUT' });
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
    expect(cluster.names(2).filter((name) => name !== 'PING')).toEqual(['GET', 'GET']);
    expect(await late).toMatchObject({ code: 'TIMEOUT' });
  });

  it('what comes from another node leaves the deadlines of the others as they are', async () => {
    const { cluster, client, keys } = await pair({ timeout: '400ms' });
    cluster.onCommand = (node, [name]) => (node === 1 || name === 'PING' ? undefined : SILENCE);
    const startedAtMs = performance.now();
    let tookMs = 0;
    const early = client.get(keys[2]!).catch((error) => {
      tookMs = performance.now() - startedAtMs;
      return error;
    });
    // The client learns of the change one key at a time.
    cluster.demote(1);
    const later: Promise<unknown>[] = [];
    for (let i = 0; i < 8; i++) {
      later.push(client.get(cluster.keyOf(2, i)).catch((error) => error));
      // Sleeps: these are called one after the other, until long after the deadline.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await early).toMatchObject({ code: 'TIMEOUT' });
    expect(tookMs).toBeLessThan(600);
    await Promise.all(later);
  });

  it('close waits for the replies of all nodes', async () => {
    const { cluster, client, keys } = await pair();
    let release = () => {};
    const { onFrame } = cluster.nodes[1]!;
    cluster.nodes[1]!.onFrame = (frame) => {
      release = () => onFrame!(frame);
    };
    const read = client.get(keys[1]!);
    await cluster.nodes[1]!.seen(1);
    const closed = client.close();
    await expect(client.get(keys[1]!)).rejects.toMatchObject({ code: 'CLOSED' });
    release();
    expect(await read).toBeUndefined();
    await closed;
    expect(cluster.nodes.map(({ sockets }) => sockets.size)).toEqual([0, 0, 0]);
  });

  it('the client stops asking it, and closes what it had there', async () => {
    const { cluster, client, keys } = await pair();
    await client.getMany(keys);
    const before = cluster.nodes[2]!.hellos.length;
    cluster.live[2] = false;
    await bury(cluster, client, 2);
    await client.getMany(keys);
    await client.size();
    await cluster.nodes[0]!.roundTrip();
    expect(cluster.nodes[2]!.hellos.length).toBe(before);
    expect(cluster.names(2)).toEqual(['GET']);
    expect(client.cluster!.nodes.map(({ live }) => live)).toEqual([true, true, false]);
  });

  it('close ends everything, also what waits for it', async () => {
    const { cluster, client, keys } = await pair();
    await client.get(keys[1]!);
    await cluster.kill(1);
    const waiting = client.set(keys[1]!, 1).catch((error) => error);
    await client.close();
    expect(await waiting).toMatchObject({ code: expect.stringMatching(/CLOSED|CONNECTION/) });
    await expect(client.get(keys[2]!)).rejects.toMatchObject({ code: 'CLOSED' });
    expect(client.outstanding).toBe(0);
  });
});

describe('reads of any owner', () => {
  it('take turns', async () => {
    const { cluster, client, keys } = await pair();
    await client.set(keys[1]!, 'there');
    const view = client.with({ read: 'any' });
    for (let i = 0; i < 6; i++) expect(await view.get(keys[1]!)).toBe('there');
    expect([0, 1, 2].map((node) => cluster.names(node).filter((name) => name === 'GET'))).toEqual([
      ['GET', 'GET'],
      ['GET', 'GET'],
      ['GET', 'GET'],
    ]);
  });

  it('go on with another one when a node dies with them', async () => {
    const { cluster, client, keys } = await pair();
    await client.set(keys[1]!, 'there');
    const view = client.with({ read: 'any' });
    cluster.onCommand = (node) => (node === 1 ? SILENCE : undefined);
    const reads = Promise.all([1, 2, 3].map(() => view.get(keys[1]!)));
    await cluster.nodes[1]!.seen(2);
    await cluster.kill(1);
    expect(await reads).toEqual(['there', 'there', 'there']);
  });

  it('leave a node alone that does not answer', async () => {
    const { cluster, client, keys } = await pair(PATIENT);
    await client.set(keys[1]!, 'there');
    await cluster.kill(1);
    const view = client.with({ read: 'any' });
    for (let i = 0; i < 6; i++) expect(await view.get(keys[1]!)).toBe('there');
  });

  it('ask another one when a node says that it cannot', async () => {
    const { cluster, client, keys } = await pair();
    await client.set(keys[1]!, 'there');
    cluster.onCommand = (node) => (node === 2 ? undefined : new Error('UNAVAILABLE not now'));
    const view = client.with({ read: 'any' });
    for (let i = 0; i < 3; i++) expect(await view.get(keys[1]!)).toBe('there');
    // It is asked again until its time is over, which may be while it is asked.
    const failed = client.get(keys[1]!).catch(({ code }: { code: string }) => code);
    expect(['UNAVAILABLE', 'TIMEOUT']).toContain(await failed);
  });

  it('go to the nearest by their round trips', async () => {
    const { cluster, client, keys } = await pair();
    const key = keys[1]!;
    await client.set(key, 'there');
    const slow = new Set([0, 1]);
    for (const node of slow) {
      const { onFrame } = cluster.nodes[node]!;
      // Sleeps: the round trip is what is measured.
      cluster.nodes[node]!.onFrame = (frame) => void setTimeout(() => onFrame!(frame), 100);
    }
    const view = client.with({ read: 'nearest' });
    const pinged = () => [0, 1, 2].every((node) => cluster.names(node).includes('PING'));
    while (!pinged()) await view.get(key);
    await view.get(key);
    const before = cluster.names(2).length;
    await view.get(key);
    await view.get(key);
    expect(cluster.names(2).slice(before)).toEqual(['GET', 'GET']);
  });

  it('read their own writes where they wrote them', async () => {
    const { cluster, client, keys } = await pair();
    const [mine, other] = [keys[1]!, cluster.keyOf(1, 1)];
    await client.setMany([mine, other].map((key) => [key, 'old']));
    cluster.copies = false;
    const session = client.with({ read: 'any', readYourWrites: true });
    await session.set(mine, 'new');
    for (let i = 0; i < 4; i++) expect(await session.get(mine)).toBe('new');
    const found = [];
    for (let i = 0; i < 3; i++) found.push(await session.get(other));
    expect(found).toEqual(['old', 'old', 'old']);
  });

  it('read what anything of the same client wrote, once one of them asks for it', async () => {
    const { cluster, client, keys } = await pair();
    const [first, second] = [keys[1]!, cluster.keyOf(1, 1)];
    await client.setMany([first, second].map((key) => [key, 'old']));
    cluster.copies = false;
    const session = client.with({ read: 'any', readYourWrites: true });
    const read = async (key: string, from = session) =>
      new Set([await from.get(key), await from.get(key), await from.get(key)]);
    await client.set(first, 'new');
    expect(await read(first)).toEqual(new Set(['new']));
    await client.with({ concern: 'one' }).set(second, 'new');
    expect(await read(second)).toEqual(new Set(['new']));
    expect((await read(first, client.with({ read: 'any' }))).size).toBe(2);
  });

  it('read what a client wrote that asks for it and reads the primary itself', async () => {
    const { cluster, client, keys } = await pair({ readYourWrites: true });
    cluster.copies = false;
    await client.set(keys[1]!, 'new');
    const session = client.with({ read: 'any' });
    for (let i = 0; i < 3; i++) expect(await session.get(keys[1]!)).toBe('new');
  });
});

describe('a hedged read', () => {
  it('takes the answer of a second owner when the first takes long', async () => {
    const { cluster, client, keys } = await pair();
    await client.set(keys[1]!, 'there');
    cluster.onCommand = (node) => (node === 1 ? SILENCE : undefined);
    const view = client.with({ hedge: 5 });
    expect(await view.get(keys[1]!)).toBe('there');
    expect(await view.getMany([keys[1]!])).toEqual(['there']);
  });

  it('asks nobody else when the first is quick, or says what is wrong', async () => {
    const { cluster, client, keys } = await pair();
    await client.set(keys[1]!, 'text');
    const view = client.with({ hedge: '900ms' });
    expect(await view.get(keys[1]!)).toBe('text');
    cluster.onCommand = () => new Error('WRONGTYPE no');
    await expect(view.get(keys[1]!)).rejects.toMatchObject({ code: 'WRONGTYPE' });
    expect(cluster.names(0)).toEqual([]);
    expect(cluster.names(2)).toEqual([]);
  });

  it('asks at once when the first cannot answer, and fails when nobody can', async () => {
    const { cluster, client, keys } = await pair({ timeout: '300ms' });
    await client.set(keys[1]!, 'there');
    cluster.onCommand = (node) => (node === 1 ? new Error('UNAVAILABLE no') : undefined);
    const view = client.with({ hedge: '1h' });
    expect(await view.get(keys[1]!)).toBe('there');
    cluster.onCommand = () => new Error('UNAVAILABLE no');
    await expect(view.get(keys[1]!)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('a write concern', () => {
  const waits = (cluster: ClusterStandIn): Asked[] =>
    cluster.asked.flat().filter(([name]) => name === 'WAIT');

  it('sends a WAIT behind each write in the same frame, and none behind reads', async () => {
    const { cluster, client, keys } = await pair({ concern: 'quorum', deadline: 300 });
    const key = keys[1]!;
    await client.set(key, 1);
    expect(await client.increment(key)).toBe(2);
    expect(await client.get(key)).toBe(2);
    expect(cluster.asked[1]).toEqual([
      ['SET', key, 1],
      ['WAIT', key, 'quorum', 300],
      ['INCR', key, 1],
      ['WAIT', key, 'quorum', 300],
      ['GET', key],
    ]);
    expect(cluster.nodes[1]!.frames.map(({ commands }) => commands.length)).toEqual([2, 2, 1]);
  });

  it('is of the view that asks for it, and of all its kinds of writes', async () => {
    const { cluster, client, keys } = await pair();
    const view = client.with({ concern: 'all' });
    await client.set(keys[1]!, 1);
    expect(waits(cluster)).toEqual([]);
    expect(await view.setMany(keys.map((key) => [key, 1]))).toEqual([true, true, true]);
    expect(await view.deleteMany([...keys, cluster.keyOf(1, 1)])).toBe(3);
    expect(waits(cluster).length).toBe(3 + 4);
    await view.atomic([
      ['SET', '{t}:a', 1],
      ['SET', '{t}:b', 1],
    ]);
    expect(waits(cluster).slice(7)).toEqual([['WAIT', '{t}:b', 'all', 500]]);
    await view.with({ concern: 'none' }).set(keys[1]!, 1);
    expect(waits(cluster).length).toBe(8);
  });

  it('is of commands by name too', async () => {
    const { cluster, client, keys } = await pair();
    const view = client.with({ concern: 'all' });
    expect(await view.send('SET', keys[1]!, 1)).toBe(true);
    expect(await view.send('DEL', ...keys)).toBe(1);
    expect(waits(cluster).map(([, key]) => key)).toEqual([keys[0], keys[1], keys[1], keys[2]]);
  });

  it('rejects with UNAVAILABLE when the WAIT fails, and as ever when the write does', async () => {
    const { cluster, client, keys } = await pair({ concern: 'all' });
    cluster.onCommand = (_, [name]) =>
      name === 'WAIT' ? new Error('UNAVAILABLE 1 of 3 have it') : undefined;
    const error = await client.set(keys[1]!, 1).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error.message).toMatch(/^the write was done, .*1 of 3 have it$/);
    cluster.onCommand = undefined;
    await client.set(keys[2]!, 'text');
    await expect(client.increment(keys[2]!)).rejects.toMatchObject({ code: 'WRONGTYPE' });
    await expect(client.setMany([[keys[1]!, 1]])).resolves.toEqual([true]);
  });

  it('has the WAITs of a frame behind all else, so that they wait together', async () => {
    const { cluster, client, keys } = await pair({ concern: 'quorum' });
    const [key, other] = [keys[1]!, cluster.keyOf(1, 1)];
    cluster.onCommand = (_, [name, of]) =>
      name === 'WAIT' && of === other ? new Error('UNAVAILABLE 1 of 2 have it') : undefined;
    const outcomes = await Promise.allSettled([
      ...[client.set(key, 1), client.set(other, 1), client.get(key), client.increment(key)],
      client.with({ concern: 'all' }).delete(other),
    ]);
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value)).toEqual([
      ...[true, false, 1, 2, false],
    ]);
    expect(cluster.asked[1]).toEqual([
      ...[
        ['SET', key, 1],
        ['SET', other, 1],
        ['GET', key],
        ['INCR', key, 1],
        ['DEL', other],
      ],
      // One for all that was written to the slot.
      ...[
        ['WAIT', key, 'quorum', 500],
        ['WAIT', other, 'quorum', 500],
      ],
      ['WAIT', other, 'all', 500],
    ]);
    expect(cluster.nodes[1]!.frames.length).toBe(1);
  });

  it('counts the WAITs into what a frame may hold', async () => {
    const { cluster, client } = await pair({ concern: 'one', frameBytes: 1024, frameCommands: 30 });
    const all = Array.from({ length: 80 }, (_, i) => cluster.keyOf(1, i));
    const value = Buffer.alloc(60);
    await client.setMany(all.map((key) => [key, value]));
    await client.setMany(all.map((key) => [key, 1]));
    const { frames } = cluster.nodes[1]!;
    for (const { bytes, commands } of frames) {
      expect(bytes.length).toBeLessThanOrEqual(1024);
      expect(commands.length).toBeLessThanOrEqual(30);
      const half = commands.length / 2;
      expect(commands.slice(half).map(([, key]) => key)).toEqual(
        commands.slice(0, half).map(([, key]) => key),
      );
    }
    expect(frames.flatMap(({ commands }) => commands).length).toBe(4 * all.length);
  });

  it('waits for the key that was written, though its bytes are others by then', async () => {
    const { cluster, client, keys } = await pair({ concern: 'one' });
    const bytes = Buffer.from(keys[1]!);
    const written = client.set(bytes, 1);
    bytes.fill(0x20);
    expect(await written).toBe(true);
    expect(cluster.asked[1]!.map(([, key]) => String(key))).toEqual([keys[1], keys[1]]);
  });

  it('fails with the frame when the replies to the WAITs are cut off', async () => {
    const { cluster, client, keys } = await pair({ concern: 'one' });
    const node = cluster.nodes[1]!;
    node.onFrame = (frame) => frame.answer(node.reply(frame.id, [true, true]));
    const calls = [client.set(keys[1]!, 1), client.set(keys[1]!, 2)];
    const errors = await Promise.all(calls.map((call) => call.catch((reason) => reason)));
    expect(errors.map(({ code }) => code)).toEqual(['CONNECTION', 'CONNECTION']);
  });

  it('keeps the order of what goes where MOVED leads, though a WAIT tells later', async () => {
    const { cluster, client, keys } = await pair({ concern: 'one' });
    const key = keys[1]!;
    cluster.onCommand = (_, [, , value]) => {
      if (value === 2) cluster.owners[slotOfText(key)] = [2, 1];
      return undefined;
    };
    const plain = client.with({ concern: 'none' });
    await Promise.all([client.set(key, 1), plain.set(key, 2), client.set(key, 3)]);
    expect(cluster.asked[1]!.map(([name]) => name)).toEqual(['SET', 'SET', 'SET', 'WAIT']);
    const sets = cluster.asked[2]!.filter(([name]) => name === 'SET');
    expect(sets.map(([, , value]) => value)).toEqual([1, 2, 3]);
  });

  it('goes with its write where MOVED leads', async () => {
    const { cluster, client, keys } = await pair({ concern: 'one' });
    const key = keys[1]!;
    await client.get(key);
    cluster.owners[slotOfText(key)] = [2, 1];
    await client.set(key, 1);
    expect(cluster.names(2)).toEqual(['SET', 'WAIT']);
  });
});

describe('the options', () => {
  it.each([
    [{ concern: 'most' }, /concern must be one of 'none', 'one', 'quorum', 'all', not 'most'/],
    [{ read: 'replica' }, /read must be one of 'primary', 'nearest', 'any', not 'replica'/],
    [{ deadline: '2s' }, /deadline \(2000 ms\) must be below timeout \(1000 ms\)/],
    [{ readYourWrites: 1 }, /readYourWrites must be true or false, not 1/],
    [{ hedge: 'soon' }, /hedge/],
    [{ hedgeMs: 5 }, /with has no option 'hedgeMs'; did you mean 'hedge'\?/],
  ])('%j are refused', async (options, message) => {
    const { client } = await pair();
    expect(() => client.with(options as object)).toThrow(message);
  });

  it('do nothing on a node that is in no cluster', async () => {
    const node = await StandIn.start();
    cleanups.push(() => node.close());
    const client = await connect(node.url, { concern: 'all', read: 'any', hedge: 1 });
    cleanups.push(() => client.close());
    expect(await client.set('k', 1)).toBe(true);
    expect(await client.get('k')).toBe(1);
    expect(node.frames.flatMap(({ commands }) => commands)).toEqual([
      ['SET', 'k', 1],
      ['GET', 'k'],
    ]);
  });

  it('do nothing to reads when all go to one node', async () => {
    const cluster = await ClusterStandIn.start(1, 1);
    cleanups.push(() => cluster.close());
    const client = new Client(cluster.urls[0]!, { read: 'any', hedge: 1, routes: false });
    cleanups.push(() => client.close());
    await client.set('k', 1);
    expect(await client.get('k')).toBe(1);
    expect(await client.getMany(['k'])).toEqual([1]);
    expect(cluster.nodes[0]!.hellos.length).toBe(1);
  });
});
