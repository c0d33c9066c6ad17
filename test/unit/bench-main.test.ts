/** The command line of the benchmarks, and contestants in processes of their own. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { corpus } from '#bench/corpus.js';
import { openRemote } from '#bench/remote.js';
import { runCase } from '#bench/rounds.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const SCALE = resolve('dist/native-free-bench/scale.js');
const folder = mkdtempSync(join(tmpdir(), 'slabring-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

const bench = (...args: string[]): Promise<Result> => run(MAIN, args);

function run(program: string, args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('npm run bench:scale', () => {
  it('fills a cache of several arenas, and reads every value back', async () => {
    const args = ['--memory', '16mb', '--arenas', '3', '--counts', '0.01,0.03'];
    const { code, stdout, stderr } = await run(SCALE, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\n3 arenas, 1[56][.\d]* MiB; /);
    expect(stdout).toMatch(/\n\| 0\.010 M \|( [\d.-]+ \|){6}\n\| 0\.030 M \|( [\d.-]+ \|){6}\n$/);
    // Too little memory is said, and not measured.
    const small = await run(SCALE, ['--memory', '2mb', '--counts', '0.1']);
    expect(small.code).toBe(1);
    expect(small.stderr).toMatch(/of 99968 entries are there, [1-9]\d* were evicted/);
  });
});

describe('npm run bench', () => {
  it('--list prints every name, and --filter chooses among them', async () => {
    const all = (await bench('--list')).stdout.trim().split('\n');
    expect(all.length).toBe(corpus.length + 7);
    const some = (await bench('--list', '--filter', 'kernel/get', '07/100')).stdout
      .trim()
      .split('\n');
    expect(some.length).toBe(corpus.filter(({ name }) => name.includes('kernel/get')).length + 1);
    for (const line of some) expect(line).toMatch(/^(kernel\/get\/|hit-ratio\/cache2k-web07\/100)/);
  });

  it('prints a table and writes JSON with its environment', async () => {
    const json = join(folder, 'deep', 'result.json');
    const { code, stdout, stderr } = await bench('--filter', 'nasa', '--quick', '--json', json);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'hit-ratio: nasa-http-19950801, 3 sizes\n',
    });
    expect(stdout).toMatch(/cores, \d+ GiB, .*\nNode v\d+.*, V8 .*, slabring \d/);
    expect(stdout).toMatch(/\ntrace +entries +adaptive +s3fifo +clock +lru +lfu +OPT /);
    expect(stdout).toMatch(/\nnasa-http-19950801 +522( +8\d\.\d\d){5} +92\.62 /);
    expect(stdout).toMatch(/\nmean of 3 rows /);
    expect(stdout).toMatch(/\nclock - CLOCK +1 +3 /);
    expect(stdout).toContain(`JSON in ${json}`);
    const result = JSON.parse(readFileSync(json, 'utf8'));
    expect(result).toMatchObject({
      environment: { node: process.version, v8: process.versions.v8, arch: process.arch },
      settings: { rounds: 5, clock: 'wall' },
      cases: [],
      hitRatioSummary: { rows: 3, means: { clock: expect.any(Number), OPT: expect.any(Number) } },
    });
    expect(result.hitRatios.map(({ name }: { name: string }) => name)).toEqual([
      ...['hit-ratio/nasa-http-19950801/100', 'hit-ratio/nasa-http-19950801/174'],
      'hit-ratio/nasa-http-19950801/522',
    ]);
  });

  it('replays with the policies and partitions that are named', async () => {
    const json = join(folder, 'named.json');
    const args = ['--filter', '07/2048', '--json', json, '--partitions', '1', '--partitions', '4'];
    const { code, stdout } = await bench(...args, '--policy', 'lru', 'clock');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\ntrace +entries +partitions +lru +clock +OPT /);
    const { hitRatios } = JSON.parse(readFileSync(json, 'utf8'));
    const named = { lru: expect.any(Number), clock: expect.any(Number) };
    expect(hitRatios).toMatchObject([
      { partitions: 1, hitRatios: named },
      { partitions: 4, hitRatios: named },
    ]);
  });

  it('leaves nothing behind when it is stopped', async () => {
    const temporary = join(folder, 'temporary');
    mkdirSync(temporary);
    const args = ['--quick', '--filter', 'embedded/has/10k', '--json', join(folder, 'has.json')];
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // LMDB, where it is installed, is the only contestant of this case that writes files.
    const watcher = watch(temporary, () => child.kill());
    child.stdout.resume();
    // The contestants hold the pipe as well: it closes when the last of them has ended.
    await once(child, 'close');
    watcher.close();
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.each([
    [
      ['--filter', 'nothing-like-it'],
      /^bench: no name has nothing-like-it in it; --list prints them\n$/,
    ],
    [['--traces', '/nowhere'], /^bench: \/nowhere has no baselines\.csv and no NAME.u32.gz\n$/],
    [['--policy', 'none'], /Allowed choices are adaptive, s3fifo, clock, lru, lfu\./],
    [['--partitions', '3'], /power of two up to 256/],
    [['--partitions', '512'], /power of two up to 256/],
    [['--clock', 'sun'], /Allowed choices are wall, cpu/],
    [['--quik'], /unknown option '--quik'.*--quick/s],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await bench(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe('a contestant in a process of its own', () => {
  const benchCase = corpus.find(({ name }) => name === 'embedded/evict/bytes/10k')!;
  const setting = { scale: 'tiny', clock: 'wall' } as const;

  it('goes through a case as one in this process does', async () => {
    const plan = { rounds: 2, sliceMs: 1, warmupMs: 1 };
    const { rows } = await runCase(benchCase, plan, (chosen, name) =>
      openRemote(chosen, name, setting),
    );
    expect(rows).toMatchObject([
      { contestant: 'slabring', state: 'timed', facts: { hitRatio: expect.any(Number) } },
      { contestant: 'lru-cache', state: 'timed', ratio: { median: expect.any(Number) } },
    ]);
  });

  it('hands its errors on', async () => {
    await expect(openRemote(benchCase, 'redis', setting)).rejects.toThrow(
      'there is no store redis',
    );
    const unknown = { ...benchCase, name: 'no/case' };
    await expect(openRemote(unknown, 'slabring', setting)).rejects.toThrow(
      'there is no case no/case',
    );
  });
});
