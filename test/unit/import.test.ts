/** Import and export of files: what they may hold, ranges that cut them anywhere, what fails. */

import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Packr } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attachCache, type Cache, openCache, SlabringError } from '#engine/index.js';
import { JobControl } from '#engine/jobs/control.js';
import { exportFile } from '#engine/jobs/export-file.js';
import { type ImportError, type ImportOptions, importFile } from '#engine/jobs/import-file.js';
import { importMsgpack } from '#engine/jobs/import-msgpack.js';
import { importNdjson } from '#engine/jobs/import-ndjson.js';
import { JobBench } from '../support/job-bench.js';
import { KIB, MIB } from '../support/kernel-memory.js';

const packr = new Packr({ useRecords: false });

const REASON = new Error('no longer wanted');

let bench: JobBench;
/** The bench's arenas as a cache. */
let cache: Cache;

function open(options: ConstructorParameters<typeof JobBench>[0] = {}): void {
  bench = new JobBench(options);
  cache = attachCache({ slabring: 'cache', arenas: bench.arenas.handle, defaultTtlMs: 0 });
}

async function close(): Promise<void> {
  bench.release();
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
  await bench.end();
}

beforeEach(() => open());
afterEach(close);

const load = (path: string, options: ImportOptions = {}, sliceBytes?: number) =>
  importFile(bench.jobs, path, options, 0, sliceBytes);

/** The error of an import that fails. */
async function failed(path: string, options?: ImportOptions, slice?: number): Promise<ImportError> {
  const error: unknown = await load(path, options, slice).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SlabringError);
  return error as ImportError;
}

const all = () => Object.fromEntries(cache.entries());
const line = (key: string, value: unknown, ttl?: unknown) => JSON.stringify({ key, value, ttl });
const record = (...items: unknown[]) => Buffer.from(packr.pack(items));

/** Runs a job's function on a file in this thread, in the order of slices that is given. */
function runHere(
  job: typeof importNdjson,
  path: string,
  sliceBytes: number,
  order: (slices: number[]) => number[] = (slices) => slices,
): { entries: number; lines: number } {
  const { size: bytes, ino: inode } = statSync(path);
  const slices = Math.ceil(bytes / sliceBytes);
  const control = JobControl.create(slices, 1);
  let done = 0;
  const run = job({
    arenas: bench.arenas,
    input: { path, inode, bytes, sliceBytes, ttlMs: 0 },
    control,
    progress: (more) => {
      done += more;
    },
  });
  const results = order(Array.from({ length: slices }, (_, slice) => slice)).map(run);
  expect(done).toBe(bytes);
  return {
    entries: results.reduce((sum, { entries }) => sum + entries, 0),
    lines: results.reduce((sum, { lines }) => sum + lines, 0),
  };
}

