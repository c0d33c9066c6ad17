/**
 * What may happen to a cluster, and what must be so after it. Each scenario is a function from a
 * seed to what is wrong.
 */
import { Cluster, type ClusterNode, type ClusterOptions } from '#bench/sim/cluster.js';
import { below, between } from '#bench/sim/random.js';
import type { MembershipEvent } from '#server/cluster/membership/events.js';
import { compareLives, isNews, type Member } from '#server/cluster/membership/member.js';

export type Plan = Partial<Omit<ClusterOptions, 'seed'>>;
export type Scenario = (seed: number, plan?: Plan) => string[];

/** Nodes start within a second; the last one's news needs less than this to reach all. */
const JOIN_MS = 3000;
/** After everything is mended: suspicions end, the dead are tried again, news spreads. */
const HEAL_MS = 20_000;
/** A crashed node of a small cluster is known dead by all within this. */
const DETECTION_MS = 2500;

/** A cluster of 3 to 7 that has settled, or what is wrong with it. */
function settled(seed: number, plan: Plan): Cluster | string[] {
  const cluster = new Cluster({ nodes: 3 + (seed % 5), seed, ...plan });
  cluster.start();
  cluster.world.run(1000);
  return cluster.settle(JOIN_MS) === undefined ? [`not settled: ${viewsOf(cluster)}`] : cluster;
}

function scenario(run: (cluster: Cluster) => string[], usual: Plan = {}): Scenario {
  return (seed, plan = {}) => {
    const cluster = settled(seed, { ...usual, ...plan });
    return Array.isArray(cluster) ? cluster : run(cluster);
  };
}

function viewsOf(cluster: Cluster): string {
  return cluster
    .up()
    .map((node) => `\n  ${node.name} sees ${node.view()}`)
    .join('');
}

function pick(cluster: Cluster): ClusterNode {
  return cluster.nodes[below(cluster.world.random, cluster.nodes.length)]!;
}

function notSettled(cluster: Cluster, limitMs: number): string[] {
  return cluster.settle(limitMs) === undefined ? [`no agreement: ${viewsOf(cluster)}`] : [];
}

/** Events that nobody should have told of, but about these names. */
function wrongly(
  cluster: Cluster,
  type: MembershipEvent['type'],
  except: readonly string[] = [],
): string[] {
  return cluster.said(type).flatMap(({ atMs, node, event }) => {
    if (!('member' in event) || except.includes(event.member.name)) return [];
    return [`${Math.round(atMs)} ms: ${node} says that ${event.member.name} is ${type}`];
  });
}

/** Of what one node says of one name each must be newer than what it said before. */
function wentBack(cluster: Cluster): string[] {
  const last = new Map<string, Member>();
  const problems: string[] = [];
  for (const { atMs, node, life, event } of cluster.happenings) {
    if (!('member' in event) || event.type === 'conflict') continue;
    const { member } = event;
    const key = `${node}/${life}/${member.name}`;
    const before = last.get(key);
    last.set(key, member);
    if (before === undefined || before === member) continue;
    const order = compareLives(member, before);
    if (order > 0 || (order === 0 && isNews(member, before))) continue;
    problems.push(`${Math.round(atMs)} ms: ${node} goes back to ${event.type} of ${member.name}`);
  }
  return problems;
}

export const joins = scenario((cluster) => [
  ...wrongly(cluster, 'suspected'),
  ...wrongly(cluster, 'conflict'),
]);

export const crash = scenario((cluster) => {
  const victim = pick(cluster);
  victim.crash();
  const tookMs = cluster.settle(DETECTION_MS);
  return [
    ...(tookMs === undefined ? [`${victim.name} crashed: ${viewsOf(cluster)}`] : []),
    ...wrongly(cluster, 'dead', [victim.name]),
  ];
});

export const split = scenario((cluster) => {
  const { world, nodes } = cluster;
  const cutAt = 1 + below(world.random, nodes.length - 1);
  const sides = [nodes.slice(0, cutAt), nodes.slice(cutAt)];
  world.network.split(...sides.map((side) => side.map(({ machine }) => machine.address)));
  world.run(between(world.random, 500, 8000));
  const apart = sides.flatMap((side) =>
    cluster.settle(HEAL_MS, side) === undefined ? [`a side disagrees: ${viewsOf(cluster)}`] : [],
  );
  world.network.heal();
  return [...apart, ...notSettled(cluster, HEAL_MS)];
});

export const oneWay = scenario((cluster) => {
  const { world, nodes } = cluster;
  const from = pick(cluster);
  const to = nodes[(nodes.indexOf(from) + 1) % nodes.length]!;
  world.network.cut(from.machine.address, to.machine.address);
  world.run(8000);
  return [...wrongly(cluster, 'suspected'), ...wrongly(cluster, 'dead')];
});

export const pause = scenario((cluster) => {
  const victim = pick(cluster);
  victim.machine.pause();
  cluster.world.run(between(cluster.world.random, 3000, 12_000));
  const others = cluster.nodes.filter((node) => node !== victim);
  const alone = others.some((node) => node.stateOf(victim.name) !== 'dead');
  victim.machine.resume();
  const problems = notSettled(cluster, HEAL_MS);
  if (alone) problems.push(`${victim.name} was paused and not all called it dead`);
  if (victim.membership.counters.refutes === 0) problems.push(`${victim.name} denied nothing`);
  return [...problems, ...wrongly(cluster, 'dead', [victim.name])];
});

