/**
 * The package as npm would publish it: what is in it, and that it works where nothing else of ours
 * is.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examplesIn, promisedLines } from '../support/examples.js';
import { ROOT } from '../support/source-tree.js';

const run = promisify(execFile);

interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

let folder: string;
let project: string;
let packed: Packed;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slabring-pack-'));
  project = join(folder, 'project');
  mkdirSync(project);
  // The tests run on a fresh build, so packing need not build again.
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    { cwd: ROOT },
  );
  [packed] = JSON.parse(stdout) as [Packed];
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed.filename)],
    { cwd: project },
  );
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true }));

describe('the tarball', () => {
  const paths = () => packed.files.map(({ path }) => path);

  it('has what is needed to run and to read', () => {
    expect(paths()).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'package.json',
        'docs/PROTOCOL.md',
        'dist/engine/index.js',
        'dist/engine/index.d.ts',
        'dist/engine/kernel.wasm',
        'dist/client/index.js',
        'dist/server/index.js',
        'dist/server/main.js',
      ]),
    );
  });

  it('has nothing else', () => {
    const allowed =
      /^(LICENSE|README\.md|CHANGELOG\.md|package\.json|docs\/[\w/-]+\.md|dist\/(engine|client|server)\/[\w/-]+(\.js|\.d\.ts|\.wasm))$/;
    expect(paths().filter((path) => !allowed.test(path))).toEqual([]);
  });

  it('is small', () => {
    console.log(
      `${packed.filename}: ${packed.size} bytes, ${packed.unpackedSize} unpacked, ${packed.files.length} files`,
    );
    expect(packed.size).toBeLessThan(800_000);
  });
});

describe('in an empty project', () => {
  const nodeRuns = async (file: string) =>
    (await run(process.execPath, [file], { cwd: project })).stdout;

  it.each(examplesIn('README.md', 'js').filter(({ name }) => name.includes('Embedded')))(
    'the example runs: $name',
    async ({ text }) => {
      writeFileSync(join(project, 'example.js'), text);
      expect((await nodeRuns('example.js')).trimEnd().split('\n')).toEqual(promisedLines(text));
    },
  );

  it('jobs find their threads', async () => {
    const program = `
      import { openCache } from 'slabring';
      import { writeFileSync } from 'node:fs';
      writeFileSync('entries.ndjson', '{"key":"a","value":[1]}');
      const cache = openCache({ memory: '16mb' });
      const { entries } = await cache.importFile('entries.ndjson');
      console.log(entries, cache.get('a'), await cache.verify());
    `;
    writeFileSync(join(project, 'jobs.js'), program);
    expect(await nodeRuns('jobs.js')).toBe('1 [ 1 ] undefined\n');
  });

  it('client and server are there, and talk to each other', async () => {
    const program = `
      import { connect } from 'slabring/client';
      import { startNode } from 'slabring/server';
      const node = await startNode({ port: 0, memory: '16mb', threads: 1 });
      const client = await connect(node.urls[0]);
      console.log(await client.increment('n'), node.frontEnd);
      await client.close();
      await node.close();
    `;
    writeFileSync(join(project, 'both.js'), program);
    expect(await nodeRuns('both.js')).toMatch(/^1 (uws|ws)\n$/);
  });

  it('the command line is there', async () => {
    const { stdout } = await run(join(project, 'node_modules/.bin/slabring'), ['--version']);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(stdout.trim()).toBe(version);
  });

  const TYPED = `
    import { attachCache, openCache, SlabringError, type Cache, type CacheStats } from 'slabring';
    import { ImportError, type BrokenRule, type ImportResult } from 'slabring';
    import { connect, type Client } from 'slabring/client';
    import { startNode } from 'slabring/server';

    const cache: Cache = openCache({ memory: '16mb', policy: 'clock', ttl: '5s' });
    const value: { name: string } | undefined = cache.get<{ name: string }>('user');
    const bytes: Uint8Array | undefined = cache.getBytes('bytes');
    const stats: CacheStats = cache.stats();
    const other: Cache = attachCache(cache.share());
    const verified: Promise<BrokenRule | undefined> = cache.verify({ threads: 2 });
    const imported: Promise<ImportResult> = cache.importFile('x', { format: 'ndjson', ttl: '1h' });
    export async function all(): Promise<number | bigint> {
      const node = await startNode({ port: 0 });
      const client: Client = await connect(node.urls[0]!, { timeout: '2s' });
      const stored: boolean = await client.set('key', [value, bytes], { ifAbsent: true });
      if (!stored) throw new SlabringError('INTERNAL', 'not stored');
      await verified;
      await imported.catch((error: unknown) => error instanceof ImportError && error.line);
      other.close();
      return await client.increment('n', stats.hits);
    }
  `;
  const WRONG = `
    import { openCache } from 'slabring';
    openCache({ policy: 'fifo' });
  `;

  async function typeErrors(program: string): Promise<string> {
    writeFileSync(join(project, 'typed.ts'), program);
    const options = { module: 'NodeNext', target: 'ES2022', strict: true, noEmit: true };
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...options, types: ['node'] }, files: ['typed.ts'] }),
    );
    return await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project]).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
  }

  it('its types are right under the strict rules, with those of Node beside them', async () => {
    // Two that every project in TypeScript for Node has.
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
    }
    expect(await typeErrors(TYPED)).toBe('');
    expect(await typeErrors(WRONG)).toContain(`Type '"fifo"' is not assignable`);
  });
});
