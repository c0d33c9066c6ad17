/** The exact bytes of replies. What changes here changes the protocol for every client there is. */
import { describe, expect, it } from 'vitest';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { Bench, Header, KIB, LEAST_MEMORY, NOON } from '../support/kernel-memory.js';
import { bin, command, float, frame, integer, NIL, str, valuesOf } from '../support/kernel-wire.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const spaced = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');

/** The reply frame to a frame, in hex. */
function reply(bench: Bench, request: string): string {
  const result = bench.executor.execute(hex(request), undefined);
  return isFault(result) ? `${result.closeCode} ${result.reason}` : spaced(result);
}

describe('frame ids', () => {
  it.each([
    ['00', '1007 a frame begins with an id from 1 to 4294967295'],
    ['01', '01'],
    ['7f', '7f'],
    ['cc 80', 'cc 80'],
    ['cc ff', 'cc ff'],
    ['cd 01 00', 'cd 01 00'],
    ['cd ff ff', 'cd ff ff'],
    ['ce 00 01 00 00', 'ce 00 01 00 00'],
    ['ce ff ff ff ff', 'ce ff ff ff ff'],
    ['cf 00 00 00 01 00 00 00 00', '1007 a frame begins with an id from 1 to 4294967295'],
    ['cf ff ff ff ff ff ff ff ff', '1007 a frame begins with an id from 1 to 4294967295'],
    ['ff', '1007 a frame begins with an id from 1 to 4294967295'],
    // Longer forms than need be are answered in the shortest one.
    ['cc 01', '01'],
    ['cd 00 80', 'cc 80'],
    ['ce 00 00 00 7f', '7f'],
    ['cf 00 00 00 00 ff ff ff ff', 'ce ff ff ff ff'],
    ['d0 7f', '7f'],
    ['d1 01 00', 'cd 01 00'],
    ['d2 00 01 00 00', 'ce 00 01 00 00'],
    ['d3 00 00 00 00 00 00 00 05', '05'],
  ])('%s is answered by %s', (request, expected) => {
    expect(reply(new Bench(), request)).toBe(expected);
  });
});

const NOON_BYTES = spaced(float(NOON).subarray(1));

