/** Large values over the wire, both front ends, one arena and several: to 64 MiB and just above. */
import { type NodeOptions, type SlabringNode, startNode } from 'slabring/server';
import { afterEach, describe, expect, test } from 'vitest';
import { FRONT_ENDS } from '../support/front-ends.js';
import { bin, difference } from '../support/kernel-wire.js';
import { encodeFrame, Wire, WireError } from '../support/wire.js';

const MIB = 1024 ** 2;
const nodes: SlabringNode[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

/** A bin of so many bytes, header included, in which each MiB is another. */
function largeBin(bytes: number): Buffer {
  const payload = Buffer.alloc(bytes - 5, 0x5a);
  for (let at = 0; at < payload.length - 4; at += MIB / 2) payload.writeUInt32BE(at + bytes, at);
  return payload;
}

const NODES = [...FRONT_ENDS.map((name) => [name, 1] as const), [FRONT_ENDS[0]!, 2] as const];

describe.each(NODES)('a node on %s, arenas: %i', (frontEnd, arenas) => {
  async function start(options: NodeOptions = {}): Promise<string> {
    const node = await startNode(
      { port: 0, memory: arenas * 320 * MIB, threads: 1, frontEnd, arenas, ...options },
      { onWarning: () => {} },
    );
    nodes.push(node);
    return node.urls[0]!;
  }

  interface Stats {
    traffic: Record<'frames' | 'pauses' | 'backlogCloses' | 'connections', number>;
  }

  async function stats(url: string): Promise<Stats> {
    return (await (await fetch(`${url.replace('ws:', 'http:')}/stats`)).json()) as Stats;
  }

  async function untilPaused(url: string): Promise<void> {
    while ((await stats(url)).traffic.pauses === 0);
  }

  test.each([1, 8, 64])('stores and reads values of %i MiB', { timeout: 60_000 }, async (mib) => {
    const wire = await Wire.open(await start());
    const value = largeBin(mib * MIB);
    const replies = await wire.call(['PING'], ['SET', 'key', value], ['PING']);
    expect(replies).toEqual(['PONG', true, 'PONG']);
    const [pong, read, exists] = await wire.call(['PING'], ['GET', 'key'], ['EXISTS', 'key']);
    expect([pong, exists]).toEqual(['PONG', 1]);
    expect(difference(bin(read as Buffer, 4), bin(value, 4))).toBeUndefined();
    await wire.close();
  });

  test('tells those who pass the limits by how much', { timeout: 60_000 }, async () => {
    const url = await start();
    const wire = await Wire.open(url);
    const [{ limits }] = (await wire.call(['HELLO'])) as [{ limits: Record<string, number> }];
    expect(limits).toMatchObject({ maxValueBytes: 64 * MIB, maxMessageBytes: 64.125 * MIB });
    const above = largeBin(64 * MIB + 1);
    const replies = (await wire.call(['PING'], ['SET', 'key', above], ['PING'])) as WireError[];
    expect(replies[1]).toEqual(new WireError('TOOLARGE the value is larger than this node takes'));
    expect(await wire.call(['EXISTS', 'key'])).toEqual([0]);
    for (const bytes of [limits.maxMessageBytes! + 1, 68 * MIB]) {
      const other = await Wire.open(url);
      other.sendRaw(Buffer.alloc(bytes));
      expect(await other.closed).toEqual({
        code: 1009,
        reason: `the message of ${bytes} bytes is above the limit of ${limits.maxMessageBytes}`,
      });
    }
    expect(await wire.call(['PING'])).toEqual(['PONG']);
  });

  test('refuses broken bytes behind a large value', { timeout: 60_000 }, async () => {
    const wire = await Wire.open(await start());
    const frame = encodeFrame(1, ['SET', 'key', largeBin(4 * MIB)]);
    wire.sendRaw(Buffer.concat([frame, Buffer.of(0x93, 0x11)]));
    expect(await wire.closed).toEqual({
      code: 1007,
      reason: `bytes from ${frame.length} on are no whole msgpack value`,
    });
  });

  test('pauses a client that reads no large replies', { timeout: 60_000 }, async () => {
    const url = await start();
    const value = largeBin(16 * MIB);
    const wire = await Wire.open(url);
    expect(await wire.call(['SET', 'key', value])).toEqual([true]);
    wire.pause();
    const count = 6;
    for (let id = 1; id <= count; id++) wire.sendRaw(encodeFrame(id, ['GET', 'key']));
    await untilPaused(url);
    expect((await stats(url)).traffic.frames).toBeLessThan(1 + count);
    wire.resume();
    for (let id = 1; id <= count; id++) {
      const reply = await wire.next();
      expect(reply.id).toBe(id);
      expect(value.equals(reply.replies[0] as Buffer)).toBe(true);
    }
  });

  test('lets one large frame wait, and no more behind it', { timeout: 60_000 }, async () => {
    const url = await start({ maxBacklog: '64kb' });
    const value = largeBin(16 * MIB);
    const [first, second] = [await Wire.open(url), await Wire.open(url)];
    expect(await first.call(['SET', 'key', value])).toEqual([true]);
    for (const wire of [first, second]) {
      wire.pause();
      const { pauses } = (await stats(url)).traffic;
      wire.sendRaw(encodeFrame(1, ['GET', 'key']));
      while ((await stats(url)).traffic.pauses === pauses);
      wire.sendRaw(encodeFrame(2, ['SET', 'other', largeBin(8 * MIB)]));
    }
    second.sendRaw(encodeFrame(3, ['PING']));
    while ((await stats(url)).traffic.backlogCloses === 0);
    first.resume();
    second.resume();
    expect(value.equals((await first.next()).replies[0] as Buffer)).toBe(true);
    expect(await first.next()).toEqual({ id: 2, replies: [true] });
    expect((await second.closed).code).toBe(1013);
  });

  test('takes no large message of a stranger', { timeout: 60_000 }, async () => {
    const url = await start({ token: 'secret' });
    const stranger = await Wire.open(url);
    const value = largeBin(4 * MIB);
    stranger.sendRaw(encodeFrame(1, ['SET', 'key', value]));
    const { code, reason } = await stranger.closed;
    expect(code).toBe(1009);
    expect(reason).toMatch(/^the message of \d+ bytes is above the limit of 131072 before HELLO$/);
    const wire = await Wire.open(url);
    await wire.call(['HELLO', { token: 'secret' }]);
    expect(await wire.call(['SET', 'key', value])).toEqual([true]);
  });
});
