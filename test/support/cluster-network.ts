/**
 * A network of its own for each node, so that any way between two of them can be cut: namespaces
 * of Linux with a router between them. Inside of `unshare -rn` only, as `npm run test:cluster` has
 * it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { until } from './cluster-processes.js';
import type { RunOptions } from './node-process.js';

/** Long after any test. */
const FOREVER = '1000000';

interface Place {
  readonly holder: ChildProcess;
  readonly address: string;
}

export class ClusterNetwork {
  /** Whether this process has a network of its own, which it may change. */
  static readonly isPossible = process.env.CLUSTER_NETWORK === 'own';

  readonly #places = new Map<string, Place>();

  constructor() {
    ip('link set lo up');
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  }

  /** Makes a network for the node of this name. */
  async add(name: string): Promise<void> {
    const number = this.#places.size + 1;
    const holder = spawn('unshare', ['-n', 'sleep', FOREVER], { stdio: 'ignore' });
    const { pid } = holder;
    const own = readlinkSync('/proc/self/ns/net');
    await until(() => readlinkSync(`/proc/${pid}/ns/net`) !== own, 'there is another network');
    ip(`link add v${number} type veth peer name e0 netns ${pid}`);
    ip(`addr add 10.77.${number}.1/24 dev v${number}`);
    ip(`link set v${number} up`);
    for (const command of [
      'link set lo up',
      `addr add 10.77.${number}.2/24 dev e0`,
      'link set e0 up',
      `route add default via 10.77.${number}.1`,
    ]) {
      execFileSync('nsenter', ['-t', `${pid}`, '-n', 'ip', ...command.split(' ')]);
    }
    this.#places.set(name, { holder, address: `10.77.${number}.2` });
  }

  /** How a node of this name is run in its network. */
  runOf(name: string): RunOptions {
    const { pid } = this.#at(name).holder;
    return { node: 'nsenter', nodeArgs: ['-t', `${pid}`, '-n', process.execPath] };
  }

  argsOf(name: string): string[] {
    return ['--host', this.#at(name).address];
  }

  /** From now on nothing that one sends reaches the other. */
  cut(from: string, to: string): void {
    ip(`rule add from ${this.#at(from).address} to ${this.#at(to).address} blackhole`);
  }

  mend(from: string, to: string): void {
    ip(`rule del from ${this.#at(from).address} to ${this.#at(to).address} blackhole`);
  }

  end(): void {
    for (const { holder } of this.#places.values()) holder.kill('SIGKILL');
  }

  #at(name: string): Place {
    const place = this.#places.get(name);
    if (!place) throw new Error(`${name} has no network`);
    return place;
  }
}

function ip(command: string): void {
  execFileSync('ip', command.split(' '));
}
