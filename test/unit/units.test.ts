import { describe, expect, it } from 'vitest';
import { SlabringError } from '#engine/errors.js';
import { checkOptionNames, MAX_TTL_MS, parseByteSize, parseDuration, show } from '#engine/units.js';

describe('parseByteSize', () => {
  it.each([
    [0, 0],
    [1536, 1536],
    [10.9, 10],
    ['100', 100],
    ['100b', 100],
    ['64kb', 65_536],
    ['64 KB', 65_536],
    ['512mb', 536_870_912],
    ['1.5gb', 1_610_612_736],
    [' 2tb ', 2 * 1024 ** 4],
  ])('reads %j as %j bytes', (size, bytes) => {
    expect(parseByteSize(size, 'memory')).toBe(bytes);
  });

  it.each([
    '',
    'mb',
    '-1mb',
    '1e3',
    '10 parsecs',
    '1mb2',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    ['1mb'],
    {},
    true,
  ])('refuses %j, naming the option', (size) => {
    const read = () => parseByteSize(size as string, 'memory');
    expect(read).toThrow(SlabringError);
    expect(read).toThrow(/^memory must be a number of bytes or text such as '512mb'/);
  });
});

describe('parseDuration', () => {
  it.each([
    [0, 0],
    [5000, 5000],
    [0.2, 1],
    ['5000', 5000],
    ['250ms', 250],
    ['5s', 5000],
    ['1.5s', 1500],
    ['10M', 600_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    [MAX_TTL_MS, MAX_TTL_MS],
  ])('reads %j as %j ms', (duration, ms) => {
    expect(parseDuration(duration, 'ttl')).toBe(ms);
  });

  it.each([
    '',
    's',
    '5 years',
    '-5s',
    -1,
    Number.NaN,
    MAX_TTL_MS + 1,
    null,
    5n,
    ['5s'],
    new Date(0),
  ])('refuses %s, naming the option', (duration) => {
    expect(() => parseDuration(duration as number, 'ttl')).toThrow(
      /^ttl must be milliseconds from 0/,
    );
  });
});

describe('checkOptionNames', () => {
  const known = ['memory', 'maxEntries', 'ttl'];

  it('accepts known names and no names', () => {
    expect(() => checkOptionNames({}, known, 'f')).not.toThrow();
    expect(() => checkOptionNames({ ttl: 1, memory: undefined }, known, 'f')).not.toThrow();
  });

  it.each([
    ['memmory', 'memory'],
    ['Memory', 'memory'],
    ['maxEntires', 'maxEntries'],
    ['maxentries', 'maxEntries'],
    ['tll', 'ttl'],
  ])('takes %s for a misspelt %s', (name, meant) => {
    expect(() => checkOptionNames({ [name]: 1 }, known, 'f')).toThrow(
      `f has no option '${name}'; did you mean '${meant}'?`,
    );
  });

  it('lists what there is when nothing is near', () => {
    expect(() => checkOptionNames({ colour: 1 }, known, 'f')).toThrow(
      `f has no option 'colour'; it takes memory, maxEntries, ttl`,
    );
  });

  it.each([null, 5, '64mb', [], () => 1])('refuses %s in place of the options', (options) => {
    expect(() => checkOptionNames(options, known, 'f')).toThrow(
      /^f takes an object of options, not /,
    );
  });
});

describe('show', () => {
  it.each([
    ['a', "'a'"],
    ['x'.repeat(100), `'${'x'.repeat(57)}...'`],
    [12n, '12n'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('s'), 'Symbol(s)'],
    [() => 1, 'a function'],
    [[], 'an array'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [new Date(0), 'a Date'],
    [new Error('e'), 'an Error'],
    [2n ** 64n - 1n, '18446744073709551615n'],
    [-(2n ** 63n) - 1n, 'a bigint of more than 64 bits'],
  ])('shows a value in few words', (value, text) => {
    expect(show(value)).toBe(text);
  });
});
