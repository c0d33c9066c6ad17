/**
 * Namespaces in the kernel: where they stand, what happens when epochs come round, and who may name
 * them.
 */
import { attachCache, type Cache, openCache } from 'slabring';
import { beforeEach, describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { NAMESPACED_KEY_EXT_TYPE } from '#engine/commands.js';
import { FrameExecutor } from '#engine/frame.js';
import { NAMESPACED_KEY } from '#engine/keys.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import { type Space, Spaces } from '#engine/space.js';
import { ArenaMemory, Bench, Entry, EPOCH_BITS, Flag, MIB } from '../support/kernel-memory.js';
import { command, integer, NIL, str, TRUE } from '../support/kernel-wire.js';

const ROUND = 2 ** EPOCH_BITS;

/** A key of a namespace as frames have it. */
function namespaced(prefix: number, key: string): Buffer {
  const payload = Buffer.from(`____${key}`);
  payload.writeUInt32LE(prefix);
  return Buffer.concat([Buffer.of(0xc7, payload.length, NAMESPACED_KEY_EXT_TYPE), payload]);
}

describe('an arena with namespaces', () => {
  let bench: Bench;
  let own: FrameExecutor<undefined>;

  beforeEach(() => {
    bench = new Bench({ maxNamespaces: 3 });
    own = new FrameExecutor(bench.arena, () => 'host', { isHosts: true, now: () => bench.nowMs });
  });

  const openNamespace = (name: string): number => {
    bench.arena.request.set(Buffer.from(name));
    return bench.arena.kernel.openNamespace(bench.arena.slot, Buffer.byteLength(name));
  };

  const run = (...commands: Buffer[]): Buffer => {
    const result = own.execute(Buffer.concat([Buffer.of(1), ...commands]), undefined);
    return Buffer.from((result as Uint8Array).slice(1));
  };

  it('has names, prefixes, rows and entries where they stand', () => {
    const { memory } = bench;
    expect([openNamespace('a'), openNamespace('bc'), openNamespace('a')]).toEqual([1, 2, 1]);
    expect(memory.header('namespaceCount')).toBe(2);
    expect(memory.bytes.subarray(memory.nameAt(2), memory.nameAt(2) + 3).toString()).toBe('\x02bc');
    memory.setU32(memory.epochAt(2), 5);
    const prefix = (2 << EPOCH_BITS) | 5;
    expect(run(command('SET', namespaced(prefix, 'key'), integer(1000)))).toEqual(TRUE);
    const stored = Buffer.from('____key');
    stored.writeUInt32LE(prefix);
    const entry = memory.entry(stored);
    expect(memory.u8(entry + Entry.flags)).toBe(Flag.NAMESPACED);
    expect(memory.u16(entry + Entry.keyBytes)).toBe(7);
    expect(memory.u32(memory.row(0, 2))).toBe(prefix);
    expect(memory.u32(memory.row(0, 2, 'entries'))).toBe(1);
    expect(memory.u64(memory.row(0, 2, 'bytes'))).toBe(6n);
    expect(memory.u64(memory.row(0, 2, 'sets'))).toBe(1n);
    expect(memory.u32(memory.row(0, 2, 'sizes') + 4 * 2)).toBe(1);
    expect(memory.u32(memory.partition(0, 'spaced'))).toBe(1);
    expect(memory.u64(memory.partition(0, 'spacedBytes'))).toBe(6n);
    run(command('DEL', namespaced(prefix, 'key')));
    expect(memory.u64(memory.row(0, 2, 'deletes'))).toBe(1n);
    expect(memory.u32(memory.row(0, 2, 'entries'))).toBe(0);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('tells a key of a namespace from the same bytes', () => {
    openNamespace('a');
    const bytes = Buffer.from('____key');
    bytes.writeUInt32LE(1 << EPOCH_BITS);
    run(command('SET', namespaced(1 << EPOCH_BITS, 'key'), integer(1)));
    expect(bench.one(command('GET', str(bytes)))).toEqual(NIL);
    bench.one(command('SET', str(bytes), integer(2)));
    expect(run(command('GET', namespaced(1 << EPOCH_BITS, 'key')))).toEqual(integer(1));
    expect(bench.one(command('GET', str(bytes)))).toEqual(integer(2));
    expect(bench.one(command('DEL', str(bytes)))).toEqual(integer(1));
    expect(run(command('GET', namespaced(1 << EPOCH_BITS, 'key')))).toEqual(integer(1));
  });

  it('takes such keys from the host only', () => {
    openNamespace('a');
    const key = namespaced(1 << EPOCH_BITS, 'key');
    run(command('SET', key, integer(1)));
    for (const name of ['GET', 'DEL', 'TTL', 'TOUCH', 'GETV', 'INCR'] as const) {
      expect(bench.one(command(name, key)).toString()).toMatch(/SYNTAX a key is a str or bin/);
    }
    expect(bench.one(command('SET', key, integer(2))).toString()).toMatch(/SYNTAX a key is/);
    expect(run(command('GET', key))).toEqual(integer(1));
    // So is it with a second one.
    const two = command('DEL', str('a'), key);
    expect(bench.one(two).toString()).toMatch(/SYNTAX a key is a str or bin/);
    expect(run(two)).toEqual(integer(1));
    expect(run(command('GET', key))).toEqual(NIL);
    // One without a key behind its prefix, or of another type, is none.
    expect(run(command('GET', namespaced(1 << EPOCH_BITS, ''))).toString()).toMatch(/SYNTAX a key/);
    const other = Buffer.from(key);
    other[2] = 4;
    expect(run(command('GET', other)).toString()).toMatch(/SYNTAX a key is a str or bin/);
  });

  it('does not store what comes with an epoch that is over', () => {
    openNamespace('a');
    const { kernel, slot } = bench.arena;
    const old = namespaced(1 << EPOCH_BITS, 'key');
    expect(kernel.clearNamespace(slot, 1, -1)).toBe(0);
    expect(run(command('SET', old, integer(1)), command('GET', old))).toEqual(
      Buffer.concat([TRUE, NIL]),
    );
    expect(bench.arena.stats().entries).toBe(0);
    expect(bench.memory.u32(bench.memory.partition(0, 'spaced'))).toBe(0);
  });
});

describe.each([1, 3])('an epoch that comes round, with %i arena(s)', (arenas) => {
  const open = () => {
    const set = ArenaSet.create({
      memoryBytes: arenas * 4 * MIB,
      arenas,
      partitions: 2,
      policy: 'none',
      maxValueBytes: MIB,
      maxThreads: 2,
      maxNamespaces: 2,
    });
    const spaces = new Spaces(set);
    const memories = set.arenas.map((arena) => new ArenaMemory(arena));
    const setEpoch = (epoch: number): void => {
      for (const memory of memories) memory.setU32(memory.epochAt(1), epoch);
    };
    return { set, space: spaces.open('a'), memories, setEpoch };
  };

  /** Stores a key straight in its arena. */
  const store = (set: ArenaSet, space: Space, key: string): void => {
    const { request, kernel, slot } = set.arenas[set.routes?.arenaOf(key) ?? 0]!;
    const bytes = Buffer.from(`____${key}1`);
    bytes.writeUInt32LE(space.prefix());
    request.set(bytes);
    const word = NAMESPACED_KEY | (bytes.length - 1);
    expect(kernel.setDirect(slot, word, 1, 0, 0, 0, Date.now())).toBe(1);
  };

  it('first sweeps what has its bits', () => {
    const { set, space, setEpoch } = open();
    // Of the very epoch that comes next.
    for (let i = 0; i < 500; i++) store(set, space, `old ${i}`);
    setEpoch(ROUND - 1);
    for (let i = 0; i < 300; i++) store(set, space, `last ${i}`);
    expect(space.stats().entries).toBe(300);
    space.clear();
    expect(space.epoch).toBe(ROUND);
    expect(space.prefix()).toBe(1 << EPOCH_BITS);
    expect(space.stats()).toMatchObject({ entries: 0, bytes: 0, sizes: [] });
    const left = set.arenas.map((arena) =>
      arena.kernel.scan(arena.slot, 0, 9, 0, 0, space.prefix()),
    );
    expect(left.length).toBe(arenas);
    for (const arena of set.arenas) {
      expect(new Uint32Array(arena.reply.buffer, arena.reply.byteOffset, 1)[0]).toBe(0);
    }
    store(set, space, 'new');
    expect(space.stats().entries).toBe(1);
    expect(set.stats().entries).toBe(1);
    expect(set.checkIntegrity()).toBeUndefined();
    set.close();
  });

  it('does not bring back what was there in its last one a round ago', () => {
    const { set, space, setEpoch } = open();
    setEpoch(ROUND - 2);
    space.clear();
    const prefix = space.prefix();
    for (let i = 0; i < 300; i++) store(set, space, `last ${i}`);
    // Sweeps first, but not what is there still.
    space.clear();
    expect(space.epoch).toBe(ROUND);
    setEpoch(2 * ROUND - 2);
    space.clear();
    expect(space.prefix()).toBe(prefix);
    expect(space.stats().entries).toBe(0);
    expect(set.stats().entries).toBe(0);
    for (let i = 0; i < 300; i++) {
      const key = Buffer.from(`____last ${i}`);
      key.writeUInt32LE(prefix);
      const { request, kernel, slot } = set.arenas[set.routes?.arenaOf(`last ${i}`) ?? 0]!;
      request.set(key);
      expect(kernel.getDirect(slot, NAMESPACED_KEY | key.length, Date.now())).toBeLessThan(0);
    }
    expect(set.checkIntegrity()).toBeUndefined();
    set.close();
  });

  it('also as 32 bits', () => {
    const { set, space, setEpoch } = open();
    store(set, space, 'old');
    setEpoch(2 ** 32 - 1);
    store(set, space, 'last');
    space.clear();
    expect(space.epoch).toBe(0);
    expect(space.stats().entries).toBe(0);
    store(set, space, 'new');
    space.clear();
    expect(space.stats().entries).toBe(0);
    expect(set.checkIntegrity()).toBeUndefined();
    set.close();
  });
});

describe('a clear that another arena was not told of', () => {
  it('is made up for before a key is used there', () => {
    const cache = openCache({ memory: '16mb', arenas: 2, partitions: 1 });
    const users = cache.namespace('users');
    for (let i = 0; i < 100; i++) users.set(`key ${i}`, i);
    // The first half of what clearing does, by a thread that then dies.
    const set = ArenaSet.attach(cache.share().arenas);
    const [first] = set.arenas;
    first!.kernel.clearNamespace(first!.slot, 1, -1);
    expect(users.size).toBe(0);
    for (let i = 0; i < 100; i++) expect(users.get(`key ${i}`)).toBeUndefined();
    first!.kernel.clearNamespace(first!.slot, 1, -1);
    for (let i = 0; i < 100; i++) users.set(`key ${i}`, i);
    expect(users.size).toBe(100);
    first!.kernel.clearNamespace(first!.slot, 1, -1);
    expect(
      users.setMany([
        ['a', 1],
        ['b', 2],
        ['c', 3],
        ['d', 4],
      ]),
    ).toEqual([true, true, true, true]);
    expect(users.getMany(['a', 'b', 'c', 'd'])).toEqual([1, 2, 3, 4]);
    expect([...users.keys()].sort()).toEqual(['a', 'b', 'c', 'd']);
    set.close();
    cache.close();
  });
});

describe('after a death', () => {
  let cache: Cache;
  beforeEach(() => {
    cache = openCache({ memory: '8mb', partitions: 1 });
  });

  it('of who cleared: what was cleared is found', () => {
    const users = cache.namespace('users');
    for (let i = 0; i < 100; i++) users.set(`key ${i}`, i);
    const set = ArenaSet.attach(cache.share().arenas);
    const [arena] = set.arenas;
    const memory = new ArenaMemory(arena!);
    // The epoch was raised, nothing else; the lock is held.
    memory.setU32(memory.epochAt(1), 1);
    const word = memory.partition(0, 'word');
    memory.setU64(word, memory.u64(word) | BigInt(arena!.slot + 1));
    arena!.block[0] = NO_OS_THREAD - 1;
    expect(users.get('key 1')).toBeUndefined();
    expect(users.set('key 1', 'new')).toBe(true);
    expect(cache.stats()).toMatchObject({ entries: 1, takeovers: 1, partitionsEmptied: 0 });
    expect(memory.header('namespaceClears')).toBeGreaterThan(0);
    expect(cache.checkIntegrity()).toBeUndefined();
    cache.close();
  });

  it('that empties a partition: its rows are empty', () => {
    const users = cache.namespace('users');
    for (let i = 0; i < 100; i++) users.set(`key ${i}`, i);
    const other = attachCache(cache.share());
    const set = ArenaSet.attach(cache.share().arenas);
    const [arena] = set.arenas;
    const memory = new ArenaMemory(arena!);
    memory.setU32(memory.row(0, 1, 'entries'), 7);
    const word = memory.partition(0, 'word');
    memory.setU64(word, memory.u64(word) | BigInt(arena!.slot + 1));
    arena!.block[0] = NO_OS_THREAD - 1;
    users.set('key 1', 'new');
    expect(cache.stats()).toMatchObject({ takeovers: 1, partitionsEmptied: 1 });
    expect(users.stats()).toMatchObject({ entries: 1, sizes: [{ from: 4, to: 7, entries: 1 }] });
    expect(other.namespace('users').get('key 1')).toBe('new');
    expect(cache.checkIntegrity()).toBeUndefined();
    other.close();
    cache.close();
  });
});
