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
