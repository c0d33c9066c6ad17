/** What happens to simulated clusters with data while clients write, and what is wrong after it. */
import { below, between } from '#bench/sim/random.js';
import { Service } from '#server/cluster/store.js';
import {
  badlyRouted,
  CopyWatch,
  lostWrites,
  miscounted,
  missedReads,
  notConverged,
  servedExpired,
  unreachable,
} from './checkers.js';
import { Clients, isCareful, isFixed } from './clients.js';
import { SimCluster, type SimNode, type SimOptions } from './cluster-world.js';

export type ClusterPlan = Partial<Omit<SimOptions, 'seed'>>;
export type ClusterScenario = (seed: number, plan?: ClusterPlan) => Promise<string[]>;

/** Dead nodes keep their places for so long; short failures are shorter. */
const REPLACE_MS = 8_000;
const SHORT_MS = 6_000;
const LONG_MS = 14_000;
const SETTLE_MS = 40_000;
/** Repair compares with one peer at a time: several rounds with each. */
const CONVERGE_MS = 60_000;
/** After it, nothing changes any more. */
const QUIET_MS = 2_000;
/** One in so many seeds looks whether that is so. */
const LONG_QUIETS = 8;
/** Who is alone knows it within this: it takes itself for the one that is unwell, and is patient. */
const KNOWN_MS = 20_000;

interface Running {
  readonly sim: SimCluster;
  readonly clients: Clients;
  /** Lets time pass. */
  run(ms: number): Promise<void>;
  /** Waits until all is mended; what is wrong if it is not. */
  mend(): Promise<string[]>;
}

interface Traits {
  /** Writes that two owners had may be lost: more than one node fails at a time, or both serve. */
  readonly isLossy?: boolean;
  /** Nothing fails: all counts are exact. */
  readonly isCalm?: boolean;
  /** What this scenario asks of the cluster. */
  readonly plan?: ClusterPlan;
  /** How the nodes start, where not all are to find each other. */
  start?(sim: SimCluster): void;
}

function scenario(
  act: (running: Running) => Promise<string[]>,
  traits: Traits = {},
): ClusterScenario {
  return async (seed, plan = {}) => {
    const bad = { loss: 0.01, duplicates: 0.01, jitterMs: 1, spikes: 0.02, spikeMs: 60 };
    const link = { ...bad, isStubborn: seed % 2 === 1 };
    const cluster = { ...traits.plan?.cluster, ...plan.cluster };
    const options = { ...traits.plan, ...plan, cluster };
    const sim = new SimCluster({ seed, nodes: 3 + (seed % 4), link, ...options });
    const run = (ms: number) => sim.world.runAwaiting(ms);
    const mend = async (): Promise<string[]> => {
      if (await sim.settle(SETTLE_MS)) return [];
      return [
        `not settled: ${sim.up.map((node) => `\n  ${node.name}: ${node.duties()}`).join('')}`,
      ];
    };
    const problems: string[] = [];
    if (traits.start) traits.start(sim);
    else {
      sim.start();
      await run(1_000);
      problems.push(...(await mend()));
    }
    if (problems.length > 0) return problems;
    const clients = new Clients(sim);
    const watch = new CopyWatch(sim, isFixed);
    await run(1_000);
    problems.push(...(await act({ sim, clients, run, mend })));
    await run(1_000);
    clients.stop();
    await sim.finish();
    problems.push(...(await mend()));
    for (let ms = 0; ms < CONVERGE_MS && notConverged(sim).length > 0; ms += 1_000) {
      await run(1_000);
    }
    await run(seed % LONG_QUIETS === 0 ? CONVERGE_MS : QUIET_MS);
    problems.push(...notConverged(sim), ...badlyRouted(sim), ...servedExpired(sim));
    problems.push(...miscounted(sim, traits.isCalm ?? false), ...(await unreachable(sim)));
    if (!traits.isLossy) {
      problems.push(...lostWrites(sim, isCareful), ...missedReads(sim, isFixed));
      problems.push(...watch.problems);
    }
    return problems;
  };
}

/** Addresses of some of the nodes, one at least, and of the others, one at least. */
function sides({ world, nodes }: SimCluster): SimNode[][] {
  const cutAt = 1 + below(world.random, nodes.length - 1);
  return [nodes.slice(0, cutAt), nodes.slice(cutAt)];
}

