/**
 * Frames on a node of a cluster: they end where a command has a key in a slot that the node does
 * not serve, with one arena and with several.
 */
import { describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import { Elsewhere, type Frames, isFault } from '#engine/frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { Access, Service, SLOT_COUNT, SlotTable } from '#engine/slot-table.js';
import { hostileFrame, randomFrame } from '../support/fuzz-frames.js';
import { splitValues } from '../support/fuzz-msgpack.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import {
  array,
  bin,
  command,
  frame,
  integer,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';
import { elsewhereIn, slotOf } from '../support/slot-twin.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const HERE = str('here');
const THERE = str('there');
const ALSO_HERE = str('{here}:2');
const PONG = str('PONG');
const atomic = (...args: Wire[]) => array([integer(COMMANDS.ATOMIC.code), ...args]);

interface Stand {
  set: ArenaSet;
  table: SlotTable;
  executor: Frames<undefined>;
  /** What of the host's commands has run. */
  hosts: CommandName[];
}

function open(arenas: number, limits = {}, slots = true, maxValueBytes = 64 * KIB): Stand {
  const set = ArenaSet.create({
    memoryBytes: arenas * 16 * MIB,
    partitions: 1,
    policy: 'none',
    maxValueBytes,
    maxThreads: 1,
    arenas,
    slots,
  });
  const hosts: CommandName[] = [];
  const host = (name: CommandName) => hosts.push(name) && 'host';
  return {
    set,
    table: slots ? new SlotTable(set) : (undefined as never),
    executor: createExecutor<undefined>(set, host, limits),
    hosts,
  };
}

/** A stand whose node serves all slots but that of `THERE`. */
function openWithout(arenas: number, limits = {}, maxValueBytes?: number): Stand {
  const stand = open(arenas, limits, true, maxValueBytes);
  stand.table.setServiceFrom(0, SLOT_COUNT, Service.ALL);
  stand.table.setService(slotOf(Buffer.from('there')), Service.NONE);
  return stand;
}

interface Outcome {
  replies: Wire[];
  /** The commands that are another node's, and those behind; undefined: all has run. */
  rest: Wire | undefined;
}

function run({ executor }: Stand, bytes: Wire, access: number = Access.OWNER): Outcome {
  const result = executor.executeWhereServed(bytes, undefined, access);
  if (isFault(result)) throw new Error(result.reason);
  const isElsewhere = result instanceof Elsewhere;
  const [id, ...replies] = valuesOf(isElsewhere ? result.reply : result);
  expect(id).toEqual(integer(7));
  return { replies, rest: isElsewhere ? Buffer.from(result.rest) : undefined };
}

/** A command with so many arguments, the first of them keys where they may be. */
function commandOf(row: CommandRow, keys: readonly Wire[], first: Wire = integer(row.code)): Wire {
  const { keyStep = 1, lastKey = row.manyKeys === undefined ? 0 : 255 } = row;
  const count = Math.max(row.minArgs, Math.min(row.maxArgs, keys.length * keyStep));
  const args = Array.from({ length: count }, (_, i) => {
    const isKey = i % keyStep === 0 && i <= lastKey;
    return isKey ? (keys[i / keyStep] ?? HERE) : integer(1);
  });
  return array([first, ...args]);
}

describe.each([1, 3])('of %i arena(s)', (arenas) => {
  const KEYED = Object.entries<CommandRow>(COMMANDS).filter(
    ([, row]) => row.firstKey === 0 && !row.host,
  );

  it('WAIT is left to who can wait, wherever its key is', () => {
    const stand = openWithout(arenas);
    const ping = command('PING');
    const get = command('GET', HERE);
    for (const key of [HERE, THERE]) {
      for (const before of [[], [ping], [get, get, get], [ping, ping, get]]) {
        const wait = array([integer(COMMANDS.WAIT.code), key, str('all')]);
        const { replies, rest } = run(stand, frame(7, ...before, wait, get, get, get));
        expect(replies.length).toBe(before.length);
        expect(rest).toEqual(Buffer.concat([wait, get, get, get]));
      }
    }
    // What is wrong about it is told at once.
    const { replies, rest } = run(
      stand,
      frame(7, array([integer(COMMANDS.WAIT.code), HERE]), ping),
    );
    expect([replies.length, rest]).toEqual([2, undefined]);
    expect(stand.hosts).toEqual([]);
  });

  it.each(KEYED)('%s of a key that is elsewhere is not run', (name, row) => {
    const stand = openWithout(arenas);
    const before = stand.set.stats();
    const ping = command('PING');
    for (const first of [integer(row.code), str(name), str(name.toLowerCase())]) {
      const there = commandOf(row, [THERE], first);
      const commands = [ping, there, ping];
      expect(run(stand, frame(7, ...commands))).toEqual({
        replies: [PONG],
        rest: Buffer.concat([there, ping]),
      });
      expect(run(stand, frame(7, there))).toEqual({ replies: [], rest: there });
      const here = run(stand, frame(7, ping, commandOf(row, [HERE], first), ping));
      expect(here.rest).toBeUndefined();
      expect(here.replies.length).toBe(3);
    }
    // Those of `here`, three of them each, and PINGs.
    const { commands } = stand.set.stats();
    expect(commands - before.commands).toBe(3 * (1 + 3));
    if (row.write) {
      const asReplica = run(stand, frame(7, commandOf(row, [THERE])), Access.REPLICA);
      expect(asReplica.replies).toEqual([]);
    }
    expect(stand.set.checkIntegrity()).toBeUndefined();
  });

  const SEVERAL = KEYED.filter(([, row]) => row.manyKeys !== undefined);
  it.each(SEVERAL)('%s of several keys is run where all of them are', (_, row) => {
    const stand = openWithout(arenas);
    for (const keys of [
      [HERE, THERE],
      [THERE, HERE],
      [THERE, THERE],
    ]) {
      const there = commandOf(row, keys);
      expect(run(stand, frame(7, there))).toEqual({ replies: [], rest: there });
    }
    // In one arena, but in another slot.
    expect(run(stand, frame(7, commandOf(row, [HERE, ALSO_HERE]))).rest).toBeUndefined();
    if (row.lastKey === undefined) {
      const there = commandOf(row, [HERE, ALSO_HERE, HERE, THERE]);
      expect(run(stand, frame(7, there)).rest).toEqual(there);
    }
  });

  it('options behind keys are no keys', () => {
    const stand = openWithout(arenas);
    const set = command('MSET', HERE, THERE, integer(5));
    expect(run(stand, frame(7, set))).toEqual({ replies: [TRUE], rest: undefined });
    // Nor is a str without a value behind it.
    expect(run(stand, frame(7, command('MSET', HERE, THERE, THERE))).rest).toBeUndefined();
  });

  it('ATOMIC is run where all keys of its commands and guards are', () => {
    const stand = openWithout(arenas);
    const get = (key: Wire) => command('GET', key);
    // The value of a SET is no key.
    const set = command('SET', HERE, THERE);
    const good = atomic(array([set, get(HERE)]), array([array([HERE, NIL])]));
    expect(run(stand, frame(7, good))).toEqual({
      replies: [array([TRUE, THERE])],
      rest: undefined,
    });
    for (const there of [
      atomic(array([get(HERE), get(THERE)])),
      atomic(array([command('MGET', HERE, THERE)])),
      atomic(array([get(HERE)]), array([array([HERE, NIL]), array([THERE, NIL])])),
      array([str('atomic'), array([array([str('get'), THERE])])]),
    ]) {
      expect(run(stand, frame(7, there, command('PING')))).toEqual({
        replies: [],
        rest: Buffer.concat([there, command('PING')]),
      });
    }
  });

  it('commands without keys, and wrong ones, are answered', () => {
    const stand = openWithout(arenas);
    const commands = [
      ...[command('PING'), command('HELLO'), array([integer(0x70)])],
      ...[array([str('no such')]), command('GET'), command('GET', THERE, THERE)],
      ...[command('GET', integer(1)), command('SET', str(''), THERE), NIL, array([])],
    ];
    const { replies, rest } = run(stand, frame(7, ...commands));
    expect(rest).toBeUndefined();
    expect(replies.length).toBe(commands.length);
    expect(stand.hosts).toEqual(['HELLO', 'DBSIZE']);
  });

  it('what is before the first one has run, in groups of any size', () => {
    const stand = openWithout(arenas);
    for (const count of [0, 1, 3, 4, 5, 31, 32, 33, 63, 64, 200]) {
      const before = Array.from({ length: count }, (_, i) =>
        command('SET', str(`key:${count}:${i}`), integer(i)),
      );
      const rest = [command('GET', THERE), command('DEL', ...[0, 1].map((i) => str(`key:${i}`)))];
      expect(run(stand, frame(7, ...before, ...rest))).toEqual({
        replies: before.map(() => TRUE),
        rest: Buffer.concat(rest),
      });
    }
  });

  it('reads of replicas are for those who ask for them', () => {
    const stand = openWithout(arenas);
    stand.table.setService(slotOf(Buffer.from('there')), Service.READS);
    for (const fill of [0, 2, 3]) {
      const pings = Array(fill).fill(command('GET', HERE));
      const get = frame(7, ...pings, command('GET', THERE), ...pings);
      expect(run(stand, get).rest).toBeDefined();
      expect(run(stand, get, Access.REPLICA).rest).toBeUndefined();
      const set = command('SET', THERE, HERE);
      expect(run(stand, frame(7, ...pings, set), Access.REPLICA).rest).toEqual(set);
    }
  });

  it('frames of the node itself run all', () => {
    const stand = openWithout(arenas);
    const reply = stand.executor.execute(frame(7, command('SET', THERE, HERE)), undefined);
    expect(valuesOf(reply as Uint8Array)).toEqual([integer(7), TRUE]);
  });

  it('faults are those of any frame', () => {
    const stand = openWithout(arenas);
    const fault = (bytes: Buffer) =>
      stand.executor.executeWhereServed(bytes, undefined, Access.OWNER);
    for (const bytes of [
      frame(0, command('GET', THERE)),
      Buffer.concat([frame(7, command('GET', HERE)), Buffer.of(0x92, 0x10)]),
      Buffer.of(),
    ]) {
      expect(fault(bytes)).toEqual(stand.executor.execute(bytes, undefined));
      expect(isFault(fault(bytes))).toBe(true);
    }
    // What is behind a command of another node was not looked at.
    const broken = Buffer.concat([command('GET', THERE), Buffer.of(0xc1)]);
    expect(run(stand, Buffer.concat([integer(7), broken]))).toEqual({ replies: [], rest: broken });
  });

  it('long frames end there too', () => {
    const stand = openWithout(arenas, {}, 8 * MIB);
    const filler = (key: Wire, bytes = 300 * KIB) => command('SET', key, bin(Buffer.alloc(bytes)));
    const large = 2 * MIB;
    const runs: [Wire[], Wire[]][] = [
      [[filler(HERE), filler(HERE), filler(HERE), filler(HERE), filler(HERE)], [filler(THERE)]],
      [[], [filler(THERE), ...Array(6).fill(filler(HERE))]],
      [
        [filler(HERE, large), filler(HERE)],
        [filler(THERE, large), filler(HERE)],
      ],
      [[], [filler(THERE, large)]],
      [[filler(HERE, large)], [command('GET', THERE), filler(HERE, large)]],
    ];
    for (const [before, rest] of runs) {
      const outcome = run(stand, frame(7, ...before, ...rest));
      expect(outcome.replies).toEqual(before.map(() => TRUE));
      expect(Buffer.concat(rest).equals(outcome.rest!)).toBe(true);
    }
    expect(run(stand, frame(7, filler(HERE, large), filler(HERE))).rest).toBeUndefined();
  });

  it('replies in front of it may be longer than an area', () => {
    const stand = openWithout(arenas);
    const value = bin(Buffer.alloc(60 * KIB, 7));
    const gets = Array.from({ length: 50 }, () => command('GET', HERE));
    const rest = [command('GET', THERE), command('GET', HERE)];
    const outcome = run(stand, frame(7, command('SET', HERE, value), ...gets, ...rest));
    expect(outcome.replies.length).toBe(51);
    expect(outcome.replies.slice(1).every((reply) => reply.equals(value))).toBe(true);
    expect(outcome.rest).toEqual(Buffer.concat(rest));
  });

  it('arenas without slots run all', () => {
    const stand = open(arenas, {}, false);
    expect(run(stand, frame(7, command('SET', THERE, HERE)))).toEqual({
      replies: [TRUE],
      rest: undefined,
    });
  });

  it('keys of any length and with braces end where the twin says', () => {
    const random = new Random(5);
    const stand = open(arenas);
    let elsewhere = 0;
    const services = () => (random.chance(0.9) ? Service.ALL : Service.NONE);
    stand.table.setServices(Array.from({ length: SLOT_COUNT }, services));
    for (let round = 0; round < 2000; round++) {
      const longest = random.pick([16, 31, 32, 33, 60]);
      // Two times four.
      const commands = Array.from({ length: 8 }, () => {
        const key = random.bytes(random.between(1, longest));
        if (random.chance(0.2)) Buffer.from('{a}').copy(key, random.below(key.length));
        return random.chance(0.5) ? command('GET', bin(key)) : command('SET', str(key), integer(1));
      });
      const bytes = frame(7, ...commands);
      const at = elsewhereIn(bytes, (slot) => stand.table.serviceOf(slot), Access.OWNER);
      const { rest } = run(stand, bytes);
      expect(rest && bytes.length - rest.length, bytes.toString('hex')).toBe(at);
      if (at !== undefined) elsewhere += 1;
    }
    expect(elsewhere).toBeGreaterThan(100);
  });

  const seed = freshSeed();
  it.each(['right', 'hostile'])(`%s frames end where the twin says (seed ${seed})`, (kind) => {
    const random = new Random(seed);
    const stand = open(arenas, {}, true);
    const { table } = stand;
    let elsewhere = 0;
    for (let round = 0; round < 1500; round++) {
      if (round % 50 === 0) {
        const share = random.pick([0, 0.5, 0.9, 0.99]);
        const services = () => (random.chance(share) ? random.pick([1, 3]) : random.pick([0, 2]));
        table.setServices(Array.from({ length: SLOT_COUNT }, services));
      }
      const bytes = kind === 'right' ? randomFrame(random) : hostileFrame(random);
      // The twin calls itself for what is in what.
      if (bytes.length > 3000) continue;
      const access = random.pick([Access.OWNER, Access.REPLICA]);
      const serviceOf = (slot: number) => table.serviceOf(slot);
      const found = stand.executor.executeWhereServed(bytes, undefined, access);
      if (isFault(found)) continue;
      const expected = elsewhereIn(bytes, serviceOf, access);
      const told = found instanceof Elsewhere ? bytes.length - found.rest.length : undefined;
      expect(told, bytes.toString('hex')).toBe(expected);
      if (!(found instanceof Elsewhere)) continue;
      elsewhere += 1;
      expect(bytes.subarray(expected).equals(found.rest)).toBe(true);
      const before = splitValues(bytes.subarray(0, expected))!;
      expect(splitValues(Buffer.from(found.reply))!.length).toBe(before.length);
    }
    expect(elsewhere).toBeGreaterThan(100);
    expect(stand.set.checkIntegrity()).toBeUndefined();
  });
});