/**
 * A node that suspects another one is paused, and the other denies it meanwhile: when it goes on,
 * its timers are due before it has read that.
 */
export const stall = scenario(
  (cluster) => {
    const { world, nodes } = cluster;
    const suspect = pick(cluster);
    const victim = nodes[(nodes.indexOf(suspect) + 1) % nodes.length]!;
    suspect.machine.pause();
    const isSuspected = (): boolean => victim.stateOf(suspect.name) === 'suspect';
    if (world.runUntil(isSuspected, 5000) === undefined)
      return [`${suspect.name} is not suspected`];
    // Also after its last question.
    world.run(between(world.random, 0, 1200));
    victim.machine.pause();
    const pausedAtMs = world.nowMs;
    suspect.machine.resume();
    world.run(between(world.random, 2000, 10_000));
    victim.machine.resume();
    const problems = notSettled(cluster, HEAL_MS);
    const deaths = cluster.said('dead', pausedAtMs).filter(({ node }) => node === victim.name);
    problems.push(...deaths.map(() => `${victim.name} calls ${suspect.name} dead as it wakes`));
    return [...problems, ...wentBack(cluster)];
  },
  { nodes: 5 },
);

export const restart = scenario((cluster) => {
  const { world } = cluster;
  const victim = pick(cluster);
  const { id } = victim.membership.self;
  victim.crash();
  world.run(between(world.random, 20, 4000));
  const others = cluster.nodes.filter((node) => node !== victim);
  victim.start();
  victim.join(...others);
  const problems = notSettled(cluster, JOIN_MS);
  const stale = cluster.nodes.filter((node) => node.membership.members.get(victim.name)?.id === id);
  return [...problems, ...stale.map(({ name }) => `${name} has the old id`)];
});

export const leave = scenario((cluster) => {
  const victim = pick(cluster);
  void victim.membership.leave();
  cluster.world.run(500);
  const others = cluster.nodes.filter((node) => node !== victim);
  victim.membership.stop();
  victim.crash();
  cluster.world.run(3000);
  return [
    ...others
      .filter((node) => node.stateOf(victim.name) !== 'left')
      .map((node) => `${node.name} sees ${victim.name} ${node.stateOf(victim.name)}`),
    ...wrongly(cluster, 'dead'),
    ...notSettled(cluster, JOIN_MS),
  ];
});

/** A fifth of all messages is lost, all the time: they still agree, and see who crashed. */
export const loss: Scenario = (seed, plan = {}) => {
  const link = { loss: 0.2, jitterMs: 2, duplicates: 0.05 };
  const cluster = new Cluster({ nodes: 3 + (seed % 5), seed, link, ...plan });
  cluster.start();
  cluster.world.run(1000);
  const problems = notSettled(cluster, HEAL_MS);
  pick(cluster).crash();
  return [...problems, ...notSettled(cluster, HEAL_MS)];
};

/** A network as bad as a site has, and processes that stall: nobody may be called dead. */
export const STEADY_LINK = { loss: 0.05, jitterMs: 2, spikes: 0.02, spikeMs: 150 };
export const STEADY_MS = 20_000;

export function falseDeaths(seed: number, plan: Plan = {}): string[] {
  const cluster = new Cluster({ nodes: 5, seed, link: STEADY_LINK, ...plan });
  const { world } = cluster;
  cluster.start();
  for (let atMs = 2000; atMs < STEADY_MS; atMs += 2000) {
    const stallMs = between(world.random, 100, 500);
    world.after(atMs + between(world.random, 0, 1000), () =>
      pick(cluster).machine.pauseFor(stallMs),
    );
  }
  world.run(STEADY_MS);
  return wrongly(cluster, 'dead');
}

/** Everything at once, at random; then all is mended, and they must agree. */
export const chaos = scenario(
  (cluster) => {
    const { world, nodes } = cluster;
    const { network, random } = world;
    const addresses = nodes.map(({ machine }) => machine.address);
    const deeds: (() => void)[] = [
      () => pick(cluster).crash(),
      () => start(pick(cluster), cluster),
      () => pick(cluster).machine.pauseFor(between(random, 50, 5000)),
      () => {
        const cutAt = 1 + below(random, nodes.length - 1);
        network.split(addresses.slice(0, cutAt), addresses.slice(cutAt));
      },
      () => network.cut(pick(cluster).machine.address, pick(cluster).machine.address),
      () => network.heal(),
      () => network.setProfile({ loss: 0.5 * random(), jitterMs: 50 * random(), duplicates: 0.1 }),
      () => {
        const node = pick(cluster);
        if (node.isUp) node.membership.setMeta(Uint8Array.of(below(random, 256)));
      },
    ];
    for (let deed = 0; deed < 12; deed++) {
      deeds[below(random, deeds.length)]!();
      world.run(between(random, 0, 2000));
    }
    network.heal();
    network.setProfile({});
    for (const node of nodes) if (!node.isUp) start(node, cluster);
    const problems = notSettled(cluster, HEAL_MS);
    return [...problems, ...wrongly(cluster, 'conflict'), ...wentBack(cluster)];
  },
  { link: { jitterMs: 1 } },
);

function start(node: ClusterNode, cluster: Cluster): void {
  if (node.isUp) return;
  node.start();
  node.join(...cluster.nodes.filter((other) => other !== node));
}
