/**
 * The project's source files with their imports, for the tests that look after the house itself.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** From the repository's folder on, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** Line number, from 1. */
  readonly line: number;
  /** As it stands in the file. */
  readonly target: string;
  /** The file of this repository that is meant; undefined: a package, or a part of Node. */
  readonly path: string | undefined;
  /** `import type`, of which nothing is left when the program runs. */
  readonly typeOnly: boolean;
}

const FOLDERS = ['engine', 'server', 'client', 'native-free-bench', 'test'];
/** Declarations of .mjs files go with them. */
const SOURCE = /(?<!\.d)\.(ts|mts|mjs|js)$/;

/** Everything we wrote that runs, in order of path. */
export function readSources(): SourceFile[] {
  const files = readdirSync(ROOT).filter((name) => SOURCE.test(name));
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !SOURCE.test(entry.name)) continue;
      files.push(relative(ROOT, join(entry.parentPath, entry.name)));
    }
  }
  return files.sort().map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** How a file names another one: statements, `import()`, and the `new URL` that starts a worker. */
const IMPORTS = [
  /\b(?:import|export)\s+(type\s)?[^'"`;]*?\bfrom\s+'([^']+)'/g,
  /^import\s+()'([^']+)'/gm,
  /\bimport\(()'([^']+)'\)/g,
  /\bnew URL\(()'([^']+\.[mc]?[jt]s)',\s*import\.meta\.url\)/g,
];

export function importsOf(file: SourceFile): Import[] {
  return IMPORTS.flatMap((pattern) =>
    [...file.text.matchAll(pattern)].map((match) => ({
      line: file.text.slice(0, match.index).split('\n').length,
      target: match[2]!,
      path: resolveImport(file.path, match[2]!),
      typeOnly: match[1] !== undefined && match[1] !== '',
    })),
  );
}

interface Manifest {
  name: string;
  exports: Record<string, string | { default: string }>;
  imports: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** What package.json lets our own names stand for: `slabring/client`, `#engine/x.js`. */
function resolveOwnName(target: string): string | undefined {
  const subpath = target.replace(manifest.name, '.');
  const exported = subpath.startsWith('.') ? manifest.exports[subpath] : undefined;
  if (exported !== undefined) return typeof exported === 'string' ? exported : exported.default;
  for (const [pattern, path] of Object.entries(manifest.imports)) {
    const prefix = pattern.replace('*', '');
    if (target.startsWith(prefix)) return path.replace('*', target.slice(prefix.length));
  }
  return undefined;
}

function resolveImport(from: string, target: string): string | undefined {
  const isRelative = target.startsWith('.');
  const path = isRelative ? join(dirname(from), target) : resolveOwnName(target);
  return path === undefined ? undefined : sourceOf(normalize(path));
}

/**
 * The source of a built file: dist/engine/x.js and engine/x.js are engine/x.ts; the kernel leaves
 * extensions out.
 */
function sourceOf(path: string): string {
  const base = path.replace(/^dist\//, '');
  const candidates = [base, base.replace(/\.([mc]?)js$/, '.$1ts'), `${base}.ts`];
  return candidates.find((candidate) => existsSync(join(ROOT, candidate))) ?? base;
}

/**
 * Files of the repository that a text names as programs do that start them: from the repository's
 * folder on, or from the text's own.
 */
export function pathsIn(file: SourceFile): string[] {
  return [...file.text.matchAll(/[\w./-]+\.(?:ts|mts|mjs|js)\b/g)]
    .flatMap(([name]) => [sourceOf(normalize(name)), sourceOf(join(dirname(file.path), name))])
    .filter((path) => existsSync(join(ROOT, path)));
}

/** The lines of a file without what stands in comments. */
export function codeLines(file: SourceFile): string[] {
  const withoutBlocks = file.text.replace(/\/\*[\s\S]*?\*\//g, (comment) =>
    comment.replace(/[^\n]/g, ''),
  );
  return withoutBlocks.split('\n').map((line) => line.replace(/(^|\s)\/\/.*$/, '$1'));
}
