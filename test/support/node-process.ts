/** Runs `slabring serve` as users do: the built program, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url));

export interface RunOptions {
  /** The program to run with; default: the Node that runs the tests. */
  node?: string;
  /** Options of that Node. */
  nodeArgs?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A program of the command line, running. */
export class NodeProcess {
  readonly child: ChildProcess;
  /** Its end, with everything it said. */
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], options: RunOptions = {}) {
    const { node = process.execPath, nodeArgs = [], env = {} } = options;
    this.child = spawn(node, [...nodeArgs, MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.child.stdout!.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr!.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => ({
      code,
      signal,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** The `ws://` address that the node prints when it listens. */
  async url(): Promise<string> {
    for (;;) {
      const match = /ws:\/\/[^\s/]+:\d+/.exec(this.stdout);
      if (match) return match[0];
      const isOver = await Promise.race([
        once(this.child.stdout!, 'data').then(() => false),
        this.ended.then(() => true),
      ]);
      if (isOver) throw new Error(`the node ended before it listened: ${this.stderr}`);
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs a command line of slabring to its end. */
export function runSlabring(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new NodeProcess(args, options).ended;
}

/** Runs any program to its end, in the root of the repository. */
export async function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}
