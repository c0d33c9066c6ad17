/** Slow readers, stopping, and where a node listens. */

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClusterNodeOptions,
  type NodeOptions,
  type SlabringNode,
  startNode,
} from 'slabring/server';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { FRONT_ENDS } from '../support/front-ends.js';
import { NodeProcess } from '../support/node-process.js';
import { encodeFrame, Wire } from '../support/wire.js';

const nodes: SlabringNode[] = [];
const directory = mkdtempSync(join(tmpdir(), 'slabring-server-'));

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(FRONT_ENDS)('a node on %s', (frontEnd) => {
  async function start(options: NodeOptions = {}): Promise<{ node: SlabringNode; url: string }> {
    const node = await startNode(
      { port: 0, memory: '64mb', threads: 1, frontEnd, ...options },
      { onWarning: () => {} },
    );
    nodes.push(node);
    return { node, url: node.urls[0]! };
  }

  interface Stats {
    draining: boolean;
    traffic: Record<'frames' | 'pauses' | 'backlogCloses' | 'connections', number>;
  }

  async function stats(url: string): Promise<Stats> {
    return (await (await fetch(`${url.replace('ws:', 'http:')}/stats`)).json()) as Stats;
  }

  async function until<T>(read: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await read();
      if (isDone(value)) return value;
    }
  }

  /** A value large enough that a few replies fill every buffer of the operating system. */
  const VALUE = Buffer.alloc(900_000, 7);

  /** A connection that has asked for the value `count` times and reads nothing. */
  async function slowReader(url: string, count: number): Promise<Wire> {
    const wire = await Wire.open(url);
    await wire.call(['SET', 'large', VALUE]);
    wire.pause();
    for (let id = 1; id <= count; id++) wire.sendRaw(encodeFrame(id, ['GET', 'large']));
    return wire;
  }

  async function readAll(wire: Wire, count: number): Promise<void> {
    wire.resume();
    for (let id = 1; id <= count; id++) {
      const reply = await wire.next();
      expect(reply.id).toBe(id);
      expect(VALUE.equals(reply.replies[0] as Buffer)).toBe(true);
    }
  }

  test('pauses a client that does not read, and answers everything once it does', async () => {
    const { url } = await start();
    const wire = await slowReader(url, 60);
    const paused = await until(
      () => stats(url),
      ({ traffic }) => traffic.pauses > 0,
    );
    // The others are served meanwhile.
    expect(await (await Wire.open(url)).call(['PING'])).toEqual(['PONG']);
    expect(paused.traffic.frames).toBeLessThan(60);
    await readAll(wire, 60);
    expect(await wire.call(['PING'])).toEqual([expect.anything()]);
    expect((await stats(url)).traffic.backlogCloses).toBe(0);
  });

  test('closes a client that does not read but goes on sending with 1013', async () => {
    const { url } = await start({ maxBacklog: '64kb' });
    const wire = await slowReader(url, 60);
    await until(
      () => stats(url),
      ({ traffic }) => traffic.pauses > 0,
    );
    const filler = encodeFrame(61, ['SET', 'key', Buffer.alloc(40_000)]);
    for (let i = 0; i < 4; i++) wire.sendRaw(filler);
    const after = await until(
      () => stats(url),
      ({ traffic }) => traffic.backlogCloses > 0,
    );
    expect(after.traffic.connections).toBe(0);
    wire.resume();
    expect(await wire.closed).toEqual({ code: 1013, reason: expect.stringMatching(/not read/) });
    // None of what waited has run.
    expect(await (await Wire.open(url)).call(['GET', 'key'])).toEqual([null]);
  });

  test('counts small frames that wait with what they cost', async () => {
    const { url } = await start({ maxBacklog: '64kb' });
    const wire = await slowReader(url, 60);
    await until(
      () => stats(url),
      ({ traffic }) => traffic.pauses > 0,
    );
    // 1,000 frames of 3 bytes are no backlog of 64 KiB by their length alone.
    for (let i = 0; i < 1000; i++) wire.sendRaw(encodeFrame(1, [1]));
    await until(
      () => stats(url),
      ({ traffic }) => traffic.backlogCloses === 1,
    );
    wire.resume();
    expect((await wire.closed).code).toBe(1013);
  });

  test('stops with 1001 for those that wait, and gives everything back', async () => {
    const { node, url } = await start({ threads: frontEnd === 'uws' ? 2 : 1 });
    const wires = await Promise.all(Array.from({ length: 10 }, () => Wire.open(url)));
    await Promise.all(wires.map((wire) => wire.call(['PING'])));
    const closing = node.close();
    expect(node.close()).toBe(closing);
    for (const wire of wires) {
      expect(await wire.closed).toEqual({ code: 1001, reason: 'the node is shutting down' });
    }
    await closing;
    await expect(Wire.open(url)).rejects.toThrow('ECONNREFUSED');
  });

  test('answers the frames in flight before it stops, and says that it drains', async () => {
    const { node, url } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const health = (): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        get(`${url.replace('ws:', 'http:')}/healthz`, { agent }, (response) => {
          response.resume().on('end', () => resolve(response));
        }).on('error', reject);
      });
    expect((await health()).statusCode).toBe(200);
    const wire = await slowReader(url, 60);
    await until(
      () => stats(url),
      ({ traffic }) => traffic.pauses > 0,
    );
    const closing = node.close();
    // Over the connection that is open already: new ones are not taken.
    if (frontEnd === 'uws') {
      const draining = await until(health, ({ statusCode }) => statusCode !== 200);
      expect(draining.statusCode).toBe(503);
    }
    await expect(Wire.open(url)).rejects.toThrow(/ECONNREFUSED|ECONNRESET/);
    await readAll(wire, 60);
    expect((await wire.closed).code).toBe(1001);
    await closing;
    agent.destroy();
  });

  test('stops in time also when a client never reads', async () => {
    const { node, url } = await start();
    const wire = await slowReader(url, 60);
    await until(
      () => stats(url),
      ({ traffic }) => traffic.pauses > 0,
    );
    const startedAt = performance.now();
    await node.close();
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    wire.socket.terminate();
  });

  test('serves a Unix-domain socket, and takes it away at the end', async () => {
    const path = join(directory, `${frontEnd}.sock`);
    const { node } = await start({ unix: path, threads: frontEnd === 'uws' ? 2 : 1 });
    expect(node.urls[1]).toBe(`ws+unix:${path}:/`);
    const [tcp, ...local] = await Promise.all(
      [node.urls[0]!, ...Array<string>(4).fill(node.urls[1]!)].map((url) => Wire.open(url)),
    );
    await tcp!.call(['SET', 'key', 'value']);
    for (const wire of local) expect(await wire.call(['GET', 'key'])).toEqual(['value']);
    // Only this user may connect.
    expect(statSync(path).mode & 0o022).toBe(0);
    await node.close();
    expect(existsSync(path)).toBe(false);
  });

  test('replaces the socket of a killed node, but not one in use nor another file', async () => {
    const path = join(directory, `${frontEnd}-stale.sock`);
    const killed = new NodeProcess(['serve', '--port', '0', '--memory', '16mb', '--unix', path]);
    await killed.url();
    const refused = start({ unix: path });
    await expect(refused).rejects.toThrow(`the socket ${path} is in use by another process`);
    killed.kill('SIGKILL');
    await killed.ended;
    expect(statSync(path).isSocket()).toBe(true);
    const { node } = await start({ unix: path });
    expect(await (await Wire.open(node.urls[1]!)).call(['PING'])).toEqual(['PONG']);

    const file = join(directory, 'file');
    writeFileSync(file, 'precious');
    await expect(start({ unix: file })).rejects.toThrow(`${file} exists and is not a socket`);
    expect(statSync(file).size).toBe(8);
  });

  test('refuses a port that is in use, by another node too', async () => {
    const { node } = await start();
    await expect(start({ port: node.port })).rejects.toThrow(
      `port ${node.port} is in use on 127.0.0.1`,
    );
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(start({ port })).rejects.toThrow(`port ${port} is in use`);
    server.close();
  });

  test('listens no more when it cannot join its cluster', async () => {
    const { node } = await start();
    const free = await start();
    const unix = join(directory, `${frontEnd}-unjoined.sock`);
    const port = free.node.port;
    await free.node.close();
    const cluster = { name: 'c', peerPort: node.port };
    await expect(start({ port, unix, cluster })).rejects.toThrow('cannot listen on the peer port');
    expect(existsSync(unix)).toBe(false);
    const dialed = connect(port, '127.0.0.1');
    const [outcome] = await Promise.race([once(dialed, 'error'), once(dialed, 'connect')]);
    expect(outcome).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('refuses addresses that are not its own', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toThrow(
      'host 192.0.2.1 is no address of this machine',
    );
    await expect(start({ host: 'no-such-host.invalid' })).rejects.toThrow(
      'host no-such-host.invalid is not known',
    );
  });
});

