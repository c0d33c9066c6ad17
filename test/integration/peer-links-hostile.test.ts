/** Links and those who should not have one: strangers, wrong secrets, peers that do not behave. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Handshake } from '#server/cluster/links/handshake.js';
import { introduce } from '#server/cluster/links/introduction.js';
import type { PeerLinksOptions } from '#server/cluster/links/options.js';
import type { Address } from '#server/cluster/ports.js';
import { SYSTEM_CLOCK } from '#server/cluster/system-clock.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import {
  announce,
  CLUSTER,
  closing,
  dialAs,
  HandClock,
  SECRET,
  TestNode,
  until,
} from '../support/peer-nodes.js';

const ends: (() => unknown)[] = [];

async function open(id: string, options?: Partial<PeerLinksOptions>): Promise<TestNode> {
  const node = await TestNode.open(id, options);
  ends.push(() => node.close());
  return node;
}

async function standIn(
  self: Address,
  to: TestNode,
  options?: Parameters<typeof dialAs>[2] & { run?: string },
) {
  const outcome = await dialAs(announce(self, options?.run), to.address, options);
  ends.push(() => outcome.socket.terminate());
  return outcome;
}

/** A port that takes links as a peer of some address would, and hands out the bare sockets. */
async function listenAs(addressOf: (port: number) => Address) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  ends.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const address = addressOf(port);
  const credentials = { cluster: CLUSTER, replicas: 0, secret: SECRET, self: announce(address) };
  const dialed: WebSocket[] = [];
  server.on('connection', (socket, { socket: connection }) => {
    ends.push(() => socket.terminate());
    const handshake = new Handshake('acceptor', credentials);
    const options = { socket, connection, handshake, clock: SYSTEM_CLOCK };
    introduce({ ...options, deadlineMs: 10_000 }, () => dialed.push(socket));
  });
  return { address, port, dialed };
}

function connectTo(node: TestNode): Socket {
  const socket = connect(Number(node.address.split(':')[1]), '127.0.0.1');
  ends.push(() => socket.destroy());
  return socket.resume().on('error', () => {});
}

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

/** The address that a stand-in announces; nobody dials it while it has its link. */
const STAND_IN = '127.0.0.0:1';

type Given = Partial<PeerLinksOptions>;
/** What both differ in, what the one says who refuses, and what the other if it is told less. */
const wrong: [what: string, one: Given, other: Given, why: string, told?: string][] = [
  ['another secret', { secret: 'x' }, { secret: 'y' }, 'wrong secret'],
  [
    ...(['another cluster', { cluster: 'x' }, { cluster: 'y' }] as const),
    ...(['wrong cluster name: it is "x", here "y"', 'wrong cluster name'] as const),
  ],
  [
    ...(['no secret to one', { secret: undefined as never }, {}] as const),
    'only the node that was dialed has a secret',
  ],
  [
    ...(['a secret to none', {}, { secret: undefined as never }] as const),
    'only the node that dialed has a secret',
  ],
  [
    ...(['other replicas', { replicas: 2 }, { replicas: 1 }] as const),
    'the replicas differ: 2 at the node that dialed, 1 at the other',
  ],
];

it.each(wrong)(
  'refuses %s; both say so, and the dialer waits long',
  async (_, one, other, why, told = why) => {
    const clock = new HandClock();
    const a = await open('a', { clock, limits: { queueAgeMs: 100_000 }, ...one });
    const b = await open('b', other);
    a.send(b, 'x');
    expect(await b.event('refused')).toMatchObject({ dialed: false, by: 'us', why });
    expect(await a.event('refused')).toMatchObject({
      ...{ dialed: true, by: 'peer', why: told, address: b.address, untold: 0 },
    });
    clock.pass(29_000);
    expect(a.links.counters).toMatchObject({ dials: 1, refused: 1 });
    clock.pass(2_000);
    expect(a.links.counters).toMatchObject({ dials: 2, redials: 1 });
    expect([...a.of('linkUp'), ...b.of('linkUp'), ...b.messages]).toEqual([]);
  },
);

it('needs no secret, and warns of that where others than this machine can dial', async () => {
  const none = { secret: undefined as never };
  const [a, b] = [await open('a', none), await open('b', none)];
  a.send(b, 'x');
  await until(() => b.messages.length === 1);
  // 127.0.0.1 in a spelling that is not known for it.
  const c = await open('c', { ...none, host: '127.1' });
  expect(c.of('warning')).toHaveLength(1);
  expect([...a.of('warning'), ...b.of('warning')]).toEqual([]);
});

