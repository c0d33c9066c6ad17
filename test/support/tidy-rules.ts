/**
 * The rules of the house that no compiler or linter checks. Each is a function from all source
 * files to what is wrong with them, and brings a `canary`: files that it must object to.
 */
import { readFileSync } from 'node:fs';
import { codeLines, importsOf, pathsIn, type SourceFile } from './source-tree.js';

export interface Rule {
  readonly name: string;
  /** What is wrong, as `path:line what`, and what to do instead. */
  check(files: readonly SourceFile[]): string[];
  readonly canary: readonly SourceFile[];
}

/** The parts of the house: the folder that a path begins with, the kernel apart from the engine. */
function roomOf(path: string): string {
  if (/^engine\/kernel\/.*\.ts$/.test(path)) return 'kernel';
  if (path.startsWith('server/cli/') || path === 'server/main.ts') return 'cli';
  if (path.startsWith('server/cluster/')) return 'cluster';
  if (path.startsWith('server/member/')) return 'member';
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : 'root';
}

/** Which rooms the files of a room may import from. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  kernel: ['kernel'],
  engine: ['engine'],
  client: ['client', 'engine'],
  cluster: ['cluster', 'server', 'engine'],
  server: ['server', 'cluster', 'member', 'engine'],
  // What it does for its own process it does as a client, without a network in between.
  member: ['member', 'server', 'cluster', 'engine', 'client'],
  cli: ['cli', 'server', 'cluster', 'engine', 'client'],
  // Of the command line: its loader, and how it starts other servers. Of the cluster: its logic,
  // which runs in a simulated world.
  'native-free-bench': ['native-free-bench', 'engine', 'cli', 'cluster'],
  test: ['test', 'engine', 'server', 'cluster', 'member', 'cli', 'client', 'native-free-bench'],
  root: [],
};

/** Logic of the cluster that benchmarks measure as it is. */
const MEASURED = 'server/cluster/ring';

/** What bundles for browsers carry of the engine: these files, and all in these folders. */
const BROWSER_SAFE = ['api', 'arguments', 'cluster-view', 'commands', 'errors', 'keyoptions']
  .concat('repeatable', 'setoptions', 'slots', 'units')
  .map((name) => `engine/${name}.ts`)
  .concat('engine/commands/', 'engine/handles/');

function isBrowserSafe(path: string): boolean {
  return BROWSER_SAFE.some((safe) => (safe.endsWith('/') ? path.startsWith(safe) : path === safe));
}

const importDirection: Rule = {
  name: 'imports go from server to engine, from engine to nothing else, and never to tests',
  check: (files) =>
    files.flatMap((file) => {
      const room = roomOf(file.path);
      return importsOf(file).flatMap(({ line, target, path }) => {
        if (path === undefined) return [];
        const to = roomOf(path);
        if (room === 'native-free-bench' && path.startsWith(MEASURED)) return [];
        if (!MAY_IMPORT[room]!.includes(to)) {
          return [`${file.path}:${line} ${room} must not import ${to} (${target})`];
        }
        if (room === 'client' && to === 'engine' && !isBrowserSafe(path)) {
          return [`${file.path}:${line} the client may import only ${BROWSER_SAFE.join(', ')}`];
        }
        return [];
      });
    }),
  canary: [
    { path: 'engine/a.ts', text: "import { startNode } from '../server/node.js';\n" },
    { path: 'engine/kernel/a.ts', text: "import { X } from '../errors';\n" },
    { path: 'client/a.ts', text: "import type { Arena } from '../engine/arena.js';\n" },
    { path: 'server/a.ts', text: "const c = await import('../client/index.js');\n" },
    { path: 'native-free-bench/a.ts', text: "import { run } from '#server/node.js';\n" },
    { path: 'server/cli/a.ts', text: "new URL('../../test/tidy.test.ts', import.meta.url);\n" },
  ],
};

const browserSafe: Rule = {
  name: 'what browsers load of the engine imports nothing that is not theirs',
  check: (files) =>
    files
      .filter((file) => isBrowserSafe(file.path))
      .flatMap((file) =>
        importsOf(file)
          .filter(({ path }) => path === undefined || !isBrowserSafe(path))
          .map(({ line, target }) => `${file.path}:${line} imports ${target}`),
      ),
  canary: [
    { path: 'engine/units.ts', text: "import { Buffer } from 'node:buffer';\n" },
    { path: 'engine/api.ts', text: "import { openCache } from './open.js';\n" },
    { path: 'engine/handles/a.ts', text: "import { packValue } from '../codec.js';\n" },
  ],
};

