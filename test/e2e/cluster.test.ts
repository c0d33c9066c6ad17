/** Clusters of real processes: what users of them see when nodes come, go, stop and die. */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Line } from '../support/cluster-line.js';
import { ClusterProcesses, copiesOf, until } from '../support/cluster-processes.js';
import { Traffic } from '../support/cluster-traffic.js';
import { runSlabring } from '../support/node-process.js';
import { type Command, WireError } from '../support/wire.js';

/** What a failure may cost at most. */
/** How long a node looks for one that serves a slot (router.ts). */
const TRIED_MS = 375;
/** Of an error. */
const CODE = /^[A-Z]+$/;
const OUTAGE_MAX_MS = 2_000;
/** The copy check looks at what is at least 5 s old. */
const SETTLED_MS = 5_100;
const KEYS = 500;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Sends commands in frames of some (a frame takes 64 WAITs), and fails where one of them does. */
async function all(line: Line, commands: readonly Command[]): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (let at = 0; at < commands.length; at += 60) {
    replies.push(...(await line.call(commands.slice(at, at + 60))));
  }
  const error = replies.find((reply) => reply instanceof WireError);
  if (error) throw new Error((error as WireError).text);
  return replies;
}

/** What a read of a key whose value never changes must answer. */
function readsOf(count: number, prefix: string) {
  let i = 0;
  return () => {
    const n = i++ % count;
    return {
      commands: [['GET', `${prefix}:${n}`]],
      wrongWith: ([reply]: readonly unknown[]) =>
        reply === n ? undefined : reply instanceof WireError ? reply.code : `read ${reply}`,
    };
  };
}

function writesOf(count: number, prefix: string) {
  let i = 0;
  return () => {
    const n = i++;
    return {
      commands: [['SET', `${prefix}:${n % count}`, n]],
      wrongWith: ([reply]: readonly unknown[]) =>
        reply instanceof WireError ? reply.code : undefined,
    };
  };
}

/** What a node complained of, but for how busy the machine is. */
function faultsIn(stderr: string): string[] {
  const isFault = (line: string) => line !== '' && !/ warning: this process stalled /.test(line);
  return stderr.split('\n').filter(isFault);
}

/**
 * What a machine that is busy with other things may add to what a failure costs: the stalls of this
 * process, and those that nodes have told of.
 */
function stallsOf(cluster: ClusterProcesses, traffic: Traffic): number {
  const nodes = cluster.all.flatMap(({ process: { stderr } }) => {
    return [...stderr.matchAll(/stalled for (\d+) ms/g)].map(([, ms]) => Number(ms));
  });
  const longest = Math.max(traffic.stallMs, 0, ...nodes);
  if (longest > 500) report(`the machine is busy: stalls of up to ${longest.toFixed(0)} ms`);
  return longest;
}

