/** `slabring cluster`: what goes on in a cluster, asked of one of its nodes. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { CheckResult } from '../cluster/copy-check.js';
import type { ClusterStatus, JoinResult } from '../cluster/thread/administration.js';
import { duration, httpUrl } from './arguments.js';
import * as format from './format.js';

interface ClusterCliOptions {
  url: string;
  token?: string;
  json?: boolean;
}

interface RebalanceOptions extends ClusterCliOptions {
  timeout: number;
}

const HELP = `
Any node of the cluster may be asked; --url is its address for clients, which status
shows of all of them.

Examples:
  slabring cluster status
  slabring cluster check --url http://127.0.0.1:7708
  slabring cluster leave --url http://127.0.0.1:7708
  slabring cluster rebalance --timeout 1h

Exit code: 0; 1 with one line on stderr when the node cannot be asked or it could not be done,
and after check when copies differ.`;

/** Between two looks at what is moved. */
const LOOK_MS = 500;
const REBALANCE_MS = 600_000;
/** No timer takes more. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

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
      .option('--url <url>', "a node's address for clients", httpUrl, 'http://127.0.0.1:7707')
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
  add('rebalance', 'Compare copies now, and wait until every key is on all its nodes.')
    .addOption(
      new Option('--timeout <time>', 'how long to wait, such as 30s or 1h')
        .argParser(duration)
        .default(REBALANCE_MS, '10m'),
    )
    .action((options: RebalanceOptions) => run(() => rebalance(options)));
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
async function ask(
  { url, token }: ClusterCliOptions,
  action?: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const path = action === undefined ? '/cluster' : `/cluster/${action}`;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}${path}`, {
      method: action === undefined ? 'GET' : 'POST',
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
      ...(signal && { signal }),
    });
    text = await response.text();
  } catch (cause) {
    const reason = (cause as { cause?: Error }).cause?.message ?? String(cause);
    throw new Error(`${url} does not answer: ${reason}`, { cause });
  }
  const body = read(text);
  if (body === undefined) throw new Error(`${url} ${strangerIn(text)}`);
  if (!response.ok) throw new Error(body.error ?? `${url}${path} answered ${response.status}`);
  return body;
}

function read(text: string): { error?: string } | undefined {
  try {
    return JSON.parse(text) as { error?: string };
  } catch {
    return undefined;
  }
}

/** What somebody is who does not answer as a node does. */
function strangerIn(text: string): string {
  if (!text.includes('peers of a Slabring cluster')) return 'is no node of Slabring';
  return "is a node's peer port, for other nodes; give its port for clients, which is its --port";
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function status(options: ClusterCliOptions): Promise<void> {
  const found = (await ask(options)) as ClusterStatus;
  print(options.json ? JSON.stringify(found, null, 2) : describe(found));
}

function describe({ cluster, self, copies, slots, nodes, peers }: ClusterStatus): string {
  const replicas = copies === 1 ? 'no replicas' : some(copies - 1, 'replica');
  const living = nodes.filter(({ state }) => state === 'alive' || state === 'suspect');
  const others = nodes.filter((node) => !living.includes(node));
  const gone = others.map(
    ({ name, state }) => `${name} ${state === 'left' ? 'has left' : 'is dead'}`,
  );
  const count = some(living.length, 'node') + (gone.length > 0 ? ` (${gone.join(', ')})` : '');
  const lines = [`cluster ${cluster}, ${count}, ${replicas}, as ${self} sees it`, ''];
  const widest = Math.max(4, ...nodes.map(({ name }) => name.length));
  const widestUrl = Math.max(10, ...nodes.map(({ url }) => url.length));
  const head =
    `${'node'.padEnd(widest)}  state    primary  slots   complete  ` +
    `${'clients at'.padEnd(widestUrl)}  peers at`;
  lines.push(head, '-'.repeat(head.length));
  for (const { name, state, primary = 0, slots: owned = 0, full = 0, url, address } of nodes) {
    const complete = owned === 0 ? '' : format.percent(full / owned);
    const numbers = `${String(primary).padStart(7)}  ${String(owned).padEnd(6)}`;
    // An embedded cache has none.
    const clients = (url === '' ? '-' : url).padEnd(widestUrl);
    lines.push(
      `${name.padEnd(widest)}  ${state.padEnd(7)}  ${numbers}  ${complete.padEnd(8)}  ` +
        `${clients}  ${address}`,
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

function some(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
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
  const found = (await ask(options, `join/${encodeURIComponent(seeds)}`)) as JoinResult;
  if (options.json) print(JSON.stringify(found, null, 2));
  else if (found.isJoined) print('joined');
  if (found.isJoined) return;
  const troubles = Object.entries(found.troubles).map(([address, why]) => `${address}: ${why}`);
  throw new Error([`none of ${seeds} answered`, ...troubles].join('; '));
}

async function leave(options: ClusterCliOptions): Promise<void> {
  const found = await ask(options, 'leave');
  print(options.json ? JSON.stringify(found) : 'the node hands over its keys, leaves and ends');
}

async function rebalance(options: RebalanceOptions): Promise<void> {
  const signal = AbortSignal.timeout(Math.min(options.timeout, TIMEOUT_MS_MAX));
  let left = 'it was still comparing';
  try {
    const found = await ask(options, 'rebalance', signal);
    for (;;) {
      const { slots } = (await ask(options, undefined, signal)) as ClusterStatus;
      if (slots.unserved + slots.short + slots.pulling === 0) {
        print(
          options.json
            ? JSON.stringify({ ...(found as object), slots }, null, 2)
            : 'every key has all its copies',
        );
        return;
      }
      left = `${slots.short} slots short of copies, ${slots.pulling} on their way`;
      if (!options.json) print(left);
      await delay(LOOK_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error(`not done within --timeout: ${left}; the cluster goes on`, { cause: error });
  }
}
