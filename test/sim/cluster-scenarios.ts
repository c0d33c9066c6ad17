/** What happens to simulated clusters with data while clients write, and what is wrong after it. */
import { below, between } from '#bench/sim/random.js';
import { badlyRouted, lostWrites, notConverged } from './checkers.js';
import { SimCluster, type SimNode, type SimOptions } from './cluster-world.js';
import type { Operation } from './memory-store.js';

export type ClusterPlan = Partial<Omit<SimOptions, 'seed'>>;
export type ClusterScenario = (seed: number, plan?: ClusterPlan) => Promise<string[]>;

const KEYS = 30;
const MEMBERS = 20;
const SETTLE_MS = 30_000;
/** Repair compares with one peer at a time: several rounds with each. */
const QUIET_MS = 60_000;
/** Between two things that clients ask for, on average. */
const PACE_MS = 12;

/** Keys that are written with `quorum` only, and by SET and DEL only. */
function isCareful(key: string): boolean {
  return key.startsWith('q');
}

class Clients {
  #isOn = true;
  #written = 0;

  constructor(private readonly sim: SimCluster) {
    this.#goOn();
  }

  stop(): void {
    this.#isOn = false;
  }

  #goOn(): void {
    const { sim } = this;
    sim.world.after(between(sim.world.random, 0, 2 * PACE_MS), () => {
      if (!this.#isOn) return;
      if (sim.up.length > 0) this.#act();
      this.#goOn();
    });
  }

  #act(): void {
    const { random } = this.sim.world;
    const number = below(random, KEYS);
    const what = random();
    const value = `v${++this.#written}`;
    const member = `m${below(random, MEMBERS)}`;
    if (what < 0.3) {
      const key = `q${number}`;
      const operation: Operation = what < 0.22 ? { op: 'set', key, value } : { op: 'del', key };
      this.sim.act(operation, 'quorum');
    } else if (what < 0.45) this.sim.act({ op: 'set', key: `k${number}`, value });
    else if (what < 0.5) this.sim.act({ op: 'del', key: `k${number}` });
    else if (what < 0.65) this.sim.act({ op: 'incr', key: `n${number}` });
    else if (what < 0.8) this.sim.act({ op: 'sadd', key: `s${number}`, member });
    else if (what < 0.9) this.sim.act({ op: 'srem', key: `s${number}`, member });
    else this.sim.act({ op: 'get', key: `k${number}` });
  }
}

interface Running {
  readonly sim: SimCluster;
  /** Lets time pass. */
  run(ms: number): Promise<void>;
  /** Waits until all is mended; what is wrong if it is not. */
  mend(): Promise<string[]>;
}

function scenario(
  act: (running: Running) => Promise<string[]>,
  isCarefulKept = true,
): ClusterScenario {
  return async (seed, plan = {}) => {
    const link = { loss: 0.01, duplicates: 0.01, jitterMs: 1, spikes: 0.02, spikeMs: 60 };
    const sim = new SimCluster({ seed, nodes: 3 + (seed % 4), link, ...plan });
    sim.start();
    const run = (ms: number) => sim.world.runAwaiting(ms);
    const mend = async (): Promise<string[]> => {
      if (await sim.settle(SETTLE_MS)) return [];
      return [
        `not settled: ${sim.up.map((node) => `\n  ${node.name}: ${node.duties()}`).join('')}`,
      ];
    };
    const problems = await mend();
    if (problems.length > 0) return problems;
    const clients = new Clients(sim);
    await run(1_000);
    problems.push(...(await act({ sim, run, mend })));
    await run(1_000);
    clients.stop();
    problems.push(...(await mend()));
    await run(QUIET_MS);
    problems.push(...notConverged(sim), ...badlyRouted(sim));
    if (isCarefulKept) problems.push(...lostWrites(sim, isCareful));
    return problems;
  };
}

/** Addresses of some of the nodes, one at least, and of the others, one at least. */
function sides({ world, nodes }: SimCluster): SimNode[][] {
  const cutAt = 1 + below(world.random, nodes.length - 1);
  return [nodes.slice(0, cutAt), nodes.slice(cutAt)];
}

const addresses = (nodes: readonly SimNode[]): string[] => nodes.map((n) => n.machine.address);

export const quiet = scenario(async ({ run }) => {
  await run(5_000);
  return [];
});

/** Whoever crashes comes back, after a short or a long time, with nothing. */
export const crashes = scenario(async ({ sim, run, mend }) => {
  const problems: string[] = [];
  for (let i = 0; i < 2; i++) {
    const victim = sim.pick(sim.up);
    victim.crash();
    await run(between(sim.world.random, 100, 14_000));
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

export const splits = scenario(async ({ sim, run, mend }) => {
  const { network } = sim.world;
  const [some, others] = sides(sim);
  network.split(addresses(some!), addresses(others!));
  await run(between(sim.world.random, 200, 12_000));
  network.heal();
  return mend();
});

export const oneWayCuts = scenario(async ({ sim, run, mend }) => {
  const from = sim.pick(sim.nodes);
  const to = sim.pick(sim.nodes.filter((node) => node !== from));
  sim.world.network.cut(from.machine.address, to.machine.address);
  await run(between(sim.world.random, 200, 10_000));
  sim.world.network.heal();
  return mend();
});

export const pauses = scenario(async ({ sim, run, mend }) => {
  const victim = sim.pick(sim.up);
  victim.machine.pause();
  await run(between(sim.world.random, 200, 12_000));
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

export const leaves = scenario(async ({ sim, run, mend }) => {
  const node = sim.pick(sim.up);
  let isGone = false;
  void node.member.leave(20_000).then(() => {
    isGone = true;
    node.member.stop();
    node.crash();
  });
  for (let i = 0; i < 300 && !isGone; i++) await run(100);
  return isGone ? mend() : [`${node.name} does not get away`];
});

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
}, false);
