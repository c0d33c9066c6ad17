/**
 * `atomic`: commands in one step, with guards. One body of tests for the cache, a namespace of it,
 * a cache of several arenas with structures, and a client of a real node.
 */
import { type AtomicCommand, type Cache, openCache, SlabringError, type Version } from 'slabring';
import { type Client, connect } from 'slabring/client';
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { COMMANDS, type CommandName } from '#engine/commands.js';
import { type AtomicCommandName, NOT_IN_STEPS } from '#engine/handles/atomic.js';
import { type SlabringNode, startNode } from '#server/index.js';

/** What has steps, each call as a client's. */
type Store = Pick<Client, 'atomic' | 'get' | 'set' | 'getVersioned' | 'list' | 'hash'>;

let cache: Cache;
let several: Cache;
let node: SlabringNode;
let client: Client;

beforeAll(async () => {
  cache = openCache({ memory: '32mb' });
  several = openCache({ memory: '64mb', arenas: 3, structures: true, decoded: true });
  node = await startNode({ port: 0, memory: '32mb', threads: 1 });
  client = await connect(node.urls[0]!);
});

afterAll(async () => {
  for (const each of [cache, several]) {
    expect(each.checkIntegrity()).toBeUndefined();
    each.close();
  }
  await client.close();
  await node.close();
});

const STORES: [name: string, open: () => Store][] = [
  ['a cache', () => cache as unknown as Store],
  ['a namespace', () => cache.namespace('some') as unknown as Store],
  ['several arenas', () => several as unknown as Store],
  ['a client', () => client],
];

/** What a call throws or rejects with. */
async function failure(call: () => unknown): Promise<SlabringError> {
  try {
    await call();
  } catch (error) {
    return error as SlabringError;
  }
  throw new Error('no error');
}

let count = 0;
/** Keys of one arena that nothing is at. */
let [one, other] = ['', ''];
beforeEach(() => {
  count++;
  [one, other] = [`{${count}} one`, `{${count}} other`];
});