/** One arena; what each frame finds is what those before it left. "k" is a1 6b. */
const SESSION: readonly (readonly [what: string, request: string, expected: string])[] = [
  ['PING', '01 91 01', '01 a4 50 4f 4e 47'],
  ['PING by name', '02 91 a4 70 49 6e 47', '02 a4 50 4f 4e 47'],
  ['GET of nothing', '03 92 10 a1 6b', '03 c0'],
  ['SET', '04 93 11 a1 6b a2 68 69', '04 c3'],
  ['GET', '05 92 10 a1 6b', '05 a2 68 69'],
  ['GET by name, key as bin', '06 92 a3 67 65 74 c4 01 6b', '06 a2 68 69'],
  [
    'GET with every length written long',
    '07 dd 00 00 00 02 ce 00 00 00 10 db 00 00 00 01 6b',
    '07 a2 68 69',
  ],
  [
    'a value as it came, 1 in 9 bytes',
    '08 93 11 a1 6b d3 00 00 00 00 00 00 00 01 92 10 a1 6b',
    '08 c3 d3 00 00 00 00 00 00 00 01',
  ],
  [
    'a container as it came',
    '09 93 11 a1 6b 82 a1 61 93 01 c0 cb 3f f0 00 00 00 00 00 00 a1 62 d4 05 07 92 10 a1 6b',
    '09 c3 82 a1 61 93 01 c0 cb 3f f0 00 00 00 00 00 00 a1 62 d4 05 07',
  ],
  ['SET NX of a key that is there', '0a 95 11 a1 6b 01 c0 01', '0a c2'],
  ['SET XX of a key that is not there', '0b 95 11 a1 71 01 c0 02', '0b c2'],
  [
    'SET with GET',
    '0c 95 11 a1 6b 02 c0 08',
    '0c 82 a1 61 93 01 c0 cb 3f f0 00 00 00 00 00 00 a1 62 d4 05 07',
  ],
  ['SET with GET of a key that is not there', '0d 95 11 a1 67 02 c0 08', '0d c0'],
  ['GETV', '0e 92 18 a1 6b', '0e 92 02 cd 01 00'],
  ['SET IFVERSION of another version', '0f 96 11 a1 6b 03 c0 10 cc ff', '0f c2'],
  ['SET IFVERSION', '10 96 11 a1 6b 03 c0 10 cd 01 00', '10 c3'],
  ['GETV after the write', '11 92 18 a1 6b', '11 92 03 cd 01 01'],
  ['GETV of nothing', '12 92 18 a1 71', '12 c0'],
  ['TTL without one', '13 92 15 a1 6b', '13 ff'],
  ['TTL of nothing', '14 92 15 a1 71', '14 fe'],
  ['EXPIRE', '15 93 14 a1 6b cd 03 e8', '15 c3'],
  ['EXPIRE of nothing', '16 93 14 a1 71 cd 03 e8', '16 c2'],
  ['TTL', '17 92 15 a1 6b', '17 cd 03 e8'],
  ['SET with KEEPTTL', '18 95 11 a1 6b 04 c0 04 92 15 a1 6b', '18 c3 cd 03 e8'],
  ['PERSIST', '19 92 16 a1 6b', '19 c3'],
  ['PERSIST again', '1a 92 16 a1 6b', '1a c2'],
  ['EXPIRE with nil', '1b 93 14 a1 6b c0', '1b c3'],
  ['SET with a TTL', '1c 94 11 a1 6b 05 01 92 15 a1 6b', '1c c3 01'],
  ['EXISTS of two and one that is not there', '1d 94 13 a1 6b a1 71 a1 67', '1d 02'],
  ['TOUCH of the same key twice', '1e 93 17 a1 6b a1 6b', '1e 02'],
  ['DEL of two and one that is not there', '1f 94 12 a1 6b a1 71 a1 67', '1f 02'],
  ['DEL again', '20 92 12 a1 6b', '20 00'],
  ['INCR', '21 92 19 a1 6e', '21 01'],
  ['INCR by 127', '22 93 19 a1 6e 7f', '22 cc 80'],
  ['INCR with a TTL for what exists', '23 94 19 a1 6e c0 05 92 15 a1 6e', '23 cc 81 ff'],
  ['INCR with a TTL for what is made', '24 94 19 a1 6d c0 05 92 15 a1 6d', '24 01 05'],
  ['a host command', '25 91 02', '25 a4 68 6f 73 74'],
  [
    'an error between replies',
    '26 91 01 91 7f 91 01',
    `26 a4 50 4f 4e 47 c7 37 01 ${spaced(Buffer.from('UNKNOWN no such command; docs/PROTOCOL.md has the table'))} a4 50 4f 4e 47`,
  ],
  ['TYPE of nothing', '27 92 24 a1 71', '27 a4 6e 6f 6e 65'],
  ['TYPE', '28 93 11 a1 74 01 92 24 a1 74', '28 c3 a6 73 74 72 69 6e 67'],
  ['LOCK', '29 94 2a a1 6c a2 6d 65 cd 03 e8', '29 cd 01 00'],
  ['LOCK of another owner', '2a 94 2a a1 6c a3 79 6f 75 cd 03 e8', '2a c0'],
  ['LOCK again', '2b 94 2a a1 6c c4 02 6d 65 cd 07 d0', '2b cd 01 01'],
  ['GET of a lease', '2c 92 10 a1 6c', '2c 92 c4 02 6d 65 cf 00 00 00 00 00 00 01 01'],
  ['EXTEND', '2d 94 2c a1 6c a2 6d 65 05 92 15 a1 6c', '2d c3 05'],
  ['EXTEND of another owner', '2e 94 2c a1 6c a3 79 6f 75 05', '2e c2'],
  ['UNLOCK of another owner', '2f 93 2b a1 6c a3 79 6f 75', '2f c2'],
  ['UNLOCK', '30 93 2b a1 6c a2 6d 65', '30 c3'],
  ['UNLOCK of nothing', '31 93 2b a1 6c a2 6d 65', '31 c2'],
  ['LIMIT', '32 94 2d a1 72 02 04', '32 94 c3 01 00 cc fa'],
  ['LIMIT of a cost', '33 95 2d a1 72 02 04 02', '33 94 c2 01 cc fa cc fa'],
  ['LIMIT of too much', '34 95 2d a1 72 02 04 03', '34 94 c2 01 ff cc fa'],
  ['LIMIT of nothing', '35 95 2d a1 72 02 04 00', '35 94 c3 01 00 cc fa'],
  [
    'GET of a limit',
    '36 92 10 a1 72',
    `36 95 cb 40 00 00 00 00 00 00 00 cb 40 10 00 00 00 00 00 00${` cb ${NOON_BYTES}`.repeat(2)} cb 3f f0 00 00 00 00 00 00`,
  ],
  ['MEMORY of nothing', '37 92 72 a1 71', '37 c0'],
  ['MEMORY', '38 92 72 a1 74', '38 1d'],
  ['OBJECT of nothing', '39 92 73 a1 71', '39 c0'],
  [
    'OBJECT',
    '3a 92 73 a1 74',
    `3a 87 ${spaced(Buffer.concat(['type', 'string', 'encoding', 'inline', 'bytes'].map((text) => str(text))))} 01 ${spaced(str('memoryBytes'))} 1d ${spaced(str('ttlMs'))} ff ${spaced(str('mark'))} 00 ${spaced(str('version'))} c0`,
  ],
  ['no command at all', '27', '27'],
  ['half a command', '28 92 10 a2 6b', '1007 bytes from 1 on are no whole msgpack value'],
  ['a command and no msgpack', '29 91 01 c1', '1007 bytes from 3 on are no whole msgpack value'],
];

