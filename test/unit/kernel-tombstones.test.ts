/** What a node remembers of the keys that it deletes itself: engine/kernel/tombstones.ts. */
import { describe, expect, it } from 'vitest';
import { DELETED, LOG_DELETE, REASON_MASK } from '#engine/log-record.js';
import { KIB } from '../support/kernel-memory.js';
import { command, integer, NIL, str, type Wire } from '../support/kernel-wire.js';
import { Peer } from '../support/replicas.js';

const NOW_MS = 1_900_000_000_000;
const TOMBSTONE_MS = 5_000;

type Options = NonNullable<ConstructorParameters<typeof Peer>[1]>;
const open = (options: Options = {}): Peer =>
  new Peer(1, { tombstoneMs: TOMBSTONE_MS, policy: 'none', ...options }, NOW_MS);

const stampsOf = (peer: Peer, key = 'k') => {
  const { stamp, tombstone } = peer.replica.stampOf(Buffer.from(key), peer.nowMs);
  return { stamp, tombstone };
};
const tombstonesOf = (peer: Peer): number =>
  Array.from({ length: peer.arena.facts.partitions }, (_, i) =>
    peer.memory.u32(peer.memory.partition(i, 'tombstones')),
  ).reduce((sum, count) => sum + count);

const key = str('k');
const DELETIONS: Record<string, [before: Wire, deletion: Wire]> = {
  DEL: [command('SET', key, integer(1)), command('DEL', str('other'), key)],
  'DEL of a value in pieces': [command('SET', key, str('v'.repeat(9_000))), command('DEL', key)],
  'DEL of a large set': [
    command('SADD', key, ...Array.from({ length: 300 }, (_, i) => integer(i))),
    command('DEL', key),
  ],
  GETDEL: [command('SET', key, integer(1), integer(500)), command('GETDEL', key)],
  UNLOCK: [command('LOCK', key, str('me'), integer(500)), command('UNLOCK', key, str('me'))],
  RENAME: [command('SET', key, integer(1)), command('RENAME', key, str('new'))],
  'RENAME of a set': [command('SADD', key, integer(1)), command('RENAME', key, str('new'))],
  SREM: [command('SADD', key, integer(1)), command('SREM', key, integer(1))],
  SPOP: [command('SADD', key, integer(1)), command('SPOP', key, integer(1))],
  SMOVE: [command('SADD', key, integer(1)), command('SMOVE', key, str('new'), integer(1))],
  LPOP: [command('RPUSH', key, integer(1)), command('LPOP', key)],
  LTRIM: [command('RPUSH', key, integer(1)), command('LTRIM', key, integer(1), integer(0))],
  HDEL: [command('HSET', key, str('f'), integer(1)), command('HDEL', key, str('f'))],
  ZPOPMIN: [command('ZADD', key, NIL, integer(1), str('m')), command('ZPOPMIN', key)],
  SUNIONSTORE: [command('SET', key, integer(1)), command('SUNIONSTORE', key, str('a'), str('b'))],
};

describe('a key that a command deletes', () => {
  it.each(Object.entries(DELETIONS))('leaves a tombstone: %s', (_, [before, deletion]) => {
    const peer = open({ packedItems: 6 });
    peer.run(before);
    peer.logged();
    peer.run(deletion);
    const told = peer.records().filter(({ kind, key }) => kind === LOG_DELETE && `${key}` === 'k');
    expect(told.map(({ detail }) => detail & REASON_MASK)).toEqual([DELETED]);
    // With the very stamp that others are told.
    expect(stampsOf(peer)).toEqual({ stamp: 0n, tombstone: told[0]!.stamp });
    expect(tombstonesOf(peer)).toBe(1);
    expect(peer.arena.stats().entries).toBe(_.startsWith('RENAME') || _ === 'SMOVE' ? 1 : 0);
    expect(peer.arena.checkIntegrity()).toBeUndefined();
    peer.nowMs += 2 * TOMBSTONE_MS;
    while (peer.arena.kernel.upkeep(peer.arena.slot, peer.nowMs) === 0);
    expect(stampsOf(peer)).toEqual({ stamp: 0n, tombstone: 0n });
    expect(tombstonesOf(peer)).toBe(0);
  });

  it('has one tombstone, of the last deletion', () => {
    const peer = open();
    const stamps = [1, 2, 3].map(() => {
      peer.run(command('SET', key, integer(1)), command('DEL', key));
      return stampsOf(peer).tombstone;
    });
    expect(stamps).toEqual([...new Set(stamps)].sort());
    expect(tombstonesOf(peer)).toBe(1);
    peer.run(command('SET', key, integer(1)));
    expect(stampsOf(peer).stamp).toBeGreaterThan(stamps[2]!);
    expect(peer.arena.checkIntegrity()).toBeUndefined();
  });

  it('leaves one while nobody reads the log, too', () => {
    const peer = open();
    peer.reader.close();
    peer.run(command('SET', key, integer(1)));
    const { stamp } = stampsOf(peer);
    peer.run(command('DEL', key));
    expect(stampsOf(peer).tombstone).toBeGreaterThan(stamp);
  });

  it('leaves none where it was not there, or has expired', () => {
    const peer = open();
    peer.run(command('DEL', key), command('SET', key, integer(1), integer(50)));
    peer.nowMs += 50;
    peer.run(command('DEL', key));
    expect(tombstonesOf(peer)).toBe(0);
  });

  it('is remembered though the cache is full: its chunk is at hand', () => {
    const peer = open({ memoryBytes: 500 * KIB });
    const value = str('v'.repeat(2_000));
    // What has expired lets the wheel have blocks.
    peer.run(command('SET', str('first'), str('v'.repeat(500)), integer(500)));
    let count = 0;
    while (peer.one(command('SET', str(`key ${count}`), value))[0] === 0xc3) count++;
    for (let i = 0; i < count; i += 10) {
      expect(peer.one(command('DEL', str(`key ${i}`)))).toEqual(integer(1));
      expect(stampsOf(peer, `key ${i}`).tombstone).toBeGreaterThan(0n);
      expect(peer.arena.checkIntegrity()).toBeUndefined();
    }
    expect(peer.arena.stats().evictions).toBe(0);
  });

  it('is deleted though there is no memory to remember it by', () => {
    const peer = open({ memoryBytes: 500 * KIB });
    const value = str('v'.repeat(3_000));
    let count = 0;
    while (peer.one(command('SET', str(`key ${count}`), value))[0] === 0xc3) count++;
    expect(peer.one(command('DEL', str('key 5')))).toEqual(integer(1));
    expect(peer.one(command('EXISTS', str('key 5')))).toEqual(integer(0));
    expect(peer.arena.checkIntegrity()).toBeUndefined();
  });
});
