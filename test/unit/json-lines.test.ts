/** NDJSON to msgpack by hand: against JSON.parse, on lines that are right, and on broken ones. */
import { describe, expect, it } from 'vitest';
import { readValue } from '#engine/codec.js';
import { JsonLines } from '#engine/jobs/json-lines.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';

interface Read {
  readonly key: string;
  readonly value: unknown;
  readonly ttl: number | undefined;
  readonly end: number;
}

/** What is read of a line; undefined: it is left to JSON.parse. */
function read(line: string | Buffer, at = 0): Read | undefined {
  const bytes = Buffer.from(line);
  const lines = new JsonLines();
  lines.open(bytes);
  const end = lines.read(at);
  if (end < 0) return undefined;
  const key = bytes.toString('utf8', lines.keyStart, lines.keyEnd);
  const { bytes: packed, start, end: stop } = lines.value;
  return {
    key,
    value: readValue(packed as Buffer, start, stop),
    ttl: lines.ttlMs,
    end,
  };
}

const withValue = (json: string) => read(`{"key":"k","value":${json}}`)?.value;

describe('a line', () => {
  it.each([
    ['{"key":"k","value":1}', { key: 'k', value: 1, ttl: undefined, end: 21 }],
    ['{"ttl":50,"value":"v","key":"k"}', { key: 'k', value: 'v', ttl: 50, end: 32 }],
    [' \t{ "key" : "grüße 🎈" ,\r"value" : [ ] } \r', { key: 'grüße 🎈', value: [] }],
    ['{"key":"","value":{}}', { key: '', value: {} }],
    ['{"key":"k","value":null}\n{"key":"z"', { value: null, end: 24 }],
  ])('%j is read', (line, expected) => {
    expect(read(line)).toMatchObject(expected);
  });

  it('is read from where it begins', () => {
    const text = '{"key":"a","value":1}\n{"key":"b","value":2}';
    expect(read(text, 22)).toMatchObject({ key: 'b', value: 2, end: text.length });
  });

  it.each([
    ...['', ' ', 'null', '[]', '{}', '{"key":"k"}', '{"value":1}', '{"key":"k","value":1'],
    ...['{"key":"k","value":1},', '{"key":"k","value":1}x', '{"key":"k","value":1,}'],
    ...['{"key":"k" "value":1}', '{"key" "k","value":1}', '{,"key":"k","value":1}'],
    ...['{"key":"k","value":1,"other":1}', '{"key":"k","value":1,"ket":1}'],
    ...['{"key":"k","key":"l","value":1}', '{"key":"k","value":1,"value":2}'],
    ...[
      '{"key":5,"value":1}',
      '{"key":"k","value":1,"ttl":"5s"}',
      '{"key":"k","value":1,"ttl":-1}',
    ],
    ...['{"key":"k","value":1,"ttl":01}', '{"key":"k","value":1,"ttl":1.5}'],
    ...['{"key":"\\u0041","value":1}', '{"key":"a\tb","value":1}', '{"key":"k","value":\n1}'],
  ])('%j is left to JSON.parse', (line) => {
    expect(read(line)).toBeUndefined();
  });
});

