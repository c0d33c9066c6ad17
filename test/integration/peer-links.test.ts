/** Links between nodes: what is sent comes, over one link for each pair, also when dials cross. */
import { Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import type { LinkLimits } from '#server/cluster/links/link-limits.js';
import type { PeerLinksOptions } from '#server/cluster/links/options.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { HandClock, TestNode, until } from '../support/peer-nodes.js';

const opened: TestNode[] = [];

async function open(id: string, options?: Partial<PeerLinksOptions>): Promise<TestNode> {
  const node = await TestNode.open(id, options);
  opened.push(node);
  return node;
}

const limited = (limits: Partial<LinkLimits>): Partial<PeerLinksOptions> => ({ limits });

afterEach(async () => {
  await Promise.all(opened.splice(0).map((node) => node.close()));
});

it('carries messages both ways over the link that the first one had dialed', async () => {
  const [a, b] = [await open('a'), await open('b', { name: 'Bea' })];
  a.send(b, 'to b');
  await until(() => b.messages.length === 1);
  expect(b.messages[0]).toEqual({ from: a.address, bytes: Buffer.from('to b') });
  b.send(a, 'to a');
  await until(() => a.messages.length === 1);
  expect(a.messages[0]!.from).toBe(b.address);
  expect(b.links.counters).toMatchObject({ dials: 0, messagesIn: 1, messagesOut: 1, bytesIn: 4 });
  expect(a.links.counters).toMatchObject({ dials: 1, redials: 0, bytesOut: 4 });
  expect(a.of('linkUp')).toEqual([{ type: 'linkUp', peer: b.links.self, dialed: true }]);
  expect(b.of('linkUp')).toEqual([{ type: 'linkUp', peer: a.links.self, dialed: false }]);
  expect(a.links.snapshot()).toMatchObject([
    {
      ...{ address: b.address, state: 'up', backlogBytes: 0, trouble: undefined },
      peer: { id: 'b', name: 'Bea', address: b.address, software: '1.2.3' },
      link: { dialed: true, messagesOut: 1, messagesIn: 1, bytesOut: 4, bytesIn: 4 },
    },
  ]);
});

it('keeps the order and the bytes of messages of all lengths', async () => {
  const seed = freshSeed();
  const random = new Random(seed);
  const lengths = [0, 1, 3, 60, 125, 126, 5_000, 65_531, 65_532, 65_533, 70_000, 1 << 18];
  const [a, b] = [await open('a'), await open('b')];
  const sent = Array.from({ length: 300 }, () => random.bytes(random.pick(lengths)));
  for (const message of sent) {
    a.send(b, message);
    // Some in one turn, some in turns of their own; the backlog stays below its limit.
    if (random.chance(0.1)) await until(() => a.links.backlogBytes(b.address) < 1 << 20);
  }
  await until(() => b.messages.length === sent.length);
  const isSame = b.messages.every(({ bytes }, i) => sent[i]!.equals(bytes));
  expect(isSame, `seed ${seed}`).toBe(true);
});

it('copies what is in shared memory, which its owner goes on to use', async () => {
  const [a, b] = [await open('a'), await open('b')];
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7);
  a.send(b, shared);
  shared.fill(0);
  await until(() => b.messages.length === 1);
  expect([...b.messages[0]!.bytes]).toEqual([7, 7, 7, 7]);
});

it('lets the dial of the lower address stay when two cross, and loses nothing', async () => {
  for (let round = 0; round < 20; round++) {
    const [a, b] = [await open('a'), await open('b')];
    const sent: string[] = [];
    // Before, while and after the links open and one of them goes.
    for (let i = 0; i < 200; i++) {
      sent.push(`${i}`);
      a.send(b, `${i}`);
      b.send(a, `${i}`);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const [low, high] = a.address < b.address ? [a, b] : [b, a];
    const dialed = (node: TestNode) => node.links.snapshot()[0]?.link?.dialed;
    await until(() => dialed(low) === true && dialed(high) === false);
    await until(() => a.messages.length >= 200 && b.messages.length >= 200);
    expect(a.texts.toSorted()).toEqual(sent.toSorted());
    expect(b.texts.toSorted()).toEqual(sent.toSorted());
    // A link went, and nobody was without one.
    expect([...a.of('linkDown'), ...b.of('linkDown')]).toEqual([]);
    expect([a.links.counters.dials, b.links.counters.dials]).toEqual([1, 1]);
  }
});

it('joins three nodes, each with each', async () => {
  const nodes = [await open('a'), await open('b'), await open('c')];
  for (const node of nodes) for (const to of nodes) if (to !== node) node.send(to, 'hello');
  await until(() => nodes.every(({ messages }) => messages.length === 2));
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node).map(({ address }) => address);
    expect(node.messages.map(({ from }) => from).sort()).toEqual(others.sort());
  }
});

