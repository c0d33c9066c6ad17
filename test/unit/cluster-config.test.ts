/** Options of a node of a cluster: what is filled in, and what is refused. */
import { describe, expect, it } from 'vitest';
import type { SlabringError } from '#engine/errors.js';
import { inFlags, readClusterFlags } from '#server/cli/cluster-flags.js';
import {
  type ClusterNodeOptions,
  defaultLogBytes,
  readClusterOptions,
} from '#server/cluster/config.js';
import type { LinkTls } from '#server/cluster/links/options.js';
import { readNodeOptions } from '#server/options.js';
import { CertificateAuthority } from '../support/certificates.js';

const MIB = 1024 * 1024;
const read = (options: Partial<ClusterNodeOptions> = {}, host = '10.0.0.5', port = 7707) =>
  readClusterOptions({ name: 'shop', ...options }, host, port);

describe('options of a cluster', () => {
  it('have defaults from the node', () => {
    expect(read()).toMatchObject({
      ...{ name: 'shop', copies: 2, peerHost: '10.0.0.5', peerPort: 17_707, weight: 1 },
      ...{ advertise: '10.0.0.5', preset: 'lan', replaceAfterMs: 30_000, minOwners: 1 },
      ...{ repairIntervalMs: 60_000, tombstoneMs: 600_000, leaveTimeoutMs: 10_000 },
      ...{ join: undefined, secret: undefined, nodeName: undefined, logBytes: undefined },
    });
    expect(read({}, '10.0.0.5', 0).peerPort).toBe(0);
    // There is none so high.
    expect(read({}, '10.0.0.5', 60_000).peerPort).toBe(50_000);
  });

  it('take a sixteenth of the memory for the log, within bounds', () => {
    expect(defaultLogBytes(16 * MIB)).toBe(4 * MIB);
    expect(defaultLogBytes(512 * MIB)).toBe(32 * MIB);
    expect(defaultLogBytes(8192 * MIB)).toBe(64 * MIB);
  });

  it.each<[Partial<ClusterNodeOptions> & Record<string, unknown>, RegExp]>([
    [{ name: '' }, /cluster\.name must be a text of 1 to 64 printable/],
    [{ name: 'two words' }, /cluster\.name/],
    [{ replicas: 8 }, /cluster\.replicas must be a whole number from 0 to 7, not 8/],
    [{ replicas: 1.5 }, /cluster\.replicas/],
    [{ replicas: 1, minOwners: 3 }, /cluster\.minOwners must be a whole number from 1 to 2/],
    [{ peerPort: 70_000 }, /cluster\.peerPort/],
    [{ weight: 0 }, /cluster\.weight must be a number from 0\.1 to 100, not 0/],
    [{ advertise: 'a b' }, /cluster\.advertise must be .*, a name or an address, not 'a b'/],
    [{ advertise: '' }, /cluster\.advertise must be/],
    [{ advertise: ['a'] as never }, /cluster\.advertise must be/],
    [{ peerHost: '' }, /cluster\.peerHost must be an address or name such as/],
    [{ peerHost: 'a b' }, /cluster\.peerHost must be/],
    [{ preset: 'moon' as 'lan' }, /cluster\.preset must be one of lan, wan, local/],
    [{ replaceAfter: '1ms' }, /cluster\.replaceAfter must be from 1000 ms to a day/],
    [{ logSize: 5 }, /cluster\.logSize/],
    [{ join: 'nowhere' }, /seeds .*nowhere.*allowed are/],
    [{ join: ['127.0.0.1:1'] as never }, /seeds must be a text such as .*, not an array/],
    [{ tls: 5 as never }, /cluster\.tls takes an object/],
    [{ relicas: 2 }, /relicas/],
  ])('%o is refused', (options, text) => {
    expect(() => read(options)).toThrow(text);
    expect(() => readNodeOptions({ cluster: { name: 'shop', ...options } })).toThrow(text);
  });

  it('ask where others reach a node that listens everywhere', () => {
    expect(() => read({}, '0.0.0.0')).toThrow(/cluster\.advertise must be the host by which/);
    expect(read({ advertise: 'node-0.cache' }, '0.0.0.0').advertise).toBe('node-0.cache');
  });

  it('do not show the secret in errors', () => {
    expect(() => read({ secret: '' })).toThrow('cluster.secret must be a text');
    expect(() => read({ secret: 5 as unknown as string })).toThrow(/^((?!5).)*$/);
  });

  it('make arenas with slots, a number of the node, and memory of tombstones', () => {
    const { arena } = readNodeOptions({ cluster: { name: 'shop', tombstones: '5m' } });
    expect(arena).toMatchObject({ slots: true, tombstoneMs: 300_000 });
    expect(arena.node).toBeGreaterThanOrEqual(0);
    expect(arena.node).toBeLessThan(1024);
    expect(readNodeOptions({}).arena.slots).toBeUndefined();
  });
});

