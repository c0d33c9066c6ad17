/** One failure after the other for a cluster of real nodes, and how long each was felt. */
// Sleeps: each place says why time must pass.
import { setTimeout as delay } from 'node:timers/promises';
import type { Call, Kind } from './cluster-clients.js';
import type { ClusterNetwork } from './cluster-network.js';
import type { ClusterProcesses } from './cluster-processes.js';
import type { Random } from './fuzz-random.mjs';

/** A calm time after each failure, in which nothing may fail. */
const CALM_MS = 3_000;
/** For handing over, pulling and repairing, on a machine that is busy. */
const WHOLE_WITHIN_MS = 90_000;

export interface Happening {
  readonly what: string;
  readonly atMs: number;
}

export class ClusterOrdeal {
  readonly happenings: Happening[] = [];
  readonly #cluster: ClusterProcesses;
  readonly #random: Random;
  readonly #network: ClusterNetwork | undefined;
  /** The node that comes and goes. */
  readonly #guest: string;
  readonly #onMend: () => void;

  constructor(
    cluster: ClusterProcesses,
    random: Random,
    /** `onMend` is told before a node or a way comes back. */
    more: { network: ClusterNetwork | undefined; guest: string; onMend: () => void },
  ) {
    this.#cluster = cluster;
    this.#random = random;
    this.#network = more.network;
    this.#guest = more.guest;
    this.#onMend = more.onMend;
  }

  /** One failure, until the cluster is whole again and calm. */
  async next(index: number): Promise<void> {
    const kinds = [this.#kill, this.#stop, this.#change, this.#restart];
    if (this.#network) kinds.push(this.#cut, this.#isolate);
    // Each kind in turn, so that short runs have all of them.
    await kinds[index % kinds.length]!.call(this);
    await this.#cluster.whole(WHOLE_WITHIN_MS);
    this.#note('whole');
    // Sleeps: what still fails when all is well must be seen.
    await delay(CALM_MS);
  }

  /** What was felt of each: reads, writes and quorum writes that failed, and until when. */
  felt(calls: readonly Call[]): string[] {
    return this.happenings.map(({ what, atMs }, index) => {
      const nextMs = this.happenings[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      const here = calls.filter(({ fromMs }) => fromMs >= atMs && fromMs < nextMs);
      const parts = (['routing', 'plain'] as const).map((by) => {
        const failed = here.filter((call) => call.by === by && call.wrong !== undefined);
        if (failed.length === 0) return `${by} 0`;
        const counts = (['read', 'write', 'quorum'] as const).map((kind) => {
          return failed.filter((call) => call.kind === kind).length;
        });
        const untilMs = failed.reduce((last, { toMs }) => Math.max(last, toMs - atMs), 0);
        return `${by} ${counts.join('+')} to ${untilMs.toFixed(0)} ms`;
      });
      const at = ((atMs - this.happenings[0]!.atMs) / 1_000).toFixed(1);
      return `${at.padStart(6)} s  ${what.padEnd(22)} ${parts.join(', ')}`;
    });
  }

  /**
   * The longest time from a failure to the end of the last call of a kind that failed of it,
   * through a node that had not failed itself.
   */
  outageMs(calls: readonly Call[], kind: Kind, ofWhat: RegExp): number {
    let longest = 0;
    for (const [index, { what, atMs }] of this.happenings.entries()) {
      if (!ofWhat.test(what)) continue;
      const nextMs = this.happenings[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      for (const call of calls) {
        if (call.kind !== kind || call.wrong === undefined || call.isUnanswered) continue;
        if (call.fromMs < atMs || call.fromMs >= nextMs) continue;
        longest = Math.max(longest, call.toMs - atMs);
      }
    }
    return longest;
  }

  #note(what: string): void {
    this.happenings.push({ what, atMs: performance.now() });
  }

  #anyone(): string {
    return this.#random.pick([...this.#cluster.nodes.keys()]);
  }

  async #kill(): Promise<void> {
    const name = this.#anyone();
    this.#note(`kill ${name}`);
    await this.#cluster.kill(name);
    // Sleeps: how long it is away.
    await delay(this.#random.between(500, 8_000));
    this.#onMend();
    this.#note(`start ${name} again`);
    await this.#cluster.start(name);
  }

  async #stop(): Promise<void> {
    const name = this.#anyone();
    const { process } = this.#cluster.get(name);
    this.#note(`SIGSTOP ${name}`);
    process.kill('SIGSTOP');
    // Sleeps: how long it stands still.
    await delay(this.#random.between(300, 6_000));
    this.#onMend();
    this.#note(`SIGCONT ${name}`);
    process.kill('SIGCONT');
  }

  async #restart(): Promise<void> {
    const name = this.#anyone();
    this.#note(`SIGTERM ${name}`);
    await this.#cluster.stop(name);
    this.#onMend();
    this.#note(`start ${name} again`);
    await this.#cluster.start(name);
  }

  async #change(): Promise<void> {
    const isThere = this.#cluster.nodes.has(this.#guest);
    this.#note(`${isThere ? 'leave' : 'join'} ${this.#guest}`);
    if (isThere) await this.#cluster.stop(this.#guest);
    else await this.#cluster.start(this.#guest);
  }

