/**
 * Frames on several arenas: whatever the frame, the reply is byte by byte that of one arena, and so
 * is what is stored. What only several arenas have: commands in parts, keys that must be together.
 */
import { describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import { type Frames, isFault } from '#engine/frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { Router } from '#engine/router.js';
import { BY_CHANCE, expectSame, isOneOf } from '../support/compare-replies.js';
import { hostileFrame, randomFrame } from '../support/fuzz-frames.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { judgeFrame } from '../support/fuzz-replies.js';
import {
  array,
  bin,
  command,
  error,
  FALSE,
  frame,
  integer,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const KIB = 1024;
const MIB = 1024 * KIB;

interface Stand {
  set: ArenaSet;
  executor: Frames<undefined>;
}

interface Limits {
  maxReplyBytes?: number;
  now?: () => number;
}

function openStand(arenas: number, limits: Limits = {}, maxValueBytes = 64 * KIB): Stand {
  const set = ArenaSet.create({
    memoryBytes: 64 * MIB,
    partitions: 1,
    policy: 'none',
    maxValueBytes,
    maxThreads: 1,
    arenas,
  });
  const executor = createExecutor<undefined>(set, (_, args) => args.length, limits);
  return { set, executor };
}

function run({ executor }: Stand, ...commands: readonly Wire[]): Wire[] {
  const reply = executor.execute(frame(1, ...commands), undefined);
  if (isFault(reply)) throw new Error(reply.reason);
  const [id, ...replies] = valuesOf(reply);
  expect(id).toEqual(integer(1));
  return replies;
}

/** Those, and what several arenas refuse where one does not. */
const INCOMPARABLE = (Object.keys(COMMANDS) as CommandName[]).filter((name) => {
  const row: CommandRow = COMMANDS[name];
  return row.manyKeys === 'together' || name === 'ATOMIC' || BY_CHANCE.includes(name);
});

/** A frame that one arena answers as several do. */
function comparableFrame(make: (random: Random) => Buffer, random: Random): Buffer {
  for (;;) {
    const bytes = make(random);
    if (!judgeFrame(bytes).commands.some((request) => isOneOf(INCOMPARABLE, request))) return bytes;
  }
}

const COUNTS = [2, 3, 20];

describe.each(COUNTS)('%i arenas', (arenas) => {
  const seed = freshSeed();

  it.each([
    ['right', randomFrame, 400],
    ['hostile', hostileFrame, 800],
  ] as const)(`answer %s frames as one arena does (seed ${seed})`, (_, makeFrame, rounds) => {
    let nowMs = 1_800_000_000_000;
    const limits = { maxReplyBytes: Number.POSITIVE_INFINITY, now: () => nowMs };
    const one = openStand(1, limits);
    const several = openStand(arenas, limits);
    const random = new Random(seed);
    for (let round = 0; round < rounds; round++) {
      const bytes = comparableFrame(makeFrame, random);
      nowMs += random.below(40);
      // A reply is a view that holds until the next call of the same executor.
      const [expected, got] = [one, several].map(({ executor }) =>
        executor.execute(bytes, undefined),
      );
      expectSame(bytes, expected!, got!);
    }
    const { entries, payloadBytes, frames, hits, misses, sets, deletes } = one.set.stats();
    expect(several.set.stats()).toMatchObject({
      entries,
      payloadBytes,
      frames,
      hits,
      misses,
      sets,
      deletes,
    });
    expect(several.set.checkIntegrity()).toBeUndefined();
    for (const { set } of [one, several]) set.close();
  });

  it('share out the keys, and find all of them', () => {
    const stand = openStand(arenas);
    const keys = Array.from({ length: 5000 }, (_, i) => str(`key ${i}`));
    const sets = keys.map((key, i) => command('SET', key, integer(i)));
    expect(run(stand, ...sets)).toEqual(keys.map(() => TRUE));
    expect(run(stand, ...keys.map((key) => command('GET', key)))).toEqual(
      keys.map((_, i) => integer(i)),
    );
    const shares = stand.set.arenas.map((arena) => arena.stats().entries);
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(shares.reduce((sum, share) => sum + share)).toBe(5000);
    stand.set.close();
  });

  it('do their keys of a command each, and add up', () => {
    const stand = openStand(arenas);
    const all = Array.from({ length: 300 }, (_, i) => str(`k${i}`));
    run(stand, ...all.slice(0, 200).map((key) => command('SET', key, NIL)));
    for (const count of [2, 13, 14, 15, 16, 17, 100, 300]) {
      const keys = all.slice(150, 150 + count).concat(all.slice(0, Math.max(0, count - 150)));
      const present = Math.min(count, 50) + Math.max(0, count - 150);
      expect(run(stand, command('EXISTS', ...keys))).toEqual([integer(present)]);
      expect(run(stand, array([str('touch'), ...keys]), command('PING'))).toEqual([
        integer(present),
        str('PONG'),
      ]);
    }
    // Wrong somewhere: nothing is done at all.
    const [wrong] = run(stand, command('DEL', ...all, integer(7)));
    expect(wrong!.toString('latin1', 3)).toMatch(/^SYNTAX a key/);
    expect(stand.set.stats().entries).toBe(200);
    expect(run(stand, command('DEL', ...all, all[0]!), command('EXISTS', ...all))).toEqual([
      integer(200),
      integer(0),
    ]);
    stand.set.close();
  });

  it('answer frames of more commands than are split at a time', () => {
    const stand = openStand(arenas);
    for (const count of [4095, 4096, 4097, 9000]) {
      const commands = Array.from({ length: count }, (_, i) => command('INCR', str(`n${i % 97}`)));
      const replies = run(stand, ...commands);
      expect(replies).toHaveLength(count);
      run(stand, ...Array.from({ length: 97 }, (_, i) => command('DEL', str(`n${i}`))));
      for (const [i, reply] of replies.entries()) {
        expect(reply).toEqual(integer(1 + Math.floor(i / 97)));
      }
    }
    stand.set.close();
  });

  it('answer what is longer than an area, each command once', () => {
    const stand = openStand(arenas);
    const values = Array.from({ length: 30 }, (_, i) => bin(Buffer.alloc(60_000 + i, i)));
    for (const [i, value] of values.entries()) run(stand, command('SET', str(`v${i}`), value));
    const commands: Wire[] = [];
    const expected: Wire[] = [];
    for (let i = 0; i < 300; i++) {
      commands.push(command('GET', str(`v${i % 30}`)), command('INCR', str(`n${i % 7}`)));
      commands.push(command('EXISTS', str(`v${i % 30}`), str(`v${(i + 1) % 30}`), str('no')));
      expected.push(values[i % 30]!, integer(1 + Math.floor(i / 7)), integer(2));
    }
    const replies = run(stand, ...commands);
    expect(replies.map((reply, i) => reply.equals(expected[i]!))).toEqual(expected.map(() => true));
    expect(stand.set.stats().frames).toBe(31);
    stand.set.close();
  });

  it('refuse the rest of a frame whose replies are too long, and only that', () => {
    const limit = 500_000;
    const stand = openStand(arenas, { maxReplyBytes: limit });
    const value = bin(Buffer.alloc(60_000, 9));
    for (let i = 0; i < 8; i++) run(stand, command('SET', str(`v${i}`), value));
    const commands: Wire[] = [];
    for (let i = 0; i < 400; i++) {
      commands.push(command('GET', str(`v${i % 8}`)), command('SET', str(`s${i}`), NIL));
    }
    commands.push(command('HELLO'), command('SET', str('last'), NIL));
    const replies = run(stand, ...commands);
    expect(replies).toHaveLength(802);
    const isRefused = (reply: Wire): boolean => reply.toString('latin1', 3, 11) === 'TOOLARGE';
    const values = replies.filter((reply) => reply.equals(value)).length;
    const areaBytes = stand.set.facts.areaBytes;
    expect(values * 60_000).toBeGreaterThan(limit - areaBytes);
    expect(values * 60_000).toBeLessThan(limit + (arenas + 2) * areaBytes);
    expect(isRefused(replies.at(-1)!)).toBe(true);
    expect(isRefused(replies.at(-2)!)).toBe(true);
    // The next frame is answered as ever, by every arena.
    const keys = Array.from({ length: 200 }, (_, i) => str(`after ${i}`));
    const after = run(stand, ...keys.map((key) => command('SET', key, NIL)));
    expect(after).toEqual(keys.map(() => TRUE));
    // What was refused did not happen, all else did.
    for (let i = 0; i < 400; i++) {
      const [stored] = run(stand, command('EXISTS', str(`s${i}`)));
      expect([i, stored]).toEqual([i, integer(isRefused(replies[2 * i + 1]!) ? 0 : 1)]);
    }
    stand.set.close();
  });

  it('say BUSY to too many commands of the host', () => {
    const stand = openStand(arenas);
    const sets = Array.from({ length: 20 }, (_, i) => command('SET', str(`k${i}`), NIL));
    const hellos = new Array<Wire>(70).fill(command('HELLO'));
    const replies = run(stand, ...sets, ...hellos, command('DEL', str('k0')), ...sets);
    expect(replies.slice(20, 84)).toEqual(new Array(64).fill(integer(0)));
    for (const reply of replies.slice(84, 90)) {
      expect(reply.toString('latin1', 3)).toMatch(/^BUSY /);
    }
    expect(replies.slice(90)).toEqual([integer(1), ...sets.map(() => TRUE)]);
    stand.set.close();
  });

  it('refuse a reply that is too long, and go on behind it', () => {
    const stand = openStand(arenas);
    // Forty are too long for a reply, and twice as many fit the smallest arena.
    const long = bin(Buffer.alloc(30_000));
    for (let i = 0; i < 40; i++) {
      run(
        stand,
        command('RPUSH', str('list'), long),
        command('HSET', str('hash'), integer(i), long),
      );
    }
    const tooLong = error(
      'TOOLARGE the reply is longer than this node sends at once; ask for less',
    );
    const replies = run(
      stand,
      command('SET', str('k'), integer(1)),
      command('LRANGE', str('list'), integer(0), integer(-1)),
      command('GET', str('k')),
      command('HGETALL', str('hash')),
      command('RPOP', str('list'), integer(40)),
      command('LLEN', str('list')),
    );
    expect(replies).toEqual([TRUE, tooLong, integer(1), tooLong, tooLong, integer(40)]);
    expect(stand.set.checkIntegrity()).toBeUndefined();
    stand.set.close();
  });

  it('store what is in front of broken bytes', () => {
    const stand = openStand(arenas);
    const sets = Array.from({ length: 50 }, (_, i) => command('SET', str(`k${i}`), NIL));
    const start = frame(1, ...sets);
    const broken = Buffer.concat([start, Buffer.of(0x92, 0x10)]);
    expect(stand.executor.execute(broken, undefined)).toEqual({
      closeCode: 1007,
      reason: `bytes from ${start.length} on are no whole msgpack value`,
    });
    expect(stand.set.stats()).toMatchObject({ entries: 50, frames: 1 });
    stand.set.close();
  });
});

describe('a command whose keys must be together', () => {
  const SPLIT_SOLE = 0;
  const CODE = 0x7f;

  const wireOf = (arg: string | Wire): Wire => (typeof arg === 'string' ? str(arg) : arg);

  /** What becomes of the one command of a frame, in a router that knows such a command. */
  function split(...keys: (string | Wire)[]): { outcome: number; reply: string } {
    const router = new Router(16, 128 * KIB, 7);
    const { kernel } = router;
    kernel.addCommand(CODE, 1, 255, 0, 1, -1, 2, kernel.ROW_KEYS_TOGETHER.value, 64, 0);
    const bytes = frame(1, array([integer(CODE), ...keys.map(wireOf)]));
    router.frame.set(bytes);
    const outcome = kernel.splitFrame(0, bytes.length);
    if (outcome !== SPLIT_SOLE) expect(kernel.mergeReplies()).toBe(kernel.MERGE_DONE.value);
    return { outcome, reply: Buffer.from(router.out).toString('latin1', 4, 80) };
  }

  it('goes to their arena when they have a tag in common', () => {
    const keys = Array.from({ length: 40 }, (_, i) => `{user}:${i}`);
    expect(split(...keys).outcome).toBe(SPLIT_SOLE);
    expect(split('alone').outcome).toBe(SPLIT_SOLE);
  });

  it('may have options behind them, which are no keys', () => {
    expect(split('alone', integer(1), array([NIL])).outcome).toBe(SPLIT_SOLE);
    expect(split('{tag} one', '{tag} two', NIL).outcome).toBe(SPLIT_SOLE);
    const keys = Array.from({ length: 40 }, (_, i) => `user:${i}`);
    expect(split(...keys, integer(1), NIL).reply).toMatch(/^CROSSSLOT/);
    // Three are one too many: any arena refuses it.
    expect(split(...keys, NIL, NIL, NIL).outcome).toBe(SPLIT_SOLE);
  });

  it('is refused when they are in several', () => {
    const keys = Array.from({ length: 40 }, (_, i) => `user:${i}`);
    const { outcome, reply } = split(...keys);
    expect(outcome).not.toBe(SPLIT_SOLE);
    expect(reply).toMatch(/^CROSSSLOT the keys are in several arenas/);
  });
});

it('false is a reply like any other', () => {
  const stand = openStand(2);
  const keys = Array.from({ length: 30 }, (_, i) => str(`k${i}`));
  expect(run(stand, ...keys.map((key) => command('PERSIST', key)))).toEqual(keys.map(() => FALSE));
  expect(run(stand, command('GET', integer(5)), command('GET', keys[0]!))).toEqual([
    error('SYNTAX a key is a str or bin of 1 to 65535 bytes'),
    NIL,
  ]);
  stand.set.close();
});
