/** `slabring serve` as a process: what it prints, how it starts, fails and stops. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { NodeProcess, type RunOptions, run, runSlabring } from '../support/node-process.js';
import { encodeFrame, Wire, type WireError } from '../support/wire.js';

const directory = mkdtempSync(join(tmpdir(), 'slabring-serve-'));
const started: NodeProcess[] = [];

afterEach(async () => {
  for (const node of started.splice(0)) {
    node.kill('SIGKILL');
    await node.ended;
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

function serve(args: readonly string[] = [], options: RunOptions = {}): NodeProcess {
  const node = new NodeProcess(['serve', '--port', '0', '--memory', '16mb', ...args], options);
  started.push(node);
  return node;
}

/**
 * Which Node versions run the node: this one, and any others that the caller names (`:` between
 * paths).
 */
const NODES = [process.execPath, ...(process.env.SLABRING_TEST_NODES ?? '').split(':')].filter(
  Boolean,
);

describe.each(NODES)('on %s', (program) => {
  test('serves, and stops with code 0 on SIGTERM', async () => {
    const node = serve(['--threads', '2'], { node: program });
    const wire = await Wire.open(await node.url());
    expect(await wire.call(['SET', 'key', [1, 2]], ['GET', 'key'])).toEqual([true, [1, 2]]);
    const response = await fetch(`${(await node.url()).replace('ws:', 'http:')}/stats`);
    const stats = (await response.json()) as { frontEnd: string; node: string; threads: number };
    node.kill('SIGTERM');
    expect(await wire.closed).toEqual({ code: 1001, reason: 'the node is shutting down' });
    const { code, signal, stderr } = await node.ended;
    expect([code, signal]).toEqual([0, null]);
    // Where there is no binary of uWebSockets.js one line says so, and nothing else is ever on
    // stderr.
    const warning = `slabring: warning: uWebSockets.js has no binary for Node ${stats.node} `;
    if (stats.frontEnd === 'uws') expect(stderr).toBe('');
    else expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining(warning)]);
    expect(stats.threads).toBe(2);
  });
});

test('begins with the entries of a file', async () => {
  const path = join(directory, 'entries.ndjson');
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ key: `key ${i}`, value: i }),
  );
  writeFileSync(path, lines.join('\n'));
  const node = serve(['--threads', '1', '--import', path]);
  const wire = await Wire.open(await node.url());
  expect(await wire.call(['GET', 'key 0'], ['GET', 'key 999'])).toEqual([0, 999]);
  node.kill('SIGTERM');
  const { stdout, stderr } = await node.ended;
  expect(stdout.split('\n')[2]).toMatch(/^ {2}1000 entries imported in \d+\.\d s$/);
  expect(stderr).not.toContain('error');
});

test('does not start with a file that is wrong', async () => {
  const path = join(directory, 'wrong.ndjson');
  writeFileSync(path, '{"key":"a","value":1}\n{"key":"b"}\n');
  const { code, stdout, stderr } = await serve(['--import', path]).ended;
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(`slabring: ${path}, line 2, byte 22: value is missing\n`);
  const absent = await serve(['--import', join(directory, 'absent.mp')]).ended;
  expect(absent.code).toBe(1);
  expect(absent.stderr).toMatch(/^slabring: importFile cannot read .*absent\.mp: ENOENT/);
});

test.each([undefined, 'secret'])(
  'prints where it listens and what to try, with token %s',
  async (token) => {
    const path = join(directory, 'greeting.sock');
    const env = token === undefined ? {} : { SLABRING_TOKEN: token };
    const node = serve(['--threads', '1', '--unix', path], { env });
    const url = await node.url();
    const greeted = await run('sh', ['-c', tryLine(node, 'node ')], { env });
    expect(greeted).toMatchObject({ code: 0, stdout: 'hello\n' });
    const stats = await run('sh', ['-c', tryLine(node, 'curl ')], { env });
    expect(JSON.parse(stats.stdout)).toMatchObject({ arena: { sets: 1, hits: 1 } });
    node.kill('SIGINT');
    const { code, stdout } = await node.ended;
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(
      /^slabring \d+\.\d+\.\d+ listens on ws:\/\/127\.0\.0\.1:\d+ and ws\+unix:/,
    );
    expect(lines[0]).toContain(`${url} and ws+unix:${path}:/`);
    expect(lines[1]).toMatch(
      /^ {2}1 thread, 16 MiB, policy adaptive, (uWebSockets\.js|ws), node [0-9a-f]{16}$/,
    );
  },
);

/** The line that the node prints to try a program. */
function tryLine(node: NodeProcess, program: string): string {
  return node.stdout.split('\n').find((line) => line.startsWith(`  ${program}`))!;
}

test('stops at once on a second signal', async () => {
  const node = serve();
  const wire = await Wire.open(await node.url());
  await wire.call(['SET', 'large', Buffer.alloc(900_000)]);
  wire.pause();
  // This client never reads its replies, so the first signal waits for it.
  for (let id = 1; id <= 60; id++) wire.sendRaw(encodeFrame(id, ['GET', 'large']));
  const address = (await node.url()).replace('ws:', 'http:');
  for (let pauses = 0; pauses === 0; ) {
    const stats = (await (await fetch(`${address}/stats`)).json()) as {
      traffic: { pauses: number };
    };
    pauses = stats.traffic.pauses;
  }
  node.kill('SIGTERM');
  for (let isOpen = true; isOpen; ) {
    const other = await Wire.open(await node.url()).catch(() => undefined);
    isOpen = other !== undefined;
  }
  node.kill('SIGTERM');
  expect(await node.ended).toMatchObject({ code: 143, signal: null });
  wire.socket.terminate();
});

