/** Runs `slabring` as a user does, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MAIN = resolve('dist/server/main.js');
const FAKE = resolve('test/fixtures/servers/fake-server.mjs');

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
}

/** Runs a command to its end. */
export async function runCli(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CliResult> {
  const child = startCli(args, env);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A node that runs until `stop`. */
export async function startNode(
  args: readonly string[] = [],
): Promise<{ url: string; stop(): Promise<void> }> {
  const child = startCli(['serve', '--port', '0', '--memory', '64mb', '--threads', '1', ...args]);
  let output = '';
  const url = await new Promise<string>((found, failed) => {
    child.stdout!.on('data', (chunk) => {
      output += chunk;
      const match = /ws:\/\/\S+:\d+/.exec(output);
      if (match) found(match[0]);
    });
    child.once('exit', (code) => failed(new Error(`the node ended with ${code}: ${output}`)));
  });
  return {
    url,
    stop: async () => {
      child.removeAllListeners('exit');
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** The port that a node listened on takes no connection any more. */
export async function isGone(url: string): Promise<boolean> {
  try {
    await fetch(`${url.replace('ws:', 'http:')}/healthz`);
    return false;
  } catch {
    return true;
  }
}

/**
 * A folder for PATH in which `redis-server` and `memcached` are the stand-ins of
 * test/fixtures/servers.
 */
export function fakeServersOnPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slabring-path-'));
  for (const name of ['redis-server', 'memcached']) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${FAKE}' ${name} "$@"\n`);
    chmodSync(path, 0o755);
  }
  return folder;
}

/** Where the stand-ins announce themselves: each holds a connection for as long as it lives. */
export async function announcements(): Promise<{
  port: number;
  /** The next one's command line, and a promise of its end. */
  next(): Promise<{ command: string; gone: Promise<unknown> }>;
  close(): void;
}> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived: { command: string; gone: Promise<unknown> }[] = [];
  const waiting: ((arrival: { command: string; gone: Promise<unknown> }) => void)[] = [];
  server.on('connection', (socket: Socket) => {
    const gone = once(socket, 'close');
    socket.on('error', () => socket.destroy());
    socket.once('data', (chunk) => {
      const arrival = { command: String(chunk).trim(), gone };
      const waiter = waiting.shift();
      if (waiter) waiter(arrival);
      else arrived.push(arrival);
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    next: () => {
      const arrival = arrived.shift();
      return arrival ? Promise.resolve(arrival) : new Promise((found) => waiting.push(found));
    },
    close: () => server.close(),
  };
}