describe('NDJSON', () => {
  const LINES = [
    line('a', 1),
    line('grüße', 'äöü € 🎈'),
    '',
    line('nothing', null),
    line('object', { list: [1.5, true, 'two\nlines'], '': {} }),
    `  { "value" : "spaces" , "key" : "b" }  `,
    '\t',
    line('🎈🎈🎈', '🎈'.repeat(20)),
    line('last', -0.25),
  ];
  const ENTRIES = {
    a: 1,
    grüße: 'äöü € 🎈',
    nothing: null,
    object: { list: [1.5, true, 'two\nlines'], '': {} },
    b: 'spaces',
    '🎈🎈🎈': '🎈'.repeat(20),
    last: -0.25,
  };

  it.each([
    ['with a line break at the end', `${LINES.join('\n')}\n`, 9],
    ['without one', LINES.join('\n'), 9],
    ['with CRLF', `${LINES.join('\r\n')}\r\n`, 9],
    ['with empty lines about it', `\n\n${LINES.join('\n')}\n\n\n`, 13],
    ['with a byte order mark', `\ufeff${LINES.join('\n')}`, 9],
  ])('%s is the same however it is cut', (_, text, lines) => {
    const path = bench.file('cut.ndjson', text);
    const { size } = statSync(path);
    for (let sliceBytes = 1; sliceBytes <= size + 1; sliceBytes++) {
      cache.clear();
      const order = (slices: number[]) => (sliceBytes % 2 ? slices : slices.reverse());
      expect(runHere(importNdjson, path, sliceBytes, order)).toEqual({ entries: 7, lines });
      expect(all()).toEqual(ENTRIES);
    }
  });

  it('is stored by several threads', async () => {
    const text = Array.from({ length: 20_000 }, (_, i) => line(`key ${i}`, { i })).join('\n');
    const path = bench.file('many.jsonl', text);
    const seen: number[] = [];
    const result = await load(
      path,
      { threads: 3, onProgress: ({ done, total }) => seen.push(done / total) },
      10_000,
    );
    expect(result).toEqual({
      entries: 20_000,
      bytes: text.length,
      seconds: expect.any(Number) as number,
    });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(cache.size).toBe(20_000);
    for (let i = 0; i < 20_000; i += 777) expect(cache.get(`key ${i}`)).toEqual({ i });
  });

  it('is read to the end where nothing is in it', async () => {
    const none = { entries: 0, bytes: 0, seconds: expect.any(Number) as number };
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => seen.push(progress);
    expect(await load(bench.file('none.ndjson', ''), { onProgress })).toEqual(none);
    expect(seen).toEqual([{ done: 0, total: 0 }]);
    expect(await load(bench.file('empty.ndjson', '\n\r\n\n'))).toEqual({ ...none, bytes: 4 });
  });

  it('may have a line much longer than what is read at once', async () => {
    const text = 'x'.repeat(900 * KIB);
    const lines = [line('first', 1), line('large', text), line('behind', 2)];
    const path = bench.file('long.ndjson', lines.join('\n'));
    expect(await load(path, { threads: 2 }, 50_000)).toMatchObject({ entries: 3 });
    expect(cache.get('large')).toBe(text);
    expect(runHere(importNdjson, path, 1000)).toEqual({ entries: 3, lines: 3 });
  });

  it('gives entries their time to live, or the usual one', async () => {
    const path = bench.file(
      'ttl.ndjson',
      [
        ...[line('ms', 1, 5000), line('text', 1, '2h'), line('never', 1, 0)],
        ...[line('usual', 1), line('null', 1, null)],
      ].join('\n'),
    );
    await load(path, { ttl: '10m' });
    const left = (key: string) => Math.ceil((cache.ttl(key) as number) / 1000);
    expect(left('ms')).toBeLessThanOrEqual(5);
    expect(left('text')).toBe(7200);
    expect(cache.ttl('never')).toBe(Infinity);
    expect([left('usual'), left('null')]).toEqual([600, 600]);
    await importFile(bench.jobs, path, {}, 60_000);
    expect(left('usual')).toBe(60);
    await load(path);
    expect(cache.ttl('usual')).toBe(Infinity);
  });

  it.each([
    ['no JSON', '{"key":"x",', /line 3, byte \d+: it is no JSON: /],
    ['no object', '["x", 1]', /: a line holds an object with key and value, not an array/],
    ['null', 'null', /: a line holds an object with key and value, not null/],
    [
      'another name',
      '{"key":"x","value":1,"tll":5}',
      /: an entry has key, value and ttl, not 'tll'/,
    ],
    ['no key', '{"value":1}', /: key must be a string, not undefined/],
    ['a number as key', '{"key":5,"value":1}', /: key must be a string, not 5/],
    ['an empty key', '{"key":"","value":1}', /: a key must have 1 to 65535 bytes, not 0/],
    ['a long key', line('k'.repeat(65_536), 1), /: a key must have 1 to 65535 bytes, not 65536/],
    ['no value', '{"key":"x","ttl":5}', /: value is missing/],
    ['a wrong ttl', line('x', 1, 'soon'), /: ttl must be milliseconds from 0 to .* not 'soon'/],
    ['a negative ttl', line('x', 1, -1), /: ttl must be milliseconds from 0 to .* not -1/],
    ['a ttl of another type', line('x', 1, true), /: ttl must be milliseconds .* not true/],
    ['wrong UTF-8', Buffer.from('{"key":"\xff","value":1}', 'latin1'), /: the line is not UTF-8/],
    ['two values', `${line('x', 1)}${line('y', 1)}`, /: it is no JSON: /],
  ])('with %s is refused, and says where', async (_, wrong, message) => {
    const before = `${line('before', 1)}\n\n`;
    const path = bench.file(
      'wrong.ndjson',
      Buffer.concat([Buffer.from(before), Buffer.from(wrong), Buffer.from(`\n${line('z', 1)}\n`)]),
    );
    const error = await failed(path);
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ code: 'SYNTAX', line: 3, byte: before.length, path, entries: 1 });
    expect(error.cause).toBeInstanceOf(SlabringError);
    expect(all()).toEqual({ before: 1 });
  });

  it('names the first wrong line, whichever thread finds it, and has all before it', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => line(`key ${i}`, i));
    lines[3123] = '{"key":"wrong"}';
    for (let i = 3124; i < 5000; i += 7) lines[i] = 'no JSON';
    const path = bench.file('wrong.ndjson', lines.join('\n'));
    const byte = lines.slice(0, 3123).join('\n').length + 1;
    for (const sliceBytes of [100, 777, 20_000]) {
      cache.clear();
      const error = await failed(path, { threads: 3 }, sliceBytes);
      expect(error).toMatchObject({ line: 3124, byte, code: 'SYNTAX' });
      expect(error.message).toBe(`${path}, line 3124, byte ${byte}: value is missing`);
      for (let i = 0; i < 3123; i++) expect(cache.get(`key ${i}`)).toBe(i);
      expect(error.entries).toBe(cache.size);
    }
  });

  it('with a value too large is refused', async () => {
    await close();
    open({ maxValueBytes: 1000 });
    const lines = [line('a', 1), line('large', { text: 'x'.repeat(1000) }), line('b', 1)];
    const error = await failed(bench.file('large.ndjson', lines.join('\n')));
    expect(error).toMatchObject({ code: 'TOOLARGE', line: 2, entries: 1 });
    expect(error.message).toMatch(/a value may have at most 1000 bytes once encoded, this one has/);
    expect(all()).toEqual({ a: 1 });
    // A line that could hold no such value is not read to its end.
    const endless = `${line('c', 1)}\n"${'x'.repeat(3 * MIB)}`;
    const most = 6 * 1000 + MIB;
    expect(await failed(bench.file('endless.ndjson', endless), {}, 100_000)).toMatchObject({
      code: 'TOOLARGE',
      line: 2,
      message: expect.stringContaining(`a line may have at most ${most} bytes here`) as string,
    });
    expect(all()).toEqual({ a: 1, c: 1 });
  });

  it('for which there is no room is refused, and says how far it came', async () => {
    await close();
    open({ policy: 'none', maxEntries: 1000 });
    const lines = Array.from({ length: 3000 }, (_, i) => line(`key ${i}`, i));
    const path = bench.file('full.ndjson', lines.join('\n'));
    const error = await failed(path, { threads: 1 }, 4000);
    expect(error).toMatchObject({ code: 'OOM', entries: cache.size });
    expect(error.message).toMatch(
      /line \d+, byte \d+: the key's partition has its share of maxEntries/,
    );
    for (let i = 0; i < error.line! - 1; i++) expect(cache.get(`key ${i}`)).toBe(i);
    expect(cache.has(`key ${error.line! - 1}`)).toBe(false);
  });
});