describe('a session', () => {
  it('is answered to the byte', () => {
    const bench = new Bench();
    // Versions count from here, so that the first one handed out is 256.
    bench.memory.setU64(bench.memory.partition(0, 'version'), 255n);
    bench.memory.setU64(Header.lastNumber, 255n);
    for (const [what, request, expected] of SESSION) {
      expect([what, reply(bench, request)]).toEqual([what, expected]);
    }
  });
});

describe('integers', () => {
  it.each([
    [0n, '00'],
    [1n, '01'],
    [127n, '7f'],
    [128n, 'cc 80'],
    [255n, 'cc ff'],
    [256n, 'cd 01 00'],
    [65_535n, 'cd ff ff'],
    [65_536n, 'ce 00 01 00 00'],
    [2n ** 32n - 1n, 'ce ff ff ff ff'],
    [2n ** 32n, 'cf 00 00 00 01 00 00 00 00'],
    [2n ** 63n - 1n, 'cf 7f ff ff ff ff ff ff ff'],
    [-1n, 'ff'],
    [-32n, 'e0'],
    [-33n, 'd0 df'],
    [-128n, 'd0 80'],
    [-129n, 'd1 ff 7f'],
    [-32_768n, 'd1 80 00'],
    [-32_769n, 'd2 ff ff 7f ff'],
    [-(2n ** 31n), 'd2 80 00 00 00'],
    [-(2n ** 31n) - 1n, 'd3 ff ff ff ff 7f ff ff ff'],
    [-(2n ** 63n), 'd3 80 00 00 00 00 00 00 00'],
  ])('INCR to %d replies and stores %s', (sum, expected) => {
    const bench = new Bench();
    const key = str('n');
    const half = sum / 2n;
    bench.one(command('INCR', key, integer(half)));
    expect(spaced(bench.one(command('INCR', key, integer(sum - half))))).toBe(expected);
    expect(spaced(bench.one(command('GET', key)))).toBe(expected);
  });

  it.each([
    ['cc 05', '06'],
    ['cd 00 05', '06'],
    ['ce 00 00 00 05', '06'],
    ['cf 00 00 00 00 00 00 00 05', '06'],
    ['d0 fb', 'fc'],
    ['d1 ff fb', 'fc'],
    ['d2 ff ff ff fb', 'fc'],
    ['d3 ff ff ff ff ff ff ff fb', 'fc'],
  ])('INCR of a stored %s replies %s', (stored, expected) => {
    const bench = new Bench();
    bench.one(command('SET', str('n'), hex(stored)));
    expect(spaced(bench.one(command('INCR', str('n'))))).toBe(expected);
  });
});

