/**
 * Frames longer than a request area, and replies longer than a reply area: with one arena and with
 * several, a command is answered as it is in a frame of its own, and as a short one is.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { type FrameFault, type Frames, isFault } from '#engine/frame.js';
import { COMMAND_TOO_LARGE_TEXT, LONG_FRAME_COMMANDS_MAX } from '#engine/long-frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import {
  array,
  bin,
  command,
  difference,
  error,
  FALSE,
  frame,
  integer,
  map,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const MAX_VALUE_BYTES = 8 * MIB;
const hex = (text: string) => Buffer.from(text, 'hex');
const PONG = str('PONG');

interface Stand {
  set: ArenaSet;
  executor: Frames<undefined>;
  execute(bytes: Uint8Array): Uint8Array | FrameFault;
  run(...commands: readonly Wire[]): Wire[];
}

const stands: Stand[] = [];
afterAll(() => {
  for (const { set } of stands) set.close();
});

function open(arenas: number, limits = {}): Stand {
  const set = ArenaSet.create({
    memoryBytes: arenas * 64 * MIB,
    partitions: 1,
    policy: 'none',
    maxValueBytes: MAX_VALUE_BYTES,
    maxThreads: 1,
    arenas,
  });
  const executor = createExecutor<undefined>(set, (_, args) => args.length, limits);
  const execute = (bytes: Uint8Array) => executor.execute(bytes, undefined);
  const run = (...commands: readonly Wire[]) => {
    const reply = execute(frame(7, ...commands));
    if (isFault(reply)) throw new Error(reply.reason);
    const [id, ...replies] = valuesOf(reply);
    expect(id).toEqual(integer(7));
    return replies;
  };
  const stand = { set, executor, execute, run };
  stands.push(stand);
  return stand;
}

/** As a bin, header included, so many bytes of some content. */
function largeBin(bytes: number, content: number): Wire {
  const payload = Buffer.alloc(bytes - 5, content);
  payload.writeUInt32BE(content, payload.length >> 1);
  return bin(payload, 4);
}

function expectSame(got: Wire | undefined, expected: Wire): void {
  expect(difference(got!, expected)).toBeUndefined();
}

const textOf = (reply: Wire | undefined) => reply!.toString('utf8', 3);

