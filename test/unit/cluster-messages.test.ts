/** Messages between nodes: there and back, and bytes that are none. */
import { describe, expect, it } from 'vitest';
import { streamOf } from '#bench/sim/random.js';
import { World } from '#bench/sim/world.js';
import { SLOTS } from '#engine/slots.js';
import { Cluster } from '#server/cluster/cluster.js';
import { DEFAULT_CLUSTER_OPTIONS } from '#server/cluster/cluster-world.js';
import { decodeMeta, encodeMeta, type MemberInfo } from '#server/cluster/members.js';
import {
  decodeMessage,
  encodeMessage,
  Kind,
  kindOf,
  type Message,
} from '#server/cluster/messages.js';
import { Placements } from '#server/cluster/placement.js';
import { Levels, SlotSet } from '#server/cluster/slot-set.js';
import { MemoryStore } from '../sim/memory-store.js';

const from = 'peer#1';
const bytes = Uint8Array.of(1, 2, 3);
const slots = SlotSet.of([0, 7, SLOTS - 1]).bytes;

const MESSAGES: readonly Message[] = [
  {
    ...{ kind: Kind.BATCH, from, session: 3, number: 70_000, stamp: 2n ** 63n, heard: 5 },
    ...{ records: bytes, done: [1, 2] },
  },
  {
    ...{ kind: Kind.ACK, from, session: 3, applied: 9, complete: 8, refused: [7] },
    isBroken: true,
  },
  { kind: Kind.PULL, from, pull: 1, mode: 2, level: 1, slots },
  { kind: Kind.FETCH, from, fetch: 1, piece: 0, record: bytes },
  { kind: Kind.FETCHED, from, fetch: 1, piece: 0, isLast: false, bytes },
  { kind: Kind.LEVELS, from, version: 4, levels: new Levels().bytes, replaced: ['gone#1'] },
  { kind: Kind.LEVELS_WANTED, from },
  { kind: Kind.DIGESTS, from, round: 1, stamp: 5n, slots, digests: new Uint8Array(24) },
  { kind: Kind.DIFFERING, from, round: 1, slots },
  {
    ...{ kind: Kind.FORWARD, from, request: 2 ** 40, target: 'node 2#1', origin: 'node 3#1' },
    ...{ asked: 3, sentAtMs: 1_800_000_000_000, waitMs: 60_000, epoch: 9, frame: bytes },
  },
  {
    ...{ kind: Kind.FORWARDED, from, request: 1, epoch: 2 ** 41, isStale: true },
    reply: new Uint8Array(0),
  },
];

it.each(MESSAGES)('of kind $kind comes as it went', (message) => {
  const encoded = encodeMessage(message);
  expect(kindOf(encoded)).toBe(message.kind);
  const decoded = decodeMessage(encoded) as Message;
  for (const [name, value] of Object.entries(message)) {
    const other = (decoded as unknown as Record<string, unknown>)[name];
    if (value instanceof Uint8Array) expect(Buffer.compare(value, other as Buffer)).toBe(0);
    else expect(other).toEqual(value);
  }
});

describe('bytes that are no message', () => {
  const encoded = encodeMessage(MESSAGES[2]!);
  it.each([
    ['nothing', new Uint8Array(0), /msgpack|array/],
    ['a part', encoded.subarray(0, 100), /msgpack/],
    ['another array', Uint8Array.of(0x91, 0xcc, 0x91), /sender/],
    ['an unknown kind', Uint8Array.of(0x92, 0xcc, 0xff, 0xa1, 0x61), /kind 255/],
    ['too few fields', Uint8Array.of(0x92, 0xcc, Kind.PULL, 0xa1, 0x61), /0 fields/],
  ])('%s', (_, wrong, text) => {
    expect(decodeMessage(wrong)).toMatch(text);
  });

  it('a set of slots that is too short', () => {
    const short = { ...MESSAGES[2]!, slots: bytes } as Message;
    expect(decodeMessage(encodeMessage(short))).toBe('kind 147: slots is none');
  });
});

it('what a member says of itself comes as it went, and none says nothing', () => {
  const meta = { levelsVersion: 0xffff_ffff, isLeaving: true };
  expect(decodeMeta(encodeMeta(meta))).toEqual(meta);
  expect(decodeMeta(new Uint8Array(3))).toEqual({ levelsVersion: 0, isLeaving: false });
});

const ROUNDS = 3_000;

it('whatever a peer sends, receiving it throws nothing', async () => {
  const random = streamOf(Number(process.env.FUZZ_SEED ?? 1), 0);
  const world = new World({ seed: 1 });
  const { clock } = world.machine('10.0.0.1:1').start();
  const store = new MemoryStore({
    ...{ node: 1, now: () => clock.now(), logRecords: 100, tombstoneMs: 1_000 },
    pause: async () => {},
  });
  const placements = new Placements({ copies: 2 });
  const complaints: string[] = [];
  const cluster = new Cluster({
    ...{ selfId: 'self#1', clock, random, store, options: DEFAULT_CLUSTER_OPTIONS },
    frames: {
      execute: async () => undefined,
      executeInstead: async () => undefined,
      slotOf: () => undefined,
    },
    place: (nodes) => placements.of(nodes),
    send: () => {},
    reset: () => {},
    setMeta: () => {},
    onView: () => {},
    complain: (text) => complaints.push(text),
  });
  const member = (id: string): MemberInfo => ({
    ...{ id, name: id, address: `${id}:1`, clientUrl: '', weight: 1, state: 'alive' },
    ...{ startedAtMs: 1, meta: encodeMeta({ levelsVersion: 1, isLeaving: false }) },
  });
  cluster.setMembers([member('self#1'), member(from)]);
  cluster.start();
  await world.runAwaiting(100);
  const encoded = MESSAGES.map(encodeMessage);
  for (let round = 0; round < ROUNDS; round++) {
    const sent = encoded[Math.floor(random() * encoded.length)]!.slice();
    for (let change = Math.floor(random() * 4); change > 0; change--) {
      // Mostly in the head, where the meaning is.
      const at = Math.floor(random() ** 4 * sent.length);
      sent[at] = Math.floor(random() * 256);
    }
    expect(() => cluster.receive(sent)).not.toThrow();
    if (round % 100 === 0) await world.runAwaiting(50);
  }
  // Records that are no records, messages that are none.
  expect(complaints.length).toBeGreaterThan(0);
  cluster.stop();
});