describe('a value', () => {
  it.each([
    ...['0', '-0', '7', '-1', '127', '128', '-32', '-33', '65536', '999999999999999', '4294967296'],
    ...['-4294967297', '0.5', '-0.25', '1.0', '123456.789', '1.7976931348623157', '0.1', 'true'],
    ...['false', 'null', '""', '"x"', `"${'x'.repeat(31)}"`, `"${'ä'.repeat(16)}"`],
    ...[`"${'y'.repeat(300)}"`, `"${'z'.repeat(70_000)}"`, '"/"', '"\u007f\u2028"'],
    ...['[]', '[1]', '[[],[[]],{}]', '{"":0}', '{"a":{"b":[{"c":null}]}}', '[ 1 , 2 ]'],
    JSON.stringify(Array.from({ length: 15 }, (_, i) => i)),
    JSON.stringify(Array.from({ length: 16 }, (_, i) => [i])),
    JSON.stringify(Array.from({ length: 70 }, () => 0.5)),
    JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`n ${i}`, [{ i }]]))),
    `${'['.repeat(32)}${']'.repeat(32)}`,
    '{"a":1,"a":2}',
  ])('%.60s is what JSON.parse says', (json) => {
    // -0 is 0 in msgpack.
    expect(withValue(json)).toEqual(json === '-0' ? 0 : JSON.parse(json));
  });

  it.each([
    ...['01', '-', '-01', '1.', '.5', '1e5', '1.5e3', '+1', '0x1', '1_0', '--1', '1.2.3', '00'],
    ...['1000000000000000', '0.1234567890123456789012345', 'nul', 'nulll', 'True', 'NaN', 'tru'],
    ...['"', '"a', "'a'", '"\\n"', '"\u0001"', '[', '[1', '[1,', '[1,]', '[,1]', '[1 2]', '[1}'],
    ...[
      '{',
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a":1,',
      '{"a":1,}',
      '{a:1}',
      '{"a" 1}',
      '{"a":1]',
      '1 2',
    ],
    `${'['.repeat(33)}${']'.repeat(33)}`,
    JSON.stringify(Array.from({ length: 65_536 }, () => 0)),
  ])('%.60s is left to JSON.parse', (json) => {
    expect(withValue(json)).toBeUndefined();
  });
});

describe('random lines', () => {
  const seed = freshSeed();
  const random = new Random(seed);
  const TEXTS = [
    '',
    'a',
    'key',
    'grüße',
    '🎈'.repeat(9),
    'x'.repeat(40),
    'q"uote',
    'back\\slash',
    '\n',
  ];

  function value(depth: number): unknown {
    switch (random.below(depth > 3 ? 5 : 7)) {
      case 0:
        return random.pick([null, true, false]);
      case 1:
        return random.word() - 2 ** 31;
      case 2:
        return (random.word() - 2 ** 31) / 10 ** random.below(12);
      case 3:
        return random.word() * random.word();
      case 4:
        return random.pick(TEXTS);
      case 5:
        return Array.from({ length: random.below(20) }, () => value(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random.below(20) }, (_, i) => [
            `${random.pick(TEXTS)}${i}`,
            value(depth + 1),
          ]),
        );
    }
  }

  it(`mean what JSON.parse says, whole and broken (seed ${seed})`, () => {
    const PARTS = [
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '0',
      '1',
      '.',
      '-',
      'e',
      ' ',
      '\t',
      'null',
    ];
    let reads = 0;
    for (let i = 0; i < 5000; i++) {
      const entry = { key: random.pick(TEXTS), value: value(0), ttl: random.below(1000) };
      let line = JSON.stringify(entry, undefined, random.pick([undefined, undefined, '\t']));
      line = line.replaceAll('\n', ' ');
      for (let cuts = random.below(4); cuts > 0; cuts--) {
        const at = random.below(line.length);
        line = line.slice(0, at) + random.pick([...PARTS, '']) + line.slice(at + random.below(2));
      }
      // Half of a surrogate pair is no UTF-8.
      line = Buffer.from(line).toString();
      const found = read(line);
      if (found === undefined) continue;
      reads++;
      const { key, value: parsed, ttl } = JSON.parse(line) as typeof entry;
      // A msgpack integer has no -0, and toEqual tells it from 0.
      const expected: unknown = JSON.parse(
        JSON.stringify(parsed, (_, part) => (part === 0 ? 0 : part)),
      );
      expect(found, `seed ${seed}, line ${line}`).toEqual({
        key,
        value: expected,
        ttl,
        end: Buffer.byteLength(line),
      });
    }
    expect(reads).toBeGreaterThan(500);
  });
});