describe('certificates', () => {
  const authority = new CertificateAuthority('test');
  const [right, other] = [authority.issue('10.0.0.5'), authority.issue('10.0.0.6')];

  it('are taken where Node can use them', () => {
    const tls = { ...right, ca: Buffer.from(authority.cert) };
    expect(read({ tls }).tls).toBe(tls);
  });

  it.each<[keyof LinkTls, string, RegExp]>([
    ['cert', 'junk', /^cluster\.tls\.cert is no certificate in PEM: /],
    ['key', 'junk', /^cluster\.tls\.key is no private key in PEM: /],
    ['ca', 'junk', /^cluster\.tls\.ca is no certificate in PEM: /],
    ['key', other.key, /^cluster\.tls\.key is not that of cluster\.tls\.cert: /],
    ['key', '', /^cluster\.tls\.key must be PEM, as text or bytes$/],
  ])('are refused with another %s', (name, value, message) => {
    const tls = { ...right, ca: authority.cert, [name]: value };
    const error = expect.objectContaining({
      code: 'OPTION',
      message: expect.stringMatching(message),
    });
    expect(() => read({ tls })).toThrow(error);
  });
});

describe('flags of serve', () => {
  const codeOf = (flags: object) =>
    readClusterFlags(flags).catch((error: SlabringError) => error.message);

  it('are those of a cluster only with its name', async () => {
    expect(await readClusterFlags({})).toBeUndefined();
    expect(await codeOf({ replicas: 2 })).toBe('--replicas needs --cluster NAME');
    expect(await codeOf({ peerCa: 'a' })).toBe('--peer-ca needs --cluster NAME');
    expect(await codeOf({ clusterSecret: 's' })).toBe('--cluster-secret needs --cluster NAME');
    const flags = { cluster: 'shop', replicas: 2, clusterPreset: 'wan' as const };
    expect(await readClusterFlags(flags)).toMatchObject({ replicas: 2, preset: 'wan' });
    // The environment may hold a secret for other nodes.
    expect(await readClusterFlags({ clusterSecret: 's' }, () => false)).toBeUndefined();
  });

  it('are named in errors as they were typed', () => {
    const told = [
      'cluster.minOwners must be 1',
      'cluster.tls.key is not that of cluster.tls.cert: no',
      "cluster.advertise must be a host, not 'cluster.local'",
      'cluster.name must be a text',
    ];
    expect(told.map(inFlags)).toEqual([
      '--min-owners must be 1',
      '--peer-key is not that of --peer-cert: no',
      "--advertise must be a host, not 'cluster.local'",
      '--cluster must be a text',
    ]);
  });

  it('take certificates all together, from files that are there', async () => {
    expect(await codeOf({ cluster: 'shop', peerCert: 'a' })).toMatch(/go together/);
    const files = { peerCert: '/nowhere/a', peerKey: '/nowhere/b', peerCa: '/nowhere/c' };
    expect(await codeOf({ cluster: 'shop', ...files })).toMatch(/nowhere\/a cannot be read/);
  });
});
