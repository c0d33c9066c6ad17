/** The benchmark of gossip: that it measures what it says, and the command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { gossipAsSvg } from '#bench/gossip/chart.js';
import { type GossipSample, measureGossip, rowOf } from '#bench/gossip/measure.js';
import { gossipAsText } from '#bench/gossip/report.js';
import { LAN } from '#server/cluster/membership/presets.js';

const MAIN = resolve('dist/native-free-bench/main.js');
const folder = mkdtempSync(join(tmpdir(), 'slabring-gossip-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a world is measured, and the same again for the same seed', () => {
  const plan = { preset: LAN, link: {}, seeds: 1, crashes: 2 };
  const sample = measureGossip(4, 3, plan);
  // 5 probes, 5 answers.
  expect(sample.messagesPerSecond).toBeGreaterThan(9.5);
  expect(sample.messagesPerSecond).toBeLessThan(11);
  expect(sample.bytesPerSecond).toBeGreaterThan(sample.syncBytesPerSecond);
  expect(sample.firstMs.length).toBe(2);
  for (const [i, firstMs] of sample.firstMs.entries()) {
    expect(firstMs).toBeGreaterThan(LAN.suspicionMinMs);
    expect(sample.allMs[i]).toBeGreaterThanOrEqual(firstMs);
  }
  expect(sample.falseDeaths).toBe(0);
  expect(measureGossip(4, 3, plan)).toEqual(sample);
  expect(measureGossip(4, 4, plan).digest).not.toBe(sample.digest);
});

it('samples become a row, a table, bars and a picture', () => {
  const sample = (times: number): GossipSample => ({
    ...{ messagesPerSecond: 10 * times, bytesPerSecond: 500 * times, syncBytesPerSecond: 50 },
    ...{ firstMs: [1000, 1200], allMs: [1100, 1300], falseDeaths: times, digest: times },
  });
  const rows = [rowOf(5, [sample(1), sample(3)]), rowOf(50, [sample(4)])];
  expect(rows[0]).toMatchObject({ messagesPerSecond: 20, bytesPerSecond: 1000, falseDeaths: 4 });
  expect(rows[0]).toMatchObject({ crashes: 4, firstMs: { median: 1100, max: 1200 }, checksum: 34 });
  const text = gossipAsText(rows);
  expect(text).toMatch(/^nodes +messages\/s +bytes\/s +of syncs +first knows +all know +false\n5 /);
  expect(text).toMatch(/\n50 +40\.0 +2000 +50 +1100 \/ 1198 \/ 1200 +1200 \/ 1298 \/ 1300 +4\n/);
  expect(text).toMatch(/\n {3}50 +2000 +x2\.0 +#{48}\n/);
  const svg = gossipAsSvg(rows, 'a < b');
  expect(svg).toContain('a &lt; b');
  expect(svg.match(/<polyline points="64\.0,[\d.]+ 416\.0,[\d.]+"/g)).toHaveLength(4);
  expect(svg).not.toMatch(/NaN|Infinity/);
});

it('the command prints, writes JSON and draws', async () => {
  const json = join(folder, 'gossip.json');
  const svg = join(folder, 'gossip.svg');
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [MAIN, 'gossip', ...args]);
  const size = ['--nodes', '3', '5', '--seeds', '1', '--crashes', '1'];
  const { stdout } = await run(...size, '--loss', '2', '--svg', svg, '--json', json);
  expect(stdout).toContain('simulated: lan, 2% lost, 1 worlds of each size, 1 crashes in each');
  expect(stdout).toMatch(/\n3 +1\d\.\d +\d+ .*\n5 +1\d\.\d +\d+ /);
  expect(stdout).toContain(`SVG in ${svg}\nJSON in ${json}\n`);
  expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  const result = JSON.parse(readFileSync(json, 'utf8'));
  expect(result).toMatchObject({ settings: { preset: 'lan', seeds: 1, link: { loss: 0.02 } } });
  expect(result.gossip.map(({ nodes }: { nodes: number }) => nodes)).toEqual([3, 5]);
  await expect(run('--nodes', '1')).rejects.toThrow('whole number from 2 to 1000');
});
