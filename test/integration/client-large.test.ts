/** The client and a node with values to 64 MiB. */
import { type NodeOptions, type SlabringNode, startNode } from 'slabring/server';
import { afterEach, describe, expect, test } from 'vitest';
import { Client } from '#client/client.js';

const MIB = 1024 ** 2;
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: NodeOptions = {}): Promise<{ node: SlabringNode; client: Client }> {
  const node = await startNode(
    { port: 0, memory: '320mb', threads: 1, ...options },
    { onWarning: () => {} },
  );
  cleanups.push(() => node.close());
  const client = new Client(node.urls[0]!, { timeout: '30s' });
  cleanups.push(() => client.close({ wait: false }));
  await client.ready();
  return { node, client };
}

/** Different in each MiB, and for each seed. */
function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length, seed);
  for (let at = 0; at + 4 <= length; at += MIB / 2) bytes.writeUInt32BE(at + seed, at);
  return bytes;
}

const HEADER_BYTES = 5;

test.each([1, 8, 64])('values of %i MiB', { timeout: 60_000 }, async (mib) => {
  const { client } = await open();
  const value = bytesOf(mib * MIB - HEADER_BYTES, 1);
  expect(await client.setBytes('key', value)).toBe(true);
  const read = (await client.getBytes('key'))!;
  expect(value.equals(read)).toBe(true);
});

describe('large values', () => {
  test('may be of any kind', { timeout: 60_000 }, async () => {
    const { client } = await open();
    const text = `${'xé€🙂'.repeat(MIB)}.`;
    expect(await client.set('text', text)).toBe(true);
    expect((await client.get('text')) === text).toBe(true);
    const list = Array.from({ length: 300_000 }, (_, i) => ({ i, name: `item ${i}` }));
    expect(await client.set('list', list)).toBe(true);
    expect(await client.get('list')).toEqual(list);
    expect((await client.swap('text', 'short')) === text).toBe(true);
    const { value, version } = (await client.getVersioned<typeof list>('list'))!;
    expect(value).toHaveLength(300_000);
    expect(await client.set('list', text, { ifVersion: Number(version) + 1 })).toBe(false);
    expect(await client.set('list', text, { ifVersion: version })).toBe(true);
  });

  test('keep the order of commands, many at a time', { timeout: 60_000 }, async () => {
    const { client } = await open({ maxBacklog: '64kb' });
    const values = Array.from({ length: 8 }, (_, i) => bytesOf(3 * MIB + i, i));
    const calls = values.flatMap((value, i) => [
      client.increment('n'),
      client.setBytes('key', value),
      client.getBytes('key').then((read) => value.equals(read!)),
      client.set(`small ${i}`, i),
      client.get(`small ${i}`),
    ]);
    const expected = values.flatMap((_, i) => [i + 1, true, true, true, i]);
    expect(await Promise.all(calls)).toEqual(expected);
  });

  test('are refused by whoever sees first that they are too large', {
    timeout: 60_000,
  }, async () => {
    const { client } = await open({ maxValue: '2mb' });
    await expect(client.setBytes('key', bytesOf(2 * MIB, 1))).rejects.toMatchObject({
      code: 'TOOLARGE',
      message: 'the value is larger than this node takes',
    });
    await expect(client.setBytes('key', bytesOf(3 * MIB, 1))).rejects.toMatchObject({
      code: 'TOOLARGE',
      message: expect.stringMatching(
        /^the message has \d+ bytes and the server takes at most 2228224/,
      ),
    });
    expect(await client.has('key')).toBe(false);
  });
});
