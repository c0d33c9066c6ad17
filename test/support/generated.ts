/**
 * Parts of the docs that are written from the code. Each stands between two comments:
 *
 *     <!-- begin NAME: generated ... -->
 *     <!-- end NAME -->
 *
 * The tests hold them to the code; with UPDATE_DOCS=1 they write them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './source-tree.js';

const PART = /(<!-- begin ([\w-]+): generated.*-->\n)([\s\S]*?)(<!-- end \2 -->)/g;

/** The generated parts of a page, by name, as they stand there now. */
export function readParts(page: string): Map<string, string> {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return new Map([...text.matchAll(PART)].map(([, , name, part]) => [name!, part!]));
}

/** With UPDATE_DOCS=1: writes the parts into the page. */
export function updateParts(page: string, parts: Readonly<Record<string, string>>): void {
  if (!process.env.UPDATE_DOCS) return;
  const path = join(ROOT, page);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(PART, (_, begin, name, part, end) => `${begin}${parts[name] ?? part}${end}`),
  );
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map(line).join('')}`;
}

/** Text as code in a table's cell. */
export function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}
