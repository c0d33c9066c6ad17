/**
 * `npm run demo:cluster`: three nodes on this machine, a real trace through them, one killed while
 * reads go on, started again, and all copies compared. Everything is gone at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, connect } from '../../client/index.js';
import type { CheckResult } from '../cluster/copy-check.js';
import type { ClusterStatus } from '../cluster/thread/administration.js';
import * as format from './format.js';
import { readTrace } from './trace.js';

const NODES = 3;
const TRACE = 'cache2k-web07';
/** Accesses that are enough to see something. DEMO_ACCESSES=n: another number. */
const ACCESSES = Number(process.env.DEMO_ACCESSES ?? 60_000);
const VALUE = 'x'.repeat(100);
/** Accesses under way at a time. */
const AT_ONCE = 200;
const LOOK_MS = 100;
const DEADLINE_MS = 60_000;
/** How long reads are watched after the kill. */
const WATCH_MS = 4_000;
/** Copies of writes younger than this may still be under way, and are not compared. */
const SETTLED_MS = 6_000;

interface DemoNode {
  readonly name: string;
  readonly process: ChildProcess;
  /** For clients. */
  readonly url: string;
  /** For other nodes. */
  readonly address: string;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Starts a node; it listens when the promise resolves. */
async function startNode(name: string, ports: readonly string[], join?: string): Promise<DemoNode> {
  const [port, peerPort] = ports as [string, string];
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const args = ['serve', '--cluster', 'demo', '--node-name', name, '--replicas', '1'];
  args.push('--port', port, '--peer-port', peerPort, '--memory', '64mb', '--threads', '1');
  if (join !== undefined) args.push('--join', join);
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let text = '';
  for await (const chunk of child.stdout!) {
    text += String(chunk);
    const url = /listens on (\S+)/.exec(text)?.[1];
    const address = /join at (\S+)/.exec(text)?.[1];
    if (url && address) return { name, process: child, url, address };
  }
  throw new Error(`node ${name} did not start`);
}

async function statusOf({ url }: DemoNode): Promise<ClusterStatus> {
  const response = await fetch(`${url.replace('ws', 'http')}/cluster`);
  return (await response.json()) as ClusterStatus;
}

/** Waits until every key is on all its nodes; how long that took, in ms. */
async function settled(node: DemoNode, nodes: number): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const { slots, nodes: known } = await statusOf(node);
    const isWhole = slots.short + slots.unserved + slots.pulling === 0;
    const live = known.filter(({ state }) => state === 'alive').length;
    const passedMs = performance.now() - startMs;
    if (isWhole && live === nodes) return passedMs;
    if (passedMs > DEADLINE_MS) throw new Error('the cluster does not settle');
    await delay(LOOK_MS);
  }
}

function shares({ nodes }: ClusterStatus): string {
  return nodes.map(({ name, primary = 0 }) => `${name} ${primary}`).join(', ');
}

/** Cache-aside: what misses is stored. */
async function replay(client: Client, ids: Uint32Array): Promise<void> {
  let hits = 0;
  const startMs = performance.now();
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = [...ids.subarray(at, at + AT_ONCE)];
    const found = await Promise.all(some.map((id) => client.get(`page:${id}`)));
    const missed = some.filter((_, i) => found[i] === undefined);
    hits += some.length - missed.length;
    await Promise.all(missed.map((id) => client.set(`page:${id}`, VALUE)));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const rate = format.rate(ids.length / seconds);
  const ratio = format.percent(hits / ids.length);
  say(`  ${format.count(ids.length)} accesses, ${rate} a second, ${ratio} hits`);
}

/** Reads keys that are there, all the while; how many there were, and how it went. */
async function readOn(client: Client, ids: readonly number[]): Promise<string> {
  const startMs = performance.now();
  let reads = 0;
  let failed = 0;
  let missed = 0;
  let lastFailureMs = 0;
  while (performance.now() - startMs < WATCH_MS) {
    const id = ids[reads++ % ids.length]!;
    try {
      if ((await client.get(`page:${id}`)) === undefined) missed++;
    } catch {
      failed++;
      lastFailureMs = performance.now() - startMs;
    }
  }
  const last = failed > 0 ? `, the last after ${format.time(lastFailureMs)}` : '';
  return `${format.count(reads)} reads, ${failed} failed${last}, ${missed} missed`;
}

const numbers = Array.from({ length: NODES }, (_, i) => i);
say(`Starting ${NODES} nodes of the cluster demo, each key on two of them`);
const first = await startNode('node-0', ['0', '0']);
const nodes = [first];
for (const i of numbers.slice(1)) {
  nodes.push(await startNode(`node-${i}`, ['0', '0'], first.address));
}
await settled(first, NODES);
say(`  slots that each runs the commands of: ${shares(await statusOf(first))}`);

const { ids } = readTrace(TRACE, { limit: ACCESSES });
const client = await connect(nodes.map(({ url }) => url));
say(`Replaying the trace ${TRACE}, requests of a real web shop, through them`);
await replay(client, ids);
const seen = [...new Set(ids)];

const victim = nodes[1]!;
say(`Killing ${victim.name} with SIGKILL, and reading on what is in the cache`);
victim.process.kill('SIGKILL');
say(`  ${await readOn(client, seen)}`);
say(`  now run by: ${shares(await statusOf(first))}`);

say(`Starting ${victim.name} again: it has nothing, and gets its keys from the others`);
if (victim.process.exitCode === null && victim.process.signalCode === null) {
  await once(victim.process, 'exit');
}
const ports = [victim.url, victim.address].map((text) => /:(\d+)$/.exec(text)![1]!);
nodes[1] = await startNode(victim.name, ports, first.address);
say(`  every key has all its copies again after ${format.time(await settled(first, NODES))}`);
await delay(SETTLED_MS);
const checked = await fetch(`${first.url.replace('ws', 'http')}/cluster/check`, { method: 'POST' });
const { compared, differing } = (await checked.json()) as CheckResult;
say(`  ${compared} slots compared, ${differing} differ`);
await client.close();
for (const { process: child } of nodes) child.kill('SIGKILL');
process.exitCode = differing === 0 ? 0 : 1;
