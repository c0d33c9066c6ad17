/**
 * Several nodes that write the same keys, and tell each other in any order: all come to have what
 * the last writer of each key made of it. MODEL_SEED sets other commands, MODEL_ROUNDS more.
 */
import { describe, expect, it } from 'vitest';
import type { Random } from '../support/fuzz-random.mjs';
import { KIB } from '../support/kernel-memory.js';
import { SEED } from '../support/kernel-random.js';
import { array, command, float, integer, NIL, str, type Wire } from '../support/kernel-wire.js';
import { type Peer, Peers } from '../support/replicas.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const STEPS = 600;
const NOW_MS = 1_900_000_000_000;
/** Nothing expires while a test runs. */
const TTL_MS = 1_000_000;

const KINDS = ['string', 'number', 'list', 'set', 'hash', 'sorted'] as const;
type Kind = (typeof KINDS)[number];
const keysOf = (kind: Kind) => Array.from({ length: 3 }, (_, i) => `${kind} ${i}`);

/** A value, now and then one that no record has room for. */
function someValue(random: Random): Wire {
  return str('v'.repeat(random.chance(0.02) ? 20_000 : random.below(60)) + random.below(10));
}

const member = (random: Random): Wire =>
  random.chance(0.3) ? integer(random.below(8)) : str(`m${random.below(8)}`);

const ttl = (random: Random): Wire => integer(TTL_MS + random.below(1000));

/** Commands on a key of a kind. */
const WRITES: Record<Kind, ((key: Wire, random: Random) => Wire)[]> = {
  string: [
    (key, random) => command('SET', key, someValue(random)),
    (key, random) => command('SET', key, someValue(random), ttl(random)),
    (key, random) => command('APPEND', key, someValue(random)),
    (key, random) => command('GETEX', key, ttl(random)),
    (key) => command('GETDEL', key),
    (key, random) => command('MSET', key, someValue(random), str('string 1'), someValue(random)),
    (key) => command('RENAME', key, str('string 2')),
    (key) => command('COPY', key, str('string 0'), integer(1)),
  ],
  number: [
    (key, random) => command('INCR', key, integer(random.below(9))),
    (key) => command('INCRFLOAT', key, float(0.25)),
    (key) => command('LOCK', str(`lease of ${key.toString()}`), str('me'), integer(TTL_MS)),
  ],
  list: [
    (key, random) => command('RPUSH', key, someValue(random), someValue(random)),
    (key, random) => command('LPUSH', key, someValue(random)),
    (key) => command('LPOP', key),
    (key) => command('RPOP', key, integer(2)),
    (key, random) => command('LSET', key, integer(0), someValue(random)),
    (key) => command('LTRIM', key, integer(0), integer(5)),
    (key) => command('LMOVE', key, str('list 1'), str('LEFT'), str('RIGHT')),
  ],
  set: [
    (key, random) => command('SADD', key, member(random), member(random)),
    (key, random) => command('SADD', key, member(random)),
    (key, random) => command('SREM', key, member(random)),
    (key) => command('SPOP', key),
    (key) => command('SPOP', key, integer(2)),
    (key, random) => command('SMOVE', key, str('set 1'), member(random)),
    (key) => command('SUNIONSTORE', str('set 2'), key, str('set 0')),
    (key) => command('COPY', key, str('set 1'), integer(1)),
  ],
  hash: [
    (key, random) => command('HSET', key, member(random), someValue(random)),
    (key, random) => command('HSET', key, member(random), integer(1), member(random), integer(2)),
    (key, random) => command('HDEL', key, member(random)),
    (key) => command('HINCRBY', key, str('count'), integer(3)),
    (key) => command('HINCRBYFLOAT', key, str('sum'), float(1.5)),
    (key, random) => command('HEXPIRE', key, ttl(random), NIL, member(random)),
    (key, random) => command('HSETEX', key, ttl(random), NIL, member(random), integer(1)),
    (key, random) => command('HPERSIST', key, member(random)),
    (key, random) => command('HGETDEL', key, member(random)),
  ],
  sorted: [
    (key, random) => command('ZADD', key, NIL, integer(random.below(9)), member(random)),
    (key, random) => command('ZINCRBY', key, float(0.5), member(random)),
    (key, random) => command('ZREM', key, member(random)),
    (key) => command('ZPOPMIN', key),
    (key) => command('ZPOPMAX', key, integer(2)),
  ],
};
/** And on any of them. */
const ANY = [
  (key: Wire) => command('DEL', key),
  (key: Wire, random: Random) => command('EXPIRE', key, ttl(random)),
  (key: Wire) => command('PERSIST', key),
  (key: Wire, random: Random) => command('SET', key, integer(random.below(100))),
];

