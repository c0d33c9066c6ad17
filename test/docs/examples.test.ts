/**
 * Runs the examples of README.md and of every page under docs/. A js block is a whole program, run
 * as a file of a project that has the package installed; what it prints must be what the comments
 * beside its `console.log` say. Those that talk to a node find it through SLABRING_URL. A sh block
 * is a list of commands; slabring must take those that call it, and some are run.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerBench } from '#server/cli/bench.js';
import { registerCluster } from '#server/cli/cluster.js';
import { registerReplay } from '#server/cli/replay.js';
import { registerServe } from '#server/cli/serve.js';
import { commandsIn, examplesIn, pages, promisedLines } from '../support/examples.js';
import { NodeProcess, runSlabring } from '../support/node-process.js';
import { ROOT } from '../support/source-tree.js';

const programs = pages().flatMap((page) => examplesIn(page, 'js'));
const commands = pages()
  .flatMap((page) => examplesIn(page, 'sh'))
  .flatMap((example) => commandsIn(example).map((name) => ({ page: example.page, name })));

let node: NodeProcess;
let url: string;
let project: string;

beforeAll(async () => {
  node = new NodeProcess(['serve', '--port', '0', '--memory', '64mb', '--threads', '1']);
  project = mkdtempSync(join(tmpdir(), 'slabring-examples-'));
  // What a user who follows the docs has installed.
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(ROOT, join(project, 'node_modules/slabring'));
  for (const name of ['ws', 'msgpackr']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  }
  url = await node.url();
});

afterAll(async () => {
  node.kill('SIGTERM');
  expect((await node.ended).code).toBe(0);
  rmSync(project, { recursive: true });
});

/** Runs a program in the project; what it printed. */
async function runProgram(text: string): Promise<{ stdout: string; stderr: string }> {
  const file = join(project, 'program.mjs');
  writeFileSync(file, text);
  return await promisify(execFile)(process.execPath, [file], {
    cwd: project,
    env: { ...process.env, SLABRING_URL: url },
    timeout: 20_000,
  });
}

/** Titles of tests are cut where an object is shown in them, not where a string is. */
function byName<T extends { name: string }>(examples: readonly T[]): [string, T][] {
  return examples.map((example) => [example.name, example]);
}

it('there are examples', () => {
  const readme = (list: readonly { page: string }[]) =>
    list.filter(({ page }) => page === 'README.md');
  expect(readme(programs).length).toBeGreaterThanOrEqual(4);
  expect(readme(commands).length).toBeGreaterThanOrEqual(4);
});

describe('the program', () => {
  it.each(byName(programs))('%s prints what it says', async (_, { page, text }) => {
    const promised = promisedLines(text);
    expect(promised.length > 0 || page !== 'README.md').toBe(true);
    const { stdout, stderr } = await runProgram(text);
    const printed = stdout.split('\n').slice(0, -1);
    // What events print comes in an order of its own, and more often than it is promised.
    const anyOrder = promised.length === 0 || /\.on\('/.test(text);
    expect(printed).toEqual(anyOrder ? expect.arrayContaining(promised) : promised);
    expect(stderr).toBe('');
  });
});

/** The arguments of `slabring` in a command line, however it is called. */
function slabringArgs(command: string): string[] | undefined {
  const match = /^(?:\w+=\S+ )*(?:npx )?slabring (.+)$/.exec(command);
  return match ? match[1]!.replace(/\s*[&|>].*$/, '').split(/\s+/) : undefined;
}

describe('the command', () => {
  const slabring = commands.filter(({ name }) => slabringArgs(name));

  it.each(byName(slabring))('%s is one that slabring takes', (command) => {
    const [name, ...args] = slabringArgs(command)!;
    const program = new Command().exitOverride();
    registerServe(program);
    registerReplay(program);
    registerBench(program);
    registerCluster(program);
    const named = program.commands.find((one) => one.name() === name);
    expect(named).toBeDefined();
    // `slabring cluster status` is two names.
    const isGroup = named!.commands.length > 0;
    const inner = isGroup ? args.shift() : undefined;
    const subcommand = isGroup ? named!.commands.find((one) => one.name() === inner) : named;
    expect(subcommand).toBeDefined();
    // Wrong values throw here.
    const { operands, unknown } = subcommand!.exitOverride().parseOptions(args);
    expect(unknown).toEqual([]);
    expect(operands).toHaveLength(subcommand!.registeredArguments.length);
  });

  it.each(byName(slabring.filter(({ name }) => / serve\b/.test(name))))(
    '%s starts a node that stops',
    async (command) => {
      const args = replaceOption(
        replaceOption(slabringArgs(command)!, '--unix', join(project, 'example.sock')),
        '--port',
        '0',
      );
      const started = new NodeProcess(args.includes('--port') ? args : [...args, '--port', '0']);
      await started.url();
      started.kill('SIGTERM');
      expect(await started.ended).toMatchObject({ code: 0 });
    },
  );

  const readmeReplay = slabring.filter(
    ({ page, name }) => page === 'README.md' && / replay\b/.test(name),
  );

  it.each(byName(readmeReplay))('%s replays', async (command) => {
    const { code, stdout } = await runSlabring(slabringArgs(command)!);
    expect(code).toBe(0);
    expect(stdout).toMatch(/hit ratio/);
  });

  const requests = commands.filter(({ name }) => /^curl .*127\.0\.0\.1:7707/.test(name));

  it.each(byName(requests))('%s is answered', async (command) => {
    const path = /127\.0\.0\.1:7707(\S*)/.exec(command)![1]!;
    const response = await fetch(`${url.replace('ws:', 'http:')}${path}`);
    expect(response.status).toBe(200);
  });

  const scripts = commands.filter(({ name }) => /\bnpm (run|start|test)\b/.test(name));

  it.each(byName(scripts))('%s runs a script that there is', (command) => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const script = /\bnpm (?:run )?([\w:]+)(?: --.*)?$/.exec(command)?.[1];
    expect(Object.keys(manifest.scripts)).toContain(script);
  });
});

function replaceOption(args: readonly string[], option: string, value: string): string[] {
  return args.map((arg, i) => (args[i - 1] === option ? value : arg));
}
