/** Applying another node's records: what each kind does, what is counted, and what is told on. */
import { describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import {
  DELETED,
  EVICTED,
  EXPIRED,
  LOG_CLEAR,
  LOG_DELETE,
  LOG_EFFECT,
  LOG_EXPIRE,
  LOG_SET,
  NAMESPACED,
  REMOTE,
  type RecordParts,
  readRecord,
  VALUE_LEFT_OUT,
  writeRecord,
} from '#engine/log-record.js';
import { Replica } from '#engine/replica.js';
import { Entry, KIB, MIB } from '../support/kernel-memory.js';
import { command, integer, integerOf, NIL, str, TRUE, type Wire } from '../support/kernel-wire.js';
import { Peer } from '../support/replicas.js';

const NOW_MS = 1_900_000_000_000;
const TOMBSTONE_MS = 60_000;
const key = Buffer.from('some key');

/** A stamp of another node, so many ms after the test's clock. */
const stampAt = (ms: number): bigint => (BigInt(NOW_MS + ms) << 22n) | 900n;

const record = (parts: Partial<RecordParts> & { kind: number }): Buffer =>
  writeRecord({ key, stamp: stampAt(1), ...parts });
const set = (ms: number, value: Wire, more: Partial<RecordParts> = {}): Buffer =>
  record({ kind: LOG_SET, stamp: stampAt(ms), value, ...more });
const gone = (ms: number, reason = DELETED, more: Partial<RecordParts> = {}): Buffer =>
  record({ kind: LOG_DELETE, stamp: stampAt(ms), detail: reason, ...more });

/** An effect's value: the time, a code, arguments. */
function effectOf(code: number, ...args: readonly Wire[]): Buffer {
  const head = Buffer.alloc(12);
  head.writeDoubleLE(NOW_MS, 0);
  head.writeUInt16LE(code, 8);
  head.writeUInt16LE(args.length, 10);
  return Buffer.concat([head, ...args]);
}
const SADD = 0x40;
const SREM = 0x41;
const effect = (ms: number, base: bigint, value: Buffer): Buffer =>
  record({ kind: LOG_EFFECT, stamp: stampAt(ms), base, value });

const open = (options: Parameters<typeof Arena.create>[0] | object = {}): Peer =>
  new Peer(1, { tombstoneMs: TOMBSTONE_MS, policy: 'none', ...options }, NOW_MS);

const apply = (peer: Peer, ...records: readonly Buffer[]) => {
  const { applied, refused, missing, unstored } = peer.replica.applyRecords(
    Buffer.concat(records),
    peer.nowMs,
  );
  expect(peer.arena.checkIntegrity()).toBeUndefined();
  return [applied, refused, missing, unstored];
};
const get = (peer: Peer): Wire => peer.one(command('GET', str(key)));
const told = (peer: Peer) =>
  peer.records().map(({ kind, detail, stamp }) => [kind, detail & ~0x90, stamp]);

const APPLIED = [1, 0, [], []];
const NOTHING = [0, 0, [], []];
const REFUSED = [0, 1, [], []];
const MISSING = [0, 0, [0], []];

describe('a value', () => {
  it('is stored with its stamp and its expiry, and told on as another node’s', () => {
    const peer = open();
    expect(apply(peer, set(1, str('v'), { expiryMs: NOW_MS + 500 }))).toEqual(APPLIED);
    expect(get(peer)).toEqual(str('v'));
    const { stamp, expiryMs, kind } = peer.replica.stampOf(key, NOW_MS);
    expect([stamp, expiryMs, kind]).toEqual([stampAt(1), NOW_MS + 500, 1]);
    expect(told(peer)).toEqual([[LOG_SET, REMOTE, stampAt(1)]]);
  });

  it('counts once, however often it comes', () => {
    const peer = open();
    expect(apply(peer, set(1, str('v')), set(1, str('v')))).toEqual(APPLIED);
    expect(apply(peer, set(1, str('v')))).toEqual(NOTHING);
  });

  it('does not overwrite what is newer', () => {
    const peer = open();
    expect(apply(peer, set(2, str('new')), set(1, str('old')))).toEqual([1, 1, [], []]);
    expect(get(peer)).toEqual(str('new'));
  });

  it('takes the place of anything older', () => {
    const peer = open();
    peer.run(command('SADD', str(key), str('m')));
    expect(apply(peer, set(1, str('v')))).toEqual(APPLIED);
    expect(get(peer)).toEqual(str('v'));
  });

  it('is older than what is written here next', () => {
    const peer = open();
    apply(peer, set(50, str('v')));
    peer.run(command('SET', str(key), str('w')));
    expect(peer.replica.stampOf(key, NOW_MS).stamp).toBeGreaterThan(stampAt(50));
    expect(peer.replica.clock()).toBe(peer.replica.stampOf(key, NOW_MS).stamp);
    expect(apply(peer, set(50, str('v')))).toEqual(REFUSED);
  });

  it('that has expired by now takes what is older away, and is none', () => {
    const peer = open();
    expect(apply(peer, set(1, str('v'), { expiryMs: NOW_MS }))).toEqual(NOTHING);
    apply(peer, set(2, str('v')));
    peer.logged();
    expect(apply(peer, set(3, str('v'), { expiryMs: NOW_MS - 1 }))).toEqual(APPLIED);
    expect(get(peer)).toEqual(NIL);
    expect(told(peer)).toEqual([[LOG_DELETE, REMOTE | EXPIRED, stampAt(3)]]);
  });

  it('that was left out is missing, unless what is here is as new', () => {
    const peer = open();
    const leftOut = (ms: number) =>
      record({ kind: LOG_SET, stamp: stampAt(ms), detail: VALUE_LEFT_OUT });
    expect(apply(peer, leftOut(1))).toEqual(MISSING);
    apply(peer, set(2, str('v')));
    expect(apply(peer, leftOut(2))).toEqual(NOTHING);
    expect(apply(peer, leftOut(1))).toEqual(REFUSED);
    expect(apply(peer, set(1, str('v')), leftOut(3))).toEqual([0, 1, [32], []]);
  });

  it('for which there is no memory is named', () => {
    const peer = open({ maxEntries: 1 });
    apply(peer, writeRecord({ kind: LOG_SET, key: Buffer.from('a'), stamp: 1n, value: TRUE }));
    expect(apply(peer, set(1, str('v')))).toEqual([0, 0, [], [0]]);
  });

  it('of the longest key there is is taken, too', () => {
    const peer = open();
    const long = Buffer.alloc(65_535, 'k');
    const bytes = writeRecord({ kind: LOG_SET, key: long, stamp: stampAt(1) });
    expect(apply(peer, bytes)).toEqual(MISSING);
    const buried = writeRecord({ kind: LOG_DELETE, key: long, stamp: stampAt(1) });
    expect(apply(peer, buried)).toEqual(APPLIED);
    expect(peer.replica.stampOf(long, NOW_MS).tombstone).toBe(stampAt(1));
    expect(apply(peer, bytes)).toEqual(NOTHING);
  });
});

describe('a deletion', () => {
  it('takes what is older away, and keeps older writes from coming back', () => {
    const peer = open();
    apply(peer, set(1, str('v')));
    peer.logged();
    expect(apply(peer, gone(3))).toEqual(APPLIED);
    expect(told(peer)).toEqual([[LOG_DELETE, REMOTE, stampAt(3)]]);
    expect(apply(peer, set(2, str('w')))).toEqual(REFUSED);
    expect([get(peer), peer.one(command('EXISTS', str(key)))]).toEqual([NIL, integer(0)]);
    expect(apply(peer, set(4, str('x')))).toEqual(APPLIED);
    expect(get(peer)).toEqual(str('x'));
    // Though what is here may go.
    apply(peer, gone(4, EVICTED));
    expect(apply(peer, set(2, str('w')))).toEqual(REFUSED);
  });

  it('of what is newer is refused', () => {
    const peer = open();
    apply(peer, set(2, str('v')));
    expect(apply(peer, gone(1))).toEqual(REFUSED);
    expect(peer.replica.stampOf(key, NOW_MS).tombstone).toBe(0n);
  });

  it('is remembered for a while, and the latest counts', () => {
    const peer = open();
    apply(peer, gone(1));
    peer.nowMs += TOMBSTONE_MS - 1;
    expect(apply(peer, gone(3), gone(2), gone(3))).toEqual([1, 1, [], []]);
    expect(peer.replica.stampOf(key, peer.nowMs).tombstone).toBe(stampAt(3));
    peer.nowMs += TOMBSTONE_MS - 1;
    peer.arena.kernel.upkeep(peer.arena.slot, peer.nowMs);
    expect(apply(peer, set(2, str('v')))).toEqual(REFUSED);
    peer.nowMs += 2000;
    while (peer.arena.kernel.upkeep(peer.arena.slot, peer.nowMs) === 0);
    expect(peer.replica.stampOf(key, peer.nowMs).tombstone).toBe(0n);
    expect(apply(peer, set(2, str('v')))).toEqual(APPLIED);
  });

  it('is nothing that anybody sees', () => {
    const peer = open();
    for (let i = 0; i < 50; i++) apply(peer, gone(1, DELETED, { key: Buffer.from(`key ${i}`) }));
    const { kernel, slot } = peer.arena;
    expect(peer.arena.stats().entries).toBe(0);
    expect(kernel.countEntries(0)).toBe(0);
    expect(kernel.randomKey(slot, 7, NOW_MS, 0)).toBe(-1);
    for (let cursor = -1; cursor !== 0; ) {
      cursor = kernel.scan(slot, Math.max(cursor, 0), 100, 0, NOW_MS, 0);
      expect(peer.arena.reply[0]).toBe(0);
    }
    expect(peer.logged()).toHaveLength(0);
    peer.nowMs += 2 * TOMBSTONE_MS;
    while (peer.arena.kernel.upkeep(slot, peer.nowMs) === 0);
    expect(peer.memory.u32(peer.memory.partition(0, 'tombstones'))).toBe(0);
    expect(peer.logged()).toHaveLength(0);
    const { expired, evictions } = peer.arena.stats();
    expect([expired, evictions]).toEqual([0, 0]);
    expect(peer.arena.checkIntegrity()).toBeUndefined();
  });

  it('is forgotten by clear', () => {
    const peer = open();
    apply(peer, gone(2));
    peer.arena.clear();
    expect(peer.arena.stats().deletes).toBe(0);
    expect(apply(peer, set(1, str('v')))).toEqual(APPLIED);
  });

  it('may be evicted from memory', () => {
    const peer = open({ policy: 'clock', memoryBytes: 500 * KIB });
    for (let i = 0; i < 3; i++) apply(peer, gone(1, DELETED, { key: Buffer.from(`key ${i}`) }));
    for (let i = 0; i < 20_000; i++) peer.one(command('SET', str(`new ${i}`), str('v'.repeat(40))));
    expect(peer.memory.u32(peer.memory.partition(0, 'tombstones'))).toBe(0);
    expect(peer.arena.checkIntegrity()).toBeUndefined();
  });

  it('does not stand in the way of MSET and of what is built beside a key', () => {
    const peer = open();
    const other = Buffer.from('other');
    apply(peer, gone(1), gone(1, DELETED, { key: other }));
    peer.run(command('MSET', str(key), integer(1), str(other), integer(2)));
    expect(get(peer)).toEqual(integer(1));
    peer.run(command('DEL', str(key)), command('SADD', str(other), str('no')));
    peer.run(command('DEL', str(other)), command('SADD', str(other), str('m')));
    peer.run(command('SUNIONSTORE', str(key), str(other)));
    expect(peer.one(command('SCARD', str(key)))).toEqual(integer(1));
    expect(peer.memory.u32(peer.memory.partition(0, 'tombstones'))).toBe(2);
    expect(peer.arena.checkIntegrity()).toBeUndefined();
  });

  it('of what was evicted or expired elsewhere leaves no tombstone', () => {
    const peer = open();
    for (const reason of [EXPIRED, EVICTED]) {
      apply(peer, set(2, str('v')));
      peer.logged();
      expect(apply(peer, gone(1, reason))).toEqual(REFUSED);
      expect(apply(peer, gone(2, reason))).toEqual(APPLIED);
      expect(apply(peer, gone(2, reason))).toEqual(NOTHING);
      expect(told(peer)).toEqual([[LOG_DELETE, REMOTE | reason, stampAt(2)]]);
      expect(peer.replica.stampOf(key, NOW_MS)).toMatchObject({ stamp: 0n, tombstone: 0n });
    }
    const { expired, evictions } = peer.arena.stats();
    expect([expired, evictions]).toEqual([1, 1]);
  });
});

describe('another expiry', () => {
  const expire = (ms: number, base: bigint, expiryMs = 0): Buffer =>
    record({ kind: LOG_EXPIRE, stamp: stampAt(ms), base, expiryMs });

  it('is given to the entry that it was given to', () => {
    const peer = open();
    apply(peer, set(1, str('v')));
    peer.logged();
    expect(apply(peer, expire(2, stampAt(1), NOW_MS + 100))).toEqual(APPLIED);
    expect(peer.replica.stampOf(key, NOW_MS)).toMatchObject({
      stamp: stampAt(2),
      expiryMs: NOW_MS + 100,
    });
    expect(apply(peer, expire(3, stampAt(2)))).toEqual(APPLIED);
    expect(peer.replica.stampOf(key, NOW_MS)).toMatchObject({ stamp: stampAt(3), expiryMs: 0 });
    const remote = [stampAt(2), stampAt(3)].map((stamp) => [LOG_EXPIRE, REMOTE, stamp]);
    expect(told(peer)).toEqual(remote);
  });

  it('of another entry makes it missing', () => {
    const peer = open();
    expect(apply(peer, expire(2, stampAt(1), NOW_MS + 100))).toEqual(MISSING);
    apply(peer, set(3, str('v')));
    expect(apply(peer, expire(4, stampAt(2), NOW_MS + 100))).toEqual(MISSING);
    expect(apply(peer, expire(3, stampAt(2)))).toEqual(NOTHING);
    expect(apply(peer, expire(2, stampAt(1)))).toEqual(REFUSED);
  });

  it('that is over takes the entry away', () => {
    const peer = open();
    apply(peer, set(1, str('v')));
    expect(apply(peer, expire(2, stampAt(1), NOW_MS))).toEqual(APPLIED);
    expect(get(peer)).toEqual(NIL);
  });
});

describe('an effect', () => {
  it('is done to what it was done to, and gives it the stamp', () => {
    const peer = open();
    const first = effect(1, 0n, effectOf(SADD, str('a'), str('b')));
    const second = effect(2, stampAt(1), effectOf(SREM, str('a')));
    expect(apply(peer, first, second, first, second)).toEqual([2, 1, [], []]);
    expect(peer.one(command('SMEMBERS', str(key)))).toEqual(Buffer.from([0x91, 0xa1, 0x62]));
    expect(peer.replica.stampOf(key, NOW_MS).stamp).toBe(stampAt(2));
    const [, again] = peer.records();
    expect(again).toMatchObject({ kind: LOG_EFFECT, base: stampAt(1), stamp: stampAt(2) });
    expect(again!.detail & REMOTE).toBe(REMOTE);
    expect(again!.value).toEqual(effectOf(SREM, str('a')));
  });

  it('of another collection makes it missing', () => {
    const peer = open();
    expect(apply(peer, effect(2, stampAt(1), effectOf(SADD, str('a'))))).toEqual(MISSING);
    apply(peer, set(3, str('v')));
    expect(apply(peer, effect(4, 0n, effectOf(SADD, str('a'))))).toEqual(MISSING);
    expect(apply(peer, effect(4, stampAt(3), effectOf(SADD, str('a'))))).toEqual(MISSING);
    expect(get(peer)).toEqual(str('v'));
  });

  it('that takes the last member is a deletion', () => {
    const peer = open();
    apply(peer, effect(1, 0n, effectOf(SADD, str('a'))));
    expect(apply(peer, effect(2, stampAt(1), effectOf(SREM, str('a'))))).toEqual(APPLIED);
    expect(peer.replica.stampOf(key, NOW_MS)).toMatchObject({ stamp: 0n, tombstone: stampAt(2) });
    expect(told(peer).at(-1)).toEqual([LOG_DELETE, REMOTE, stampAt(2)]);
  });

  it('is done at its own time', () => {
    const peer = open();
    peer.nowMs += 300;
    const HSETEX = 0x83;
    apply(peer, effect(1, 0n, effectOf(HSETEX, integer(1000), NIL, str('f'), integer(1))));
    const ttl = peer.one(command('HTTL', str(key), str('f')));
    expect(integerOf(ttl.subarray(1))).toBe(700n);
  });

  it('for which memory ends makes the key missing, and no effect is done to what there is', () => {
    const peer = open({ memoryBytes: 500 * KIB });
    const members = Array.from({ length: 4 }, (_, i) => str(String(i).repeat(3500)));
    let stamp = 0n;
    let outcome: unknown = APPLIED;
    for (let ms = 1; JSON.stringify(outcome) === JSON.stringify(APPLIED); ms++) {
      const unique = members.map((one) => str(`${ms} ${one.toString('latin1', 3)}`));
      outcome = apply(peer, effect(ms, stamp, effectOf(SADD, ...unique)));
      if (outcome !== APPLIED && JSON.stringify(outcome) === JSON.stringify(MISSING)) break;
      stamp = stampAt(ms);
    }
    expect(outcome).toEqual(MISSING);
    const after = peer.replica.stampOf(key, NOW_MS).stamp;
    expect(after).toBeLessThanOrEqual(stamp);
  });
});

describe('what is no record with a stamp', () => {
  const wrong: [string, Buffer][] = [
    ['of no words', Buffer.alloc(8)],
    ['cut off', set(1, str('v')).subarray(0, 16)],
    ['without a stamp', setDetail(set(1, str('v')), 0)],
    ['of a namespace', setDetail(set(1, str('v')), 0x10 | NAMESPACED)],
    ['of no kind', setByte(set(1, str('v')), 4, 6)],
    ['without a key', writeRecord({ kind: LOG_SET, key: Buffer.alloc(0), stamp: 1n, value: TRUE })],
    ['with a key that passes its end', setByte(set(1, str('v')), 3, 1)],
    ['with a value that passes its end', setByte(set(1, str('v')), 6, 200)],
    ['with a value that is no msgpack', set(1, Buffer.from([0xa5, 0x61]))],
    ['with two values', set(1, Buffer.from([1, 2]))],
    ['with a command that is none of these', effect(1, 0n, effectOf(0x11, str('v')))],
    ['with a command that changes nothing', effect(1, 0n, effectOf(0x44))],
    ['with too few arguments', effect(1, 0n, effectOf(SADD))],
    ['with arguments that are cut off', effect(1, 0n, effectOf(SADD, Buffer.from([0xa5, 0x61])))],
    ['with more than its arguments', effect(1, 0n, Buffer.concat([effectOf(SADD, TRUE), TRUE]))],
    ['with a command that is cut off', effect(1, 0n, Buffer.alloc(11))],
  ];

  it.each(wrong)('%s', (_, bytes) => {
    const peer = open();
    const good = set(1, str('v'), { key: Buffer.from('good') });
    const both = Buffer.concat([good, bytes]);
    const act = () => peer.replica.applyRecords(both, NOW_MS);
    expect(act).toThrow(`there is no record with a stamp at byte ${good.length}`);
    expect(peer.one(command('GET', str('good')))).toEqual(str('v'));
    expect(peer.arena.checkIntegrity()).toBeUndefined();
    expect(peer.arena.stats().entries).toBe(1);
  });

  it('is more than is taken at once', () => {
    const { replica } = open();
    const act = () => replica.applyRecords(Buffer.alloc(replica.capacityBytes + 1), NOW_MS);
    expect(act).toThrow(/at most \d+ are taken/);
  });

  function setByte(bytes: Buffer, at: number, value: number): Buffer {
    bytes[at] = value;
    return bytes;
  }

  function setDetail(bytes: Buffer, detail: number): Buffer {
    return setByte(bytes, 5, detail);
  }
});

/** The records of a walk, each as its bytes. */
function walk(page: (cursor: number) => { bytes: Buffer; cursor: number }): Buffer[] {
  const found: Buffer[] = [];
  for (let cursor = -1; cursor !== 0; ) {
    const { bytes, cursor: next } = page(Math.max(cursor, 0));
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = readRecord(bytes, at).end;
      found.push(bytes.subarray(at, end));
    }
    cursor = next;
  }
  return found;
}
const decoded = (records: readonly Buffer[]) => records.map((bytes) => readRecord(bytes, 0));

