/**
 * Commands on collections with numbers at which arithmetic goes wrong, on packed collections, on
 * large ones and on none: each replies, and leaves the arena sound. (A loop over as many items as
 * were asked for, where there are none, would not come back.)
 */
import { describe, expect, it } from 'vitest';
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { valueEnd } from '#engine/msgpack.js';
import { Bench, MIB } from '../support/kernel-memory.js';
import {
  array,
  bin,
  command,
  error,
  float,
  integer,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const EDGES = [15n, 31n, 32n, 63n].flatMap((bits) => [
  ...[(1n << bits) - 1n, 1n << bits, (1n << bits) + 1n],
  ...[-(1n << bits) + 1n, -(1n << bits)],
]);
const NUMBERS = [...[0n, 1n, -1n, 2n, -2n, 7n, -7n], ...EDGES].map((number) => integer(number));

/** What counts, or names a place; the others are something that fits. */
const COUNTED = ['start', 'stop', 'index', 'count', 'rank', 'maxLength', 'cursor', 'limit'];
const BOUNDS = [...NUMBERS, NIL, float(Number.POSITIVE_INFINITY), float(Number.NaN), str('m5')];

const ROWS = (Object.entries(COMMANDS) as [CommandName, CommandRow][]).filter(
  ([, { code }]) => code === 0x2f || (code >= 0x30 && code < 0x70) || (code >= 0x86 && code < 0x90),
);

function choicesOf(name: string): readonly Wire[] {
  const plain = name.replace('?', '');
  if (COUNTED.includes(plain)) return NUMBERS;
  if (['min', 'max', 'score', 'offset'].includes(plain)) return BOUNDS;
  if (plain === 'flags') return [NIL, ...[0, 1, 2, 5, 9, 15, 63].map((flags) => integer(flags))];
  if (plain === 'weights') {
    const one = BOUNDS.map((bound) => array([bound]));
    return [NIL, ...one, array([integer(1), float(Number.POSITIVE_INFINITY)]), array([])];
  }
  if (plain === 'where') return [str('BEFORE')];
  if (plain === 'from' || plain === 'to') return [str('LEFT')];
  if (plain.startsWith('with')) return [TRUE];
  if (plain === 'match') return [NIL, str('*5*')];
  if (plain === 'newKey') return [str('other')];
  return [str('m5')];
}

/** One argument after the other takes all its choices, beside the first of the others. */
function* commandsOf(row: CommandRow, key: Wire): Generator<Wire> {
  const names = row.args.slice(1).filter((name) => name !== '...');
  for (let count = row.minArgs - 1; count <= names.length; count++) {
    const choices = names.slice(0, count).map(choicesOf);
    const first = choices.map((all) => all[0]!);
    if (count === 0) yield array([integer(row.code), key]);
    for (const [i, all] of choices.entries()) {
      for (const choice of all) yield array([integer(row.code), key, ...first.with(i, choice)]);
      // Both ends of a range, a count and a rank: of two, all pairs.
      for (const one of choices[i + 1] === undefined ? [] : all) {
        for (const two of choices[i + 1]!) {
          yield array([integer(row.code), key, ...first.with(i, one).with(i + 1, two)]);
        }
      }
    }
  }
}

const MAKERS = { l: 0x31, s: 0x40, h: 0x50, z: 0x60 };
const NO_KEY = str('nothing');

function openWith(items: number): Bench {
  const bench = new Bench({ memoryBytes: 8 * MIB, policy: 'none', partitions: 1 });
  for (const [kind, code] of Object.entries(MAKERS)) {
    for (let i = 0; i < items; i++) {
      const name = str(`m${i}`);
      const args = {
        l: [name],
        s: [name],
        h: [name, bin(Buffer.alloc(9))],
        z: [NIL, integer(i), name],
      }[kind]!;
      bench.one(array([integer(code), str(kind), ...args]));
    }
  }
  return bench;
}

const kindOf = ({ code }: CommandRow): string => {
  if (code < 0x40 && code !== 0x2f) return 'l';
  if (code >= 0x80) return code < 0x88 ? 's' : 'z';
  return code < 0x50 ? 's' : code < 0x60 ? 'h' : 'z';
};

describe.each([3, 700])('collections of %i', (items) => {
  it.each(ROWS)('%s with numbers at the edges', (_, row) => {
    let bench = openWith(items);
    let left = 300;
    for (const key of [str(kindOf(row)), NO_KEY]) {
      for (const wire of commandsOf(row, key)) {
        const reply = bench.one(wire);
        expect(valueEnd(reply, 0)).toBe(reply.length);
        // What it took out is there again for those behind.
        if (!row.write || --left > 0) continue;
        left = 300;
        expect(bench.arena.checkIntegrity()).toBeUndefined();
        bench = openWith(items);
      }
    }
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});

describe('words of list commands', () => {
  const insert = (bench: Bench, where: Wire): Wire =>
    bench.one(array([integer(COMMANDS.LINSERT.code), str('list'), where, str('b'), str('x')]));
  const move = (bench: Bench, from: Wire, to: Wire): Wire =>
    bench.one(array([integer(COMMANDS.LMOVE.code), str('list'), str('list'), from, to]));

  it('may be in any case, str or bin', () => {
    const bench = openWith(3);
    bench.one(command('RPUSH', str('list'), str('a'), str('b')));
    expect(insert(bench, str('bEfOrE'))).toEqual(integer(3));
    expect(insert(bench, bin(Buffer.from('after')))).toEqual(integer(4));
    expect(move(bench, str('left'), str('RIGHT'))).toEqual(str('a'));
    expect(move(bench, str('Right'), str('lefT'))).toEqual(str('a'));
  });

  it('are whole words', () => {
    const bench = openWith(3);
    bench.one(command('RPUSH', str('list'), str('a'), str('b')));
    const no = (name: string): Wire => error(KERNEL_ERROR_TEXTS[name]!);
    for (const where of ['BANANA', 'apple', 'B', 'BEFORE ', 'BEF\u000fRE', '']) {
      expect(insert(bench, str(where))).toEqual(no('ERROR_WHERE'));
    }
    for (const side of ['lost', 'rowan', 'L', 'LEFTY', '\u00ccFT']) {
      expect(move(bench, str(side), str('LEFT'))).toEqual(no('ERROR_SIDE'));
      expect(move(bench, str('LEFT'), str(side))).toEqual(no('ERROR_SIDE'));
    }
    expect(bench.one(command('LLEN', str('list')))).toEqual(integer(2));
  });
});
