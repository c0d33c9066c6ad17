/** Links over mutual TLS: both ends show a certificate, and take only those of their authority. */
import { Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import type { LinkTls, PeerLinksOptions } from '#server/cluster/links/options.js';
import { CertificateAuthority } from '../support/certificates.js';
import { TestNode, until } from '../support/peer-nodes.js';

const opened: TestNode[] = [];
const authority = new CertificateAuthority('authority of the test');
const { cert: ca } = authority;

async function open(id: string, tls?: LinkTls): Promise<TestNode> {
  const options: Partial<PeerLinksOptions> = tls ? { tls } : {};
  const node = await TestNode.open(id, { ...options, limits: { backoffMs: 5, backoffMsMax: 20 } });
  opened.push(node);
  return node;
}

const trouble = (node: TestNode) => node.links.snapshot()[0]?.trouble;

afterEach(async () => {
  await Promise.all(opened.splice(0).map((node) => node.close()));
});

it('carries messages both ways, short and long', async () => {
  const a = await open('a', { ca, ...authority.issue('127.0.0.1') });
  const b = await open('b', { ca, ...authority.issue('127.0.0.1') });
  a.send(b, 'one');
  a.send(b, Buffer.alloc(1 << 20, 7));
  await until(() => b.messages.length === 2);
  b.send(a, 'two');
  await until(() => a.messages.length === 1);
  expect(Buffer.alloc(1 << 20, 7).equals(b.messages[1]!.bytes)).toBe(true);
});

it('brings nothing of what waited for a peer that was given up, whoever had dialed', async () => {
  const a = await open('a', { ca, ...authority.issue('127.0.0.1') });
  const b = await open('b', { ca, ...authority.issue('127.0.0.1') });
  a.send(b, 'one');
  await until(() => b.messages.length === 1);
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    for (let i = 0; i < 20; i++) from.send(to, Buffer.alloc(1 << 20, i));
    from.send(to, 'behind');
    const reset = vi.spyOn(Socket.prototype, 'resetAndDestroy');
    from.links.reset(to.address);
    expect(reset).toHaveBeenCalledOnce();
    reset.mockRestore();
    from.send(to, 'then');
    await until(() => to.texts.includes('then'));
    expect(to.texts).not.toContain('behind');
  }
});

it('takes nobody without a certificate, or with one of another authority', async () => {
  const node = await open('a', { ca, ...authority.issue('127.0.0.1') });
  const other = new CertificateAuthority('another');
  const stranger = await open('b', { ca, ...other.issue('127.0.0.1') });
  stranger.send(node, 'x');
  expect(await node.event('refused')).toMatchObject({
    ...{ dialed: false, why: expect.stringMatching(/not as a peer: [A-Z_]+$/) },
  });
  await until(() => stranger.links.counters.redials > 0);
  const plain = await open('c');
  plain.send(node, 'x');
  await until(() => plain.links.counters.redials > 0);
  expect(node.of('linkUp')).toEqual([]);
});

it('does not take the port of another for that of a peer', async () => {
  const a = await open('a', { ca, ...authority.issue('127.0.0.1') });
  const other = new CertificateAuthority('another');
  const wrongAuthority = await open('b', { ca, ...other.issue('127.0.0.1') });
  a.send(wrongAuthority, 'x');
  await until(() => /certificate/.test(trouble(a) ?? ''));
  const c = await open('c', { ca, ...authority.issue('127.0.0.1') });
  const wrongHost = await open('d', { ca, ...authority.issue('127.0.0.9') });
  c.send(wrongHost, 'x');
  await until(() => /does not match certificate/.test(trouble(c) ?? ''));
  expect([...a.of('linkUp'), ...c.of('linkUp')]).toEqual([]);
});

it('looks for the name that all certificates of a cluster carry, where one is set', async () => {
  const serverName = 'cluster.example';
  const a = await open('a', { ca, ...authority.issue(serverName), serverName });
  const b = await open('b', { ca, ...authority.issue(serverName), serverName });
  a.send(b, 'x');
  await until(() => b.messages.length === 1);
  const wrong = await open('c', { ca, ...authority.issue('other.example'), serverName });
  a.send(wrong, 'x');
  const toWrong = () => a.links.snapshot().find(({ address }) => address === wrong.address);
  await until(() => /does not match certificate/.test(toWrong()?.trouble ?? ''));
});
