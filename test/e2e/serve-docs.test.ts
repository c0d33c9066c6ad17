/** docs/OPERATIONS.md says what the node really has: options, statistics, limits. */
import { readFileSync } from 'node:fs';
import { startNode } from 'slabring/server';
import { expect, test } from 'vitest';
import { runSlabring } from '../support/node-process.js';

const page = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');

test('lists the options of slabring serve, all of them and no others', async () => {
  const help = await runSlabring(['serve', '--help']);
  const inHelp = [...help.stdout.matchAll(/^ {2}(--[a-z-]+) </gm)].map((match) => match[1]);
  const inTable = [...page.matchAll(/^\| `(--[a-z-]+) /gm)].map((match) => match[1]);
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