it('knows a peer that was dialed by another name by the address that it announces', async () => {
  const [a, b] = [await open('a'), await open('b')];
  const alias = b.address.replace('127.0.0.1', 'localhost');
  a.send(alias, 'one');
  await until(() => b.messages.length === 1);
  a.send(b, 'two');
  a.send(alias, 'three');
  expect(a.links.backlogBytes(alias)).toBe('twothree'.length);
  await until(() => b.messages.length === 3);
  expect(a.links.snapshot().map(({ address }) => address)).toEqual([b.address]);
  expect(a.links.counters.dials).toBe(1);
});

it('keeps what is sent while a peer is away, and brings it when that is back', async () => {
  const [a, b] = [await open('a', limited({ backoffMs: 5, backoffMsMax: 20 })), await open('b')];
  a.send(b, 'before');
  await until(() => b.messages.length === 1);
  await b.close();
  expect(await a.event('linkDown')).toMatchObject({ reason: 'the node is leaving' });
  a.send(b, 'meanwhile');
  await until(() => a.links.counters.redials > 2);
  expect(a.links.backlogBytes(b.address)).toBe('meanwhile'.length);
  expect(a.links.snapshot()[0]!.trouble).toMatch(/ECONNREFUSED/);
  const again = await open('b', { port: Number(b.address.split(':')[1]) });
  await until(() => again.messages.length === 1);
  expect(again.texts).toEqual(['meanwhile']);
  expect(a.of('linkUp')).toHaveLength(2);
  expect(a.links.counters.droppedUnreachable).toBe(0);
});

it('brings nothing of what waited for a peer that it was told to give up', async () => {
  const [a, b] = [await open('a', limited({ backoffMs: 5, backoffMsMax: 20 })), await open('b')];
  a.links.reset(b.address);
  a.send(b, 'first');
  await until(() => b.messages.length === 1);
  // In the outbox, and far more than the system takes at once.
  for (let i = 0; i < 20; i++) a.send(b, Buffer.alloc(1 << 20, i));
  a.send(b, 'behind');
  const reset = vi.spyOn(Socket.prototype, 'resetAndDestroy');
  a.links.reset(b.address);
  expect(reset).toHaveBeenCalledOnce();
  reset.mockRestore();
  expect(await a.event('linkDown')).toMatchObject({ reason: 'the peer was given up' });
  a.send(b, 'then');
  await until(() => b.texts.includes('then'));
  expect(b.texts).not.toContain('behind');
  expect(b.messages.length).toBeLessThan(22);
  expect(a.of('linkUp')).toHaveLength(2);
  expect(a.links.backlogBytes(b.address)).toBe(0);
  // While there is no link.
  await b.close();
  await until(() => a.of('linkDown').length === 2);
  a.send(b, 'late');
  a.links.reset(b.address);
  expect(a.links.backlogBytes(b.address)).toBe(0);
});

it('says when nobody listens where a peer was', async () => {
  const [a, b] = [await open('a'), await open('b')];
  a.send(b, 'to b');
  await until(() => b.messages.length === 1);
  await b.close();
  a.send(b, 'more');
  await until(() => a.of('deserted').length > 0);
  expect(a.of('deserted')[0]).toEqual({ type: 'deserted', address: b.address });
});