function randomWrite(random: Random): Wire {
  const kind = random.pick(KINDS);
  const key = str(random.pick(keysOf(kind)));
  if (random.chance(0.05)) {
    return command('ATOMIC', array([command('DEL', key), random.pick(WRITES[kind])(key, random)]));
  }
  return random.pick(random.chance(0.15) ? ANY : WRITES[kind])(key, random);
}

const AXES = [2, 3].flatMap((count) =>
  [1, 4].flatMap((partitions) =>
    (['none', 'adaptive'] as const).flatMap((policy) =>
      [0, 0.2].map((lost) => ({ count, partitions, policy, lost })),
    ),
  ),
);

describe.each(AXES)('nodes: %j', ({ count, partitions, policy, lost }) => {
  it.each(Array.from({ length: ROUNDS }, (_, i) => SEED + i))('come to agree, seed %i', (seed) => {
    const options = { memoryBytes: 16_000 * KIB, partitions, policy } as const;
    const peers = new Peers(count, seed, { ...options, packedItems: 6 }, NOW_MS);
    const { random } = peers;
    // Their clocks differ.
    for (const peer of peers.peers) peer.nowMs += random.below(100);
    for (let step = 0; step < STEPS; step++) {
      const peer = random.pick(peers.peers);
      peer.nowMs += random.below(3);
      if (random.chance(0.7)) peers.write(peer, randomWrite(random));
      else peers.deliver(peer, random.chance(0.5) ? 1 : 0.5, lost);
      if (step % 40 === 0) peers.check();
    }
    peers.settle();
    peers.check();
    for (const peer of peers.peers) {
      const found = [...peers.winners.keys()].map((key) => [key, peer.contentOf(key)]);
      const expected = [...peers.winners].map(([key, { content }]) => [key, content]);
      expect(found).toEqual(expected);
    }
    // Both ways were gone.
    const sum = (of: (peer: Peer) => number) =>
      peers.peers.reduce((all, peer) => all + of(peer), 0);
    expect(sum((peer) => peer.fetched)).toBeGreaterThan(0);
    expect(sum((peer) => peer.repeated)).toBeGreaterThan(20);
  });
});

describe('nodes that have no room for all', () => {
  const FILLERS = 400;
  const POLICIES = ['adaptive', 'clock', 'none'] as const;

  it.each(POLICIES)('%s: what they have is what the last writer made', (policy) => {
    const options = { memoryBytes: 900 * KIB, policy, packedItems: 6 } as const;
    const peers = new Peers(2, SEED, options, NOW_MS);
    const { random } = peers;
    let evictions = 0;
    for (const peer of peers.peers) peer.mayLack = true;
    for (let step = 0; step < STEPS; step++) {
      const peer = random.pick(peers.peers);
      // Nobody else is told of these.
      peer.one(command('SET', str(`filler ${random.below(FILLERS)}`), str('f'.repeat(3000))));
      peer.logged();
      if (random.chance(0.7)) peers.write(peer, randomWrite(random));
      else peers.deliver(peer, 1, 0);
      if (step % 10 === 0) peers.check();
    }
    for (const peer of peers.peers) {
      for (const [key, { stamp, content }] of peers.winners) {
        const found = peer.contentOf(key);
        const newest = peer.replica.stampOf(Buffer.from(key), peer.nowMs).stamp;
        expect(newest).toBeLessThanOrEqual(stamp);
        if (newest === stamp) expect(found).toBe(content);
      }
      evictions += peer.arena.stats().evictions;
    }
    if (policy !== 'none') expect(evictions).toBeGreaterThan(100);
  });
});
