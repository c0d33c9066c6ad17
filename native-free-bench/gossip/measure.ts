/** What gossip costs, and how soon failures are known, in simulated clusters. */
import type { Preset } from '../../server/cluster/membership/presets.js';
import { KINDS } from '../../server/cluster/membership/wire.js';
import { Cluster, type ClusterNode } from '../sim/cluster.js';
import type { LinkProfile } from '../sim/network.js';
import { below } from '../sim/random.js';
import { quantile } from '../statistics.js';

export interface GossipPlan {
  readonly preset: Preset;
  readonly link: Partial<LinkProfile>;
  /** Worlds of each size. */
  readonly seeds: number;
  /** Crashes in each world, one after the other, each followed by a restart. */
  readonly crashes: number;
}

/** Of one world. */
export interface GossipSample {
  /** Sent by a node in a second in which nothing happens. */
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of these, those of comparing all that is known. */
  readonly syncBytesPerSecond: number;
  /** Of each crash: from it until a node, and until all others, called it dead. */
  readonly firstMs: readonly number[];
  readonly allMs: readonly number[];
  /** Nodes called dead that lived. */
  readonly falseDeaths: number;
  readonly digest: number;
}

export interface Percentiles {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** Of one size. */
export interface GossipRow {
  readonly nodes: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly syncBytesPerSecond: number;
  readonly firstMs: Percentiles;
  readonly allMs: Percentiles;
  readonly crashes: number;
  readonly falseDeaths: number;
  /** Of all messages of all worlds: the same seeds give the same. */
  readonly checksum: number;
}

/** What joins left to be told is told by then. */
const REST_MS = 5000;
/** More than this, and something is wrong. */
const LIMIT_MS = 300_000;

export function rowOf(nodes: number, samples: readonly GossipSample[]): GossipRow {
  const mean = (of: (sample: GossipSample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const firstMs = samples.flatMap((sample) => sample.firstMs);
  return {
    nodes,
    messagesPerSecond: mean((sample) => sample.messagesPerSecond),
    bytesPerSecond: mean((sample) => sample.bytesPerSecond),
    syncBytesPerSecond: mean((sample) => sample.syncBytesPerSecond),
    firstMs: percentilesOf(firstMs),
    allMs: percentilesOf(samples.flatMap((sample) => sample.allMs)),
    crashes: firstMs.length,
    falseDeaths: samples.reduce((sum, sample) => sum + sample.falseDeaths, 0),
    checksum: samples.reduce((sum, { digest }) => (Math.imul(sum, 31) + digest) | 0, 0),
  };
}

function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1)! };
}

/** One world. */
export function measureGossip(nodes: number, seed: number, plan: GossipPlan): GossipSample {
  const { preset, link, crashes } = plan;
  const cluster = new Cluster({ seed, nodes, preset, link });
  const { world } = cluster;
  cluster.start();
  world.run(1000);
  settle(cluster);
  world.run(REST_MS);
  const cost = costOf(cluster);
  const firstMs: number[] = [];
  const allMs: number[] = [];
  for (let crash = 0; crash < crashes; crash++) {
    const victim = cluster.nodes[below(world.random, nodes)]!;
    const times = crashOf(cluster, victim);
    firstMs.push(times.firstMs);
    allMs.push(times.allMs);
    victim.start();
    victim.join(cluster.nodes.find((node) => node !== victim)!);
    settle(cluster);
    world.run(REST_MS);
  }
  // Each crash is told of by all that lived.
  const falseDeaths = cluster.said('dead').length - crashes * (nodes - 1);
  return { ...cost, firstMs, allMs, falseDeaths, digest: world.digest };
}

function settle(cluster: Cluster): void {
  if (cluster.settle(LIMIT_MS) !== undefined) return;
  throw new Error(`seed ${cluster.options.seed}: ${cluster.nodes.length} nodes did not agree`);
}

type Cost = Pick<GossipSample, 'messagesPerSecond' | 'bytesPerSecond' | 'syncBytesPerSecond'>;

/** Over as long as each node compares all with another one once. */
function costOf(cluster: Cluster): Cost {
  const before = sentBy(cluster);
  const durationMs = cluster.preset.syncIntervalMs;
  cluster.world.run(durationMs);
  const after = sentBy(cluster);
  const perSecond = (of: keyof ReturnType<typeof sentBy>): number =>
    (after[of] - before[of]) / cluster.nodes.length / (durationMs / 1000);
  return {
    messagesPerSecond: perSecond('messages'),
    bytesPerSecond: perSecond('bytes'),
    syncBytesPerSecond: perSecond('syncBytes'),
  };
}

function sentBy(cluster: Cluster): { messages: number; bytes: number; syncBytes: number } {
  const sum = { messages: 0, bytes: 0, syncBytes: 0 };
  for (const { membership } of cluster.nodes) {
    for (const kind of KINDS) {
      const { messages, bytes } = membership.counters.sent[kind];
      sum.messages += messages;
      sum.bytes += bytes;
      if (kind.startsWith('sync')) sum.syncBytes += bytes;
    }
  }
  return sum;
}

function crashOf(cluster: Cluster, victim: ClusterNode): { firstMs: number; allMs: number } {
  const { world } = cluster;
  const startMs = world.nowMs;
  const { id } = victim.membership.self;
  victim.crash();
  const others = cluster.up();
  const isKnown = (): boolean => others.every((node) => node.stateOf(victim.name) === 'dead');
  if (world.runUntil(isKnown, LIMIT_MS) === undefined) {
    throw new Error(`seed ${world.seed}: a crash of ${others.length + 1} nodes stayed unknown`);
  }
  const atMs = cluster
    .said('dead', startMs)
    .flatMap(({ atMs, event }) => ('member' in event && event.member.id === id ? [atMs] : []));
  return { firstMs: Math.min(...atMs) - startMs, allMs: Math.max(...atMs) - startMs };
}
