/** The bench of the ring: that it tells what it says, and the command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ringAsText } from '#bench/ring/command.js';
import { measureRing, timeSlots } from '#bench/ring/measure.js';
import { slotOfText } from '#engine/slots.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const folder = mkdtempSync(join(tmpdir(), 'slabring-ring-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, 'ring', ...args], (error, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });

it('measures loads and moves by what the weights ask for', () => {
  const plan = { members: 4, copies: 2, rounds: 3, isWeighted: true, zones: 0 };
  const row = measureRing(plan);
  expect(row).toMatchObject(plan);
  for (const ratios of [row.primaryLoads, row.copyLoads, row.primaryMoves, row.copyMoves]) {
    expect(ratios.length).toBe(3);
    for (const ratio of ratios) expect(Math.abs(ratio - 1)).toBeLessThan(0.16);
  }
  for (const stray of row.strayMoves) expect(stray).toBeLessThan(0.05);
  // Alone, a member has everything, and gives half of it to the next one.
  const alone = measureRing({ members: 1, copies: 1, rounds: 1, isWeighted: false, zones: 2 });
  expect([alone.primaryLoads, alone.copyLoads, alone.strayMoves]).toEqual([[1], [1], [0]]);
  expect(alone.primaryMoves[0]).toBeCloseTo(1, 1);
});

it('the table tells the mean and the most', () => {
  const ratios = [1, 1.2];
  const row = {
    ...{ members: 3, copies: 2, rounds: 2, isWeighted: false, zones: 0 },
    ...{ primaryLoads: ratios, copyLoads: ratios, primaryMoves: ratios, copyMoves: ratios },
    ...{ strayMoves: [0, 0.01], buildMs: [2, 4] },
  };
  expect(ringAsText([row])).toMatch(
    /\n3 -> 4( +1\.100, 1\.200){3} +1 of 2 +1\.100, 1\.200 +0\.50% +3\.0 ms$/,
  );
});

it('the slots that are timed are those of the keys', () => {
  const { nsPerKey, checksum } = timeSlots(['foo', 'bar'], 3);
  expect(checksum).toBe(3 * (slotOfText('foo') + slotOfText('bar')));
  expect(nsPerKey).toBeGreaterThan(0);
});

it('npm run bench -- ring prints a row for each size', async () => {
  const json = join(folder, 'ring.json');
  const { code, stdout, stderr } = await run(
    ...['--members', '3', '6', '--rounds', '2', '--zones', '3', '--json', json],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'ring: 3 members\nring: 6 members\n' });
  expect(stdout).toMatch(/cores, \d+ GiB, .*\nNode v\d+/);
  expect(stdout).toMatch(
    /\n3 -> 4 .* ms\n6 -> 7 .* ms\n\nslot of a key of 16 characters: [\d.]+ ns/,
  );
  const { rows, settings } = JSON.parse(readFileSync(json, 'utf8'));
  expect(settings).toMatchObject({ members: [3, 6], copies: 2, rounds: 2, zones: 3 });
  expect(rows.length).toBe(2);
});

it.each([
  [['--members', '0'], /whole number from 1 to 1000/],
  [['--copies', '9'], /whole number from 1 to 8/],
])('npm run bench -- ring refuses %j', async (args, message) => {
  const { code, stderr } = await run(...args);
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
});
