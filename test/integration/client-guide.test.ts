/**
 * Runs every program of docs/guides/client.md, and holds its output to the comments beside
 * `console.log`.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SlabringNode, startNode } from '#server/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(`${root}/docs/guides/client.md`, 'utf8');
const programs = [...guide.matchAll(/^## (.+)$|^```js\n([\s\S]*?)^```$/gm)].reduce(
  ({ title, list }, [, heading, code]) => ({
    title: heading ?? title,
    list: code === undefined ? list : [...list, [title, code] as [string, string]],
  }),
  { title: '', list: [] as [string, string][] },
).list;

let node: SlabringNode;
beforeAll(async () => {
  node = await startNode({ port: 0, memory: '64mb', threads: 1 });
});
afterAll(() => node.close());

it('has programs', () => {
  expect(programs.length).toBeGreaterThan(6);
});

it.each(programs)('%s', async (_, code) => {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', code],
    { cwd: root, env: { ...process.env, SLABRING_URL: node.urls[0] } },
  );
  const lines = stdout.trimEnd().split('\n');
  for (const [, promised] of code.matchAll(/console\.log\(.*; \/\/ (.+)$/gm)) {
    expect(lines).toContain(promised);
  }
  expect(stderr).toBe('');
});
