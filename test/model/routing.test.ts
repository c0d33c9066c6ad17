/**
 * A cluster against one node: whatever the frame, and whichever node gets it, the reply is byte by
 * byte that of a node which has all keys by itself, and so is what is stored.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import { type FrameFault, isFault } from '#engine/frame.js';
import { type FakeConnection, NodesInThread } from '../support/cluster-nodes.js';
import { BY_CHANCE, expectSame, isOneOf, UNORDERED } from '../support/compare-replies.js';
import { hostileFrame, hostileLongFrame, randomFrame } from '../support/fuzz-frames.js';
import { splitValues } from '../support/fuzz-msgpack.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { checkReplies, judgeFrame } from '../support/fuzz-replies.js';
import { itemsOf, type Wire } from '../support/kernel-wire.js';
import { needsOf, slotOf } from '../support/slot-twin.js';

const SEED = Number(process.env.MODEL_SEED ?? freshSeed());
const ROUNDS = 600 * Number(process.env.MODEL_ROUNDS ?? 1);
const NODES = 3;

const ROWS = Object.entries(COMMANDS) as [CommandName, CommandRow][];
/** About all keys of the node at hand, or about the node. */
const OF_NODES = ROWS.filter(([, row]) => row.host && row.firstKey < 0).map(([name]) => name);
/** What nodes answer for their keys each. */
const SPLIT = ROWS.filter(([name, row]) => row.manyKeys === 'apart' || name === 'MGET');
const SPLIT_NAMES = SPLIT.map(([name]) => name);

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
});

/** How much memory a collection takes depends on the seeds of its hashes. */
const OF_MEMORY: readonly CommandName[] = ['MEMORY', 'OBJECT'];

/** Whether one node replies to a command what a cluster does. */
function isComparable(request: Wire): boolean {
  if (isOneOf([...BY_CHANCE, ...OF_NODES, ...OF_MEMORY], request)) return false;
  if (isOneOf(['ATOMIC'], request) && hasIncomparable(request)) return false;
  const nodes = new Set(needsOf(request).keys.map((key) => slotOf(key) % NODES));
  return nodes.size <= 1 || isOneOf(SPLIT_NAMES, request);
}

const isArray = (value: Wire | undefined) =>
  value !== undefined && ((value[0]! & 0xf0) === 0x90 || value[0] === 0xdc || value[0] === 0xdd);

/** In a step, what is in no order stays so. */
function hasIncomparable(atomic: Wire): boolean {
  const [, commands] = isArray(atomic) ? itemsOf(atomic) : [];
  const inner = isArray(commands) ? itemsOf(commands!) : [];
  const names = [...BY_CHANCE, ...UNORDERED, ...OF_MEMORY];
  return inner.some((command) => isOneOf(names, command));
}

/** A frame without what one node does otherwise. */
function comparableFrame(random: Random): Wire {
  const [id, ...commands] = splitValues(randomFrame(random))!;
  return Buffer.concat([id!, ...commands.filter(isComparable)]);
}

interface Place {
  nodes: NodesInThread;
  clients: FakeConnection[];
}

function open(nodes: number, arenas = 1): Place {
  const cluster = new NodesInThread({ nodes, arenas });
  return { nodes: cluster, clients: cluster.nodes.map((node) => node.connect()) };
}

/** The reply through a node, or how the connection was closed. */
async function ask(place: Place, node: number, bytes: Wire): Promise<Wire | FrameFault> {
  const client = place.clients[node]!;
  client.session.receive(bytes, true);
  await client.until(1);
  const [closed] = client.closes;
  if (closed) {
    place.clients[node] = place.nodes.nodes[node]!.connect();
    return { closeCode: closed[0] as 1007 | 1009, reason: closed[1] };
  }
  return client.replies.splice(0)[0]!;
}

function close({ nodes, clients }: Place): void {
  for (const { session } of clients) session.closed();
  nodes.close();
}

it(`nodes answer frames as one does (MODEL_SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const one = open(1);
  const cluster = open(NODES);
  for (let round = 0; round < ROUNDS; round++) {
    vi.setSystemTime(Date.now() + random.below(40));
    const bytes = comparableFrame(random);
    const expected = await ask(one, 0, bytes);
    expectSame(bytes, expected, await ask(cluster, random.below(NODES), bytes));
  }
  const { nodes } = cluster.nodes;
  const forwards = nodes.map(({ desk }) => desk.forwards.length);
  expect(Math.min(...forwards)).toBeGreaterThan(ROUNDS / 3);
  const entriesOf = (place: Place) =>
    place.nodes.nodes.reduce((sum, { set }) => sum + set.stats().entries, 0);
  expect(entriesOf(cluster)).toBe(entriesOf(one));
  for (const { set } of nodes) expect(set.checkIntegrity()).toBeUndefined();
  close(one);
  close(cluster);
});

describe.each([1, 2])('nodes of %i arena(s)', (arenas) => {
  it(`answer what is right, and close at all else (MODEL_SEED=${SEED})`, async () => {
    const random = new Random(SEED);
    const cluster = open(NODES, arenas);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = round % 50 === 0 ? hostileLongFrame(random) : hostileFrame(random);
      const reply = await ask(cluster, random.below(NODES), bytes);
      const judged = judgeFrame(bytes);
      if (!isFault(reply)) checkReplies(judged, reply);
      else if (reply.closeCode === 1007) expect(judged.isBroken, bytes.toString('hex')).toBe(true);
      else expect(judged.commands.length > 131_072 || bytes.length > 2 ** 21).toBe(true);
    }
    for (const { set } of cluster.nodes.nodes) expect(set.checkIntegrity()).toBeUndefined();
    close(cluster);
  });
});
