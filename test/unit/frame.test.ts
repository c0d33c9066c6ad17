/** Frames: replies in order whatever interrupts the kernel, commands of the host, faults, limits. */
import { describe, expect, it } from 'vitest';
import { ArenaSet } from '#engine/arena-set.js';
import { SlabringError } from '#engine/errors.js';
import { encodeError, type FrameFault, type HostCommands, isFault } from '#engine/frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { Bench, KIB, MIB, NOON } from '../support/kernel-memory.js';
import {
  array,
  bin,
  command,
  difference,
  error,
  FALSE,
  float,
  frame,
  integer,
  map,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';

const PONG = str('PONG');

/** An executor whose host does this with HELLO, on arenas of its own. */
function executorOf(
  host: HostCommands<string>,
  limits = {},
  arenas = 1,
): {
  run: (...commands: Wire[]) => Wire[];
  execute: (bytes: Uint8Array) => Uint8Array | FrameFault;
} {
  const set = ArenaSet.create({
    memoryBytes: arenas * 4 * MIB,
    partitions: 1,
    policy: 'clock',
    maxValueBytes: MIB,
    maxThreads: 2,
    arenas,
  });
  const executor = createExecutor<string>(set, host, limits);
  const execute = (bytes: Uint8Array): Uint8Array | FrameFault =>
    executor.execute(bytes, 'context');
  return {
    execute,
    run: (...commands) => {
      const reply = execute(frame(77, ...commands));
      if (isFault(reply)) throw new Error(reply.reason);
      const [id, ...replies] = valuesOf(reply);
      expect(id).toEqual(integer(77));
      return replies;
    },
  };
}

describe('a reply frame', () => {
  it('has one reply for each command, in their order', () => {
    const bench = new Bench();
    for (const count of [0, 1, 2, 31, 32, 33, 63, 64, 65, 1000]) {
      const commands = Array.from({ length: count }, (_, i) =>
        command('SET', str(`k${i}`), integer(i)),
      );
      expect(bench.run(...commands)).toEqual(commands.map(() => TRUE));
      const gets = commands.map((_, i) => command('GET', str(`k${count - 1 - i}`)));
      expect(bench.run(...gets)).toEqual(commands.map((_, i) => integer(count - 1 - i)));
    }
  });

  it('shows to each command what those before it did, in any group', () => {
    const bench = new Bench();
    const key = str('k');
    const commands: Wire[] = [];
    const expected: Wire[] = [];
    for (let i = 0; i < 100; i++) {
      commands.push(command('GET', key), command('SET', key, integer(i)), command('GET', key));
      expected.push(NIL, TRUE, integer(i));
      commands.push(command('INCR', key), command('GET', key), command('DEL', key));
      expected.push(integer(i + 1), integer(i + 1), integer(1));
    }
    expect(bench.run(...commands)).toEqual(expected);
  });

  it('may be longer than the reply area by the old values of SETs', () => {
    const { run } = executorOf(() => null);
    const olds = Array.from({ length: 250 }, (_, i) => bin(Buffer.alloc(6000, i)));
    for (const [i, old] of olds.entries()) run(command('SET', str(`key ${i}`), old));
    const withGet = [integer(0), integer(8)];
    const sets = olds.map((_, i) => command('SET', str(`key ${i}`), integer(i), ...withGet));
    expect(run(...sets)).toEqual(olds);
    expect(run(command('GET', str('key 249')))).toEqual([integer(249)]);
  });

  it('may be much longer than the reply area', () => {
    const bench = new Bench({ memoryBytes: 8 * MIB, maxValueBytes: 64 * KIB });
    const values = Array.from({ length: 10 }, (_, i) => bin(Buffer.alloc(60_000 + i, i)));
    for (const [i, value] of values.entries()) bench.one(command('SET', str(`k${i}`), value));
    // Of 192 KiB, three values fit at once: every command is interrupted for once.
    const commands = Array.from({ length: 100 }, (_, i) => [
      command('GET', str(`k${i % 10}`)),
      command('PING'),
      command('SET', str(`k${i % 10}`), values[i % 10]!, NIL, integer(8)),
      command('GETV', str(`k${i % 10}`)),
      command('INCR', str('small')),
    ]);
    const all: Wire[] = [];
    for (let i = 0; i < 100; i += 3) all.push(...bench.run(...commands.slice(i, i + 3).flat()));
    for (const [i, reply] of all.entries()) {
      const value = values[Math.floor(i / 5) % 10]!;
      if (i % 5 === 0 || i % 5 === 2) expect(difference(reply, value)).toBeUndefined();
      if (i % 5 === 1) expect(reply).toEqual(PONG);
      if (i % 5 === 3)
        expect(difference(reply.subarray(1, 1 + value.length), value)).toBeUndefined();
      // Counted once each, however often the kernel had to begin anew.
      if (i % 5 === 4) expect(reply).toEqual(integer(1 + Math.floor(i / 5)));
    }
  });

  it('of a thousand large values is whole', () => {
    const bench = new Bench({ memoryBytes: 8 * MIB, maxValueBytes: 64 * KIB });
    const value = bin(Buffer.alloc(60_000, 3));
    bench.one(command('SET', str('k'), value));
    const replies = bench.run(...new Array<Wire>(1000).fill(command('GET', str('k'))));
    expect(replies).toHaveLength(1000);
    for (const reply of replies) expect(difference(reply, value)).toBeUndefined();
    expect(bench.arena.stats()).toMatchObject({ hits: 1000, commands: 1001, frames: 2 });
  });
});

describe.each([1, 2, 3])('host commands, %i arenas', (arenas) => {
  it('get their name, arguments and context, and their reply stands where they stood', () => {
    const seen: unknown[] = [];
    const host = (...call: unknown[]) => {
      seen.push(call);
      return [1, null, 'x'];
    };
    const { run } = executorOf(host, {}, arenas);
    const hello = command('HELLO', map([str('token'), str('secret'), str('n'), float(0.5)]));
    const reply = array([integer(1), NIL, str('x')]);
    expect(run(command('PING'), hello, command('PING'))).toEqual([PONG, reply, PONG]);
    expect(run(command('HELLO'))).toEqual([reply]);
    expect(run(array([str('hello')]), command('HELLO', NIL))).toEqual([reply, reply]);
    expect(seen).toEqual([
      ['HELLO', [{ token: 'secret', n: 0.5 }], 'context'],
      ['HELLO', [], 'context'],
      ['HELLO', [], 'context'],
      ['HELLO', [null], 'context'],
    ]);
  });

  it('may stand anywhere in a frame, and in any number up to 64', () => {
    let calls = 0;
    const { run } = executorOf(() => ++calls, {}, arenas);
    for (const pattern of [
      'h',
      'hp',
      'ph',
      'hh',
      'php',
      'hhppphph',
      `${'p'.repeat(31)}hh${'p'.repeat(40)}h`,
      'ph'.repeat(64),
    ]) {
      calls = 0;
      const commands = [...pattern].map((letter) => command(letter === 'h' ? 'HELLO' : 'PING'));
      const replies = run(...commands);
      const hosts = [...pattern]
        .map((letter, i) => (letter === 'h' ? i : -1))
        .filter((i) => i >= 0);
      for (const [count, i] of hosts.entries()) expect(replies[i]).toEqual(integer(count + 1));
      expect(replies.filter((reply) => reply.equals(PONG))).toHaveLength(
        pattern.length - hosts.length,
      );
      expect(replies).toHaveLength(pattern.length);
    }
  });

  it('run in order with those of the kernel', () => {
    const log: unknown[] = [];
    const { run } = executorOf((_, args) => log.push(args[0]), {}, arenas);
    const key = str('k');
    const replies = run(
      command('INCR', key),
      command('HELLO', str('one')),
      command('INCR', key),
      command('HELLO', str('two')),
      command('GET', key),
    );
    expect(replies).toEqual([integer(1), integer(1), integer(2), integer(2), integer(2)]);
    expect(log).toEqual(['one', 'two']);
  });

  it.each([
    [new SlabringError('DENIED', 'wrong token'), 'DENIED wrong token'],
    [new SlabringError('UNAVAILABLE', ''), 'UNAVAILABLE '],
    [new TypeError('x is not a function'), 'INTERNAL x is not a function'],
    ['a text', 'INTERNAL a text'],
  ])('that throw %o are answered by %s, and the rest of the frame runs', (thrown, text) => {
    const fail = () => {
      throw thrown;
    };
    const { run } = executorOf(fail, {}, arenas);
    expect(run(command('HELLO'), command('PING'))).toEqual([error(text), PONG]);
  });

  it('are not called for a wrong number of arguments', () => {
    const fail = () => {
      throw new Error('called');
    };
    const { run } = executorOf(fail, {}, arenas);
    const [reply] = run(command('HELLO', NIL, NIL));
    expect(reply!.toString('latin1', 3)).toMatch(/^SYNTAX wrong number/);
  });

  it('may keep their arguments: they are no view of shared memory', () => {
    let kept: Buffer | undefined;
    const keep: HostCommands<string> = (_, args) => {
      kept ??= args[0] as Buffer;
      return null;
    };
    const { run } = executorOf(keep, {}, arenas);
    run(command('HELLO', bin('first')));
    run(command('HELLO', bin('other')));
    expect(Buffer.from(kept!).toString()).toBe('first');
    expect(kept!.buffer).not.toBeInstanceOf(SharedArrayBuffer);
  });
});

describe('encodeError', () => {
  it.each([0, 1, 100, 246, 247, 248, 1000])(
    'of a message of %d characters is one value',
    (length) => {
      const bytes = encodeError(new SlabringError('INTERNAL', 'x'.repeat(length)));
      expect(valuesOf(bytes)).toHaveLength(1);
      expect(bytes.length).toBeLessThanOrEqual(258);
      expect(Buffer.from(bytes).toString('utf8', 3)).toBe(
        `INTERNAL ${'x'.repeat(length)}`.slice(0, 255),
      );
    },
  );

  it.each(['é', '€', '🙂'])('cuts a long message of %s between characters', (character) => {
    for (let before = 0; before < 4; before++) {
      const message = `${'x'.repeat(before)}${character.repeat(200)}`;
      const text = Buffer.from(encodeError(new SlabringError('DENIED', message))).subarray(3);
      expect(new TextDecoder('utf-8', { fatal: true }).decode(text)).toMatch(/^DENIED x*[^x]+$/);
      expect(text.length).toBeGreaterThan(255 - Buffer.byteLength(character));
    }
  });
});

describe.each([1, 2, 3])('a fault, %i arenas', (arenas) => {
  const BAD_ID = { closeCode: 1007, reason: 'a frame begins with an id from 1 to 4294967295' };
  const malformedAt = (at: number): FrameFault => ({
    closeCode: 1007,
    reason: `bytes from ${at} on are no whole msgpack value`,
  });
  const { execute } = executorOf(() => null, {}, arenas);

  it.each([
    ['is empty', Buffer.alloc(0)],
    ['begins with 0', integer(0)],
    ['begins with -1', integer(-1)],
    ['begins with 2^32', integer(2n ** 32n)],
    ['begins with 2^63', integer(2n ** 63n)],
    ['begins with a float', float(1)],
    ['begins with a str', str('1')],
    ['begins with nil', NIL],
    ['begins with a command', command('PING')],
    ['begins with 0xc1', Buffer.of(0xc1)],
  ])('comes of a frame that %s', (_, start) => {
    expect(execute(start)).toEqual(BAD_ID);
    expect(execute(Buffer.concat([start, command('PING')]))).toEqual(BAD_ID);
  });

  it('comes of half an id', () => {
    expect(execute(Buffer.of(0xcd, 1))).toEqual(BAD_ID);
  });

  it.each([
    ['0xc1', Buffer.of(0xc1)],
    ['an array that lacks elements', Buffer.of(0x93, 0x11, 0xa1, 0x6b)],
    ['an array of 2^32 - 1 elements', Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff, 0x10)],
    ['an array of 2^16 + 2 elements', Buffer.of(0xdd, 0, 1, 0, 2, 0x10, 0xa1, 0x6b)],
    ['a str of 2^16 + 1 bytes', Buffer.of(0x92, 0x10, 0xdb, 0, 1, 0, 1, 0x6b)],
    ['a map of 2^32 - 1 pairs', Buffer.of(0x92, 0x10, 0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['a str that lacks bytes', Buffer.of(0x92, 0x10, 0xa5, 0x6b)],
    ['a str of 2^32 - 1 bytes', Buffer.of(0x92, 0x10, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x6b)],
    ['a bin8 without its length', Buffer.of(0x93, 0x11, 0xa1, 0x6b, 0xc4)],
    ['a bin8 that lacks bytes', Buffer.of(0x93, 0x11, 0xa1, 0x6b, 0xc4, 5, 1, 2)],
    ['an ext that lacks bytes', Buffer.of(0x93, 0x11, 0xa1, 0x6b, 0xc7, 5, 1)],
    ['a float that lacks bytes', Buffer.of(0x93, 0x11, 0xa1, 0x6b, 0xcb, 1)],
    ['0xc1 inside of a value', Buffer.of(0x93, 0x11, 0xa1, 0x6b, 0x91, 0xc1)],
  ])('comes of %s, wherever it stands', (_, bad) => {
    for (const before of [0, 1, 31, 32, 33, 100]) {
      const commands = new Array<Wire>(before).fill(command('PING'));
      expect(execute(frame(1, ...commands, bad))).toEqual(malformedAt(1 + 2 * before));
    }
    // After a host command and after an interruption by a full reply area as well.
    expect(execute(frame(1, command('HELLO'), bad))).toEqual(malformedAt(3));
  });

  it('comes of every frame that is cut short, unless between commands', () => {
    const commands = [
      command(
        'SET',
        str('some key'),
        map([str('a'), array([integer(1000), float(1), bin('xyz')])]),
      ),
      command('GET', str('some key')),
      array([str('incr'), bin('n', 2), integer(5, 'int64')], 4),
      command('SET', str('x'), bin('y', 4), integer(100_000), integer(8)),
    ];
    const whole = frame(300, ...commands);
    const ends = new Set<number>();
    let end = integer(300).length;
    for (const { length } of [Buffer.alloc(0), ...commands]) {
      end += length;
      ends.add(end);
    }
    for (let length = 3; length <= whole.length; length++) {
      // A copy: what lies behind it in memory must not complete it.
      const result = execute(Buffer.from(whole.subarray(0, length)));
      expect([length, isFault(result)]).toEqual([length, !ends.has(length)]);
    }
  });

  it('leaves done what was done before it, and nothing by half', () => {
    const bench = new Bench();
    const bad = Buffer.of(0x93, 0x11, 0xa1, 0x6b);
    const sets = Array.from({ length: 40 }, (_, i) => command('SET', str(`k${i}`), integer(i)));
    expect(isFault(bench.executor.execute(frame(1, ...sets, bad), undefined))).toBe(true);
    const gets = sets.map((_, i) => command('GET', str(`k${i}`)));
    expect(bench.run(...gets, command('GET', str('k')))).toEqual([
      ...sets.map((_, i) => integer(i)),
      NIL,
    ]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });

  it('comes of a frame that is longer than the request area, which runs nothing', () => {
    const bench = new Bench({ maxValueBytes: 4 * KIB });
    const { areaBytes } = bench.arena.facts;
    const ping = command('PING');
    const commands = new Array<Wire>((areaBytes - 2) / 2).fill(ping);
    // An id of two bytes: the frame fills the area to the last byte.
    const whole = Buffer.concat([integer(1, 'uint8'), ...commands]);
    expect(whole).toHaveLength(areaBytes);
    const reply = bench.executor.execute(whole, undefined);
    expect(valuesOf(reply as Uint8Array)).toHaveLength(1 + commands.length);
    const set = command('SET', str('k'), NIL);
    expect(bench.executor.execute(Buffer.concat([frame(1, set), whole]), undefined)).toEqual({
      closeCode: 1009,
      reason: `a message has at most ${areaBytes} bytes here`,
    });
    expect(bench.arena.stats().entries).toBe(0);
  });
});

describe.each([1, 2])('the clock, %i arenas', (arenas) => {
  it('is asked for each frame', () => {
    let nowMs = NOON;
    const { run } = executorOf(() => null, { now: () => nowMs }, arenas);
    const key = str('k');
    expect(run(command('SET', key, TRUE, integer(5)), command('TTL', key))).toEqual([
      TRUE,
      integer(5),
    ]);
    nowMs += 4;
    expect(run(command('TTL', key))).toEqual([integer(1)]);
    nowMs += 1;
    expect(run(command('GET', key), command('PERSIST', key))).toEqual([NIL, FALSE]);
    // And after a command of the host.
    expect(run(command('HELLO'), command('SET', key, TRUE, integer(5)))).toEqual([NIL, TRUE]);
    expect(run(command('TTL', key))).toEqual([integer(5)]);
  });

  it("is the machine's where none is given", () => {
    const { run } = executorOf(() => null, {}, arenas);
    const before = Date.now();
    expect(run(command('SET', str('k'), TRUE, integer(3_600_000)))).toEqual([TRUE]);
    const [left] = run(command('TTL', str('k')));
    const ttlMs = left!.readUInt32BE(1);
    expect(ttlMs).toBeLessThanOrEqual(3_600_000);
    expect(ttlMs).toBeGreaterThanOrEqual(3_600_000 - (Date.now() - before));
  });
});
