/** The parts of the links that need no network: handshake, frames, queue, addresses, options. */
import { describe, expect, it } from 'vitest';
import { isAddress, isLoopback } from '#server/cluster/links/address.js';
import { decodeBatch } from '#server/cluster/links/batch.js';
import { cutReason } from '#server/cluster/links/close-code.js';
import { type Credentials, Handshake, type Step } from '#server/cluster/links/handshake.js';
import type { PeerLinksOptions } from '#server/cluster/links/options.js';
import { readLinkOptions } from '#server/cluster/links/options.js';
import { Outbox } from '#server/cluster/links/outbox.js';
import { SYSTEM_CLOCK } from '#server/cluster/system-clock.js';
import { announce } from '../support/peer-nodes.js';

const credentials = (address: string, run: string, secret = 's'): Credentials => ({
  ...{ cluster: 'c', replicas: 0, secret, self: announce(address, run) },
});

/** Two ends, whose messages pass through `tamper` on their way. */
function shakeHands(
  tamper: (message: Buffer, index: number) => Uint8Array = (message) => message,
): Step[] {
  const dialer = new Handshake('dialer', credentials('a:1', 'run a'));
  const acceptor = new Handshake('acceptor', credentials('b:2', 'run b'));
  const steps: Step[] = [];
  let message = dialer.start();
  for (let i = 0; message !== undefined; i++) {
    const end = i % 2 === 0 ? acceptor : dialer;
    const step = end.receive(tamper(Buffer.from(message), i));
    steps.push(step);
    message = step.state === 'refused' ? undefined : step.send;
  }
  return steps;
}

const replaced = (from: string, to: string) => (message: Buffer, index: number) =>
  index < 2 ? Buffer.from(message.toString().replace(from, to)) : message;

describe('the handshake', () => {
  it('is through at both ends after four messages, and each knows the other', () => {
    const steps = shakeHands();
    expect(steps.map(({ state }) => state)).toEqual(['going', 'going', 'through', 'through']);
    expect(steps[2]).toMatchObject({ peer: announce('a:1', 'run a') });
    expect(steps[3]).toMatchObject({ peer: announce('b:2', 'run b') });
  });

  it.each(['"a:1"', '"b:2"', '"run a"', '"nonce":"', '"id":"stand'])(
    'proves every byte of the greetings, also of %s',
    (text) => {
      const other = text === '"nonce":"' ? '"nonce": "' : text.replace(/[a-z]/, 'x');
      expect(shakeHands(replaced(text, other)).at(-1)).toMatchObject({ state: 'refused' });
    },
  );

  it.each([2, 3])('is refused where proof %i is not right in every bit', (index) => {
    for (const bit of [0, 7, 100, 255]) {
      const last = shakeHands((message, i) => {
        if (i === index) message[bit >> 3]! ^= 1 << (bit & 7);
        return message;
      }).at(-1);
      expect(last).toMatchObject({ state: 'refused', why: 'wrong secret' });
    }
    const short = shakeHands((message, i) => (i === index ? message.subarray(1) : message));
    expect(short.at(-1)).toMatchObject({ state: 'refused' });
  });

  it('does not take the proof of the dialer for that of the acceptor', () => {
    let proof: Uint8Array | undefined;
    const last = shakeHands((message, i) => {
      if (i === 2) proof = Buffer.from(message);
      return i === 3 ? proof! : message;
    }).at(-1);
    expect(last).toMatchObject({ state: 'refused' });
  });

  it('is good for one time only: what was recorded opens nothing', () => {
    const recorded: Buffer[] = [];
    shakeHands((message, i) => {
      recorded[i] = Buffer.from(message);
      return message;
    });
    const again = new Handshake('acceptor', credentials('b:2', 'run b'));
    expect(again.receive(recorded[0]!).state).toBe('going');
    expect(again.receive(recorded[2]!).state).toBe('refused');
  });

  it('tells a peer of another version so, whatever else that says', () => {
    const other = replaced('"version":1', '"version":2,"id":5');
    expect(shakeHands(other).at(-1)).toMatchObject({
      why: 'the versions of links differ: 2 at the node that dialed, 1 at the other',
    });
  });

  it('refuses a peer with the address of this node, and this node itself', () => {
    const greet = (address: string, run: string) =>
      new Handshake('dialer', credentials(address, run)).start()!;
    const receive = (message: Uint8Array) =>
      new Handshake('acceptor', credentials('b:2', 'run b')).receive(message);
    expect(receive(greet('b:2', 'run a'))).toMatchObject({
      why: 'two nodes have the same address',
    });
    expect(receive(greet('a:1', 'run b'))).toMatchObject({ why: 'a node dialed itself' });
  });

  it.each([
    ...['', 'null', '7', '[]', '{}', '{"protocol":"slabring-peer"}', '\xff\xfe'],
    `{"protocol":"slabring-peer","version":1,"a":"${'x'.repeat(9_000)}"}`,
  ])('refuses %j as a greeting', (text) => {
    const acceptor = new Handshake('acceptor', credentials('b:2', 'run b'));
    const step = acceptor.receive(Buffer.from(text, 'latin1'));
    expect(step).toMatchObject({ state: 'refused', why: 'this is no greeting of a peer' });
  });

  it.each([
    ['"name":"stand-in"', '"name":""'],
    ['"name":"stand-in"', '"name":"a\\nb"'],
    ['"name":"stand-in"', `"name":"${'x'.repeat(263)}"`],
    ['"name":"stand-in"', '"name":null'],
    ['"address":"a:1"', '"address":"a"'],
    ['"secret":true', '"secret":1'],
    ['"replicas":0', '"replicas":"0"'],
    ['"nonce":"', '"nonce":"g'],
  ])('refuses a greeting in which %s became %s', (from, to) => {
    expect(shakeHands(replaced(from, to))[0]).toMatchObject({ state: 'refused' });
  });
});