const clientNode: Rule = {
  name: 'the client loads nothing of Node or npm before it is asked to, so that it bundles',
  check: (files) =>
    files
      .filter((file) => file.path.startsWith('client/'))
      .flatMap((file) =>
        importsOf(file)
          .filter(({ target, path, typeOnly }) => {
            return path === undefined && !typeOnly && target !== 'msgpackr';
          })
          // `import()` is fine: a browser never gets there.
          .filter(({ line }) => !/\bimport\(/.test(file.text.split('\n')[line - 1]!))
          .map(({ line, target }) => `${file.path}:${line} imports ${target}; use import()`),
      ),
  canary: [
    { path: 'client/a.ts', text: "import { connect } from 'node:net';\n" },
    { path: 'client/b.ts', text: "import { WebSocket } from 'ws';\n" },
  ],
};

const LINE_LENGTH = 100;
/** The drawings of memory need the room. */
const KERNEL_LINE_LENGTH = 120;

const lineLength: Rule = {
  name: `lines have at most ${LINE_LENGTH} characters, ${KERNEL_LINE_LENGTH} in the kernel`,
  check: (files) =>
    files.flatMap((file) => {
      const most = roomOf(file.path) === 'kernel' ? KERNEL_LINE_LENGTH : LINE_LENGTH;
      return file.text.split('\n').flatMap((line, index) => {
        if (line.length <= most || isOneLiteral(line)) return [];
        return [`${file.path}:${index + 1} has ${line.length}`];
      });
    }),
  canary: [
    { path: 'engine/a.ts', text: `// ${'word '.repeat(20)}\n` },
    { path: 'test/a.ts', text: `call(${'argument, '.repeat(10)}last);\n` },
    { path: 'engine/kernel/a.ts', text: `// ${'word '.repeat(24)}\n` },
  ],
};

/** A text that stands on its line alone: cutting it in pieces makes it harder to find. */
function isOneLiteral(line: string): boolean {
  return /^\s*(?:[\w$.<>?: ]+ = |[\w$]+: |\w+\()?(['"`/]).*\1\S{0,4}$/.test(line);
}

/** More than this nobody understands in one reading. */
const FILE_LINES = 450;
const COUNTED = [
  'kernel',
  'engine',
  'client',
  'server',
  'cluster',
  'member',
  'cli',
  'native-free-bench',
];

const fileLength: Rule = {
  name: `files have at most ${FILE_LINES} lines`,
  check: (files) =>
    files
      .filter((file) => COUNTED.includes(roomOf(file.path)))
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > FILE_LINES)
      .map(({ path, lines }) => `${path} has ${lines}: split it where a second noun appears`),
  canary: [{ path: 'engine/a.ts', text: 'x();\n'.repeat(FILE_LINES + 1) }],
};

interface Ban {
  readonly pattern: RegExp;
  readonly where: readonly string[];
  readonly instead: string;
  /** A line that the ban objects to. */
  readonly canary: string;
  /** Looks at comments too. */
  readonly inComments?: true;
  /** What the line before may say to allow it. */
  readonly unless?: RegExp;
}

const EVERYWHERE = [
  'kernel',
  'engine',
  'client',
  'server',
  'cluster',
  'member',
  'cli',
  'native-free-bench',
  'test',
];

const BANS: readonly Ban[] = [
  {
    pattern: /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:only|skip|skipIf|runIf|todo|fails)\b/,
    where: ['test'],
    instead: 'let it run, or delete it: a test that does not run says nothing',
    canary: ['it', 'only'].join('.'),
  },
  {
    pattern: /\b(?:TO|FIX)(?:DO|ME)\b/,
    where: EVERYWHERE,
    instead: 'do it, or open an issue',
    canary: `// ${['TO', 'DO'].join('')} later`,
    inComments: true,
  },
  {
    pattern: /@ts-(?:ignore|expect-error|nocheck)/,
    where: ['engine', 'client', 'server', 'cluster', 'member', 'cli', 'native-free-bench'],
    instead: 'mend the type',
    canary: '// @ts-expect-error',
    inComments: true,
  },
  {
    pattern: /\bMath\.random\b/,
    where: ['engine', 'server', 'cluster', 'cli', 'native-free-bench', 'test'],
    instead: 'node:crypto where it must not be guessed, else a seeded generator that is passed in',
    canary: 'const seed = Math.random();',
  },
  {
    pattern: /\bconsole\.\w+\(/,
    where: ['engine', 'client', 'server', 'cluster', 'member', 'cli'],
    instead: 'process.stdout or stderr in server/cli/, a hook of the caller elsewhere',
    canary: "console.log('started');",
  },
  {
    pattern: /\bprocess\.exit\(/,
    where: ['engine', 'client', 'server', 'cluster', 'member'],
    instead: 'an error to the caller: only the command line ends the process',
    canary: 'process.exit(1);',
  },
  {
    pattern: /\bJSON\.parse\(JSON\.stringify\(/,
    where: EVERYWHERE,
    instead: 'structuredClone',
    canary: 'JSON.parse(JSON.stringify(value));',
  },
  {
    pattern:
      /\bsetTimeout\(\s*(?:resolve|done|next|r)\b|\bsetTimeout\b.* from 'node:timers\/promises'/,
    where: ['test'],
    instead: 'await the event; or say in the line above: `// Sleeps: ` and why time must pass',
    canary: 'await new Promise((resolve) => setTimeout(resolve, 50));',
    unless: /^\/\/ Sleeps: \w/,
  },
  {
    // A number of vitest's, not the option of the client, which is a boolean.
    pattern: /\bretry\s*:(?!\s*(?:true|false)\b)/,
    where: ['test'],
    instead: 'find out why it fails at times',
    canary: 'const options = { retry: 3 };',
  },
  {
    pattern: /\bnew\s+[A-Z]|\bthrow\b|\bStaticArray\b|\btrace\(/,
    where: ['kernel'],
    instead: 'addresses and statuses: the kernel has no heap and no exceptions',
    canary: 'const list = new Array<u32>();',
  },
  {
    pattern: /^\s*(?:export\s+)?(?:abstract\s+)?class\s/,
    where: ['kernel'],
    instead: '@unmanaged in the line above: a class is a view on memory, not an object',
    canary: 'export class Managed {}',
    unless: /^@unmanaged$/,
  },
];

/** Has everything that is banned as a canary. */
const THIS_FILE = 'test/support/tidy-rules.ts';

const fileIn = (room: string): string =>
  `${{ kernel: 'engine/kernel', cli: 'server/cli' }[room] ?? room}/a.ts`;

const banned: Rule = {
  name: 'nothing that is banned is used',
  check: (files) =>
    files.flatMap((file) => {
      if (file.path === THIS_FILE) return [];
      const bans = BANS.filter(({ where }) => where.includes(roomOf(file.path)));
      const texts = file.text.split('\n');
      const code = codeLines(file);
      return bans.flatMap(({ pattern, instead, inComments, unless }) =>
        (inComments ? texts : code).flatMap((line, index) => {
          if (!pattern.test(line) || unless?.test(texts[index - 1]?.trim() ?? '')) return [];
          return [`${file.path}:${index + 1} ${line.trim()} -- instead: ${instead}`];
        }),
      );
    }),
  canary: BANS.map(({ where, canary }) => ({ path: fileIn(where[0]!), text: `${canary}\n` })),
};

/** What runs without being imported: tests, what package.json names, and vitest's settings. */
const ENTRIES = /\.test\.ts$|^vitest\.config\.ts$/;

const deadFiles: Rule = {
  name: 'every file is used by something',
  check: (files) => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const manifest = { path: 'package.json', text: readFileSync('package.json', 'utf8') };
    const used = new Set<string>();
    const open = [
      ...files.map(({ path }) => path).filter((path) => ENTRIES.test(path)),
      ...pathsIn(manifest),
    ];
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      const file = byPath.get(path);
      if (file === undefined || used.has(path)) continue;
      used.add(path);
      for (const found of importsOf(file)) if (found.path !== undefined) open.push(found.path);
      open.push(...pathsIn(file));
    }
    return files
      .filter(({ path }) => !used.has(path))
      .map(({ path }) => `${path} is used by nothing`);
  },
  canary: [{ path: 'engine/forgotten.ts', text: 'export const x = 1;\n' }],
};

export const RULES: readonly Rule[] = [
  importDirection,
  browserSafe,
  clientNode,
  lineLength,
  fileLength,
  banned,
  deadFiles,
];
