/**
 * Links between the pages: what they lead to is there, and every page can be reached from
 * README.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pages } from '../support/examples.js';
import { ROOT } from '../support/source-tree.js';

const all = [...pages(), 'CHANGELOG.md', 'CONTRIBUTING.md', 'test/fixtures/traces/README.md'];

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** The links of a page to files of the repository: path from its folder, and anchor. */
function linksOf(page: string): { path: string; anchor: string }[] {
  const text = read(page).replace(/^```[\s\S]*?^```$/gm, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#');
      return { path: path === '' ? page : normalize(join(dirname(page), path)), anchor };
    });
}

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(all)('%s', (page) => {
  it('links to what is there', () => {
    const broken = linksOf(page).filter(({ path, anchor }) => {
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== '' && !anchorsOf(path).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

it('every page can be reached from README.md', () => {
  const reached = new Set<string>();
  const open = ['README.md'];
  for (let page = open.pop(); page !== undefined; page = open.pop()) {
    if (reached.has(page) || !page.endsWith('.md') || !existsSync(join(ROOT, page))) continue;
    reached.add(page);
    open.push(...linksOf(page).map(({ path }) => path));
  }
  expect(all.filter((page) => !reached.has(page))).toEqual([]);
});
