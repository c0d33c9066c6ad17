/** What a connection to a node of a cluster sees, beside replies: order, limits, the end, views. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VIEW_PUSH_MS } from '#server/cluster/routing/view-pushes.js';
import { Counter } from '#server/counters.js';
import { NOAUTH_TEXT } from '#server/hello.js';
import { FORWARDED_BYTES_MAX, PAUSE_BYTES } from '#server/limits.js';
import { digestToken } from '#server/options.js';
import { type FakeConnection, NodesInThread } from '../support/cluster-nodes.js';
import { type Command, decodeFrame, encodeFrame, WireError } from '../support/wire.js';

/** Of the nodes of three: `to` is the first one's, `from` the second one's. */
const HERE = 'to';
const THERE = 'from';
const NEXT_TURN = () => new Promise((resolve) => setImmediate(resolve));

let cluster: NodesInThread;
let client: FakeConnection;
let first: NodesInThread['nodes'][0];
/** Lets the frames go on that wait for other nodes, oldest first. */
let gates: (() => void)[];

function open(options: ConstructorParameters<typeof NodesInThread>[0] = {}): void {
  cluster = new NodesInThread(options);
  [first] = cluster.nodes as [typeof first];
  client = first.connect();
  gates = [];
}

/** From now on other nodes take their time. */
function holdUp(): void {
  first.desk.delay = () => new Promise((resolve) => gates.push(resolve));
}

function receive(id: number, ...commands: Command[]): void {
  client.session.receive(encodeFrame(id, ...commands), true);
}

/** Reply frames that have come, each as its id and replies. */
const replies = () => client.replies.map((reply) => Object.values(decodeFrame(reply)));

async function call(...commands: Command[]): Promise<unknown[]> {
  return decodeFrame(await client.call(encodeFrame(1, ...commands))).replies;
}

afterEach(() => {
  vi.useRealTimers();
  client.session.closed();
  cluster.close();
});

describe('frames of a connection', () => {
  beforeEach(() => open());

  it('do not wait for one that is with another node', async () => {
    holdUp();
    receive(1, ['SET', THERE, 1], ['SET', HERE, 1]);
    receive(2, ['GET', HERE]);
    receive(3, ['GET', THERE]);
    expect(replies()).toEqual([[2, [1]]]);
    gates[0]!();
    await client.until(2);
    gates[1]!();
    await client.until(3);
    expect(replies().slice(1)).toEqual([
      [1, [true, true]],
      [3, [1]],
    ]);
    const { counters } = first.thread;
    expect(counters[Counter.frames]).toBe(3);
    const sizes = client.replies.map(({ length }) => length);
    expect(counters[Counter.bytesOut]).toBe(sizes.reduce((sum, size) => sum + size));
  });

  it('are sent to another node in their order', async () => {
    const all = Array.from({ length: 20 }, (_, i) => i + 1);
    for (const id of all) receive(id, ['INCR', THERE]);
    await client.until(20);
    expect(replies()).toEqual(all.map((id) => [id, [id]]));
  });

  it('are answered to nobody when the connection is gone', async () => {
    holdUp();
    receive(1, ['SET', THERE, 1]);
    client.session.closed();
    gates[0]!();
    await NEXT_TURN();
    expect(client.replies).toEqual([]);
    client = first.connect();
    first.desk.delay = async () => {};
    expect(await call(['GET', THERE])).toEqual([1]);
  });

  it('wait when many are with other nodes, and go on', async () => {
    holdUp();
    for (let id = 1; id <= 100; id++) receive(id, ['INCR', THERE]);
    expect(first.desk.forwards.length).toBe(64);
    expect(first.thread.counters[Counter.pauses]).toBe(1);
    receive(101, ['PING']);
    expect(client.replies).toEqual([]);
    while (client.replies.length < 101) {
      const before = client.replies.length;
      for (const open of gates.splice(0)) open();
      await client.until(before + 1);
      await NEXT_TURN();
    }
    const counts = replies().filter(([id]) => id !== 101);
    expect(counts).toEqual(counts.map((_, i) => [i + 1, [i + 1]]));
    expect(client.closes).toEqual([]);
  });

  it('wait when they are long, the longest one not', async () => {
    holdUp();
    receive(1, ['SET', THERE, 'x'.repeat(FORWARDED_BYTES_MAX)]);
    receive(2, ['PING']);
    // Something else has been sent.
    client.session.sent();
    expect([gates.length, client.replies]).toEqual([1, []]);
    gates[0]!();
    await client.until(2);
    expect(replies()).toEqual([
      [1, [true]],
      [2, ['PONG']],
    ]);
  });

  it('go on when both other nodes have answered and replies are read', async () => {
    holdUp();
    receive(1, ['SET', THERE, 'x'.repeat(FORWARDED_BYTES_MAX)]);
    client.unsentBytes = PAUSE_BYTES + 1;
    gates[0]!();
    await client.until(1);
    receive(2, ['PING']);
    client.session.sent();
    expect(client.replies.length).toBe(1);
    client.unsentBytes = 0;
    client.session.sent();
    expect(client.replies.length).toBe(2);
  });

  it('close the connection when too many wait, and say for whom', () => {
    client.session.closed();
    cluster.close();
    open({ maxBacklogBytes: 64 * 1024 });
    holdUp();
    receive(1, ['SET', THERE, 'x'.repeat(FORWARDED_BYTES_MAX)]);
    receive(2, ['SET', HERE, 'x'.repeat(50_000)]);
    expect(client.closes).toEqual([]);
    receive(3, ['SET', HERE, 'x'.repeat(50_000)]);
    expect(client.closes).toEqual([
      [1013, 'other nodes are slow to answer, and too many frames wait'],
    ]);
  });

  it('are answered before the node stops', async () => {
    holdUp();
    receive(1, ['SET', THERE, 1]);
    const drained = first.thread.drain();
    expect(client.closes).toEqual([]);
    gates[0]!();
    await drained;
    expect(replies()).toEqual([[1, [true]]]);
    expect(client.closes).toEqual([[1001, 'the node is shutting down']]);
  });

  it('that waited are executed before the node stops', async () => {
    holdUp();
    receive(1, ['SET', THERE, 'x'.repeat(FORWARDED_BYTES_MAX)]);
    receive(2, ['GET', THERE]);
    const drained = first.thread.drain();
    gates[0]!();
    await client.until(1);
    await NEXT_TURN();
    expect(client.closes).toEqual([]);
    gates[1]!();
    await drained;
    expect(replies().map(([id]) => id)).toEqual([1, 2]);
  });
});