describe('msgpack', () => {
  const VALUES: [key: string | Buffer, value: unknown][] = [
    ['a', 1],
    ['grüße', '🎈'],
    [Buffer.from([0xff, 0x00]), Buffer.from('bytes')],
    ['nothing', null],
    ['nested', { list: [1, [2, [3]]], date: new Date(5) }],
    ['big', 2n ** 63n],
    ['k'.repeat(300), 'v'.repeat(300)],
    ['last', [false]],
  ];
  const check = () => {
    for (const [key, value] of VALUES) expect(cache.get(key)).toEqual(value);
    expect(cache.size).toBe(VALUES.length);
  };

  it('is the same however it is cut', () => {
    const path = bench.file('cut.msgpack', Buffer.concat(VALUES.map((pair) => record(...pair))));
    const { size } = statSync(path);
    for (let sliceBytes = 1; sliceBytes <= size + 1; sliceBytes++) {
      cache.clear();
      expect(runHere(importMsgpack, path, sliceBytes)).toEqual({ entries: 8, lines: 0 });
      check();
    }
  });

  it('is stored by several threads', async () => {
    const records = Array.from({ length: 20_000 }, (_, i) => record(`key ${i}`, { i }));
    const path = bench.file('many.msgpack', Buffer.concat(records));
    expect(await load(path, { threads: 3 }, 10_000)).toMatchObject({ entries: 20_000 });
    expect(cache.size).toBe(20_000);
    for (let i = 0; i < 20_000; i += 777) expect(cache.get(`key ${i}`)).toEqual({ i });
  });

  it('keeps the bytes of values', async () => {
    // An integer in more bytes than it needs, a map with a number as key, an unknown extension.
    const values = ['d30000000000000007', '8105a178', 'd41001'].map((hex) =>
      Buffer.from(hex, 'hex'),
    );
    const records = values.map((value, i) =>
      Buffer.concat([Buffer.from([0x92, 0xa1, 0x61 + i]), value]),
    );
    await load(bench.file('bytes.mp', Buffer.concat(records)));
    const path = join(bench.folder, 'again.mp');
    await exportFile(bench.jobs, path, {});
    const again = readFileSync(path).toString('hex');
    for (const bytes of records) expect(again).toContain(bytes.toString('hex'));
  });

  it('may have a record much longer than what is read at once', async () => {
    const text = 'x'.repeat(900 * KIB);
    const records = [record('first', 1), record('large', text), record('behind', 2)];
    const path = bench.file('long.msgpack', Buffer.concat(records));
    expect(await load(path, { threads: 2 }, 50_000)).toMatchObject({ entries: 3 });
    expect(cache.get('large')).toBe(text);
    expect(runHere(importMsgpack, path, 1000)).toEqual({ entries: 3, lines: 0 });
  });

  it('gives entries their time to live, or the usual one', async () => {
    const records = [record('ms', 1, 5000), record('text', 1, '2h'), record('never', 1, 0)];
    const rest = [record('usual', 1), record('nil', 1, null)];
    const path = bench.file('ttl.msgpack', Buffer.concat([...records, ...rest]));
    await load(path, { ttl: '10m' });
    const left = (key: string) => Math.ceil((cache.ttl(key) as number) / 1000);
    expect(left('ms')).toBeLessThanOrEqual(5);
    expect(left('text')).toBe(7200);
    expect(cache.ttl('never')).toBe(Infinity);
    expect([left('usual'), left('nil')]).toEqual([600, 600]);
  });

  it('may have long arrays for records', async () => {
    const pair = (header: number[]) => Buffer.from([...header, 0xa1, 0x61 + header.length, 5]);
    const records = [pair([0xdc, 0, 2]), pair([0xdd, 0, 0, 0, 2])];
    expect(await load(bench.file('arrays.mp', Buffer.concat(records)))).toMatchObject({
      entries: 2,
    });
    expect(all()).toEqual({ d: 5, f: 5 });
  });

  it.each([
    ['something else than an array', Buffer.from([0x05]), /: a record is an array of key, value/],
    ['an array of one', record('x'), /: a record is an array of key, value and, if it has one/],
    ['an array of four', record('x', 1, 2, 3), /: a record is an array of key, value/],
    ['a map', Buffer.from(packr.pack({ x: 1 })), /: a record is an array of key, value/],
    ['a number as key', record(5, 1), /: a key must be a str or a bin/],
    ['an empty key', record('', 1), /: a key must have 1 to 65535 bytes, not 0/],
    ['a long key', record('k'.repeat(65_536), 1), /: a key must have 1 to 65535 bytes, not 65536/],
    ['a wrong ttl', record('x', 1, 'soon'), /: ttl must be milliseconds .* not 'soon'/],
    ['a negative ttl', record('x', 1, -5), /: ttl must be milliseconds .* not -5/],
    ['a ttl of another type', record('x', 1, true), /: ttl must be nil, milliseconds or text/],
    ['no msgpack', Buffer.from('92a178c1', 'hex'), /: 0xc1 begins no msgpack value/],
    [
      'records of a cache',
      Buffer.from('92a178c7010240', 'hex'),
      /: the value has record structures/,
    ],
  ])('with %s is refused, and says where', async (_, wrong, message) => {
    const before = record('before', 1);
    const path = bench.file('wrong.msgpack', Buffer.concat([before, wrong, record('z', 1)]));
    const error = await failed(path);
    expect(error.message).toMatch(message);
    const { length: byte } = before;
    expect(error).toMatchObject({ code: 'SYNTAX', line: undefined, byte, path, entries: 1 });
    expect(all()).toEqual({ before: 1 });
  });

  it('that ends in the middle is refused, wherever', async () => {
    const whole = Buffer.concat([record('a', 1), record('text', 'x'.repeat(40), 5000)]);
    for (let length = 6; length < whole.length; length++) {
      cache.clear();
      const error = await failed(bench.file('cut.mp', whole.subarray(0, length)));
      expect(error.message).toMatch(/, byte 4: the file ends inside a record/);
      expect(all()).toEqual({ a: 1 });
    }
  }, 120_000);

  it('names the first wrong record, whichever thread finds it', async () => {
    const records = Array.from({ length: 5000 }, (_, i) => record(`key ${i}`, i));
    records[3123] = record('wrong', 1, -1);
    records[3456] = Buffer.from([0xc1]);
    const path = bench.file('wrong.msgpack', Buffer.concat(records));
    const { length: byte } = Buffer.concat(records.slice(0, 3123));
    for (const sliceBytes of [100, 777, 20_000]) {
      cache.clear();
      const error = await failed(path, { threads: 3 }, sliceBytes);
      expect(error).toMatchObject({ byte, code: 'SYNTAX', entries: cache.size });
      for (let i = 0; i < 3123; i++) expect(cache.get(`key ${i}`)).toBe(i);
    }
  });

  it('with a value or a record too large is refused', async () => {
    await close();
    open({ maxValueBytes: 1000 });
    const [a, large, huge] = [1, 'x'.repeat(998), 'x'.repeat(500_000)].map((v) => record('k', v));
    const path = bench.file('large.mp', Buffer.concat([a!, large!]));
    expect(await failed(path)).toMatchObject({ code: 'TOOLARGE', byte: a!.length });
    const longer = bench.file('huge.mp', Buffer.concat([a!, huge!, a!]));
    expect(await failed(longer, {}, 1000)).toMatchObject({ code: 'TOOLARGE', byte: a!.length });
    expect(all()).toEqual({ k: 1 });
  });
});