const addresses = (nodes: readonly SimNode[]): string[] => nodes.map((n) => n.machine.address);

const CALM: Traits = { isCalm: true };
const LOSSY: Traits = { isLossy: true };

export const quiet = scenario(async ({ run }) => {
  await run(5_000);
  return [];
}, CALM);

/** Whoever crashes comes back, after a short or a long time, with nothing. */
export const crashes = scenario(async ({ sim, run, mend }) => {
  const problems: string[] = [];
  for (let i = 0; i < 2; i++) {
    const victim = sim.pick(sim.up);
    victim.crash();
    await run(between(sim.world.random, 100, LONG_MS));
    victim.start(sim.nodes);
    problems.push(...(await mend()));
  }
  return problems;
});

/** The number of copies is restored though nobody comes back, and nobody reads. */
export const replaced = scenario(async ({ sim, run, mend }) => {
  sim.pick(sim.up).crash();
  await run(15_000);
  return mend();
});

async function split(running: Running, fromMs: number, toMs: number): Promise<string[]> {
  const { sim, run, mend } = running;
  const { network } = sim.world;
  const [some, others] = sides(sim);
  network.split(addresses(some!), addresses(others!));
  await run(between(sim.world.random, fromMs, toMs));
  maybeStop(running);
  network.heal();
  return mend();
}

/** What old messages undo that come now, nobody may write again. */
function maybeStop({ sim, clients }: Running): void {
  if (sim.world.random() < 0.5) clients.stop();
}

/** Too short for any side to make new copies: a quorum is on one side at most. */
export const splits = scenario((running) => split(running, 200, SHORT_MS));

/** Each side has all slots to itself, and makes new copies: what both acknowledge, one may lose. */
export const longSplits = scenario((running) => split(running, REPLACE_MS, LONG_MS), LOSSY);

/** Clusters that never knew each other find together. */
export const meetings = scenario(
  async ({ sim, run, mend }) => {
    await run(between(sim.world.random, 1_000, 5_000));
    sim.world.network.heal();
    return mend();
  },
  {
    isLossy: true,
    start: (sim) => {
      const parts = sides(sim);
      sim.world.network.split(...parts.map(addresses));
      for (const node of sim.nodes) node.start(sim.nodes);
    },
  },
);

/** A node that is alone refuses, where that was asked for. */
export const minOwners = scenario(
  async ({ sim, run, mend }) => {
    const alone = sim.pick(sim.nodes);
    const others = sim.nodes.filter((node) => node !== alone);
    sim.world.network.split([alone.machine.address], addresses(others));
    await run(KNOWN_MS);
    const problems = [...alone.store.entries.keys()]
      .filter((key) => alone.store.serviceOf(key) & (Service.SERVES | Service.ACCEPTS))
      .map((key) => `${alone.name} serves ${key} though it is alone`);
    sim.world.network.heal();
    return [...problems, ...(await mend())];
  },
  { plan: { cluster: { minOwners: 2 } } },
);

export const oneWayCuts = scenario(async (running) => {
  const { sim, run, mend } = running;
  const from = sim.pick(sim.nodes);
  const to = sim.pick(sim.nodes.filter((node) => node !== from));
  sim.world.network.cut(from.machine.address, to.machine.address);
  await run(between(sim.world.random, 200, SHORT_MS));
  maybeStop(running);
  sim.world.network.heal();
  return mend();
});

export const pauses = scenario(async (running) => {
  const { sim, run, mend } = running;
  const victim = sim.pick(sim.up);
  victim.machine.pause();
  await run(between(sim.world.random, 200, LONG_MS));
  maybeStop(running);
  victim.machine.resume();
  return mend();
});

export const badLinks = scenario(async ({ sim, run }) => {
  const profile = { loss: 0.1, duplicates: 0.1, jitterMs: 20, spikes: 0.1, spikeMs: 300 };
  sim.world.network.setProfile(profile);
  await run(5_000);
  sim.world.network.setProfile({});
  return [];
});

export const joins = scenario(async ({ sim, mend }) => {
  sim.add().start(sim.nodes);
  return mend();
});

/** Pulls that take their time. */
const SLOWLY: Traits = { plan: { scanBytesPerSecond: 1_000 } };

