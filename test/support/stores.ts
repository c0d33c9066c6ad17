/**
 * What lists, sets, hashes and sorted sets are tested in: a cache, a namespace of it, a cache of
 * several arenas with structures, and a client of a real node.
 */
import { type Cache, openCache } from 'slabring';
import { type Client, connect } from 'slabring/client';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { type SlabringNode, startNode } from '#server/index.js';

/** What has handles. */
type Store = Pick<Cache | Client, 'list' | 'members' | 'hash' | 'sorted'>;
type Keys = Pick<Client, 'get' | 'set' | 'getMany' | 'delete' | 'deleteMany' | 'ttl' | 'expire'>;

export let cache: Cache;
export let client: Client;
/** A key that nothing is at, another one for each test. */
export let key = '';

/** Of several arenas. */
export let several: Cache;
let node: SlabringNode;
let count = 0;

/** Opens the stores for the tests of a file, and closes them, sound, behind the last one. */
export function useStores(): void {
  beforeAll(async () => {
    cache = openCache({ memory: '64mb' });
    several = openCache({ memory: '64mb', arenas: 3, structures: true, decoded: true });
    node = await startNode({ port: 0, memory: '64mb', threads: 1 });
    client = await connect(node.urls[0]!);
  });

  beforeEach(() => {
    key = `key ${count++}`;
  });

  afterAll(async () => {
    expect(cache.checkIntegrity()).toBeUndefined();
    expect(several.checkIntegrity()).toBeUndefined();
    cache.close();
    several.close();
    await client.close();
    await node.close();
  });
}

export const STORES: [name: string, open: () => Store & Keys][] = [
  ['a cache', () => cache as unknown as Store & Keys],
  ['a namespace', () => cache.namespace('some') as unknown as Store & Keys],
  ['several arenas', () => several as unknown as Store & Keys],
  ['a client', () => client],
];

/** The message of the error that a call throws or rejects with. */
export async function failure(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code}: ${message}`;
  }
  return 'no error';
}
