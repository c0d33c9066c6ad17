/** What the command line of a cluster says: of wrong options, and of what cannot be done. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.js';
import { until } from '../support/cluster-processes.js';
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