/** Lets time pass until a node is in the middle of its pulls, or has had time enough for them. */
async function untilPulling({ run }: Running, node: SimNode): Promise<void> {
  for (let i = 0; i < 100 && node.member.cluster.pulls.slotsLeft === 0; i++) await run(20);
}

/** All is served while slots are handed over, however long that takes. */
export const slowJoins = scenario(async ({ sim, run, mend }) => {
  sim.add().start(sim.nodes);
  await run(KNOWN_MS);
  return mend();
}, SLOWLY);

export const crashesInJoins = scenario(async (running) => {
  const { sim, run, mend } = running;
  const node = sim.add();
  node.start(sim.nodes);
  await untilPulling(running, node);
  await run(between(sim.world.random, 0, 1_000));
  const victim = sim.pick(sim.up);
  victim.crash();
  await run(between(sim.world.random, 100, LONG_MS));
  victim.start(sim.nodes);
  return mend();
}, SLOWLY);

export const splitsInJoins = scenario(async (running) => {
  const { sim } = running;
  const node = sim.add();
  node.start(sim.nodes);
  await untilPulling(running, node);
  return split(running, 200, SHORT_MS);
}, SLOWLY);

/** More is written than the change log holds. */
export const bursts = scenario(async ({ clients, run }) => {
  for (let i = 0; i < 3; i++) {
    clients.burst();
    await run(2_000);
  }
  return [];
});

/** Clocks differ by up to a minute, and drift. */
export const skews = scenario(
  async ({ sim, run, mend }) => {
    const victim = sim.pick(sim.up);
    victim.crash();
    await run(between(sim.world.random, 100, LONG_MS));
    victim.start(sim.nodes);
    return mend();
  },
  { plan: { skewMs: 29_000, driftPpm: 200 } },
);

export const leaves = scenario((running) => leave(running, running.sim.pick(running.sim.up)));

async function leave({ run, mend }: Running, node: SimNode): Promise<string[]> {
  let isGone = false;
  void node.member.leave(20_000).then(() => {
    isGone = true;
    node.member.stop();
    node.crash();
  });
  for (let i = 0; i < 300 && !isGone; i++) await run(100);
  return isGone ? mend() : [`${node.name} does not get away`];
}

/**
 * The others drop what it has, and shall have it again before they are through with that. Without
 * repair, which would find soon what they lack.
 */
export const visits = scenario(
  async (running) => {
    const { sim, run, mend } = running;
    for (let i = 0; i < 2; i++) {
      const node = sim.add();
      node.start(sim.nodes);
      const problems = await mend();
      if (problems.length > 0) return problems;
      await run(between(sim.world.random, 2_000, 8_000));
      problems.push(...(await leave(running, node)));
      if (problems.length > 0) return problems;
    }
    return [];
  },
  { plan: { cluster: { repairIntervalMs: 600_000 } } },
);

/** A store loses what nobody deleted, and nobody notices. */
export const damages = scenario(async ({ sim, run }) => {
  const { entries } = sim.pick(sim.up).store;
  for (const key of [...entries.keys()]) if (sim.world.random() < 0.5) entries.delete(key);
  await run(5_000);
  return [];
}, LOSSY);

/** Several of these at once. Copies may all be lost then, so only the rest is checked. */
export const chaos = scenario(async ({ sim, run, mend }) => {
  const { world } = sim;
  for (let i = 0; i < 4; i++) {
    const victim = sim.pick(sim.nodes);
    const what = world.random();
    if (what < 0.3) {
      victim.crash();
      world.after(between(world.random, 500, 12_000), () => victim.start(sim.nodes));
    } else if (what < 0.5) {
      victim.machine.pauseFor(between(world.random, 100, 5_000));
    } else if (what < 0.75) {
      const [some, others] = sides(sim);
      world.network.split(addresses(some!), addresses(others!));
      world.after(between(world.random, 500, 8_000), () => world.network.heal());
    } else if (what < 0.85) {
      sim.add().start(sim.nodes);
    } else {
      world.network.setProfile({ loss: 0.2, duplicates: 0.1, jitterMs: 10 });
      world.after(3_000, () => world.network.setProfile({}));
    }
    await run(between(world.random, 0, 5_000));
  }
  await run(13_000);
  for (const node of sim.nodes) {
    if (!node.isUp) node.start(sim.nodes);
    node.machine.resume();
  }
  world.network.heal();
  return mend();
}, LOSSY);
