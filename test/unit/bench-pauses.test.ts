/** How pauses are told from the machine's, that wrong results are seen, and the command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { coreTimesOf } from '#bench/core-times.js';
import { type PhaseOutcome, PROBES, runScript } from '#bench/pauses/measure.js';
import { CoreWait, Probe } from '#bench/pauses/probe.js';
import { phaseAsText, rowsOf } from '#bench/pauses/report.js';
import { makeValue, openGrowth, type Script } from '#bench/pauses/script.js';
import type { Cache } from '#engine/index.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const folder = mkdtempSync(join(tmpdir(), 'slabring-pauses-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a probe', () => {
  it('tells the time of an operation from that without a core', () => {
    const probe = new Probe();
    probe.record(5, 4.5);
    probe.record(1, 2);
    expect([probe.wall.maxMs, probe.own.maxMs]).toEqual([5, 0.5]);
    const sum = new Probe();
    sum.add(probe);
    sum.record(7, 0);
    expect([sum.wall.count, sum.wall.maxMs, sum.own.maxMs]).toEqual([3, 7, 7]);
  });

  it('reads how long the thread waited', () => {
    expect(coreTimesOf('112219 80752 2\n')).toEqual({ onCoreMs: 0.112219, waitedMs: 0.080752 });
    const wait = new CoreWait();
    expect(wait.isKnown).toBe(process.platform === 'linux');
    expect(wait.sinceLastMs()).toBeGreaterThanOrEqual(0);
    wait.close();
  });
});

describe('the report', () => {
  const outcome = (longestMs: number, waitedMs: number): PhaseOutcome => {
    const probes = Object.fromEntries(PROBES.map((name) => [name, new Probe()])) as Record<
      (typeof PROBES)[number],
      Probe
    >;
    for (let i = 0; i < 999; i++) probes.get.record(0.001, 0);
    probes.get.record(longestMs, waitedMs);
    return { probes, evidence: `${longestMs} happened`, compared: 10, checksum: longestMs };
  };

  it('has all rounds in one histogram, and the longest of each', () => {
    const result = rowsOf('growth', 'it grows', [outcome(4, 3.5), outcome(2, 0)]);
    expect(result).toMatchObject({ compared: 20, checksums: [4, 2] });
    const row = result.rows.find(({ what }) => what === 'get')!;
    expect(row).toMatchObject({ operations: 2000, longestMs: [4, 2], longestOwnMs: [0.5, 2] });
    expect(row.wallMs).toMatchObject({ max: 4 });
    expect(row.wallMs.p99).toBeCloseTo(0.001, 3);
    expect(row.wallMs.p9999).toBeCloseTo(4, 1);
    expect(row.ownMs.p9999).toBeCloseTo(2, 1);
    expect(phaseAsText(result)).toMatch(
      /^growth: it grows\n {2}round 1: 4 happened\n {2}round 2: 2 happened\n {2}20 values compared, none wrong; checksums 4, 2\n/,
    );
    expect(phaseAsText(result)).toMatch(
      /\n {2}get +2,000 .* 4\.00 ms, 2\.00 ms .* 500 us, 2\.00 ms\n$/,
    );
  });
});

describe('a measurement', () => {
  /** A script of ten GETs of key 7 from a cache that answers so. */
  const script = (answer: Uint8Array | undefined, changes: Partial<Script> = {}): Script => {
    let left = 10;
    const cache = {
      getBytes: () => answer,
      setBytes: () => false,
      checkIntegrity: () => undefined,
      close: () => {},
    };
    return {
      cache: cache as unknown as Cache,
      next(operation) {
        left--;
        operation.isGet = true;
        operation.index = 7;
        operation.key = 'seven';
        operation.valueBytes = 32;
        operation.mayMiss = false;
      },
      isDone: () => left <= 0,
      evidence: () => 'enough',
      ...changes,
    };
  };
  const seven = (): Uint8Array => makeValue(7, 32).slice();

  it('counts what it compared', async () => {
    const { compared, evidence, probes } = await runScript(() => script(seven()), 1);
    expect(evidence).toBe('enough');
    expect(compared).toBe(probes.get.wall.count);
    expect(compared).toBeGreaterThanOrEqual(10);
    expect(probes['idle loop'].wall.count).toBeGreaterThan(0);
    expect(probes['event loop'].wall.count).toBeGreaterThan(0);
    expect(probes.set.wall.count).toBe(0);
  });

  it('is refused when a value is missing, wrong or not stored', async () => {
    const run = (made: Script): Promise<unknown> => runScript(() => made, 1);
    await expect(run(script(undefined))).rejects.toThrow('key 7 is missing');
    await expect(run(script(new Uint8Array(32)))).rejects.toThrow('key 7 has a wrong value');
    await expect(run(script(makeValue(7, 33).slice()))).rejects.toThrow('wrong value');
    const set: Script['next'] = (operation) => {
      operation.isGet = false;
      operation.index = 7;
      operation.value = seven();
    };
    await expect(run(script(seven(), { next: set }))).rejects.toThrow('key 7 was not stored');
  });

  it('is refused when the cache is broken afterwards', async () => {
    const broken = script(seven());
    broken.cache.checkIntegrity = () => 'BROKEN_X: it is';
    await expect(runScript(() => broken, 1)).rejects.toThrow('BROKEN_X: it is');
  });

  it('is refused when what it is about did not happen', async () => {
    await expect(runScript(openGrowth, 10)).rejects.toThrow(/\d+ of \d+ entries, 0 splits/);
  });
});

describe('npm run bench -- pauses', () => {
  const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      execFile(process.execPath, [MAIN, 'pauses', ...args], (error, stdout, stderr) => {
        done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });

  it('makes every phase happen, and prints its percentiles', async () => {
    const json = join(folder, 'pauses.json');
    const { code, stdout, stderr } = await run('--entries', '20k', '--rounds', '1', '--json', json);
    expect({ code, error: /bench: .*/.exec(stderr)?.[0] }).toEqual({ code: 0, error: undefined });
    expect(stdout).toMatch(/cores, \d+ GiB, .*\nNode v\d+/);
    const phases = ['still', 'expiry', 'moves', 'growth', 'large', 'together'];
    for (const phase of phases) expect(stdout).toContain(`\n${phase}: `);
    expect(stdout).toMatch(/\n +times +p50 +p99 +p99\.9 +p99\.99 +longest of each round /);
    expect(stdout).toMatch(/\n {2}get +[\d,]+( +[\d.]+ (us|ms|s)){8}\n/);
    expect(stdout).toMatch(/\n {2}idle loop +[\d,]+( +[\d.]+ (us|ms|s)){8}\n/);
    const { pauses, settings } = JSON.parse(readFileSync(json, 'utf8'));
    expect(settings).toEqual({ entries: 20_000, rounds: 1 });
    expect(pauses.map(({ phase }: { phase: string }) => phase)).toEqual(phases);
    for (const { rows, compared } of pauses) {
      expect(compared).toBeGreaterThan(0);
      expect(rows.map(({ what }: { what: string }) => what)).toEqual([...PROBES]);
    }
  });

  it.each([
    [['--filter', 'sleep'], /^bench: no phase has sleep in its name; there are still, expiry, /],
    [['--entries', '1'], /It must be a number from 1000/],
    [['--rounds', '101'], /whole number from 1 to 100/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});