describe('the outbox', () => {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

  function drain(outbox: Outbox): string[][] {
    const frames: string[][] = [];
    while (outbox.length > 0) {
      const messages: string[] = [];
      const { frame, messages: count } = outbox.takeBatch();
      expect(decodeBatch(frame, (message) => messages.push(text(message)))).toBe(count);
      frames.push(messages);
    }
    return frames;
  }

  it('puts short messages in one frame up to 64 KiB, a longer one in its own', () => {
    const outbox = new Outbox();
    const lengths = [30_000, 30_000, 5_524, 60_000, 5_529, 70_000, 1];
    for (const length of lengths) outbox.push(Buffer.alloc(length, 'x'), 0);
    expect(outbox.bytes).toBe(201_054);
    const frames = drain(outbox).map((messages) => messages.map(({ length }) => length));
    // With 4 bytes more for each, the first three are 64 KiB, the next two a byte more.
    expect(frames).toEqual([[30_000, 30_000, 5_524], [60_000], [5_529], [70_000], [1]]);
    expect([outbox.bytes, outbox.length]).toEqual([0, 0]);
  });

  it('frames a large message where it is, if there is room in front, in its turn', () => {
    const outbox = new Outbox();
    const memory = Buffer.alloc(40_008, 'x');
    outbox.push(Buffer.from('a'), 0, 8);
    outbox.push(memory.subarray(8), 0, 8);
    outbox.push(Buffer.from('b'), 0);
    // No room; and one that a copy costs little.
    outbox.push(Buffer.alloc(20_000, 'y'), 0, 3);
    outbox.push(memory.subarray(8, 1_008), 0, 8);
    const other = new Outbox();
    outbox.moveTo(other);
    expect(outbox.length).toBe(0);
    const first = other.takeBatch();
    expect(first.frame.length).toBe(5);
    const { frame, messages } = other.takeBatch();
    expect([frame.buffer, frame.byteOffset]).toEqual([memory.buffer, memory.byteOffset + 4]);
    expect([messages, decodeBatch(frame, () => {})]).toEqual([1, 1]);
    expect(memory.subarray(0, 4).toString()).toBe('xxxx');
    const rest = drain(other).map((list) => list.map(({ length }) => length));
    expect(rest).toEqual([[1, 20_000, 1_000]]);
    expect([other.bytes, other.length]).toEqual([0, 0]);
  });

  it('drops the oldest, by bytes and by time, and stays in order over thousands', () => {
    const outbox = new Outbox();
    for (let i = 0; i < 5_000; i++) outbox.push(Buffer.from(`${i}`.padStart(4, '0')), i);
    expect(outbox.dropBefore(1_000)).toBe(1_000);
    expect(outbox.dropBeyond(8_001)).toBe(2_000);
    expect([outbox.bytes, outbox.length]).toEqual([8_000, 2_000]);
    const other = new Outbox();
    outbox.moveTo(other);
    expect(outbox.length).toBe(0);
    expect(other.dropBefore(3_500)).toBe(500);
    const left = Array.from({ length: 1_500 }, (_, i) => `${i + 3_500}`);
    expect(drain(other).flat()).toEqual(left);
  });
});

