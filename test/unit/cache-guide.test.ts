/**
 * Runs every program of docs/guides/embedding.md, and holds its output to the comments beside
 * `console.log`.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(join(root, 'docs/guides/embedding.md'), 'utf8');
const programs = guide
  .split(/^## /m)
  .flatMap((section) =>
    [...section.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(
      ([, code]) => [section.slice(0, section.indexOf('\n')), code] as [string, string],
    ),
  );

let project: string;
beforeAll(() => {
  // As a user's project: the programs are files, because a worker thread needs one to start from.
  project = mkdtempSync(join(tmpdir(), 'slabring-guide-'));
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(root, join(project, 'node_modules/slabring'));
});
afterAll(() => rmSync(project, { recursive: true }));

it('has programs', () => {
  expect(programs.length).toBeGreaterThan(5);
});

it.each(programs)('%s', async (_, code) => {
  const file = join(project, 'program.mjs');
  writeFileSync(file, code);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: project });
  const lines = stdout.trimEnd().split('\n');
  const promised = [...code.matchAll(/console\.log\(.*; \/\/ (.+)$/gm)].map(([, line]) => line);
  expect(promised.length).toBeGreaterThan(0);
  expect(lines).toEqual(promised);
  expect(stderr).toBe('');
});
