/** Frames that one node has another one execute, and the detours they take. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Machine } from '#bench/sim/machine.js';
import { World } from '#bench/sim/world.js';
import type { FrameRunner } from '#server/cluster/cluster-world.js';
import { ForwardReceiver } from '#server/cluster/forward-receiver.js';
import { Forwarder } from '#server/cluster/forwarder.js';
import { Kind, type Message } from '#server/cluster/messages.js';

const FRAME = Uint8Array.of(1, 2);
const LONG = new Uint8Array(2_000);
const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];

class Node {
  readonly machine: Machine;
  readonly forwarder: Forwarder;
  readonly receiver: ForwardReceiver;
  /** Its clock was set by so much. */
  aheadMs = 0;
  /** What it was asked to execute, and how. */
  readonly runs: string[] = [];
  execute: FrameRunner['execute'] = async () => Uint8Array.of(7);
  executeInstead: FrameRunner['executeInstead'] = async () => undefined;

  constructor(name: Name, nodes: Nodes) {
    this.machine = nodes.world.machine(`10.0.0.${NAMES.indexOf(name)}:1`);
    const machine = this.machine.start().clock;
    const clock = {
      now: () => machine.now() + this.aheadMs,
      after: machine.after,
    };
    const frames = {
      execute: (frame: Uint8Array) => {
        this.runs.push('own');
        return this.execute(frame);
      },
      executeInstead: (frame: Uint8Array) => {
        this.runs.push('instead');
        return this.executeInstead(frame);
      },
    };
    const send = (peer: string, message: Message) => nodes.send(name, peer as Name, message);
    this.forwarder = new Forwarder({
      ...{ selfId: name, clock, send, frames },
      helperFor: (_, peer) => NAMES.find((other) => other !== name && other !== peer),
    });
    this.receiver = new ForwardReceiver({
      ...{ selfId: name, clock, send, frames },
      pass: (message) => this.forwarder.pass(message),
    });
  }
}

class Nodes {
  readonly world = new World({ seed: 1 });
  /** Ways on which nothing gets through; or where it waits, to be delivered later. */
  readonly cut = new Set<string>();
  readonly held = new Map<string, Message[]>();
  readonly sent: string[] = [];
  readonly all = Object.fromEntries(NAMES.map((name) => [name, new Node(name, this)])) as Record<
    Name,
    Node
  >;

  /** As nodes do when they meet. */
  meet(): void {
    for (const name of NAMES) {
      for (const other of NAMES) if (other !== name) this.all[name].receiver.tellEpoch(other);
    }
    this.sent.length = 0;
  }

  send(from: Name, to: Name, message: Message): void {
    const way = `${from}>${to}`;
    this.sent.push(way);
    if (this.cut.has(way)) return;
    const held = this.held.get(way);
    if (held) held.push(message);
    else this.deliver(to, message);
  }

  deliver(to: Name, message: Message): void {
    const { receiver, forwarder } = this.all[to];
    if (message.kind === Kind.FORWARD) void receiver.answer(message);
    else if (message.kind === Kind.FORWARDED) forwarder.take(message);
  }

  /** Lets what was held on a way come. */
  release(from: Name, to: Name): void {
    const held = this.held.get(`${from}>${to}`)!;
    this.held.delete(`${from}>${to}`);
    for (const message of held) this.deliver(to, message);
  }
}

let nodes: Nodes;
let a: Node;
let b: Node;
let c: Node;
beforeEach(() => {
  nodes = new Nodes();
  nodes.meet();
  ({ a, b, c } = nodes.all);
});

const outcomeOf = (reply: Promise<Uint8Array>) =>
  reply.then(
    (bytes) => [...bytes].join(),
    (error: Error & { code: string }) => error.code,
  );

async function ask(frame = FRAME, forMs = 3_000): Promise<string> {
  const outcome = outcomeOf(a.forwarder.forward('b', frame));
  await nodes.world.runAwaiting(forMs);
  return outcome;
}

