/** The kernel beside C: what is compiled, what is compared, and the command. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Unavailable } from '#bench/case.js';
import { kernelCases } from '#bench/cases/kernel.js';
import { makeKey } from '#bench/fixture.js';
import { Frames } from '#bench/frames.js';
import { kernelAsText } from '#bench/kernel-c.js';
import { readHere, readInThread } from '#bench/log-reading.js';
import type { CaseOutcome, Row } from '#bench/rounds.js';
import { compile } from '#bench/yardstick.js';
import { Arena } from '#engine/arena.js';
import { ArenaSet } from '#engine/arena-set.js';
import { Cache } from '#engine/cache.js';
import { createExecutor } from '#engine/routed-frame.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const folder = mkdtempSync(join(tmpdir(), 'slabring-kernel-c-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

describe('the cases', () => {
  it('have every setting for GET and SET at both sizes, beside C and the cache without it', () => {
    const names = kernelCases.map(({ name }) => name);
    for (const setting of ['stamps', 'log', 'stamps-log', 'expiry', 'all']) {
      for (const size of ['10k', '1m']) {
        expect(names).toContain(`kernel/get/${size}/frame-128/${setting}`);
        expect(names).toContain(`kernel/set/${size}/frame-128/${setting}`);
      }
    }
    expect(names).toContain('kernel/set/1m/frame-128/log-thread');
    const withSetting = kernelCases.filter(({ name }) => name.split('/').length === 5);
    for (const { contestants } of withSetting) {
      expect(contestants).toEqual(['slabring', 'slabring/plain', 'C']);
    }
  });

  it('give entries the time to live that their frames name, and none without', () => {
    const set = ArenaSet.create({
      ...{ memoryBytes: 4 * 2 ** 20, policy: 'none', maxValueBytes: 4096, maxThreads: 2 },
    });
    const executor = createExecutor<undefined>(set, () => null);
    const cache = new Cache(set, 0);
    const indices = Uint32Array.of(0, 1, 2, 3);
    const plain = new Frames('set', indices, 2);
    const timed = new Frames('set', indices, 2, undefined, 60_000);
    const ttls = (frames: Frames) => {
      for (let i = 0; i < frames.count; i++) {
        const reply = executor.execute(frames.at(i), undefined) as Uint8Array;
        expect([...reply]).toEqual([...frames.reply(i)]);
      }
      return [...indices].map((index) => cache.ttl(makeKey(index)));
    };
    for (const ttl of ttls(timed)) {
      expect(ttl).toBeGreaterThan(50_000);
      expect(ttl).toBeLessThanOrEqual(60_000);
    }
    expect(ttls(plain)).toEqual(Array(4).fill(Number.POSITIVE_INFINITY));
    cache.close();
  });
});

describe('a reader of the log', () => {
  const open = (): Arena =>
    Arena.create({
      ...{ memoryBytes: 8 * 2 ** 20, policy: 'none', partitions: 1 },
      ...{ maxValueBytes: 4096, maxThreads: 2 },
    });
  const set = (arena: Arena, key: number): void => {
    arena.request.fill(key, 0, 8);
    expect(arena.kernel.setDirect(arena.slot, 8, 4, 0, 0, 0, Date.now())).toBe(1);
  };

  it('in this thread reads when it is told to, and counts what it lost', async () => {
    const arena = open();
    const reading = readHere(arena);
    set(arena, 1);
    expect(reading.bytes).toBe(0);
    reading.catchUp();
    const one = reading.bytes;
    expect(one).toBeGreaterThanOrEqual(12);
    for (let i = 0; i < 100; i++) set(arena, i);
    reading.catchUp();
    expect([reading.bytes, reading.lost]).toEqual([101 * one, 0]);
    // More than the log holds.
    for (let i = 0; i < 20_000; i++) set(arena, i & 63);
    reading.catchUp();
    expect(reading.lost).toBeGreaterThan(0);
    expect(reading.lost + reading.bytes / one).toBe(20_101);
    await reading.close();
    arena.close();
  });

  it('in another thread reads all the while', async () => {
    const arena = open();
    const reading = await readInThread(arena);
    set(arena, 1);
    await expect.poll(() => reading.bytes).toBeGreaterThan(0);
    await reading.close();
    arena.close();
  });
});

describe('the compiler', () => {
  const program = join(folder, 'program');

  it('is said to be missing', () => {
    vi.stubEnv('CC', undefined);
    vi.stubEnv('PATH', '/nowhere');
    expect(() => compile(program)).toThrow(
      new Unavailable('there is no C compiler on PATH (gcc, cc, clang)'),
    );
    vi.stubEnv('CC', 'my-own-cc');
    expect(() => compile(program)).toThrow(/there is no C compiler on PATH \(my-own-cc\)/);
  });

  it('is the one of CC, and what it cannot compile is unavailable', () => {
    const own = join(folder, 'own-cc');
    writeFileSync(own, '#!/bin/sh\necho "no such machine" >&2\nexit 1\n');
    chmodSync(own, 0o755);
    vi.stubEnv('PATH', folder);
    vi.stubEnv('CC', 'own-cc');
    expect(() => compile(program)).toThrow(Unavailable);
    expect(() => compile(program)).toThrow(/no such machine/);
    writeFileSync(own, '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho done > "$2"\n');
    compile(program);
    expect(readFileSync(program, 'utf8')).toBe('done\n');
    // What is newer than its source is not compiled again.
    writeFileSync(own, '#!/bin/sh\nexit 1\n');
    compile(program);
  });
});

describe('the table', () => {
  const timed = (contestant: string, ns: number, ratio?: number, checksum = 7): Row => ({
    ...{ contestant, state: 'timed', batches: 1, operations: 1, checksum, facts: {} },
    nsPerOp: { p25: ns, median: ns, p75: ns },
    ...(ratio !== undefined && { ratio: { p25: ratio - 0.1, median: ratio, p75: ratio + 0.1 } }),
  });
  const outcome = (name: string, ...rows: Row[]): CaseOutcome => ({ name, what: '', rows });

  it('has the ratios to C and to the cache without, and a checksum that all agree on', () => {
    const lines = kernelAsText([
      outcome('kernel/get/1m/frame-128', timed('slabring', 70), timed('C', 50, 1.4)),
      outcome(
        'kernel/set/1m/frame-128/all',
        timed('slabring', 200),
        timed('slabring/plain', 100, 2),
        timed('C', 50, 4),
      ),
      outcome('kernel/get/10k/frame-128', timed('slabring', 70), timed('C', 50, 1.4, 8)),
    ]).split('\n');
    expect(lines[1]).toMatch(/^get\/1m +70\.0 +50\.0 +1\.40 \(1\.30 - 1\.50\) +7$/);
    expect(lines[2]).toMatch(
      /^set\/1m\/all +200\.0 +50\.0 +4\.00 \(3\.90 - 4\.10\) +2\.00 \(1\.90 - 2\.10\) +7$/,
    );
    expect(lines[3]).toMatch(/DIFFERS$/);
  });

  it('says who is out, and why', () => {
    const out = { contestant: 'C', state: 'disqualified', reason: 'the replies differ' } as const;
    const text = kernelAsText([outcome('kernel/get/1m/frame-128', timed('slabring', 70), out)]);
    expect(text).toMatch(/\nget\/1m +70\.0 +7\nget\/1m: C DISQUALIFIED: the replies differ$/);
  });
});

describe('npm run bench -- kernel-c', () => {
  const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      execFile(process.execPath, [MAIN, 'kernel-c', ...args], (error, stdout, stderr) => {
        done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      });
    });

  it('prints ratios, or says that there is no compiler', async () => {
    const json = join(folder, 'kernel.json');
    const filter = ['--filter', 'set/10k/frame-128/log'];
    const { code, stdout, stderr } = await run('--quick', ...filter, '--json', json);
    if (/^bench: there is no C compiler/.test(stderr)) {
      expect(code).toBe(1);
      return;
    }
    expect(stdout).toMatch(
      /\nset\/10k\/log +[\d.]+ +[\d.]+ +[\d.]+ \([\d.]+ - [\d.]+\) +[\d.]+ \([\d.]+ - [\d.]+\) +\d+\n/,
    );
    expect(stdout).toContain('\nset/10k/log-thread ');
    expect(code).toBe(0);
    const { cases, settings } = JSON.parse(readFileSync(json, 'utf8'));
    expect(settings).toMatchObject({ rounds: 5, clock: 'wall' });
    expect(cases).toHaveLength(2);
  });

  it('refuses a filter that fits nothing', async () => {
    const { code, stderr } = await run('--filter', 'frame-1/');
    expect(stderr).toBe('bench: no row has frame-1/ in its name\n');
    expect(code).toBe(1);
  });
});