it('tells only so many refusals at a time, and counts the others', async () => {
  const clock = new HandClock();
  const node = await open('a', { clock });
  for (let i = 0; i < 30; i++) await standIn(STAND_IN, node, { secret: 'wrong' });
  await until(() => node.links.counters.refused === 30);
  expect(node.of('refused')).toHaveLength(20);
  clock.pass(10_000);
  await standIn(STAND_IN, node, { secret: 'wrong' });
  await until(() => node.of('refused').length === 21);
  expect(node.of('refused').at(-1)!.untold).toBe(10);
});

it('lets nobody in who answers with the proof that it was sent', async () => {
  // Dials the node it is dialed by, and sends back what comes, so as to have the node prove the
  // secret to itself.
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  ends.push(() => server.close());
  await once(server, 'listening');
  const node = await open('a');
  server.on('connection', (dialed) => {
    const back = new WebSocket(`ws://${node.address}/`);
    dialed.on('error', () => {}).on('message', (bytes) => back.send(bytes as Buffer));
    back.on('error', () => {}).on('message', (bytes) => dialed.send(bytes as Buffer));
    back.on('close', (code, reason) => dialed.close(code, reason));
    // The greeting came before the listener could be there.
    dialed.pause();
    back.on('open', () => dialed.resume());
  });
  node.send(`127.0.0.1:${(server.address() as { port: number }).port}`, 'secret things');
  expect(await node.event('refused')).toMatchObject({ why: 'a node dialed itself' });
});

it('answers plain HTTP with what the port is for', async () => {
  const node = await open('a');
  const [response] = await once(request(`http://${node.address}/`).end(), 'response');
  expect(response.statusCode).toBe(426);
  expect(await node.event('refused')).toMatchObject({ why: 'plain HTTP, no peer', dialed: false });
});

it('lets no page of a browser in', async () => {
  const node = await open('a', { secret: undefined as never });
  const socket = new WebSocket(`ws://${node.address}/`, { origin: 'https://evil.example' });
  await once(socket, 'error');
  expect(await node.event('refused')).toMatchObject({ why: 'a browser, no peer' });
});

it('closes a connection that says nothing, at any stage, when its time is up', async () => {
  const node = await open('a', { limits: { handshakeMs: 50 } });
  const silent = connectTo(node);
  const asking = connectTo(node);
  asking.write('GET / HTTP/1.1\r\nhost: x\r\n');
  const mute = new WebSocket(`ws://${node.address}/`);
  await Promise.all([once(silent, 'close'), once(asking, 'close'), closing(mute)]);
  expect(node.of('refused').map(({ why }) => why)).toContain('no handshake within 50 ms');
});

it('lets only so many connections wait for their handshake', async () => {
  const node = await open('a');
  const waiting = Array.from({ length: 128 }, () => connectTo(node));
  await Promise.all(waiting.map((socket) => once(socket, 'connect')));
  await once(connectTo(node), 'close');
  expect(await node.event('refused')).toMatchObject({
    why: 'more than 128 connections without a handshake',
  });
  waiting[0]!.destroy();
  await once(waiting[0]!, 'close');
  const socket = new WebSocket(`ws://${node.address}/`);
  ends.push(() => socket.terminate());
  await once(socket, 'open');
});

it('closes on what is no WebSocket, and says so', async () => {
  const node = await open('a');
  const garbage = connectTo(node);
  garbage.write('\0\x01\x02 no HTTP\r\n\r\n');
  await once(garbage, 'close');
  const socket = new WebSocket(`ws://${node.address}/`).on('error', () => {});
  const [{ socket: raw }] = await once(socket, 'upgrade');
  raw.write(Buffer.of(0xff, 0xff, 0xff, 0xff));
  await closing(socket);
  await until(() => node.of('refused').length === 2);
  expect(node.of('refused').map(({ why }) => why)).toEqual([
    expect.stringMatching(/^no peer: Parse Error/),
    expect.stringMatching(/^Invalid WebSocket frame/),
  ]);
});

it('says why it cannot listen', async () => {
  const { address } = await open('a');
  const port = Number(address.split(':')[1]);
  await expect(TestNode.open('b', { port })).rejects.toMatchObject({
    ...{ code: 'OPTION', message: expect.stringContaining(`the peer port ${address}: `) },
  });
});

it('buffers little of what comes before the handshake', async () => {
  const node = await open('a');
  const socket = new WebSocket(`ws://${node.address}/`);
  await once(socket, 'open');
  // A frame that would be allowed later, and does not end: `ws` would wait for all of it.
  socket.send(Buffer.alloc(1 << 20), { fin: false });
  expect(await closing(socket)).toMatchObject({ code: 1006 });
  expect(await node.event('refused')).toMatchObject({
    why: 'too many bytes before the handshake',
  });
});