describe('a frame for another node', () => {
  it('is executed there, and takes no detour while answers come', async () => {
    expect(await ask()).toBe('7');
    expect(nodes.sent).toEqual(['a>b', 'b>a']);
    // One that is only slow, while others are answered.
    let finish: (reply: Uint8Array) => void = () => {};
    b.execute = () => new Promise((resolve) => (finish = resolve));
    const slow = outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(60);
    b.execute = async () => Uint8Array.of(7);
    await outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(100);
    expect([...a.runs, ...c.runs]).toEqual([]);
    finish(Uint8Array.of(8));
    expect(await slow).toBe('8');
  });

  it('that does not take the keys is to be tried again', async () => {
    b.execute = async () => undefined;
    expect(await ask()).toBe('TRYAGAIN');
  });

  it('that answers nothing at all is unavailable after two seconds', async () => {
    nodes.cut.add('a>b').add('c>b');
    let outcome = '';
    void outcomeOf(a.forwarder.forward('b', FRAME)).then((text) => (outcome = text));
    await nodes.world.runAwaiting(2_090);
    expect(outcome).toBe('');
    await nodes.world.runAwaiting(20);
    expect(outcome).toBe('UNAVAILABLE');
    const known = a.forwarder.forward('b', FRAME);
    a.forwarder.forget('b');
    expect(await outcomeOf(known)).toBe('UNAVAILABLE');
  });
});

describe('where the way to a node is cut', () => {
  beforeEach(() => nodes.cut.add('a>b'));

  it('a frame gets there through another node', async () => {
    expect(await ask()).toBe('7');
    expect([a.runs, b.runs, c.runs]).toEqual([['instead'], ['own'], ['instead']]);
    // From then on at once, until the node itself answers again.
    expect(await ask(FRAME, 1)).toBe('7');
    nodes.cut.clear();
    expect(await ask(FRAME, 1)).toBe('7');
    nodes.sent.length = 0;
    expect(await ask(FRAME, 1)).toBe('7');
    expect(nodes.sent).toEqual(['a>b', 'b>a']);
  });

  it('it does so, too, where only answers do not come', async () => {
    nodes.cut.clear();
    nodes.cut.add('b>a');
    expect(await ask()).toBe('7');
    expect(b.runs).toEqual(['own']);
  });

  it('what this node can answer, it does', async () => {
    a.executeInstead = async () => Uint8Array.of(9);
    expect(await ask()).toBe('9');
    expect(nodes.sent).toEqual(['a>b']);
  });

  it('what the helper can answer, it does', async () => {
    c.executeInstead = async () => Uint8Array.of(9);
    expect(await ask()).toBe('9');
    expect(b.runs).toEqual([]);
  });

  it('a helper that does not know either says nothing', async () => {
    b.execute = async () => undefined;
    nodes.cut.add('b>c');
    expect(await ask()).toBe('UNAVAILABLE');
  });
});

