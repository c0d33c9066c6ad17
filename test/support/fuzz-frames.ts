/**
 * Request frames for fuzzing: valid ones made from the command table, and all sorts of broken ones
 * made from those.
 */
import { Packr } from 'msgpackr';
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import {
  containerHead,
  packBytes,
  packInteger,
  randomInteger,
  randomLength,
  randomValue,
} from './fuzz-msgpack.js';
import type { Random } from './fuzz-random.mjs';

const ROWS = Object.entries(COMMANDS) as [CommandName, CommandRow][];
const PLAIN_ROWS = ROWS.filter(([name]) => name !== 'ATOMIC');
/** Few enough to meet each other, of all lengths. */
const KEYS = Array.from({ length: 24 }, (_, i) => Buffer.from(`fuzz:${i}`)).concat(
  [1, 31, 32, 255, 256, 2048, 2049, 8185, 65_535].map((length) => Buffer.alloc(length, 0x6b)),
);

const OWNERS = ['a', 'b', 'o'.repeat(128)].map((owner) => Buffer.from(owner));
const RATES = [0, 0.001, 2.5, 1e9, -1, Number.NaN, Number.POSITIVE_INFINITY];
const SCANS = [
  {},
  { match: 'fuzz:*', count: 3 },
  { match: '*[^k-]\\\\?', type: 'string' },
  { count: -1 },
];
/** The least that msgpack has. */
const I64_MIN = -(2n ** 63n);
const packr = new Packr({ useRecords: false });

