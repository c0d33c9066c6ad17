/** Nodes of a cluster as clients reach them, through both front ends. */
import { afterEach, describe, expect, it } from 'vitest';
import { createAcceptor } from '#server/acceptor.js';
import { createWsFrontEnd } from '#server/fallback.js';
import { type FrontEnd, loadUws } from '#server/front-end.js';
import { createUwsFrontEnd } from '#server/websocket.js';
import { type NodeInThread, NodesInThread } from '../support/cluster-nodes.js';
import { FRONT_ENDS } from '../support/front-ends.js';
import { encodeFrame, Wire, WireError } from '../support/wire.js';

/** Of three nodes: `to` is the first one's, `from` the second one's. */
const HERE = 'to';
const THERE = 'from';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** The URL of a node's front end. */
async function serve({ thread }: NodeInThread, kind: 'uws' | 'ws'): Promise<string> {
  let frontEnd: FrontEnd;
  let port: number;
  if (kind === 'uws') {
    const uws = await loadUws();
    frontEnd = createUwsFrontEnd(uws, thread);
    const acceptor = createAcceptor(uws, [frontEnd.descriptor!], '127.0.0.1', 0, undefined);
    ({ port } = acceptor);
    ends.push(() => acceptor.close());
  } else {
    const plan = { address: '127.0.0.1', port: 0, sharePort: false, unix: undefined };
    frontEnd = await createWsFrontEnd(thread, plan);
    port = frontEnd.port!;
  }
  ends.push(() => {
    frontEnd.stopAccepting();
    frontEnd.close();
  });
  return `ws://127.0.0.1:${port}`;
}

describe.each(FRONT_ENDS)('a cluster on %s', (kind) => {
  async function open() {
    const cluster = new NodesInThread();
    const urls: string[] = [];
    for (const node of cluster.nodes) urls.push(await serve(node, kind));
    ends.push(() => cluster.close());
    return { cluster, urls };
  }

  it('has one content, whichever node is asked', async () => {
    const { urls } = await open();
    const wires = await Promise.all(urls.map((url) => Wire.open(url)));
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    const sets = keys.map((key, i) => ['SET', key, i] as const);
    expect(await wires[0]!.call(...sets)).toEqual(keys.map(() => true));
    for (const wire of wires) {
      expect(await wire.call(...keys.map((key) => ['GET', key]))).toEqual(keys.map((_, i) => i));
      expect(await wire.call(['MGET', ...keys], ['EXISTS', ...keys, 'none'])).toEqual([
        keys.map((_, i) => i),
        300,
      ]);
    }
    // Values that no area holds, there and back.
    const large = Buffer.alloc(1_800_000, 7);
    for (const key of [HERE, THERE]) {
      const [isStored, value] = await wires[2]!.call(['SET', key, large], ['GET', key]);
      expect([isStored, large.equals(value as Buffer)]).toEqual([true, true]);
    }
    for (const wire of wires) await wire.close();
  });

  it('answers later frames while one is with another node', async () => {
    const { cluster, urls } = await open();
    const { desk } = cluster.nodes[0]!;
    let letGo = () => {};
    desk.delay = () => new Promise((resolve) => (letGo = resolve));
    const wire = await Wire.open(urls[0]!);
    wire.sendRaw(encodeFrame(1, ['SET', THERE, 1], ['WAIT', THERE, 'quorum']));
    wire.sendRaw(encodeFrame(2, ['SET', HERE, 2], ['WAIT', HERE, 'all', 50]));
    expect(await wire.next()).toEqual({ id: 2, replies: [true, 2] });
    letGo();
    expect(await wire.next()).toEqual({ id: 1, replies: [true, 2] });
    await wire.close();
  });

  it('pushes its views to who routes, and says MOVED', async () => {
    const { cluster, urls } = await open();
    const [{ desk }] = cluster.nodes as [NodeInThread];
    const wire = await Wire.open(urls[0]!);
    const [facts] = (await wire.call(['HELLO', { routes: true }])) as [{ cluster: unknown }];
    expect(facts.cluster).toEqual(desk.view);
    expect(await wire.call(['GET', THERE], ['GET', HERE])).toEqual([
      new WireError('MOVED 11836 ws://node1:7707'),
      null,
    ]);
    desk.view = cluster.viewOf(0, 2);
    desk.onView();
    expect(await wire.next()).toEqual({ id: 0, replies: [['view', desk.view]] });
    await wire.close();
  });

  it('closes at bytes that are none, wherever they stand', async () => {
    const { urls } = await open();
    for (const key of [HERE, THERE]) {
      const wire = await Wire.open(urls[0]!);
      const good = encodeFrame(1, ['SET', key, 1]);
      wire.sendRaw(Buffer.concat([good, Buffer.of(0xc1)]));
      expect(await wire.closed).toEqual({
        code: 1007,
        reason: `bytes from ${good.length} on are no whole msgpack value`,
      });
    }
  });

  it('answers what is with other nodes before it stops', async () => {
    const { cluster, urls } = await open();
    const { desk, thread } = cluster.nodes[0]!;
    let letGo = () => {};
    const asked = new Promise<void>((resolve) => {
      desk.delay = () => {
        resolve();
        return new Promise((go) => (letGo = go));
      };
    });
    const wire = await Wire.open(urls[0]!);
    wire.sendRaw(encodeFrame(1, ['SET', THERE, 1]));
    await asked;
    const drained = thread.drain();
    letGo();
    expect(await wire.next()).toEqual({ id: 1, replies: [true] });
    expect(await wire.closed).toEqual({ code: 1001, reason: 'the node is shutting down' });
    await drained;
  });
});