  /** Between two nodes, in one direction or both. */
  async #cut(): Promise<void> {
    const from = this.#anyone();
    const to = this.#random.pick([...this.#cluster.nodes.keys()].filter((name) => name !== from));
    const ways = this.#random.chance(0.5)
      ? [[from, to]]
      : [
          [from, to],
          [to, from],
        ];
    this.#note(`cut ${ways.map((way) => way.join('>')).join(' ')}`);
    await this.#cutFor(ways as [string, string][], this.#random.between(1_000, 8_000));
  }

  /** One node from all others; clients reach it. */
  async #isolate(): Promise<void> {
    const name = this.#anyone();
    const others = [...this.#cluster.nodes.keys()].filter((other) => other !== name);
    this.#note(`isolate ${name}`);
    const ways = others.flatMap(
      (other) =>
        [
          [name, other],
          [other, name],
        ] as [string, string][],
    );
    await this.#cutFor(ways, this.#random.between(1_000, 8_000));
  }

  async #cutFor(ways: readonly [string, string][], ms: number): Promise<void> {
    for (const [from, to] of ways) this.#network!.cut(from, to);
    // Sleeps: how long nothing gets through.
    await delay(ms);
    this.#onMend();
    this.#note('mend');
    for (const [from, to] of ways) this.#network!.mend(from, to);
  }
}

/** How much of what was asked for was done. */
export function availabilityOf(calls: readonly Call[]): string {
  const failed = calls.filter(({ wrong }) => wrong !== undefined).length;
  return `${(100 * (1 - failed / calls.length)).toFixed(3)}% of ${calls.length}`;
}

/** That of each kind of clients and calls, and how long calls took. */
export function availabilitiesOf(calls: readonly Call[]): string[] {
  return (['routing', 'plain'] as const).flatMap((by) => {
    const theirs = calls.filter((call) => call.by === by);
    const parts = (['read', 'write', 'quorum'] as const).map((kind) => {
      return `${kind} ${availabilityOf(theirs.filter((call) => call.kind === kind))}`;
    });
    const took = theirs.map(({ fromMs, toMs }) => toMs - fromMs).sort((a, b) => a - b);
    const at = (share: number) => took[Math.floor(share * (took.length - 1))]!.toFixed(1);
    return [
      `${by} clients: ${availabilityOf(theirs)}; ${parts.join('; ')}`,
      `  took ms: median ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}, longest ${at(1)}`,
    ];
  });
}

/** What went wrong, the most frequent first. */
export function wrongsOf(calls: readonly Call[]): string[] {
  const counts = new Map<string, number>();
  for (const { kind, by, wrong } of calls) {
    if (wrong === undefined) continue;
    const text = `${by}, ${kind}: ${wrong}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([text, count]) => `${count} ${text}`);
}