describe.each(STORES)('%s', (_, open) => {
  let store: Store;
  beforeEach(() => {
    store = open();
  });

  it('runs commands of all kinds in their order, and replies to each', async () => {
    const user = { name: 'Ada', tags: ['x', 'y'] };
    const result = await store.atomic([
      ['SET', one, user],
      ['GET', one],
      ['GET', other],
      ['RPUSH', other, 1, 'two', Uint8Array.of(3), null],
      ['LRANGE', other, 0, -1],
      ['MSET', `${one} a`, 1, `${one} b`, 2, 60_000],
      ['MGET', `${one} b`, `${one} c`],
      ['TTL', `${one} a`],
      ['HSET', `${one} hash`, 'user', user],
      ['RENAME', other, `${one} list`],
      ['PING'],
    ]);
    expect(result).toMatchObject({ done: true });
    const [set, got, absent, pushed, range, ...rest] = result.done ? result.replies : [];
    expect([set, got, absent, pushed]).toEqual([true, user, null, 4]);
    const [first, second, third, fourth] = range as unknown[];
    expect([first, second, Buffer.from(third as Uint8Array), fourth]).toEqual([
      ...[1, 'two'],
      ...[Buffer.of(3), null],
    ]);
    expect(rest).toEqual([true, [2, null], expect.any(Number), 1, true, 'PONG']);
    expect(await store.get(one)).toEqual(user);
    expect(await store.hash(`${one} hash`).get('user')).toEqual(user);
    expect(await store.list(`${one} list`).length()).toBe(4);
  });

  it('runs those on several keys apart, too', async () => {
    const result = await store.atomic([
      ['MSET', one, 1, other, 2],
      ['EXISTS', one, `${one} none`, other],
      ['TOUCH', other, one],
      ['DEL', one, `${one} none`, other],
      ['EXISTS', one, other],
    ]);
    expect(result).toEqual({ done: true, replies: [true, 2, 2, 2, 0] });
  });

  it('replies the error of a command that fails, and runs the others', async () => {
    await store.set(one, 'text');
    const result = await store.atomic([
      ['INCR', one],
      ['SET', other, 1],
    ]);
    const [failed, done] = result.done ? result.replies : [];
    expect(failed).toMatchObject({ code: 'WRONGTYPE' });
    expect(failed instanceof Error).toBe(true);
    expect(done).toBe(true);
    expect(await store.get(other)).toBe(1);
  });

  it('runs nothing when a guard does not hold, and names its key', async () => {
    await store.set(one, 1);
    const { version } = (await store.getVersioned(one))!;
    const run = (...guards: { key: string | Uint8Array; version: Version | undefined }[]) =>
      store.atomic([['SET', other, 1]], { guards });
    const guard = { key: one, version };
    const absent = { key: other, version: undefined };
    expect(await run(absent, { key: one, version: undefined })).toEqual({
      done: false,
      failedKey: one,
    });
    expect(await run(guard, { key: other, version: 0 })).toEqual({
      done: false,
      failedKey: other,
    });
    expect(await store.get(other)).toBeUndefined();
    expect(await run(guard, absent)).toEqual({ done: true, replies: [true] });
    const bytes = Buffer.from(other);
    expect(await run(guard, { key: bytes, version: undefined })).toEqual({
      done: false,
      failedKey: bytes,
    });
    await store.set(one, 2);
    expect(await run(guard)).toEqual({ done: false, failedKey: one });
  });

  it('refuses what is no command, and does nothing', async () => {
    const wrong: [commands: unknown, options: unknown, code: string, message: RegExp][] = [
      [Array(1024).fill(['PING']), undefined, 'OPTION', /1 to 1024 commands, not 1025/],
      ['GET', undefined, 'OPTION', /takes an iterable/],
      [['GET'], undefined, 'OPTION', /takes \[command, \.\.\.arguments\]/],
      [[['get', one]], undefined, 'OPTION', /no command 'get'; did you mean 'GET'\?/],
      [[['toString', one]], undefined, 'OPTION', /no command 'toString'; docs\/PROTOCOL/],
      [[[]], undefined, 'OPTION', /no command undefined/],
      [[['HELLO']], undefined, 'OPTION', /no command of the node itself, such as 'HELLO'/],
      [[['ATOMIC', []]], undefined, 'OPTION', /no command of the node itself, such as 'ATOMIC'/],
      [[['GET', '']], undefined, 'OPTION', /key/],
      [[['GET', 5]], undefined, 'OPTION', /key/],
      [[['SET', one, () => 1]], undefined, 'OPTION', /function|cannot be stored/],
      [[['GET']], undefined, 'SYNTAX', /wrong number of arguments, 0: GET takes key$/],
      [[['LSET', one, 1, 2, 3]], undefined, 'SYNTAX', /4: LSET takes key, index, element$/],
      [[['PING']], { guard: [] }, 'OPTION', /guards/],
      [[['PING']], { guards: [{ key: one, version: -1 }] }, 'OPTION', /version must be/],
      [[['PING']], { guards: [{ key: '', version: 1 }] }, 'OPTION', /key/],
    ];
    for (const [commands, options, code, message] of wrong) {
      const list = Array.isArray(commands) ? [['SET', other, 1], ...commands] : commands;
      const error = await failure(() => store.atomic(list as AtomicCommand[], options as object));
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    }
    expect(await failure(() => store.atomic([]))).toMatchObject({
      code: 'OPTION',
      message: 'atomic takes 1 to 1024 commands, not 0',
    });
    expect(await store.get(other)).toBeUndefined();
  });
});

it('keys of several arenas are refused', async () => {
  const commands = Array.from({ length: 40 }, (_, i): AtomicCommand => ['SET', `key ${i}`, i]);
  const error = await failure(() => several.atomic(commands));
  expect(error).toBeInstanceOf(SlabringError);
  expect(error.code).toBe('CROSSSLOT');
  expect(several.getMany(['key 0', 'key 39'])).toEqual([undefined, undefined]);
});

it('what the kernel refuses in a step is refused by name and type, and nothing else', () => {
  const host = Object.entries(COMMANDS).filter(([name, row]) => row.host || name === 'ATOMIC');
  expect([...NOT_IN_STEPS].sort()).toEqual(host.map(([name]) => name).sort());
  expectTypeOf<'GET'>().toExtend<AtomicCommandName>();
  expectTypeOf<'FLUSH'>().not.toExtend<AtomicCommandName>();
  expectTypeOf<AtomicCommandName>().toExtend<CommandName>();
});
