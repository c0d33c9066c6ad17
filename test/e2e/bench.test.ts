import { once } from 'node:events';
import { cpus } from 'node:os';
import { connect } from 'slabring/client';
import { describe, expect, it } from 'vitest';
import {
  announcements,
  fakeServersOnPath,
  isGone,
  runCli,
  startCli,
  startNode,
} from './run-cli.js';

interface Spread {
  median: number;
  min: number;
  max: number;
}

interface BenchReport {
  environment: { cores: number; pinned: string | null };
  workload: { keys: number; pipeline: number; getShare: number; rounds: number };
  servers: {
    name: string;
    version: string;
    opsPerSecond: Spread;
    serverCpuNsPerOp: Spread | null;
    roundTripMs: { p50: number; p99: number; p999: number; max: number };
    operations: number;
    checked: number;
    misses: number;
    errors: number;
  }[];
  ratios: Record<string, { throughput: Spread; serverCpuPerOp: Spread | null }>;
}

const SMALL = ['--keys', '2000', '--connections', '4', '--seconds', '0.2'];
const onLinux = process.platform === 'linux';

async function benchJson(args: string[], env: NodeJS.ProcessEnv = {}): Promise<BenchReport> {
  const { code, stdout, stderr } = await runCli(['bench', ...SMALL, ...args, '--json'], env);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as BenchReport;
}