it('closes on what is no frame of a link, then takes nothing more', async () => {
  const broken = [Buffer.alloc(0), Buffer.of(0, 0, 0, 2, 1), Buffer.of(1), 'text'];
  for (const bytes of broken) {
    const node = await open('a');
    const { socket } = await standIn(STAND_IN, node);
    socket.send(bytes);
    socket.send(Buffer.of(0, 0, 0, 1, 1));
    expect((await closing(socket)).code).toBe(1002);
    expect(await node.event('linkDown')).toMatchObject({ reason: /no frame/ });
    expect(node.messages).toEqual([]);
  }
});

it('closes on a message that is longer than allowed', async () => {
  const b = await open('b', { limits: { messageBytesMax: 70_000 } });
  const a = await open('a');
  a.send(b, Buffer.alloc(70_000));
  await until(() => b.messages.length === 1);
  a.send(b, Buffer.alloc(70_001));
  expect(await b.event('linkDown')).toMatchObject({ reason: 'Max payload size exceeded' });
  const toldTo = await a.event('linkDown');
  expect(toldTo).toMatchObject({ reason: 'a message was longer than the peer allows' });
  expect(b.messages).toHaveLength(1);
});

it('bounds what waits for a peer that does not read', async () => {
  const limits = { backlogBytesMax: 20_000_000 };
  const node = await open('a', { limits });
  const { socket } = await standIn(STAND_IN, node);
  socket.pause();
  await node.event('linkUp');
  const message = Buffer.alloc(100_000);
  for (let i = 0; i < 1_000; i++) {
    node.send(STAND_IN, message);
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(node.links.backlogBytes(STAND_IN)).toBeLessThan(limits.backlogBytesMax + 100_000);
  }
  const { droppedBacklog, messagesOut } = node.links.counters;
  expect(droppedBacklog).toBeGreaterThan(500);
  expect(messagesOut + droppedBacklog).toBe(1_000);
  socket.resume();
  await until(() => node.links.backlogBytes(STAND_IN) === 0);
});

it('takes a link for broken whose peer neither says nor takes anything', async () => {
  const clock = new HandClock();
  const node = await open('a', { clock, limits: { pingMs: 1_000, silentMs: 3_000 } });
  const { socket } = await standIn(STAND_IN, node);
  await node.event('linkUp');
  socket.pause();
  clock.pass(3_000);
  expect(node.of('linkDown')).toEqual([]);
  clock.pass(1_000);
  expect(await node.event('linkDown')).toMatchObject({ reason: 'silent for 3000 ms' });
});

it('takes a peer for alive that says nothing, as long as it takes what it is sent', async () => {
  const clock = new HandClock();
  const node = await open('a', { clock, limits: { pingMs: 1_000, silentMs: 3_000 } });
  const { socket } = await standIn(STAND_IN, node, { autoPong: false });
  for (let i = 0; i < 6; i++) {
    node.send(STAND_IN, 'x');
    await once(socket, 'message');
    clock.pass(1_000);
  }
  expect(node.of('linkDown')).toEqual([]);
  clock.pass(3_000);
  expect(await node.event('linkDown')).toMatchObject({ reason: 'silent for 3000 ms' });
});

it('prefers the link of a peer that has started anew to the one it had', async () => {
  const node = await open('a');
  const old = await standIn(STAND_IN, node, { run: 'run 1' });
  await node.event('linkUp');
  const closed = closing(old.socket);
  const anew = await standIn(STAND_IN, node, { run: 'run 2' });
  expect(await closed).toMatchObject({ code: 4004, reason: 'the peer started anew' });
  expect(node.events.map(({ type }) => type)).toEqual(['linkUp', 'linkDown', 'linkUp']);
  node.send(STAND_IN, 'x');
  const [frame] = await once(anew.socket, 'message');
  expect(frame).toEqual(Buffer.from('\0\0\0\x01x'));
});

it('lets a peer in again that has lost the link which this node still has', async () => {
  const clock = new HandClock();
  const node = await open('a', { clock });
  // Higher than that of the node, whose dial is the one that stays.
  const { address, dialed } = await listenAs((port) => `localhost:${port}`);
  node.send(address, 'x');
  await node.event('linkUp');
  // It says no more: as if its machine had gone off the network.
  dialed[0]!.pause();
  const second = await standIn(address, node);
  expect(await closing(second.socket)).toMatchObject({ code: 4002 });
  clock.pass(2_000);
  expect(await node.event('linkDown')).toMatchObject({ reason: /dialed anew/ });
  await standIn(address, node);
  await until(() => node.of('linkUp').length === 2);
});

