/** The examples in the docs: what stands in ```js and ```sh blocks, and what it promises. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './source-tree.js';

export interface Example {
  /** For the name of its test: page, heading, and the how manieth it is under it. */
  readonly name: string;
  readonly page: string;
  readonly text: string;
}

/** README.md and every page under docs/. */
export function pages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true }) as string[];
  const found = docs.filter((path) => path.endsWith('.md')).map((path) => join('docs', path));
  return ['README.md', ...found.sort()];
}

/** All blocks of a language, in order. */
export function examplesIn(page: string, language: 'js' | 'sh'): Example[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const found: Example[] = [];
  let heading = '';
  let count = 0;
  for (const [, title, tag, block] of text.matchAll(/^##+ (.+)$|^```(\w*).*\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) {
      heading = title;
      count = 0;
    } else if (tag === language) {
      count += 1;
      found.push({ name: `${page}: ${heading}, ${count}`, page, text: block! });
    }
  }
  return found;
}

/** The lines that a program says it prints: `console.log(...); // line`. */
export function promisedLines(program: string): string[] {
  return [...program.matchAll(/console\.log\(.*; \/\/ (.+)$/gm)].map(([, line]) => line!);
}

/**
 * The commands of a shell example: a line each, those with `\` at the end together with the next.
 */
export function commandsIn(example: Example): string[] {
  return example.text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