describe('an import', () => {
  /** Lines of which the first slice can be stored, and the others wait for a partition. */
  function waiting(): { path: string; sliceBytes: number; goOn: () => void } {
    const lines = Array.from({ length: 100 }, (_, i) =>
      line(bench.keyIn(i < 10 ? 0 : 1, `key ${1000 + i} `), i),
    );
    const path = bench.file('wait.ndjson', `${lines.join('\n')}\n`);
    const sliceBytes = lines.slice(0, 10).join('\n').length + 1;
    return { path, sliceBytes, goOn: bench.hold(1) };
  }

  /** Ends a thread of the pool at the first progress; `ended` when `then` is done. */
  const endThread = (then: () => void | Promise<void>) => {
    let ended: Promise<void> | undefined;
    const onProgress = () => {
      ended ??= bench.pool.threads[0]!.terminate().then(then);
    };
    return { onProgress, ended: () => ended };
  };

  it('is given up with its signal; what was stored stays', async () => {
    const { path, sliceBytes, goOn } = waiting();
    const giveUp = new AbortController();
    const onProgress = () => {
      giveUp.abort(REASON);
      goOn();
    };
    const options = { signal: giveUp.signal, onProgress, threads: 1 };
    await expect(load(path, options, sliceBytes)).rejects.toBe(REASON);
    expect(cache.size).toBeGreaterThanOrEqual(10);
    expect(cache.size).toBeLessThan(40);
    expect(bench.slots).toBe(2);
  });

  it.each([
    ['given-up.ndjson', importNdjson, (i: number) => Buffer.from(`${line(`key ${i}`, i)}\n`)],
    ['given-up.msgpack', importMsgpack, (i: number) => record(`key ${i}`, i)],
  ])('of %s is given up in the middle of a slice', (name, job, write) => {
    const path = bench.file(name, Buffer.concat(Array.from({ length: 3000 }, (_, i) => write(i))));
    const { size: bytes, ino: inode } = statSync(path);
    const control = Object.assign(JobControl.create(1, 1), {
      isWorth: () => false,
      awaitStart: () => 0,
    });
    const input = { path, inode, bytes, sliceBytes: bytes, ttlMs: 0 };
    const { entries } = job({ arenas: bench.arenas, input, control, progress: () => {} })(0);
    expect(entries).toBeLessThan(1000);
    expect(entries).toBe(cache.size);
  });

  it('is given up when the cache is closed', async () => {
    const { path, sliceBytes, goOn } = waiting();
    const onProgress = () => {
      bench.jobs.close();
      goOn();
    };
    const error = await failed(path, { onProgress, threads: 1 }, sliceBytes);
    expect(error).toMatchObject({ code: 'CLOSED' });
    expect(cache.size).toBeLessThan(40);
    expect(bench.slots).toBe(2);
  });

  it('fails when one of its threads ends; the cache is sound', async () => {
    const { path, sliceBytes, goOn } = waiting();
    const { onProgress, ended } = endThread(goOn);
    const error = await failed(path, { onProgress, threads: 1 }, sliceBytes);
    await ended();
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(cache.size).toBeGreaterThanOrEqual(10);
    await bench.untilSlots(2);
    expect(cache.checkIntegrity()).toBeUndefined();
    expect(await load(path)).toMatchObject({ entries: 100 });
  });

  it('goes no further in its other threads when one of them ends', async () => {
    const { path, sliceBytes, goOn } = waiting();
    // In a turn of its own, when the end of the thread is known.
    const { onProgress, ended } = endThread(() => setImmediate().then(goOn));
    const error = await failed(path, { onProgress, threads: 2 }, sliceBytes);
    await ended();
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(cache.size).toBeLessThan(50);
  });

  it('fails for those that wait for the thread that ended, too', async () => {
    const records = Array.from({ length: 100 }, (_, i) =>
      record(bench.keyIn(i < 10 ? 0 : 1, `key ${1000 + i} `), i),
    );
    const path = bench.file('wait.msgpack', Buffer.concat(records));
    const goOn = bench.hold(1);
    const { onProgress, ended } = endThread(goOn);
    const { length: sliceBytes } = Buffer.concat(records.slice(0, 10));
    const error = await failed(path, { onProgress, threads: 3 }, sliceBytes);
    // The partition that the test held is free again.
    await ended();
    expect(error).toMatchObject({ code: 'INTERNAL' });
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('goes into several arenas', async () => {
    await close();
    open({ arenas: 3, memoryBytes: 48 * MIB });
    const lines = Array.from({ length: 3000 }, (_, i) => line(`key ${i}`, [i]));
    await load(bench.file('arenas.ndjson', lines.join('\n')), { threads: 2 }, 5000);
    expect(bench.arenas.arenas.map((arena) => arena.stats().entries > 500)).toEqual([
      ...[true, true, true],
    ]);
    const path = join(bench.folder, 'arenas.msgpack');
    expect(await exportFile(bench.jobs, path, {})).toMatchObject({ entries: 3000 });
    cache.clear();
    await load(path, { threads: 2 }, 5000);
    for (let i = 0; i < 3000; i++) expect(cache.get(`key ${i}`)).toEqual([i]);
  });

  it('shares record structures among its threads', async () => {
    const target = openCache({ memory: '16mb', structures: true });
    const objectOf = (i: number) =>
      i % 2 ? { name: `n ${i}`, number: i } : { name: `n ${i}`, list: [{ id: i }, { id: i + 1 }] };
    const lines = Array.from({ length: 4000 }, (_, i) => line(`key ${i}`, objectOf(i)));
    const path = bench.file('objects.ndjson', lines.join('\n'));
    await target.importFile(path, { threads: 3 });
    for (let i = 0; i < 4000; i++) expect(target.get(`key ${i}`)).toEqual(objectOf(i));
    const { payloadBytes } = target.stats();
    await load(path);
    expect(payloadBytes).toBeLessThan(0.9 * cache.stats().payloadBytes);
    target.close();
  });

  it('takes a URL, and a name in capitals', async () => {
    const path = bench.file('UPPER.NDJSON', line('a', 1));
    expect(await importFile(bench.jobs, pathToFileURL(path), {}, 0)).toMatchObject({ entries: 1 });
  });

  it.each([
    [5, {}, 'importFile takes a path or a file: URL, not 5'],
    ['', {}, "importFile takes a path or a file: URL, not ''"],
    [new URL('http://x/y.mp'), {}, 'importFile takes a path or a file: URL, not a URL'],
    [
      'x.csv',
      {},
      /^the name '.*' does not tell its format: it must end in .*, or format must be 'ndjson'/,
    ],
    ['x.mp', { format: 'csv' }, /^format must be 'ndjson' or 'msgpack', not 'csv'/],
    ['x.mp', { ttl: 'soon' }, /^ttl must be milliseconds/],
    ['x.mp', { formt: 'csv' }, "importFile has no option 'formt'; did you mean 'format'?"],
    ['x.mp', { threads: 1000 }, 'threads must be a whole number from 1 to 64, not 1000'],
    ['/no/such/file.mp', {}, /^importFile cannot read \/no\/such\/file.mp: ENOENT/],
    ['/tmp', { format: 'msgpack' }, 'importFile reads regular files only, which /tmp is not'],
  ])('of %s with %j is refused', async (path, options, message) => {
    const error = await failed(path as string, options as ImportOptions);
    expect(error.code).toBe('OPTION');
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
  });

  it.each([
    ['shrinks', (path: string) => writeFileSync(path, ''), 'it became shorter meanwhile'],
    ['goes', (path: string) => rmSync(path), /^importFile cannot read .*: ENOENT/],
    [
      'is replaced',
      (path: string) => renameSync(bench.file('other', 'x'.repeat(10_000)), path),
      'it was replaced meanwhile',
    ],
  ])('of a file that %s meanwhile fails', async (_, change, message) => {
    const lines = Array.from({ length: 100 }, (_, i) =>
      line(bench.keyIn(i < 50 ? 0 : 1, `${i} `), i),
    );
    const path = bench.file('changes.ndjson', lines.join('\n'));
    const goOn = bench.hold(1);
    const onProgress = ({ done }: { done: number }) => {
      if (done === 200) change(path);
      goOn();
    };
    const error = await failed(path, { onProgress, threads: 1 }, 200);
    expect(error.code).toBe('OPTION');
    expect(error.message).toMatch(message);
    expect(error.line).toBeUndefined();
  });
});

describe('an export', () => {
  const save = (name: string, options = {}) =>
    exportFile(bench.jobs, join(bench.folder, name), options);

  it.each(['all.ndjson', 'all.msgpack'])('to %s comes back', async (name) => {
    const entries = new Map<string, unknown>();
    for (let i = 0; i < 3000; i++) entries.set(`key ${i}`, { i, list: [null, `äöü ${i}`] });
    entries.set('long', 'x'.repeat(500 * KIB));
    cache.setMany(entries);
    cache.set('mortal', 1, { ttl: '1h' });
    const result = await save(name);
    expect(result).toMatchObject({ entries: 3002, bytes: statSync(join(bench.folder, name)).size });
    cache.clear();
    await load(join(bench.folder, name), { threads: 2 });
    expect(cache.size).toBe(3002);
    for (const [key, value] of entries) expect(cache.get(key)).toEqual(value);
    expect(cache.ttl('long')).toBe(Infinity);
    expect(cache.ttl('mortal')).toBeGreaterThan(3_590_000);
    expect(cache.ttl('mortal')).toBeLessThanOrEqual(3_600_000);
  });

  it('to msgpack has whatever can be stored', async () => {
    cache.set(Buffer.from([0xff]), Buffer.from('bytes'));
    cache.set('date', { at: new Date(7) });
    cache.set('big', 2n ** 63n);
    await save('all.msgpack');
    cache.clear();
    await load(join(bench.folder, 'all.msgpack'));
    expect(cache.get(Buffer.from([0xff]))).toEqual(Buffer.from('bytes'));
    expect(cache.get('date')).toEqual({ at: new Date(7) });
    expect(cache.get('big')).toBe(2n ** 63n);
  });

  it.each([
    [
      'bytes',
      { a: [Buffer.from('x')] },
      /'key' holds a Buffer of 1 byte, which JSON has no form for/,
    ],
    ['a date', new Date(5), /'key' holds a Date, which JSON/],
    ['a bigint', [2n ** 60n], /'key' holds 1152921504606846976n, which JSON/],
    ['no number', [Number.NaN], /'key' holds NaN, which JSON has no form for: use msgpack/],
  ])('to NDJSON refuses %s, and leaves no file', async (_, value, message) => {
    cache.set('key', value);
    await expect(save('all.ndjson')).rejects.toMatchObject({
      code: 'WRONGTYPE',
      message: expect.stringMatching(message) as string,
    });
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  it('to NDJSON refuses keys that are no text', async () => {
    cache.set(Buffer.from([0xff, 0xfe]), 1);
    await expect(save('all.ndjson')).rejects.toThrow('a key of bytes, fffe, has no form in ndjson');
  });

  it('of objects with structures can be read by others', async () => {
    const source = openCache({ memory: '8mb', structures: true });
    const objects = [1, 2, 3].map((n) => ({ identifier: n, name: `n ${n}` }));
    for (const [i, object] of objects.entries()) source.set(`key ${i}`, object);
    for (const name of ['objects.msgpack', 'objects.ndjson']) {
      const path = join(bench.folder, name);
      expect(await source.exportFile(path)).toMatchObject({ entries: 3 });
      cache.clear();
      await load(path);
      for (const [i, object] of objects.entries()) expect(cache.get(`key ${i}`)).toEqual(object);
      // And back again.
      source.clear();
      expect(await source.importFile(path)).toMatchObject({ entries: 3 });
      expect(source.get('key 2')).toEqual(objects[2]);
    }
    source.close();
  });

  it('that fails leaves the file that was there', async () => {
    const path = bench.file('all.ndjson', 'old');
    cache.set('key', new Date());
    await expect(save('all.ndjson')).rejects.toThrow(SlabringError);
    expect(readFileSync(path, 'utf8')).toBe('old');
    cache.set('key', 1);
    await save('all.ndjson');
    expect(readFileSync(path, 'utf8')).toBe('{"key":"key","value":1}\n');
  });

  it('is given up with its signal, and leaves no file', async () => {
    for (let i = 0; i < 5000; i++) cache.set(`key ${i}`, i);
    const giveUp = new AbortController();
    const onProgress = () => giveUp.abort(REASON);
    const exporting = save('all.ndjson', { signal: giveUp.signal, onProgress });
    await expect(exporting).rejects.toBe(REASON);
    expect(readdirSync(bench.folder)).toEqual([]);
  });

  it('to where no file can be is refused', async () => {
    await expect(exportFile(bench.jobs, '/no/such/folder/x.mp', {})).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringMatching(/^exportFile cannot write \/no\/such\/folder\/x.mp: ENOENT/),
    });
    await expect(save('x.mp', { threads: 2 })).rejects.toThrow(
      "exportFile has no option 'threads'",
    );
    expect(existsSync(join(bench.folder, 'x.mp'))).toBe(false);
  });
});