describe('slabring bench', () => {
  const workloads = [
    ['--pipeline', '1', '--mix', 'get'],
    ['--pipeline', '16', '--mix', 'set', '--value-size', '1000'],
    ['--pipeline', '128', '--mix', '90:10', '--in-flight', '3'],
    ['--pipeline', '64', '--mix', 'hget'],
    ['--pipeline', '16', '--mix', 'hset', '--value-size', '1000'],
    ['--pipeline', '64', '--mix', 'sadd'],
    ['--pipeline', '16', '--mix', 'zadd', '--in-flight', '3'],
    ['--pipeline', '64', '--mix', 'lpush'],
  ];
  it.each(workloads)('measures a node: %s %s %s %s', async (...args) => {
    const report = await benchJson(args);
    const [server] = report.servers;
    expect(report.servers).toHaveLength(1);
    expect(server!.opsPerSecond.median).toBeGreaterThan(100);
    expect(server!.checked).toBeGreaterThan(0);
    expect([server!.misses, server!.errors]).toEqual([0, 0]);
    expect(server!.operations % report.workload.pipeline).toBe(0);
    expect(server!.roundTripMs.p50).toBeGreaterThan(0);
    expect(server!.roundTripMs.max).toBeGreaterThanOrEqual(server!.roundTripMs.p999);
    if (onLinux) expect(server!.serverCpuNsPerOp!.median).toBeGreaterThan(0);
  });

  it('prints for people what was asked for', async () => {
    const { code, stdout } = await runCli(['bench', ...SMALL, '--rounds', '2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/100 % GET, 128 commands a frame, 4 connections with 1 in flight/);
    expect(stdout).toMatch(/2,000 keys of 16 bytes, values of 32 bytes; 2 x 0\.2 s/);
    expect(stdout).toMatch(
      /^ +ops\/s +min +max +CPU\/op +server +loader +p50 +p99 +p99\.9 +misses +errors$/m,
    );
    expect(stdout).toMatch(/^slabring \d+\.\d+\.\d+ /m);
    expect(stdout).toMatch(/^Replies checked byte by byte: [\d,]+ of [\d,]+\.$/m);
  });

  it('says what the commands on collections work on', async () => {
    const heads = [
      ['hget', '100 % HGET', '2,000 fields of 16 bytes in one hash, values of 32 bytes; 1 x 0.2 s'],
      ['zadd', '100 % ZADD', '2,000 members of 16 bytes in one sorted set; 1 x 0.2 s'],
      ['lpush', '100 % LPUSH', 'one list, cut to 1,000 behind each frame'],
    ] as const;
    for (const [mix, command, what] of heads) {
      const { code, stdout } = await runCli(['bench', ...SMALL, '--mix', mix]);
      expect(code).toBe(0);
      expect(stdout).toContain(`\n${command}, 128 commands a frame, `);
      expect(stdout).toContain(what);
    }
  });

  it.each(['hget', 'hset', 'sadd', 'zadd', 'lpush'])(
    'measures redis beside it: %s',
    async (mix) => {
      const args = ['--mix', mix, '--vs', 'redis', '--rounds', '1', '--pipeline', '8'];
      const report = await benchJson(args, { PATH: fakeServersOnPath() });
      expect(report.servers.map(({ name }) => name)).toEqual(['slabring', 'redis']);
      for (const server of report.servers) {
        expect(server.checked, server.name).toBeGreaterThan(0);
        expect([server.misses, server.errors], server.name).toEqual([0, 0]);
      }
    },
  );

  it('counts what a node refuses, where its key is something else', async () => {
    const node = await startNode();
    const client = await connect(node.url);
    try {
      await client.set('bench:list', 'no list');
      const args = ['--url', node.url, '--mix', 'lpush', '--json'];
      const { code, stdout } = await runCli(['bench', ...SMALL, ...args]);
      expect(code).toBe(1);
      const [server] = (JSON.parse(stdout) as BenchReport).servers;
      expect(server!.errors).toBeGreaterThan(server!.checked);
    } finally {
      await client.close();
      await node.stop();
    }
  });

  it('measures redis and memcached beside it, in turns, and stops them', async () => {
    const fakes = await announcements();
    const env = { PATH: fakeServersOnPath(), FAKE_ANNOUNCE: `${fakes.port}` };
    try {
      const args = ['--vs', 'redis', '--vs', 'memcached', '--rounds', '2', '--pipeline', '8'];
      const running = benchJson([...args, '--mix', '1:1'], env);
      const [redis, memcached] = [await fakes.next(), await fakes.next()];
      expect(redis.command).toMatch(
        /^redis-server --port \d+ --bind 127\.0\.0\.1 --save {2}--appendonly no$/,
      );
      expect(memcached.command).toMatch(/^memcached -l 127\.0\.0\.1 -p \d+ .*-t 1\b/);
      const report = await running;
      await Promise.all([redis.gone, memcached.gone]);
      expect(report.servers.map(({ name }) => name)).toEqual(['slabring', 'redis', 'memcached']);
      expect(report.servers.map(({ version }) => version).slice(1)).toEqual(['7.9.9', '1.6.99']);
      for (const server of report.servers) {
        expect(server.opsPerSecond.median, server.name).toBeGreaterThan(100);
        expect([server.misses, server.errors], server.name).toEqual([0, 0]);
      }
      for (const peer of ['redis', 'memcached']) {
        const { throughput, serverCpuPerOp } = report.ratios[peer]!;
        expect(throughput.median).toBeGreaterThan(0);
        expect(throughput.min).toBeLessThanOrEqual(throughput.max);
        if (onLinux) expect(serverCpuPerOp!.median).toBeGreaterThan(0);
      }
    } finally {
      fakes.close();
    }
  });

  it('stops the servers that it started when a signal ends it', async () => {
    const fakes = await announcements();
    const env = { PATH: fakeServersOnPath(), FAKE_ANNOUNCE: `${fakes.port}` };
    try {
      const args = ['--vs', 'redis', '--vs', 'memcached', '--seconds', '600'];
      for (const [signal, code] of [
        ['SIGINT', 130],
        ['SIGTERM', 143],
      ] as const) {
        const child = startCli(['bench', ...SMALL, ...args], env);
        const [redis, memcached] = [await fakes.next(), await fakes.next()];
        const ended = once(child, 'exit');
        child.kill(signal);
        expect((await ended)[0]).toBe(code);
        await Promise.all([redis.gone, memcached.gone]);
      }
    } finally {
      fakes.close();
    }
  });

  it('a server that answers wrongly ends the measurement, and everything is stopped', async () => {
    const fakes = await announcements();
    const env = {
      PATH: fakeServersOnPath(),
      FAKE_ANNOUNCE: `${fakes.port}`,
      FAKE_FAULT: 'lie',
    };
    try {
      const running = runCli(['bench', ...SMALL, '--vs', 'redis'], env);
      const redis = await fakes.next();
      const { code, stdout, stderr } = await running;
      await redis.gone;
      expect(stderr).toMatch(/^slabring: wrong value for key \d+: .+\n$/);
      expect([code, stdout]).toEqual([1, '']);
    } finally {
      fakes.close();
    }
  });

  it('measures a running node, and leaves it running', async () => {
    const node = await startNode();
    try {
      const report = await benchJson(['--url', node.url, '--mix', '90:10']);
      expect(report.servers[0]!.version).toBe(`at ${node.url}`);
      expect(report.servers[0]!.serverCpuNsPerOp).toBeNull();
      expect(await isGone(node.url)).toBe(false);
    } finally {
      await node.stop();
    }
  });

  it('says that keys are missing, or refused, when the node is too small', async () => {
    const node = await startNode(['--max-entries', '500', '--policy', 'none']);
    try {
      const { code, stderr } = await runCli(['bench', ...SMALL, '--url', node.url]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^slabring: slabring refused [\d]+ SETs: OOM .+\n$/);
    } finally {
      await node.stop();
    }
    const evicting = await startNode(['--max-entries', '500']);
    try {
      const report = await benchJson(['--url', evicting.url]);
      expect(report.servers[0]!.misses).toBeGreaterThan(0);
    } finally {
      await evicting.stop();
    }
  });

  it('--pin keeps servers and loader apart, or says why it cannot', async () => {
    const { code, stdout, stderr } = await runCli(['bench', ...SMALL, '--pin', '--json']);
    if (onLinux && cpus().length > 1) {
      const report = JSON.parse(stdout) as BenchReport;
      expect(report.environment.pinned).toBe('servers on core 0, loader on core 1');
      expect(report.servers[0]!.errors).toBe(0);
    } else {
      expect(code).toBe(1);
      expect(stderr).toMatch(/^slabring: --pin .+\n$/);
    }
  });

  const wrong: [string, string[], NodeJS.ProcessEnv, RegExp][] = [
    [
      'no redis',
      ['--vs', 'redis'],
      { PATH: '/nowhere' },
      /redis-server is not on PATH; install it/,
    ],
    ['no memcached', ['--vs', 'memcached'], { PATH: '/nowhere' }, /memcached is not on PATH/],
    ['a peer', ['--vs', 'postgres'], {}, /--vs.*It must be redis or memcached/],
    [
      'a peer that dies',
      ['--vs', 'redis'],
      { PATH: fakeServersOnPath(), FAKE_FAULT: 'die' },
      /redis-server ended at once \(code 3\); it said: cannot do it today/,
    ],
    ['a mix', ['--mix', '0:0'], {}, /--mix.*'get', 'set', 'hget', .*, or GETs to SETs/],
    [
      'collections in memcached, before it is looked for',
      ['--mix', 'sadd', '--vs', 'memcached'],
      { PATH: '/nowhere' },
      /memcached has no collections/,
    ],
    [
      'huge frames',
      ['--pipeline', '100', '--value-size', '1000000'],
      {},
      /frames of 100004000 bytes/,
    ],
    [
      'a node flag beside --url',
      ['--url', 'ws://127.0.0.1:1', '--threads', '2'],
      {},
      /--threads describes/,
    ],
    ['nobody there', ['--url', 'ws://127.0.0.1:1'], {}, /connection failed: .*ECONNREFUSED/],
    ['TLS', ['--url', 'wss://127.0.0.1:1'], {}, /--url.*does not speak TLS/],
  ];
  it.each(wrong)('says in one line what is wrong: %s', async (_what, args, env, message) => {
    const { code, stdout, stderr } = await runCli(['bench', ...SMALL, ...args], env);
    expect(stderr).toMatch(/^slabring: .+\n$/);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([1, '']);
  });
});
