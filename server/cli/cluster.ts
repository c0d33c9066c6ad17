/** `slabring cluster`: what goes on in a cluster, asked of one of its nodes. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { CheckResult } from '../cluster/copy-check.js';
import type { ClusterStatus } from '../cluster/thread/administration.js';
import * as format from './format.js';

interface ClusterCliOptions {
  url: string;
  token?: string;
  json?: boolean;
}

const HELP = `
Any node of the cluster may be asked; --url is its address for clients.

Examples:
  slabring cluster status
  slabring cluster check --url http://127.0.0.1:7708
  slabring cluster leave --url http://127.0.0.1:7708

Exit code: 0; 1 with one line on stderr when the node cannot be asked, and after check when
copies differ.`;

/** Between two looks at what is moved. */
const LOOK_MS = 500;

/** Adds `slabring cluster` to the program. */
export function registerCluster(program: Command): void {
  const cluster = program
    .command('cluster')
    .summary('look at a cluster, and change it')
    .description('Look at the cluster that a node is in, and change it.')
    .addHelpText('after', HELP);
  const add = (name: string, text: string) =>
    cluster
      .command(name)
      .description(text)
      .option('--url <url>', "a node's address for clients", 'http://127.0.0.1:7707')
      .addOption(new Option('--token <secret>', "the node's token").env('SLABRING_TOKEN'))
      .option('--json', 'print JSON');
  add('status', 'Nodes, their shares of the keys, and what is under way between them.').action(
    (options: ClusterCliOptions) => run(() => status(options)),
  );
  add('check', 'Compare all copies, and name keys that differ.').action(
    (options: ClusterCliOptions) => run(() => check(options)),
  );
  add('join <seeds>', 'Have the node look for others: host:port,... of their peer ports.').action(
    (seeds: string, options: ClusterCliOptions) => run(() => join(seeds, options)),
  );
  add('leave', 'Have the node hand over its keys, leave, and end.').action(
    (options: ClusterCliOptions) => run(() => leave(options)),
  );
  add('rebalance', 'Compare copies now, and wait until every key is on all its nodes.').action(
    (options: ClusterCliOptions) => run(() => rebalance(options)),
  );
}

async function run(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`slabring: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** Has the node do something; what came of it. */
async function ask(options: ClusterCliOptions, action?: string): Promise<unknown> {
  const { url, token } = options;
  const base = url.replace(/^ws/, 'http').replace(/\/$/, '');
  const path = action === undefined ? '/cluster' : `/cluster/${action}`;
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, {
      method: action === undefined ? 'GET' : 'POST',
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
  } catch (cause) {
    const reason = (cause as { cause?: Error }).cause?.message ?? String(cause);
    throw new Error(`${base} does not answer: ${reason}`, { cause });
  }
  const body = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(body.error ?? `${base}${path} answered ${response.status}`);
  return body;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function status(options: ClusterCliOptions): Promise<void> {
  const found = (await ask(options)) as ClusterStatus;
  print(options.json ? JSON.stringify(found, null, 2) : describe(found));
}

function describe({ cluster, self, copies, slots, nodes, peers }: ClusterStatus): string {
  const replicas = copies === 1 ? 'no replicas' : `${copies - 1} replicas`;
  const lines = [`cluster ${cluster}, ${nodes.length} nodes, ${replicas}, as ${self} sees it`, ''];
  const widest = Math.max(4, ...nodes.map(({ name }) => name.length));
  const head = `${'node'.padEnd(widest)}  state    primary  slots   complete  peers at`;
  lines.push(head, '-'.repeat(head.length));
  for (const { name, state, primary = 0, slots: owned = 0, full = 0, address } of nodes) {
    const complete = owned === 0 ? '' : format.percent(full / owned);
    const numbers = `${String(primary).padStart(7)}  ${String(owned).padEnd(6)}`;
    lines.push(
      `${name.padEnd(widest)}  ${state.padEnd(7)}  ${numbers}  ${complete.padEnd(8)}  ${address}`,
    );
  }
  lines.push('');
  if (slots.unserved > 0) lines.push(`${slots.unserved} slots are served by nobody`);
  if (slots.short > 0) lines.push(`${slots.short} slots have fewer complete copies than asked for`);
  if (slots.pulling > 0) lines.push(`${slots.pulling} slots are on their way to ${self}`);
  for (const { name, isLive, isStreaming, underWayBytes, scans } of peers) {
    if (!isLive) continue;
    const scanning = scans > 0 ? `, ${scans} ranges being sent` : '';
    const under = `${format.bytes(underWayBytes)} under way${scanning}`;
    lines.push(`to ${name}: ${isStreaming ? under : 'behind, to be sent what it missed'}`);
  }
  if (slots.unserved + slots.short + slots.pulling === 0)
    lines.push('every key has all its copies');
  return lines.join('\n');
}

async function check(options: ClusterCliOptions): Promise<void> {
  const found = (await ask(options, 'check')) as CheckResult;
  if (options.json) print(JSON.stringify(found, null, 2));
  else print(describeCheck(found));
  if (found.differing > 0 || found.silent.length > 0) process.exitCode = 1;
}

function describeCheck({ compared, alone, differing, differences, silent }: CheckResult): string {
  const lines = [`${compared} slots compared, ${differing} differ`];
  if (alone > 0) lines.push(`${alone} slots have one live copy, or none`);
  if (silent.length > 0) lines.push(`no answer from ${silent.join(', ')}`);
  for (const { slot, key, copies } of differences) {
    const each = Object.entries(copies).map(([node, stamp]) => `${node} ${stamp ?? 'nothing'}`);
    lines.push(`slot ${slot}, key ${JSON.stringify(key)}: ${each.join(', ')}`);
  }
  return lines.join('\n');
}

async function join(seeds: string, options: ClusterCliOptions): Promise<void> {
  const { isJoined } = (await ask(options, `join/${encodeURIComponent(seeds)}`)) as {
    isJoined: boolean;
  };
  if (!isJoined) throw new Error(`none of ${seeds} answered`);
  print('joined');
}

async function leave(options: ClusterCliOptions): Promise<void> {
  await ask(options, 'leave');
  print('the node hands over its keys, leaves and ends');
}

async function rebalance(options: ClusterCliOptions): Promise<void> {
  await ask(options, 'rebalance');
  for (;;) {
    const { slots } = (await ask(options)) as ClusterStatus;
    const left = slots.unserved + slots.short + slots.pulling;
    if (left === 0) break;
    print(`${slots.short} slots short of copies, ${slots.pulling} on their way`);
    await delay(LOOK_MS);
  }
  print('every key has all its copies');
}
