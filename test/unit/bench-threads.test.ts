/** How the speed of threads is added up, that wrong results are seen, and the command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { uniformSequence } from '#bench/fixture.js';
import { scalingAsText } from '#bench/threads/command.js';
import { PER_BATCH, WAYS } from '#bench/threads/contract.js';
import { Crew, togetherOf } from '#bench/threads/crew.js';
import { checkSet, createSet, fillSet, placesOf } from '#bench/threads/place.js';
import { countsUpTo, measureScaling } from '#bench/threads/scaling.js';
import { ArenaSet } from '#engine/arena-set.js';
import { Cache } from '#engine/cache.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const ENTRIES = 1000;
const folder = mkdtempSync(join(tmpdir(), 'slabring-threads-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  [1, [1]],
  [2, [1, 2]],
  [8, [1, 2, 4, 8]],
  [12, [1, 2, 4, 8, 12]],
])('%i threads at most are measured as %j', (most, counts) => {
  expect(countsUpTo(most)).toEqual(counts);
});

describe('scaling', () => {
  it('is compared within rounds, in turns', async () => {
    const calls: string[] = [];
    // The machine gets ten times as fast in the second round: the ratios stay.
    const speeds = [1, 10, 1];
    let round = -1;
    const rows = await measureScaling(
      { counts: [1, 2], rounds: 3, sliceMs: 5, warmupMs: 9 },
      async (ground, threads, way, work, ms) => {
        if (way === 'calls' && work === 'get') calls.push(`${ground} ${threads} ${ms}`);
        if (ms === 9) round = -1;
        else if (calls.length % 6 === 4) round++;
        const speed = way === 'calls' && work === 'get' ? speeds[round]! : 1;
        const opsPerSecond = 1e6 * speed * (threads === 2 ? 1.8 : 1);
        const opsPerCoreSecond = ground === 'none' ? undefined : opsPerSecond * threads;
        return { opsPerSecond, opsPerCoreSecond, operations: 7 };
      },
      () => {},
    );
    expect(calls).toEqual([
      ...['shared 2 9', 'own 2 9', 'none 2 9'],
      ...['shared 1 5', 'shared 2 5', 'own 1 5', 'own 2 5', 'none 1 5', 'none 2 5'],
      ...['none 2 5', 'none 1 5', 'own 2 5', 'own 1 5', 'shared 2 5', 'shared 1 5'],
      ...['shared 1 5', 'shared 2 5', 'own 1 5', 'own 2 5', 'none 1 5', 'none 2 5'],
    ]);
    expect(rows).toHaveLength(2 * 3 * 3 * 2);
    const [one, two] = rows;
    expect(one).toMatchObject({ way: 'calls', work: 'get', ground: 'shared', threads: 1 });
    expect(one!.ratio).toBeUndefined();
    expect(one!.opsPerSecond).toEqual({ p25: 1e6, median: 1e6, p75: 5.5e6 });
    expect(two!.ratio!.p25).toBeCloseTo(1.8);
    expect(two!.ratio!.p75).toBeCloseTo(1.8);
    expect(two!.operations).toBe(21);
    expect(two!.ratioOnCore!.median).toBeCloseTo(3.6);
    expect(rows[5]).toMatchObject({ ground: 'none', threads: 2, ratioOnCore: undefined });
    const lines = scalingAsText(rows).split('\n');
    expect(lines[1]).toMatch(/^get by calls +shared +1 +1\.00 M +1\.00 M - 5\.50 M$/);
    expect(lines[2]).toMatch(
      /^get by calls +shared +2 +1\.80 M .* 1\.80 \(1\.80 - 1\.80\) +3\.60 \(.*\)$/,
    );
  });
});

it('threads add up, by the clock and by their time on a core', () => {
  const share = (operations: number, ns: number, coreNs: number) => {
    return { operations, ns, coreNs, wrong: 0 };
  };
  expect(togetherOf([share(100, 1e9, 5e8), share(300, 2e9, 1e9)])).toEqual({
    ...{ opsPerSecond: 250, opsPerCoreSecond: 500, operations: 400 },
  });
  expect(togetherOf([share(1, 1, 1), share(1, 1, 0)]).opsPerCoreSecond).toBeUndefined();
});

describe('what a thread works on', () => {
  const sequence = uniformSequence(4 * PER_BATCH, ENTRIES);

  it('adds up, in every way, with a cache and without', () => {
    const set = createSet(ENTRIES, 4);
    fillSet(set, ENTRIES);
    for (const places of [
      placesOf(set.handle, ENTRIES, sequence),
      placesOf(undefined, ENTRIES, sequence),
    ]) {
      for (const way of WAYS) {
        const place = places[way];
        for (let batch = 0; batch < 4; batch++) {
          expect(place.set(batch)).toBe(place.expectedOfSet(batch));
          expect(place.get(batch)).toBe(place.expectedOfGet(batch));
        }
      }
    }
    expect(checkSet(set, ENTRIES)).toBeUndefined();
    set.close();
  });

  it('does not when a value is missing or another one', () => {
    const set = createSet(ENTRIES, 4);
    fillSet(set, ENTRIES);
    const places = placesOf(set.handle, ENTRIES, sequence);
    const cache = new Cache(ArenaSet.attach(set.handle), 0);
    const key = `key:${String(sequence[PER_BATCH - 1]).padStart(12, '0')}`;
    for (const spoil of [() => cache.delete(key), () => cache.setBytes(key, Buffer.alloc(32))]) {
      spoil();
      for (const way of WAYS) expect(places[way].get(0)).not.toBe(places[way].expectedOfGet(0));
      expect(checkSet(set, ENTRIES)).toBe(`key ${sequence[PER_BATCH - 1]} has a wrong value`);
    }
    cache.close();
    set.close();
  });
});

describe('a crew', () => {
  it.each(['shared', 'own', 'none'] as const)('works together: %s', async (ground) => {
    const crew = await Crew.start(ground, 2, ENTRIES, 8);
    const one = await crew.run(1, 'frames', 'mix', 1);
    const two = await crew.run(2, 'calls', 'set', 1);
    for (const { operations, opsPerSecond } of [one, two]) {
      expect(operations).toBeGreaterThan(0);
      expect(opsPerSecond).toBeGreaterThan(0);
    }
    expect(two.operations % PER_BATCH).toBe(0);
    await crew.finish();
  });
});

describe('npm run bench -- threads', () => {
  const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      execFile(process.execPath, [MAIN, 'threads', ...args], (error, stdout, stderr) => {
        done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });

  it('prints a row for every number of threads, and a checksum', async () => {
    const json = join(folder, 'threads.json');
    const small = ['--entries', '1000', '--threads', '2', '--rounds', '2', '--slice-ms', '2'];
    const { code, stdout } = await run(...small, '--json', json);
    expect(stdout).toMatch(/cores, \d+ GiB, .*\nNode v\d+/);
    expect(stdout).toMatch(/\nget by calls +shared +1 /);
    expect(stdout).toMatch(/\nset by frames +none +2 .* \d+\.\d\d \(\d+\.\d\d - \d+\.\d\d\)\n/);
    expect(stdout).toMatch(/\nchecksum of what was read \d+, the same for all\n/);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(json, 'utf8')).threads).toHaveLength(36);
  });

  it.each([
    [['--threads', '0'], /whole number from 1 to 62/],
    [['--entries', '10'], /It must be a number from 1000/],
    [['--slice-ms', 'x'], /whole number from 1 to 60000/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});
