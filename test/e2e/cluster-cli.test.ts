/** What the command line of a cluster says: of wrong options, and of what cannot be done. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.js';
import { ClusterProcesses, until } from '../support/cluster-processes.js';
import { NodeProcess, type RunOptions, runSlabring } from '../support/node-process.js';

const directory = mkdtempSync(join(tmpdir(), 'slabring-cluster-'));
afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** How `slabring serve`, which cannot start, ends. */
async function refusalOf(args: readonly string[], options?: RunOptions): Promise<string> {
  const small = ['--port', '0', '--memory', '16mb', '--threads', '1'];
  const { code, stdout, stderr } = await runSlabring(['serve', ...small, ...args], options);
  expect([code, stdout]).toEqual([1, '']);
  return stderr;
}

describe('slabring serve', () => {
  const authority = new CertificateAuthority('test');
  const { cert, key } = authority.issue('127.0.0.1');
  const tlsFlags = (pems: { cert?: string; key?: string; ca?: string }) => [
    ...['--peer-cert', fileOf('cert.pem', pems.cert ?? cert)],
    ...['--peer-key', fileOf('key.pem', pems.key ?? key)],
    ...['--peer-ca', fileOf('ca.pem', pems.ca ?? authority.cert)],
  ];

  test.each([
    ['--peer-cert is no certificate in PEM: ', { cert: 'junk' }],
    ['--peer-key is no private key in PEM: ', { key: 'junk' }],
    ['--peer-ca is no certificate in PEM: ', { ca: 'junk' }],
  ])('refuses wrong certificates in one line: %s', async (text, pems) => {
    const stderr = await refusalOf(['--cluster', 's', ...tlsFlags(pems)]);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).toMatch(`slabring: ${text}`);
  });

  test.each([
    [['--advertise', 'a b'], /^slabring: --advertise must be .+, not 'a b'\n$/],
    [['--peer-host', ''], /^slabring: --peer-host must be .+, not ''\n$/],
    [['--min-owners', '3'], /^slabring: --min-owners must be a whole number from 1 to 2, not 3\n$/],
    [['--memory', '1mb'], /^slabring: .+ of 4194304 bytes; a memory of '8mb' is enough\n$/],
  ])('names the flag that is wrong: %s', async (flags, message) => {
    expect(await refusalOf(['--cluster', 's', ...flags])).toMatch(message);
  });

  test('refuses flags of a cluster without one, but for a secret of the environment', async () => {
    const message = 'slabring: --cluster-secret needs --cluster NAME\n';
    expect(await refusalOf(['--cluster-secret', 'x'])).toBe(message);
    const env = { SLABRING_CLUSTER_SECRET: 'x' };
    expect(await refusalOf(['--max-value', '1gb'], { env })).toMatch(/maxValue/);
  });

  test('says once that seeds are not found', async () => {
    const node = new NodeProcess([
      ...['serve', '--port', '0', '--peer-port', '0', '--memory', '16mb', '--threads', '1'],
      ...['--cluster', 's', '--join', 'file:/nowhere/seeds'],
    ]);
    await until(() => / join at /.test(node.stdout) && node.stderr !== '', 'it has started');
    node.kill('SIGTERM');
    const { stderr } = await node.ended;
    const reason = "ENOENT: no such file or directory, open '/nowhere/seeds'";
    expect(stderr).toBe(`slabring: warning: seeds were not found: ${reason}\n`);
  });
});

