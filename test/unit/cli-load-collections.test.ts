import { describe, expect, it } from 'vitest';
import { readMix } from '#server/cli/bench-mix.js';
import { fill } from '#server/cli/load/fill.js';
import type { LoadProtocol } from '#server/cli/load/protocol.js';
import { Reel, randomReel, scoreOf } from '#server/cli/load/reel.js';
import { LIST_LENGTH, SHAPES, type Shape } from '#server/cli/load/shape.js';
import { SlabringProtocol } from '#server/cli/load/slabring.js';
import { respProtocol } from '#server/cli/load/text.js';
import { redisAnswers } from '../fixtures/servers/answers.mjs';
import {
  atOnce,
  deliveries,
  type Execute,
  errorReply,
  honest,
  open,
  slabring,
  standIn,
  textServer,
} from '../support/load-servers.js';

type Contents = Map<string, unknown>;

const VALUE_BYTES = 16;
const KEYS = 40;

const kinds = [
  {
    kind: 'slabring',
    protocol: (shape: Shape): LoadProtocol => new SlabringProtocol('127.0.0.1', shape),
    server: (map: Contents) => slabring(honest, map as Map<string, Buffer>),
  },
  {
    kind: 'redis',
    protocol: (shape: Shape): LoadProtocol => respProtocol(VALUE_BYTES, shape),
    server: (map: Contents) => textServer(() => redisAnswers(map as Map<string, string>)),
  },
];
/** By mix, under what the stand-ins keep the first key and how many keys they have then. */
const mixes = [
  { mix: 'hget', first: 'bench:hash key:000000000000', size: KEYS },
  { mix: 'hset', first: 'bench:hash key:000000000000', size: KEYS },
  { mix: 'sadd', first: 'bench:set key:000000000000', size: KEYS },
  { mix: 'zadd', first: 'bench:zset key:000000000000', size: KEYS },
  { mix: 'lpush', first: 'bench:list', size: 1 },
];
const frames = [
  { pipeline: 16, inFlight: 1 },
  { pipeline: 1, inFlight: 4 },
];
const cases = kinds.flatMap((kind) =>
  mixes.flatMap((mix) =>
    deliveries.flatMap((delivery) =>
      frames.map((one) => ({ ...kind, ...mix, ...delivery, ...one })),
    ),
  ),
);

const value = (key: number): string => String(key).padStart(12, '0').padEnd(VALUE_BYTES, 'v');

/** A reel of one frame that writes, or reads, the keys 0 and up. */
function reelOf(protocol: LoadProtocol, commands: number, isWrite: boolean): Reel {
  const keys = Uint32Array.from({ length: commands }, (_, key) => key);
  const sets = new Uint8Array(commands).fill(Number(isWrite));
  return new Reel(keys, sets, commands, VALUE_BYTES, protocol);
}