describe.each([1, 3])('%i arenas', (arenas) => {
  const { set, run, execute } = open(arenas);
  const { areaBytes } = set.facts;
  const key = str('k');
  const large = largeBin(3 * MIB, 1);

  it('store and read values of every size around what an area holds', () => {
    // What SET takes besides its value in a frame: array, code, key, and the id in front.
    const rest = 5;
    const sizes = [MIB, areaBytes - rest, 2 * areaBytes, MAX_VALUE_BYTES];
    for (const size of sizes.flatMap((bytes) => [bytes - 2, bytes - 1, bytes, bytes + 1])) {
      const value = largeBin(size, size & 0xff);
      const isTaken = size <= MAX_VALUE_BYTES;
      const [before, stored, after, read] = run(
        command('EXISTS', key),
        command('SET', key, value),
        command('EXISTS', key),
        command('GET', key),
      );
      expect([size, before, after]).toEqual([size, integer(0), integer(isTaken ? 1 : 0)]);
      if (isTaken) expect(stored).toEqual(TRUE);
      else expect(textOf(stored)).toBe('TOOLARGE the value is larger than this node takes');
      expectSame(read, isTaken ? value : NIL);
      expect(run(command('DEL', key))).toEqual([integer(isTaken ? 1 : 0)]);
      expect(set.checkIntegrity()).toBeUndefined();
    }
  });

  it('answer long and short commands in their order, each once', () => {
    const commands: Wire[] = [];
    const expected: Wire[] = [];
    for (let i = 0; i < 6; i++) {
      const name = str(`large ${i % 4}`);
      const value = largeBin(MIB + i * 100 * KIB, i);
      commands.push(command('INCR', str('n')), command('SET', name, value), command('GET', name));
      commands.push(command('PING'), command('HELLO', NIL), command('EXISTS', name, str('no')));
      expected.push(integer(i + 1), TRUE, value, PONG, integer(1), integer(1));
    }
    const frames = set.stats().frames;
    const counted = set.stats().commands;
    const replies = run(...commands);
    expect(replies).toHaveLength(expected.length);
    for (const [i, reply] of replies.entries()) expectSame(reply, expected[i]!);
    expect(set.stats().frames).toBe(frames + 1);
    // With several arenas, EXISTS of two keys may be of two, and HELLO is of none.
    const count = set.stats().commands - counted;
    if (arenas === 1) expect(count).toBe(commands.length);
    else expect(Math.abs(count - commands.length)).toBeLessThanOrEqual(6);
    run(command('DEL', str('n'), ...[0, 1, 2, 3].map((i) => str(`large ${i}`))));
  });

  it('answer frames of many short commands that add up', () => {
    const values = Array.from({ length: 5000 }, (_, i) => bin(Buffer.alloc(1000, i)));
    const sets = values.map((value, i) => command('SET', str(`s${i}`), value));
    const { frames } = set.stats();
    expect(run(...sets)).toEqual(sets.map(() => TRUE));
    expect(set.stats().frames).toBe(frames + 1);
    const read = run(...values.map((_, i) => command('GET', str(`s${i}`))));
    expect(read.map((reply, i) => reply.equals(values[i]!))).toEqual(values.map(() => true));
    expect(run(command('DEL', ...values.map((_, i) => str(`s${i}`))))).toEqual([integer(5000)]);
  });

  it('read a large value in each of the ways that return one', () => {
    const other = largeBin(2 * MIB, 9);
    const getAndSet = (value: Wire) => command('SET', key, value, NIL, integer(8));
    run(command('SET', key, large));
    const replies = run(
      command('PING'),
      command('GET', key),
      command('GETV', key),
      getAndSet(integer(5)),
      getAndSet(other),
      getAndSet(large),
      array([str('get'), key]),
      command('DEL', key),
      getAndSet(large),
    );
    expect(replies[0]).toEqual(PONG);
    expectSame(replies[1], large);
    expectSame(replies[2]!.subarray(1, 1 + large.length), large);
    expect(valuesOf(replies[2]!.subarray(1))).toHaveLength(2);
    expectSame(replies[3], large);
    expectSame(replies[4], integer(5));
    expectSame(replies[5], other);
    expectSame(replies[6], large);
    expect(replies.slice(7)).toEqual([integer(1), NIL]);
    run(command('DEL', key));
  });

  it('mind conditions and times to live', () => {
    const [NX, XX, KEEP_TTL, IF_VERSION] = [1, 2, 4, 16].map((flag) => integer(flag));
    const setWith = (...rest: Wire[]) => run(command('SET', key, large, ...rest));
    expect(setWith(NIL, XX!)).toEqual([FALSE]);
    expect(setWith(integer(100_000), NX!)).toEqual([TRUE]);
    expect(setWith(NIL, NX!)).toEqual([FALSE]);
    expect(setWith(NIL, KEEP_TTL!)).toEqual([TRUE]);
    const [left] = run(command('TTL', key));
    expect(left!.readUInt32BE(1)).toBeGreaterThan(50_000);
    const [pair] = run(command('GETV', key));
    const [, version] = valuesOf(pair!.subarray(1));
    expect(setWith(NIL, IF_VERSION!, integer(1))).toEqual([FALSE]);
    expect(setWith(NIL, IF_VERSION!, version!)).toEqual([TRUE]);
    expect(setWith(NIL, IF_VERSION!, version!)).toEqual([FALSE]);
    expect(run(command('TTL', key), command('DEL', key))).toEqual([integer(-1), integer(1)]);
  });

  /** Commands with a value in them, that is short or long. */
  const WITH_VALUE: Record<string, (value: Wire) => Wire> = {
    'a negative TTL': (value) => command('SET', key, value, integer(-1)),
    'a TTL of too many years': (value) => command('SET', key, value, integer(2n ** 53n)),
    'a huge TTL': (value) => command('SET', key, value, integer(2n ** 64n - 1n)),
    'a TTL that is a text': (value) => command('SET', key, value, str('1')),
    'a TTL that is the value': (value) => command('SET', key, NIL, value),
    'unknown flags': (value) => command('SET', key, value, NIL, integer(32)),
    'flags that are the value': (value) => command('SET', key, NIL, NIL, value),
    'NX and XX': (value) => command('SET', key, value, NIL, integer(3)),
    'KEEPTTL and a TTL': (value) => command('SET', key, value, integer(1), integer(4)),
    'a version without its flag': (value) => command('SET', key, value, NIL, NIL, integer(1)),
    'the flag without a version': (value) => command('SET', key, value, NIL, integer(16), NIL),
    'a negative version': (value) => command('SET', key, value, NIL, integer(16), integer(-1)),
    'a huge version': (value) =>
      command('SET', key, value, NIL, integer(16), integer(2n ** 63n, 'uint64')),
    'a version that is the value': (value) => command('SET', key, NIL, NIL, integer(16), value),
    'too many arguments': (value) => command('SET', key, value, NIL, NIL, NIL, NIL),
    'too few arguments': (value) => array([str('SET'), value]),
    'an empty key': (value) => command('SET', str(''), value),
    'a key that is a number': (value) => command('SET', integer(1), value),
    'a key that is the value': (value) => command('SET', array([value]), value),
    'a key of 65,536 bytes': (value) => command('SET', bin(Buffer.alloc(65_536)), value),
    'a key of a namespace, as only the host may have': (value) =>
      command('SET', hex('c7070300001000616461'), value),
    'no name': (value) => array([NIL, key, value]),
    'a name that is none': (value) => array([str('SETT'), key, value]),
    'a name in another alphabet': (value) => array([str('ſet'), key, value]),
    'a code that is none': (value) => array([integer(0x7f), key, value]),
    'a code beyond all': (value) => array([integer(2n ** 40n), key, value]),
    'a negative code': (value) => array([integer(-17), key, value]),
    'no array': (value) => map([key, value]),
    'GET with a value': (value) => command('GET', key, value),
    'by its name': (value) => array([bin('sEt'), key, value]),
    'by its code, long': (value) => array([integer(0x11, 'uint64'), key, value], 4),
    'a long key': (value) => command('SET', bin(Buffer.alloc(65_535, 7)), value, integer(5)),
  };

  it.each(Object.entries(WITH_VALUE))('answer a long command as a short one: %s', (_, make) => {
    const short = run(make(str('x')))[0]!;
    // Neither finds what the other has left.
    run(command('DEL', key, bin(Buffer.alloc(65_535, 7))));
    const [ping, long, pong] = run(command('PING'), make(large), command('PING'));
    expect([ping, long, pong]).toEqual([PONG, short, PONG]);
    run(command('DEL', key, bin(Buffer.alloc(65_535, 7))));
    expect(set.stats().entries).toBe(0);
  });

  it.each([
    ['DEL', array([str('DEL'), ...new Array<Wire>(30).fill(bin(Buffer.alloc(60_000, 1)))])],
    ['EXPIRE', command('EXPIRE', key, large)],
    ['HELLO', command('HELLO', large)],
  ])('refuse a %s that is too long, and run the rest', (_, long) => {
    expect(long.length).toBeGreaterThan(areaBytes);
    expect(run(long, command('PING'))).toEqual([error(COMMAND_TOO_LARGE_TEXT), PONG]);
  });

  it('answer no more commands of the host than in a short frame', () => {
    const hellos = new Array<Wire>(40).fill(command('HELLO'));
    const replies = run(...hellos, command('SET', key, large), ...hellos, command('DEL', key));
    const isBusy = (reply: Wire): boolean => textOf(reply).startsWith('BUSY');
    expect(replies.map(isBusy).lastIndexOf(false)).toBe(81);
    expect(replies.filter(isBusy)).toHaveLength(16);
  });

  it('take no id but one', () => {
    const set = command('SET', key, large);
    const bad = { closeCode: 1007, reason: 'a frame begins with an id from 1 to 4294967295' };
    for (const id of [integer(0), integer(2n ** 32n), str('1'), NIL, large, Buffer.of(0xc1)]) {
      expect(execute(Buffer.concat([id, set]))).toEqual(bad);
    }
    expect(execute(set)).toEqual(bad);
    expect(run(command('EXISTS', key))).toEqual([integer(0)]);
    const reply = execute(Buffer.concat([integer(2n ** 32n - 1n), set, command('DEL', key)]));
    expect(valuesOf(reply as Uint8Array)).toEqual([integer(2n ** 32n - 1n), TRUE, integer(1)]);
  });

  it('refuse a frame that is cut short, at the command that is', () => {
    const commands = [command('PING'), command('SET', key, large), command('SET', key, large)];
    const whole = frame(300, ...commands, command('DEL', key));
    const starts = [3, 5, 5 + commands[1]!.length];
    const lengths = [starts[1]! + areaBytes, starts[2]! - 1];
    for (let header = 1; header < 12; header++) lengths.push(starts[2]! + header);
    for (const length of lengths) {
      const at = starts.findLast((start) => start < length)!;
      expect(execute(Buffer.from(whole.subarray(0, length)))).toEqual({
        closeCode: 1007,
        reason: `bytes from ${at} on are no whole msgpack value`,
      });
    }
    run(command('DEL', key));
    expect(set.checkIntegrity()).toBeUndefined();
  });

  it.each([
    ['0xc1', Buffer.of(0xc1)],
    ['an array of 2^32 - 1 elements', Buffer.of(0xdd, 255, 255, 255, 255)],
    ['a str of 2^32 - 1 bytes', Buffer.of(0xdb, 255, 255, 255, 255)],
    ['half a length', Buffer.of(0xdb, 0)],
    ['maps of 2^32 - 1 pairs in each other', Buffer.alloc(2 * MIB, hex('dfffffffff'))],
    ['arrays of one without end', Buffer.alloc(2 * MIB, 0x91)],
  ])('refuse a frame with %s', (_, bad) => {
    const before = frame(1, command('SET', key, large));
    expect(execute(Buffer.concat([before, bad]))).toEqual({
      closeCode: 1007,
      reason: `bytes from ${before.length} on are no whole msgpack value`,
    });
    run(command('DEL', key));
  });

  it('take any depth', () => {
    const deep = Buffer.concat([Buffer.alloc(2 * MIB, 0x91), NIL]);
    expect(run(command('SET', key, deep), command('PING'))).toEqual([TRUE, PONG]);
    const read = execute(frame(1, command('GET', key))) as Uint8Array;
    expect(deep.equals(read.subarray(1))).toBe(true);
    run(command('DEL', key));
  });

  it('refuse frames of too many bytes or commands', () => {
    const faultOf = (bytes: Buffer) => {
      const result = execute(bytes);
      return isFault(result) && result;
    };
    const bytesMax = MAX_VALUE_BYTES + 128 * KIB;
    const filler = command('SET', key, largeBin(bytesMax - 5, 1));
    expect(isFault(execute(frame(1, filler)))).toBe(false);
    expect(faultOf(Buffer.concat([frame(1, filler), Buffer.of(0xc0)]))).toEqual({
      closeCode: 1009,
      reason: `a message has at most ${bytesMax} bytes here`,
    });
    const nils = Buffer.alloc(LONG_FRAME_COMMANDS_MAX, 0xc0);
    const most = frame(1, nils.subarray(1), command('SET', key, largeBin(2 * MIB, 1)));
    expect(valuesOf(execute(most) as Uint8Array)).toHaveLength(1 + LONG_FRAME_COMMANDS_MAX);
    expect(faultOf(Buffer.concat([most, NIL]))).toEqual({
      closeCode: 1009,
      reason: `a message above ${areaBytes} bytes has at most ${LONG_FRAME_COMMANDS_MAX} commands`,
    });
    run(command('DEL', key));
  });
});

