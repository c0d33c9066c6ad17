/**
 * docs/TESTING.md: its settings are those that the tests read, its folders those that there are.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT, readSources } from '../support/source-tree.js';

const page = readFileSync(join(ROOT, 'docs/TESTING.md'), 'utf8');

it('tells every setting that a test reads, and no other', () => {
  const sources = readSources().filter(({ path }) => path.startsWith('test/'));
  const read = sources.flatMap(({ text }) =>
    [...text.matchAll(/\bprocess\.env\.([A-Z_]+)/g)].map(([, name]) => name!),
  );
  // What a stand-in is told by the test that starts it is nobody else's business.
  const settings = new Set(read.filter((name) => !/^(FAKE|FAIL)_/.test(name)));
  const told = [...page.matchAll(/`([A-Z]+_[A-Z_]+)(?:=\w+)?`/g)].map(([, name]) => name!);
  expect([...new Set(told)].sort()).toEqual([...settings].sort());
});

it('tells what every folder holds', () => {
  const folders = readdirSync(join(ROOT, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['support', 'fixtures'].includes(entry.name))
    .map(({ name }) => name);
  const told = [...page.matchAll(/^\| `test\/(\w+)` \|/gm)].map(([, name]) => name!);
  expect(told.sort()).toEqual(folders.sort());
});