describe('a frame that comes twice', () => {
  it('runs once, and is answered twice', async () => {
    nodes.held.set('a>b', []);
    expect(await ask(FRAME, 300)).toBe('7');
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(b.runs).toEqual(['own']);
    expect(nodes.sent.filter((way) => way === 'b>a')).toHaveLength(1);
  });

  it('is not answered again where the reply is long', async () => {
    b.execute = async () => LONG;
    nodes.held.set('a>b', []);
    expect(await ask(FRAME, 300)).toHaveLength(3_999);
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(b.runs).toEqual(['own']);
    expect(nodes.sent).not.toContain('b>a');
  });

  it('runs once, too, where very many others came between', async () => {
    nodes.held.set('a>b', []);
    expect(await ask(FRAME, 300)).toBe('7');
    const copies = nodes.held.get('a>b')!;
    nodes.held.clear();
    const others = Array.from({ length: 5_000 }, () => a.forwarder.forward('b', FRAME));
    await Promise.all(others);
    expect(b.runs).toHaveLength(5_001);
    for (const message of copies) nodes.deliver('b', message);
    await nodes.world.runAwaiting(10);
    expect(b.runs).toHaveLength(5_001);
  });

  it('does not run when it comes after everybody has given up', async () => {
    expect(await ask(FRAME, 10)).toBe('7');
    nodes.held.set('a>b', []);
    nodes.cut.add('c>b');
    expect(await ask()).toBe('UNAVAILABLE');
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(b.runs).toEqual(['own']);
    expect(await ask(FRAME, 10)).toBe('7');
  });

  it('does not take its detour where the origin was paused meanwhile', async () => {
    nodes.cut.add('b>a');
    const outcome = outcomeOf(a.forwarder.forward('b', FRAME));
    a.machine.pause();
    await nodes.world.runAwaiting(5_000);
    b.receiver.forget('a');
    a.machine.resume();
    await nodes.world.runAwaiting(5_000);
    expect(await outcome).toBe('UNAVAILABLE');
    expect(b.runs).toEqual(['own']);
  });
});

describe('a frame that a node got before it was paused, or thought dead,', () => {
  beforeEach(() => {
    nodes.held.set('a>b', []);
  });

  it('does not run where nobody waits for it any more', async () => {
    const lost = outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(10);
    a.forwarder.forget('b');
    expect(await lost).toBe('UNAVAILABLE');
    b.receiver.beginEpoch();
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(b.runs).toEqual([]);
    expect(await ask(FRAME, 10)).toBe('7');
  });

  it('runs where it is wanted still, once', async () => {
    const outcome = outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(10);
    b.receiver.beginEpoch();
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(await outcome).toBe('7');
    expect(b.runs).toEqual(['own']);
    // From then on it is known.
    nodes.sent.length = 0;
    expect(await ask(FRAME, 10)).toBe('7');
    expect(nodes.sent).toEqual(['a>b', 'b>a']);
  });

  it('has its reply where it has run before', async () => {
    nodes.held.clear();
    nodes.cut.add('b>a');
    const outcome = outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(10);
    b.receiver.beginEpoch();
    await nodes.world.runAwaiting(300);
    expect(await outcome).toBe('7');
    expect(b.runs).toEqual(['own']);
  });

  it('does not run on a detour either', async () => {
    nodes.held.set('c>b', []);
    const lost = outcomeOf(a.forwarder.forward('b', FRAME));
    await nodes.world.runAwaiting(300);
    a.forwarder.forget('b');
    expect(await lost).toBe('UNAVAILABLE');
    b.receiver.beginEpoch();
    nodes.release('c', 'b');
    nodes.release('a', 'b');
    await nodes.world.runAwaiting(10);
    expect(b.runs).toEqual([]);
  });

  it('gets there by a helper that has not heard of it', async () => {
    b.receiver.beginEpoch();
    expect(await ask(FRAME, 300)).toBe('7');
    expect(b.runs).toEqual(['own']);
  });

  it('goes to the helper again where that one was paused', async () => {
    expect(nodes.held.get('a>b')).toEqual([]);
    c.receiver.beginEpoch();
    expect(await ask(FRAME, 300)).toBe('7');
    expect([b.runs, c.runs]).toEqual([['own'], ['instead']]);
  });
});

it('a clock that is set has one frame in two seconds sent twice, and no more', async () => {
  expect(await ask(FRAME, 10)).toBe('7');
  b.aheadMs = 60_000;
  nodes.sent.length = 0;
  for (let i = 0; i < 10; i++) expect(await ask(FRAME, 100)).toBe('7');
  expect(nodes.sent).toHaveLength(2 * 10 + 2);
  b.aheadMs = 0;
  for (let i = 0; i < 10; i++) expect(await ask(FRAME, 100)).toBe('7');
});