function report(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

describe('four nodes with two replicas of each key', () => {
  let cluster: ClusterProcesses;

  beforeAll(async () => {
    const args = ['--replace-after', '30s', '--repair-interval', '5s'];
    cluster = await ClusterProcesses.of('shop', ['a', 'b', 'c', 'd'], { replicas: 2, args });
    const line = await cluster.get('a').line();
    await all(
      line,
      range(KEYS).map((i) => ['SET', `stable:${i}`, i]),
    );
    await all(
      line,
      range(KEYS).map((i) => ['WAIT', `stable:${i}`, 'all', 10_000]),
    );
    line.end();
  }, 60_000);

  afterAll(() => cluster?.end());

  test('what is written through one is read through all, and on three of them', async () => {
    for (const node of cluster.all) {
      const line = await node.line();
      const gets = range(KEYS).map((i) => ['GET', `stable:${i}`]);
      expect(await all(line, gets)).toEqual(range(KEYS));
      line.end();
    }
    for (const i of range(20)) {
      const copies = [...(await copiesOf(cluster.all, [['GET', `stable:${i}`]])).values()];
      const told = copies.map(([reply]) => (reply instanceof WireError ? reply.code : reply));
      expect(told.sort()).toEqual([i, i, i, 'MOVED']);
    }
  });

  test('slabring cluster status says so', async () => {
    const { url } = cluster.get('b');
    const { code, stdout, stderr } = await runSlabring(['cluster', 'status', '--url', url]);
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('cluster shop, 4 nodes, 2 replicas, as b sees it');
    expect(lines).toHaveLength(4 + 4 + 1 + 3 + 1);
    expect(lines.slice(4, 8).sort()).toEqual(
      ['a', 'b', 'c', 'd'].map((name) =>
        expect.stringMatching(
          new RegExp(
            `^${name} +alive +\\d+ +\\d+ +100\\.00 % +ws://127\\.0\\.0\\.1:\\d+ +127\\.0\\.0\\.1:\\d+$`,
          ),
        ),
      ),
    );
    expect(lines.at(-1)).toBe('every key has all its copies');
  });

  test('a node that is killed is missed for at most 2 s, and gets its keys again', async () => {
    const line = await cluster.get('a').line();
    const reads = new Traffic(line, readsOf(KEYS, 'stable'));
    const writes = new Traffic(line, writesOf(KEYS, 'written'));
    const killedMs = performance.now();
    await cluster.kill('d');
    await until(
      async () => (await cluster.get('a').status()).nodes.some(({ state }) => state === 'dead'),
      'the others know',
    );
    // Sleeps: what fails later than it may must be seen.
    await delay(OUTAGE_MAX_MS);
    await Promise.all([reads.end(), writes.end()]);
    const [readMs, writeMs] = [reads.outageMs(killedMs), writes.outageMs(killedMs)];
    report(`kill -9: reads failed for ${readMs.toFixed(0)} ms, writes ${writeMs.toFixed(0)} ms`);
    expect(reads.attempts.length).toBeGreaterThan(100);
    expect(['', 'UNAVAILABLE']).toContain([...reads.wrongs.keys()].join());
    const limitMs = OUTAGE_MAX_MS + stallsOf(cluster, reads);
    expect(readMs).toBeLessThan(limitMs);
    expect(writeMs).toBeLessThan(limitMs);
    await cluster.start('d');
    await cluster.whole();
    const { nodes } = await cluster.get('a').status();
    const d = nodes.find(({ name, state }) => name === 'd' && state === 'alive')!;
    expect(d.full).toBe(d.slots);
    expect(d.slots).toBeGreaterThan(8_000);
    line.end();
  });

  test('writes that a quorum has survive their primary', async () => {
    const { name } = await cluster.primaryOf('{tag}');
    const others = cluster.all.filter((node) => node.name !== name);
    const writer = await others[0]!.line();
    const sets = range(KEYS).map((i) => ['SET', `{tag}:${i}`, i]);
    // Then half of them are deleted.
    const dels = range(KEYS / 2).map((i) => ['DEL', `{tag}:${i}`]);
    await all(writer, sets);
    await all(writer, [...dels, ['SET', '{tag}:last', 'x'], ['WAIT', '{tag}:last', 'quorum']]);
    await cluster.kill(name);
    const reader = await others[1]!.line();
    await until(
      async () => !((await reader.one('GET', '{tag}:last')) instanceof WireError),
      'served',
    );
    const gets = range(KEYS).map((i) => ['GET', `{tag}:${i}`]);
    const expected = range(KEYS).map((i) => (i < KEYS / 2 ? null : i));
    expect(await all(reader, gets)).toEqual(expected);
    await cluster.start(name);
    await cluster.whole();
    expect(await all(reader, gets)).toEqual(expected);
    writer.end();
    reader.end();
  });

  test('a node that stood still does not bring back what was deleted meanwhile', async () => {
    const key = '{still}';
    const stopped = await cluster.primaryOf(key);
    const other = cluster.all.find((node) => node !== stopped)!;
    const line = await other.line();
    await all(
      line,
      range(KEYS).map((i) => ['SET', `${key}:${i}`, i]),
    );
    await line.one('WAIT', `${key}:0`, 'all', 10_000);
    const stoppedMs = performance.now();
    const reads = new Traffic(line, readsOf(KEYS, key));
    stopped.process.kill('SIGSTOP');
    await until(async () => typeof (await line.one('DEL', `${key}:0`)) === 'number', 'served');
    // Sleeps: the others have long called it dead.
    await delay(2_000);
    await reads.end();
    // Not what was deleted: that is another value, and no failure.
    const failures = reads.attempts.filter(({ wrong }) => wrong !== undefined && CODE.test(wrong));
    const outageMs = Math.max(0, ...failures.map(({ toMs }) => toMs - stoppedMs));
    report(`SIGSTOP: reads failed for ${outageMs.toFixed(0)} ms`);
    expect(outageMs).toBeLessThan(OUTAGE_MAX_MS + stallsOf(cluster, reads));
    await all(
      line,
      range(KEYS - 1).map((i) => ['DEL', `${key}:${i + 1}`]),
    );
    await all(
      line,
      range(100).map((i) => ['SET', `${key}:new:${i}`, i]),
    );
    stopped.process.kill('SIGCONT');
    await cluster.whole();
    const copies = await copiesOf(cluster.all, [
      ['EXISTS', ...range(KEYS).map((i) => `${key}:${i}`)],
      ['EXISTS', ...range(100).map((i) => `${key}:new:${i}`)],
    ]);
    const there = [...copies.values()].filter(([reply]) => !(reply instanceof WireError));
    expect(there).toEqual([
      [0, 100],
      [0, 100],
      [0, 100],
    ]);
    line.end();
  });

  test('large values and collections are on the replicas, too', async () => {
    const key = '{large}';
    const primary = await cluster.primaryOf(key);
    const others = cluster.all.filter((node) => node !== primary);
    const line = await others[0]!.line();
    const large = Buffer.alloc(2 * 1024 ** 2, 'large value ');
    const members = range(20_000).map((i) => `member ${i}`);
    const commands: Command[] = [['SET', `${key}:value`, large]];
    for (const i of range(20)) {
      const some = members.slice(1_000 * i, 1_000 * (i + 1));
      commands.push(
        ['SADD', `${key}:set`, ...some],
        ['HSET', `${key}:hash`, ...some.flatMap((member, j) => [member, j])],
        ['RPUSH', `${key}:list`, ...some],
        ['ZADD', `${key}:zset`, null, ...some.flatMap((member, j) => [j, member])],
      );
    }
    for (const command of commands) await all(line, [command]);
    expect(await line.one('WAIT', `${key}:value`, 'all', 20_000)).toBe(3);
    const reads: Command[] = [
      ['GET', `${key}:value`],
      ['SCARD', `${key}:set`],
      ['SISMEMBER', `${key}:set`, 'member 19999'],
      ['HLEN', `${key}:hash`],
      ['HGET', `${key}:hash`, 'member 12345'],
      ['LLEN', `${key}:list`],
      ['LINDEX', `${key}:list`, 19_999],
      ['ZCARD', `${key}:zset`],
      ['ZSCORE', `${key}:zset`, 'member 7'],
    ];
    // Byte by byte vitest would compare for a minute.
    const seen = ([value, ...others]: readonly unknown[]) => [
      large.equals(value as Buffer),
      ...others,
    ];
    const expected = [true, 20_000, true, 20_000, 345, 20_000, 'member 19999', 20_000, 7];
    expect(seen(await all(line, reads))).toEqual(expected);
    await cluster.kill(primary.name);
    await until(
      async () => !((await line.one('SCARD', `${key}:set`)) instanceof WireError),
      'served',
    );
    expect(seen(await all(line, reads))).toEqual(expected);
    await cluster.start(primary.name);
    await cluster.whole();
    const copies = [...(await copiesOf(cluster.all, reads)).values()];
    const there = copies.filter(([reply]) => !(reply instanceof WireError));
    expect(there).toHaveLength(3);
    for (const replies of there) expect(seen(replies)).toEqual(expected);
    line.end();
  });

  test('a node that joins under load is not felt', async () => {
    const line = await cluster.get('a').line();
    const reads = new Traffic(line, readsOf(KEYS, 'stable'));
    const writes = new Traffic(line, writesOf(KEYS, 'written'));
    await cluster.start('e');
    await cluster.whole();
    await Promise.all([reads.end(), writes.end()]);
    report(`join: ${reads.attempts.length} reads and ${writes.attempts.length} writes meanwhile`);
    const wrongs = new Set([...reads.wrongs.keys(), ...writes.wrongs.keys()]);
    // Nodes that stall hear of each other later than one tries to find who serves.
    if (Math.max(stallsOf(cluster, reads), writes.stallMs) > TRIED_MS / 2)
      wrongs.delete('TRYAGAIN');
    expect([...wrongs]).toEqual([]);
    line.end();
  });

  test('slabring cluster check finds all copies equal', async () => {
    // Sleeps: the check looks at what is older only.
    await delay(SETTLED_MS);
    const { url } = cluster.get('a');
    const { code, stdout } = await runSlabring(['cluster', 'check', '--url', url]);
    expect([code, stdout]).toEqual([0, '16384 slots compared, 0 differ\n']);
  });
});

test('a node that leaves hands over what only it has', async () => {
  const cluster = await ClusterProcesses.of('alone', ['a', 'b', 'c'], {
    replicas: 0,
    args: ['--leave-timeout', '5s'],
  });
  try {
    const line = await cluster.get('a').line();
    await all(
      line,
      range(5_000).map((i) => ['SET', `stable:${i}`, i]),
    );
    const reads = new Traffic(line, readsOf(5_000, 'stable'), 2);
    const { code, stderr } = await cluster.stop('c');
    expect([code, faultsIn(stderr)]).toEqual([0, []]);
    await cluster.whole();
    await reads.end();
    report(`leave: ${reads.attempts.length} reads meanwhile`);
    expect([...reads.wrongs]).toEqual([]);
    const gets = range(5_000).map((i) => ['GET', `stable:${i}`]);
    expect(await all(line, gets)).toEqual(range(5_000));
    // And what `slabring cluster leave` does is the same.
    const left = cluster.get('b');
    const ended = await runSlabring(['cluster', 'leave', '--url', left.url]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect((await left.process.ended).code).toBe(0);
    cluster.nodes.delete('b');
    await cluster.whole();
    expect(await all(line, gets)).toEqual(range(5_000));
    line.end();
  } finally {
    await cluster.end();
  }
});

test('refuses strangers, and serves nothing while owners are too few', async () => {
  const env = { SLABRING_CLUSTER_SECRET: 'one secret' };
  const args = ['--min-owners', '2', '--replace-after', '60s'];
  const cluster = await ClusterProcesses.of('owned', ['a', 'b'], {
    replicas: 1,
    args,
    run: { env },
  });
  const others: ClusterProcesses[] = [];
  try {
    const { peerAddress } = cluster.get('a');
    const meet = async (name: string, secret: string, why: string, replicas = 1) => {
      const run = { env: { SLABRING_CLUSTER_SECRET: secret } };
      const stranger = new ClusterProcesses(name, { replicas, run });
      others.push(stranger);
      const node = await stranger.start('stranger', ['--join', peerAddress]);
      const told = `${peerAddress} refused this node: ${why}`;
      await until(() => node.process.stderr.includes(told), 'it is told');
      expect((await node.status()).nodes.map(({ name }) => name)).toEqual(['stranger']);
    };
    await Promise.all([
      meet('owned', 'another secret', 'wrong secret'),
      meet('other', 'one secret', 'wrong cluster name'),
      meet('owned', 'one secret', 'the replicas differ: 2 at the node that dialed, 1 at', 2),
    ]);
    const names = (await cluster.get('a').status()).nodes.map(({ name }) => name);
    expect(names.sort()).toEqual(['a', 'b']);

    const line = await cluster.get('a').line();
    await all(
      line,
      range(50).map((i) => ['SET', `key:${i}`, i]),
    );
    await cluster.kill('b');
    const codes = async () => {
      const replies = await line.call(range(50).map((i) => ['SET', `key:${i}`, i]));
      return new Set(replies.map((reply) => (reply instanceof WireError ? reply.code : 'done')));
    };
    await until(async () => [...(await codes())].join() === 'TRYAGAIN', 'nothing is written');
    const status = await runSlabring(['cluster', 'status', '--url', cluster.get('a').url]);
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/^b +dead /m);
    await cluster.start('b');
    await until(async () => [...(await codes())].join() === 'done', 'it is written again');
    line.end();
  } finally {
    await cluster.end();
    for (const other of others) await other.end();
  }
});

test('a node whose seeds do not answer says so, and that it is alone', async () => {
  const cluster = new ClusterProcesses('typo', { replicas: 1 });
  try {
    const { process } = await cluster.start('a', ['--join', '127.0.0.1:1,127.0.0.1:2']);
    expect(process.stdout).toContain('  cluster typo, alone; other nodes join at 127.0.0.1:');
    expect(faultsIn(process.stderr)).toEqual([
      'slabring: warning: none of 127.0.0.1:1, 127.0.0.1:2 answered: this node begins alone, ' +
        'and looks again every 3 s',
    ]);
  } finally {
    await cluster.end();
  }
});

test('a name is refused whose node lives, and taken when that has ended', async () => {
  const cluster = await ClusterProcesses.of('names', ['a', 'b'], { replicas: 0 });
  try {
    const line = await cluster.get('a').line();
    const writes = range(KEYS).map((i) => ['SET', `key:${i}`, i]);
    await all(line, writes);
    const seeds = cluster.all.map(({ peerAddress }) => peerAddress);
    for (const seed of seeds) {
      const { code, stderr } = await runSlabring([
        ...['serve', '--cluster', 'names', '--replicas', '0', '--node-name', 'a', '--join', seed],
        ...['--port', '0', '--peer-port', '0', '--memory', '64mb', '--threads', '1'],
      ]);
      expect([code, stderr]).toEqual([
        1,
        `slabring: another node of the cluster has the name a, at ${seeds[0]}, and lives: ` +
          '--node-name must be another one\n',
      ]);
    }
    const gets = range(KEYS).map((i) => ['GET', `key:${i}`]);
    expect(await all(line, gets)).toEqual(range(KEYS));
    line.end();
    expect(cluster.all.flatMap(({ process }) => faultsIn(process.stderr))).toEqual([]);
    await cluster.kill('a');
    const startedMs = performance.now();
    const { peerAddress } = await cluster.start('a');
    report(`a start at another port: ${(performance.now() - startedMs).toFixed(0)} ms`);
    expect(peerAddress).not.toBe(seeds[0]);
    await cluster.whole();
  } finally {
    await cluster.end();
  }
});

test('slabring cluster tells in one line that a node is in no cluster, or not there', async () => {
  const absent = await runSlabring(['cluster', 'check', '--url', 'http://127.0.0.1:1']);
  expect([absent.code, absent.stdout]).toEqual([1, '']);
  expect(absent.stderr).toMatch(/^slabring: http:\/\/127\.0\.0\.1:1 does not answer: .+\n$/);
});