describe.each([1, 2, 3])('replies that are too long, %i arenas', (arenas) => {
  const LIMIT = 10 * MIB;
  const isRefused = (reply: Wire): boolean => textOf(reply).startsWith('TOOLARGE the replies');

  it('end with the one that passes the limit; the rest is not run', () => {
    const { set, run } = open(arenas, { maxReplyBytes: LIMIT });
    const value = largeBin(4 * MIB, 3);
    const names = Array.from({ length: 5 }, (_, i) => str(`large ${i}`));
    for (const name of names) run(command('SET', name, value));
    const last = command('SET', str('last'), largeBin(1300 * KIB, 1));
    for (const commands of [
      // Short, and longer than an area before or behind what passes the limit.
      [...names.map((name) => command('GET', name)), command('DEL', ...names), command('HELLO')],
      [...names.map((name) => command('GET', name)), last, command('PING')],
      [last, ...names.map((name) => command('GET', name)), last, command('DEL', ...names)],
      [...names.flatMap((name) => [command('GET', name), last])],
    ]) {
      const replies = run(...commands);
      expect(replies).toHaveLength(commands.length);
      const first = replies.findIndex(isRefused);
      expect(replies.slice(first).every(isRefused)).toBe(true);
      const gets = replies.slice(0, first).filter((reply) => reply.length === value.length);
      expect(gets).toHaveLength(3);
      for (const reply of gets) expectSame(reply, value);
      expect(run(command('EXISTS', ...names))).toEqual([integer(5)]);
      // Every arena answers the next frame as ever.
      const keys = Array.from({ length: 60 }, (_, i) => str(`after ${i}`));
      expect(run(...keys.map((name) => command('SET', name, NIL)))).toEqual(keys.map(() => TRUE));
      run(command('DEL', ...keys));
    }
    expect(set.checkIntegrity()).toBeUndefined();
  });

  it('of one arena do not count against the next frame', () => {
    const { run } = open(arenas, { maxReplyBytes: 100 });
    const text = largeBin(400 * KIB, 1);
    const names = Array.from({ length: 12 }, (_, i) => str(`k${i}`));
    for (const name of names) {
      run(command('SET', name, text));
      // A frame of one arena alone, whose replies fill the reply area: what follows is refused.
      const replies = run(...new Array<Wire>(5).fill(command('GET', name)));
      expect(replies.map(isRefused)).toEqual([false, false, true, true, true]);
      const ttls = run(...names.map((other) => command('TTL', other)), command('DEL', name));
      expect(ttls.filter(isRefused)).toEqual([]);
    }
  });
});