describe('slabring cluster', () => {
  const env = { SLABRING_CLUSTER_SECRET: 'one secret' };
  let cluster: ClusterProcesses;
  const ask = (command: string, ...args: string[]) =>
    runSlabring(['cluster', ...command.split(' '), '--url', cluster.get('a').url, ...args]);

  beforeAll(async () => {
    cluster = await ClusterProcesses.of('shop', ['a', 'b'], { replicas: 1, run: { env } });
  }, 60_000);

  afterAll(() => cluster?.end());

  test('status shows where clients reach each node', async () => {
    const { stdout } = await ask('status');
    const [first, , ...lines] = stdout.split('\n');
    expect(first).toBe('cluster shop, 2 nodes, 1 replica, as a sees it');
    for (const { name, url, peerAddress } of cluster.all) {
      const line = lines.find((line) => line.startsWith(`${name} `));
      expect(line?.endsWith(`  ${url}  ${peerAddress}`)).toBe(true);
    }
  });

  test('takes addresses with and without a scheme, and says what a peer port is', async () => {
    const { url, peerAddress } = cluster.get('a');
    const named = await runSlabring(['cluster', 'status', '--url', url.replace('ws://', '')]);
    expect([named.code, named.stderr]).toEqual([0, '']);
    const peer = await runSlabring(['cluster', 'status', '--url', peerAddress]);
    expect(peer.code).toBe(1);
    expect(peer.stderr).toBe(
      `slabring: http://${peerAddress} is a node's peer port, for other nodes; ` +
        'give its port for clients, which is its --port\n',
    );
    const wrong = await runSlabring(['cluster', 'status', '--url', 'shop']);
    expect(wrong.stderr).toContain("It must look like '127.0.0.1:7707'");
  });

  test('join says why it came to nothing', async () => {
    const run = { env: { SLABRING_CLUSTER_SECRET: 'another secret' } };
    const other = new ClusterProcesses('shop', { replicas: 1, run });
    try {
      const { peerAddress } = await other.start('c');
      const { code, stdout, stderr } = await ask(`join ${peerAddress}`, '--json');
      expect(code).toBe(1);
      const { troubles } = JSON.parse(stdout) as { troubles: Record<string, string> };
      expect(troubles[peerAddress]).toMatch(/secret/);
      const reason = `${peerAddress}: ${troubles[peerAddress]}`;
      expect(stderr).toBe(`slabring: none of ${peerAddress} answered; ${reason}\n`);
    } finally {
      await other.end();
    }
    const self = await ask(`join ${cluster.get('a').peerAddress}`);
    expect(self.stderr).toMatch(/: this is the node itself\n$/);
  });

  test('join takes addresses only', async () => {
    const { code, stderr } = await ask('join nonsense');
    const reason = "'nonsense' has no port; allowed are 'host:port,...'";
    expect([code, stderr]).toEqual([1, `slabring: seeds 'nonsense': ${reason}\n`]);
    expect((await ask('join dns:name:1')).stderr).toContain('only addresses can be joined');
    for (const seeds of ['nonsense', 'file%3A%2Fetc%2Fhosts', '%zz']) {
      const address = `${cluster.get('a').http}/cluster/join/${seeds}`;
      expect((await fetch(address, { method: 'POST' })).status).toBe(400);
    }
  });

  test('rebalance waits for as long as it is told', async () => {
    const done = await ask('rebalance', '--json');
    expect([done.code, done.stderr]).toEqual([0, '']);
    expect(JSON.parse(done.stdout)).toMatchObject({ slots: { short: 0, pulling: 0 } });
    const late = await ask('rebalance', '--timeout', '1ms');
    expect([late.code, late.stdout]).toEqual([1, '']);
    expect(late.stderr).toMatch(/^slabring: not done within --timeout: .+\n$/);
  });

  test('join and leave print JSON, and status names who is not there any more', async () => {
    const { url, process: b, peerAddress } = cluster.get('b');
    const joined = await ask(`join ${peerAddress}`, '--json');
    expect(JSON.parse(joined.stdout)).toEqual({ isJoined: true, troubles: {} });
    const left = await runSlabring(['cluster', 'leave', '--json', '--url', url]);
    expect(JSON.parse(left.stdout)).toEqual({ leaving: true });
    await b.ended;
    cluster.nodes.delete('b');
    const { stdout } = await ask('status');
    expect(stdout).toMatch(/^cluster shop, 1 node \(b has left\), 1 replica, as a sees it\n/);
  });
});