describe('a replica', () => {
  it('is of an arena that belongs to a node', () => {
    const options = { memoryBytes: 4 * MIB, policy: 'none', maxValueBytes: MIB, maxThreads: 1 };
    const arena = Arena.create(options as Parameters<typeof Arena.create>[0]);
    expect(() => new Replica(arena)).toThrow('the arena was not made with the option node');
  });

  it('passes over a clear', () => {
    const peer = open();
    const clear = writeRecord({ kind: LOG_CLEAR, key: Buffer.alloc(0), stamp: stampAt(9) });
    expect(apply(peer, clear, set(1, str('v')))).toEqual(APPLIED);
    expect(peer.replica.applyRecords(clear, NOW_MS).highestStamp).toBe(stampAt(9));
  });

  it('gives what the host made of a key the stamp that it has elsewhere', () => {
    const peer = open();
    expect(peer.replica.setStamp(key, stampAt(1), NOW_MS)).toBe(false);
    peer.run(command('SADD', str(key), str('a')));
    peer.logged();
    expect(peer.replica.setStamp(key, stampAt(1), NOW_MS)).toBe(true);
    expect(peer.replica.stampOf(key, NOW_MS)).toMatchObject({ stamp: stampAt(1), kind: 3 });
    expect(told(peer)).toEqual([[LOG_SET, REMOTE | VALUE_LEFT_OUT, stampAt(1)]]);
  });

  it('tells all that there is as records, page by page, also of one partition', () => {
    const peer = open({ partitions: 4, memoryBytes: 8 * MIB });
    for (let i = 0; i < 3000; i++) peer.one(command('SET', str(`key ${i}`), integer(i)));
    peer.nowMs += 1;
    peer.run(
      command('SADD', str('set'), str('m')),
      command('SET', str('late'), str('x'), integer(9)),
    );
    peer.run(command('SET', str('long'), str('x'.repeat(20_000))));
    apply(peer, gone(50));
    const all = decoded(walk((cursor) => peer.replica.scanRecords(cursor, NOW_MS)));
    expect(new Set(all.map((one) => one.key.toString())).size).toBe(3004);
    expect(all).toHaveLength(3004);
    const parts = [0, 1, 2, 3].map((partition) =>
      decoded(walk((cursor) => peer.replica.scanPartition(partition, cursor, NOW_MS))),
    );
    expect(parts.flat()).toHaveLength(3004);
    for (const [partition, records] of parts.entries()) {
      for (const one of records) expect(peer.memory.partitionIndexOf(one.key)).toBe(partition);
    }
    const late = walk((cursor) =>
      peer.replica.scanRecords(cursor, NOW_MS, BigInt(NOW_MS + 1) << 22n),
    );
    const shown = decoded(late).map(({ kind, detail, key: name, expiryMs, value }) => {
      return [name.toString(), kind, detail & 1, expiryMs, value.length];
    });
    expect(shown.sort()).toEqual([
      ['late', LOG_SET, 0, NOW_MS + 10, 2],
      ['long', LOG_SET, VALUE_LEFT_OUT, 0, 0],
      ['set', LOG_SET, VALUE_LEFT_OUT, 0, 0],
      ['some key', LOG_DELETE, 0, NOW_MS + 1 + TOMBSTONE_MS, 0],
    ]);
  });

  it('takes tombstones over as they are told, no longer', () => {
    const [one, other] = [open(), open()];
    apply(one, gone(1));
    const [bytes] = walk((cursor) => one.replica.scanRecords(cursor, NOW_MS)) as [Buffer];
    other.nowMs += 1000;
    apply(other, bytes);
    const [copy] = walk((cursor) => other.replica.scanRecords(cursor, other.nowMs));
    expect(readRecord(copy!, 0).expiryMs).toBe(NOW_MS + TOMBSTONE_MS);
    other.nowMs += TOMBSTONE_MS;
    while (other.arena.kernel.upkeep(other.arena.slot, other.nowMs) === 0);
    expect(apply(other, bytes)).toEqual(APPLIED);
    expect(other.replica.stampOf(key, other.nowMs).tombstone).toBe(0n);
  });

  it('has entries of the kinds that it tells', () => {
    const peer = open();
    apply(peer, gone(1));
    const [slot] = peer.memory.slots(0);
    expect(peer.memory.u8(peer.memory.entryOf(slot!) + Entry.kind)).toBe(6);
  });
});