test('spreads connections over the threads, which share one cache', async () => {
  const node = await startNode({ port: 0, memory: '16mb', threads: 3 }, { onWarning: () => {} });
  nodes.push(node);
  const wires = await Promise.all(Array.from({ length: 12 }, () => Wire.open(node.urls[0]!)));
  await Promise.all(wires.map((wire, index) => wire.call(['SET', `key-${index}`, index])));
  for (const wire of wires) {
    expect(await wire.call(...wires.map((_, index) => ['GET', `key-${index}`]))).toEqual(
      wires.map((_, index) => index),
    );
  }
  const response = await fetch(`http://127.0.0.1:${node.port}/stats`);
  const { trafficPerThread } = (await response.json()) as {
    trafficPerThread: { connections: number; frames: number }[];
  };
  const connections = trafficPerThread.map((row) => row.connections);
  expect(connections.reduce((sum, count) => sum + count)).toBe(12);
  // The acceptor gives each thread its turn; what the kernel gives threads that listen themselves
  // is its own affair.
  if (node.frontEnd === 'uws') expect(connections).toEqual([4, 4, 4]);
});

test('nobody else can listen on the port of a running node', async () => {
  const node = await startNode({ port: 0, memory: '16mb', threads: 2 }, { onWarning: () => {} });
  nodes.push(node);
  const server = createTcpServer();
  const listening = new Promise((resolve, reject) => {
    server.once('error', reject).listen({ port: node.port, host: '127.0.0.1' }, () => resolve(0));
  });
  await expect(listening).rejects.toThrow('EADDRINUSE');
});