it('still brings what the link was given that goes when dials cross', async () => {
  const node = await open('a');
  // Lower than that of the node: the dial of the peer stays.
  const { address, port, dialed } = await listenAs(() => '0.example:1');
  node.send(`127.0.0.1:${port}`, 'x');
  await node.event('linkUp');
  const [old] = dialed;
  old!.pause();
  // More than the sockets of the system take.
  const message = Buffer.alloc(15_000_000);
  node.send(address, message);
  node.send(address, message);
  await until(() => node.links.counters.messagesOut === 3);
  const { socket } = await standIn(address, node);
  await until(() => node.links.backlogBytes(address) === 0);
  node.send(address, 'y');
  await once(socket, 'message');
  const lengths: number[] = [];
  old!.on('message', (frame: Buffer) => lengths.push(frame.length));
  const closed = closing(old!);
  old!.resume();
  expect(await closed).toMatchObject({ code: 4002 });
  expect(lengths.filter((length) => length > 5)).toEqual([15_000_004, 15_000_004]);
  expect(node.of('linkDown')).toEqual([]);
});

it('waits longer and longer for a peer whose links break soon, else dials at once', async () => {
  const clock = new HandClock();
  const limits = { backoffMs: 100, pingMs: 1_000_000, queueAgeMs: 1_000_000 };
  const node = await open('a', { clock, random: () => 0.5, limits });
  const { address, dialed } = await listenAs((port) => `localhost:${port}`);
  node.send(address, 'x');
  const breaks = async (i: number, standsMs: number) => {
    await until(() => node.of('linkUp').length === i + 1 && dialed.length === i + 1);
    clock.pass(standsMs);
    dialed[i]!.terminate();
    await until(() => node.of('linkDown').length === i + 1);
  };
  for (const [i, waitMs] of [150, 300].entries()) {
    await breaks(i, 0);
    node.send(address, 'x');
    clock.pass(waitMs - 1);
    expect(node.links.counters.dials).toBe(i + 1);
    clock.pass(1);
    expect(node.links.counters.dials).toBe(i + 2);
  }
  // A link that stood that long was a success.
  await breaks(2, 5_000);
  expect(node.links.counters.dials).toBe(4);
});

it('tells when the connection of a peer breaks', async () => {
  const node = await open('a');
  const { socket } = await standIn(STAND_IN, node);
  await node.event('linkUp');
  socket.terminate();
  expect(await node.event('linkDown')).toMatchObject({ reason: 'the connection broke' });
});

it('closes whatever random bytes come, whatever they are put into', async () => {
  const seed = freshSeed();
  const random = new Random(seed);
  const node = await open('a', { limits: { handshakeMs: 200 } });
  const attacks = Array.from({ length: 60 }, async () => {
    if (random.chance(0.3)) {
      const socket = connectTo(node);
      await once(socket, 'connect');
      socket.write(random.bytes(random.below(30_000)));
      await once(socket, 'close');
      return;
    }
    const bytes = Array.from({ length: random.below(5) }, () => random.bytes(random.below(300)));
    const isRaw = random.chance(0.5);
    const socket = new WebSocket(`ws://${node.address}/`).on('error', () => {});
    const connection = new Promise<Socket>((resolve) => {
      socket.once('upgrade', (response) => resolve(response.socket));
    });
    await once(socket, 'open');
    const raw = await connection;
    for (const some of bytes) isRaw ? raw.write(some) : socket.send(some);
    await closing(socket);
  });
  await Promise.all(attacks);
  expect(node.links.snapshot(), `seed ${seed}`).toEqual([]);
  const friend = await open('b');
  friend.send(node, 'x');
  await until(() => node.messages.length === 1);
});

it('leaves nothing behind when it is closed: the process ends by itself', async () => {
  const script = `
    import { PeerLinks } from '#server/cluster/links/peer-links.js';
    import { SYSTEM_CLOCK as clock } from '#server/cluster/system-clock.js';
    const open = (id) =>
      PeerLinks.open({ cluster: 'c', secret: 's', id, software: '0', clock, random: () => 0.5 });
    const [a, b] = [await open('a'), await open('b')];
    const came = new Promise((resolve) => { b.onMessage = resolve; });
    a.send(b.self.address, Buffer.from('x'));
    await came;
    a.send('127.0.0.1:1', Buffer.from('to nobody'));
    await Promise.all([a.close(), b.close(), a.close()]);
    a.send(b.self.address, Buffer.from('too late'));
    process.stdout.write('closed');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  ends.push(() => child.kill());
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (some) => output.push(some));
  const [code] = await once(child, 'close');
  expect([code, Buffer.concat(output).toString()]).toEqual([0, 'closed']);
});