describe('a load on collections', () => {
  it.each(cases)(
    '$kind: $mix, $delivery, $pipeline a frame',
    async ({ protocol, server, mix, first, size, deliver, pipeline, inFlight }) => {
      const { shape, getShare } = readMix(mix);
      const map: Contents = new Map();
      const spoken = protocol(shape);
      const loader = await open(await standIn(server(map), deliver), spoken, 2, inFlight);
      if (shape.filled) {
        await fill({ name: 'it', loader, protocol: spoken, keys: KEYS, valueBytes: VALUE_BYTES });
        expect(map.size).toBe(KEYS);
      }
      const workload = { keys: KEYS, valueBytes: VALUE_BYTES, getShare, pipeline };
      const { operations, replies } = await loader.sendFor(randomReel(workload, spoken), 0.05);
      expect(operations).toBeGreaterThanOrEqual(2 * inFlight * pipeline);
      expect(operations % pipeline).toBe(0);
      const gets = getShare * replies.checked;
      expect(replies).toMatchObject({ gets, misses: 0, errors: 0 });
      expect(replies.checked).toBeGreaterThan(0);
      expect(map.size).toBe(size);
      expect([...map.keys()]).toContain(first);
    },
  );

  it.each(kinds)('$kind: keeps a list that is pushed to short', async (kind) => {
    const map: Contents = new Map();
    const protocol = kind.protocol(SHAPES.list);
    const loader = await open(await standIn(kind.server(map), atOnce), protocol);
    const pushed = await loader.sendOnce(reelOf(protocol, LIST_LENGTH + 1, true));
    expect(pushed.operations, 'the LTRIM is none').toBe(LIST_LENGTH + 1);
    expect(String(map.get('bench:list'))).toBe(String(LIST_LENGTH));
  });

  it('redis is asked in its words', () => {
    const words = (shape: Shape, isWrite: boolean): string[] => {
      const text = reelOf(respProtocol(VALUE_BYTES, shape), 1, isWrite).bytes.toString('latin1');
      return text.split('\r\n').filter((line) => /^[^*$]/.test(line));
    };
    const key = 'key:000000000000';
    expect(words(SHAPES.hash, false)).toEqual(['HGET', 'bench:hash', key]);
    expect(words(SHAPES.hash, true)).toEqual(['HSET', 'bench:hash', key, value(0)]);
    expect(words(SHAPES.set, true)).toEqual(['SADD', 'bench:set', key]);
    const score = expect.stringMatching(/^[1-9]\d{8}$/);
    expect(words(SHAPES.sortedSet, true)).toEqual(['ZADD', 'bench:zset', score, key]);
    const trim = ['LTRIM', 'bench:list', '0', String(LIST_LENGTH - 1)];
    expect(words(SHAPES.list, true)).toEqual(['LPUSH', 'bench:list', value(0), ...trim]);
  });

  it('every ZADD gives its member another score', () => {
    const protocol = new SlabringProtocol('127.0.0.1', SHAPES.sortedSet);
    const workload = { keys: 1_000_000, valueBytes: 0, getShare: 0, pipeline: 64 };
    const reel = randomReel(workload, protocol);
    const scores = new Map<number, number>();
    let same = 0;
    // Twice, as a run that gets to the end of its reel and starts over.
    for (let command = 0; command < 2 * reel.keys.length; command += 1) {
      const at = command % reel.keys.length;
      const score = scoreOf(reel, at);
      same += Number(scores.get(reel.keys[at]!) === score);
      scores.set(reel.keys[at]!, score);
    }
    expect(same).toBeLessThan(10);
    expect(new Set(scores.values()).size).toBeGreaterThan(0.99 * scores.size);
  });

  const refuses: Execute = ([, , field], map) =>
    String(field).endsWith('3')
      ? errorReply('WRONGTYPE no hash')
      : honest([0x50, 'h', field, ''], map);
  it.each([
    { ...kinds[0]!, lying: slabring(refuses), message: 'WRONGTYPE no hash' },
    {
      ...kinds[1]!,
      lying: lines((i) => (i % 10 === 3 ? '-WRONGTYPE no hash' : ':1')),
      message: 'WRONGTYPE no hash',
    },
  ])('$kind: counts error replies, and is not filled', async ({ protocol, lying, message }) => {
    const spoken = protocol(SHAPES.hash);
    const loader = await open(await standIn(lying, atOnce), spoken, 1);
    const { replies } = await loader.sendOnce(reelOf(spoken, 20, true));
    expect(replies).toMatchObject({ checked: 20, errors: 2, firstError: message });
    const filling = { name: 'it', loader, protocol: spoken, keys: 20, valueBytes: VALUE_BYTES };
    await expect(fill(filling)).rejects.toThrow('it refused 2 HSETs: WRONGTYPE no hash');
  });

  it.each(kinds)('$kind: counts an error reply to the LTRIM, too', async ({ kind, protocol }) => {
    const failing: Execute = (command, map) =>
      command[0] === 0x3a ? errorReply('WRONGTYPE no list') : honest(command, map);
    const server =
      kind === 'slabring' ? slabring(failing) : lines((i) => (i < 2 ? ':1' : '-WRONGTYPE no list'));
    const spoken = protocol(SHAPES.list);
    const loader = await open(await standIn(server, atOnce), spoken, 1);
    const { replies } = await loader.sendOnce(reelOf(spoken, 2, true));
    expect(replies).toMatchObject({ checked: 2, errors: 1, firstError: 'WRONGTYPE no list' });
  });

  const wrong: [string, Shape, boolean, unknown, RegExp][] = [
    ['2 new fields', SHAPES.hash, true, 2, /reply to HSET/],
    ['a negative number', SHAPES.set, true, -1, /reply to SADD/],
    ['a digit that is a text', SHAPES.set, true, '1', /reply to SADD/],
    ['done to a SADD', SHAPES.set, true, true, /reply to SADD/],
    ['a score to a ZADD', SHAPES.sortedSet, true, 0.5, /reply to ZADD/],
    ['the length 0', SHAPES.list, true, 0, /reply to LPUSH/],
    ['a number to the LTRIM', SHAPES.list, true, 5, /reply to LTRIM/],
    ["another field's value", SHAPES.hash, false, Buffer.from(value(7)), /wrong value for key 0/],
    ['a number to an HGET', SHAPES.hash, false, 1, /wrong value for key 0|unexpected reply: ":1/],
  ];
  const wrongCases = wrong.flatMap(([what, shape, isWrite, reply, message]) =>
    kinds.map((one) => ({ ...one, what, shape, isWrite, reply, message })),
  );
  it.each(wrongCases)('$kind: stops at a wrong reply: $what', async (one) => {
    const server =
      one.kind === 'slabring' ? slabring(() => one.reply) : lines(() => inResp(one.reply));
    const spoken = one.protocol(one.shape);
    const loader = await open(await standIn(server, atOnce), spoken, 1);
    await expect(loader.sendOnce(reelOf(spoken, 1, one.isWrite))).rejects.toThrow(one.message);
  });
});

describe('readMix', () => {
  it('knows the commands and GETs to SETs', () => {
    expect(readMix('hget')).toEqual({ text: '100 % HGET', shape: SHAPES.hash, getShare: 1 });
    expect(readMix('90:10')).toMatchObject({ shape: SHAPES.strings, getShare: 0.9 });
    for (const text of ['HGET', 'constructor', 'hget:hset', '0:0', '']) {
      expect(() => readMix(text), text).toThrow("'hget', 'hset', 'sadd', 'zadd', 'lpush', or GETs");
    }
  });
});

/** A server of RESP that answers a line to each command, whatever it is. */
function lines(answer: (command: number) => string): ReturnType<typeof textServer> {
  return textServer(() => {
    const parse = redisAnswers();
    return (received) => {
      const [replies, rest] = parse(received);
      return [replies.map((_, command) => Buffer.from(`${answer(command)}\r\n`)), rest];
    };
  });
}

function inResp(reply: unknown): string {
  if (Buffer.isBuffer(reply)) return `$${reply.length}\r\n${reply}`;
  if (typeof reply === 'string') return `+${reply}`;
  return reply === true ? '+OK' : `:${reply}`;
}