test('takes the token from the environment', async () => {
  const node = serve([], { env: { SLABRING_TOKEN: 'secret' } });
  const wire = await Wire.open(await node.url());
  const [refused] = await wire.call(['PING']);
  expect((refused as WireError).code).toBe('NOAUTH');
  expect((await wire.call(['HELLO', { token: 'secret' }], ['PING']))[1]).toBe('PONG');
});

test('falls back to ws with one thread where threads cannot share a port', async () => {
  const node = serve(['--front-end', 'ws', '--threads', '2']);
  const wire = await Wire.open(await node.url());
  expect(await wire.call(['PING'])).toEqual(['PONG']);
  node.kill('SIGTERM');
  const { code, stderr } = await node.ended;
  expect(code).toBe(0);
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  const canShare = process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1));
  expect(stderr).toBe(
    canShare
      ? ''
      : 'slabring: warning: serving with one thread: ' +
          `ws on Node ${process.version} cannot share a port\n`,
  );
});

test('ends with code 1 and one line when a serving thread fails', async () => {
  // Loaded before the program in every thread; one serving thread fails when a file changes.
  const preload = `data:text/javascript,${encodeURIComponent(
    `import { isMainThread, threadId } from 'node:worker_threads';
     import { watchFile } from 'node:fs';
     if (!isMainThread && threadId === 1) {
       watchFile(process.env.FAIL_FILE, { interval: 20 }, ({ size }) => {
         if (size > 0) throw new Error('injected');
       });
     }`,
  )}`;
  const file = join(directory, 'fail');
  const node = serve(['--threads', '2'], {
    nodeArgs: ['--import', preload],
    env: { FAIL_FILE: file },
  });
  const url = await node.url();
  const wires = await Promise.all(Array.from({ length: 4 }, () => Wire.open(url)));
  await Promise.all(wires.map((wire) => wire.call(['PING'])));
  writeFileSync(file, 'now');
  const { code, stderr } = await node.ended;
  expect(code).toBe(1);
  expect(
    stderr
      .trimEnd()
      .split('\n')
      .filter((line) => !line.includes(' warning: ')),
  ).toEqual([expect.stringMatching(/^slabring: serving thread 0 failed: injected \(at .+\)$/)]);
});

test('lets a process exit that has a node inside and connections open', async () => {
  const program = join(directory, 'embedding.mjs');
  const server = new URL('../../dist/server/index.js', import.meta.url);
  const script = `
    import { startNode } from '${server}';
    const node = await startNode(
      { port: 0, memory: '16mb', threads: 2 },
      { onWarning: () => {} },
    );
    console.log(node.urls[0]);
    process.stdin.once('data', () => process.exit(7));`;
  writeFileSync(program, script);
  const child = spawn(process.execPath, [program]);
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [line] = await once(child.stdout, 'data');
  const wires = await Promise.all(Array.from({ length: 4 }, () => Wire.open(String(line).trim())));
  await Promise.all(wires.map((wire) => wire.call(['PING'])));
  child.stdin.write('exit');
  const [code, signal] = await once(child, 'close');
  expect([code, signal, stderr]).toEqual([7, null, '']);
});

test('refuses a port in use with code 1 and one line', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  const { code, stdout, stderr } = await runSlabring([
    'serve',
    '--port',
    `${port}`,
    '--memory',
    '16mb',
  ]);
  server.close();
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toBe(
    `slabring: port ${port} is in use on 127.0.0.1; choose another port, or 0 for any free one\n`,
  );
});

test.each([
  [['serve', '--prot', '1'], "unknown option '--prot' (Did you mean --port?)"],
  [['serve', '--port', 'http'], 'whole number from 0 to 65535'],
  [['serve', '--port', '65536'], 'whole number from 0 to 65535'],
  [['serve', '--memory', 'lots'], "such as '64mb' or '1gb'"],
  [['serve', '--memory', '10kb', '--port', '0'], 'memory must be at least '],
  [['serve', '--memory', '241gb'], 'memory must be '],
  [['serve', '--threads', '0'], 'whole number of at least 1'],
  [['serve', '--policy', 'lru2'], 'Allowed choices are adaptive, s3fifo, clock, lru, lfu, none'],
  [['serve', '--partitions', '3'], 'power of two'],
  [['serve', '--host', '192.0.2.1'], 'host 192.0.2.1 is no address of this machine'],
  [['serve', 'now'], "too many arguments for 'serve'"],
  [['sreve'], "unknown command 'sreve' (Did you mean serve?)"],
])('refuses %j with code 1 and one line', async (args, message) => {
  const { code, stdout, stderr } = await runSlabring(args);
  expect([code, stdout]).toEqual([1, '']);
  // One line, and so no stack.
  expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/^slabring: /)]);
  expect(stderr).toContain(message);
});
