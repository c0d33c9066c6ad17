/** The bytes of an entry: how they are read, added up and told, and the command that does it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { entryCount, entryCounts } from '#bench/arguments.js';
import { Unavailable } from '#bench/case.js';
import type { Holder } from '#bench/memory/holder.js';
import { failureOf, measure, rowOf } from '#bench/memory/measure.js';
import { memoryAsText } from '#bench/memory/report.js';
import { residentBytes, settledBytes } from '#bench/memory/rss.js';
import { fakeServersOnPath } from '../e2e/run-cli.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'slabring-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sample = (emptyMib: number, fullMib: number) => ({
  ...{ version: '1.2.3', emptyBytes: emptyMib * MIB, fullBytes: fullMib * MIB, readBack: MIB },
});

describe('the arithmetic', () => {
  it('is growth by entries, less 16 bytes of key and 32 of value', () => {
    const row = rowOf('redis', MIB, [sample(10, 90), sample(12, 112), sample(11, 121)]);
    expect(row).toMatchObject({
      ...{ holder: 'redis', entries: MIB, state: 'measured', version: '1.2.3' },
      emptyBytes: { median: 11 * MIB },
      perEntry: { p25: 90, median: 100, p75: 105 },
      overhead: { p25: 42, median: 52, p75: 57 },
      readBack: 3 * MIB,
    });
    const text = memoryAsText([row]);
    expect(text.split('\n')[1]).toMatch(
      /^redis +1\.2\.3 +1,048,576 +11\.0 +112\.0 +100\.0 \(90\.0 - 105\.0\) +52\.0 \(42\.0 - 57\.0\) +3,145,728$/,
    );
  });

  it('tells a holder that is not there from one that failed', () => {
    const rows = [
      failureOf('redis', 1000, new Unavailable('redis-server is not on PATH')),
      failureOf('memcached', 1000, new Error('it has lost 3 keys')),
    ];
    expect(rows.map(({ state }) => state)).toEqual(['skipped', 'failed']);
    expect(memoryAsText(rows)).toMatch(
      /\nredis, 1,000 entries: skipped: redis-server is not on PATH\nmemcached, 1,000 entries: FAILED: it has lost 3 keys$/,
    );
  });

  it('reads what the system says of a process', () => {
    if (process.platform === 'linux') {
      const ratio = residentBytes(process.pid) / process.memoryUsage.rss();
      expect(ratio).toBeGreaterThan(0.5);
      expect(ratio).toBeLessThan(2);
    }
    expect(() => residentBytes(0x7fff_ffff)).toThrow(Unavailable);
  });

  it('waits until the memory rests, and no longer than half a minute', async () => {
    let sleeps = 0;
    const sleep = async (): Promise<void> => void sleeps++;
    const bytes = [500, 400, 300, 300.1, 200];
    expect(await settledBytes(() => bytes.shift()!, sleep)).toBe(300.1);
    expect(sleeps).toBe(3);
    let falling = 1e9;
    expect(await settledBytes(() => (falling *= 0.9), sleep)).toBeLessThan(1e9);
    expect(sleeps).toBe(63);
  });

  it.each([
    ['1000', 1000],
    ['500k', 500_000],
    ['1.5M', 1_500_000],
    ['10_000_000', 10_000_000],
  ])('reads %s entries', (text, count) => {
    expect(entryCount(text)).toBe(count);
    expect(entryCounts(text, [7])).toEqual([7, count]);
  });

  it.each(['', 'm', '0', '999', '-5k', '1e6', '1001m', 'ten'])('refuses %j entries', (text) => {
    expect(() => entryCount(text)).toThrow(/It must be a number from 1000 to 1000m/);
  });
});

describe('a measurement', () => {
  const holder = (readBack: () => Promise<number>) => {
    const calls: string[] = [];
    const made: Holder = {
      ...{ version: '1', pid: process.pid },
      fill: async () => void calls.push('fill'),
      readBack,
      stop: async () => void calls.push('stop'),
    };
    return { kind: { name: 'one', start: async () => made }, calls };
  };
  const sleep = async (): Promise<void> => {};

  it('is refused when entries are missing or wrong, and the holder is stopped', async () => {
    const few = holder(async () => 999);
    await expect(measure(few.kind, 1000, sleep)).rejects.toThrow('999 of 1000 entries were read');
    expect(few.calls).toEqual(['fill', 'stop']);
    const wrong = holder(async () => Promise.reject(new Error('key 7 has a wrong value')));
    await expect(measure(wrong.kind, 1000, sleep)).rejects.toThrow('key 7 has a wrong value');
    expect(wrong.calls).toEqual(['fill', 'stop']);
  });
});

describe('npm run bench -- memory', () => {
  interface Result {
    code: number;
    stdout: string;
    stderr: string;
  }
  function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
    const options = { env: { ...process.env, ...env } };
    return new Promise((done) => {
      execFile(process.execPath, [MAIN, 'memory', ...args], options, (error, stdout, stderr) => {
        done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });
  }

  it('fills a cache, a node, redis and memcached, and reads all of it back', async () => {
    const json = join(folder, 'all.json');
    const args = ['--entries', '20k', '--rounds', '1', '--json', json];
    const { code, stdout } = await run(args, { PATH: fakeServersOnPath() });
    expect(stdout).toMatch(/cores, \d+ GiB, .*\nNode v\d+/);
    expect(code).toBe(0);
    const { environment, memory } = JSON.parse(readFileSync(json, 'utf8'));
    expect(environment).toMatchObject({ node: process.version });
    expect(memory.map(({ holder }: { holder: string }) => holder)).toEqual([
      ...['slabring/adaptive', 'slabring/none', 'slabring-serve/adaptive', 'redis', 'memcached'],
    ]);
    for (const row of memory) {
      expect(row, row.holder).toMatchObject({ state: 'measured', entries: 20_000 });
      expect(row.readBack, row.holder).toBe(20_000);
      expect(stdout).toContain(`\n${row.holder} `);
    }
  });

  it('tells what an entry costs beside its bytes', async () => {
    const json = join(folder, 'one.json');
    // A process grows and shrinks by some hundred KiB by itself: a few bytes for each of so many.
    const args = ['--entries', '200k', '--rounds', '1', '--filter', 'slabring/adaptive'];
    expect((await run([...args, '--json', json])).code).toBe(0);
    const { memory } = JSON.parse(readFileSync(json, 'utf8'));
    expect(memory).toHaveLength(1);
    expect(memory[0].overhead.median).toBeGreaterThan(8);
    expect(memory[0].overhead.median).toBeLessThan(64);
  });

  it('says which server is not there, and goes on', async () => {
    const args = ['--entries', '1000', '--rounds', '2', '--filter', 'redis', 'none'];
    const { code, stdout } = await run([...args, '--json', join(folder, 'none.json')], {
      PATH: '/nowhere',
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nslabring\/none +\d.* 2,000\n/);
    expect(stdout).toMatch(/\nredis, 1,000 entries: skipped: redis-server is not on PATH; install/);
  });

  it('does not believe a server that answers wrongly', async () => {
    const args = ['--entries', '1000', '--filter', 'redis', '--json', join(folder, 'lie.json')];
    const env = { PATH: fakeServersOnPath(), FAKE_FAULT: 'lie' };
    const { code, stdout } = await run(args, env);
    expect(stdout).toMatch(/\nredis, 1,000 entries: FAILED: wrong value for key 0/);
    expect(code).toBe(1);
  });

  it.each([
    [['--filter', 'valkey'], /^bench: no holder has valkey in its name; there are slabring\/adapt/],
    [['--entries', 'many'], /It must be a number from 1000 to 1000m/],
    [['--rounds', '0'], /whole number from 1 to 100/],
    [['--quick'], /unknown option '--quick'/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(args);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});
