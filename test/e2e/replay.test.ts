import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isGone, runCli, startNode } from './run-cli.js';

interface ReplayReport {
  trace: string;
  objects: number;
  url: string;
  inFlight: number;
  policy?: string;
  maxEntries?: number;
  requests: number;
  hits: number;
  misses: number;
  hitRatio: number;
  commands: number;
  opsPerSecond: number;
  roundTripMs: { p50: number; p99: number; p999: number; max: number };
  refusals: Record<string, number>;
  errors: Record<string, number>;
}

async function replayJson(...args: string[]): Promise<ReplayReport> {
  const { code, stdout, stderr } = await runCli(['replay', ...args, '--json']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as ReplayReport;
}

/**
 * The CLOCK rows of the shipped traces, but for those that take many seconds: one request in
 * flight, two at 100 entries.
 */
const baselines = readFileSync('test/fixtures/traces/baselines.csv', 'utf8')
  .split('\n')
  .map((line) => line.split(','))
  .filter(([trace, entries, algorithm]) => {
    return algorithm === 'CLOCK' && (trace !== 'cache2k-web07' || Number(entries) > 1000);
  })
  .map(([trace, entries, , hitRatio]) => ({
    trace: trace!,
    entries: entries!,
    hitRatio: Number(hitRatio),
  }));

describe('slabring replay', () => {
  it('has baseline rows to judge by', () => {
    expect(baselines).toHaveLength(5);
  });

  it.each(baselines)(
    '$trace with $entries entries: the hit ratio of CLOCK, over WebSocket',
    async ({ trace, entries, hitRatio }) => {
      const args = ['--policy', 'clock', '--max-entries', entries, '--partitions', '1'];
      const report = await replayJson(trace, ...args);
      expect(Math.abs(report.hitRatio - hitRatio)).toBeLessThan(0.01);
      expect(report.hits + report.misses).toBe(report.requests);
      expect(report.errors).toEqual({});
      expect(report.refusals).toEqual({});
      expect(report.commands).toBeGreaterThanOrEqual(report.requests + report.misses);
      const { p50, p99, p999, max } = report.roundTripMs;
      expect(p50).toBeGreaterThan(0);
      expect([p50, p99, p999, max]).toEqual([p50, p99, p999, max].sort((a, b) => a - b));
      expect(await isGone(report.url)).toBe(true);
    },
  );

  it('prints for people what was asked for', async () => {
    const { code, stdout, stderr } = await runCli([
      ...['replay', 'nasa-http-19950801', '--limit', '2000', '--max-entries', '500'],
      ...['--in-flight', '20', '--value-size', '100'],
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^trace +nasa-http-19950801, [\d,]+ objects$/m);
    expect(stdout).toMatch(
      /^node +ws:\/\/127\.0\.0\.1:\d+, policy adaptive, .*at most 500 entries$/m,
    );
    expect(stdout).toMatch(/^requests +2,000, 20 in flight$/m);
    expect(stdout).toMatch(/^hit ratio +\d+\.\d\d % \([\d,]+ hits, [\d,]+ misses\)$/m);
    expect(stdout).toMatch(/^ops\/s +\S.* \([\d,]+ GET and SET in \d+\.\d\d s\)$/m);
    expect(stdout).toMatch(/^round trip +p50 \S+ \S+, p99 \S+ \S+, p99\.9 \S+ \S+, max \S+ \S+$/m);
    expect(stdout).toMatch(/^errors +0$/m);
  });

  it('stores real object sizes; a node without eviction declines what does not fit', async () => {
    const sized = await replayJson('nasa-http-19950801', '--memory', '64mb', '--sizes');
    expect(sized.errors).toEqual({});
    expect(sized.refusals).toEqual({});
    const args = ['--max-entries', '100', '--policy', 'none', '--limit', '3000'];
    const full = await replayJson('nasa-http-19950801', ...args);
    expect(full.errors).toEqual({});
    expect(full.refusals.OOM).toBeGreaterThan(0);
    // The first 100 objects stay, and only they are ever hit.
    expect(full.misses - full.refusals.OOM!).toBe(100);
  });

  it('replays against a running node, and leaves it running', async () => {
    const node = await startNode();
    try {
      const args = ['nasa-http-19950801', '--url', node.url, '--limit', '5000'];
      const cold = await replayJson(...args);
      const warm = await replayJson(...args);
      expect(cold.url).toBe(node.url);
      expect(cold.policy).toBeUndefined();
      expect(cold.misses).toBe(cold.objects);
      expect(warm.hitRatio).toBe(1);
      expect(await isGone(node.url)).toBe(false);
    } finally {
      await node.stop();
    }
  });

  it('shows its token to the node at --url, and only to that', async () => {
    const node = await startNode(['--token', 'open sesame']);
    try {
      const args = ['replay', 'nasa-http-19950801', '--limit', '50', '--json'];
      const stranger = await runCli([...args, '--url', node.url]);
      expect([stranger.code, stranger.stdout]).toEqual([1, '']);
      expect(stranger.stderr).toMatch(/^slabring: .*token.*\n$/);
      const env = { SLABRING_TOKEN: 'open sesame' };
      expect((await runCli([...args, '--url', node.url], env)).code).toBe(0);
      expect((await runCli([...args, '--max-entries', '50'], env)).code).toBe(0);
    } finally {
      await node.stop();
    }
  });

  const wrong: [string, string[], RegExp][] = [
    ['no size', ['nasa-http-19950801'], /--max-entries N or --memory SIZE/],
    ['no trace', ['nowhere', '--memory', '64mb'], /no trace 'nowhere'/],
    ['a policy', ['nasa-http-19950801', '--policy', 'lucky'], /--policy.*'lucky' is invalid/],
    ['a number', ['nasa-http-19950801', '--max-entries', 'many'], /--max-entries.*whole number/],
    ['a power of two', ['nasa-http-19950801', '--partitions', '3'], /--partitions.*power of two/],
    ['a URL', ['nasa-http-19950801', '--url', 'http://localhost'], /--url.*ws:\/\//],
    [
      'a node flag beside --url',
      ['nasa-http-19950801', '--url', 'ws://127.0.0.1:1', '--max-entries', '5'],
      /--max-entries describes the node to start/,
    ],
    [
      'nobody there',
      ['nasa-http-19950801', '--url', 'ws://127.0.0.1:1', '--limit', '1'],
      /127\.0\.0\.1:1/,
    ],
    [
      'a node that cannot start',
      ['nasa-http-19950801', '--memory', '4kb'],
      /slabring ended at once.*memory/,
    ],
  ];
  it.each(wrong)('says in one line what is wrong: %s', async (_what, args, message) => {
    const { code, stdout, stderr } = await runCli(['replay', ...args]);
    expect(stderr).toMatch(/^slabring: .+\n$/);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([1, '']);
  });
});