it('drops the oldest of what waits for a peer, by bytes', async () => {
  const limits = { messageBytesMax: 100_000, queueBytesMax: 100_000 };
  const a = await open('a', limited({ ...limits, backoffMs: 5, backoffMsMax: 20 }));
  const gone = await open('b');
  await gone.close();
  for (let i = 0; i < 50; i++) a.send(gone, `message ${i}`.padEnd(20_000));
  expect(a.links.backlogBytes(gone.address)).toBe(100_000);
  expect(a.links.counters.droppedUnreachable).toBe(45);
  const b = await open('b', { port: Number(gone.address.split(':')[1]) });
  await until(() => b.messages.length === 5);
  expect(b.texts.map((text) => text.trim())).toEqual(
    [45, 46, 47, 48, 49].map((i) => `message ${i}`),
  );
});

it('drops what has waited too long, then dials no more and forgets the peer', async () => {
  const clock = new HandClock();
  const a = await open('a', {
    clock,
    limits: { queueAgeMs: 1_000, backoffMs: 600, backoffMsMax: 5_000 },
  });
  const gone = await open('b');
  await gone.close();
  a.send(gone, 'old');
  await until(() => a.links.snapshot()[0]!.state === 'waiting');
  clock.pass(700);
  await until(() => a.links.snapshot()[0]!.state === 'waiting');
  expect(a.links.counters).toMatchObject({ dials: 2, redials: 1, droppedUnreachable: 0 });
  clock.pass(10_000);
  expect(a.links.counters).toMatchObject({ dials: 2, droppedUnreachable: 1 });
  expect(a.links.snapshot()).toEqual([]);
});

it('waits longer after each dial that failed, by chance from half to all of it', async () => {
  const clock = new HandClock();
  const a = await open('a', {
    ...{ clock, random: () => 0.5 },
    limits: { backoffMs: 100, backoffMsMax: 400, queueAgeMs: 1_000_000 },
  });
  const gone = await open('b');
  await gone.close();
  a.send(gone, 'x');
  for (const [i, waitMs] of [75, 150, 300, 300].entries()) {
    await until(() => a.links.snapshot()[0]!.state === 'waiting');
    expect(a.links.counters.dials).toBe(i + 1);
    clock.pass(waitMs - 1);
    expect(a.links.counters.dials).toBe(i + 1);
    clock.pass(1);
    expect(a.links.counters.dials).toBe(i + 2);
  }
});

it('closes a link that carries nothing, and dials again when there is something', async () => {
  const clock = new HandClock();
  const a = await open('a', { clock, limits: { pingMs: 1_000, idleMs: 3_000 } });
  const b = await open('b');
  a.send(b, 'one');
  await until(() => b.messages.length === 1);
  for (let i = 0; i < 4; i++) {
    clock.pass(1_000);
    await until(() => i === 3 || a.links.snapshot()[0]!.link!.roundTripMs !== undefined);
  }
  expect(await a.event('linkDown')).toMatchObject({ reason: 'idle for 3000 ms' });
  expect(await b.event('linkDown')).toMatchObject({ reason: 'idle for 3000 ms' });
  a.send(b, 'two');
  await until(() => b.messages.length === 2);
  expect(a.links.counters).toMatchObject({ dials: 2, redials: 0 });
});

it('sends nothing to itself, to no address, or above the limit, and says so', async () => {
  const a = await open('a', limited({ messageBytesMax: 70_000 }));
  a.send(a, 'x');
  for (const address of ['', 'nowhere', 'a:0', 'a:99999', '300.0.0.1:80', '[::g]:1', 'a b:1']) {
    a.send(address, 'x');
  }
  a.send('127.0.0.1:1', Buffer.alloc(70_001));
  expect(a.links.counters.droppedInvalid).toBe(9);
  expect(a.links.snapshot()).toEqual([]);
  expect(a.of('warning').map(({ text }) => text)).toEqual([
    `a message of this node to itself, ${a.address}, was not sent`,
    ...Array.from({ length: 7 }, () => expect.stringMatching(/an address is like 'HOST:PORT'/)),
    'a message of 70001 bytes was not sent; at most 70000 are allowed',
  ]);
});