it.each([
  '',
  '\0',
  '\0\0\0',
  '\0\0\0\x01',
  '\0\0\0\x01xx',
  '\0\0\0\x01x\0\0\0\x05four',
  '\xff\xff\xff\xff',
])('nothing is taken of the broken frame %j', (frame) => {
  const take = () => expect.fail('a message was taken');
  expect(decodeBatch(Buffer.from(frame, 'latin1'), take)).toBe(0);
});

it('addresses', () => {
  const right = [
    'a:1',
    '10.0.0.1:65535',
    'node-1.example.com:7',
    '[::1]:7',
    '[fe80::1]:80',
    'a_b:1',
  ];
  const wrong = ['', 'a', ':1', 'a:', 'a:0', 'a:65536', 'a:01234567', '::1:7', '[::1]', '[a]:1'];
  expect(right.filter(isAddress)).toEqual(right);
  expect([...wrong, 'a/b:1', 'a b:1', 'a:1/', '1.2.3.256:1', 7, null].filter(isAddress)).toEqual(
    [],
  );
  const hosts = ['127.0.0.1', '127.8.9.1', '::1', 'localhost', '10.0.0.1', '0.0.0.0', '128.0.0.1'];
  expect(hosts.filter(isLoopback)).toEqual(['127.0.0.1', '127.8.9.1', '::1', 'localhost']);
});

it('cuts a reason to what a close frame holds, between two characters', () => {
  expect(cutReason('short')).toBe('short');
  expect(cutReason('ü'.repeat(100))).toBe('ü'.repeat(61));
});

it.each<[Partial<Record<keyof PeerLinksOptions, unknown>>, RegExp]>([
  [{ cluster: '' }, /^cluster must be a text of 1 to 262 characters/],
  [{ id: 'a\nb' }, /^id must be/],
  [{ replicas: -1 }, /^replicas must be a whole number from 0, not -1$/],
  [{ secret: '' }, /^secret must be a text of at least one character$/],
  [{ host: 'a b' }, /^host must be/],
  [{ host: '0.0.0.0' }, /^address must be set where host is '0.0.0.0', which nobody can dial/],
  [{ port: 65_536 }, /^port must be a whole number from 0 to 65535, not 65536$/],
  [{ address: 'x' }, /^address must be like 'HOST:PORT'/],
  [{ tls: { key: 'k', cert: 'c' } }, /^tls.ca must be PEM/],
  [{ tls: { key: 'k', cert: 'c', ca: 'a' } }, /^tls.cert is no certificate in PEM: .*PEM/],
  [{ limits: { idleMs: 0 } }, /^idleMs must be a whole number from 1 to 2147483647, not 0$/],
  [{ limits: { messageBytesMax: 65_535 } }, /^messageBytesMax must be at least 65536/],
  [{ limits: { queueBytesMax: 70_000 } }, /^queueBytesMax must be at least messageBytesMax/],
  [{ limits: { idle: 7 } }, /^limits has no option/],
  [{ sekret: 'x' } as never, /did you mean 'secret'/],
])('refuses the options %j', (wrong, message) => {
  const right = { cluster: 'c', id: 'i', software: '0', clock: SYSTEM_CLOCK, random: () => 0 };
  expect(readLinkOptions(right)).toMatchObject({ name: 'i', host: '127.0.0.1', port: 0 });
  expect(() => readLinkOptions({ ...right, ...wrong } as PeerLinksOptions)).toThrow(
    expect.objectContaining({ code: 'OPTION', message: expect.stringMatching(message) }),
  );
});