const seed = freshSeed();

it(`random frames agree with a Map (seed ${seed})`, () => {
  const random = new Random(seed);
  const sizes = [5, 100, 9000, 400 * KIB, MIB, MIB + 1, MIB + 130 * KIB, 2 * MIB, 3 * MIB];
  for (const arenas of [1, 2]) {
    const { set, run } = open(arenas);
    const model = new Map<string, Wire>();
    for (let round = 0; round < 60; round++) {
      const commands: Wire[] = [];
      const expected: Wire[] = [];
      let left = MAX_VALUE_BYTES;
      for (let i = random.below(12); i >= 0; i--) {
        const name = `k${random.below(6)}`;
        const size = random.pick(sizes);
        const old = model.get(name) ?? NIL;
        const kind = random.below(4);
        if (kind === 0 && size <= left) {
          const value = size < 10 ? integer(random.below(100)) : largeBin(size, round & 0xff);
          left -= value.length;
          commands.push(command('SET', str(name), value, NIL, integer(8)));
          model.set(name, value);
          expected.push(old);
        } else if (kind === 1) {
          commands.push(command('DEL', str(name)));
          expected.push(integer(model.delete(name) ? 1 : 0));
        } else if (kind === 2) {
          commands.push(command('GET', str(name)));
          expected.push(old);
        } else {
          const names = ['k0', 'k1', 'k2', name];
          commands.push(command('EXISTS', ...names.map((each) => str(each))));
          expected.push(integer(names.filter((each) => model.has(each)).length));
        }
      }
      const replies = run(...commands);
      const wrong = replies.findIndex((reply, i) => !reply.equals(expected[i]!));
      expect([seed, round, wrong, replies.length]).toEqual([seed, round, -1, expected.length]);
    }
    expect(set.checkIntegrity()).toBeUndefined();
  }
});