describe('errors', () => {
  const value = integer(2n ** 63n - 1n);
  const setUp = [
    command('SET', str('text'), str('text')),
    command('SET', str('most'), value),
    command('SET', str('huge'), integer(2n ** 63n)),
  ];
  /** By message: commands in hex that bring it up. */
  const CASES: Readonly<Record<string, readonly string[]>> = {
    'SYNTAX a command is an array of a code or a name and its arguments': [
      'c0',
      '01',
      'a4 50 49 4e 47',
      '90',
      '81 01 c0',
      '92 c0 a1 6b',
      '91 ca 00 00 00 00',
    ],
    'UNKNOWN no such command; docs/PROTOCOL.md has the table': [
      '91 00',
      '91 05',
      '91 ff',
      '91 cd 01 10',
      '91 a3 46 4c 59',
      '91 a0',
    ],
    'SYNTAX wrong number of arguments; docs/PROTOCOL.md has the table': [
      '91 10',
      '93 10 a1 6b a1 6b',
      '92 01 c0',
      '92 11 a1 6b',
      '97 11 a1 6b 01 c0 c0 c0 c0',
      '91 12',
      '92 14 a1 6b',
    ],
    'SYNTAX a key is a str or bin of 1 to 65535 bytes': [
      '92 10 a0',
      '92 10 c4 00',
      '92 10 01',
      '92 10 c0',
      '93 11 91 a1 6b 01',
      '94 12 a1 6b 05 a1 6b',
      '93 4f a1 6b a0',
      '94 4f a1 6b c0 a1 6b',
      '93 cc 88 a1 6b a0',
      '95 cc 88 a1 6b c0 c0 c0',
      '94 cc 8a a1 6b c0 c0',
      '93 cc 8b a1 6b c0',
      '94 cc 8d a1 6b a1 71 c0',
    ],
    'SYNTAX a TTL is nil or an integer of 0 to 3153600000000 milliseconds (100 years)': [
      '93 14 a1 6b ff',
      '94 11 a1 6b 01 cf 00 00 02 de 41 35 30 01',
      '94 11 a1 6b 01 ca 3f 80 00 00',
      '94 19 a1 6b c0 a1 31',
    ],
    'SYNTAX flags are nil or a sum of 1 NX, 2 XX, 4 KEEPTTL, 8 GET, 16 IFVERSION': [
      '95 11 a1 6b 01 c0 20',
      '95 11 a1 6b 01 c0 ff',
      '95 11 a1 6b 01 c0 c3',
    ],
    'SYNTAX NX excludes XX, and KEEPTTL excludes a TTL': [
      '95 11 a1 6b 01 c0 03',
      '95 11 a1 6b 01 05 04',
    ],
    'SYNTAX a version is an unsigned integer, and goes with the flag IFVERSION only': [
      '95 11 a1 6b 01 c0 10',
      '96 11 a1 6b 01 c0 00 05',
      '96 11 a1 6b 01 c0 10 ff',
      '96 11 a1 6b 01 c0 10 cf 80 00 00 00 00 00 00 00',
    ],
    'TOOLARGE the value is larger than this node takes': [
      `93 11 a1 6b ${spaced(bin(Buffer.alloc(4094)))}`,
    ],
    'WRONGTYPE the value is not an integer': ['92 19 a4 74 65 78 74'],
    'SYNTAX the owner of a lease is a str or bin of 1 to 128 bytes': [
      '94 2a a1 6b a0 05',
      '94 2a a1 6b 05 05',
      '93 2b a1 6b c0',
      `94 2c a1 6b ${spaced(bin(Buffer.alloc(129)))} 05`,
    ],
    'SYNTAX a lease has a TTL of 1 to 3153600000000 milliseconds (100 years)': [
      '94 2a a1 6b a1 6d 00',
      '94 2a a1 6b a1 6d c0',
      '94 2c a1 6b a1 6d ff',
      '94 2c a1 6b a1 6d cf 80 00 00 00 00 00 00 00',
    ],
    'WRONGTYPE the value is not a lease': [
      '94 2a a4 74 65 78 74 a1 6d 05',
      '93 2b a4 74 65 78 74 a1 6d',
      '94 2c a4 74 65 78 74 a1 6d 05',
    ],
    'SYNTAX capacity and cost are integers from 1 (a cost: from 0) to 1000000000': [
      '94 2d a1 6b 00 01',
      '94 2d a1 6b ce 3b 9a ca 01 01',
      '94 2d a1 6b cb 3f f0 00 00 00 00 00 00 01',
      '95 2d a1 6b 01 01 ff',
      '95 2d a1 6b 01 01 cf 80 00 00 00 00 00 00 00',
    ],
    'SYNTAX a rate is a number above 0 and up to 1000000000 that fills the bucket within 100 years':
      [
        '94 2d a1 6b 01 00',
        '94 2d a1 6b 01 c0',
        '94 2d a1 6b 01 cb 7f f8 00 00 00 00 00 00',
        '94 2d a1 6b 01 cb 7f f0 00 00 00 00 00 00',
        '94 2d a1 6b 01 ca ff 80 00 00',
        '94 2d a1 6b 01 cb 00 00 00 00 00 00 00 01',
        '94 2d a1 6b 01 cb 3d f4 00 00 00 00 00 00',
        '94 2d a1 6b 01 cf 80 00 00 00 00 00 00 00',
      ],
    'WRONGTYPE the value is not a rate limit': ['94 2d a4 74 65 78 74 01 01'],
    'SYNTAX a delta is nil or a signed 64-bit integer': [
      '93 19 a1 6b cb 3f e0 00 00 00 00 00 00',
      '93 19 a1 6b cf 80 00 00 00 00 00 00 00',
    ],
    'OVERFLOW the sum does not fit a signed 64-bit integer': [
      '92 19 a4 6d 6f 73 74',
      '93 19 a4 68 75 67 65 d3 80 00 00 00 00 00 00 00',
    ],
    "OOM the key's partition has its share of maxEntries, and the policy none evicts nothing": [
      '93 11 a1 6b 01',
      '92 19 a1 6b',
    ],
    'OOM no memory for this entry, and nothing that may be evicted for it': [
      `93 11 a4 6d 6f 73 74 ${spaced(str('x'.repeat(31)))}`,
    ],
    'WRONGTYPE the value is of another type than the command works on': [
      '93 31 a4 74 65 78 74 01',
      '92 36 a4 74 65 78 74',
      '93 40 a4 74 65 78 74 01',
      '92 54 a4 6d 6f 73 74',
      '94 cc 88 a4 74 65 78 74 a1 6b 08',
      '93 cc 8b a1 6b a4 74 65 78 74',
      '93 cc 86 a4 74 65 78 74 01',
    ],
    'SYNTAX a member or field is a str or bin of up to 4000 bytes, or an integer': [
      '93 40 a1 6b c0',
      '93 42 a1 6b ca 3f 80 00 00',
      `93 52 a1 6b ${spaced(str('x'.repeat(4001)))}`,
      '96 50 a1 6b 01 01 c3 01',
    ],
    'TOOLARGE the key of a list, set, hash or sorted set has at most 2048 bytes': [
      `93 31 ${spaced(str('x'.repeat(2049)))} 01`,
    ],
    'SYNTAX a count is nil or an integer of 0 or more; of a page 1 or more, of random items any': [
      '94 2f a1 6b 00 00',
      '93 34 a1 6b ff',
      '93 35 a1 6b a1 31',
      '93 4f a1 6b ff',
      '94 cc 86 a1 6b a1 71 ca 3f 80 00 00',
      '93 cc 87 a1 6b c3',
      '93 cc 8e a1 6b ff',
    ],
    'SYNTAX flags are nil, or 1 MIN or 2 MAX, and 8 WITHSCORES where nothing is stored; ZDIFF takes the last one':
      [
        '93 cc 88 a1 6b 03',
        '93 cc 88 a1 6b 04',
        '94 cc 89 a1 6b c3 c0',
        '93 cc 8a a1 6b 01',
        '94 cc 8b a1 6b a1 71 08',
        '94 cc 8c a1 6b a1 71 ff',
      ],
    'SYNTAX weights are nil, or an array of a number, not NaN, for each of the keys': [
      '94 cc 88 a1 6b c0 90',
      '94 cc 88 a1 6b 08 05',
      '94 cc 89 a1 6b c0 92 01 01',
      '94 cc 89 a1 6b c0 91 a1 31',
      '95 cc 8b a1 6b a1 71 01 91 cb 7f f8 00 00 00 00 00 00',
      '95 cc 8c a1 6b a1 71 c0 a1 71',
    ],
    'SYNTAX an index is an integer of 64 bits': ['94 37 a1 6b 00 c0', '93 38 a1 6b c3'],
    'SYNTAX HSET and HSETEX take pairs of a field and a value': [
      '95 50 a1 6b a1 61 01 a1 62',
      '97 cc 83 a1 6b 05 c0 a1 61 01 a1 62',
    ],
    'SYNTAX HEXPIRE takes a TTL of 0 to 3153600000000 milliseconds (100 years)': [
      '95 cc 80 a1 6b c0 c0 a1 61',
      '95 cc 80 a1 6b ff c0 a1 61',
    ],
    'SYNTAX a condition is nil or a sum of 1 NX, 2 XX, 4 GT, 8 LT; of NX, GT, LT one; not NX and XX':
      ['95 cc 80 a1 6b 05 10 a1 61', '95 cc 80 a1 6b 05 03 a1 61', '95 cc 80 a1 6b 05 0c a1 61'],
    'SYNTAX flags are nil or a sum of 1 FNX, 2 FXX, 4 KEEPTTL; FNX excludes FXX, KEEPTTL a TTL': [
      '96 cc 83 a1 6b 05 08 a1 61 01',
      '96 cc 83 a1 6b 05 03 a1 61 01',
      '96 cc 83 a1 6b 05 04 a1 61 01',
    ],
    "SYNTAX LINSERT takes 'BEFORE' or 'AFTER', a pivot and an element": [
      '95 3b a1 6b a4 4e 45 41 52 01 02',
      '95 3b a1 6b 01 01 02',
    ],
    "SYNTAX LMOVE takes two keys and two ends, each 'LEFT' or 'RIGHT'": [
      '95 3e a1 6b a1 71 a2 55 50 a4 4c 45 46 54',
      '95 3e a1 6b a1 71 a4 4c 45 46 54 c0',
    ],
    'SYNTAX rank, count and maxLength are integers; no rank is 0, the others are not below 0': [
      '94 3d a1 6b 01 00',
      '95 3d a1 6b 01 01 ff',
      '96 3d a1 6b 01 c0 c0 a1 31',
    ],
    'SYNTAX a cursor is 0 or what the last page gave': [
      '93 2f a1 6b ff',
      '93 5e a1 6b cf 00 00 00 01 00 00 00 00',
    ],
    'SYNTAX a score is an integer or a float, and not NaN': [
      '95 60 a1 6b c0 a1 31 a1 61',
      '95 60 a1 6b c0 cb 7f f8 00 00 00 00 00 00 a1 61',
      '94 64 a1 6b c0 a1 61',
    ],
    'SYNTAX flags are nil or a sum of 1 NX, 2 XX, 4 GT, 8 LT, 16 CH, 32 INCR; of NX, GT, LT one; not NX and XX':
      ['95 60 a1 6b 40 01 a1 61', '95 60 a1 6b 03 01 a1 61', '95 60 a1 6b 0c 01 a1 61'],
    'SYNTAX bounds are indexes; with flag BYSCORE numbers or nil; with BYLEX str, bin or nil; see the table of flags':
      [
        '94 69 a1 6b c0 01',
        '95 69 a1 6b a1 61 01 01',
        '95 69 a1 6b 00 c0 02',
        '94 66 a1 6b 00 a1 61',
      ],
    'SYNTAX ZADD takes flags or nil, then pairs of a score and a member': [
      '96 60 a1 6b c0 01 a1 61 02',
      '97 60 a1 6b 20 01 a1 61 02 a1 62',
    ],
    'WRONGTYPE the value is neither a str nor a bin': [
      '93 1a a4 6d 6f 73 74 a1 78',
      '92 1b a4 6d 6f 73 74',
      '94 1c a4 6d 6f 73 74 00 ff',
      '94 1d a4 6d 6f 73 74 00 a0',
    ],
    'WRONGTYPE the value is not a number': ['93 1e a4 74 65 78 74 01'],
    'SYNTAX what is to be written into a value is a str or a bin': [
      '93 1a a1 6b 05',
      '94 1d a1 6b 00 c0',
    ],
    'SYNTAX start and end are signed 64-bit integers; -1 is the last byte': [
      '94 1c a1 6b 00 c0',
      '94 1c a1 6b cf ff ff ff ff ff ff ff ff 00',
    ],
    'SYNTAX an offset is an integer of 0 or more': ['94 1d a1 6b ff a1 78', '94 1d a1 6b c0 a1 78'],
    'SYNTAX a delta is an integer or a float': ['93 1e a1 6b a1 31', '93 1e a1 6b c0'],
    'OVERFLOW the sum is not a finite number': ['93 1e a1 6e cb 7f f0 00 00 00 00 00 00'],
    'UNKNOWN no such key': ['93 25 a1 6e a1 6b', '93 26 a1 6e a1 6e'],
    'SYNTAX a key cannot be copied to itself': ['93 27 a1 6b c4 01 6b'],
    'SYNTAX flags of COPY are nil or 1 REPLACE': ['94 27 a1 6b a1 71 02', '94 27 a1 6b a1 71 ff'],
    'SYNTAX ATOMIC takes an array of up to 1024 commands, none of them ATOMIC or one the node itself answers':
      // No array, no commands, ATOMIC inside of ATOMIC, HELLO.
      ['92 03 05', '92 03 90', '92 03 91 92 03 91 91 01', '92 03 91 91 02'],
    'SYNTAX a guard is an array of a key and a version, nil for a key that must be absent': [
      ...['93 03 91 91 01 05', '93 03 91 91 01 91 a1 6b'],
      ...['93 03 91 91 01 91 91 a1 6b', '93 03 91 91 01 91 92 a1 6b ff'],
    ],
    'SYNTAX a pattern is nil, or a str or bin of up to 256 bytes': [
      '95 2f a1 6b 00 c0 01',
      '95 5e a1 6b 00 0a 90',
    ],
  };

  const BUSY = 'BUSY a frame may hold 64 commands that the node itself answers, such as HELLO';

  it('are all here', () => {
    const texts = [
      BUSY,
      TOO_LONG,
      TOO_MANY,
      LONG_REPLY,
      NO_SCORE,
      CROSS_ARENA,
      ...Object.keys(CASES),
    ];
    expect(texts.sort()).toEqual(Object.values(KERNEL_ERROR_TEXTS).sort());
  });

  /** Only several arenas say it: test/unit/routed-frame.test.ts. */
  const CROSS_ARENA = 'CROSSSLOT the keys are in several arenas; a common {tag} puts them in one';
  /** test/unit/kernel-several.test.ts. */
  const TOO_MANY = 'TOOLARGE the values are too many for one reply; ask for fewer, or by GET';
  const TOO_LONG =
    'TOOLARGE the replies to this frame are too long already; this command was not run';

  it(TOO_LONG, () => {
    const bench = new Bench();
    const executor = new FrameExecutor(bench.arena, () => 'host', { maxReplyBytes: 100 });
    bench.one(command('SET', str('k'), bin(Buffer.alloc(100))));
    // The host command is where the host looks at the length.
    const ran = [command('GET', str('k')), command('HELLO')];
    const refused = [command('SET', str('k'), NIL), command('PING'), command('HELLO')];
    const reply = executor.execute(frame(1, ...ran, ...refused), undefined) as Uint8Array;
    const tooLong = Buffer.concat([hex('c7 51 01'), Buffer.from(TOO_LONG)]);
    expect(valuesOf(reply).slice(2)).toEqual([str('host'), tooLong, tooLong, tooLong]);
    expect(bench.run(command('GET', str('k')), command('HELLO'))).toEqual([
      bin(Buffer.alloc(100)),
      str('host'),
    ]);
  });

  const NO_SCORE = 'OVERFLOW the sum is not a number';
  const LONG_REPLY = 'TOOLARGE the reply is longer than this node sends at once; ask for less';

  it(NO_SCORE, () => {
    const bench = new Bench();
    const infinite = hex('cb 7f f0 00 00 00 00 00 00');
    bench.one(command('ZINCRBY', str('k'), infinite, str('a')));
    const reply = bench.one(
      command('ZINCRBY', str('k'), hex('cb ff f0 00 00 00 00 00 00'), str('a')),
    );
    expect(spaced(reply)).toBe(`c7 20 01 ${spaced(Buffer.from(NO_SCORE))}`);
  });

  it(LONG_REPLY, () => {
    const bench = new Bench({ maxValueBytes: 4 * KIB });
    const areaBytes = bench.memory.header('areaBytes');
    const element = bin(Buffer.alloc(1000));
    const pushes = Math.ceil(areaBytes / 1000);
    for (let i = 0; i < pushes; i++) bench.one(command('RPUSH', str('k'), element));
    const replies = bench.run(
      command('LRANGE', str('k'), integer(0), integer(-1)),
      command('RPOP', str('k'), integer(1000)),
      command('LLEN', str('k')),
      command('PING'),
    );
    const tooLong = Buffer.concat([hex('c7 47 01'), Buffer.from(LONG_REPLY)]);
    expect(replies).toEqual([tooLong, tooLong, integer(pushes), str('PONG')]);
  });

  it(BUSY, () => {
    const replies = new Bench().run(...new Array<Buffer>(65).fill(hex('91 02')), hex('91 01'));
    const busy = Buffer.concat([hex('c7 4d 01'), Buffer.from(BUSY)]);
    expect(replies.slice(63)).toEqual([str('host'), busy, str('PONG')]);
  });

  it.each(Object.entries(CASES))('%s', (text, requests) => {
    const bench = new Bench({
      memoryBytes: LEAST_MEMORY,
      policy: 'none',
      maxEntries: 3,
      maxValueBytes: 4 * KIB,
    });
    bench.run(...setUp);
    const { memory } = bench;
    const bump = memory.header('poolBump');
    // As if all pages were in use: a value that needs a larger chunk finds none.
    if (text.startsWith('OOM no')) memory.setU32(Header.poolBump, memory.header('endPage'));
    const expected = `c7 ${(text.length).toString(16)} 01 ${spaced(Buffer.from(text))}`;
    for (const request of requests) {
      expect([request, spaced(bench.one(hex(request)))]).toEqual([request, expected]);
    }
    memory.setU32(Header.poolBump, bump);
    // None of them changed anything.
    expect(
      bench.run(command('GET', str('text')), command('GET', str('most')), command('GET', str('k'))),
    ).toEqual([str('text'), value, NIL]);
    expect(bench.arena.checkIntegrity()).toBeUndefined();
  });
});