test('says when other machines can reach its peer port without a secret', async () => {
  const warnings: string[] = [];
  const start = async (cluster: Partial<ClusterNodeOptions>) => {
    const options = { port: 0, memory: '16mb', threads: 1, token: 'secret' } as const;
    const own = { name: 'shop', peerHost: '127.1', ...cluster };
    const hooks = { onWarning: (text: string) => warnings.push(text) };
    nodes.push(await startNode({ ...options, cluster: own }, hooks));
    return warnings.splice(0).filter((text) => text.includes('no secret'));
  };
  // 127.0.0.1 in a spelling that is not known for it.
  expect(await start({})).toEqual([
    'no secret of the cluster is set: whoever reaches the peer port and knows the name of the ' +
      'cluster can join, read and write',
  ]);
  expect(await start({ secret: 'x' })).toEqual([]);
  expect(await start({ peerHost: '127.0.0.1' })).toEqual([]);
});

test('says when other machines can reach it without a token', async () => {
  const warnings: string[] = [];
  const hooks = { onWarning: (text: string) => warnings.push(text) };
  const options = { port: 0, host: '0.0.0.0', memory: '16mb', threads: 1 } as const;
  nodes.push(await startNode(options, hooks));
  expect(warnings.filter((text) => text.includes('token'))).toEqual([
    '0.0.0.0 can be reached from other machines, and no token is asked for',
  ]);
  nodes.push(await startNode({ ...options, token: 'secret' }, hooks));
  expect(warnings.filter((text) => text.includes('token'))).toHaveLength(1);
  const socket = connect(nodes[1]!.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.destroy();
});
