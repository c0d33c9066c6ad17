/** The docs say what the node really has: options, statistics, limits. */
import { readFileSync } from 'node:fs';
import { startNode } from 'slabring/server';
import { expect, test } from 'vitest';
import { runSlabring } from '../support/node-process.js';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const page = read('OPERATIONS.md');
/** Has those of a node of a cluster. */
const clusterPage = read('CLUSTER.md');

test('lists the options of slabring serve, all of them and no others', async () => {
  const help = await runSlabring(['serve', '--help']);
  const inHelp = [...help.stdout.matchAll(/^ {2}(--[a-z-]+) </gm)].map((match) => match[1]);
  const tables = `${page}\n${clusterPage}`;
  const inTable = [...tables.matchAll(/^\| `(--[a-z-]+) /gm)].map((match) => match[1]);
  expect(inHelp.length).toBeGreaterThan(10);
  expect(inTable).toEqual(inHelp);
});

test('lists what the options of a cluster are called in a program', async () => {
  const refused = startNode({ cluster: { name: 'c', somethingElseAltogether: 1 } as never });
  const message = await refused.then(String, (error: Error) => error.message);
  const taken = / it takes (.+)$/.exec(message)![1]!.split(', ');
  const rows = [...clusterPage.matchAll(/^\| `([a-zA-Z]+)` \| (`--.+?|) ?\| /gm)];
  expect(rows.map(([, name]) => name)).toEqual(taken);
  const help = await runSlabring(['serve', '--help']);
  const flags = [...help.stdout.matchAll(/^ {2}(--[a-z-]+) </gm)].map((match) => match[1]!);
  const named = rows.flatMap(([, , cell]) => cell!.match(/--[a-z-]+/g) ?? []);
  expect(named.sort()).toEqual(flags.slice(flags.indexOf('--cluster')).sort());
});

test('explains every field of /stats', async () => {
  const node = await startNode({ port: 0, memory: '16mb', threads: 1 }, { onWarning: () => {} });
  const response = await fetch(`http://127.0.0.1:${node.port}/stats`);
  const { arena, traffic, ...rest } = (await response.json()) as Record<string, object>;
  await node.close();
  const unexplained = (names: readonly string[]) =>
    names.filter((name) => !new RegExp(`^\\| [^|]*\`${name}\``, 'm').test(page));
  const names = ['arena', 'traffic', ...Object.keys(rest)];
  expect(unexplained(names.concat(Object.keys(arena!), Object.keys(traffic!)))).toEqual([]);
});