describe('before the token', () => {
  beforeEach(() => open({ tokenDigest: digestToken('secret') }));

  it('nothing goes to other nodes, and behind it all does', async () => {
    expect(
      await call(['GET', THERE], ['HELLO', { token: 'secret' }], ['SET', THERE, 1], ['GET', HERE]),
    ).toEqual([new WireError(`NOAUTH ${NOAUTH_TEXT}`), expect.anything(), true, null]);
    expect(first.desk.forwards.length).toBe(1);
    expect(await call(['GET', THERE])).toEqual([1]);
  });

  it('a frame of which all is refused is', async () => {
    const refused = new WireError(`NOAUTH ${NOAUTH_TEXT}`);
    expect(await call(['GET', THERE], ['WAIT', HERE, 'all'])).toEqual([refused, refused]);
    expect(first.desk.forwards).toEqual([]);
  });
});

describe('HELLO', () => {
  beforeEach(() => open());
  const greet = async (options?: object) =>
    (await call(['HELLO', ...(options ? [options] : [])]))[0] as Record<string, unknown>;

  it('tells of the cluster, of slots only to clients that route', async () => {
    const { slots, ...facts } = first.desk.view;
    expect((await greet()).cluster).toEqual(facts);
    expect((await greet({ routes: true })).cluster).toEqual({ ...facts, slots });
    // Once said it holds.
    expect((await greet({ routes: null })).cluster).toEqual({ ...facts, slots });
    expect(await call(['GET', THERE])).toEqual([new WireError('MOVED 11836 ws://node1:7707')]);
    expect((await greet({ routes: false })).cluster).toEqual(facts);
    expect(await call(['GET', THERE])).toEqual([null]);
  });

  it.each([
    [{ routes: 1 }, 'SYNTAX routes is true or false, not 1'],
    [{ replicas: 'yes' }, "SYNTAX replicas is true or false, not 'yes'"],
    ['routes', 'SYNTAX HELLO takes a map {version?, token?, user?, client?, routes?, replicas?}'],
  ])('refuses %j', async (options, text) => {
    expect(await call(['HELLO', options])).toEqual([new WireError(text)]);
    expect([client.session.routes, client.session.access]).toEqual([false, 1]);
  });
});

describe('another view of the cluster', () => {
  beforeEach(() => {
    open();
    vi.useFakeTimers();
  });

  function change(version: number): void {
    first.desk.view = cluster.viewOf(0, version);
    first.desk.onView();
  }
  /** Versions that were pushed to a client. */
  const pushed = ({ replies }: FakeConnection) =>
    replies.map((reply) => {
      const { id, replies: messages } = decodeFrame(reply);
      expect([id, messages.length]).toEqual([0, 1]);
      const [kind, view] = messages[0] as [string, { version: number }];
      expect([kind, view]).toEqual(['view', first.desk.view]);
      return view.version;
    });

  it('is pushed to clients that route, byte for byte', () => {
    client.session.routes = true;
    const other = first.connect();
    change(2);
    expect(other.replies).toEqual([]);
    expect(pushed(client)).toEqual([2]);
    const begin = Buffer.concat([Buffer.of(0, 0x92, 0xa4), Buffer.from('view')]);
    expect(client.replies[0]!.subarray(0, begin.length)).toEqual(begin);
    other.session.closed();
  });

  it('is pushed at most every 250 ms, and the last one always', () => {
    client.session.routes = true;
    change(2);
    expect(pushed(client)).toEqual([2]);
    client.replies.length = 0;
    for (const version of [3, 4, 5]) change(version);
    vi.advanceTimersByTime(VIEW_PUSH_MS - 1);
    expect(client.replies).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(pushed(client)).toEqual([5]);
    client.replies.length = 0;
    vi.advanceTimersByTime(10 * VIEW_PUSH_MS);
    expect(client.replies).toEqual([]);
    change(6);
    expect(pushed(client)).toEqual([6]);
  });

  it('waits for a client that does not read, and only the last one is kept', async () => {
    client.session.routes = true;
    client.unsentBytes = PAUSE_BYTES + 1;
    receive(1, ['PING']);
    client.replies.length = 0;
    for (const version of [2, 3]) {
      change(version);
      vi.advanceTimersByTime(VIEW_PUSH_MS);
    }
    expect(client.replies).toEqual([]);
    client.unsentBytes = 0;
    client.session.sent();
    expect(pushed(client)).toEqual([3]);
  });

  it('that is long pauses a client as a reply does', () => {
    client.session.routes = true;
    client.unsentBytes = PAUSE_BYTES + 1;
    change(2);
    expect(client.replies.length).toBe(1);
    change(3);
    vi.advanceTimersByTime(VIEW_PUSH_MS);
    expect(client.replies.length).toBe(1);
    expect(first.thread.counters[Counter.pauses]).toBe(1);
  });
});