function float(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

/** A name in some mixture of cases. */
function anyCase(random: Random, name: string): string {
  return [...name].map((letter) => (random.chance(0.5) ? letter.toLowerCase() : letter)).join('');
}

/** Mostly a small one; or one at which arithmetic goes wrong. */
function someNumber(random: Random): bigint {
  if (random.chance(0.8)) return BigInt(random.between(-12, 12));
  if (random.chance(0.5)) return BigInt(random.between(-300, 300));
  const edge = 1n << BigInt(random.pick([15, 16, 30, 31, 32, 62, 63]));
  const number = (random.chance(0.5) ? edge : -edge) + BigInt(random.between(-1, 1));
  return number < I64_MIN ? I64_MIN : number;
}

/** @param depth of commands inside of others */
function argument(random: Random, name: string, depth = 0): Buffer {
  if (name.endsWith('?') && random.chance(0.2)) return Buffer.of(0xc0);
  switch (name.replace('?', '')) {
    case 'key':
    case 'newKey':
    case '...':
      return packBytes(random, random.pick(KEYS));
    case 'member':
    case 'field':
      if (random.chance(0.3)) return packInteger(random, BigInt(random.between(-20, 20)));
      return packBytes(random, random.bytes(1 + random.below(2)));
    case 'element':
    case 'pivot':
      return packInteger(random, BigInt(random.below(20)));
    case 'start':
    case 'stop':
    case 'end':
    case 'index':
    case 'count':
    case 'rank':
    case 'maxLength':
    case 'limit':
      return packInteger(random, someNumber(random));
    case 'concern':
      return packBytes(random, Buffer.from(random.pick(['none', 'one', 'quorum', 'all', 'both'])));
    case 'deadlineMs':
      return packInteger(random, BigInt(random.pick([0, 1, 20, 1000, 60_000, 60_001])));
    case 'cursor':
      return packInteger(
        random,
        BigInt(
          random.pick([0, 0, random.below(300), random.word(), 2 ** 34, 2 ** 38, 2 ** 39 + 77]),
        ),
      );
    case 'match':
      return packBytes(random, Buffer.from(random.pick(['*', 'a*', '?', '[a-m]*', '\\', '[', ''])));
    case 'where':
      return packBytes(random, Buffer.from(random.pick(['BEFORE', 'after'])));
    case 'from':
    case 'to':
      return packBytes(random, Buffer.from(random.pick(['LEFT', 'right'])));
    case 'score':
    case 'min':
    case 'max':
      if (random.chance(0.1)) return float(random.pick(RATES));
      return packInteger(random, BigInt(random.between(-5, 5)));
    case 'commands': {
      const count = random.pick([0, 1, 2, 3, 8, 20]);
      const commands = Array.from({ length: count }, () => randomCommand(random, depth + 1));
      return Buffer.concat([containerHead(random, false, count), ...commands]);
    }
    case 'guards': {
      const count = random.pick([0, 0, 1, 3]);
      const guards = Array.from({ length: count }, () => {
        const version = random.chance(0.7) ? Buffer.of(0xc0) : packInteger(random, 1n);
        const key = packBytes(random, random.pick(KEYS));
        return Buffer.concat([containerHead(random, false, 2), key, version]);
      });
      return Buffer.concat([containerHead(random, false, count), ...guards]);
    }
    case 'withScores':
    case 'withValues':
      return Buffer.of(random.pick([0xc2, 0xc3]));
    case 'ttlMs':
      return packInteger(random, BigInt(random.pick([0, 1, 50, 1e6, 3_153_600_000_000])));
    case 'flags':
      return packInteger(random, BigInt(random.below(32)));
    case 'aggregate':
      return packInteger(random, BigInt(random.pick([0, 1, 2, 8, 9, 10])));
    case 'weights': {
      const count = random.between(1, 4);
      const weights = Array.from({ length: count }, () =>
        random.chance(0.2) ? float(random.pick(RATES)) : packInteger(random, 2n),
      );
      return Buffer.concat([containerHead(random, false, count), ...weights]);
    }
    case 'data':
      return packBytes(random, random.bytes(randomLength(random)));
    case 'offset':
      return packInteger(random, BigInt(random.pick([0, 3, 300, 8200, 70_000, 2 ** 32])));
    case 'delta':
      return packInteger(random, randomInteger(random));
    case 'owner':
      return packBytes(random, random.pick(OWNERS));
    case 'capacity':
    case 'cost':
      return packInteger(random, BigInt(random.pick([0, 1, 2, 10, 1e9])));
    case 'refillPerSecond':
      return random.chance(0.5) ? packInteger(random, 3n) : float(random.pick(RATES));
    case 'options':
      return random.chance(0.5) ? randomValue(random) : packr.pack(random.pick(SCANS));
    case 'version':
      return packInteger(random, BigInt(random.word()));
    case 'value':
      if (random.chance(0.3)) return packInteger(random, randomInteger(random));
      return random.chance(0.3)
        ? packBytes(random, random.bytes(randomLength(random)))
        : randomValue(random);
    default:
      return randomValue(random);
  }
}

/** Which argument stands at an index: those before `...` repeat, but for the key. */
function argumentName(row: CommandRow, index: number, count: number): string {
  if (row.optionsBehind !== undefined) return nameAmongKeys(row, index, count);
  const names = row.args.filter((name) => name !== '...');
  if (index < names.length || names.length === row.args.length) return names[index] ?? 'value';
  const again = names.length === 1 ? names : names.slice(1);
  return again[(index - names.length) % again.length] ?? 'value';
}

/** The same of a command whose keys come before options: as many of those as the count has it. */
function nameAmongKeys({ args }: CommandRow, index: number, count: number): string {
  const options = args.slice(args.indexOf('...') + 1);
  const keys = Math.max(1, count - (count % (options.length + 1)));
  const option = options[index - keys] ?? 'value';
  if (index < keys) return 'key';
  return option === 'flags?' ? 'aggregate' : option;
}

/**
 * How many arguments: as many as the command takes, a few keys more, and sometimes a wrong number.
 */
function argumentCount(random: Random, row: CommandRow): number {
  if (random.chance(0.03)) return random.below(8);
  return random.between(row.minArgs, Math.min(row.maxArgs, row.minArgs + 6));
}

/** A command that is right most of the time. Each argument may be of a wrong type. */
export function randomCommand(random: Random, depth = 0): Buffer {
  const [name, row] = random.pick(depth < 2 ? ROWS : PLAIN_ROWS);
  const code = random.chance(0.8)
    ? packInteger(random, BigInt(row.code))
    : packBytes(random, Buffer.from(anyCase(random, name)));
  const count = argumentCount(random, row);
  const parts = [containerHead(random, false, 1 + count), code];
  for (let i = 0; i < count; i++) {
    const isWrong = random.chance(0.03);
    const argName = argumentName(row, i, count);
    parts.push(isWrong ? randomValue(random) : argument(random, argName, depth));
  }
  return Buffer.concat(parts);
}

/** A frame of whole values: an id and commands, mostly. */
export function randomFrame(random: Random): Buffer {
  const id = random.chance(0.98)
    ? packInteger(random, BigInt(random.between(1, 0xffff_ffff)))
    : randomValue(random);
  const count = random.pick([0, 1, 1, 2, 3, 8, 31, 32, 33, 70]);
  const parts = [id];
  for (let i = 0; i < count; i++) {
    parts.push(random.chance(0.97) ? randomCommand(random) : randomValue(random));
  }
  return Buffer.concat(parts);
}

type Mutation = (random: Random, frame: Buffer) => Buffer;

/** Heads that promise much more than any frame has. */
const PROMISES = ['dbffffffff', 'c6fffffffe', 'ddffffffff', 'dfffffffff', 'c9ffffffff', 'dcffff']
  .concat(['deffff', 'daffff', 'c5ffff', 'c8ffff', 'db80000000', 'dd40000000', 'df80000000'])
  .map((hex) => Buffer.from(hex, 'hex'));

const insert = (frame: Buffer, at: number, bytes: Buffer) =>
  Buffer.concat([frame.subarray(0, at), bytes, frame.subarray(at)]);

const place = (random: Random, frame: Buffer) => random.below(frame.length + 1);

const MUTATIONS: readonly Mutation[] = [
  function flipBits(random, frame) {
    const flipped = Buffer.from(frame);
    for (let i = random.between(1, 8); i > 0 && flipped.length > 0; i--) {
      flipped[random.below(flipped.length)]! ^= 1 << random.below(8);
    }
    return flipped;
  },
  function truncate(random, frame) {
    return frame.subarray(0, place(random, frame));
  },
  function cutOut(random, frame) {
    const at = place(random, frame);
    return Buffer.concat([frame.subarray(0, at), frame.subarray(at + random.below(20))]);
  },
  function splice(random, frame) {
    const other = randomFrame(random);
    const rest = other.subarray(place(random, other));
    return Buffer.concat([frame.subarray(0, place(random, frame)), rest]);
  },
  function repeatPart(random, frame) {
    const at = place(random, frame);
    const part = frame.subarray(at, at + random.between(1, 200));
    return insert(frame, at, Buffer.concat(Array(random.between(1, 60)).fill(part)));
  },
  function promise(random, frame) {
    return insert(frame, place(random, frame), random.pick(PROMISES));
  },
  function nest(random, frame) {
    const head = random.pick(['91', '81', '9100', 'dc0001', 'dd00000001', '92c0']);
    const depth = random.pick([10, 100, 3000, 50_000]);
    const deep = Buffer.alloc(depth * (head.length / 2), head, 'hex');
    const isWhole = random.chance(0.5);
    return insert(
      frame,
      place(random, frame),
      isWhole ? Buffer.concat([deep, Buffer.of(1)]) : deep,
    );
  },
  function overwrite(random, frame) {
    const at = place(random, frame);
    const bytes = random.bytes(random.between(1, 12));
    return Buffer.concat([frame.subarray(0, at), bytes, frame.subarray(at + bytes.length)]);
  },
];

/** Bytes that a client might send, from valid frames over broken ones to noise. No FLUSH. */
export function hostileFrame(random: Random): Buffer {
  if (random.chance(0.05)) return withoutFlush(random.bytes(random.below(300)));
  const frame = randomFrame(random);
  return withoutFlush(random.chance(0.3) ? frame : mutate(random, frame));
}

/** FLUSH by its code in all forms: heads of an array of one, heads of an integer, 0x71. */
const FLUSHES = ['91', 'dc0001', 'dd00000001'].flatMap((head) =>
  [
    '',
    'cc',
    'cd00',
    'ce000000',
    'cf00000000000000',
    'd0',
    'd100',
    'd2000000',
    'd300000000000000',
  ].map((form) => Buffer.from(`${head}${form}71`, 'hex')),
);
const DBSIZE = 0x70;

/** The bytes with another command in place of each FLUSH: what others wrote must be found again. */
export function withoutFlush(frame: Buffer): Buffer {
  const text = frame.toString('latin1').replace(/(?<=fl)u(?=sh)/gi, 'a');
  const harmless = Buffer.from(text, 'latin1');
  for (const flush of FLUSHES) {
    for (let at = harmless.indexOf(flush); at >= 0; at = harmless.indexOf(flush, at)) {
      harmless[at + flush.length - 1] = DBSIZE;
    }
  }
  return harmless;
}

function mutate(random: Random, frame: Buffer): Buffer {
  let mutated = frame;
  for (let i = random.between(1, 3); i > 0; i--) {
    mutated = random.pick(MUTATIONS)(random, mutated);
  }
  return mutated;
}

/** Around a request area of 1 MiB and 128 KiB, and around values of 1 and of 2 MiB. */
const LARGE_LENGTHS = [0x100000, 0x110000, 0x11fff0, 0x120000, 0x180000, 0x1ffffb, 0x200000];

/** One value of some MiB: bytes, text, an extension, or as many values as it has bytes. */
function largeValue(random: Random): Buffer {
  const length = random.pick(LARGE_LENGTHS) + random.below(5);
  const head = Buffer.alloc(6);
  head[0] = random.pick([0xc6, 0xdb, 0xc9, 0xdd]);
  head.writeUInt32BE(length, 1);
  head[5] = 7;
  const isExtension = head[0] === 0xc9;
  return Buffer.concat([head.subarray(0, isExtension ? 6 : 5), Buffer.alloc(length, 0x01)]);
}

/** A command with a large value in it, most likely a SET. */
function largeCommand(random: Random): Buffer {
  const code = random.chance(0.9) ? packInteger(random, 0x11n) : packBytes(random, SET_NAME);
  const key = argument(random, 'key');
  const rest = ['ttlMs?', 'flags?', 'version?'].slice(0, random.pick([0, 0, 1, 2, 3]));
  const args = [key, largeValue(random), ...rest.map((name) => argument(random, name))];
  if (random.chance(0.1)) args.splice(random.below(args.length), 1);
  if (random.chance(0.1)) args.push(argument(random, 'key'));
  return Buffer.concat([containerHead(random, false, 1 + args.length), code, ...args]);
}

const SET_NAME = Buffer.from('Set');

/** Frames that are longer than a request area, right or wrong. */
export function hostileLongFrame(random: Random): Buffer {
  const parts = [packInteger(random, BigInt(random.between(1, 0xffff_ffff)))];
  const large = random.pick([1, 1, 2]);
  for (let i = 0; i < large; i++) {
    for (let j = random.pick([0, 0, 1, 5, 33]); j > 0; j--) parts.push(randomCommand(random));
    parts.push(largeCommand(random));
  }
  for (let j = random.pick([0, 1, 2, 40]); j > 0; j--) parts.push(randomCommand(random));
  const frame = Buffer.concat(parts);
  return withoutFlush(random.chance(0.6) ? frame : mutate(random, frame));
}
